//! Why a call failed, in the words of Go's HTTP client and of client-go.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::network::ResolveError;

/// Why a backend gave no answer.
#[derive(Debug)]
pub enum Cause {
    /// The Service leads nowhere.
    Resolve(ResolveError),
    /// The host has no address.
    Lookup(String),
    /// No connection.
    Dial(SocketAddr, io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// TLS cannot be set up at all.
    Setup(crate::tls::TlsSetupError),
    /// The time was up.
    Deadline,
    /// The connection ended or broke.
    Http(hyper::Error),
    /// The answer is longer than allowed.
    TooLarge(usize),
    /// The body of the request or the answer could not be moved.
    Body(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Resolve(error) => error.fmt(f),
            Cause::Lookup(host) => write!(f, "dial tcp: lookup {host}: no such host"),
            Cause::Dial(address, error) => {
                write!(f, "dial tcp {address}: connect: {}", io_text(error))
            }
            Cause::Tls(error) => f.write_str(&tls_text(error)),
            Cause::Setup(error) => error.fmt(f),
            Cause::Deadline => f.write_str("context deadline exceeded"),
            Cause::Http(error) if error.is_incomplete_message() || error.is_canceled() => {
                f.write_str("EOF")
            }
            Cause::Http(error) => error.fmt(f),
            Cause::TooLarge(limit) => {
                write!(f, "the answer is longer than {limit} bytes")
            }
            Cause::Body(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Cause {}

/// What the C library calls the common ones.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

/// Go's `crypto/tls` and `crypto/x509` texts for what rustls says.
fn tls_text(error: &io::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    let rustls = error.get_ref().and_then(|e| e.downcast_ref::<E>());
    match rustls {
        Some(E::InvalidCertificate(kind)) => {
            let text = match kind {
                C::UnknownIssuer | C::BadSignature => {
                    "certificate signed by unknown authority".to_owned()
                }
                C::Expired
                | C::ExpiredContext { .. }
                | C::NotValidYet
                | C::NotValidYetContext { .. } => {
                    "certificate has expired or is not yet valid".to_owned()
                }
                C::NotValidForNameContext {
                    expected,
                    presented,
                } => {
                    let names: Vec<String> = presented
                        .iter()
                        .map(|n| {
                            n.trim_start_matches("DnsName(\"")
                                .trim_start_matches("IpAddress(")
                                .trim_end_matches(')')
                                .trim_end_matches('"')
                                .to_owned()
                        })
                        .collect();
                    if names.is_empty() {
                        format!(
                            "certificate is not valid for any names, but wanted to match {}",
                            expected.to_str()
                        )
                    } else {
                        format!(
                            "certificate is valid for {}, not {}",
                            names.join(", "),
                            expected.to_str()
                        )
                    }
                }
                other => other.to_string(),
            };
            format!("tls: failed to verify certificate: x509: {text}")
        }
        Some(E::AlertReceived(alert)) => format!("remote error: tls: {alert:?}"),
        Some(other) => format!("tls: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => io_text(error),
    }
}

/// A call that brought no usable answer. `Display` is what follows `failed to call webhook: ` or
/// `conversion webhook for … failed: `.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing came back.
    #[error("{method} {}: {cause}", machinery::go::quote(.url))]
    Transport {
        /// The method as Go's client writes it: `Post`, `Get`.
        method: &'static str,
        /// The whole URL.
        url: String,
        /// Why.
        cause: Cause,
    },
    /// An answer that says failure.
    #[error("{0}")]
    Refused(Box<machinery::Status>),
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] crate::config::ConfigError),
}

impl CallError {
    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            CallError::Transport {
                cause: Cause::Deadline,
                ..
            }
        )
    }
}
