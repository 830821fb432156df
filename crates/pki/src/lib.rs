//! The cluster's certificates.
//!
//! A [`CertificateAuthority`] issues certificates from requests: it checks the request's signature (proof of
//! possession), takes nothing else of it than the public key, and sets subject, names, usages and
//! lifetime from the [`Profile`]. Its key leaves this crate only as zeroing bytes for sealed storage.
//!
//! An identity's certificate names the object on the chain that backs it in a URI: `daas://token/<id>` for a
//! node, `daas://stake/<id>` for a user. [`PeerIdentity`] reads that back.
//!
//! Keys are ECDSA P-256. Certificates begin [`BACKDATE`] before they are made, for clocks that lag, as
//! upstream's signer does.

mod authority;
mod der;
mod keypair;
mod peer;
mod profile;
mod request;

pub use authority::{AuthorityError, CertificateAuthority, IssueError, Issued};
pub use der::{
    PemError, certificates_from_pem, is_certified_by, pem_certificate, pem_private_key, spki_sha256,
};
pub use keypair::{KeyPair, KeyPairError};
pub use peer::{ParseCertificateError, PeerIdentity, parse_certificate};
pub use profile::{Backing, Profile, UserRole};
pub use request::CertificateRequest;

use std::time::Duration;

/// Common name of the client certificate with which the control plane itself connects to a node's API
/// ([`Profile::Local`] of the client authority). No node or user can get it: theirs begin with `system:node:`
/// and `0x`.
pub const CONTROL_PLANE: &str = "daas:control-plane";

/// How long before its issue a certificate becomes valid.
///
/// upstream: pkg/controller/certificates/signer/signer.go (backdate of five minutes)
pub const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// Default lifetime of a certificate authority: ten years, as k3s.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Default lifetime of a node's certificates; the caller caps it by the Seal token's expiry.
pub const NODE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Default lifetime of a user's certificate.
pub const USER_LIFETIME: Duration = Duration::from_secs(3600);

/// Default lifetime of the control plane's own certificates; they are renewed while it runs.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
