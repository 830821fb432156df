//! What the control plane is known by: its authorities, its TLS key, its key for ServiceAccount
//! tokens. Born at the first start, kept in the sealed log, never anywhere else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pki::{CertificateAuthority, Issued, KeyPair, Profile};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::vault::{Vault, VaultError};

/// Name of the authority that certifies this server.
const SERVER_AUTHORITY: &str = "daas-server-ca";
/// Name of the authority that certifies the front proxy, and nothing else.
const FRONT_PROXY_AUTHORITY: &str = "daas-front-proxy-ca";
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
    pub(crate) server_authority: Arc<CertificateAuthority>,
    /// Certifies nodes and users.
    pub(crate) client_authority: Arc<CertificateAuthority>,
    /// Certifies this server towards aggregated API servers.
    pub(crate) front_proxy_authority: CertificateAuthority,
    /// PKCS#8 of the ECDSA P-256 key that signs ServiceAccount tokens.
    pub(crate) service_account_key: Zeroizing<Vec<u8>>,
    tls_key: KeyPair,
}

impl Identity {
    /// Restores the identity, or makes it at the first start.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(crate) async fn load(vault: &Vault, now: SystemTime) -> Result<Self, IdentityError> {
        Ok(Self {
            server_authority: Arc::new(authority(vault, SERVER_AUTHORITY, now).await?),
            client_authority: Arc::new(authority(vault, CLIENT_AUTHORITY, now).await?),
            front_proxy_authority: authority(vault, FRONT_PROXY_AUTHORITY, now).await?,
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

    /// A certificate of the front-proxy authority for a fresh key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(crate) fn front_proxy_certificate(
        &self,
        name: &str,
        now: SystemTime,
    ) -> Result<(Issued, KeyPair), IdentityError> {
        let key = KeyPair::generate()?;
        let profile = Profile::Local {
            name: name.to_owned(),
            group: None,
        };
        let issued = self.front_proxy_authority.issue_for(
            &key,
            &profile,
            now,
            now + pki::SERVER_LIFETIME,
        )?;
        Ok((issued, key))
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

/// An authority is kept as the length of its certificate (4 bytes, little endian), the certificate
/// and its key, so that both are written at once.
async fn authority(
    vault: &Vault,
    name: &'static str,
    now: SystemTime,
) -> Result<CertificateAuthority, IdentityError> {
    let stored = match vault.get(name)? {
        Some(stored) => stored,
        None => {
            let new = CertificateAuthority::generate(name, now, pki::AUTHORITY_LIFETIME)?;
            let (certificate, key) = (new.der(), new.key_pkcs8());
            let length =
                u32::try_from(certificate.len()).map_err(|_| IdentityError::Malformed(name))?;
            let mut record = Zeroizing::new(Vec::with_capacity(4 + certificate.len() + key.len()));
            record.extend_from_slice(&length.to_le_bytes());
            record.extend_from_slice(certificate);
            record.extend_from_slice(&key);
            vault.get_or_put(name, &record).await?
        }
    };
    let (certificate, key) = split(&stored).ok_or(IdentityError::Malformed(name))?;
    Ok(CertificateAuthority::restore(certificate, key)?)
}

fn split(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = record.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

async fn key(vault: &Vault, name: &'static str) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    if let Some(stored) = vault.get(name)? {
        return Ok(stored);
    }
    let new = KeyPair::generate()?.pkcs8();
    Ok(vault.get_or_put(name, &new).await?)
}
