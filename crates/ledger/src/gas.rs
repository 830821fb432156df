//! What a transaction costs, and where every MIST is.
//!
//! Sui's scheme with its constants, computation simplified to one bucket: computation is charged
//! per transaction and command; each written object pays for its bytes, and gets 99 % of that back
//! when it is written again or deleted. Upstream: `sui-types`, `gas_model/gas_v2.rs`.

use contract_model::layout::k8s_interface::{Interface, Request};
use contract_model::layout::rewards::Rewards;
use contract_model::layout::slashing::Case;
use contract_model::layout::staking::{Stake, StakingPool};
use contract_model::{Outcome, World};
use sui_sdk_types::{Address, GasCostSummary, Object, ObjectData, Owner, StructTag};

use crate::state::State;

/// Units of computation of any transaction. Upstream: the smallest computation bucket.
const BASE_UNITS: u64 = 1000;
/// Units of each command beyond the tenth.
const COMMAND_UNITS: u64 = 100;
const FREE_COMMANDS: u64 = 10;
/// MIST for a byte of storage: 100 units of 76 MIST. Upstream: `obj_data_cost_refundable`,
/// `storage_gas_price`.
const STORAGE_PRICE: u64 = 7600;
/// Part of a storage charge that is given back, in ten thousandths. Upstream:
/// `storage_rebate_rate`.
const REBATE_RATE: u64 = 9900;
/// What an object weighs beside its contents.
const OBJECT_OVERHEAD: u64 = 80;
/// Upstream: `max_tx_gas`.
pub(crate) const MAX_BUDGET: u64 = 50_000_000_000;

/// Units of computation of a transaction with so many commands.
pub(crate) fn computation_units(commands: usize) -> u64 {
    let commands = u64::try_from(commands).unwrap_or(u64::MAX);
    BASE_UNITS.saturating_add(
        commands
            .saturating_sub(FREE_COMMANDS)
            .saturating_mul(COMMAND_UNITS),
    )
}

/// What an object pays for being stored, MIST.
pub(crate) fn storage_charge(object: &Object) -> u64 {
    let size = match object.data() {
        ObjectData::Struct(data) => data.contents().len(),
        ObjectData::Package(package) => package.modules.values().map(Vec::len).sum(),
    };
    u64::try_from(size)
        .unwrap_or(u64::MAX)
        .saturating_add(OBJECT_OVERHEAD)
        .saturating_mul(STORAGE_PRICE)
}

/// The same object with this storage rebate.
pub(crate) fn with_rebate(object: &Object, rebate: u64) -> Object {
    Object::new(
        object.data().clone(),
        *object.owner(),
        object.previous_transaction(),
        rebate,
    )
}

/// The cost of an outcome. What the summary calls `storage_rebate` goes back to the sender.
pub(crate) fn cost(outcome: &Outcome, computation: u64) -> GasCostSummary {
    let storage: u64 = outcome
        .written
        .values()
        .map(|written| storage_charge(&written.object))
        .fold(0, u64::saturating_add);
    let released = released(outcome);
    let rebate =
        u64::try_from(u128::from(released) * u128::from(REBATE_RATE) / 10_000).unwrap_or(released);
    GasCostSummary::new(computation, storage, rebate, released - rebate)
}

/// The cost of an outcome in which every object keeps the storage charge that it has: that of a
/// transaction that could not pay for more.
pub(crate) fn cost_unchanged(outcome: &Outcome, computation: u64) -> GasCostSummary {
    let storage: u64 = outcome
        .written
        .values()
        .filter_map(|written| written.previous.as_ref())
        .map(|previous| previous.storage_rebate())
        .fold(0, u64::saturating_add);
    GasCostSummary::new(computation, storage, released(outcome), 0)
}

fn released(outcome: &Outcome) -> u64 {
    let written = outcome
        .written
        .values()
        .filter_map(|written| written.previous.as_ref());
    let deleted = outcome.deleted.values().map(|removed| &removed.previous);
    written
        .chain(deleted)
        .map(|previous| previous.storage_rebate())
        .fold(0, u64::saturating_add)
}

/// What the sender pays in the end; negative when storage was freed.
pub(crate) fn net(cost: &GasCostSummary) -> i128 {
    i128::from(cost.computation_cost) + i128::from(cost.storage_cost)
        - i128::from(cost.storage_rebate)
}

/// Where all SUI is, MIST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// In coins of addresses.
    pub coins: u64,
    /// In stakes.
    pub stakes: u64,
    /// In the staking pool's treasury.
    pub treasury: u64,
    /// Bonds of open cases.
    pub bonds: u64,
    /// In the vault of the rewards.
    pub rewards: u64,
    /// Fees of requests that are pending, and earned ones that were not taken out.
    pub requests: u64,
    /// Paid for computation.
    pub fees: u64,
    /// Paid for storage and not given back: rebates that live objects hold, and what is not
    /// refundable.
    pub storage_fund: u64,
}

impl Supply {
    /// All of it. It never changes after genesis.
    #[must_use]
    pub fn total(&self) -> u128 {
        [
            self.coins,
            self.stakes,
            self.treasury,
            self.bonds,
            self.rewards,
            self.requests,
            self.fees,
            self.storage_fund,
        ]
        .into_iter()
        .map(u128::from)
        .sum()
    }

    /// Adds up a state, object by object.
    pub(crate) fn of(state: &State) -> Self {
        let world = &state.world;
        Self {
            coins: coins(world),
            stakes: world
                .views::<Stake>()
                .iter()
                .map(|stake| stake.balance + stake.delegated.balance + stake.queue.balance)
                .fold(0, u64::saturating_add),
            treasury: world
                .views::<StakingPool>()
                .iter()
                .map(|pool| pool.treasury)
                .fold(0, u64::saturating_add),
            bonds: world
                .views::<Case>()
                .iter()
                .map(|case| case.bond)
                .fold(0, u64::saturating_add),
            rewards: world
                .views::<Rewards>()
                .iter()
                .map(|rewards| rewards.vault)
                .fold(0, u64::saturating_add),
            requests: world
                .views::<Request>()
                .iter()
                .map(|request| request.fee)
                .chain(world.views::<Interface>().iter().map(|i| i.earned))
                .fold(0, u64::saturating_add),
            fees: state.fees,
            storage_fund: state.storage_fund,
        }
    }
}

fn coins(world: &World) -> u64 {
    world
        .objects()
        .filter_map(|object| coin_balance(object))
        .fold(0, u64::saturating_add)
}

/// Balance of an object that is a SUI coin.
pub(crate) fn coin_balance(object: &Object) -> Option<u64> {
    let data = object.as_struct()?;
    if *data.object_type() != StructTag::gas_coin() {
        return None;
    }
    let (_, balance): (Address, u64) = bcs::from_bytes(data.contents()).ok()?;
    Some(balance)
}

/// Owner and balance of an object that is a SUI coin of an address.
pub(crate) fn owned_coin(object: &Object) -> Option<(Address, u64)> {
    match object.owner() {
        Owner::Address(owner) => Some((*owner, coin_balance(object)?)),
        _ => None,
    }
}
