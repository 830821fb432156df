//! The administrator's kubeconfig: a wallet's signature over an attested connection turned into a
//! short-lived client certificate, renewed for as long as `up` runs.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use attested::{Connection, TeeRoot};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain::keystore::Keystore;
use chain::{Address, Client, Deployment};
use kube::config::{KubeConfigOptions, Kubeconfig as KubeKubeconfig};
use seal::wire::{Der, LoginRequest, LoginResponse, USER_LOGIN};
use seal::{ObjectId, UserLogin};
use serde_json::json;
use zeroize::Zeroizing;

use super::system::System;

/// How soon a renewal that failed is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// What was proven of the control plane that the certificate is of; the kubeconfig says so.
struct Proven {
    kind: String,
    hardware_rooted: bool,
    measurement: String,
    /// SHA-256 of the TLS key, in hexadecimal.
    tls_key: String,
}

/// Writes and renews the kubeconfig.
pub(crate) struct Kubeconfig {
    system: System,
    keystore: PathBuf,
    path: PathBuf,
    chain: Client,
    deployment: Deployment,
    stake: Address,
    roots: Vec<TeeRoot>,
}

impl Kubeconfig {
    /// For the operator's wallet and its stake in the admin tier.
    pub(crate) fn new(
        system: &System,
        keystore: PathBuf,
        path: PathBuf,
        chain: Client,
        deployment: Deployment,
        stake: Address,
    ) -> Self {
        Self {
            system: system.clone(),
            keystore,
            path,
            chain,
            deployment,
            stake,
            roots: Vec::new(),
        }
    }

    /// Trusts these roots of TEE evidence besides the vendors'.
    pub(crate) fn with_roots(mut self, roots: Vec<TeeRoot>) -> Self {
        self.roots = roots;
        self
    }

    /// Logs in and writes the file (0600: it holds the certificate's key). Returns for how long the
    /// certificate is good.
    ///
    /// # Errors
    /// When the control plane is not to be trusted or refuses, or the file can't be written.
    pub(crate) async fn write(&self) -> anyhow::Result<Duration> {
        self.write_proven().await.map(|(good_for, _)| good_for)
    }

    /// As [`Kubeconfig::write`]; returns as well what was proven of the control plane, in words.
    ///
    /// # Errors
    /// As [`Kubeconfig::write`].
    pub(crate) async fn write_proven(&self) -> anyhow::Result<(Duration, String)> {
        let key = pki::KeyPair::generate()?;
        let (response, proven) = self.login(&key).await?;
        let text = self.render(&key, &response, &proven);
        chain::keystore::write_atomically(&self.path, text.as_bytes(), 0o600)
            .with_context(|| format!("{} can't be written", self.path.display()))?;
        let expires = UNIX_EPOCH + Duration::from_millis(response.expires_at_ms);
        let good_for = expires
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        let notice = if proven.hardware_rooted {
            ""
        } else {
            " (proves nothing: for development only)"
        };
        let proof = format!(
            "TEE {}{notice}, measurement {}",
            proven.kind, proven.measurement
        );
        Ok((good_for, proof))
    }

    /// Renews the certificate whenever half of its life is over.
    ///
    /// # Errors
    /// None: a renewal that fails is logged and tried again.
    pub(crate) async fn keep_fresh(self, mut good_for: Duration) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep((good_for / 2).max(RETRY)).await;
            good_for = match self.write().await {
                Ok(good_for) => good_for,
                Err(error) => {
                    tracing::warn!(%error, "the kubeconfig could not be renewed");
                    RETRY
                }
            };
        }
    }

    /// A client with the kubeconfig as it is now.
    ///
    /// # Errors
    /// When the file can't be used.
    pub(crate) async fn client(&self) -> anyhow::Result<kube::Client> {
        let file = KubeKubeconfig::read_from(&self.path)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await?;
        Ok(kube::Client::try_from(config)?)
    }

    async fn login(&self, key: &pki::KeyPair) -> anyhow::Result<(LoginResponse, Proven)> {
        let mut expected = nautilus::expectation(&self.chain, &self.deployment, true).await?;
        for root in &self.roots {
            expected.policy = root.trust(expected.policy)?;
        }
        let address = self.system.api_address().to_string();
        let mut connection = Connection::open(&address, &expected).await?;
        let keystore = Keystore::load(&self.keystore)?;
        let wallet = keystore.choose(None)?;
        let csr = Der::new(key.request()?.as_ref());
        let login = UserLogin {
            cluster: expected.cluster,
            address: ObjectId(wallet.address().into_inner()),
            stake: ObjectId(self.stake.into_inner()),
            challenge: connection.challenge(),
            channel: connection.channel(),
            csr: csr.digest(),
        };
        let signature = wallet.sign_personal_message(&login.message())?;
        let request = LoginRequest {
            login,
            csr,
            signature: signature.to_base64(),
        };
        let body = Zeroizing::new(serde_json::to_vec(&request)?);
        let response: LoginResponse = connection.post(USER_LOGIN, body).await?;
        // What kubectl will trust must be what certifies the key that was attested.
        let authorities = pki::certificates_from_pem(&response.server_ca)?;
        let pinned = authorities
            .iter()
            .any(|authority| pki::is_certified_by(connection.certificate(), authority));
        anyhow::ensure!(
            pinned,
            "the control plane named an authority that does not certify its attested key"
        );
        let claims = connection.claims();
        let proven = Proven {
            kind: claims.kind.to_string(),
            hardware_rooted: claims.hardware_rooted,
            measurement: claims.measurement.to_string(),
            tls_key: hex::encode(connection.tls_key()),
        };
        Ok((response, proven))
    }

    fn render(
        &self,
        key: &pki::KeyPair,
        login: &LoginResponse,
        proven: &Proven,
    ) -> Zeroizing<String> {
        let private = pki::pem_private_key(key);
        let private = Zeroizing::new(STANDARD.encode(private.as_bytes()));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "daas",
            "clusters": [{ "name": "daas", "cluster": {
                "server": self.system.api_url(),
                "certificate-authority-data": STANDARD.encode(&login.server_ca),
                "extensions": [{ "name": "daas/attestation", "extension": {
                    "tee": proven.kind,
                    "hardwareRooted": proven.hardware_rooted,
                    "measurement": proven.measurement,
                    "tlsKeySha256": proven.tls_key,
                }}],
            }}],
            "users": [{ "name": "admin", "user": {
                "client-certificate-data": STANDARD.encode(&login.certificate),
                "client-key-data": private.as_str(),
            }}],
            "contexts": [{ "name": "daas", "context": { "cluster": "daas", "user": "admin" }}],
        });
        Zeroizing::new(serde_saphyr::to_string(&config).unwrap_or_default())
    }
}
