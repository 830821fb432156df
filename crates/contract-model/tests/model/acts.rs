//! Random acts on what stands behind stakes: parts, delegations, sentences, keys, equivocations, outages.

use contract_model::layout::delegation::Delegation;
use contract_model::layout::k8s_gateway::SealToken;
use contract_model::layout::node_keys::{INTENT_ROTATION, RotationStatement};
use contract_model::layout::slashing::{HEARTBEAT_DOMAIN, INTENT_OUTAGE, OutageStatement};
use contract_model::layout::staking::Stake;
use contract_model::layout::unbonding::Unbonding;
use ed25519_dalek::{Signer as _, SigningKey};
use rand::Rng as _;
use sui_sdk_types::{Address, Argument, Owner};

use crate::history::{DAY, History, MINUTE};
use crate::support::{SUI, address};

/// The keys that nodes have: histories choose among a few.
pub fn node_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[0x40 + number; 32])
}

/// A key's number, if it is one of those.
fn number_of(key: &[u8]) -> Option<u8> {
    (0..8).find(|number| node_key(*number).verifying_key().as_bytes()[..] == *key)
}

/// What a node's heartbeat begins with, as `seal` encodes it; the rest says how it is.
fn heartbeat(token: &SealToken, sequence: u64, timestamp_ms: u64, ready: bool) -> Vec<u8> {
    let mut message = HEARTBEAT_DOMAIN.to_vec();
    message.extend(token.cluster_id.inner());
    message.extend(token.id.inner());
    message.extend(bcs::to_bytes(&token.node_id).unwrap());
    message.extend(bcs::to_bytes(&(sequence, timestamp_ms)).unwrap());
    message.extend(bcs::to_bytes(&(ready, true, true, 3u32, "0.1.0")).unwrap());
    message
}

impl History {
    fn owner_of(&self, id: Address) -> Option<Address> {
        match self.chain.world.get(id)?.owner() {
            Owner::Address(owner) => Some(*owner),
            _ => None,
        }
    }

