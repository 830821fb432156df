//! Random histories: valid and invalid calls of several senders while time passes.

use contract_model::layout::anchors::{AnchorStatement, INTENT_ANCHOR};
use contract_model::layout::enclave_registry::Enclave;
use contract_model::layout::k8s_gateway::SealToken;
use contract_model::layout::params::Params;
use contract_model::layout::rewards::{Escrow, INTENT_PERFORMANCE, PerformanceStatement, Rewards};
use contract_model::layout::slashing::{
    AcquittalStatement, Case, EvidenceStatement, INTENT_ACQUITTAL, INTENT_EVIDENCE,
};
use contract_model::{Gas, LogEntry, Outcome, Parameters, World, execute};
use ed25519_dalek::{Signer as _, SigningKey};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sui_sdk_types::{Address, Argument, ProgrammableTransaction};

use crate::support::{Chain, Ptb, SUI, address, created, mint};

pub const PEOPLE: u8 = 4;
pub const MINUTE: u64 = 60_000;
pub const DAY: u64 = 86_400_000;

/// A chain with a random history, and its log.
pub struct History {
    pub chain: Chain,
    pub log: Vec<LogEntry>,
    /// Transactions whose inputs were refused.
    pub refused: usize,
    pub stakes: Vec<Address>,
    pub tokens: Vec<Address>,
    pub clusters: Vec<(Address, Address, Address)>,
    pub enclaves: Vec<Address>,
    pub cases: Vec<Address>,
    /// The arguments of reports made, to be made again.
    reports: Vec<Report>,
    /// A stake that was just reported, to be claimed for next.
    pub harvest: Option<Address>,
    /// A stake that was just jailed, to be tried at once.
    pub jailed: Option<Address>,
    /// The last transaction that was executed.
    pub last: Option<Act>,
    /// Those that the same act executed before it.
    pub earlier: Vec<Act>,
    /// MIST taken for gas so far.
    pub charged: u64,
    pub rng: StdRng,
}

/// The arguments of a report of evidence.
#[derive(Clone)]
struct Report {
    stake: Address,
    token: Address,
    cluster: Address,
    enclave: Address,
    statement: EvidenceStatement,
    signature: Vec<u8>,
}

/// How many keys enclaves have.
pub const KEYS: u8 = 8;

/// The key of an enclave: whoever registers one chooses one of a few.
pub fn enclave_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// An executed transaction: its sender, the world before and after it, what it did, and when.
pub struct Act {
    pub sender: Address,
    pub before: World,
    pub after: World,
    pub outcome: Outcome,
    pub now: u64,
    /// MIST taken for gas up to it.
    pub charged: u64,
}

