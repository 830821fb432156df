//! The gateway, clusters, interfaces and upgrades as an observer rebuilds them from events alone.

use std::collections::BTreeMap;

use contract_model::World;
use contract_model::layout::enclave_registry as registry;
use contract_model::layout::framework::{Table, UpgradeCap};
use contract_model::layout::k8s_gateway as gateway;
use contract_model::layout::k8s_interface as interface;
use contract_model::layout::upgrades;
use sui_sdk_types::{Address, Event};

use crate::events::{Rebuilt, decode, entries_by};

impl Rebuilt {
    fn cluster(&mut self, id: Address) -> &mut registry::Cluster {
        self.clusters.get_mut(&id).unwrap()
    }

    fn token(&mut self, id: Address) -> &mut gateway::SealToken {
        self.tokens.get_mut(&id).unwrap()
    }

    pub fn interfaces_of(world: &World) -> BTreeMap<Address, interface::Interface> {
        let all: Vec<interface::Interface> = world.views();
        all.into_iter()
            .map(|mut one| {
                one.permissions.id = Address::ZERO;
                (one.id, one)
            })
            .collect()
    }

    pub fn permissions_of(
        world: &World,
    ) -> BTreeMap<(Address, Address, String), interface::Permission> {
        let all: Vec<interface::Interface> = world.views();
        all.into_iter()
            .flat_map(|one| {
                let entries: BTreeMap<(Address, String), interface::Permission> =
                    entries_by(world, one.permissions.id);
                entries
                    .into_iter()
                    .map(move |((user, namespace), p)| ((one.id, user, namespace), p))
            })
            .collect()
    }

