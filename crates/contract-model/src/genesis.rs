//! How a world begins: with funds and nothing else, or with the package published in it.

use sui_sdk_types::{
    Address, Argument, Command, Digest, Event, Input, Object, Owner, ProgrammableTransaction,
    Publish, TransferObjects,
};

use crate::bytecode;
use crate::execute::call::{Call, Failure, State};
use crate::execute::{Gas, TxContext, execute};
use crate::layout::framework::{CLOCK, Clock, clock_tag, upgrade_cap_tag};
use crate::layout::params::{DelayChanged, Params};
use crate::layout::staking::{
    AdminCap, SlashCap, StakingPool, TierChanged, TierParams, UnbondingChanged,
};
use crate::layout::{MoveObject, MoveType};
use crate::types::{coin_object, encode};
use crate::world::{World, new_object};

/// The pool's parameters that governance may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// By tier number: node, user, admin.
    pub tiers: [TierParams; 3],
    /// From the request to the withdrawal, in milliseconds.
    pub unbonding_ms: u64,
    /// From the proposal of a change to its execution, in milliseconds.
    pub delay_ms: u64,
}

/// How to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisConfig {
    /// Who publishes the package and gets its capabilities, where [`genesis`] does it.
    pub publisher: Address,
    /// The digest of the genesis transaction, from which all ids derive.
    pub digest: Digest,
    /// What the clock shows, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// SUI coins: owner and MIST.
    pub funds: Vec<(Address, u64)>,
    /// Set when the package is published, where they differ from its own defaults.
    pub parameters: Parameters,
}

/// A world in which the package has just been published.
#[derive(Clone, Debug, PartialEq)]
pub struct Genesis {
    /// All objects.
    pub world: World,
    /// Those that publishing emits.
    pub events: Vec<Event>,
    /// The package's id.
    pub package: Address,
    /// The shared `staking::StakingPool`.
    pub pool: Address,
    /// The shared `k8s_gateway::Gateway`.
    pub gateway: Address,
    /// The shared `slashing::Docket`.
    pub docket: Address,
    /// The shared `anchors::Anchors`.
    pub anchors: Address,
    /// The shared `params::Params`.
    pub params: Address,
    /// The shared `rewards::Rewards`.
    pub rewards: Address,
    /// The shared `upgrades::Upgrades`.
    pub upgrades: Address,
    /// `staking::AdminCap`, owned by the publisher.
    pub admin_cap: Address,
    /// `staking::SlashCap`, owned by the publisher.
    pub slash_cap: Address,
    /// `0x2::package::UpgradeCap`, owned by the publisher.
    pub upgrade_cap: Address,
    /// The coins of `funds`, in its order.
    pub coins: Vec<Address>,
}

/// The version of the objects that a ledger begins with.
const GENESIS_VERSION: u64 = 1;

/// Ids of the coins derive from the digest like those that publishing makes, from here on.
const FIRST_COIN: u64 = 1 << 32;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MIST_PER_SUI: u64 = 1_000_000_000;

impl Default for Parameters {
    /// What the package's `init` sets.
    fn default() -> Self {
        Self {
            tiers: [
                TierParams {
                    minimum: MIST_PER_SUI,
                    lockup_ms: DAY_MS,
                },
                TierParams {
                    minimum: MIST_PER_SUI / 10,
                    lockup_ms: DAY_MS,
                },
                TierParams {
                    minimum: 10 * MIST_PER_SUI,
                    lockup_ms: 7 * DAY_MS,
                },
            ],
            unbonding_ms: 14 * DAY_MS,
            delay_ms: 2 * DAY_MS,
        }
    }
}

impl Parameters {
    /// For development and CI: the same minimums, no lock-up, a minute of unbonding, a second
    /// of timelock.
    pub fn development() -> Self {
        let mut parameters = Self {
            unbonding_ms: 60_000,
            delay_ms: 1_000,
            ..Self::default()
        };
        for tier in &mut parameters.tiers {
            tier.lockup_ms = 0;
        }
        parameters
    }
}

/// The world in which there are only coins and the clock; the ids of the coins, in the order of
/// `config.funds`.
pub fn unpublished(config: &GenesisConfig) -> (World, Vec<Address>) {
    let clock = new_object(
        clock_tag(),
        false,
        GENESIS_VERSION,
        encode(&Clock {
            id: CLOCK,
            timestamp_ms: config.timestamp_ms,
        }),
        Owner::Shared(GENESIS_VERSION),
        config.digest,
    );
    let mut objects: Vec<Option<Object>> = vec![clock];
    let mut coins = Vec::new();
    for (count, (owner, balance)) in (FIRST_COIN..).zip(&config.funds) {
        let id = Address::derive_id(config.digest, count);
        coins.push(id);
        objects.push(coin_object(
            id,
            *balance,
            GENESIS_VERSION,
            Owner::Address(*owner),
            config.digest,
        ));
    }
    let objects = objects.into_iter().flatten();
    let world = World::from_objects(config.parameters.clone(), objects);
    (world, coins)
}

