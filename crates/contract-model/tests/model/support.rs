//! Builds and runs transactions.

use std::sync::Mutex;

use contract_model::layout::framework::CLOCK;
use contract_model::{
    Gas, Genesis, GenesisConfig, InputError, Outcome, Parameters, TxContext, World, execute,
    genesis,
};
use serde::Serialize;
use sui_sdk_types::{
    Address, Argument, Command, Digest, ExecutionError, ExecutionStatus, Identifier, Input,
    MakeMoveVector, MergeCoins, MoveCall, ObjectReference, Owner, ProgrammableTransaction,
    SharedInput, SplitCoins, TransferObjects, TypeTag,
};

pub const SUI: u64 = 1_000_000_000;

pub fn address(number: u8) -> Address {
    let mut bytes = [0x55; 32];
    bytes[31] = number;
    Address::new(bytes)
}

/// A programmable transaction being built against a world.
pub struct Ptb<'w> {
    world: &'w World,
    inputs: Vec<Input>,
    commands: Vec<Command>,
}

impl<'w> Ptb<'w> {
    pub fn new(world: &'w World) -> Self {
        Self {
            world,
            inputs: Vec::new(),
            commands: Vec::new(),
        }
    }

    pub fn world(&self) -> &'w World {
        self.world
    }

    pub fn package(&self) -> Address {
        self.world.package()
    }

    pub fn input(&mut self, input: Input) -> Argument {
        self.inputs.push(input);
        Argument::Input(u16::try_from(self.inputs.len() - 1).unwrap())
    }

    pub fn pure<T: Serialize>(&mut self, value: &T) -> Argument {
        self.input(Input::Pure(bcs::to_bytes(value).unwrap()))
    }

    /// An object of the world, mutable if shared.
    pub fn object(&mut self, id: Address) -> Argument {
        self.object_as(id, true)
    }

    /// An object of the world, read-only if shared. The same object is the same input.
    pub fn object_as(&mut self, id: Address, mutable: bool) -> Argument {
        for (index, input) in (0u16..).zip(&mut self.inputs) {
            match input {
                Input::Shared(shared) if shared.object_id() == id => {
                    let mutable = mutable || shared.mutability().is_mutable();
                    *input = Input::Shared(SharedInput::new(id, shared.version(), mutable));
                    return Argument::Input(index);
                }
                Input::ImmutableOrOwned(reference) if *reference.object_id() == id => {
                    return Argument::Input(index);
                }
                _ => {}
            }
        }
        let object = self.world.get(id).expect("object of the world");
        match object.owner() {
            Owner::Shared(version) => {
                self.input(Input::Shared(SharedInput::new(id, *version, mutable)))
            }
            _ => self.input(Input::ImmutableOrOwned(ObjectReference::new(
                id,
                object.version(),
                object.digest(),
            ))),
        }
    }

    pub fn clock(&mut self) -> Argument {
        self.object_as(CLOCK, false)
    }

    fn command(&mut self, command: Command) -> Argument {
        self.commands.push(command);
        Argument::Result(u16::try_from(self.commands.len() - 1).unwrap())
    }

    /// A call of the package.
    pub fn call(&mut self, module: &str, function: &str, arguments: Vec<Argument>) -> Argument {
        let package = self.world.package();
        self.call_at(package, module, function, Vec::new(), arguments)
    }

    pub fn call_at(
        &mut self,
        package: Address,
        module: &str,
        function: &str,
        type_arguments: Vec<TypeTag>,
        arguments: Vec<Argument>,
    ) -> Argument {
        self.command(Command::MoveCall(MoveCall {
            package,
            module: Identifier::new(module).unwrap(),
            function: Identifier::new(function).unwrap(),
            type_arguments,
            arguments,
        }))
    }

    pub fn split(&mut self, coin: Argument, amount: u64) -> Argument {
        let amount = self.pure(&amount);
        self.command(Command::SplitCoins(SplitCoins {
            coin,
            amounts: vec![amount],
        }))
    }

    pub fn merge(&mut self, coin: Argument, coins_to_merge: Vec<Argument>) {
        self.command(Command::MergeCoins(MergeCoins {
            coin,
            coins_to_merge,
        }));
    }

    pub fn transfer(&mut self, objects: Vec<Argument>, to: Address) {
        let address = self.pure(&to);
        self.command(Command::TransferObjects(TransferObjects {
            objects,
            address,
        }));
    }

    pub fn vector(&mut self, type_: Option<TypeTag>, elements: Vec<Argument>) -> Argument {
        self.command(Command::MakeMoveVector(MakeMoveVector { type_, elements }))
    }

    pub fn finish(self) -> ProgrammableTransaction {
        ProgrammableTransaction {
            inputs: self.inputs,
            commands: self.commands,
        }
    }
}

/// A chain: a world, a clock, and a digest for each transaction.
pub struct Chain {
    pub genesis: Genesis,
    pub world: World,
    pub now: u64,
    pub sequence: u64,
}

impl Chain {
    /// `people` have 1,000 SUI each; `address(0)` is the publisher and one of them.
    pub fn new(people: u8, parameters: Parameters) -> Self {
        /// Publishing takes a while; a world is copied at once.
        static CACHE: Mutex<Vec<(GenesisConfig, Genesis)>> = Mutex::new(Vec::new());
        let publisher = address(0);
        let now = 1_700_000_000_000;
        let config = GenesisConfig {
            publisher,
            digest: Digest::new([7; 32]),
            timestamp_ms: now,
            funds: (0..people).map(|n| (address(n), 1_000 * SUI)).collect(),
            parameters,
        };
        let mut cache = CACHE.lock().unwrap();
        let known = cache.iter().find(|(known, _)| *known == config);
        let genesis = match known {
            Some((_, genesis)) => genesis.clone(),
            None => {
                let made = genesis(&config);
                cache.push((config, made.clone()));
                made
            }
        };
        Self {
            world: genesis.world.clone(),
            genesis,
            now,
            sequence: 0,
        }
    }

