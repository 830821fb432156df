//! What every request goes through before it is dispatched.
// upstream: apiserver/pkg/server/config.go#DefaultBuildHandlerChain

mod deadline;
mod flow;
mod impersonation;
mod live;
mod recording;
mod request;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::audit::Stage;
use futures::FutureExt;
use http::Request;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, HeaderName, HeaderValue, USER_AGENT, WARNING};
use hyper::body::Incoming;
use machinery::options::Query;
use machinery::{Reason, Status};
use registry::{Registry, RequestContext};
use tokio_util::sync::CancellationToken;

use crate::aggregation::Aggregator;
use crate::audit::Audit;
use crate::authn::{Authenticated, AuthenticationError, Authenticator};
use crate::authz::attributes::Attributes;
use crate::authz::{Authorizer, forbidden};
use crate::connection::ConnectionInfo;
use crate::consistency::{self, Consistency};
use crate::discovery::Discovery;
use crate::health::Health;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::node_connector::NodeConnector;
use crate::request_info::RequestInfo;
use crate::respond::{self, Reply};
use crate::server::{BuildError, ServerBuilder};
use crate::side_routes::SideRoutes;
pub(crate) use live::Live;
pub(crate) use recording::Captured;
use recording::Recording;
pub(crate) use request::ApiRequest;

/// How long the access-control caches may take to load.
const LOADING: Duration = Duration::from_secs(30);

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The server behind the listener.
pub(crate) struct Handler {
    pub(crate) registry: Registry,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) nodes: Arc<dyn NodeConnector>,
    pub(crate) limits: Limits,
    pub(crate) discovery: Discovery,
    pub(crate) aggregator: Aggregator,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) openapi: crate::openapi::OpenApi,
    pub(crate) frames: Arc<crate::output::Frames>,
    side: Option<Arc<dyn SideRoutes>>,
    consistency: Option<Arc<dyn Consistency>>,
    pub(crate) audit: Option<Audit>,
    flow: flow::Flow,
    draining: AtomicBool,
    drain: CancellationToken,
}

impl Handler {
    pub(crate) async fn new(builder: ServerBuilder) -> Result<Arc<Self>, BuildError> {
        let registry = builder.registry;
        let authorizer = tokio::time::timeout(LOADING, Authorizer::start(&registry))
            .await
            .map_err(|_| {
                BuildError::Authorizer("its objects could not be read in time".to_owned())
            })?
            .map_err(|s| BuildError::Authorizer(s.message))?;
        let authorizer = Arc::new(authorizer);
        let access: std::sync::Weak<dyn registry::admission::AccessCheck> =
            Arc::downgrade(&(authorizer.clone() as Arc<dyn registry::admission::AccessCheck>));
        registry.set_access(access);
        let mut metrics = builder.metrics;
        let flow = tokio::time::timeout(
            LOADING,
            flow::Flow::start(&registry, &builder.limits, &mut metrics),
        )
        .await
        .map_err(|_| BuildError::Flow("its objects could not be read in time".to_owned()))?
        .map_err(|s| BuildError::Flow(s.message))?;
        let aggregator = tokio::time::timeout(
            LOADING,
            Aggregator::start(&registry, builder.front_proxy.clone()),
        )
        .await
        .map_err(|_| BuildError::Aggregator("its objects could not be read in time".to_owned()))?
        .map_err(|s| BuildError::Aggregator(s.message))?;
        let health = Health::new(builder.checks)?;
        Ok(Arc::new(Self {
            authenticator: Authenticator::new(builder.gate, builder.tokens, &registry),
            authorizer,
            nodes: builder.nodes,
            aggregator,
            discovery: Discovery::new(&registry, &builder.advertise),
            openapi: crate::openapi::OpenApi::new(&registry),
            health,
            metrics: Arc::new(Metrics::new(metrics)),
            frames: Arc::default(),
            side: builder.side,
            consistency: builder.consistency,
            audit: builder.audit,
            flow,
            limits: builder.limits,
            draining: AtomicBool::new(false),
            drain: CancellationToken::new(),
            registry,
        }))
    }

