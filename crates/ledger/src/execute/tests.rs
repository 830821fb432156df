//! Random transactions, well-formed and hostile, on a living ledger: none brings it down, every
//! MIST stays accounted for, every checkpoint is true to itself.

use proptest::prelude::*;
use sui_sdk_types::{
    Argument, Command, GasPayment, Identifier, Input, MakeMoveVector, MergeCoins, MoveCall,
    ObjectReference, Owner, ProgrammableTransaction, Publish, SharedInput, SplitCoins, StructTag,
    TransferObjects,
};

use super::*;
use crate::config::GenesisOptions;
use crate::executor::{prologue, seal};
use crate::gas::Supply;
use crate::genesis::begin;
use crate::record::CheckpointRecord;

const SENDERS: [Address; 3] = [
    Address::from_static("0xa1"),
    Address::from_static("0xb2"),
    Address::from_static("0xc3"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("staking", "stake"),
    ("staking", "share"),
    ("staking", "top_up"),
    ("staking", "request_unstake"),
    ("staking", "withdraw"),
    ("staking", "slash"),
    ("params", "set_paused"),
    ("staking", "withdraw_treasury"),
    ("staking", "has_sufficient_stake"),
    ("k8s_gateway", "create_seal_token"),
    ("k8s_gateway", "share_token"),
    ("k8s_gateway", "renew_seal_token"),
    ("k8s_gateway", "revoke_seal_token"),
    ("enclave_registry", "create_cluster"),
    ("enclave_registry", "share_cluster"),
    ("enclave_registry", "approve_measurement"),
    ("staking", "no_such_function"),
];

fn genesis() -> State {
    let funds = SENDERS
        .iter()
        .flat_map(|sender| [(*sender, 40_000_000_000), (*sender, 5_000_000_000)])
        .collect();
    let beginning = begin(&GenesisOptions::development(SENDERS[0], funds), 1_000_000).unwrap();
    let mut state = State::empty(contract_model::Parameters::development());
    state.apply(beginning.record).unwrap();
    state
}

/// An argument: kind, and indices.
type Given = (u8, u16, u16);

/// One transaction, as numbers that are made fit for the state that it meets.
#[derive(Clone, Debug)]
struct Plan {
    sender: usize,
    inputs: Vec<(u8, u16, Vec<u8>)>,
    commands: Vec<(u8, u8, Vec<Given>)>,
    budget: u64,
    coins: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let input = (
        any::<u8>(),
        any::<u16>(),
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let argument = (any::<u8>(), 0..6_u16, 0..3_u16);
    let command = (
        any::<u8>(),
        any::<u8>(),
        proptest::collection::vec(argument, 0..11),
    );
    (
        0..SENDERS.len(),
        proptest::collection::vec(input, 0..7),
        proptest::collection::vec(command, 0..5),
        prop_oneof![
            2 => 1_000_000..9_000_000_u64,
            8 => 9_000_000..200_000_000_u64,
            1 => any::<u64>()
        ],
        1..3_usize,
    )
        .prop_map(|(sender, inputs, commands, budget, coins)| Plan {
            sender,
            inputs,
            commands,
            budget,
            coins,
        })
}

fn transaction(state: &State, plan: &Plan) -> Transaction {
    let sender = SENDERS[plan.sender];
    let objects: Vec<_> = state.world.objects().cloned().collect();
    let package = state.world.package();
    let gas: Vec<ObjectReference> = state
        .coins_of(sender)
        .iter()
        .take(plan.coins)
        .map(|(_, coin)| ObjectReference::new(coin.object_id(), coin.version(), coin.digest()))
        .collect();
    let mut named = std::collections::BTreeSet::new();
    let mut inputs: Vec<Input> =
        plan.inputs
            .iter()
            .filter_map(|(kind, pick, bytes)| {
                let object = &objects[usize::from(*pick) % objects.len()];
                let id = object.object_id();
                let hostile = *kind >= 240;
                let reference = ObjectReference::new(
                    id,
                    object.version() + u64::from(*kind == 250),
                    object.digest(),
                );
                match (kind % 6, object.owner()) {
                    (0, _) => Some(Input::Pure(bytes.clone())),
                    (1, _) => Some(Input::Pure(u64::from(*pick).to_le_bytes().to_vec())),
                    (2, _) => Some(Input::Pure(bcs::to_bytes(&bytes).unwrap())),
                    // Those that are added below are named twice by the hostile only.
                    (_, Owner::Shared(version)) if hostile => Some(Input::Shared(
                        SharedInput::new(id, *version + u64::from(*kind == 251), kind % 2 == 0),
                    )),
                    (_, Owner::Address(owner)) if hostile || *owner == sender => (hostile
                        || (gas.iter().all(|coin| *coin.object_id() != id) && named.insert(id)))
                    .then_some(Input::ImmutableOrOwned(reference)),
                    (_, Owner::Object(_)) if hostile => Some(Input::ImmutableOrOwned(reference)),
                    _ => None,
                }
            })
            .collect();
    // Often used together, so that calls get somewhere.
    let shared = |name: &str, mutable| {
        objects
            .iter()
            .find(|object| {
                object
                    .as_struct()
                    .is_some_and(|data| data.object_type().name().as_str() == name)
            })
            .map(|object| {
                let version = match object.owner() {
                    Owner::Shared(version) => *version,
                    _ => 0,
                };
                Input::Shared(SharedInput::new(object.object_id(), version, mutable))
            })
    };
    let base = u16::try_from(inputs.len()).unwrap();
    inputs.extend(shared("StakingPool", true));
    inputs.extend(shared("Clock", false));
    inputs.push(Input::Pure(plan.budget.to_le_bytes().to_vec()));
    inputs.push(Input::Pure(vec![1]));
    inputs.push(Input::Pure(sender.as_bytes().to_vec()));
    inputs.extend(shared("Stake", true));
    let [pool, clock, amount, tier, to, stake] =
        std::array::from_fn(|index| Argument::Input(base + u16::try_from(index).unwrap()));
    let call = |module, function, arguments| {
        Command::MoveCall(MoveCall {
            package,
            module: Identifier::from_static(module),
            function: Identifier::from_static(function),
            type_arguments: Vec::new(),
            arguments,
        })
    };
    let count = u16::try_from(inputs.len()).unwrap();
    let mut commands = Vec::new();
    for (kind, pick, arguments) in &plan.commands {
        let at = u16::try_from(commands.len()).unwrap();
        match kind {
            0..80 => commands.extend([
                Command::SplitCoins(SplitCoins {
                    coin: Argument::Gas,
                    amounts: vec![amount],
                }),
                call(
                    "staking",
                    "stake",
                    vec![pool, Argument::NestedResult(at, 0), tier, clock],
                ),
                call("staking", "share", vec![Argument::Result(at + 1)]),
            ]),
            80..100 => commands.extend([
                Command::SplitCoins(SplitCoins {
                    coin: Argument::Gas,
                    amounts: vec![amount, amount],
                }),
                Command::MergeCoins(MergeCoins {
                    coin: Argument::NestedResult(at, 0),
                    coins_to_merge: vec![Argument::NestedResult(at, 1)],
                }),
                Command::TransferObjects(TransferObjects {
                    objects: vec![Argument::NestedResult(at, 0)],
                    address: to,
                }),
            ]),
            100..120 => commands.push(call("staking", "request_unstake", vec![pool, stake, clock])),
            120..130 => commands.push(Command::TransferObjects(TransferObjects {
                objects: vec![Argument::Gas],
                address: to,
            })),
            _ => commands.push(random_command(*kind, *pick, arguments, package, count)),
        }
    }
    Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs,
            commands,
        }),
        sender,
        gas_payment: GasPayment {
            objects: gas,
            owner: sender,
            price: 1000,
            budget: plan.budget,
        },
        expiration: TransactionExpiration::None,
    }
}

