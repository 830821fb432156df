//! What every request goes through before it is dispatched.
// upstream: apiserver/pkg/server/config.go#DefaultBuildHandlerChain

mod impersonation;
mod in_flight;
mod live;
mod request;

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, USER_AGENT, WARNING};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use machinery::options::Query;
use machinery::{Reason, Status};
use registry::{Registry, RequestContext, UserInfo};
use tokio_util::sync::CancellationToken;

use crate::audit::{AuditEvent, AuditObject, AuditSink, AuditStage};
use crate::authn::{Authenticated, AuthenticationError, Authenticator};
use crate::authz::attributes::Attributes;
use crate::authz::{Authorizer, forbidden};
use crate::connection::ConnectionInfo;
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
pub(crate) use request::ApiRequest;

/// How long the access-control caches may take to load.
const LOADING: Duration = Duration::from_secs(30);

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The server behind the listener.
pub(crate) struct Handler {
    pub(crate) registry: Registry,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Authorizer,
    pub(crate) nodes: Arc<dyn NodeConnector>,
    pub(crate) limits: Limits,
    pub(crate) discovery: Discovery,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) openapi: crate::openapi::OpenApi,
    pub(crate) frames: Arc<crate::output::Frames>,
    side: Option<Arc<dyn SideRoutes>>,
    audit: Option<Arc<dyn AuditSink>>,
    in_flight: in_flight::InFlight,
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
        let health = Health::new(builder.checks)?;
        Ok(Arc::new(Self {
            authenticator: Authenticator::new(builder.gate, builder.tokens, &registry),
            authorizer,
            nodes: builder.nodes,
            discovery: Discovery::new(&registry, &builder.advertise),
            openapi: crate::openapi::OpenApi::new(&registry),
            health,
            metrics: Arc::new(Metrics::new(builder.metrics)),
            frames: Arc::default(),
            side: builder.side,
            audit: builder.audit,
            in_flight: in_flight::InFlight::new(&builder.limits),
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
        let mut record = Record {
            id: audit_id.clone(),
            uri: request
                .uri()
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            user: None,
            impersonated: None,
            source: connection.remote,
            user_agent: header(&request, &USER_AGENT),
            reason: None,
            started,
            context: RequestContext::default(),
        };
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
            Ok(response) if long_running => (response, AuditStage::ResponseStarted),
            Ok(response) => (response, AuditStage::ResponseComplete),
            Err(panic) => (panicked(&*panic), AuditStage::Panic),
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
        let code = response.status();
        self.metrics
            .observe(&info, code, started.elapsed(), long_running);
        if let Some(sink) = &self.audit {
            sink.record(record.event(stage, &info, code));
        }
        response
    }

    #[allow(clippy::too_many_arguments)]
    async fn chain(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: &Arc<ConnectionInfo>,
        info: &RequestInfo,
        query: Query,
        long_running: bool,
        record: &mut Record,
    ) -> Reply {
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
            Err(error) => return self.unauthorized(&error, info, record),
        };
        record.user = Some(user.clone());
        match impersonation::impersonate(&self.authorizer, &user, request.headers()) {
            Ok(None) => {}
            Ok(Some(other)) => {
                record.impersonated = Some(other.clone());
                user = other;
            }
            Err(status) => {
                record.reason = Some(status.message.clone());
                return respond::status(&status);
            }
        }
        let permit = match self.in_flight.enter(info, &user, long_running) {
            Ok(permit) => permit,
            Err(in_flight::Full) => {
                let mut response = respond::text(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many requests, please try again later.\n",
                );
                response
                    .headers_mut()
                    .insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
                return response;
            }
        };
        let attributes = Attributes::of_request(&user, info, &query);
        let decision = self.authorizer.authorize(&attributes);
        if let crate::authz::Decision::NoOpinion(reason) = decision {
            let status = forbidden(&attributes, &reason);
            record.reason = Some(reason);
            return respond::status(&status);
        }
        drop(attributes);
        let live = Live::new(certificate, self.authenticator.gate(), self.drain.clone());
        let agent = header(&request, &USER_AGENT);
        let context = RequestContext::new(user).with_user_agent(&agent);
        record.context = context.clone();
        let timeout = match deadline(&query, self.limits.request) {
            Ok(timeout) => timeout,
            Err(status) => return respond::status(&status),
        };
        let local = connection.remote.ip().is_loopback() && !self.limits.gzip_local;
        let api = ApiRequest {
            handler: self.clone(),
            info: info.clone(),
            query,
            context,
            live,
            local,
            request,
        };
        let answer = crate::dispatch::dispatch(api);
        let response = if long_running {
            answer.await
        } else {
            match tokio::time::timeout(timeout, answer).await {
                Ok(response) => response,
                Err(_) => respond::status(&Status::timeout(
                    "request did not complete within the allotted timeout",
                    0,
                )),
            }
        };
        // The place is free again when the answer is made: who reads it slowly holds up nobody else.
        drop(permit);
        response
    }

    fn unauthorized(
        &self,
        error: &AuthenticationError,
        info: &RequestInfo,
        record: &mut Record,
    ) -> Reply {
        tracing::info!(
            reason = %error, source = %record.source, path = %info.path, audit_id = %record.id,
            "request refused: not authenticated"
        );
        record.reason = Some(error.to_string());
        // upstream: apiserver/pkg/endpoints/filters/authentication.go#Unauthorized
        respond::status(&Status::unauthorized("Unauthorized"))
    }
}

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

