//! Which control plane to trust, from the chain, and joining it.

use std::net::IpAddr;
use std::path::Path;

use attested::{AttestedError, Connection, Expectation, TeeRoot, with_tcb_file};
use chain::objects::Cluster;
use chain::{Client, Deployment};
use pki::KeyPair;
use seal::wire::{Der, JOIN, JoinRequest, NodeCertificates, NodeRequest, RENEW, RenewRequest};
use seal::{JoinProof, NodeId, NodeKey, ObjectId, RenewProof};
use tee_verify::{Claims, Kind, Measurement, Policy};
use zeroize::Zeroizing;

use crate::WorkerError;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::stake::Staked;

/// What the chain says of the cluster's control plane.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    pub(crate) expectation: Expectation,
    /// `host:port`, in the chain's order.
    pub(crate) addresses: Vec<String>,
}

/// What this worker's operator says of it, besides the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms<'a> {
    /// Whether simulated evidence will do.
    pub(crate) allow_simulated: bool,
    /// Roots to trust besides the vendors'.
    pub(crate) roots: &'a [TeeRoot],
    /// File with what its platform must be.
    pub(crate) tcb: Option<&'a Path>,
    /// Where the control plane is, instead of where the chain says.
    pub(crate) server: Option<&'a str>,
}

impl<'a> Terms<'a> {
    /// Those of a configuration.
    pub(crate) fn of(config: &'a Config) -> Self {
        Self {
            allow_simulated: config.allow_simulated_tee,
            roots: &config.tee_roots,
            tcb: config.tee_tcb.as_deref(),
            server: config.server.as_deref(),
        }
    }
}

/// Reads the cluster: its allow-list, and where its control plane is.
pub(crate) async fn read_trust(
    client: &Client,
    deployment: &Deployment,
    terms: Terms<'_>,
) -> Result<Trust, WorkerError> {
    let id = deployment.cluster()?;
    let cluster = client.object::<Cluster>(deployment, id).await?.value;
    trust(&cluster, terms)
}

fn trust(cluster: &Cluster, terms: Terms<'_>) -> Result<Trust, WorkerError> {
    let Terms {
        allow_simulated,
        roots,
        tcb,
        server,
    } = terms;
    let mut policy = Policy::new();
    for root in roots {
        policy = root.trust(policy)?;
    }
    if let Some(file) = tcb {
        policy = with_tcb_file(policy, file)?;
    }
    let mut allowed = 0;
    let mut hint = "";
    for entry in cluster.active(chain::unix_ms()) {
        let (Ok(kind), Ok(measurement)) = (
            Kind::try_from(entry.kind.code()),
            Measurement::from_bytes(&entry.bytes),
        ) else {
            continue;
        };
        if kind == Kind::Simulated && !allow_simulated {
            hint = ": it has only `simulated` ones, which prove nothing; for development set allowSimulatedTee";
            continue;
        }
        policy = policy.allow(kind, measurement);
        allowed += 1;
    }
    if allowed == 0 {
        let cluster = cluster.id.to_string();
        return Err(WorkerError::NoMeasurement { cluster, hint });
    }
    let mut tls_keys = Vec::new();
    let mut addresses = Vec::new();
    for endpoint in &cluster.endpoints {
        if let Ok(key) = <[u8; 32]>::try_from(endpoint.tls_key_hash.as_slice()) {
            tls_keys.push(key);
            addresses.extend(host_and_port(&endpoint.url));
        }
    }
    if let Some(server) = server {
        addresses = vec![server.to_owned()];
    }
    if tls_keys.is_empty() || addresses.is_empty() {
        return Err(WorkerError::NoEndpoint(cluster.id.to_string()));
    }
    Ok(Trust {
        expectation: Expectation {
            cluster: ObjectId(cluster.id.into_inner()),
            policy,
            tls_keys: Some(tls_keys),
        },
        addresses,
    })
}

fn host_and_port(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let authority = rest
        .split('/')
        .next()
        .filter(|authority| !authority.is_empty())?;
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    })
}