/// The transaction that publishes the package, the upgrade capability going to `publisher`.
pub fn publication(publisher: Address) -> ProgrammableTransaction {
    let modules = bytecode::modules().iter();
    ProgrammableTransaction {
        inputs: vec![Input::Pure(encode(&publisher))],
        commands: vec![
            Command::Publish(Publish {
                modules: modules.map(|module| module.bytes.clone()).collect(),
                dependencies: bytecode::DEPENDENCIES.to_vec(),
            }),
            Command::TransferObjects(TransferObjects {
                objects: vec![Argument::Result(0)],
                address: Argument::Input(0),
            }),
        ],
    }
}

/// The world in which the package has just been published by `config.publisher`, by the same
/// execution as a transaction of anybody's, with `config.digest` as its digest and no gas.
///
/// Ids derive from the digest as on Sui: the package first, then what the modules' `init` functions
/// make, then the upgrade capability.
pub fn genesis(config: &GenesisConfig) -> Genesis {
    let (mut world, coins) = unpublished(config);
    let context = TxContext {
        sender: config.publisher,
        digest: config.digest,
        epoch: 0,
        epoch_timestamp_ms: config.timestamp_ms,
        timestamp_ms: config.timestamp_ms,
    };
    let transaction = publication(config.publisher);
    let mut events = Vec::new();
    if let Ok(outcome) = execute(&world, &context, &Gas::default(), &transaction) {
        world.apply(&outcome);
        events = outcome.events;
    }
    let package = world.package();
    let upgrade_cap = upgrade_cap_tag();
    let upgrade_cap = world.of_type(&upgrade_cap).next().map(|o| o.object_id());
    Genesis {
        events,
        package,
        pool: only::<StakingPool>(&world),
        gateway: only::<crate::layout::k8s_gateway::Gateway>(&world),
        docket: only::<crate::layout::slashing::Docket>(&world),
        anchors: only::<crate::layout::anchors::Anchors>(&world),
        params: only::<Params>(&world),
        rewards: only::<crate::layout::rewards::Rewards>(&world),
        upgrades: only::<crate::layout::upgrades::Upgrades>(&world),
        admin_cap: only::<AdminCap>(&world),
        slash_cap: only::<SlashCap>(&world),
        upgrade_cap: upgrade_cap.unwrap_or(Address::ZERO),
        coins,
        world,
    }
}

/// The one object of its type that publishing made.
pub(crate) fn only<T: MoveObject>(world: &World) -> Address {
    world.views::<T>().first().map_or(Address::ZERO, T::id)
}

/// Sets the parameters that differ from the package's own, right after its `init` functions.
pub(crate) fn launch(state: &mut State<'_>, wanted: &Parameters) -> Result<(), Failure> {
    let defaults = Parameters::default();
    if *wanted == defaults {
        return Ok(());
    }
    let package = state.package;
    let mut pool: StakingPool = placed(state, package)?;
    let mut params: Params = placed(state, package)?;
    let mut call = Call::new(StakingPool::MODULE, "init", &mut [], state);
    for (tier, (old, new)) in (0u8..).zip(defaults.tiers.iter().zip(&wanted.tiers)) {
        if old != new {
            call.emit(&TierChanged {
                pool_id: pool.id,
                tier,
                minimum: new.minimum,
                lockup_ms: new.lockup_ms,
            });
        }
    }
    pool.tiers = wanted.tiers.to_vec();
    if wanted.unbonding_ms != defaults.unbonding_ms {
        pool.unbonding_ms = wanted.unbonding_ms;
        call.emit(&UnbondingChanged {
            pool_id: pool.id,
            unbonding_ms: wanted.unbonding_ms,
        });
    }
    call.share(&pool)?;
    if wanted.delay_ms != defaults.delay_ms {
        let mut call = Call::new(Params::MODULE, "init", &mut [], state);
        params.delay_ms = wanted.delay_ms;
        call.emit(&DelayChanged {
            params_id: params.id,
            delay_ms: wanted.delay_ms,
        });
        call.share(&params)?;
    }
    Ok(())
}

/// The object of its type that an `init` function has just shared.
fn placed<T: MoveObject>(state: &State<'_>, package: Address) -> Result<T, Failure> {
    let mut placed = state.placed.values();
    let found = placed
        .find(|placed| T::is(&placed.tag, package))
        .ok_or(Failure::Invariant)?;
    bcs::from_bytes(&found.contents).map_err(|_| Failure::Invariant)
}