fn random_command(
    kind: u8,
    pick: u8,
    arguments: &[Given],
    package: Address,
    count: u16,
) -> Command {
    let argument = |(kind, a, b): &Given| match kind % 8 {
        0 => Argument::Gas,
        1..=3 => Argument::Input(a % (count + 1)),
        4 => Argument::Input(count.saturating_sub(1 + a % 3)),
        5 => Argument::Result(*a),
        _ => Argument::NestedResult(*a, *b),
    };
    let arguments: Vec<Argument> = arguments.iter().map(argument).collect();
    let first = arguments.first().copied().unwrap_or(Argument::Gas);
    let rest: Vec<Argument> = arguments.iter().skip(1).copied().collect();
    match kind % 8 {
        0 => Command::SplitCoins(SplitCoins {
            coin: first,
            amounts: rest,
        }),
        1 => Command::MergeCoins(MergeCoins {
            coin: first,
            coins_to_merge: rest,
        }),
        2 => Command::TransferObjects(TransferObjects {
            objects: rest,
            address: first,
        }),
        3 => Command::MakeMoveVector(MakeMoveVector {
            type_: (pick.is_multiple_of(2)).then(|| StructTag::gas_coin().into()),
            elements: arguments,
        }),
        4 if pick.is_multiple_of(16) => Command::Publish(Publish {
            modules: vec![vec![1, 2, 3]],
            dependencies: vec![package],
        }),
        _ => {
            let (module, function) = FUNCTIONS[usize::from(pick) % FUNCTIONS.len()];
            Command::MoveCall(MoveCall {
                package,
                module: Identifier::from_static(module),
                function: Identifier::from_static(function),
                type_arguments: Vec::new(),
                arguments,
            })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_brings_it_down_and_no_mist_is_lost(
        plans in proptest::collection::vec(plan(), 1..24)
    ) {
        let mut state = genesis();
        let total = Supply::of(&state).total();
        for (plan, now) in plans.iter().zip(1_000_001..) {
            let moment = Moment {
                epoch: 0,
                epoch_start_ms: 1_000_000,
                timestamp_ms: now,
                price: 1000,
            };
            let signed = SignedTransaction {
                transaction: transaction(&state, plan),
                signatures: Vec::new(),
            };
            let clock = prologue(&state, &moment, now);
            let mut head = state.clone();
            crate::executor::apply_objects(&mut head, &clock);
            let Ok(executed) = execute(&head, &moment, signed, Checks::All) else {
                continue;
            };
            let summary = executed.record.effects.gas_summary().clone();
            prop_assert!(crate::gas::net(&summary) <= i128::from(plan.budget));
            let record = seal(&state, &moment, vec![clock, executed.record], None);
            record.verify().unwrap();
            // As it is read back from the disk.
            let bytes = bcs::to_bytes(&record).unwrap();
            let record: CheckpointRecord = bcs::from_bytes(&bytes).unwrap();
            state.apply(record).unwrap();
            prop_assert_eq!(Supply::of(&state).total(), total);
            let held: u64 = state.world.objects().map(|object| object.storage_rebate()).sum();
            prop_assert!(state.storage_fund >= held, "rebates are backed");
        }
    }
}