    /// From now on `/readyz` fails and watches end.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Answers one request. Never fails and never panics.
    pub(crate) async fn handle(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: Arc<ConnectionInfo>,
    ) -> Reply {
        if let Some(side) = self
            .side
            .as_ref()
            .filter(|s| s.matches(request.uri().path()))
        {
            let side = side.clone();
            request.extensions_mut().insert(connection.clone());
            if let Ok(Some(Authenticated { user, .. })) =
                self.authenticator.certificate(&connection)
            {
                request.extensions_mut().insert(user);
            }
            let answer = AssertUnwindSafe(side.handle(request)).catch_unwind();
            return match tokio::time::timeout(self.limits.request, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(panic)) => panicked(&*panic),
                Err(_) => respond::status(&Status::timeout(
                    "request did not complete within the allotted timeout",
                    0,
                )),
            };
        }
        let started = Instant::now();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let info = RequestInfo::parse(request.method(), request.uri().path(), &query);
        let audit_id = audit_id(&request);
        let mut record = Recording::new(
            self.audit.as_ref(),
            &audit_id,
            request.uri(),
            &info,
            request.headers(),
            connection.remote,
        );
        let long_running = info.is_long_running(&query);
        let answer = AssertUnwindSafe(self.clone().chain(
            request,
            &connection,
            &info,
            query,
            long_running,
            &mut record,
        ))
        .catch_unwind();
        let (mut response, stage) = match answer.await {
            Ok(response) if long_running => (response, Stage::ResponseStarted),
            Ok(response) if response.extensions().get::<Unauthenticated>().is_some() => {
                (response, Stage::ResponseStarted)
            }
            Ok(response) => (response, Stage::ResponseComplete),
            Err(panic) => (panicked(&*panic), Stage::Panic),
        };
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&audit_id) {
            headers.insert(AUDIT_ID, value);
        }
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-cache, private"));
        for text in record.context.take_warnings() {
            if let Some(value) = respond::warning(&text) {
                headers.append(WARNING, value);
            }
        }
        self.metrics
            .observe(&info, response.status(), started.elapsed(), long_running);
        record.answered(stage, response).await
    }

    async fn chain(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionInfo>,
        info: &RequestInfo,
        query: Query,
        long_running: bool,
        record: &mut Recording,
    ) -> Reply {
        let started = Instant::now();
        let timeout = match deadline::of(&query, self.limits.request) {
            Ok(timeout) => timeout,
            Err(_) if long_running => self.limits.request,
            Err(status) => {
                record.asked_by(None, info);
                return respond::status(&status);
            }
        };
        let anonymous = allows_anonymous(info);
        let Authenticated {
            mut user,
            certificate,
        } = match self
            .authenticator
            .request(connection, request.headers(), anonymous)
            .await
        {
            Ok(authenticated) => authenticated,
            Err(error) => {
                record.asked_by(None, info);
                let certificate = !connection.peer_certificates().is_empty();
                record.says(recording::failed_authentication(
                    request.headers(),
                    certificate,
                ));
                return self.unauthorized(&error, info, connection);
            }
        };
        record.asked_by(Some(&user), info);
        if let Err(status) = record.received().await {
            return respond::status(&status);
        }
        match impersonation::impersonate(&self.authorizer, &user, request.headers()) {
            Ok(None) => {}
            Ok(Some(other)) => {
                record.acts_as(&other);
                user = other;
            }
            Err(status) => return respond::status(&status),
        }
        // upstream: apiserver/pkg/server/config.go, a quarter of the time may be spent waiting
        let entered = self.flow.enter(
            &self.registry,
            info,
            &user,
            &query,
            long_running,
            timeout / 4,
        );
        let (permit, marks) = match entered.await {
            flow::Admitted::Go(permit, marks) => (permit, marks),
            flow::Admitted::Refused(reply) => return reply,
        };
        let mark = |mut reply: Reply| {
            if let Some(marks) = &marks {
                marks.put(&mut reply);
            }
            reply
        };
        let attributes = Attributes::of_request(&user, info, &query);
        match self.authorizer.authorize(&attributes) {
            crate::authz::Decision::Allow(reason) => record.decided(true, &reason),
            crate::authz::Decision::NoOpinion(reason) => {
                record.decided(false, &reason);
                return mark(respond::status(&forbidden(&attributes, &reason)));
            }
        }
        drop(attributes);
        let ending = if long_running { record.ending() } else { None };
        let live = Live::new(
            certificate,
            self.authenticator.gate(),
            self.drain.clone(),
            ending,
        );
        let agent = header(&request, &USER_AGENT);
        let context = RequestContext::new(user).with_user_agent(&agent);
        record.context = context.clone();
        if record.wants_answer() {
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let anchored = match consistency::asked(
            self.consistency.as_ref(),
            request.headers(),
            &query,
            long_running,
        ) {
            Ok(anchored) => anchored,
            Err(status) => return mark(respond::status(&status)),
        };
        let local = connection.remote.ip().is_loopback() && !self.limits.gzip_local;
        let api = ApiRequest {
            handler: self.clone(),
            info: info.clone(),
            query,
            context,
            live,
            local,
            captured: record.captured.clone(),
            request,
        };
        let answer = consistency::after(anchored, crate::dispatch::dispatch(api));
        let response = if long_running {
            answer.await
        } else {
            match tokio::time::timeout(timeout.saturating_sub(started.elapsed()), answer).await {
                Ok(response) => response,
                Err(_) => respond::status(&Status::timeout(
                    "request did not complete within the allotted timeout",
                    0,
                )),
            }
        };
        // The place is free again when the answer is made: who reads it slowly holds up nobody else.
        drop(permit);
        mark(response)
    }

    fn unauthorized(
        &self,
        error: &AuthenticationError,
        info: &RequestInfo,
        connection: &ConnectionInfo,
    ) -> Reply {
        tracing::info!(
            reason = %error, source = %connection.remote, path = %info.path,
            "request refused: not authenticated"
        );
        // upstream: apiserver/pkg/endpoints/filters/authentication.go#Unauthorized
        let mut reply = respond::status(&Status::unauthorized("Unauthorized"));
        reply.extensions_mut().insert(Unauthenticated);
        reply
    }
}

