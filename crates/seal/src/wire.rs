//! What goes over the wire between a worker or a user and the control plane: JSON bodies of `POST`s
//! under `/daas/v1/`.
//!
//! Everything happens on **one** TLS 1.3 connection per exchange: the attestation binds the server's
//! evidence to that connection's exporter, and its challenge is good on that connection only.
//!
//! 1. [`ATTESTATION`]: [`AttestationRequest`] → [`AttestationResponse`]. The client verifies the evidence
//!    against [`binding`] and the allow-list on the chain. Nothing secret has been sent so far.
//! 2. One of [`JOIN`], [`RENEW`], [`USER_LOGIN`], which uses up the challenge.
//!
//! [`HEARTBEAT`] needs neither: it is signed. A refusal has a [`Refusal`] body.

mod refusal;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use tee_verify::{Binding, BindingInput, Collateral, Evidence, Kind, Measurement, Role};
use zeroize::Zeroizing;

use crate::{Bytes32, NodeId, NodePublicKey, NodeSignature, ObjectId, Secret, UserLogin};

pub use refusal::{Refusal, RefusalCode};

/// Path of the attestation.
pub const ATTESTATION: &str = "/daas/v1/attestation";
/// Where anybody gets evidence, with `GET`. [`ATTESTATION`] answers `GET` in the same way.
pub const PUBLIC_ATTESTATION: &str = "/attestation";
/// Path of joining.
pub const JOIN: &str = "/daas/v1/join";
/// Path of renewing certificates.
pub const RENEW: &str = "/daas/v1/renew";
/// Path of the heartbeat.
pub const HEARTBEAT: &str = "/daas/v1/heartbeat";
/// Path of a user's login.
pub const USER_LOGIN: &str = "/daas/v1/user-login";

/// Label of the TLS exporter (RFC 8446, 7.5) that binds evidence and proofs to a connection. No context,
/// 32 bytes.
pub const EXPORTER_LABEL: &str = "EXPORTER-k3s-daas-channel-v1";

/// The largest body of any request, and of any response but an attestation's.
pub const MAX_BODY: usize = 128 * 1024;

/// The largest answer with evidence and collateral.
pub const MAX_ATTESTATION: usize = 2 * 1024 * 1024;

/// The largest certificate request.
const MAX_DER: usize = 8 * 1024;

/// The most addresses that a node names.
pub const MAX_ADDRESSES: usize = 16;

/// The binding that a control plane's evidence must have on a connection; both sides compute it from what
/// they see themselves.
pub fn binding(
    cluster: &ObjectId,
    tls_key: &[u8; 32],
    channel: &Bytes32,
    nonce: &Bytes32,
) -> Binding {
    Binding::of(&BindingInput {
        cluster: cluster.0,
        role: Role::Server,
        tls_key: *tls_key,
        channel: &channel.0,
        nonce: nonce.0,
    })
}

/// DER, base64 in JSON, of bounded length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Der(Vec<u8>);

impl Der {
    /// Wraps the bytes.
    pub fn new(der: impl Into<Vec<u8>>) -> Self {
        Self(der.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes, as proofs name it.
    pub fn digest(&self) -> Bytes32 {
        Bytes32(Sha256::digest(&self.0).into())
    }
}

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.len() > MAX_DER.div_ceil(3) * 4 {
            return Err(de::Error::custom("DER of more than 8 KiB"));
        }
        STANDARD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(|_| de::Error::custom("expected DER in base64"))
    }
}

/// Asks for evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestationRequest {
    /// The verifier's fresh nonce.
    pub nonce: Bytes32,
}

/// The control plane's evidence, and a challenge for what comes next on this connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestationResponse {
    /// The cluster object's id; the client compares it with its own.
    pub cluster: ObjectId,
    /// Bound as [`binding`] says.
    pub evidence: Evidence,
    /// What a verifier needs besides: certificates, revocation lists, what the vendor says of the platform.
    #[serde(default, skip_serializing_if = "Collateral::is_empty")]
    pub collateral: Collateral,
    /// To be signed; single use, this connection only, for a short time.
    pub challenge: Bytes32,
    /// The control plane's version, for the log.
    pub version: String,
}

/// Evidence for anybody who asks with a nonce, over whatever connection: `GET` [`PUBLIC_ATTESTATION`]`?nonce=<64
/// hexadecimal digits>`.
///
/// It is fresh by the nonce and bound to the TLS key as [`public_binding`] says; who asks compares that with the key of
/// the connection. What is said on the connection needs the exchange of [`ATTESTATION`] instead, which is bound to the
/// connection itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicAttestation {
    /// The cluster object's id.
    pub cluster: ObjectId,
    /// Kind of TEE.
    pub kind: Kind,
    /// Whether hardware stands behind it; `false` proves nothing.
    pub hardware_rooted: bool,
    /// What runs, as this instance says; the evidence proves it.
    pub measurement: Measurement,
    /// The nonce that was given.
    pub nonce: Bytes32,
    /// SHA-256 of the DER of the `SubjectPublicKeyInfo` of this connection's TLS key.
    pub tls_key: Bytes32,
    /// What the hardware signed: [`public_binding`] of the fields above.
    pub report_data: Bytes32,
    /// Bound to `report_data`.
    pub evidence: Evidence,
    /// What a verifier needs besides.
    #[serde(default, skip_serializing_if = "Collateral::is_empty")]
    pub collateral: Collateral,
    /// PEM of the authority that certifies the TLS key.
    pub server_ca: String,
    /// The control plane's version.
    pub version: String,
}

