//! The state as an observer rebuilds it from events alone.

use std::collections::BTreeMap;

use contract_model::World;
use contract_model::layout::enclave_registry as registry;
use contract_model::layout::framework::Field;
use contract_model::layout::k8s_gateway as gateway;
use contract_model::layout::{MoveEvent, MoveType};
use contract_model::layout::{anchors, params, rewards, slashing, staking};
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
    pub escrows: BTreeMap<Address, rewards::Escrow>,
}

/// By key, the entries of a table.
pub fn entries<V: serde::de::DeserializeOwned>(
    world: &World,
    table: Address,
) -> BTreeMap<Address, V> {
    let entries = world.objects().filter(
        |object| matches!(object.owner(), sui_sdk_types::Owner::Object(parent) if *parent == table),
    );
    entries
        .map(|object| {
            let contents = object.as_struct().unwrap().contents();
            let field: Field<Address, V> = bcs::from_bytes(contents).unwrap();
            (field.name, field.value)
        })
        .collect()
}

fn decode<E: MoveEvent>(event: &Event) -> Option<E> {
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
        rewards.earners.id = Address::ZERO;
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
            escrows: by_id(world),
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
        let known = self.staking(event)
            || self.gateway(event)
            || self.registry(event)
            || self.slashing(event)
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
        } else if let Some(e) = decode::<staking::Staked>(event) {
            let stake = staking::Stake {
                id: e.stake_id,
                owner: e.owner,
                tier: e.tier,
                status: staking::STATUS_ACTIVE,
                balance: e.amount,
                slashed: 0,
                staked_at_ms: e.staked_at_ms,
                locked_until_ms: e.locked_until_ms,
                withdrawable_at_ms: 0,
            };
            self.pool().total_active += e.amount;
            self.pool().stakes_created += 1;
            self.stakes.insert(e.stake_id, stake);
        } else if let Some(e) = decode::<staking::ToppedUp>(event) {
            self.stake(e.stake_id).balance = e.balance;
            self.pool().total_active += e.amount;
        } else if let Some(e) = decode::<staking::UnstakeRequested>(event) {
            let stake = self.stake(e.stake_id);
            stake.status = staking::STATUS_UNBONDING;
            stake.withdrawable_at_ms = e.withdrawable_at_ms;
            self.pool().total_active -= e.amount;
            self.pool().total_unbonding += e.amount;
        } else if let Some(e) = decode::<staking::Withdrawn>(event) {
            let stake = self.stake(e.stake_id);
            stake.status = staking::STATUS_WITHDRAWN;
            stake.balance = 0;
            stake.withdrawable_at_ms = 0;
            self.pool().total_unbonding -= e.amount;
        } else if let Some(e) = decode::<staking::Slashed>(event) {
            let stake = self.stake(e.stake_id);
            let was_active = stake.status == staking::STATUS_ACTIVE;
            stake.balance = e.remaining;
            stake.slashed += e.amount;
            stake.status = e.status;
            if e.status == staking::STATUS_SLASHED_OUT {
                stake.withdrawable_at_ms = 0;
            }
            let pool = self.pool();
            if was_active {
                pool.total_active -= e.amount;
            } else {
                pool.total_unbonding -= e.amount;
            }
            pool.total_slashed += e.amount;
            pool.treasury += e.amount;
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

    fn gateway(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<gateway::SealTokenCreated>(event) {
            let token = gateway::SealToken {
                id: e.token_id,
                stake_id: e.stake_id,
                owner: e.owner,
                cluster_id: e.cluster_id,
                node_id: e.node_id,
                node_key: e.node_key,
                commitment: e.commitment,
                permissions: e.permissions,
                endpoint: e.endpoint,
                issued_at_ms: e.issued_at_ms,
                expires_at_ms: e.expires_at_ms,
                revoked: false,
                generation: 0,
            };
            self.tokens.insert(e.token_id, token);
        } else if let Some(e) = decode::<gateway::SealTokenRenewed>(event) {
            let token = self.tokens.get_mut(&e.token_id).unwrap();
            token.commitment = e.commitment;
            token.permissions = e.permissions;
            token.issued_at_ms = e.issued_at_ms;
            token.expires_at_ms = e.expires_at_ms;
            token.generation = e.generation;
        } else if let Some(e) = decode::<gateway::SealTokenRevoked>(event) {
            self.tokens.get_mut(&e.token_id).unwrap().revoked = true;
        } else {
            return event.type_.name().as_str() == gateway::GatewayCreated::NAME;
        }
        true
    }

    fn registry(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<registry::ClusterCreated>(event) {
            let cluster = registry::Cluster {
                id: e.cluster_id,
                version: 1,
                name: e.name,
                measurements: Vec::new(),
                endpoints: Vec::new(),
            };
            self.clusters.insert(e.cluster_id, cluster);
        } else if let Some(e) = decode::<registry::MeasurementApproved>(event) {
            let cluster = self.clusters.get_mut(&e.cluster_id).unwrap();
            let entry = registry::Measurement {
                kind: e.kind,
                bytes: e.measurement,
                source: e.source,
                approved_at_ms: e.approved_at_ms,
                retired: false,
            };
            let known = cluster
                .measurements
                .iter_mut()
                .find(|m| m.kind == entry.kind && m.bytes == entry.bytes);
            match known {
                Some(known) => *known = entry,
                None => cluster.measurements.push(entry),
            }
        } else if let Some(e) = decode::<registry::MeasurementRetired>(event) {
            let cluster = self.clusters.get_mut(&e.cluster_id).unwrap();
            for entry in &mut cluster.measurements {
                if entry.kind == e.kind && entry.bytes == e.measurement {
                    entry.retired = true;
                }
            }
        } else if let Some(e) = decode::<registry::EndpointRegistered>(event) {
            let cluster = self.clusters.get_mut(&e.cluster_id).unwrap();
            let endpoint = registry::Endpoint {
                url: e.url,
                tls_key_hash: e.tls_key_hash,
                measurement: e.measurement,
                kind: e.kind,
                registered_at_ms: e.registered_at_ms,
            };
            let known = cluster.endpoints.iter_mut().find(|p| p.url == endpoint.url);
            match known {
                Some(known) => *known = endpoint,
                None => cluster.endpoints.push(endpoint),
            }
        } else if let Some(e) = decode::<registry::EnclaveRegistered>(event) {
            let enclave = registry::Enclave {
                id: e.enclave_id,
                cluster_id: e.cluster_id,
                public_key: e.public_key,
                measurement: e.measurement,
                kind: e.kind,
                registered_at_ms: e.registered_at_ms,
                revoked: false,
            };
            self.enclaves.insert(e.enclave_id, enclave);
        } else if let Some(e) = decode::<registry::EnclaveRevoked>(event) {
            self.enclaves.get_mut(&e.enclave_id).unwrap().revoked = true;
        } else if let Some(e) = decode::<registry::EndpointRemoved>(event) {
            let cluster = self.clusters.get_mut(&e.cluster_id).unwrap();
            cluster.endpoints.retain(|endpoint| endpoint.url != e.url);
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
                status: slashing::CASE_PENDING,
            };
            self.cases.insert(e.case_id, case);
        } else if let Some(e) = decode::<slashing::CaseExecuted>(event) {
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

    fn anchors(&mut self, event: &Event) -> bool {
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
        event.type_.name().as_str() == anchors::AnchorsCreated::NAME
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
                period: e.period,
            };
            if self.earners.insert(e.stake_id, earner).is_none() {
                rewards.earners.size += 1;
            }
        } else if let Some(e) = decode::<rewards::RewardClaimed>(event) {
            rewards.vault -= e.amount;
        } else {
            return false;
        }
        true
    }
}