    pub fn context(&mut self, sender: Address) -> TxContext {
        self.sequence += 1;
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.sequence.to_le_bytes());
        digest[31] = 0xd1;
        TxContext {
            sender,
            digest: Digest::new(digest),
            // An epoch is a day.
            epoch: self.now / 86_400_000 - 19_000,
            epoch_timestamp_ms: self.now,
            timestamp_ms: self.now,
        }
    }

    pub fn advance(&mut self, ms: u64) {
        self.now += ms;
        self.world.set_clock(self.now, Digest::ZERO);
    }

    /// The sender's coins, the richest first.
    pub fn coins(&self, owner: Address) -> Vec<Address> {
        let mut coins: Vec<(u64, Address)> = self
            .world
            .owned_by(owner)
            .filter_map(|object| {
                let id = object.object_id();
                Some((self.world.coin(id)?, id))
            })
            .collect();
        coins.sort_by(|a, b| b.cmp(a));
        coins.into_iter().map(|(_, id)| id).collect()
    }

    pub fn gas(&self, sender: Address) -> Gas {
        Gas {
            coins: self.coins(sender).into_iter().take(1).collect(),
            budget: SUI / 100,
        }
    }

    /// Executes with the sender's richest coin as gas, and applies the outcome.
    pub fn try_run(
        &mut self,
        sender: Address,
        transaction: &ProgrammableTransaction,
    ) -> Result<Outcome, InputError> {
        let context = self.context(sender);
        let gas = self.gas(sender);
        let outcome = execute(&self.world, &context, &gas, transaction)?;
        self.world.apply(&outcome);
        Ok(outcome)
    }

    pub fn run(&mut self, sender: Address, build: impl FnOnce(&mut Ptb<'_>)) -> Outcome {
        let world = self.world.clone();
        let mut ptb = Ptb::new(&world);
        build(&mut ptb);
        self.try_run(sender, &ptb.finish())
            .expect("inputs are right")
    }

    /// Stakes; the id of the stake.
    pub fn stake(&mut self, sender: Address, amount: u64, tier: u8) -> Address {
        let pool = self.genesis.pool;
        let outcome = self.run(sender, |ptb| {
            let pool = ptb.object(pool);
            let coin = ptb.split(Argument::Gas, amount);
            let tier = ptb.pure(&tier);
            let clock = ptb.clock();
            let stake = ptb.call("staking", "stake", vec![pool, coin, tier, clock]);
            ptb.call("staking", "share", vec![stake]);
        });
        created(&outcome, &self.world, "Stake")
    }

    /// Makes a cluster; its id and its capability's.
    pub fn cluster(&mut self, sender: Address, name: &str) -> (Address, Address) {
        let outcome = self.run(sender, |ptb| {
            let name = ptb.pure(&name);
            let made = ptb.call("enclave_registry", "create_cluster", vec![name]);
            let (cluster, cap) = (made.nested(0).unwrap(), made.nested(1).unwrap());
            ptb.call("enclave_registry", "share_cluster", vec![cluster]);
            ptb.transfer(vec![cap], sender);
        });
        let cluster = created(&outcome, &self.world, "Cluster");
        (cluster, created(&outcome, &self.world, "ClusterCap"))
    }

    /// Mints a token for a day.
    pub fn token(
        &mut self,
        sender: Address,
        stake: Address,
        cluster: Address,
        node: &str,
    ) -> Outcome {
        let (gateway, pool) = (self.genesis.gateway, self.genesis.pool);
        self.run(sender, |ptb| {
            let token = mint(ptb, gateway, pool, stake, cluster, node, 86_400_000);
            ptb.call("k8s_gateway", "share_token", vec![token]);
        })
    }
}

/// The call of `create_seal_token` on a shared stake.
pub fn mint(
    ptb: &mut Ptb<'_>,
    gateway: Address,
    pool: Address,
    stake: Address,
    cluster: Address,
    node: &str,
    ttl_ms: u64,
) -> Argument {
    let arguments = vec![
        ptb.object(gateway),
        ptb.object_as(pool, false),
        ptb.object_as(stake, false),
        ptb.object_as(cluster, false),
        ptb.pure(&node),
        ptb.pure(&vec![1u8; 32]),
        ptb.pure(&vec![2u8; 32]),
        ptb.pure(&"https://127.0.0.1:6443"),
        ptb.pure(&ttl_ms),
        ptb.clock(),
    ];
    ptb.call("k8s_gateway", "create_seal_token", arguments)
}

/// The one object of the package's type `name` that the transaction made.
pub fn created(outcome: &Outcome, world: &World, name: &str) -> Address {
    assert!(outcome.is_success(), "{:?}", outcome.status);
    let mut found = outcome.written.iter().filter(|(_, written)| {
        written.previous.is_none()
            && written.object.as_struct().is_some_and(|data| {
                *data.object_type().address() == world.package()
                    && data.object_type().name().as_str() == name
            })
    });
    *found.next().expect("created").0
}

/// Module and code of the abort that the transaction ended in.
pub fn abort(outcome: &Outcome) -> Option<(String, u64)> {
    match &outcome.status {
        ExecutionStatus::Failure {
            error: ExecutionError::MoveAbort { location, code },
            ..
        } => Some((location.module.to_string(), *code)),
        _ => None,
    }
}

/// The error that the transaction ended in.
pub fn error(outcome: &Outcome) -> &ExecutionError {
    match &outcome.status {
        ExecutionStatus::Failure { error, .. } => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}
