//! The state as an observer rebuilds it from events alone.

use std::collections::BTreeMap;

use contract_model::World;
use contract_model::layout::MoveEvent;
use contract_model::layout::enclave_registry as registry;
use contract_model::layout::framework::Field;
use contract_model::layout::k8s_gateway as gateway;
use contract_model::layout::k8s_interface as interface;
use contract_model::layout::upgrades;
use contract_model::layout::{anchors, delegation, params, rewards, slashing, staking, unbonding};
use sui_sdk_types::{Address, Event};

/// All objects of the package, from the events so far.
#[derive(Debug, Default, PartialEq)]
pub struct Rebuilt {
    pub pool: Option<staking::StakingPool>,
    pub stakes: BTreeMap<Address, staking::Stake>,
    pub tokens: BTreeMap<Address, gateway::SealToken>,
    pub clusters: BTreeMap<Address, registry::Cluster>,
    pub enclaves: BTreeMap<Address, registry::Enclave>,
    pub rules: Option<slashing::Rules>,
    pub cases: BTreeMap<Address, slashing::Case>,
    pub anchors: BTreeMap<Address, anchors::Anchor>,
    pub params: Option<params::Params>,
    pub rewards: Option<rewards::Rewards>,
    pub earners: BTreeMap<Address, rewards::Earner>,
    pub starts: BTreeMap<(Address, u64), u128>,
    pub escrows: BTreeMap<Address, rewards::Escrow>,
    pub seen: BTreeMap<Vec<u8>, Address>,
    pub taken: BTreeMap<(Address, u64), u64>,
    pub outages: BTreeMap<(Address, u64), u64>,
    pub delegations: BTreeMap<Address, delegation::Delegation>,
    pub unbondings: BTreeMap<Address, unbonding::Unbonding>,
    pub gateway_rules: Option<gateway::GatewayRules>,
    pub oldest_anchor_ms: u64,
    pub interfaces: BTreeMap<Address, interface::Interface>,
    pub permissions: BTreeMap<(Address, Address, String), interface::Permission>,
    pub requests: BTreeMap<Address, interface::Request>,
    pub upgrades: Option<upgrades::Upgrades>,
}

/// By key, the entries of a table.
pub fn entries<V: serde::de::DeserializeOwned>(
    world: &World,
    table: Address,
) -> BTreeMap<Address, V> {
    entries_by(world, table)
}

/// As `entries`, with keys that BCS writes like a `K`.
pub fn entries_by<K: serde::de::DeserializeOwned + Ord, V: serde::de::DeserializeOwned>(
    world: &World,
    table: Address,
) -> BTreeMap<K, V> {
    let entries = world.objects().filter(
        |object| matches!(object.owner(), sui_sdk_types::Owner::Object(parent) if *parent == table),
    );
    entries
        .map(|object| {
            let contents = object.as_struct().unwrap().contents();
            let field: Field<K, V> = bcs::from_bytes(contents).unwrap();
            (field.name, field.value)
        })
        .collect()
}

pub fn decode<E: MoveEvent>(event: &Event) -> Option<E> {
    E::is(&event.type_, *event.type_.address()).then(|| bcs::from_bytes(&event.contents).unwrap())
}

impl Rebuilt {
    /// As the world has it.
    pub fn of(world: &World) -> Self {
        fn by_id<T: contract_model::layout::MoveObject>(world: &World) -> BTreeMap<Address, T> {
            world
                .views::<T>()
                .into_iter()
                .map(|o| (o.id(), o))
                .collect()
        }
        let anchors: anchors::Anchors = world.views().remove(0);
        let mut rewards: rewards::Rewards = world.views().remove(0);
        let earners = entries(world, rewards.earners.id);
        let starts = entries_by(world, rewards.starts.id);
        rewards.earners.id = Address::ZERO;
        rewards.starts.id = Address::ZERO;
        let docket: slashing::Docket = world.views().remove(0);
        Self {
            pool: world.pool(),
            stakes: by_id(world),
            tokens: by_id(world),
            clusters: by_id(world),
            enclaves: by_id(world),
            rules: by_id::<slashing::Docket>(world)
                .into_values()
                .next()
                .map(|docket| docket.rules),
            cases: by_id(world),
            anchors: entries(world, anchors.latest.id),
            params: world.views().pop(),
            rewards: Some(rewards),
            earners,
            starts,
            escrows: by_id(world),
            seen: entries_by(world, docket.seen.id),
            taken: entries_by(world, docket.taken.id),
            outages: entries_by(world, docket.outages.id),
            delegations: by_id(world),
            unbondings: by_id(world),
            gateway_rules: world.gateway().map(|gateway| gateway.rules),
            oldest_anchor_ms: anchors.oldest_statement_ms,
            permissions: Self::permissions_of(world),
            interfaces: Self::interfaces_of(world),
            requests: by_id(world),
            upgrades: world.views().pop(),
        }
    }

