//! The HTTP side of the Kubernetes API server.
//!
//! What this crate does: listens with TLS 1.3, authenticates, authorises, negotiates encodings,
//! routes, and turns requests into calls of [`registry`]. What it leaves to others: what an object
//! is, how it is defaulted, validated and stored (`registry`, `store`); who may have a certificate
//! (the [`IdentityGate`] that the assembled server gives); how a node is reached
//! (the [`NodeConnector`]).
//!
//! The handler order is upstream's (`DefaultBuildHandlerChain`): request info, audit,
//! authentication, impersonation, in-flight limits, authorisation, dispatch.

mod aggregation;
pub mod audit;
pub mod authn;
pub mod authz;
mod body;
mod chain;
mod connect;
mod connection;
mod consistency;
mod custom;
mod discovery;
mod dispatch;
mod encoding;
pub mod health;
mod limits;
mod metrics;
mod negotiation;
mod node_connector;
mod openapi;
mod output;
mod request_info;
mod resource;
mod respond;
pub mod server;
mod server_info;
mod side_routes;
pub mod tls;
mod virtual_resource;

pub use aggregation::FrontProxy;
pub use authn::gate::{CertificateIdentity, IdentityGate, OpenGate, Refusal};
pub use body::{Body, BoxError};
pub use connection::{ConnectionInfo, Exporter};
pub use consistency::Consistency;
pub use health::{CheckFailure, FnCheck, HealthCheck};
pub use limits::Limits;
pub use node_connector::{DirectConnector, NoNodes, NodeConnectError, NodeConnector, NodeStream};
pub use server::{BuildError, ServeError, Server, ServerBuilder};
pub use side_routes::{SideRequest, SideResponse, SideRoutes};
pub use tls::{ServingTls, TlsError};
