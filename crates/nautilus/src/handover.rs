//! Handing the keys to another instance, and being handed them.
//!
//! The asking instance opens an attested connection (so it knows that it gives its request to an allowed control plane),
//! makes an HPKE key, and attests that key, bound to this very connection. The giving one verifies that evidence against the
//! allow-list that it reads from the chain in that moment, and encrypts the root to the key. Whoever relays it has
//! nothing: the evidence is good on one connection, the answer for one key.

use std::sync::Arc;
use std::time::SystemTime;

use attested::{AttestedError, Connection, Expectation};
use chain::{Address, Deployment};
use keys::handover::{Grant, Recipient, binding_key, grant};
use keys::{KeyError, KeyRing, Scope};
use seal::ObjectId;
use seal::wire::{Refusal, RefusalCode};
use tee::Provider;
use tee_verify::{Binding, BindingInput, Role};
use zeroize::Zeroizing;

use crate::allow_list;
use crate::keyring::Keyring;
use crate::wire::{HANDOVER, HandoverRequest};
use crate::witnesses::Witnesses;

/// The keys were not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The other instance is not to be trusted, can't be reached, or refuses.
    #[error("{address} handed over no keys")]
    Peer {
        /// Where it is.
        address: String,
        /// Why.
        #[source]
        source: Box<AttestedError>,
    },
    /// What came can't be used.
    #[error("what {address} handed over can't be used")]
    Keys {
        /// Where it came from.
        address: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// This instance makes no evidence.
    #[error("this instance could not attest its key")]
    Attest(#[from] tee::AttestError),
    /// What a verifier needs besides.
    #[error("this instance has no collateral")]
    Collateral(#[from] tee::CollateralError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The chain.
    #[error("the chain could not be asked what other instances may run")]
    Chain(#[from] chain::ChainError),
    /// The request could not be encoded.
    #[error("the request could not be encoded")]
    Encode,
}

/// What the asking instance's evidence is bound to: cluster, role, its HPKE key, and the connection, which no other has
/// and which is its own nonce.
fn binding(cluster: &[u8; 32], public_key: &[u8], channel: &[u8; 32]) -> Binding {
    Binding::of(&BindingInput {
        cluster: *cluster,
        role: Role::Peer,
        tls_key: binding_key(public_key),
        channel,
        nonce: *channel,
    })
}

/// Asks the instance at `address` for the keys.
///
/// # Errors
/// [`HandoverError`].
pub(crate) async fn receive(
    address: &str,
    scope: Scope,
    tee: &Arc<dyn Provider>,
    chain: &Witnesses,
    deployment: &Deployment,
) -> Result<KeyRing, HandoverError> {
    let peer = |source: AttestedError| HandoverError::Peer {
        address: address.to_owned(),
        source: Box::new(source),
    };
    let cluster = chain
        .cluster(deployment, Address::new(scope.cluster))
        .await?;
    let keys = cluster
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.tls_key_hash.as_slice().try_into().ok())
        .collect();
    let expected = Expectation {
        cluster: ObjectId(scope.cluster),
        policy: allow_list::policy(&cluster, scope.realm),
        tls_keys: Some(keys),
    };
    let mut connection = Connection::open(address, &expected).await.map_err(peer)?;
    let channel = connection.channel().0;
    let recipient = Recipient::new()?;
    let bound = binding(&scope.cluster, recipient.public(), &channel);
    let prover = tee.clone();
    let (evidence, collateral) = tokio::task::spawn_blocking(move || {
        Ok::<_, HandoverError>((prover.attest(&bound)?, prover.collateral()?))
    })
    .await
    .map_err(|_| HandoverError::Encode)??;
    let request = HandoverRequest {
        public_key: hex::encode(recipient.public()),
        evidence,
        collateral,
    };
    let body = serde_json::to_vec(&request).map_err(|_| HandoverError::Encode)?;
    let granted: Grant = connection
        .post(HANDOVER, Zeroizing::new(body))
        .await
        .map_err(peer)?;
    recipient
        .open(&scope, &channel, &granted)
        .map_err(|source| HandoverError::Keys {
            address: address.to_owned(),
            source,
        })
}

/// Decides on an asking instance and gives it the keys. `channel` is the exporter of the connection that it asks on.
///
/// # Errors
/// The refusal that it gets.
pub(crate) async fn give(
    keyring: &Keyring,
    chain: &Witnesses,
    deployment: &Deployment,
    channel: &[u8; 32],
    request: &HandoverRequest,
) -> Result<Grant, Refusal> {
    let refuse = |code, message: String| Refusal { code, message };
    let ring = keyring.ring();
    let scope = ring.scope();
    let public = hex::decode(&request.public_key)
        .map_err(|_| refuse(RefusalCode::Malformed, "publicKey: hexadecimal".to_owned()))?;
    // As the chain has it at this moment: who was retired a second ago gets nothing.
    let cluster = chain
        .cluster(deployment, Address::new(scope.cluster))
        .await
        .map_err(|error| refuse(RefusalCode::ChainUnavailable, error.to_string()))?;
    let policy = allow_list::policy(&cluster, scope.realm);
    let claims = tee_verify::verify(
        &request.evidence,
        &request.collateral,
        &policy,
        SystemTime::now(),
        &binding(&scope.cluster, &public, channel),
    )
    .map_err(|error| refuse(RefusalCode::EvidenceRejected, error.to_string()))?;
    let granted = grant(&ring, &public, channel)
        .map_err(|error| refuse(RefusalCode::Malformed, error.to_string()))?;
    tracing::warn!(
        kind = %claims.kind,
        measurement = %claims.measurement,
        device = hex::encode(&claims.device),
        "the keys were handed to another instance"
    );
    Ok(granted)
}