/// The client's `timeout`, not longer than the server's.
// upstream: apiserver/pkg/endpoints/filters/request_deadline.go#withRequestDeadline
fn deadline(query: &Query, most: Duration) -> Result<Duration, Status> {
    let Some(asked) = query.get("timeout").filter(|t| !t.is_empty()) else {
        return Ok(most);
    };
    let invalid = || {
        Status::bad_request(format!(
            "invalid timeout specified in the request URL - time: invalid duration {}",
            machinery::go::quote(asked)
        ))
    };
    let duration = go_duration(asked).ok_or_else(invalid)?;
    Ok(if duration.is_zero() {
        most
    } else {
        duration.min(most)
    })
}

/// Go's `time.ParseDuration` for what is not negative.
fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match rest.get(..unit)? {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Duration::try_from_secs_f64(total).ok()
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

/// What the audit needs, gathered on the way.
struct Record {
    id: String,
    uri: String,
    user: Option<UserInfo>,
    impersonated: Option<UserInfo>,
    source: SocketAddr,
    user_agent: String,
    reason: Option<String>,
    started: Instant,
    context: RequestContext,
}

impl Record {
    fn event(self, stage: AuditStage, info: &RequestInfo, code: StatusCode) -> AuditEvent {
        AuditEvent {
            id: self.id,
            stage,
            uri: self.uri,
            verb: info.verb.clone(),
            user: self.user,
            impersonated: self.impersonated,
            source: self.source,
            user_agent: self.user_agent,
            object: info.is_resource.then(|| AuditObject {
                group: info.group.clone(),
                version: info.version.clone(),
                resource: info.resource.clone(),
                subresource: info.subresource.clone(),
                namespace: info.namespace.clone(),
                name: info.name.clone(),
            }),
            code: code.as_u16(),
            reason: self.reason,
            latency: self.started.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(go_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(go_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(go_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(go_duration("0"), Some(Duration::ZERO));
        for bad in ["5", "-1s", "s", "1x", "1e9999s"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }

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
            let _ = (info.is_long_running(&query), allows_anonymous(&info), go_duration(&header));
            proptest::prop_assert!(!info.is_resource || !allows_anonymous(&info));
            let _ = crate::negotiation::clauses(&header);
            let _ = crate::negotiation::accepts_gzip(&header);
            let _ = respond::warning(&header);
        }
    }
}
