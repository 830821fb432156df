//! One attested connection.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName};
use seal::wire::{
    ATTESTATION, AttestationRequest, AttestationResponse, EXPORTER_LABEL, MAX_ATTESTATION,
    MAX_BODY, Refusal, binding,
};
use seal::{Bytes32, ObjectId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tee_verify::{Claims, Policy};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::{AttestedError, tls};

/// How long connecting, and each request, may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a control plane must prove.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The cluster object's id.
    pub cluster: ObjectId,
    /// The allow-list, as the chain has it.
    pub policy: Policy,
    /// SHA-256 hashes of the SubjectPublicKeyInfo of the TLS keys that the chain names for the
    /// cluster. `None` only for who is about to register them: the evidence alone decides then.
    pub tls_keys: Option<Vec<[u8; 32]>>,
}

/// A connection whose other end was verified.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: String,
    claims: Claims,
    challenge: Bytes32,
    channel: Bytes32,
    tls_key: [u8; 32],
    certificate: CertificateDer<'static>,
}

impl Connection {
    /// Connects to `address` (`host:port`) and verifies what is there.
    ///
    /// # Errors
    /// [`AttestedError`], one variant for each way in which it is not to be trusted. Until it is,
    /// the nonce is all that was sent.
    pub async fn open(address: &str, expected: &Expectation) -> Result<Self, AttestedError> {
        let late = |_| AttestedError::Connection("no answer in time".to_owned());
        tokio::time::timeout(DEADLINE, Self::connect(address, expected))
            .await
            .map_err(late)?
    }

    async fn connect(address: &str, expected: &Expectation) -> Result<Self, AttestedError> {
        let at = || address.to_owned();
        let connect = |source| AttestedError::Connect {
            address: at(),
            source,
        };
        let tls_error = |source| AttestedError::Tls {
            address: at(),
            source,
        };
        let config = tls::config().map_err(|e| tls_error(std::io::Error::other(e)))?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| tls_error(std::io::Error::other(e)))?;
        let tcp = TcpStream::connect(address).await.map_err(connect)?;
        let stream = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(tls_error)?;

        let (_, session) = stream.get_ref();
        let certificate = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .cloned()
            .ok_or_else(|| AttestedError::Answer("it has no certificate".to_owned()))?;
        let tls_key = pki::spki_sha256(&certificate)
            .map_err(|_| AttestedError::Answer("its certificate is malformed".to_owned()))?;
        let mut channel = [0; 32];
        session
            .export_keying_material(&mut channel, EXPORTER_LABEL.as_bytes(), None)
            .map_err(|e| tls_error(std::io::Error::other(e)))?;
        if expected
            .tls_keys
            .as_ref()
            .is_some_and(|keys| !keys.contains(&tls_key))
        {
            return Err(AttestedError::UnregisteredKey { address: at() });
        }

        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an attested connection ended early");
            }
        });
        let nonce = Bytes32::random();
        let mut unverified = Unverified { sender, host: at() };
        let answer: AttestationResponse = unverified
            .post(ATTESTATION, &AttestationRequest { nonce })
            .await?;
        if answer.cluster != expected.cluster {
            return Err(AttestedError::OtherCluster {
                address: at(),
                found: answer.cluster.to_string(),
                expected: expected.cluster.to_string(),
            });
        }
        let channel = Bytes32(channel);
        let claims = tee_verify::verify(
            &answer.evidence,
            &answer.collateral,
            &expected.policy,
            SystemTime::now(),
            &binding(&expected.cluster, &tls_key, &channel, &nonce),
        )
        .map_err(|source| AttestedError::Evidence {
            address: at(),
            source,
        })?;
        Ok(Self {
            sender: unverified.sender,
            address: at(),
            claims,
            challenge: answer.challenge,
            channel,
            tls_key,
            certificate,
        })
    }

    /// What the evidence says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The control plane's challenge: to be signed, good for one request on this connection.
    #[must_use]
    pub fn challenge(&self) -> Bytes32 {
        self.challenge
    }

    /// The connection's exporter: what proofs are bound to.
    #[must_use]
    pub fn channel(&self) -> Bytes32 {
        self.channel
    }

    /// SHA-256 of the SubjectPublicKeyInfo of the attested TLS key, to be pinned.
    #[must_use]
    pub fn tls_key(&self) -> [u8; 32] {
        self.tls_key
    }

    /// The certificate that the attested key was served with, DER. It is not verified against any authority.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Sends a JSON body and reads the JSON answer. The body is zeroed where this crate has it.
    ///
    /// # Errors
    /// [`AttestedError::Refused`] with the control plane's reason, or that of the connection.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<T, AttestedError> {
        let late = |_| AttestedError::Connection("no answer in time".to_owned());
        let bytes = Bytes::from_owner(body);
        tokio::time::timeout(
            DEADLINE,
            exchange(&mut self.sender, &self.address, path, bytes, MAX_BODY),
        )
        .await
        .map_err(late)?
    }
}

/// A connection before the verdict: it can send the nonce, and nothing else is sent on it.
struct Unverified {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Unverified {
    async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AttestedError> {
        let bytes =
            serde_json::to_vec(body).map_err(|e| AttestedError::Connection(e.to_string()))?;
        let bytes = bytes.into();
        exchange(&mut self.sender, &self.host, path, bytes, MAX_ATTESTATION).await
    }
}

async fn exchange<T: DeserializeOwned>(
    sender: &mut SendRequest<Full<Bytes>>,
    host: &str,
    path: &str,
    body: Bytes,
    most: usize,
) -> Result<T, AttestedError> {
    let request = Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|e| AttestedError::Connection(e.to_string()))?;
    // The former exchange may not be over for the connection yet.
    sender.ready().await.map_err(broken)?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), most)
        .collect()
        .await
        .map_err(|e| AttestedError::Connection(e.to_string()))?
        .to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|e| AttestedError::Answer(e.to_string()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(AttestedError::Refused(refusal)),
        Err(_) => Err(AttestedError::Answer(format!("HTTP status {status}"))),
    }
}

fn broken(error: hyper::Error) -> AttestedError {
    AttestedError::Connection(error.to_string())
}
