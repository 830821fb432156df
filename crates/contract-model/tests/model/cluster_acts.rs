//! Random acts on clusters, their interfaces and requests, on tokens' use, and on upgrades.

use blake2::Digest as _;
use contract_model::layout::enclave_registry::{
    BY_VOUCHING, Cluster, Enclave, INTENT_VOUCHING, VouchingStatement,
};
use contract_model::layout::k8s_gateway::{ConsumptionStatement, INTENT_CONSUMPTION};
use contract_model::layout::k8s_interface::{
    INTENT_RESULT, Interface, REQUEST_PENDING, Request, ResultStatement,
};
use contract_model::layout::staking::Stake;
use contract_model::layout::upgrades::Upgrades;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use sui_sdk_types::{Address, Argument};

use crate::history::{DAY, History, KEYS, MINUTE, enclave_key};
use crate::support::{SUI, address};

fn blake2b(bytes: &[u8]) -> Vec<u8> {
    blake2::Blake2b::<blake2::digest::consts::U32>::digest(bytes).to_vec()
}

impl History {
    /// One of the acts below.
    pub fn cluster_side(&mut self) {
        match self.rng.random_range(0..27) {
            0..=2 => self.govern_cluster(),
            3 => self.approve_image(),
            4..=6 => self.register_vouched(),
            7..=9 => self.consume(),
            10..=11 => self.open_interface(),
            12..=14 => self.grant(),
            15..=17 => self.submit(),
            18..=21 => self.answer(),
            22..=23 => self.govern_interface(),
            _ => self.govern_upgrades(),
        }
    }

    /// A cluster, a capability (its own mostly) and its holder.
    fn governed(&mut self) -> Option<(Cluster, Address, Address)> {
        let clusters = self.clusters.clone();
        let (cluster, own, holder) = *clusters.choose(&mut self.rng)?;
        let caps: Vec<Address> = clusters
            .iter()
            .filter(|c| c.2 == holder)
            .map(|c| c.1)
            .collect();
        let other = self.any(&caps).unwrap_or(own);
        let cap = self.pick(&[own, own, own, own, own, other]);
        Some((self.chain.world.cluster(cluster)?, cap, holder))
    }

    fn govern_cluster(&mut self) {
        let Some((cluster, cap, holder)) = self.governed() else {
            return;
        };
        let sender = self.mostly(Some(holder));
        // Closing is for good, and what is not open stops others' acts: both are rare.
        let mut status = self.right(&[0u8, 0, 0, 1], &[3, 2]);
        if cluster.status != 0 && self.rng.random_bool(0.8) {
            status = 0;
        }
        let notice = self.right(
            &[cluster.notice_ms, cluster.notice_ms, MINUTE],
            &[31 * DAY, cluster.notice_ms.saturating_sub(1)],
        );
        let quorum = self.right(&[1u64, 1, 2], &[0, 33]);
        // Few clusters admit attested enclaves only.
        let attested = cluster.attested_only != self.rng.random_bool(0.03);
        let owner = self.person();
        let act = self.rng.random_range(0..5);
        self.build(sender, |ptb| {
            let mut arguments = vec![ptb.object(cap), ptb.object(cluster.id)];
            let name = match act {
                0 => {
                    arguments.push(ptb.pure(&status));
                    "set_status"
                }
                1 => {
                    arguments.extend([ptb.pure(&notice), ptb.pure(&quorum), ptb.pure(&attested)]);
                    "set_terms"
                }
                2 | 3 => {
                    arguments.push(ptb.pure(&owner));
                    "add_owner"
                }
                _ => {
                    arguments.push(ptb.pure(&owner));
                    "remove_owner"
                }
            };
            ptb.call("enclave_registry", name, arguments);
        });
    }

