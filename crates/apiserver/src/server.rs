//! The server: built from its parts, then served on one or more listeners.

mod listener;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::aggregation::FrontProxy;
use crate::audit::Audit;
use crate::authn::gate::{IdentityGate, OpenGate};
use crate::authn::service_account::ServiceAccountTokens;
use crate::chain::Handler;
use crate::consistency::Consistency;
use crate::health::HealthCheck;
use crate::limits::Limits;
use crate::node_connector::{NoNodes, NodeConnector};
use crate::side_routes::SideRoutes;
use crate::tls::ServingTls;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The access-control caches cannot follow the registry.
    #[error("the access control cannot be loaded: {0}")]
    Authorizer(String),
    /// Priority and fairness cannot follow the registry.
    #[error("priority and fairness cannot be loaded: {0}")]
    Flow(String),
    /// The aggregated API servers cannot follow the registry.
    #[error("the aggregated API servers cannot be loaded: {0}")]
    Aggregator(String),
    /// Two checks have one name.
    #[error("two health checks are named {0:?}")]
    DuplicateCheck(String),
}

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener does not accept any more.
    #[error("the listener failed")]
    Accept(#[source] std::io::Error),
}

/// Gathers the parts of a [`Server`].
pub struct ServerBuilder {
    pub(crate) registry: registry::Registry,
    pub(crate) tls: Arc<ServingTls>,
    pub(crate) gate: Arc<dyn IdentityGate>,
    pub(crate) nodes: Arc<dyn NodeConnector>,
    pub(crate) side: Option<Arc<dyn SideRoutes>>,
    pub(crate) consistency: Option<Arc<dyn Consistency>>,
    pub(crate) tokens: Option<Arc<ServiceAccountTokens>>,
    pub(crate) audit: Option<Audit>,
    pub(crate) checks: Vec<Arc<dyn HealthCheck>>,
    pub(crate) front_proxy: Option<Arc<FrontProxy>>,
    pub(crate) exporters: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) advertise: String,
    pub(crate) metrics: prometheus_client::registry::Registry,
}

impl ServerBuilder {
    /// Metrics of the assembled server's other parts; `/metrics` shows them beside its own.
    #[must_use]
    pub fn metrics(mut self, registry: prometheus_client::registry::Registry) -> Self {
        self.metrics = registry;
        self
    }

    /// Who is asked whether a certificate's identity is live. Default: [`OpenGate`].
    #[must_use]
    pub fn identity_gate(mut self, gate: Arc<dyn IdentityGate>) -> Self {
        self.gate = gate;
        self
    }

    /// How nodes are reached. Default: [`NoNodes`].
    #[must_use]
    pub fn node_connector(mut self, nodes: Arc<dyn NodeConnector>) -> Self {
        self.nodes = nodes;
        self
    }

    /// Routes beside the Kubernetes API.
    #[must_use]
    pub fn side_routes(mut self, side: Arc<dyn SideRoutes>) -> Self {
        self.side = Some(side);
        self
    }

    /// Who anchors the state, for clients that ask for anchored consistency. Without it they are refused.
    #[must_use]
    pub fn consistency(mut self, consistency: Arc<dyn Consistency>) -> Self {
        self.consistency = Some(consistency);
        self
    }

    /// Issues and verifies ServiceAccount tokens. Without it bearer tokens are refused and the `token`
    /// subresource answers 404.
    #[must_use]
    pub fn service_account_tokens(mut self, tokens: Arc<ServiceAccountTokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Records requests. Without it nothing is recorded.
    #[must_use]
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Who this server is towards aggregated API servers. Without it they are called without a client certificate, and
    /// believe nothing of the user.
    #[must_use]
    pub fn front_proxy(mut self, proxy: Arc<FrontProxy>) -> Self {
        self.front_proxy = Some(proxy);
        self
    }

    /// Adds a health check.
    #[must_use]
    pub fn check(mut self, check: Arc<dyn HealthCheck>) -> Self {
        self.checks.push(check);
        self
    }

    /// Exports 32 bytes of keying material under `label` from every TLS session, for side routes.
    #[must_use]
    pub fn exporter(mut self, label: impl Into<String>) -> Self {
        self.exporters.push(label.into());
        self
    }

    /// Other bounds than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// `host:port` that clients reach this server at, for `/api`'s `serverAddressByClientCIDRs`.
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.advertise = address.into();
        self
    }

    /// Loads the access-control caches and returns a server that is ready to listen. Needs a tokio runtime:
    /// the caches are kept up to date by tasks that end with the last clone of the server.
    ///
    /// # Errors
    /// When the caches cannot be loaded or the parts contradict each other.
    pub async fn build(self) -> Result<Server, BuildError> {
        let (tls, limits, exporters) = (
            self.tls.clone(),
            self.limits.clone(),
            self.exporters.clone(),
        );
        let handler = Handler::new(self).await?;
        Ok(Server {
            shared: Arc::new(Shared {
                handler,
                tls,
                limits,
                exporters,
            }),
        })
    }
}

/// The API server. A cheap clone of the same server.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) handler: Arc<Handler>,
    pub(crate) tls: Arc<ServingTls>,
    pub(crate) limits: Limits,
    pub(crate) exporters: Vec<String>,
}

impl Server {
    /// A builder with everything but the registry and the certificate at its default.
    #[must_use]
    pub fn builder(registry: registry::Registry, tls: Arc<ServingTls>) -> ServerBuilder {
        ServerBuilder {
            registry,
            tls,
            gate: Arc::new(OpenGate),
            nodes: Arc::new(NoNodes),
            side: None,
            consistency: None,
            tokens: None,
            audit: None,
            checks: Vec::new(),
            front_proxy: None,
            exporters: Vec::new(),
            limits: Limits::default(),
            advertise: String::new(),
            metrics: prometheus_client::registry::Registry::default(),
        }
    }

    /// Serves until `stop` is cancelled, then drains: `/readyz` fails at once, no connection is accepted,
    /// open ones are told to go away (GOAWAY, `Connection: close`), watches end, other requests have
    /// [`Limits::drain`] to finish. Returns when all connections are closed.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        listener::run(self.shared.clone(), listener, stop).await
    }

    /// Reads JSON of the aggregated API server that serves a path (with its query), as a user of the control plane's own
    /// choice: nothing is authorised here, the server behind does that.
    ///
    /// # Errors
    /// The HTTP code: 404 where no aggregated server serves the path's group and version, 503 where it is not available.
    pub async fn read_aggregated(
        &self,
        path: &str,
        user: &registry::UserInfo,
    ) -> Result<serde_json::Value, u16> {
        self.shared.handler.aggregator.read(path, user).await
    }

    /// Where new connections' certificate is replaced.
    #[must_use]
    pub fn tls(&self) -> &Arc<ServingTls> {
        &self.shared.tls
    }
}