/// Who joins.
pub(crate) struct Applicant<'a> {
    pub(crate) node: &'a NodeId,
    pub(crate) key: &'a NodeKey,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A connection whose other end was verified, and where it is.
pub(crate) struct Verified {
    pub(crate) connection: Connection,
    pub(crate) address: String,
}

/// Connects to the first control plane that is to be trusted. Nothing but a nonce is sent before it is.
pub(crate) async fn verify(trust: &Trust) -> Result<Verified, WorkerError> {
    let mut last = None;
    for address in &trust.addresses {
        match Connection::open(address, &trust.expectation).await {
            Ok(connection) => {
                let claims = connection.claims();
                tracing::info!(
                    address, kind = %claims.kind, measurement = %claims.measurement,
                    hardware_rooted = claims.hardware_rooted, "control plane verified"
                );
                let address = address.clone();
                return Ok(Verified {
                    connection,
                    address,
                });
            }
            Err(error) => {
                tracing::warn!(
                    address,
                    error = crate::error::line(&error),
                    "not a control plane to talk to"
                );
                last = Some(error);
            }
        }
    }
    let cluster = || trust.expectation.cluster.to_string();
    Err(last.map_or_else(|| WorkerError::NoEndpoint(cluster()), WorkerError::from))
}

impl Verified {
    /// What its evidence says.
    pub(crate) fn claims(&self) -> &Claims {
        self.connection.claims()
    }

    /// Whether it is still to be trusted as the chain has it now: the allow-list may have changed since the connection
    /// was judged. To be asked before anything secret is said.
    pub(crate) fn confirm(&self, now: &Trust) -> Result<(), WorkerError> {
        let (claims, expected) = (self.claims(), &now.expectation);
        let address = || self.address.clone();
        if !expected.policy.allows(claims.kind, &claims.measurement) {
            let source = tee_verify::VerifyError::MeasurementNotAllowed {
                kind: claims.kind,
                measurement: claims.measurement.clone(),
            };
            let address = address();
            return Err(AttestedError::Evidence { address, source }.into());
        }
        let key = self.connection.tls_key();
        if expected
            .tls_keys
            .as_ref()
            .is_some_and(|keys| !keys.contains(&key))
        {
            let address = address();
            return Err(AttestedError::UnregisteredKey { address }.into());
        }
        Ok(())
    }

    /// Joins: opens the commitment, proves the node key, gets certificates.
    pub(crate) async fn join(
        self,
        trust: &Trust,
        applicant: &Applicant<'_>,
        staked: &Staked,
    ) -> Result<Credentials, WorkerError> {
        let keys = Keys::generate()?;
        let token = ObjectId(staked.token.into_inner());
        let (node, proof) = self.request(trust, applicant, token, &keys)?;
        let node = NodeRequest {
            signature: proof.sign(applicant.key),
            ..node
        };
        let request = JoinRequest {
            token,
            secret: staked.secret.clone(),
            node,
        };
        let body = request.to_json();
        self.certify(JOIN, body, keys).await
    }

    /// Renews the certificates; sends no secret.
    pub(crate) async fn renew(
        self,
        trust: &Trust,
        applicant: &Applicant<'_>,
        staked: &Staked,
    ) -> Result<Credentials, WorkerError> {
        let keys = Keys::generate()?;
        let token = ObjectId(staked.token.into_inner());
        let (node, proof) = self.request(trust, applicant, token, &keys)?;
        let node = NodeRequest {
            signature: RenewProof(proof).sign(applicant.key),
            ..node
        };
        let body = serde_json::to_vec(&RenewRequest { token, node })
            .map_err(|error| WorkerError::Certificates(error.to_string()))?;
        self.certify(RENEW, Zeroizing::new(body), keys).await
    }

