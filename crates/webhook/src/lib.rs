//! The client of the servers that extend the API: admission and conversion webhooks, aggregated API servers.
//!
//! A backend is named by a URL or by a Service ([`ClientConfig`]). A Service is resolved to one of its ready endpoints by
//! the [`ServiceResolver`] and reached through the [`ClusterNetwork`]; a URL is connected to from this machine. Either is
//! spoken to over TLS only, trusting the configured bundle and nothing else where there is one. Redirects are not followed,
//! answers are bounded, a call has one deadline for everything. Connections are kept and used again.
//!
//! Errors say what upstream's say; they hold no credential and nothing of a request's body.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/util/webhook/client.go

mod backends;
mod config;
mod error;
mod network;
mod pool;
mod status;
mod tls;

pub use backends::{Answer, Backend, Backends, BoxBody, BoxError};
pub use config::{ClientConfig, ConfigError, Target};
pub use error::{CallError, Cause};
pub use network::{
    BackendStream, ClusterNetwork, DirectNetwork, NoNetwork, ResolveError, ServiceResolver,
};
pub use status::error_text;
pub use tls::{ClientIdentity, TlsSetupError, Trust};

/// What an answer of a webhook may measure at most, unless the caller says another bound: what a request's body may.
pub const MAX_ANSWER: usize = 3 << 20;