    fn pool(&mut self) -> &mut staking::StakingPool {
        self.pool.as_mut().unwrap()
    }

    fn stake(&mut self, id: Address) -> &mut staking::Stake {
        self.stakes.get_mut(&id).unwrap()
    }

    /// Takes an event in. An event of an unknown type is an error.
    pub fn apply(&mut self, event: &Event) {
        self.apply_one(event);
        // The totals are what the stakes sum up to.
        let (mut active, mut unbonding) = (0, 0);
        for stake in self.stakes.values() {
            match stake.status {
                staking::STATUS_ACTIVE => active += stake.balance,
                _ => unbonding += stake.balance,
            }
            active += stake.delegated.balance;
            unbonding += stake.queue.balance;
        }
        if let Some(pool) = &mut self.pool {
            (pool.total_active, pool.total_unbonding) = (active, unbonding);
        }
    }

    fn apply_one(&mut self, event: &Event) {
        let known = self.staking(event)
            || self.gateway(event)
            || self.registry(event)
            || self.interface(event)
            || self.upgrades(event)
            || self.slashing(event)
            || self.leaving(event)
            || self.anchors(event)
            || self.rewards(event)
            || self.params(event);
        assert!(known, "unknown event {}", event.type_);
    }

    fn staking(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<staking::PoolCreated>(event) {
            self.pool = Some(staking::StakingPool {
                id: e.pool_id,
                version: 1,
                tiers: e.tiers,
                unbonding_ms: e.unbonding_ms,
                delegation: e.delegation,
                total_active: 0,
                total_unbonding: 0,
                total_slashed: 0,
                stakes_created: 0,
                treasury: 0,
                paused: false,
            });
        } else if let Some(e) = decode::<staking::TierChanged>(event) {
            self.pool().tiers[usize::from(e.tier)] = staking::TierParams {
                minimum: e.minimum,
                lockup_ms: e.lockup_ms,
            };
        } else if let Some(e) = decode::<staking::UnbondingChanged>(event) {
            self.pool().unbonding_ms = e.unbonding_ms;
        } else if let Some(e) = decode::<staking::DelegationRulesChanged>(event) {
            self.pool().delegation = e.delegation;
        } else if let Some(e) = decode::<staking::Staked>(event) {
            let stake = staking::Stake {
                id: e.stake_id,
                owner: e.owner,
                tier: e.tier,
                status: staking::STATUS_ACTIVE,
                balance: 0,
                slashed: 0,
                staked_at_ms: e.staked_at_ms,
                locked_until_ms: e.locked_until_ms,
                withdrawable_at_ms: 0,
                fresh: 0,
                fresh_epoch: 0,
                delegated: staking::Shared::default(),
                fresh_shares: 0,
                shares_epoch: 0,
                commission: 0,
                commission_set_at_ms: 0,
                queue: staking::Shared::default(),
                cases: 0,
                jailed_until_ms: 0,
                jailings: 0,
                released_at_ms: 0,
                tombstoned: false,
                former_keys: Vec::new(),
            };
            self.pool().stakes_created += 1;
            self.stakes.insert(e.stake_id, stake);
        } else if let Some(e) = decode::<staking::StakeBalances>(event) {
            let stake = self.stake(e.stake_id);
            stake.balance = e.balance;
            stake.fresh = e.fresh;
            stake.fresh_epoch = e.fresh_epoch;
            stake.delegated.balance = e.delegated;
            stake.delegated.shares = e.shares;
            stake.fresh_shares = e.fresh_shares;
            stake.shares_epoch = e.shares_epoch;
            stake.queue.balance = e.queued;
            stake.queue.shares = e.queue_shares;
            stake.queue.generation = e.generation;
        } else if decode::<staking::ToppedUp>(event).is_some()
            || decode::<staking::PartUnstaked>(event).is_some()
        {
            // The balances follow.
        } else if let Some(e) = decode::<staking::UnstakeRequested>(event) {
            let stake = self.stake(e.stake_id);
            stake.status = staking::STATUS_UNBONDING;
            stake.withdrawable_at_ms = e.withdrawable_at_ms;
        } else if let Some(e) = decode::<staking::Withdrawn>(event) {
            let stake = self.stake(e.stake_id);
            stake.status = staking::STATUS_WITHDRAWN;
            stake.withdrawable_at_ms = 0;
        } else if let Some(e) = decode::<staking::Slashed>(event) {
            let stake = self.stake(e.stake_id);
            stake.slashed += e.amount;
            stake.status = e.status;
            if e.status == staking::STATUS_SLASHED_OUT {
                stake.withdrawable_at_ms = 0;
            }
            let pool = self.pool();
            pool.total_slashed += e.amount;
            pool.treasury += e.amount;
        } else if let Some(e) = decode::<staking::CommissionChanged>(event) {
            let stake = self.stake(e.stake_id);
            stake.commission = e.commission;
            stake.commission_set_at_ms = e.at_ms;
        } else if let Some(e) = decode::<staking::Accused>(event) {
            self.stake(e.stake_id).cases = e.cases;
        } else if let Some(e) = decode::<staking::Jailed>(event) {
            let stake = self.stake(e.stake_id);
            stake.jailed_until_ms = e.until_ms;
            stake.jailings = e.jailings;
        } else if let Some(e) = decode::<staking::Unjailed>(event) {
            let stake = self.stake(e.stake_id);
            stake.jailed_until_ms = 0;
            stake.released_at_ms = e.at_ms;
        } else if let Some(e) = decode::<staking::Tombstoned>(event) {
            self.stake(e.stake_id).tombstoned = true;
        } else if let Some(e) = decode::<staking::KeyRetired>(event) {
            let keys = &mut self.stake(e.stake_id).former_keys;
            keys.push(staking::FormerKey {
                key: e.key,
                retired_at_ms: e.at_ms,
            });
            if keys.len() > 64 {
                keys.remove(0);
            }
        } else if let Some(e) = decode::<staking::TreasuryWithdrawn>(event) {
            self.pool().treasury = e.remaining;
        } else if let Some(e) = decode::<staking::PauseChanged>(event) {
            self.pool().paused = e.paused;
        } else if let Some(e) = decode::<staking::TreasuryFunded>(event) {
            self.pool().treasury = e.balance;
        } else {
            return false;
        }
        true
    }

