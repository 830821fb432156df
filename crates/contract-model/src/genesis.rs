//! The world in which the package has just been published.

use sui_sdk_types::{Address, Digest, Event, Identifier, Object, ObjectData, Owner};

use crate::bytecode;
use crate::layout::anchors::{Anchors, AnchorsCreated};
use crate::layout::framework::{CLOCK, Clock, Table, UpgradeCap, clock_tag, upgrade_cap_tag};
use crate::layout::k8s_gateway::{Gateway, GatewayCreated};
use crate::layout::params::{DelayChanged, Params, ParamsCreated};
use crate::layout::rewards::{Rewards, RewardsCreated};
use crate::layout::slashing::{Docket, DocketCreated, Rules};
use crate::layout::staking::{
    AdminCap, PoolCreated, SlashCap, StakingPool, TierChanged, TierParams, UnbondingChanged,
};
use crate::layout::{MoveEvent, MoveType};
use crate::package::PACKAGE_VERSION;
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
    /// Who gets the capabilities.
    pub publisher: Address,
    /// The digest of the genesis transaction, from which all ids derive.
    pub digest: Digest,
    /// What the clock shows, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// SUI coins: owner and MIST.
    pub funds: Vec<(Address, u64)>,
    /// Changed from the package's own defaults as governance would, right after publishing.
    pub parameters: Parameters,
}

/// The result of [`genesis`].
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
    /// `staking::AdminCap`, owned by the publisher.
    pub admin_cap: Address,
    /// `staking::SlashCap`, owned by the publisher.
    pub slash_cap: Address,
    /// `0x2::package::UpgradeCap`, owned by the publisher.
    pub upgrade_cap: Address,
    /// The coins of `funds`, in its order.
    pub coins: Vec<Address>,
}

/// The version of every object that genesis makes, at which the shared ones were shared.
const GENESIS_VERSION: u64 = 1;

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

/// The rules of slashing that `init` sets.
fn default_rules() -> Rules {
    Rules {
        evidence_window_ms: 3 * DAY_MS,
        appeal_window_ms: 7 * DAY_MS,
        bond: MIST_PER_SUI / 10,
        reporter_share: 500,
        penalties: vec![100, 5_000, 1_000, 500],
        period_cap: 5_000,
        correlated: 2_000,
    }
}