    fn approve_image(&mut self) {
        let Some((cluster, cap, holder)) = self.governed() else {
            return;
        };
        let sender = self.mostly(Some(holder));
        let indices: Vec<u8> = self
            .right(
                &[&[0u8, 1, 2][..], &[8, 2, 1, 0]],
                &[&[0, 1], &[0, 0, 1, 2]],
            )
            .to_vec();
        let length = self.right(&[48usize], &[47]);
        let values: Vec<Vec<u8>> = indices
            .iter()
            .map(|index| vec![if *index == 8 { 0 } else { index + 1 }; length])
            .collect();
        let measurement = vec![self.right(&[1u8, 2, 3, 4], &[0]); 48];
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(cap),
                ptb.object(cluster.id),
                ptb.pure(&measurement),
                ptb.pure(&indices),
                ptb.pure(&values),
                ptb.pure(&"commit"),
                ptb.pure(&0u64),
                ptb.clock(),
            ];
            ptb.call("enclave_registry", "approve_image", arguments);
        });
    }

    fn register_vouched(&mut self) {
        let all = self.clusters.clone();
        let all: Vec<Cluster> = all
            .iter()
            .filter_map(|c| self.chain.world.cluster(c.0))
            .collect();
        // One with members, mostly.
        let with: Vec<&Cluster> = all.iter().filter(|c| !c.members.is_empty()).collect();
        let Some(cluster) = with.choose(&mut self.rng).copied() else {
            return self.register_enclave();
        };
        let now = self.chain.now;
        let sender = self.person();
        let member = cluster.members[0].clone();
        let taken = |key: &[u8]| cluster.members.iter().any(|m| m.public_key == key);
        let free = (0..KEYS)
            .map(|n| enclave_key(n).verifying_key().to_bytes().to_vec())
            .find(|key| !taken(key));
        let key = free.unwrap_or_else(|| member.public_key.clone());
        let key = if self.rng.random_bool(0.9) {
            key
        } else {
            member.public_key.clone()
        };
        let statement = VouchingStatement {
            intent: INTENT_VOUCHING,
            timestamp_ms: self.right(&[now, now - MINUTE], &[now + 1, now - DAY]),
            cluster_id: cluster.id,
            sender,
            nonce: cluster.registrations,
            kind: member.kind,
            measurement: member.measurement.clone(),
            evidence: vec![6; self.right(&[32], &[31])],
            public_key: key,
            encryption_key: vec![4; self.right(&[32, 0], &[33])],
            url: self.right(&["https://v", "https://w"], &[""]).to_owned(),
            tls_key_hash: vec![5; self.right(&[32], &[31])],
        };
        let message = bcs::to_bytes(&statement).unwrap();
        let count = self.pick(&[1usize, cluster.members.len(), cluster.members.len()]);
        let mut vouchers = Vec::new();
        let mut signatures = Vec::new();
        for member in cluster.members.iter().take(count) {
            let enclave: Option<Enclave> = self.chain.world.view(member.enclave_id);
            let Some(enclave) = enclave else { continue };
            vouchers.push(member.enclave_id);
            signatures.push(self.sign(&enclave, &message));
        }
        match self.rng.random_range(0..12) {
            0 => {
                vouchers.push(vouchers[0]);
                signatures.push(signatures[0].clone());
            }
            1 => vouchers[0] = cluster.id,
            2 => signatures.clear(),
            _ => {}
        }
        let id = cluster.id;
        let outcome = self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(id),
                ptb.pure(&statement.kind),
                ptb.pure(&statement.measurement),
                ptb.pure(&statement.evidence),
                ptb.pure(&statement.public_key),
                ptb.pure(&statement.encryption_key),
                ptb.pure(&statement.url),
                ptb.pure(&statement.tls_key_hash),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&vouchers),
                ptb.pure(&signatures),
                ptb.clock(),
            ];
            let enclave = ptb.call("enclave_registry", "register_vouched", arguments);
            ptb.call("enclave_registry", "share_enclave", vec![enclave]);
        });
        if let Some(outcome) = outcome.as_ref().filter(|outcome| outcome.is_success()) {
            let made = crate::support::created(outcome, &self.chain.world, "Enclave");
            let made: Enclave = self.chain.world.view(made).unwrap();
            assert_eq!(made.proof, BY_VOUCHING);
        }
        self.remember(outcome);
    }

    /// An enclave of the cluster, mostly.
    fn enclave_for(&mut self, cluster: Address) -> Option<Enclave> {
        let all: Vec<Enclave> = self.chain.world.views();
        let own: Vec<&Enclave> = all.iter().filter(|e| e.cluster_id == cluster).collect();
        let live: Vec<&Enclave> = own.iter().copied().filter(|e| !e.revoked).collect();
        if let Some(enclave) = live.choose(&mut self.rng)
            && self.rng.random_bool(0.9)
        {
            return Some((*enclave).clone());
        }
        all.choose(&mut self.rng).cloned()
    }

    fn consume(&mut self) {
        let Some((token, _, _)) = self.token() else {
            return;
        };
        let Some(token) = self.chain.world.token(token) else {
            return;
        };
        let Some(enclave) = self.enclave_for(token.cluster_id) else {
            return self.register_enclave();
        };
        let now = self.chain.now;
        let statement = ConsumptionStatement {
            intent: INTENT_CONSUMPTION,
            timestamp_ms: self.right(&[now, now - MINUTE], &[now + 1, now - 2 * DAY]),
            cluster_id: token.cluster_id,
            token_id: token.id,
            generation: token.generation,
            commitment: token.commitment.clone(),
        };
        let signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        let clusters: Vec<Address> = self.clusters.iter().map(|c| c.0).collect();
        let other = self.any(&clusters).unwrap_or(token.cluster_id);
        let own = token.cluster_id;
        let cluster = self.pick(&[own, own, own, own, own, own, other]);
        let (sender, gateway) = (self.person(), self.chain.genesis.gateway);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object_as(gateway, false),
                ptb.object(token.id),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("k8s_gateway", "consume", arguments);
        });
    }

    fn open_interface(&mut self) {
        let Some((cluster, cap, holder)) = self.governed() else {
            return;
        };
        let sender = self.mostly(Some(holder));
        let fee = self.right(&[1_000u64, SUI, 0], &[1_001 * SUI]);
        let timeout = self.right(&[3 * DAY, 7 * DAY, MINUTE], &[9_999, 8 * DAY]);
        let payload = self.right(&[16_000u64, 64], &[0, 16_001]);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(cap),
                ptb.object(cluster.id),
                ptb.pure(&fee),
                ptb.pure(&timeout),
                ptb.pure(&payload),
            ];
            let interface = ptb.call("k8s_interface", "create_interface", arguments);
            ptb.call("k8s_interface", "share_interface", vec![interface]);
        });
    }

    /// An interface and its cluster, or another cluster now and then.
    fn interface(&mut self) -> Option<(Interface, Cluster)> {
        let all: Vec<Interface> = self.chain.world.views();
        let one = all.choose(&mut self.rng)?.clone();
        let clusters: Vec<Address> = self.clusters.iter().map(|c| c.0).collect();
        let other = self.any(&clusters)?;
        let own = one.cluster_id;
        let cluster = self.right(&[own], &[other]);
        Some((one, self.chain.world.cluster(cluster)?))
    }

    fn grant(&mut self) {
        let Some((interface, cluster)) = self.interface() else {
            return self.open_interface();
        };
        let owner = cluster.owners.first().copied();
        let (sender, user) = (self.mostly(owner), self.person());
        let namespace = self.right(&["", "web", "a-1"], &["Web"]);
        let verbs = self.right(&[7u64, 7, 3, 1], &[0, 8]);
        let now = self.chain.now;
        let until = self.right(&[now + 30 * DAY, now + MINUTE], &[now]);
        let revoke = self.rng.random_bool(0.2);
        self.build(sender, |ptb| {
            let mut arguments = vec![
                ptb.object(interface.id),
                ptb.object_as(cluster.id, false),
                ptb.pure(&user),
                ptb.pure(&namespace),
            ];
            if revoke {
                ptb.call("k8s_interface", "revoke", arguments);
            } else {
                arguments.extend([ptb.pure(&verbs), ptb.pure(&until), ptb.clock()]);
                ptb.call("k8s_interface", "grant", arguments);
            }
        });
    }

    fn stake_as_user(&mut self) {
        let (sender, tier) = (self.person(), self.pick(&[1u8, 2]));
        let pool = self.chain.genesis.pool;
        let outcome = self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, 10 * SUI);
            let arguments = vec![ptb.object(pool), coin, ptb.pure(&tier), ptb.clock()];
            let stake = ptb.call("staking", "stake", arguments);
            ptb.call("staking", "share", vec![stake]);
        });
        self.remember(outcome);
    }

    fn grant_to(&mut self, interface: &Interface, cluster: &Cluster, user: Address) {
        let Some(owner) = cluster.owners.first().copied() else {
            return;
        };
        let until = self.chain.now + 365 * DAY;
        let (namespace, verbs) = (self.pick(&["", "apps"]), self.pick(&[7u64, 7, 1]));
        let (interface, cluster) = (interface.id, cluster.id);
        self.build(owner, |ptb| {
            let arguments = vec![
                ptb.object(interface),
                ptb.object_as(cluster, false),
                ptb.pure(&user),
                ptb.pure(&namespace),
                ptb.pure(&verbs),
                ptb.pure(&until),
                ptb.clock(),
            ];
            ptb.call("k8s_interface", "grant", arguments);
        });
    }

    fn submit(&mut self) {
        let Some((interface, cluster)) = self.interface() else {
            return self.open_interface();
        };
        let Some(enclave) = self.enclave_for(cluster.id) else {
            return self.register_enclave();
        };
        // A user's or an administrator's stake, mostly.
        let stakes: Vec<Stake> = self.chain.world.views();
        let fit: Vec<&Stake> = stakes
            .iter()
            .filter(|stake| stake.tier > 0 && stake.status == 0 && stake.balance >= SUI / 10)
            .collect();
        let stake = match fit.choose(&mut self.rng) {
            Some(stake) if self.rng.random_bool(0.9) => (*stake).clone(),
            None => return self.stake_as_user(),
            _ => match stakes.choose(&mut self.rng) {
                Some(stake) => stake.clone(),
                None => return,
            },
        };
        // Where its owner has a permission; it is given first where there is none.
        let now = self.chain.now;
        let all = crate::events::Rebuilt::permissions_of(&self.chain.world);
        let mut all = all.iter();
        let known = all.find(|((at, user, _), permission)| {
            (*at, *user) == (interface.id, stake.owner) && permission.expires_at_ms > now
        });
        let Some(((_, _, namespace), _)) = known else {
            return self.grant_to(&interface, &cluster, stake.owner);
        };
        let sender = self.mostly(Some(stake.owner));
        let namespace = if self.rng.random_bool(0.9) {
            namespace.as_str()
        } else {
            "other"
        };
        let operate = if stake.tier == 2 { 4 } else { 1 };
        let verb = self.right(&[1u64, 1, 2, operate], &[3, 4]);
        let payload = vec![9u8; self.right(&[64, 20], &[0, 65])];
        let mut digest = blake2b(&payload);
        digest.truncate(self.right(&[32], &[31]));
        let fee = self.right(&[interface.fee], &[interface.fee + 1]);
        let (gateway, pool) = (self.chain.genesis.gateway, self.chain.genesis.pool);
        self.build(sender, |ptb| {
            let coin = ptb.split(Argument::Gas, fee);
            let arguments = vec![
                ptb.object(interface.id),
                ptb.object_as(cluster.id, false),
                ptb.object_as(gateway, false),
                ptb.object_as(pool, false),
                ptb.object_as(stake.id, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&namespace),
                ptb.pure(&verb),
                ptb.pure(&payload),
                ptb.pure(&digest),
                coin,
                ptb.clock(),
            ];
            let request = ptb.call("k8s_interface", "submit", arguments);
            ptb.call("k8s_interface", "share_request", vec![request]);
        });
    }

    /// Answers or refunds.
    fn answer(&mut self) {
        let all: Vec<Request> = self.chain.world.views();
        let now = self.chain.now;
        let waits = |r: &&Request| r.status == REQUEST_PENDING;
        let pending: Vec<&Request> = all.iter().filter(waits).collect();
        let request = match pending.choose(&mut self.rng) {
            Some(request) if self.rng.random_bool(0.9) => (*request).clone(),
            _ => match all.choose(&mut self.rng) {
                Some(request) => request.clone(),
                None => return self.submit(),
            },
        };
        let interfaces: Vec<Interface> = self.chain.world.views();
        let own = interfaces
            .iter()
            .find(|i| i.cluster_id == request.cluster_id);
        let Some(own) = own.map(|own| own.id) else {
            return;
        };
        let other = interfaces
            .choose(&mut self.rng)
            .map_or(own, |other| other.id);
        let interface = self.right(&[own], &[other]);
        let sender = self.person();
        let late = now >= request.deadline_ms;
        if late == self.rng.random_bool(0.8) {
            self.build(sender, |ptb| {
                let arguments = vec![
                    ptb.object_as(interface, false),
                    ptb.object(request.id),
                    ptb.clock(),
                ];
                ptb.call("k8s_interface", "refund", arguments);
            });
            return;
        }
        let Some(enclave) = self.enclave_for(request.cluster_id) else {
            return;
        };
        let statement = ResultStatement {
            intent: INTENT_RESULT,
            cluster_id: request.cluster_id,
            request_id: request.id,
            digest: request.digest.clone(),
            code: self.pick(&[200, 403]),
            result: vec![7; self.right(&[32], &[31])],
        };
        let mut signature = self.sign(&enclave, &bcs::to_bytes(&statement).unwrap());
        if self.rng.random_bool(0.2) {
            signature = vec![0; 64];
        }
        // The cluster of the interface, as it is asked for first.
        let chosen = interfaces.iter().find(|i| i.id == interface);
        let cluster = chosen.map_or(request.cluster_id, |chosen| chosen.cluster_id);
        self.build(sender, |ptb| {
            let arguments = vec![
                ptb.object(interface),
                ptb.object(request.id),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave.id, false),
                ptb.pure(&statement.code),
                ptb.pure(&statement.result),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("k8s_interface", "answer", arguments);
        });
    }

    fn govern_interface(&mut self) {
        // One that has earned something, if there is one.
        let all: Vec<Interface> = self.chain.world.views();
        let earned = all.iter().find(|one| one.earned > 0);
        let picked = match earned.filter(|_| self.rng.random_bool(0.8)) {
            Some(one) => self
                .chain
                .world
                .cluster(one.cluster_id)
                .map(|cluster| (one.clone(), cluster)),
            None => self.interface(),
        };
        let Some((interface, cluster)) = picked else {
            return self.open_interface();
        };
        let governing = self.clusters.iter().find(|c| c.0 == cluster.id);
        let Some((_, cap, holder)) = governing.copied() else {
            return;
        };
        let sender = self.mostly(Some(holder));
        let fee = self.right(&[0u64, 1_000, SUI], &[1_001 * SUI]);
        let earned = interface.earned;
        let amount = self.pick(&[earned, earned / 2, earned + 1]);
        let act = self.rng.random_range(0..6);
        self.build(sender, |ptb| {
            let mut arguments = vec![
                ptb.object(cap),
                ptb.object_as(cluster.id, false),
                ptb.object(interface.id),
            ];
            match act {
                0..2 => {
                    arguments.extend([ptb.pure(&fee), ptb.pure(&MINUTE), ptb.pure(&64u64)]);
                    ptb.call("k8s_interface", "configure", arguments);
                }
                2..5 => {
                    arguments.push(ptb.pure(&amount));
                    let coin = ptb.call("k8s_interface", "withdraw_fees", arguments);
                    ptb.transfer(vec![coin], sender);
                }
                _ => {
                    ptb.call("k8s_interface", "migrate", arguments);
                }
            }
        });
    }

    fn govern_upgrades(&mut self) {
        let genesis = &self.chain.genesis;
        let (cap, upgrades, params) = (genesis.admin_cap, genesis.upgrades, genesis.params);
        let upgrade_cap = genesis.upgrade_cap;
        let state: Upgrades = self.chain.world.view(upgrades).unwrap();
        let digest = vec![1u8; self.right(&[32], &[31])];
        let holds = state.cap.is_some();
        let act = match self.rng.random_range(0..12) {
            0 if !holds => 0,
            0 => 4,
            act => act,
        };
        let sender = self.mostly(Some(address(0)));
        let proposed = self.build(sender, |ptb| {
            let (cap, upgrades) = (ptb.object(cap), ptb.object(upgrades));
            match act {
                0..3 if !holds => {
                    let held = ptb.object(upgrade_cap);
                    ptb.call("upgrades", "hold", vec![cap, upgrades, held]);
                }
                0..6 => {
                    let params = ptb.object_as(params, false);
                    let arguments = vec![cap, upgrades, params, ptb.pure(&digest), ptb.clock()];
                    ptb.call("upgrades", "propose", arguments);
                }
                6 => {
                    ptb.call("upgrades", "migrate", vec![cap, upgrades]);
                }
                7 | 8 => {
                    ptb.call("upgrades", "cancel", vec![cap, upgrades]);
                }
                _ => {
                    let clock = ptb.clock();
                    ptb.call("upgrades", "authorize", vec![cap, upgrades, clock]);
                }
            }
        });
        // Too early, now and then.
        if proposed.is_some_and(|o| o.is_success()) && self.rng.random_bool(0.5) {
            self.build(address(0), |ptb| {
                let arguments = vec![ptb.object(cap), ptb.object(upgrades), ptb.clock()];
                ptb.call("upgrades", "authorize", arguments);
            });
        }
    }
}
