//! The audit hook: one event per request when it has been answered.

use crate::authn::UserInfo;

/// A finished (or, for long-running requests, started) request.
/// upstream: staging/src/k8s.io/apiserver/pkg/apis/audit#Event
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// The `Audit-ID` header's value.
    pub id: String,
    /// The stage.
    pub stage: AuditStage,
    /// The path with its query.
    pub uri: String,
    /// The Kubernetes verb (or the lower-case method off the API).
    pub verb: String,
    /// The authenticated user, before impersonation. `None` when authentication failed.
    pub user: Option<UserInfo>,
    /// The impersonated user.
    pub impersonated: Option<UserInfo>,
    /// The client's address.
    pub source: std::net::SocketAddr,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// `(group, version, resource, subresource, namespace, name)`; empty strings where absent.
    pub object: Option<AuditObject>,
    /// The status code; 0 before it is known.
    pub code: u16,
    /// Why the request was refused, for the operator: never sent to the client.
    pub reason: Option<String>,
    /// From the request's start.
    pub latency: std::time::Duration,
}

/// The object a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditObject {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource name.
    pub resource: String,
    /// Subresource.
    pub subresource: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// When in a request's life an event was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStage {
    /// Headers of a long-running response were sent.
    ResponseStarted,
    /// The response is complete.
    ResponseComplete,
    /// A handler panicked.
    Panic,
}

/// Takes audit events. Must not block: an implementation queues.
pub trait AuditSink: Send + Sync + 'static {
    /// Records one event.
    fn record(&self, event: AuditEvent);
}