/// The world in which the package has just been published by `config.publisher`, the parameters
/// set and the funds handed out.
///
/// Ids derive from the digest as in a publish transaction on Sui: the package first, then what the
/// modules' `init` functions make, then the upgrade capability; here the coins follow.
pub fn genesis(config: &GenesisConfig) -> Genesis {
    let mut ids = (0u64..).map(|count| Address::derive_id(config.digest, count));
    let mut fresh = || ids.next().unwrap_or(Address::ZERO);
    let package = fresh();
    let admin_cap = fresh();
    let slash_cap = fresh();
    let pool = fresh();
    let anchors = fresh();
    let latest = fresh();
    let gateway = fresh();
    let nodes = fresh();
    let stakes = fresh();
    let docket = fresh();
    let seen = fresh();
    let taken = fresh();
    let rewards = fresh();
    let earners = fresh();
    let params = fresh();
    let upgrade_cap = fresh();

    let defaults = Parameters::default();
    let wanted = &config.parameters;
    let mut events = Events {
        package,
        sender: config.publisher,
        events: Vec::new(),
    };
    events.push(&PoolCreated {
        pool_id: pool,
        tiers: defaults.tiers.to_vec(),
        unbonding_ms: defaults.unbonding_ms,
    });
    events.push(&AnchorsCreated {
        anchors_id: anchors,
    });
    events.push(&GatewayCreated {
        gateway_id: gateway,
    });
    events.push(&DocketCreated {
        docket_id: docket,
        rules: default_rules(),
    });
    events.push(&RewardsCreated {
        rewards_id: rewards,
    });
    events.push(&ParamsCreated {
        params_id: params,
        delay_ms: defaults.delay_ms,
    });
    for (tier, (old, new)) in (0u8..).zip(defaults.tiers.iter().zip(&wanted.tiers)) {
        if old != new {
            events.push(&TierChanged {
                pool_id: pool,
                tier,
                minimum: new.minimum,
                lockup_ms: new.lockup_ms,
            });
        }
    }
    if wanted.unbonding_ms != defaults.unbonding_ms {
        events.push(&UnbondingChanged {
            pool_id: pool,
            unbonding_ms: wanted.unbonding_ms,
        });
    }
    if wanted.delay_ms != defaults.delay_ms {
        events.push(&DelayChanged {
            params_id: params,
            delay_ms: wanted.delay_ms,
        });
    }

    let publisher = Owner::Address(config.publisher);
    let shared = Owner::Shared(GENESIS_VERSION);
    let object = |tag, transferable, contents, owner| {
        new_object(
            tag,
            transferable,
            GENESIS_VERSION,
            contents,
            owner,
            config.digest,
        )
    };
    let mut objects = vec![
        Some(package_object(package, config.digest)),
        object(
            AdminCap::tag(package),
            true,
            encode(&AdminCap { id: admin_cap }),
            publisher,
        ),
        object(
            SlashCap::tag(package),
            true,
            encode(&SlashCap { id: slash_cap }),
            publisher,
        ),
        object(
            StakingPool::tag(package),
            false,
            encode(&StakingPool {
                id: pool,
                version: PACKAGE_VERSION,
                tiers: wanted.tiers.to_vec(),
                unbonding_ms: wanted.unbonding_ms,
                total_active: 0,
                total_unbonding: 0,
                total_slashed: 0,
                stakes_created: 0,
                treasury: 0,
                paused: false,
            }),
            shared,
        ),
        object(
            Gateway::tag(package),
            false,
            encode(&Gateway {
                id: gateway,
                version: PACKAGE_VERSION,
                nodes: Table { id: nodes, size: 0 },
                stakes: Table {
                    id: stakes,
                    size: 0,
                },
                tokens_created: 0,
            }),
            shared,
        ),
        object(
            Docket::tag(package),
            false,
            encode(&Docket {
                id: docket,
                version: PACKAGE_VERSION,
                rules: default_rules(),
                seen: Table { id: seen, size: 0 },
                taken: Table { id: taken, size: 0 },
                cases_opened: 0,
            }),
            shared,
        ),
        object(
            Anchors::tag(package),
            false,
            encode(&Anchors {
                id: anchors,
                version: PACKAGE_VERSION,
                latest: Table {
                    id: latest,
                    size: 0,
                },
            }),
            shared,
        ),
        object(
            Params::tag(package),
            false,
            encode(&Params {
                id: params,
                version: PACKAGE_VERSION,
                delay_ms: wanted.delay_ms,
                proposed: 0,
                pending: Vec::new(),
            }),
            shared,
        ),
        object(
            Rewards::tag(package),
            false,
            encode(&Rewards {
                id: rewards,
                version: PACKAGE_VERSION,
                vault: 0,
                budget: 0,
                escrowed: 0,
                reserved: 0,
                emission: 0,
                emission_carry: 0,
                fee_rate: 0,
                fee_carry: 0,
                ending: vec![0; 64],
                index: 0,
                total_weight: 0,
                updated_at_ms: 0,
                clusters: Vec::new(),
                earners: Table {
                    id: earners,
                    size: 0,
                },
            }),
            shared,
        ),
        object(
            upgrade_cap_tag(),
            true,
            encode(&UpgradeCap {
                id: upgrade_cap,
                package,
                version: 1,
                policy: 0,
            }),
            publisher,
        ),
        object(
            clock_tag(),
            false,
            encode(&Clock {
                id: CLOCK,
                timestamp_ms: config.timestamp_ms,
            }),
            shared,
        ),
    ];
    let mut coins = Vec::new();
    for (owner, balance) in &config.funds {
        let id = fresh();
        coins.push(id);
        objects.push(coin_object(
            id,
            *balance,
            GENESIS_VERSION,
            Owner::Address(*owner),
            config.digest,
        ));
    }

    Genesis {
        world: World::from_objects(package, objects.into_iter().flatten()),
        events: events.events,
        package,
        pool,
        gateway,
        docket,
        anchors,
        params,
        rewards,
        admin_cap,
        slash_cap,
        upgrade_cap,
        coins,
    }
}

struct Events {
    package: Address,
    sender: Address,
    events: Vec<Event>,
}

impl Events {
    fn push<E: MoveEvent>(&mut self, event: &E) {
        self.events.push(Event {
            package_id: self.package,
            module: Identifier::from_static(E::MODULE),
            sender: self.sender,
            type_: E::tag(self.package),
            contents: encode(event),
        });
    }
}

/// The package as an object.
fn package_object(id: Address, digest: Digest) -> Object {
    let package = bytecode::package(id, GENESIS_VERSION);
    Object::new(ObjectData::Package(package), Owner::Immutable, digest, 0)
}