/// The binding of evidence that anybody may ask for: without a channel, so that it is never taken for that of
/// [`binding`].
pub fn public_binding(cluster: &ObjectId, tls_key: &[u8; 32], nonce: &Bytes32) -> Binding {
    Binding::of(&BindingInput {
        cluster: cluster.0,
        role: Role::Server,
        tls_key: *tls_key,
        channel: &[],
        nonce: nonce.0,
    })
}

/// Joins a node. Holds the secret: sent only once the evidence has been verified.
#[derive(Clone)]
pub struct JoinRequest {
    /// The Seal token object.
    pub token: ObjectId,
    /// What opens its commitment.
    pub secret: Secret,
    /// Everything else.
    pub node: NodeRequest,
}

/// What joining and renewing have in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeRequest {
    /// The node's name, as in the token.
    pub node: NodeId,
    /// The node's key, as in the token.
    pub node_key: NodePublicKey,
    /// The challenge of the attestation.
    pub challenge: Bytes32,
    /// Request for the client certificate.
    pub client_csr: Der,
    /// Request for the serving certificate of the node's API.
    pub serving_csr: Der,
    /// The node's addresses, for the serving certificate.
    pub addresses: Vec<IpAddr>,
    /// By the node's key, over [`crate::JoinProof`] or [`crate::RenewProof`].
    pub signature: NodeSignature,
}

/// Renews a node's certificates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewRequest {
    /// The Seal token object.
    pub token: ObjectId,
    /// Everything else.
    pub node: NodeRequest,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JoinBody<'a, N> {
    token: ObjectId,
    secret: &'a str,
    node: N,
}

impl JoinRequest {
    /// The JSON body; zeroed when dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let secret = self.secret.expose();
        let body = JoinBody {
            token: self.token,
            secret: secret.as_str(),
            node: &self.node,
        };
        // Room for everything at once: growing would leave copies of the secret behind. Writing these
        // types to memory cannot fail; an empty body would be refused by the server.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BODY));
        let written = serde_json::to_writer(&mut *bytes, &body);
        if written.is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Reads the body. The error names what is wrong, never the secret.
    pub fn from_json(body: &[u8]) -> Result<Self, String> {
        // The secret is borrowed from the body: its text form has no escapes.
        let body: JoinBody<'_, NodeRequest> =
            serde_json::from_slice(body).map_err(|error| position(&error))?;
        Ok(Self {
            token: body.token,
            secret: Secret::parse(body.secret).map_err(|error| error.to_string())?,
            node: body.node,
        })
    }
}

/// Says where a JSON body is wrong without repeating any of it.
fn position(error: &serde_json::Error) -> String {
    format!(
        "not a join request (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// A node's certificates. They end with the Seal token at the latest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCertificates {
    /// PEM of the client certificate.
    pub client_certificate: String,
    /// PEM of the serving certificate.
    pub serving_certificate: String,
    /// PEM of the authority that the API server's certificate is verified with.
    pub server_ca: String,
    /// PEM of the authority of clients and nodes: the node's API verifies the API server with it.
    pub client_ca: String,
    /// When the first of the certificates expires, milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// The answer to a heartbeat.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatResponse {
    /// Whether the control plane sees the node's stake and token live.
    pub live: bool,
    /// When the next one is expected, in seconds.
    pub interval_seconds: u32,
}

/// A user's login.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// What the wallet signed.
    pub login: UserLogin,
    /// Request for the client certificate.
    pub csr: Der,
    /// Base64 of Sui's `flag ‖ signature ‖ public key`, over the login's text as a personal message.
    pub signature: String,
}

/// A user's certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginResponse {
    /// PEM of the client certificate.
    pub certificate: String,
    /// PEM of the authority that the API server's certificate is verified with.
    pub server_ca: String,
    /// The group that the certificate gives.
    pub group: String,
    /// When it expires, milliseconds since 1970.
    pub expires_at_ms: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{JoinProof, NodeKey};

    fn request() -> JoinRequest {
        let key = NodeKey::generate();
        let node: NodeId = "worker-0".parse().unwrap();
        let csr = Der::new(vec![1, 2, 3]);
        let proof = JoinProof {
            cluster: ObjectId([1; 32]),
            token: ObjectId([2; 32]),
            node: node.clone(),
            challenge: Bytes32([3; 32]),
            channel: Bytes32([4; 32]),
            client_csr: csr.digest(),
            serving_csr: csr.digest(),
        };
        JoinRequest {
            token: ObjectId([2; 32]),
            secret: Secret::generate(),
            node: NodeRequest {
                node,
                node_key: key.public(),
                challenge: Bytes32([3; 32]),
                client_csr: csr.clone(),
                serving_csr: csr,
                addresses: vec!["10.0.0.1".parse().unwrap()],
                signature: proof.sign(&key),
            },
        }
    }

    #[test]
    fn a_join_request_round_trips() {
        let request = request();
        let body = request.to_json();
        let read = JoinRequest::from_json(&body).unwrap();
        assert!(read.secret == request.secret);
        assert_eq!((read.token, read.node), (request.token, request.node));
    }

    #[test]
    fn its_errors_do_not_repeat_it() {
        let request = request();
        let body = request.to_json();
        let text = std::str::from_utf8(&body).unwrap();
        let secret = request.secret.expose();
        for bad in [
            text.replace("\"secret\"", "\"secrets\""),
            text.replace(secret.as_str(), &format!("{}x", *secret)),
            text.replace("\"token\"", "\"tokens\""),
            format!("{text}x"),
        ] {
            let error = JoinRequest::from_json(bad.as_bytes()).err().unwrap();
            assert!(!error.contains(secret.as_str()), "{error}");
        }
    }
}