impl History {
    pub fn new(seed: u64) -> Self {
        Self {
            chain: Chain::new(PEOPLE, Parameters::development()),
            log: Vec::new(),
            refused: 0,
            stakes: Vec::new(),
            tokens: Vec::new(),
            clusters: Vec::new(),
            enclaves: Vec::new(),
            cases: Vec::new(),
            reports: Vec::new(),
            harvest: None,
            jailed: None,
            last: None,
            earlier: Vec::new(),
            charged: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub fn person(&mut self) -> Address {
        address(self.rng.random_range(0..PEOPLE))
    }

    pub fn any(&mut self, ids: &[Address]) -> Option<Address> {
        ids.choose(&mut self.rng).copied()
    }

    /// The owner of the stake or token most of the time, anybody otherwise.
    pub fn mostly(&mut self, owner: Option<Address>) -> Address {
        match owner {
            Some(owner) if self.rng.random_bool(0.8) => owner,
            _ => self.person(),
        }
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.random_range(0..choices.len())]
    }

    /// A right choice nine times of ten.
    pub fn right<T: Copy>(&mut self, right: &[T], wrong: &[T]) -> T {
        if self.rng.random_bool(0.9) {
            self.pick(right)
        } else {
            self.pick(wrong)
        }
    }

    pub fn amount(&mut self) -> u64 {
        let random = self.rng.random_range(1..20 * SUI);
        self.right(
            &[SUI, 2 * SUI, 10 * SUI, random.max(SUI)],
            &[0, 1, SUI / 10 - 1, SUI / 10, SUI - 1, random],
        )
    }

    /// Executes, applies and logs; `None` when the inputs are refused.
    pub fn run(
        &mut self,
        sender: Address,
        transaction: &ProgrammableTransaction,
    ) -> Option<Outcome> {
        let context = self.chain.context(sender);
        let gas = Gas {
            budget: self.pick(&[0, SUI / 100]),
            ..self.chain.gas(sender)
        };
        let entry = LogEntry::before(&self.chain.world, &context, &gas, transaction).unwrap();
        let Ok(mut outcome) = execute(&self.chain.world, &context, &gas, transaction) else {
            self.refused += 1;
            return None;
        };
        // What a ledger would take; the replay must not depend on it.
        if gas.budget > 0 {
            let charge = self.rng.random_range(0..1_000_000);
            outcome.charge(i128::from(charge)).unwrap();
            self.charged += charge;
        }
        let before = self.chain.world.clone();
        self.chain.world.apply(&outcome);
        self.earlier.extend(self.last.take());
        self.last = Some(Act {
            sender,
            before,
            after: self.chain.world.clone(),
            outcome: outcome.clone(),
            now: context.timestamp_ms,
            charged: self.charged,
        });
        let line = entry.to_line().unwrap();
        self.log.push(LogEntry::from_line(&line).unwrap());
        Some(outcome)
    }

    pub fn build(&mut self, sender: Address, build: impl FnOnce(&mut Ptb<'_>)) -> Option<Outcome> {
        let world = self.chain.world.clone();
        let mut ptb = Ptb::new(&world);
        build(&mut ptb);
        self.run(sender, &ptb.finish())
    }

    /// One random act. `last` is it, or `None` when nothing was executed.
    pub fn step(&mut self) {
        self.last = None;
        self.earlier.clear();
        if let Some(stake) = self.harvest.take() {
            self.chain.advance(DAY / 2);
            return self.claim_for(stake);
        }
        if let Some(stake) = self.jailed.take() {
            return self.try_jailed(stake);
        }
        let pause = self.pick(&[0, 0, 1_000, MINUTE, MINUTE, DAY / 2, 2 * DAY]);
        self.chain.advance(pause);
        match self.rng.random_range(0..90) {
            0..=2 => self.stake(),
            3..=4 => self.stake_and_mint(),
            5..=6 => self.mint(),
            7 => self.renew(),
            8 => self.revoke(),
            9 => self.revoke_unbacked(),
            10 => self.admin_revoke(),
            11 => self.top_up(),
            12..=13 => self.request_unstake(),
            14..=15 => self.withdraw(),
            16..=17 => self.slash(),
            18 => self.govern(),
            19 => self.create_cluster(),
            20..=22 => self.cluster_act(),
            23 => self.register_enclave(),
            24 => self.revoke_enclave(),
            25..=27 => self.report(),
            28 => self.appeal(),
            29..=30 => self.execute_case(),
            31 => self.govern_cases(),
            32..=35 => self.govern_params(),
            36..=39 => self.report_performance(),
            40..=45 => self.earn(),
            46..=48 => self.anchor(),
            49..=50 => self.unstake_part(),
            51..=52 => self.redeem(),
            53..=55 => self.delegate(),
            56..=59 => self.delegated(),
            60 => self.set_commission(),
            61..=62 => self.unjail(),
            63..=64 => self.rotate(),
            65..=66 => self.equivocate(),
            67 => self.declare_outage(),
            68..=71 => self.govern_params(),
            _ => self.cluster_side(),
        }
    }

    pub fn remember(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome.filter(Outcome::is_success) else {
            return;
        };
        for (id, written) in &outcome.written {
            if written.previous.is_some() {
                continue;
            }
            let name = written.object.as_struct().unwrap().object_type().name();
            match name.as_str() {
                "Stake" => self.stakes.push(*id),
                "SealToken" => self.tokens.push(*id),
                "Enclave" => self.enclaves.push(*id),
                "Case" => self.cases.push(*id),
                _ => {}
            }
        }
    }

    fn stake(&mut self) {
        let (sender, amount) = (self.person(), self.amount());
        let tier = self.right(&[0u8, 0, 0, 1, 2], &[3]);
        let pool = self.chain.genesis.pool;
        let outcome = self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, amount);
            let arguments = vec![ptb.object(pool), coin, ptb.pure(&tier), ptb.clock()];
            let stake = ptb.call("staking", "stake", arguments);
            ptb.call("staking", "share", vec![stake]);
        });
        self.remember(outcome);
    }

    fn node(&mut self) -> String {
        let name = self.right(&["n0", "n1", "n2", "n3", "a.b-c"], &["Bad", "", "-a"]);
        name.to_owned()
    }

    fn ttl(&mut self) -> u64 {
        self.right(&[MINUTE, DAY, 3 * DAY, 7 * DAY], &[MINUTE - 1, 7 * DAY + 1])
    }

    fn stake_and_mint(&mut self) {
        let clusters: Vec<Address> = self.clusters.iter().map(|c| c.0).collect();
        let Some(cluster) = self.any(&clusters) else {
            return self.create_cluster();
        };
        let (sender, amount, node, ttl) = (self.person(), self.amount(), self.node(), self.ttl());
        let mut key = crate::acts::node_key(self.rng.random_range(0..4))
            .verifying_key()
            .to_bytes()
            .to_vec();
        key.truncate(self.right(&[32], &[31]));
        let commitment = vec![8u8; self.right(&[32], &[33])];
        let endpoint = "é".repeat(self.right(&[0, 128], &[129]));
        let (pool, gateway) = (self.chain.genesis.pool, self.chain.genesis.gateway);
        let (rewards, enrolls) = (self.chain.genesis.rewards, self.rng.random_bool(0.5));
        let outcome = self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, amount);
            let (pool, clock) = (ptb.object(pool), ptb.clock());
            let tier = ptb.pure(&0u8);
            let stake = ptb.call("staking", "stake", vec![pool, coin, tier, clock]);
            let arguments = vec![
                ptb.object(gateway),
                pool,
                stake,
                ptb.object_as(cluster, false),
                ptb.pure(&node),
                ptb.pure(&key),
                ptb.pure(&commitment),
                ptb.pure(&endpoint),
                ptb.pure(&ttl),
                clock,
            ];
            let token = ptb.call("k8s_gateway", "create_seal_token", arguments);
            ptb.call("k8s_gateway", "share_token", vec![token]);
            if enrolls {
                let arguments = vec![ptb.object(rewards), stake, clock];
                ptb.call("rewards", "enroll", arguments);
            }
            ptb.call("staking", "share", vec![stake]);
        });
        self.remember(outcome);
    }

    fn mint(&mut self) {
        let clusters: Vec<Address> = self.clusters.iter().map(|c| c.0).collect();
        let stakes = self.stakes.clone();
        let (Some(cluster), Some(stake)) = (self.any(&clusters), self.any(&stakes)) else {
            return;
        };
        let owner = self.chain.world.stake(stake).map(|stake| stake.owner);
        let (sender, node, ttl) = (self.mostly(owner), self.node(), self.ttl());
        let (pool, gateway) = (self.chain.genesis.pool, self.chain.genesis.gateway);
        let outcome = self.build(sender, |ptb| {
            let token = mint(ptb, gateway, pool, stake, cluster, &node, ttl);
            ptb.call("k8s_gateway", "share_token", vec![token]);
        });
        self.remember(outcome);
    }

    pub fn token(&mut self) -> Option<(Address, Address, Address)> {
        let tokens = self.tokens.clone();
        // A live one mostly.
        let live = |id: &Address| {
            let token = self.chain.world.token(*id);
            token.is_some_and(|token| !token.revoked)
        };
        let live: Vec<Address> = tokens.iter().copied().filter(live).collect();
        let from = if live.is_empty() || self.rng.random_bool(0.1) {
            tokens
        } else {
            live
        };
        let id = self.any(&from)?;
        let token = self.chain.world.token(id)?;
        Some((id, token.owner, token.stake_id))
    }

    fn renew(&mut self) {
        let Some((token, owner, own_stake)) = self.token() else {
            return;
        };
        let stakes = self.stakes.clone();
        let other = self.any(&stakes).unwrap_or(own_stake);
        let stake = self.pick(&[own_stake, own_stake, own_stake, other]);
        let commitment: Option<Vec<u8>> = match self.rng.random_range(0..5) {
            0 => Some(vec![7; 31]),
            1 => Some(vec![6; 32]),
            _ => None,
        };
        let (sender, ttl) = (self.mostly(Some(owner)), self.ttl());
        let (pool, gateway) = (self.chain.genesis.pool, self.chain.genesis.gateway);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(gateway),
                ptb.object_as(pool, false),
                ptb.object_as(stake, false),
                ptb.object(token),
                ptb.pure(&commitment),
                ptb.pure(&ttl),
                ptb.clock(),
            ];
            ptb.call("k8s_gateway", "renew_seal_token", arguments);
        });
    }

    fn revoke(&mut self) {
        let Some((token, owner, _)) = self.token() else {
            return;
        };
        let sender = self.mostly(Some(owner));
        let gateway = self.chain.genesis.gateway;
        self.build(sender, |ptb| {
            let arguments = vec![ptb.object(gateway), ptb.object(token), ptb.clock()];
            ptb.call("k8s_gateway", "revoke_seal_token", arguments);
        });
    }

    fn revoke_unbacked(&mut self) {
        let Some((token, _, stake)) = self.token() else {
            return;
        };
        let sender = self.person();
        let (pool, gateway) = (self.chain.genesis.pool, self.chain.genesis.gateway);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(gateway),
                ptb.object_as(pool, false),
                ptb.object_as(stake, false),
                ptb.object(token),
                ptb.clock(),
            ];
            ptb.call("k8s_gateway", "revoke_unbacked", arguments);
        });
    }

    fn admin_revoke(&mut self) {
        let Some((token, _, _)) = self.token() else {
            return;
        };
        let sender = self.mostly(Some(address(0)));
        let (cap, gateway) = (self.chain.genesis.admin_cap, self.chain.genesis.gateway);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(cap),
                ptb.object(gateway),
                ptb.object(token),
                ptb.clock(),
            ];
            ptb.call("k8s_gateway", "admin_revoke", arguments);
        });
    }

    pub fn owned_stake(&mut self) -> Option<(Address, Address)> {
        let stakes = self.stakes.clone();
        let open = |id: &Address| self.chain.world.stake(*id).is_some_and(|s| s.balance > 0);
        let open: Vec<Address> = stakes.iter().copied().filter(open).collect();
        let from = if open.is_empty() || self.rng.random_bool(0.1) {
            stakes
        } else {
            open
        };
        let id = self.any(&from)?;
        let owner = self.chain.world.stake(id)?.owner;
        Some((id, self.mostly(Some(owner))))
    }

    fn top_up(&mut self) {
        let Some((stake, sender)) = self.owned_stake() else {
            return;
        };
        let (amount, pool) = (self.amount(), self.chain.genesis.pool);
        self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, amount);
            let arguments = vec![ptb.object(pool), ptb.object(stake), coin];
            ptb.call("staking", "top_up", arguments);
        });
    }

    fn request_unstake(&mut self) {
        let Some((stake, sender)) = self.owned_stake() else {
            return;
        };
        let (pool, rewards) = (self.chain.genesis.pool, self.chain.genesis.rewards);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.clock(),
            ];
            ptb.call("unbonding", "request_unstake", arguments);
        });
    }

    fn withdraw(&mut self) {
        let Some((stake, sender)) = self.owned_stake() else {
            return;
        };
        let (pool, to) = (self.chain.genesis.pool, self.person());
        let into_gas = self.rng.random_bool(0.5);
        self.build(sender, |ptb| {
            let arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
            let coin = ptb.call("unbonding", "withdraw", arguments);
            if into_gas {
                ptb.merge(Argument::Gas, vec![coin]);
            } else {
                ptb.transfer(vec![coin], to);
            }
        });
    }

    fn govern(&mut self) {
        let sender = self.mostly(Some(address(0)));
        let (cap, pool) = (self.chain.genesis.admin_cap, self.chain.genesis.pool);
        let act = self.rng.random_range(5..9);
        let gateway = self.chain.genesis.gateway;
        let amount = self.amount();
        self.build(sender, |ptb| match act {
            5..=6 => {
                let arguments = vec![ptb.object(cap), ptb.object(pool), ptb.pure(&amount)];
                let coin = ptb.call("staking", "withdraw_treasury", arguments);
                ptb.transfer(vec![coin], sender);
            }
            7 => {
                let arguments = vec![ptb.object(cap), ptb.object(gateway)];
                ptb.call("k8s_gateway", "migrate", arguments);
            }
            _ => {
                let arguments = vec![ptb.object(cap), ptb.object(pool)];
                ptb.call("staking", "migrate", arguments);
            }
        });
    }

    fn create_cluster(&mut self) {
        let sender = self.person();
        let name = self.right(&["home", "away"], &["No", ""]);
        let outcome = self.build(sender, |ptb| {
            let name = ptb.pure(&name);
            let made = ptb.call("enclave_registry", "create_cluster", vec![name]);
            let (cluster, cap) = (made.nested(0).unwrap(), made.nested(1).unwrap());
            ptb.call("enclave_registry", "share_cluster", vec![cluster]);
            ptb.transfer(vec![cap], sender);
        });
        if let Some(outcome) = outcome.filter(Outcome::is_success) {
            let world = &self.chain.world;
            let cluster = created(&outcome, world, "Cluster");
            let cap = created(&outcome, world, "ClusterCap");
            self.clusters.push((cluster, cap, sender));
        }
    }

    fn cluster_act(&mut self) {
        let clusters = self.clusters.clone();
        let Some((cluster, own, owner)) = clusters.choose(&mut self.rng).copied() else {
            return;
        };
        // Sometimes the capability of another cluster of the same owner.
        let caps: Vec<Address> = clusters
            .iter()
            .filter(|c| c.2 == owner)
            .map(|c| c.1)
            .collect();
        let other = self.any(&caps).unwrap_or(own);
        let cap = self.pick(&[own, own, own, other]);
        let sender = self.mostly(Some(owner));
        let kind = self.right(&[0u8], &[1, 6]);
        let measurement = self.right(&[1u8, 1, 2], &[0]);
        let length = self.right(&[48usize], &[33]);
        let source = "s".repeat(self.right(&[0, 40, 256], &[257]));
        let measurement = vec![measurement; length];
        let url = self.right(&["https://a", "https://b"], &[""]);
        let hash = vec![5u8; self.right(&[32usize], &[31])];
        let act = self.rng.random_range(0..8);
        let now = self.chain.now;
        let active = self.right(&[0, 0, now, now + DAY], &[now + 366 * DAY]);
        self.build(sender, |ptb| {
            let (cap, cluster) = (ptb.object(cap), ptb.object(cluster));
            let mut arguments = vec![cap, cluster];
            match act {
                0 | 1 => {
                    arguments.extend([
                        ptb.pure(&kind),
                        ptb.pure(&measurement),
                        ptb.pure(&source),
                        ptb.pure(&active),
                        ptb.clock(),
                    ]);
                    ptb.call("enclave_registry", "approve_measurement", arguments);
                }
                2 => {
                    arguments.extend([ptb.pure(&kind), ptb.pure(&measurement), ptb.clock()]);
                    ptb.call("enclave_registry", "retire_measurement", arguments);
                }
                3..=5 => {
                    arguments.extend([
                        ptb.pure(&url),
                        ptb.pure(&hash),
                        ptb.pure(&measurement),
                        ptb.pure(&kind),
                        ptb.clock(),
                    ]);
                    ptb.call("enclave_registry", "register_endpoint", arguments);
                }
                6 if kind > 0 => {
                    ptb.call("enclave_registry", "migrate", arguments);
                }
                _ => {
                    arguments.extend([ptb.pure(&url), ptb.clock()]);
                    ptb.call("enclave_registry", "remove_endpoint", arguments);
                }
            }
        });
    }

    pub fn register_enclave(&mut self) {
        let clusters = self.clusters.clone();
        let Some((cluster, cap, owner)) = clusters.choose(&mut self.rng).copied() else {
            return self.create_cluster();
        };
        let sender = self.mostly(Some(owner));
        let mut key = enclave_key(self.rng.random_range(0..KEYS))
            .verifying_key()
            .to_bytes()
            .to_vec();
        key.truncate(self.right(&[32], &[31]));
        let encryption = vec![3u8; self.right(&[32, 32, 32, 32, 32, 0], &[31])];
        // Approved on the way, where it isn't.
        let measurement = vec![self.pick(&[1u8, 1, 2]); 48];
        let known = self.chain.world.cluster(cluster).is_some_and(|cluster| {
            let mut entries = cluster.measurements.iter();
            entries.any(|m| m.kind == 0 && m.bytes == measurement && !m.retired)
        });
        let approve = !known && self.rng.random_bool(0.8);
        let outcome = self.build(sender, |ptb| {
            let (cap, cluster, clock) = (ptb.object(cap), ptb.object(cluster), ptb.clock());
            let (kind, bytes) = (ptb.pure(&0u8), ptb.pure(&measurement));
            if approve {
                let source = ptb.pure(&"commit");
                let at_once = ptb.pure(&0u64);
                let arguments = vec![cap, cluster, kind, bytes, source, at_once, clock];
                ptb.call("enclave_registry", "approve_measurement", arguments);
            }
            let (key, encryption) = (ptb.pure(&key), ptb.pure(&encryption));
            let arguments = vec![cap, cluster, key, encryption, bytes, kind, clock];
            let enclave = ptb.call("enclave_registry", "register_enclave", arguments);
            ptb.call("enclave_registry", "share_enclave", vec![enclave]);
        });
        self.remember(outcome);
    }

    /// An enclave, its cluster most of the time, and the cluster's capability and owner.
    pub fn enclave(&mut self) -> Option<(Enclave, Address, Address, Address)> {
        let enclaves = self.enclaves.clone();
        let enclave: Enclave = self
            .any(&enclaves)
            .and_then(|id| self.chain.world.view(id))?;
        let clusters = self.clusters.clone();
        let own = clusters.iter().find(|c| c.0 == enclave.cluster_id)?;
        let other = clusters.choose(&mut self.rng)?;
        let (cluster, cap, owner) = self.pick(&[*own, *own, *own, *own, *other]);
        Some((enclave, cluster, cap, owner))
    }

    fn revoke_enclave(&mut self) {
        let Some((enclave, cluster, cap, owner)) = self.enclave() else {
            return;
        };
        // Rarely, or there would be few left to trust.
        if self.rng.random_bool(0.6) {
            return self.report();
        }
        let sender = self.mostly(Some(owner));
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(cap),
                ptb.object(cluster),
                ptb.object(enclave.id),
                ptb.clock(),
            ];
            ptb.call("enclave_registry", "revoke_enclave", arguments);
        });
    }

    /// Signs with the enclave's key, mostly.
    pub fn sign(&mut self, enclave: &Enclave, message: &[u8]) -> Vec<u8> {
        let own = (0..KEYS)
            .find(|n| enclave_key(*n).verifying_key().as_bytes()[..] == enclave.public_key);
        let key = match own {
            Some(own) if self.rng.random_bool(0.9) => own,
            _ => self.rng.random_range(0..KEYS),
        };
        let mut signature = enclave_key(key).sign(message).to_bytes().to_vec();
        signature.truncate(self.right(&[64], &[63, 64]));
        signature
    }

    fn report(&mut self) {
        let again = self.rng.random_bool(0.15);
        let reports = self.reports.clone();
        let report = match reports.choose(&mut self.rng).filter(|_| again) {
            Some(report) => report.clone(),
            None => {
                let fit = |id: &Address| {
                    let stake = self.chain.world.stake(*id);
                    stake.is_some_and(|stake| stake.tier == 0 && stake.balance > 0)
                };
                let fit: Vec<Address> = self.stakes.iter().copied().filter(fit).collect();
                let any = fit.is_empty() || self.rng.random_bool(0.1);
                let stakes = if any { self.stakes.clone() } else { fit };
                let (Some((enclave, cluster, _, _)), Some(stake)) =
                    (self.enclave(), self.any(&stakes))
                else {
                    return self.register_enclave();
                };
                // A token of the stake for a cluster that has an enclave, mostly.
                let tokens: Vec<SealToken> = self.chain.world.views();
                let enclaves: Vec<Enclave> = self.chain.world.views();
                let tokens: Vec<SealToken> = tokens
                    .into_iter()
                    .filter(|t| enclaves.iter().any(|e| e.cluster_id == t.cluster_id))
                    .filter(|t| t.expires_at_ms + DAY / 24 > self.chain.now)
                    .collect();
                let (mut enclave, mut cluster, mut stake) = (enclave, cluster, stake);
                // One whose stake is gone, now and then.
                let gone = |token: &&SealToken| {
                    let stake = self.chain.world.stake(token.stake_id);
                    stake.is_some_and(|stake| stake.status > 1)
                };
                let gone: Vec<SealToken> = tokens.iter().filter(gone).cloned().collect();
                let tokens = if gone.is_empty() || self.rng.random_bool(0.8) {
                    tokens
                } else {
                    gone
                };
                let token = match tokens.choose(&mut self.rng) {
                    Some(token) if self.rng.random_bool(0.9) => {
                        stake = token.stake_id;
                        let own: Vec<Enclave> = enclaves
                            .into_iter()
                            .filter(|e| e.cluster_id == token.cluster_id)
                            .collect();
                        if let Some(own) = own.choose(&mut self.rng) {
                            (cluster, enclave) = (own.cluster_id, own.clone());
                        }
                        // Now and then a cluster that it is not for.
                        let others: Vec<Enclave> = self.chain.world.views();
                        if let Some(other) = others.choose(&mut self.rng)
                            && self.rng.random_bool(0.1)
                        {
                            (cluster, enclave) = (other.cluster_id, other.clone());
                        }
                        token.id
                    }
                    Some(token) => token.id,
                    None => return self.stake_and_mint(),
                };
                let now = self.chain.now;
                let statement = EvidenceStatement {
                    intent: INTENT_EVIDENCE,
                    timestamp_ms: self.right(&[now, now, now - DAY], &[now - 4 * DAY, now + 1]),
                    cluster_id: cluster,
                    stake_id: stake,
                    kind: self.right(&[0u8, 1, 2, 3], &[4]),
                    period: self.right(&[now / DAY, now / DAY - 1], &[now / DAY + 1, 0]),
                    nonce: self.rng.random_range(0..1_000),
                    failed: self.right(&[1, 2], &[3, u64::MAX]),
                    total: 10,
                    facts: vec![3; 32],
                };
                let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
                Report {
                    stake,
                    token,
                    cluster,
                    enclave: enclave.id,
                    statement,
                    signature,
                }
            }
        };
        self.reports.push(report.clone());
        let (sender, docket) = (self.person(), self.chain.genesis.docket);
        let bond = self.right(&[SUI / 10, SUI], &[SUI / 10 - 1, 0]);
        let outcome = self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, bond);
            let statement = &report.statement;
            let arguments = vec![
                ptb.object(docket),
                ptb.object(report.stake),
                ptb.object_as(report.token, false),
                ptb.object_as(report.cluster, false),
                ptb.object_as(report.enclave, false),
                ptb.pure(&statement.kind),
                ptb.pure(&statement.period),
                ptb.pure(&statement.nonce),
                ptb.pure(&statement.failed),
                ptb.pure(&statement.total),
                ptb.pure(&statement.facts),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&report.signature),
                coin,
                ptb.clock(),
            ];
            let case = ptb.call("slashing", "report", arguments);
            ptb.call("slashing", "share_case", vec![case]);
        });
        self.remember(outcome);
    }

    fn case(&mut self) -> Option<Case> {
        let cases = self.cases.clone();
        let open = |id: &Address| {
            let case: Option<Case> = self.chain.world.view(*id);
            case.is_some_and(|case| case.status == 0)
        };
        let open: Vec<Address> = cases.iter().copied().filter(open).collect();
        let from = if open.is_empty() || self.rng.random_bool(0.1) {
            cases
        } else {
            open
        };
        self.any(&from).and_then(|id| self.chain.world.view(id))
    }

    fn appeal(&mut self) {
        let (Some(case), Some((enclave, cluster, _, _))) = (self.case(), self.enclave()) else {
            return;
        };
        let cluster = self.pick(&[case.cluster_id, case.cluster_id, cluster]);
        let now = self.chain.now;
        let timestamp_ms = self.right(&[now, case.reported_at_ms], &[now + 1, 5]);
        let statement = AcquittalStatement {
            intent: INTENT_ACQUITTAL,
            timestamp_ms,
            cluster_id: case.cluster_id,
            case_id: case.id,
            evidence: case.evidence.clone(),
        };
        let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        let sender = self.person();
        let stakes = self.stakes.clone();
        let other = self.any(&stakes).unwrap_or(case.stake_id);
        let stake = self.pick(&[
            case.stake_id,
            case.stake_id,
            case.stake_id,
            case.stake_id,
            other,
        ]);
        let (docket, pool) = (self.chain.genesis.docket, self.chain.genesis.pool);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object_as(docket, false),
                ptb.object(pool),
                ptb.object(case.id),
                ptb.object(stake),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("slashing", "appeal", arguments);
        });
    }

    fn execute_case(&mut self) {
        let stakes = self.stakes.clone();
        let (Some(case), Some(other)) = (self.case(), self.any(&stakes)) else {
            return self.report();
        };
        let stake = self.pick(&[case.stake_id, case.stake_id, case.stake_id, other]);
        let sender = self.person();
        let (docket, pool) = (self.chain.genesis.docket, self.chain.genesis.pool);
        let rewards = self.chain.genesis.rewards;
        if self.rng.random_bool(0.7) && self.chain.now < case.appeal_until_ms {
            self.chain.advance(case.appeal_until_ms - self.chain.now);
        }
        let outcome = self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(docket),
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(case.id),
                ptb.object(stake),
                ptb.clock(),
            ];
            ptb.call("slashing", "execute", arguments);
        });
        let executed = outcome.is_some_and(|outcome| outcome.is_success());
        self.jailed = Some(case.stake_id).filter(|_| executed && self.rng.random_bool(0.5));
    }

    fn govern_cases(&mut self) {
        let case = self.case();
        let sender = self.mostly(Some(address(0)));
        let cap = self.chain.genesis.admin_cap;
        let (docket, pool) = (self.chain.genesis.docket, self.chain.genesis.pool);
        let act = self.rng.random_range(0..4);
        self.build(sender, |ptb| match (act, case) {
            (0..3, Some(case)) => {
                let arguments = vec![
                    ptb.object(cap),
                    ptb.object_as(docket, false),
                    ptb.object(pool),
                    ptb.object(case.id),
                    ptb.object(case.stake_id),
                    ptb.clock(),
                ];
                ptb.call("slashing", "veto", arguments);
            }
            _ => {
                let arguments = vec![ptb.object(cap), ptb.object(docket)];
                ptb.call("slashing", "migrate", arguments);
            }
        });
    }

    /// The stakes that are enrolled.
    pub fn earners(&self) -> Vec<Address> {
        let rewards: Rewards = self
            .chain
            .world
            .view(self.chain.genesis.rewards)
            .expect("the rewards are there");
        let earners: std::collections::BTreeMap<Address, contract_model::layout::rewards::Earner> =
            crate::events::entries(&self.chain.world, rewards.earners.id);
        earners.into_keys().collect()
    }

    /// A stake, one that earns most of the time.
    pub fn earner(&mut self) -> Option<Address> {
        let earners = self.earners();
        let stakes = self.stakes.clone();
        let any = self.any(&stakes)?;
        let earner = self.any(&earners).unwrap_or(any);
        Some(self.pick(&[earner, earner, earner, earner, any]))
    }

    fn report_performance(&mut self) {
        let Some(mut stake) = self.earner() else {
            return self.stake();
        };
        // One that others delegate to, often.
        let all: Vec<contract_model::layout::staking::Stake> = self.chain.world.views();
        let shared = |s: &&contract_model::layout::staking::Stake| s.delegated.shares > 0;
        let shared: Vec<Address> = all.iter().filter(shared).map(|s| s.id).collect();
        if let Some(shared) = self.any(&shared).filter(|_| self.rng.random_bool(0.5)) {
            stake = shared;
        }
        let Some((enclave, cluster, _, _)) = self.enclave() else {
            return self.register_enclave();
        };
        let (admin, cap) = (address(0), self.chain.genesis.admin_cap);
        let rewards = self.chain.genesis.rewards;
        let state: Rewards = self.chain.world.view(rewards).unwrap();
        let admitted = state.clusters.contains(&cluster);
        if self.rng.random_bool(if admitted { 0.02 } else { 0.6 }) {
            let sender = self.mostly(Some(admin));
            let admit = self.right(&[!admitted], &[admitted]);
            self.build(sender, |ptb| {
                let arguments = vec![
                    ptb.object(cap),
                    ptb.object(rewards),
                    ptb.pure(&cluster),
                    ptb.pure(&admit),
                ];
                ptb.call("rewards", "set_cluster", arguments);
            });
            return;
        }
        let now = self.chain.now;
        let statement = PerformanceStatement {
            intent: INTENT_PERFORMANCE,
            timestamp_ms: self.right(&[now, now, now - MINUTE], &[now + 1, now - DAY]),
            cluster_id: cluster,
            stake_id: stake,
            performance: self.right(&[10_000, 10_000, 7_777, 0], &[10_001]),
        };
        let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        let sender = self.person();
        let outcome = self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(rewards),
                ptb.object_as(stake, false),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&statement.performance),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("rewards", "report_performance", arguments);
        });
        let reported = outcome.is_some_and(|outcome| outcome.is_success());
        self.harvest = Some(stake).filter(|_| reported && self.rng.random_bool(0.6));
    }

    /// Enrolls, claims, refreshes, funds, prepays or asks back.
    fn earn(&mut self) {
        let act = self.rng.random_range(0..24);
        let rewards = self.chain.genesis.rewards;
        let stake = match act {
            0..6 => {
                let stakes = self.stakes.clone();
                self.any(&stakes)
            }
            _ => self.earner(),
        };
        let Some(stake) = stake else {
            return self.stake();
        };
        let owner = self.chain.world.stake(stake).map(|stake| stake.owner);
        let cap = self.chain.genesis.admin_cap;
        let escrows: Vec<Address> = self
            .chain
            .world
            .views::<Escrow>()
            .iter()
            .map(|e| e.id)
            .collect();
        let escrow = self.any(&escrows);
        let amount = self.right(&[SUI, SUI / 3, 1], &[0]);
        let periods = self.right(&[0u64, 1, 60, 60, 60], &[61]);
        let sender = match (act, escrow) {
            (0..12, _) => self.mostly(owner),
            (20..23, Some(escrow)) => match self.chain.world.get(escrow).unwrap().owner() {
                sui_sdk_types::Owner::Address(owner) => *owner,
                _ => return,
            },
            (23, _) => address(0),
            _ => self.person(),
        };
        self.build(sender, |ptb| match (act, escrow) {
            (0..6, _) => {
                let arguments = vec![
                    ptb.object(rewards),
                    ptb.object_as(stake, false),
                    ptb.clock(),
                ];
                ptb.call("rewards", "enroll", arguments);
            }
            (6..12, _) => {
                let arguments = vec![
                    ptb.object(rewards),
                    ptb.object_as(stake, false),
                    ptb.clock(),
                ];
                let coin = ptb.call("rewards", "claim", arguments);
                ptb.transfer(vec![coin], sender);
            }
            (12..14, _) => {
                let arguments = vec![
                    ptb.object(rewards),
                    ptb.object_as(stake, false),
                    ptb.clock(),
                ];
                ptb.call("rewards", "refresh", arguments);
            }
            (14..16, _) => {
                let coin = ptb.split(Argument::Gas, amount);
                let arguments = vec![ptb.object(rewards), coin, ptb.clock()];
                ptb.call("rewards", "fund", arguments);
            }
            (20..23, Some(escrow)) => {
                let arguments = vec![ptb.object(rewards), ptb.object(escrow), ptb.clock()];
                let coin = ptb.call("rewards", "close_escrow", arguments);
                ptb.transfer(vec![coin], sender);
            }
            (23, _) => {
                let arguments = vec![ptb.object(cap), ptb.object(rewards)];
                ptb.call("rewards", "migrate", arguments);
            }
            _ => {
                let coin = ptb.split(Argument::Gas, amount);
                let arguments = vec![ptb.object(rewards), coin, ptb.pure(&periods), ptb.clock()];
                let escrow = ptb.call("rewards", "open_escrow", arguments);
                ptb.transfer(vec![escrow], sender);
            }
        });
    }

    /// A change's kind and values.
    fn change(&mut self) -> (u8, Vec<u64>) {
        let kind = self.right(&[0u8, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7], &[8]);
        let mut values = match kind {
            0 => vec![
                self.right(&[0, 1, 2], &[3, 256]),
                self.right(&[SUI, SUI / 10, 2 * SUI], &[999_999, 1_000_001 * SUI]),
                self.right(&[0, MINUTE, DAY, 7 * DAY], &[366 * DAY]),
            ],
            1 => vec![self.right(&[MINUTE, MINUTE, 7 * DAY, 14 * DAY], &[0, 91 * DAY])],
            2 => {
                let (right, wrong) = ([10_000, 20_000, MINUTE / 2], [9_999, 61 * DAY]);
                let mut rules = vec![
                    self.right(&right, &wrong),
                    self.right(&right, &wrong),
                    self.right(&[SUI / 10, 1], &[0]),
                    self.right(&[500, 0, 5_000], &[5_001]),
                ];
                let penalties = [[100, 5_000, 1_000, 500], [10_000; 4]];
                rules.extend(self.right(&penalties, &[[10_001; 4]]));
                rules.extend([self.right(&[5_000, 10_000, 0], &[10_001]), 2_000]);
                rules.push(self.right(&[MINUTE, DAY / 24, 0], &[31 * DAY]));
                rules
            }
            4 => vec![self.right(&[SUI, 3 * SUI / 7, 0], &[1_000_001 * SUI])],
            5 => vec![
                self.right(&[2_000, 10_000], &[10_001]),
                self.right(&[100, 2_000], &[10_001]),
                self.right(&[SUI / 10, SUI], &[1]),
            ],
            6 => vec![
                self.right(&[MINUTE, MINUTE, 2 * MINUTE], &[MINUTE - 1]),
                self.right(&[7 * DAY, 3 * DAY], &[31 * DAY, 0]),
                self.right(&[10, 2], &[0]),
                self.right(&[10 * MINUTE, DAY], &[DAY + 1]),
            ],
            _ => vec![self.right(&[MINUTE, MINUTE, DAY], &[59_999, 31 * DAY])],
        };
        if self.rng.random_bool(0.03) {
            values.push(0);
        }
        (kind, values)
    }

    /// Proposes, executes or cancels a change, pauses or migrates.
    fn govern_params(&mut self) {
        let (kind, values) = self.change();
        let genesis = &self.chain.genesis;
        let (cap, params) = (genesis.admin_cap, genesis.params);
        let (pool, docket) = (genesis.pool, genesis.docket);
        let rewards = genesis.rewards;
        let state: Params = self.chain.world.view(params).unwrap();
        let paused = self.chain.world.pool().unwrap().paused;
        let ready: Vec<u64> = state.pending.iter().map(|change| change.number).collect();
        let known = ready.choose(&mut self.rng).copied();
        let number = self.pick(&[known, known, known, Some(state.proposed)]);
        let number = number.unwrap_or(0);
        // By the function that the change is for, mostly.
        let change = state.pending.iter().find(|change| change.number == number);
        let own = change.map_or(0, |change| change.kind);
        let target = self.right(&[own], &[0, 6, 7]);
        let (gateway, anchors) = (self.chain.genesis.gateway, self.chain.genesis.anchors);
        let mut act = self.rng.random_range(0..24);
        if state.pending.len() > 8 && act < 10 {
            act = 20;
        }
        // Pauses are short, or histories would be.
        if paused && self.rng.random_bool(0.6) {
            act = 22;
        }
        let pause = if self.rng.random_bool(0.9) {
            !paused
        } else {
            paused
        };
        let sender = match act {
            10..20 => self.person(),
            _ => self.mostly(Some(address(0))),
        };
        self.build(sender, |ptb| match act {
            0..10 => {
                let arguments = vec![
                    ptb.object(cap),
                    ptb.object(params),
                    ptb.pure(&kind),
                    ptb.pure(&values),
                    ptb.clock(),
                ];
                ptb.call("params", "propose", arguments);
            }
            10..20 if target == 6 => {
                let arguments = vec![
                    ptb.object(params),
                    ptb.object(gateway),
                    ptb.pure(&number),
                    ptb.clock(),
                ];
                ptb.call("params", "execute_gateway", arguments);
            }
            10..20 if target == 7 => {
                let arguments = vec![
                    ptb.object(params),
                    ptb.object(anchors),
                    ptb.pure(&number),
                    ptb.clock(),
                ];
                ptb.call("params", "execute_anchors", arguments);
            }
            10..20 => {
                let arguments = vec![
                    ptb.object(params),
                    ptb.object(pool),
                    ptb.object(docket),
                    ptb.object(rewards),
                    ptb.pure(&number),
                    ptb.clock(),
                ];
                ptb.call("params", "execute", arguments);
            }
            20 => {
                let arguments = vec![
                    ptb.object(cap),
                    ptb.object(params),
                    ptb.pure(&number),
                    ptb.clock(),
                ];
                ptb.call("params", "cancel", arguments);
            }
            21..23 => {
                let arguments = vec![
                    ptb.object(cap),
                    ptb.object_as(params, false),
                    ptb.object(pool),
                    ptb.pure(&pause),
                ];
                ptb.call("params", "set_paused", arguments);
            }
            _ => {
                let arguments = vec![ptb.object(cap), ptb.object(params)];
                ptb.call("params", "migrate", arguments);
            }
        });
    }

    fn anchor(&mut self) {
        let Some((enclave, cluster, _, _)) = self.enclave() else {
            return self.register_enclave();
        };
        if self.rng.random_bool(0.03) {
            let (cap, anchors) = (self.chain.genesis.admin_cap, self.chain.genesis.anchors);
            self.build(address(0), |ptb| {
                let arguments = vec![ptb.object(cap), ptb.object(anchors)];
                ptb.call("anchors", "migrate", arguments);
            });
            return;
        }
        let now = self.chain.now;
        let statement = AnchorStatement {
            intent: INTENT_ANCHOR,
            timestamp_ms: self.right(&[now, now - MINUTE], &[now + 1, now - DAY]),
            cluster_id: cluster,
            epoch: self.pick(&[1, 1, 1, 2]),
            term: self.rng.random_range(1..3),
            revision: self.rng.random_range(0..200),
            root: vec![4; self.right(&[32], &[31])],
        };
        let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        let (sender, anchors) = (self.person(), self.chain.genesis.anchors);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(anchors),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&statement.epoch),
                ptb.pure(&statement.term),
                ptb.pure(&statement.revision),
                ptb.pure(&statement.root),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("anchors", "anchor", arguments);
        });
    }
}
