//! Routes beside the Kubernetes API (`/daas/v1/...`, `/attestation`), given by the assembled server.

use async_trait::async_trait;

use crate::Body;

/// A request to a side route. Its extensions hold `Arc<ConnectionInfo>`, and
/// [`crate::authn::UserInfo`] when a client certificate was presented and is live. The body is not
/// read yet; `hyper::upgrade::on` works on it.
pub type SideRequest = http::Request<hyper::body::Incoming>;

/// A side route's answer. A 101 hands the connection to whoever awaits the upgrade.
pub type SideResponse = http::Response<Body>;

/// Handlers of side routes. They authenticate and authorise by themselves; the Kubernetes chain
/// (audit, RBAC, in-flight limits) does not see them. Body bounds and deadlines are theirs too,
/// except that the answer's headers must come within [`crate::Limits::request`].
#[async_trait]
pub trait SideRoutes: Send + Sync + 'static {
    /// Whether `path` is one of these routes.
    fn matches(&self, path: &str) -> bool;

    /// Answers a request whose path [`SideRoutes::matches`].
    async fn handle(&self, request: SideRequest) -> SideResponse;
}
