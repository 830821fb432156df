//! Telling the chain of an instance, from outside of it: whoever holds the cluster's capability verifies the instance and
//! registers its endpoint and its signing key.

use attested::{AttestedError, Connection, Expectation};
use chain::calls::{self, EndpointRegistration};
use chain::keystore::Key;
use chain::objects::{Cluster, TeeKind};
use chain::{Address, ChainError, Client, Deployment};
use seal::ObjectId;
use tee_verify::{Kind, Measurement, Policy};
use zeroize::Zeroizing;

use crate::wire::{ENCLAVE, INSTANCE, Instance};

/// What an instance's wallet is given when it holds less than a tenth of it, in MIST.
const WALLET: u64 = 1_000_000_000;

/// An instance could not be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// It is not to be trusted, or can't be reached.
    #[error("the instance was not enrolled")]
    Attested(#[from] AttestedError),
    /// The chain.
    #[error("the chain could not be asked or told")]
    Chain(#[from] ChainError),
    /// There is no capability over the cluster.
    #[error("the deployment names no capability over its cluster")]
    NoCapability,
    /// It says something else than its evidence, or nothing that can be understood.
    #[error("the instance's {0} is not what its evidence says, or malformed")]
    Contradiction(&'static str),
}

/// What the chain says that instances of the deployment's cluster may run; the TLS keys only where they are to be known
/// already.
///
/// # Errors
/// [`ChainError`].
pub async fn expectation(
    chain: &Client,
    deployment: &Deployment,
    registered: bool,
) -> Result<Expectation, ChainError> {
    let id = deployment.cluster()?;
    let cluster = chain.object::<Cluster>(deployment, id).await?.value;
    let mut policy = Policy::new();
    for allowed in cluster.active(chain::unix_ms()) {
        if let (Ok(kind), Ok(measurement)) = (
            Kind::try_from(allowed.kind.code()),
            Measurement::from_bytes(&allowed.bytes),
        ) {
            policy = policy.allow(kind, measurement);
        }
    }
    let keys = cluster
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.tls_key_hash.as_slice().try_into().ok())
        .collect();
    Ok(Expectation {
        cluster: ObjectId(id.into_inner()),
        policy,
        tls_keys: registered.then_some(keys),
    })
}

/// Verifies the instance at `address` and registers it under `url` with `key`, which must own the cluster's capability.
/// What the chain has already is left as it is, so this can be repeated.
///
/// # Errors
/// [`EnrollError`].
pub async fn enroll(
    chain: &Client,
    deployment: &Deployment,
    key: &Key,
    address: &str,
    url: &str,
) -> Result<Instance, EnrollError> {
    let cluster_id = deployment.cluster()?;
    let cap = deployment.cluster_cap.ok_or(EnrollError::NoCapability)?;
    let expected = expectation(chain, deployment, false).await?;
    let mut connection = Connection::open(address, &expected).await?;
    let (kind, measurement) = {
        let claims = connection.claims();
        let kind = TeeKind::from_code(claims.kind.number());
        (
            kind.ok_or(EnrollError::Contradiction("kind of TEE"))?,
            claims.measurement.clone(),
        )
    };
    let endpoint = EndpointRegistration {
        url: url.to_owned(),
        tls_key_hash: connection.tls_key(),
        measurement: measurement.as_bytes().to_vec(),
        kind,
    };
    let cluster = chain.object::<Cluster>(deployment, cluster_id).await?.value;
    let known = cluster.endpoints.iter().any(|e| {
        e.url == endpoint.url
            && e.tls_key_hash == endpoint.tls_key_hash
            && e.measurement == endpoint.measurement
            && e.kind == endpoint.kind
    });
    if !known {
        let call = calls::register_endpoint(deployment, cap, cluster_id, endpoint);
        chain.submit(key, &call).await?;
    }
    let empty = || Zeroizing::new(b"{}".to_vec());
    let instance: Instance = connection.post(INSTANCE, empty()).await?;
    if instance.measurement != measurement.to_string() {
        return Err(EnrollError::Contradiction("measurement"));
    }
    if deployment.anchors.is_none() {
        return Ok(instance);
    }
    let mut public = [0; 32];
    hex::decode_to_slice(&instance.signing_key, &mut public)
        .map_err(|_| EnrollError::Contradiction("signing key"))?;
    if !cluster.members.iter().any(|m| m.public_key == public) {
        let call = calls::register_enclave(
            deployment,
            cap,
            cluster_id,
            public,
            kind,
            measurement.as_bytes(),
        );
        chain.submit(key, &call).await?;
    }
    let wallet: Address = instance
        .wallet
        .parse()
        .map_err(|_| EnrollError::Contradiction("wallet"))?;
    if chain.balance(wallet).await? < WALLET / 10 {
        let call = calls::transfer(deployment, wallet, WALLET);
        chain.submit(key, &call).await?;
    }
    let _: serde_json::Value = connection.post(ENCLAVE, empty()).await?;
    Ok(connection.post(INSTANCE, empty()).await?)
}