    /// The request with a signature that doesn't count yet, and what has to be signed.
    fn request(
        &self,
        trust: &Trust,
        applicant: &Applicant<'_>,
        token: ObjectId,
        keys: &Keys,
    ) -> Result<(NodeRequest, JoinProof), WorkerError> {
        let client_csr = Der::new(keys.client.request()?.to_vec());
        let serving_csr = Der::new(keys.serving.request()?.to_vec());
        let proof = JoinProof {
            cluster: trust.expectation.cluster,
            token,
            node: applicant.node.clone(),
            challenge: self.connection.challenge(),
            channel: self.connection.channel(),
            client_csr: client_csr.digest(),
            serving_csr: serving_csr.digest(),
        };
        let request = NodeRequest {
            node: applicant.node.clone(),
            node_key: applicant.key.public(),
            challenge: proof.challenge,
            client_csr,
            serving_csr,
            addresses: applicant.addresses.clone(),
            signature: proof.sign(applicant.key),
        };
        Ok((request, proof))
    }

    async fn certify(
        mut self,
        path: &str,
        body: Zeroizing<Vec<u8>>,
        keys: Keys,
    ) -> Result<Credentials, WorkerError> {
        let issued: NodeCertificates = self.connection.post(path, body).await?;
        Credentials::new(
            &issued,
            &keys.client,
            &keys.serving,
            self.connection.tls_key(),
            self.address,
        )
    }
}

struct Keys {
    client: KeyPair,
    serving: KeyPair,
}

impl Keys {
    fn generate() -> Result<Self, WorkerError> {
        Ok(Self {
            client: KeyPair::generate()?,
            serving: KeyPair::generate()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chain::Address;
    use chain::objects::{Endpoint, Measurement as Allowed, TeeKind};

    use super::*;

    fn cluster() -> Cluster {
        Cluster {
            id: Address::new([1; 32]),
            version: 1,
            name: "c".to_owned(),
            status: chain::objects::ClusterStatus::Open,
            owners: Vec::new(),
            notice_ms: 0,
            quorum: 1,
            attested_only: false,
            members: Vec::new(),
            registrations: 0,
            interface: None,
            measurements: vec![Allowed {
                kind: TeeKind::Simulated,
                bytes: vec![7; 48],
                registers: Vec::new(),
                source: String::new(),
                approved_at_ms: 0,
                active_at_ms: 0,
                retired: false,
            }],
            endpoints: vec![Endpoint {
                url: "https://10.0.0.1:6443".to_owned(),
                tls_key_hash: vec![3; 32],
                measurement: vec![7; 48],
                kind: TeeKind::Simulated,
                registered_at_ms: 0,
                enclave_id: None,
            }],
        }
    }

    const SIMULATED: Terms<'static> = Terms {
        allow_simulated: true,
        roots: &[],
        tcb: None,
        server: None,
    };

    #[test]
    fn the_chain_says_whom_to_trust() {
        let trusted = trust(&cluster(), SIMULATED).unwrap();
        assert_eq!(trusted.addresses, ["10.0.0.1:6443"]);
        assert_eq!(trusted.expectation.tls_keys, Some(vec![[3; 32]]));
        let measurement = Measurement::from_bytes(&[7; 48]).unwrap();
        assert_eq!(
            trusted.expectation.policy,
            Policy::new().allow(Kind::Simulated, measurement)
        );
        let elsewhere = Terms {
            server: Some("10.0.0.2:1"),
            ..SIMULATED
        };
        let elsewhere = trust(&cluster(), elsewhere).unwrap();
        assert_eq!(elsewhere.addresses, ["10.0.0.2:1"]);
    }

    #[test]
    fn simulated_and_retired_measurements_are_no_trust() {
        let refused = trust(&cluster(), Terms::default()).unwrap_err();
        assert!(refused.to_string().contains("allowSimulatedTee"));
        let mut retired = cluster();
        retired.measurements[0].retired = true;
        assert!(matches!(
            trust(&retired, SIMULATED),
            Err(WorkerError::NoMeasurement { .. })
        ));
        let mut nowhere = cluster();
        nowhere.endpoints.clear();
        assert!(matches!(
            trust(&nowhere, SIMULATED),
            Err(WorkerError::NoEndpoint(_))
        ));
    }
}