    pub fn gateway(&mut self, event: &Event) -> bool {
        fn commit(token: &mut gateway::SealToken, commitment: Vec<u8>) {
            if token.commitment != commitment {
                token.commitment = commitment;
                token.consumed_at_ms = 0;
                token.consumed_by = None;
            }
        }
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
                consumed_at_ms: 0,
                consumed_by: None,
            };
            self.tokens.insert(e.token_id, token);
        } else if let Some(e) = decode::<gateway::SealTokenRenewed>(event) {
            let token = self.token(e.token_id);
            commit(token, e.commitment);
            token.permissions = e.permissions;
            token.issued_at_ms = e.issued_at_ms;
            token.expires_at_ms = e.expires_at_ms;
            token.generation = e.generation;
        } else if let Some(e) = decode::<gateway::SealTokenRekeyed>(event) {
            let token = self.token(e.token_id);
            token.node_key = e.node_key;
            commit(token, e.commitment);
            token.generation = e.generation;
        } else if let Some(e) = decode::<gateway::SealTokenConsumed>(event) {
            let token = self.token(e.token_id);
            token.consumed_at_ms = e.at_ms;
            token.consumed_by = Some(e.enclave_id);
        } else if let Some(e) = decode::<gateway::SealTokenRevoked>(event) {
            self.token(e.token_id).revoked = true;
        } else if let Some(e) = decode::<gateway::GatewayCreated>(event) {
            self.gateway_rules = Some(e.rules);
        } else if let Some(e) = decode::<gateway::GatewayRulesChanged>(event) {
            self.gateway_rules = Some(e.rules);
        } else {
            return false;
        }
        true
    }

    pub fn registry(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<registry::ClusterCreated>(event) {
            let cluster = registry::Cluster {
                id: e.cluster_id,
                version: 1,
                name: e.name,
                status: registry::CLUSTER_OPEN,
                owners: vec![e.creator],
                notice_ms: 0,
                quorum: 1,
                attested_only: false,
                measurements: Vec::new(),
                endpoints: Vec::new(),
                members: Vec::new(),
                registrations: 0,
                interface: None,
            };
            self.clusters.insert(e.cluster_id, cluster);
        } else if let Some(e) = decode::<registry::StatusChanged>(event) {
            self.cluster(e.cluster_id).status = e.status;
        } else if let Some(e) = decode::<registry::TermsChanged>(event) {
            let cluster = self.cluster(e.cluster_id);
            cluster.notice_ms = e.notice_ms;
            cluster.quorum = e.quorum;
            cluster.attested_only = e.attested_only;
        } else if let Some(e) = decode::<registry::OwnerAdded>(event) {
            self.cluster(e.cluster_id).owners.push(e.owner);
        } else if let Some(e) = decode::<registry::OwnerRemoved>(event) {
            let cluster = self.cluster(e.cluster_id);
            cluster.owners.retain(|owner| *owner != e.owner);
        } else if let Some(e) = decode::<registry::MeasurementApproved>(event) {
            let cluster = self.cluster(e.cluster_id);
            let entry = registry::Measurement {
                kind: e.kind,
                bytes: e.measurement,
                registers: e.registers,
                source: e.source,
                approved_at_ms: e.approved_at_ms,
                active_at_ms: e.active_at_ms,
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
            for entry in &mut self.cluster(e.cluster_id).measurements {
                if entry.kind == e.kind && entry.bytes == e.measurement {
                    entry.retired = true;
                }
            }
        } else if let Some(e) = decode::<registry::EndpointRegistered>(event) {
            let cluster = self.cluster(e.cluster_id);
            let endpoint = registry::Endpoint {
                url: e.url,
                tls_key_hash: e.tls_key_hash,
                measurement: e.measurement,
                kind: e.kind,
                registered_at_ms: e.registered_at_ms,
                enclave_id: e.enclave_id,
            };
            let known = cluster.endpoints.iter_mut().find(|p| p.url == endpoint.url);
            match known {
                Some(known) => *known = endpoint,
                None => cluster.endpoints.push(endpoint),
            }
        } else if let Some(e) = decode::<registry::EndpointRemoved>(event) {
            let cluster = self.cluster(e.cluster_id);
            cluster.endpoints.retain(|endpoint| endpoint.url != e.url);
        } else if let Some(e) = decode::<registry::EnclaveRegistered>(event) {
            let cluster = self.cluster(e.cluster_id);
            cluster.registrations += 1;
            cluster.members.push(registry::Member {
                enclave_id: e.enclave_id,
                public_key: e.public_key.clone(),
                measurement: e.measurement.clone(),
                kind: e.kind,
                registered_at_ms: e.registered_at_ms,
            });
            let enclave = registry::Enclave {
                id: e.enclave_id,
                cluster_id: e.cluster_id,
                public_key: e.public_key,
                encryption_key: e.encryption_key,
                measurement: e.measurement,
                kind: e.kind,
                proof: e.proof,
                registered_at_ms: e.registered_at_ms,
                revoked: false,
            };
            self.enclaves.insert(e.enclave_id, enclave);
        } else if let Some(e) = decode::<registry::EnclaveRevoked>(event) {
            let cluster = self.cluster(e.cluster_id);
            cluster.members.retain(|m| m.enclave_id != e.enclave_id);
            let id = Some(e.enclave_id);
            cluster
                .endpoints
                .retain(|endpoint| endpoint.enclave_id != id);
            self.enclaves.get_mut(&e.enclave_id).unwrap().revoked = true;
        } else {
            return false;
        }
        true
    }

    pub fn interface(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<interface::InterfaceCreated>(event) {
            self.cluster(e.cluster_id).interface = Some(e.interface_id);
            let one = interface::Interface {
                id: e.interface_id,
                version: 1,
                cluster_id: e.cluster_id,
                fee: e.fee,
                timeout_ms: e.timeout_ms,
                payload: e.payload,
                permissions: Table {
                    id: Address::ZERO,
                    size: 0,
                },
                requests: 0,
                earned: 0,
            };
            self.interfaces.insert(e.interface_id, one);
        } else if let Some(e) = decode::<interface::InterfaceChanged>(event) {
            let one = self.interfaces.get_mut(&e.interface_id).unwrap();
            (one.fee, one.timeout_ms, one.payload) = (e.fee, e.timeout_ms, e.payload);
        } else if let Some(e) = decode::<interface::PermissionGranted>(event) {
            let permission = interface::Permission {
                verbs: e.verbs,
                expires_at_ms: e.expires_at_ms,
            };
            let key = (e.interface_id, e.user, e.namespace);
            if self.permissions.insert(key, permission).is_none() {
                let one = self.interfaces.get_mut(&e.interface_id).unwrap();
                one.permissions.size += 1;
            }
        } else if let Some(e) = decode::<interface::PermissionRevoked>(event) {
            let key = (e.interface_id, e.user, e.namespace);
            self.permissions.remove(&key).unwrap();
            let one = self.interfaces.get_mut(&e.interface_id).unwrap();
            one.permissions.size -= 1;
        } else if let Some(e) = decode::<interface::RequestSubmitted>(event) {
            self.interfaces.get_mut(&e.interface_id).unwrap().requests += 1;
            let request = interface::Request {
                id: e.request_id,
                cluster_id: e.cluster_id,
                user: e.user,
                namespace: e.namespace,
                verb: e.verb,
                enclave_id: e.enclave_id,
                payload: e.payload,
                digest: e.digest,
                fee: e.fee,
                submitted_at_ms: e.submitted_at_ms,
                deadline_ms: e.deadline_ms,
                status: interface::REQUEST_PENDING,
                code: 0,
                result: Vec::new(),
            };
            self.requests.insert(e.request_id, request);
        } else if let Some(e) = decode::<interface::RequestAnswered>(event) {
            self.interfaces.get_mut(&e.interface_id).unwrap().earned += e.fee;
            let request = self.requests.get_mut(&e.request_id).unwrap();
            (request.status, request.fee) = (interface::REQUEST_ANSWERED, 0);
            (request.code, request.result) = (e.code, e.result);
        } else if let Some(e) = decode::<interface::RequestRefunded>(event) {
            let request = self.requests.get_mut(&e.request_id).unwrap();
            (request.status, request.fee) = (interface::REQUEST_REFUNDED, 0);
        } else if let Some(e) = decode::<interface::FeesWithdrawn>(event) {
            self.interfaces.get_mut(&e.interface_id).unwrap().earned = e.remaining;
        } else {
            return false;
        }
        true
    }

    pub fn upgrades(&mut self, event: &Event) -> bool {
        if let Some(e) = decode::<upgrades::UpgradesCreated>(event) {
            self.upgrades = Some(upgrades::Upgrades {
                id: e.upgrades_id,
                version: 1,
                cap: None,
                pending: None,
            });
            return true;
        }
        let Some(upgrades) = self.upgrades.as_mut() else {
            return false;
        };
        if let Some(e) = decode::<upgrades::UpgradeCapHeld>(event) {
            upgrades.cap = Some(UpgradeCap {
                id: e.cap_id,
                package: e.package_id,
                version: e.version,
                policy: e.policy,
            });
        } else if let Some(e) = decode::<upgrades::UpgradeProposed>(event) {
            upgrades.pending = Some(upgrades::Proposal {
                digest: e.digest,
                ready_at_ms: e.ready_at_ms,
            });
        } else if decode::<upgrades::UpgradeCancelled>(event).is_some() {
            upgrades.pending = None;
        } else {
            return false;
        }
        true
    }
}