    fn slashing(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<slashing::DocketCreated>(event) {
            self.rules = Some(e.rules);
        } else if let Some(e) = decode::<slashing::RulesChanged>(event) {
            self.rules = Some(e.rules);
        } else if let Some(e) = decode::<slashing::CaseOpened>(event) {
            let case = slashing::Case {
                id: e.case_id,
                stake_id: e.stake_id,
                cluster_id: e.cluster_id,
                kind: e.kind,
                period: e.period,
                evidence: e.evidence,
                reporter: e.reporter,
                bond: e.bond,
                penalty: e.penalty,
                reported_at_ms: e.reported_at_ms,
                appeal_until_ms: e.appeal_until_ms,
                proven: e.proven,
                status: slashing::CASE_PENDING,
            };
            self.seen.insert(case.evidence.clone(), e.case_id);
            self.cases.insert(e.case_id, case);
        } else if let Some(e) = decode::<slashing::OutageDeclared>(event) {
            self.outages.insert((e.cluster_id, e.period), e.failed);
        } else if let Some(e) = decode::<slashing::CaseExecuted>(event) {
            if e.taken > 0 {
                *self.taken.entry((e.stake_id, e.period)).or_default() += e.taken;
            }
            let case = self.cases.get_mut(&e.case_id).unwrap();
            (case.status, case.bond) = (slashing::CASE_EXECUTED, 0);
        } else if let Some(e) = decode::<slashing::CaseRejected>(event) {
            let case = self.cases.get_mut(&e.case_id).unwrap();
            (case.status, case.bond) = (slashing::CASE_REJECTED, 0);
        } else {
            return false;
        }
        true
    }

    /// Delegations and parts of queues.
    fn leaving(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<unbonding::UnbondingBegun>(event) {
            let part = unbonding::Unbonding {
                id: e.unbonding_id,
                stake_id: e.stake_id,
                shares: e.shares,
                generation: e.generation,
                withdrawable_at_ms: e.withdrawable_at_ms,
            };
            self.unbondings.insert(e.unbonding_id, part);
        } else if let Some(e) = decode::<unbonding::UnbondingRedeemed>(event) {
            self.unbondings.remove(&e.unbonding_id);
        } else if let Some(e) = decode::<delegation::Delegated>(event) {
            let made = delegation::Delegation {
                id: e.delegation_id,
                stake_id: e.stake_id,
                shares: e.shares,
                epoch: e.epoch,
                earns: false,
                per_share: 0,
                owed: 0,
            };
            self.delegations.insert(e.delegation_id, made);
        } else if let Some(e) = decode::<delegation::DelegationSettled>(event) {
            let known = self.delegations.get_mut(&e.delegation_id).unwrap();
            known.shares = e.shares;
            known.earns = e.earns;
            known.per_share = e.per_share;
            known.owed = e.owed;
        } else if let Some(e) = decode::<delegation::DelegationClaimed>(event) {
            self.rewards.as_mut().unwrap().vault -= e.amount;
        } else if let Some(e) = decode::<delegation::DelegationClosed>(event) {
            self.delegations.remove(&e.delegation_id);
        } else {
            return decode::<delegation::Undelegated>(event).is_some();
        }
        true
    }

