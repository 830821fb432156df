//! What the control plane is known by: its authorities, its TLS key, its key for ServiceAccount
//! tokens. Born at the first start, kept in the sealed log, never anywhere else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pki::{CertificateAuthority, Issued, KeyPair, Profile};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::vault::{Vault, VaultError};

/// Name of the authority that certifies this server.
const SERVER_AUTHORITY: &str = "daas-server-ca";
/// Name of the authority that certifies nodes and users.
const CLIENT_AUTHORITY: &str = "daas-client-ca";

/// The identity could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A record of it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An authority.
    #[error("an authority of the control plane is unusable")]
    Authority(#[from] pki::AuthorityError),
    /// A key.
    #[error("a key of the control plane is unusable")]
    Key(#[from] pki::KeyPairError),
    /// A certificate.
    #[error("the control plane's certificate could not be issued")]
    Issue(#[from] pki::IssueError),
    /// A record with other content than this version writes.
    #[error("the record of {0} is malformed")]
    Malformed(&'static str),
}

/// Keys and authorities of a control plane. No `Debug`; keys are zeroed when dropped.
pub(crate) struct Identity {
    /// Certifies this server.
    pub(crate) server_authority: CertificateAuthority,
    /// Certifies nodes and users.
    pub(crate) client_authority: Arc<CertificateAuthority>,
    /// PKCS#8 of the ECDSA P-256 key that signs ServiceAccount tokens.
    pub(crate) service_account_key: Zeroizing<Vec<u8>>,
    tls_key: KeyPair,
}

#[derive(Serialize, Deserialize)]
struct StoredAuthority {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// Restores the identity, or makes it at the first start.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(crate) async fn load(vault: &Vault, now: SystemTime) -> Result<Self, IdentityError> {
        Ok(Self {
            server_authority: authority(vault, SERVER_AUTHORITY, now).await?,
            client_authority: Arc::new(authority(vault, CLIENT_AUTHORITY, now).await?),
            service_account_key: key(vault, "service-account-key").await?,
            tls_key: KeyPair::from_pkcs8(&key(vault, "tls-key").await?)?,
        })
    }

    /// A certificate for this server's TLS key, for `dns` names and `addresses`.
    ///
    /// # Errors
    /// [`IdentityError::Issue`].
    pub(crate) fn serving_certificate(
        &self,
        dns: Vec<String>,
        addresses: Vec<IpAddr>,
        now: SystemTime,
    ) -> Result<Issued, IdentityError> {
        let profile = Profile::Server {
            name: "daas-server".to_owned(),
            dns,
            addresses,
        };
        let issued = self.server_authority.issue_for(
            &self.tls_key,
            &profile,
            now,
            now + pki::SERVER_LIFETIME,
        )?;
        Ok(issued)
    }

    /// The chain that is served with a certificate: it and its authority's.
    #[must_use]
    pub(crate) fn chain(&self, issued: &Issued) -> Vec<CertificateDer<'static>> {
        vec![issued.der.clone(), self.server_authority.der().clone()]
    }

    /// The TLS key for the listener.
    #[must_use]
    pub(crate) fn tls_key(&self) -> PrivateKeyDer<'static> {
        self.tls_key.for_tls()
    }
}

async fn authority(
    vault: &Vault,
    name: &'static str,
    now: SystemTime,
) -> Result<CertificateAuthority, IdentityError> {
    let stored = match vault.get(name)? {
        Some(stored) => stored,
        None => {
            let new = CertificateAuthority::generate(name, now, pki::AUTHORITY_LIFETIME)?;
            let record = StoredAuthority {
                certificate: new.der().to_vec(),
                key: new.key_pkcs8(),
            };
            let bytes = serde_json::to_vec(&record).map_err(|_| IdentityError::Malformed(name))?;
            vault.get_or_put(name, &Zeroizing::new(bytes)).await?
        }
    };
    let stored: StoredAuthority =
        serde_json::from_slice(&stored).map_err(|_| IdentityError::Malformed(name))?;
    Ok(CertificateAuthority::restore(
        &stored.certificate,
        &stored.key,
    )?)
}

async fn key(vault: &Vault, name: &'static str) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    if let Some(stored) = vault.get(name)? {
        return Ok(stored);
    }
    let new = KeyPair::generate()?.pkcs8();
    Ok(vault.get_or_put(name, &new).await?)
}