    /// A delegation or part, its holder, and its stake most of the time.
    fn held<T: contract_model::layout::MoveObject>(
        &mut self,
        stake_of: impl Fn(&T) -> Address,
    ) -> Option<(T, Address, Address)> {
        let all: Vec<T> = self.chain.world.views();
        if all.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..all.len());
        let one = all.into_iter().nth(index)?;
        let holder = self.owner_of(one.id())?;
        let stakes = self.stakes.clone();
        let own = stake_of(&one);
        let other = self.any(&stakes).unwrap_or(own);
        let stake = self.pick(&[own, own, own, own, own, own, other]);
        Some((one, holder, stake))
    }

    /// Claims for the owner of a stake, or for one of its delegators.
    pub fn claim_for(&mut self, stake: Address) {
        let all: Vec<Delegation> = self.chain.world.views();
        let own: Vec<Address> = all
            .iter()
            .filter(|one| one.stake_id == stake)
            .map(|one| one.id)
            .collect();
        let one = self.any(&own).filter(|_| self.rng.random_bool(0.7));
        let owner = self.chain.world.stake(stake).map(|stake| stake.owner);
        let holder = one.and_then(|one| self.owner_of(one));
        let Some(sender) = holder.or(owner) else {
            return;
        };
        let rewards = self.chain.genesis.rewards;
        self.build(sender, |ptb| {
            let mut arguments = vec![ptb.object(rewards), ptb.object_as(stake, false)];
            arguments.extend(one.map(|one| ptb.object(one)));
            arguments.push(ptb.clock());
            let module = if one.is_some() {
                "delegation"
            } else {
                "rewards"
            };
            let coin = ptb.call(module, "claim", arguments);
            ptb.transfer(vec![coin], sender);
        });
    }

    pub fn unstake_part(&mut self) {
        let Some((stake, sender)) = self.owned_stake() else {
            return;
        };
        let held = self.chain.world.stake(stake).map_or(0, |s| s.balance);
        let random = self.rng.random_range(0..=held.max(1));
        let amount = self.right(
            &[held.saturating_sub(SUI), held / 2, random],
            &[0, held, u64::MAX],
        );
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.pure(&amount),
                ptb.clock(),
            ];
            let part = ptb.call("unbonding", "unstake", arguments);
            ptb.transfer(vec![part], sender);
        });
    }

    pub fn redeem(&mut self) {
        let Some((part, holder, stake)) = self.held::<Unbonding>(|part| part.stake_id) else {
            return self.unstake_part();
        };
        let pool = self.chain.genesis.pool;
        self.build(holder, |ptb| {
            let arguments = vec![
                ptb.object(pool),
                ptb.object(stake),
                ptb.object(part.id),
                ptb.clock(),
            ];
            let coin = ptb.call("unbonding", "redeem", arguments);
            ptb.transfer(vec![coin], holder);
        });
    }

    pub fn delegate(&mut self) {
        let stakes = self.stakes.clone();
        let any = self.any(&stakes);
        // One that can be delegated to, mostly.
        let good = |stake: &Stake| {
            stake.tier == 0 && stake.status == 0 && stake.jailed_until_ms == 0 && !stake.tombstoned
        };
        let all: Vec<Stake> = self.chain.world.views();
        let good: Vec<Address> = all.iter().filter(|s| good(s)).map(|s| s.id).collect();
        let earning = self.earners();
        let bad: Vec<Address> = earning
            .iter()
            .copied()
            .filter(|stake| !good.contains(stake))
            .collect();
        let good: Vec<Address> = good.into_iter().filter(|s| earning.contains(s)).collect();
        let earner = match self.rng.random_range(0..10) {
            0 => any,
            1..3 => self.any(&bad).or(any),
            _ => self.any(&good).or(any),
        };
        let Some(stake) = earner else { return };
        let sender = self.person();
        let random = self.rng.random_range(SUI / 10..10 * SUI);
        let amount = self.right(&[SUI, SUI / 10, random], &[0, SUI / 10 - 1]);
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, amount);
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                coin,
                ptb.clock(),
            ];
            let made = ptb.call("delegation", "delegate", arguments);
            ptb.transfer(vec![made], sender);
        });
    }

    /// Takes out of a delegation, claims from it, or does away with it.
    pub fn delegated(&mut self) {
        let Some((one, holder, stake)) = self.held::<Delegation>(|one| one.stake_id) else {
            return self.delegate();
        };
        let act = self.rng.random_range(0..10);
        let random = self.rng.random_range(1..5 * SUI);
        let amount = self.right(&[u64::MAX, SUI / 2, random], &[0, SUI / 10 - 1_000]);
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        let empty = one.shares == 0 && one.owed == 0;
        self.build(holder, |ptb| match act {
            _ if empty && act < 8 => {
                let one = ptb.object(one.id);
                ptb.call("delegation", "close", vec![one]);
            }
            0..4 => {
                let arguments = vec![
                    ptb.object(pool),
                    ptb.object(rewards),
                    ptb.object(stake),
                    ptb.object(one.id),
                    ptb.pure(&amount),
                    ptb.clock(),
                ];
                let part = ptb.call("delegation", "undelegate", arguments);
                ptb.transfer(vec![part], holder);
            }
            9 => {
                let one = ptb.object(one.id);
                ptb.call("delegation", "close", vec![one]);
            }
            _ => {
                let arguments = vec![
                    ptb.object(rewards),
                    ptb.object_as(stake, false),
                    ptb.object(one.id),
                    ptb.clock(),
                ];
                let coin = ptb.call("delegation", "claim", arguments);
                ptb.transfer(vec![coin], holder);
            }
        });
    }

    pub fn set_commission(&mut self) {
        let Some((stake, sender)) = self.owned_stake() else {
            return;
        };
        let commission = self.right(&[0u64, 50, 100, 150, 1_000], &[2_001, 10_001]);
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object_as(pool, false),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.pure(&commission),
                ptb.clock(),
            ];
            ptb.call("delegation", "set_commission", arguments);
        });
    }

    pub fn unjail(&mut self) {
        let jailed = |stake: &Stake| stake.jailed_until_ms > 0 || stake.tombstoned;
        let all: Vec<Stake> = self.chain.world.views();
        let jailed: Vec<Address> = all.iter().filter(|s| jailed(s)).map(|s| s.id).collect();
        let stakes = self.stakes.clone();
        let stake = match self.any(&jailed) {
            Some(stake) if self.rng.random_bool(0.9) => Some(stake),
            _ => self.any(&stakes),
        };
        let Some(stake) = stake else { return };
        let owner = self.chain.world.stake(stake).map(|stake| stake.owner);
        let (sender, pool) = (self.mostly(owner), self.chain.genesis.pool);
        self.build(sender, |ptb| {
            let arguments = vec![ptb.object_as(pool, false), ptb.object(stake), ptb.clock()];
            ptb.call("staking", "unjail", arguments);
        });
    }

    /// Frees a jailed stake too early, or delegates to it.
    pub fn try_jailed(&mut self, stake: Address) {
        let owner = self.chain.world.stake(stake).map(|stake| stake.owner);
        let Some(sender) = owner else { return };
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        let delegates = self.earners().contains(&stake) && self.rng.random_bool(0.6);
        self.build(sender, |ptb| {
            if delegates {
                let coin = ptb.split(Argument::Gas, SUI);
                let arguments = vec![
                    ptb.object(pool),
                    ptb.object(rewards),
                    ptb.object(stake),
                    coin,
                    ptb.clock(),
                ];
                let made = ptb.call("delegation", "delegate", arguments);
                ptb.transfer(vec![made], sender);
            } else {
                let arguments = vec![ptb.object_as(pool, false), ptb.object(stake), ptb.clock()];
                ptb.call("staking", "unjail", arguments);
            }
        });
    }

    pub fn rotate(&mut self) {
        let Some((token, owner, own)) = self.token() else {
            return;
        };
        let Some(token) = self.chain.world.token(token) else {
            return;
        };
        let stakes = self.stakes.clone();
        let other = self.any(&stakes).unwrap_or(own);
        let stake = self.pick(&[own, own, own, own, other]);
        let key = node_key(self.rng.random_range(0..8));
        let new_key = key.verifying_key().to_bytes().to_vec();
        let statement = RotationStatement {
            intent: INTENT_ROTATION,
            token_id: token.id,
            generation: token.generation,
            old_key: token.node_key.clone(),
            new_key: new_key.clone(),
        };
        let mut proof = key
            .sign(&bcs::to_bytes(&statement).unwrap())
            .to_bytes()
            .to_vec();
        proof[0] ^= self.right(&[0], &[1]);
        let commitment = vec![5u8; self.right(&[32], &[31])];
        let sender = self.mostly(Some(owner));
        let (pool, gateway) = (self.chain.genesis.pool, self.chain.genesis.gateway);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object_as(pool, false),
                ptb.object(gateway),
                ptb.object(stake),
                ptb.object(token.id),
                ptb.pure(&new_key),
                ptb.pure(&proof),
                ptb.pure(&commitment),
                ptb.clock(),
            ];
            ptb.call("node_keys", "rotate", arguments);
        });
    }

    pub fn equivocate(&mut self) {
        let tokens: Vec<SealToken> = self.chain.world.views();
        let alive = |token: &&SealToken| token.expires_at_ms > self.chain.now;
        let alive: Vec<Address> = tokens.iter().filter(alive).map(|t| t.id).collect();
        let tokens = self.tokens.clone();
        let Some(token) = self.any(&alive).or_else(|| self.any(&tokens)) else {
            return;
        };
        let Some(token) = self.chain.world.token(token) else {
            return;
        };
        let own = token.stake_id;
        let stakes = self.stakes.clone();
        let other = self.any(&stakes).unwrap_or(own);
        let stake = self.pick(&[own, own, own, own, own, other]);
        let former = self
            .chain
            .world
            .stake(own)
            .and_then(|stake| stake.former_keys.first().cloned());
        let chosen = match former {
            Some(former) if self.rng.random_bool(0.5) => former.key,
            _ => token.node_key.clone(),
        };
        let known = number_of(&chosen).unwrap_or(0);
        let number = self.right(&[known], &[0, 1, 2]);
        let key = node_key(number).verifying_key().to_bytes().to_vec();
        let now = self.chain.now;
        let at = self.right(&[now, now - MINUTE], &[now + 1, now - 4 * DAY]);
        let sequence = self.rng.random_range(0..6);
        let second = self.right(&[sequence], &[sequence + 1]);
        let first = heartbeat(&token, sequence, at, true);
        let mut second = heartbeat(&token, second, at, false);
        if self.rng.random_bool(0.05) {
            second.truncate(40);
        }
        let signed = |message: &[u8]| node_key(number).sign(message).to_bytes().to_vec();
        let (one, mut two) = (signed(&first), signed(&second));
        two[0] ^= self.right(&[0], &[1]);
        let bond = self.right(&[SUI / 10], &[SUI / 10 - 1]);
        let (sender, docket) = (self.person(), self.chain.genesis.docket);
        let outcome = self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, bond);
            let arguments = vec![
                ptb.object(docket),
                ptb.object(stake),
                ptb.object_as(token.id, false),
                ptb.pure(&key),
                ptb.pure(&first),
                ptb.pure(&one),
                ptb.pure(&second),
                ptb.pure(&two),
                coin,
                ptb.clock(),
            ];
            let case = ptb.call("slashing", "report_equivocation", arguments);
            ptb.call("slashing", "share_case", vec![case]);
        });
        self.remember(outcome);
    }

    pub fn declare_outage(&mut self) {
        let Some((enclave, cluster, _, _)) = self.enclave() else {
            return;
        };
        let now = self.chain.now;
        let today = now / DAY;
        let statement = OutageStatement {
            intent: INTENT_OUTAGE,
            timestamp_ms: self.right(&[now, now - DAY], &[now + 1, now - 11 * DAY]),
            cluster_id: cluster,
            period: self.right(&[today - 1, today - 2, today - 3], &[today + 1]),
            failed: self.right(&[3, 10], &[2, 0]),
            total: 10,
        };
        let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        let (sender, docket) = (self.person(), self.chain.genesis.docket);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(docket),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&statement.period),
                ptb.pure(&statement.failed),
                ptb.pure(&statement.total),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("slashing", "declare_outage", arguments);
        });
    }

    pub fn slash(&mut self) {
        let stakes = self.stakes.clone();
        let Some(mut stake) = self.any(&stakes) else {
            return;
        };
        // One that backs a token, often.
        let now = self.chain.now;
        let tokens: Vec<SealToken> = self.chain.world.views();
        let alive = |token: &&SealToken| token.expires_at_ms > now;
        let backing: Vec<Address> = tokens.iter().filter(alive).map(|t| t.stake_id).collect();
        if let Some(backing) = self.any(&backing).filter(|_| self.rng.random_bool(0.5)) {
            stake = backing;
        }
        let (sender, amount) = (self.mostly(Some(address(0))), self.amount());
        let reason = "x".repeat(self.right(&[0, 4, 256], &[257]));
        // Now and then all, or all but two MIST.
        let held = self
            .chain
            .world
            .stake(stake)
            .map_or(0, |s| s.balance + s.delegated.balance + s.queue.balance);
        let amount = match self.rng.random_range(0..12) {
            0 => held.saturating_sub(2),
            1 => held,
            _ => amount,
        };
        let genesis = &self.chain.genesis;
        let (cap, pool, rewards) = (genesis.slash_cap, genesis.pool, genesis.rewards);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(cap),
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.pure(&amount),
                ptb.pure(&reason),
                ptb.clock(),
            ];
            ptb.call("slashing", "slash", arguments);
        });
    }
}