    fn anchors(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<anchors::AnchorsCreated>(event) {
            self.oldest_anchor_ms = e.oldest_statement_ms;
            return true;
        }
        if let Some(e) = decode::<anchors::OldestStatementChanged>(event) {
            self.oldest_anchor_ms = e.oldest_statement_ms;
            return true;
        }
        if let Some(e) = decode::<anchors::StateAnchored>(event) {
            let anchor = anchors::Anchor {
                epoch: e.epoch,
                term: e.term,
                revision: e.revision,
                root: e.root,
                measurement: e.measurement,
                anchored_at_ms: e.anchored_at_ms,
                sequence: e.sequence,
            };
            self.anchors.insert(e.cluster_id, anchor);
            return true;
        }
        false
    }

    fn params(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<params::ParamsCreated>(event) {
            self.params = Some(params::Params {
                id: e.params_id,
                version: 1,
                delay_ms: e.delay_ms,
                proposed: 0,
                pending: Vec::new(),
            });
            return true;
        }
        let params = self.params.as_mut().unwrap();
        if let Some(e) = decode::<params::ChangeProposed>(event) {
            params.proposed += 1;
            params.pending.push(params::Change {
                number: e.number,
                kind: e.kind,
                values: e.values,
                ready_at_ms: e.ready_at_ms,
            });
        } else if let Some(e) = decode::<params::ChangeExecuted>(event) {
            params.pending.retain(|change| change.number != e.number);
        } else if let Some(e) = decode::<params::ChangeCancelled>(event) {
            params.pending.retain(|change| change.number != e.number);
        } else if let Some(e) = decode::<params::DelayChanged>(event) {
            params.delay_ms = e.delay_ms;
        } else {
            return false;
        }
        true
    }

    fn rewards(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<rewards::RewardsCreated>(event) {
            self.rewards = Some(rewards::Rewards {
                id: e.rewards_id,
                version: 1,
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
                earners: contract_model::layout::framework::Table {
                    id: Address::ZERO,
                    size: 0,
                },
                starts: contract_model::layout::framework::Table {
                    id: Address::ZERO,
                    size: 0,
                },
            });
            return true;
        }
        let Some(rewards) = self.rewards.as_mut() else {
            return false;
        };
        if let Some(e) = decode::<rewards::RewardsUpdated>(event) {
            rewards.budget = e.budget;
            rewards.escrowed = e.escrowed;
            rewards.reserved = e.reserved;
            rewards.emission_carry = e.emission_carry;
            rewards.fee_rate = e.fee_rate;
            rewards.fee_carry = e.fee_carry;
            rewards.ending = e.ending;
            rewards.index = e.index;
            rewards.total_weight = e.total_weight;
            rewards.updated_at_ms = e.updated_at_ms;
        } else if let Some(e) = decode::<rewards::EmissionChanged>(event) {
            rewards.emission = e.emission;
        } else if let Some(e) = decode::<rewards::ClusterAdmitted>(event) {
            rewards.clusters.retain(|id| *id != e.cluster_id);
            if e.admitted {
                rewards.clusters.push(e.cluster_id);
            }
        } else if let Some(e) = decode::<rewards::BudgetFunded>(event) {
            rewards.vault += e.amount;
        } else if let Some(e) = decode::<rewards::EscrowOpened>(event) {
            rewards.vault += e.amount;
            let escrow = rewards::Escrow {
                id: e.escrow_id,
                amount: e.amount,
                rate: e.rate,
                begins_at_ms: e.begins_at_ms,
                ends_at_ms: e.ends_at_ms,
            };
            self.escrows.insert(e.escrow_id, escrow);
        } else if let Some(e) = decode::<rewards::EscrowClosed>(event) {
            rewards.vault -= e.refund;
            self.escrows.remove(&e.escrow_id);
        } else if let Some(e) = decode::<rewards::EarnerSettled>(event) {
            let earner = rewards::Earner {
                weight: e.weight,
                index: e.index,
                owed: e.owed,
                performance: e.performance,
                reported_at_ms: e.reported_at_ms,
                epoch: e.epoch,
                delegated: e.delegated,
                shares: e.shares,
                per_share: e.per_share,
            };
            if self.earners.insert(e.stake_id, earner).is_none() {
                rewards.earners.size += 1;
            }
        } else if let Some(e) = decode::<rewards::DelegationsStarted>(event) {
            self.starts.insert((e.stake_id, e.epoch), e.per_share);
            rewards.starts.size += 1;
        } else if let Some(e) = decode::<rewards::RewardClaimed>(event) {
            rewards.vault -= e.amount;
        } else {
            return false;
        }
        true
    }
}