/// Marks the answer to a request that was not authenticated: its audit event is of another stage.
// upstream: apiserver/pkg/endpoints/filters/authn_audit.go
#[derive(Clone, Copy)]
struct Unauthenticated;

/// The paths on which a request without a credential becomes `system:anonymous`; RBAC
/// (`system:public-info-viewer`) decides then. Everywhere else it is refused.
fn allows_anonymous(info: &RequestInfo) -> bool {
    let path = info.path.as_str();
    let under = |root: &str| {
        path == root
            || path
                .strip_prefix(root)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    !info.is_resource
        && (under("/healthz") || under("/livez") || under("/readyz") || under("/version"))
}

fn audit_id(request: &Request<Incoming>) -> String {
    // upstream: apiserver/pkg/endpoints/filters/request_received_time.go, audit_init.go
    request
        .headers()
        .get(AUDIT_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|v| !v.is_empty() && v.len() <= 64)
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

fn header(request: &Request<Incoming>, name: &HeaderName) -> String {
    request
        .headers()
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn panicked(panic: &(dyn Any + Send)) -> Reply {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = %text, "a handler panicked");
    respond::status(&Status::failure(
        500,
        Reason::InternalError,
        "This request caused apiserver to panic. Look in the logs for details.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
        /// What a client writes into its request line and headers never panics.
        #[test]
        fn request_lines_and_headers_are_harmless(
            path in "/(api|apis)?(/[a-zA-Z0-9%:. -]{0,12}){0,8}/?",
            query in "[a-zA-Z=&,%+!0-9.]{0,60}",
            method in "GET|PUT|POST|DELETE|PATCH|HEAD|OPTIONS|BREW",
            header in "[ -~]{0,80}",
        ) {
            let query = Query::parse(&query);
            let method = http::Method::from_bytes(method.as_bytes()).unwrap_or_default();
            let info = RequestInfo::parse(&method, &path, &query);
            let _ = (info.is_long_running(&query), allows_anonymous(&info), deadline::go_duration(&header));
            proptest::prop_assert!(!info.is_resource || !allows_anonymous(&info));
            let _ = crate::negotiation::clauses(&header);
            let _ = crate::negotiation::accepts_gzip(&header);
            let _ = respond::warning(&header);
        }
    }
}
