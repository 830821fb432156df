//! One request's audit events, gathered on its way through the chain.
// upstream: apiserver/pkg/endpoints/filters/{audit,authn_audit}.go, apiserver/pkg/audit/request.go

use std::net::SocketAddr;
use std::sync::Arc;

use ::audit::{
    Config, Event, Level, ObjectReference, Request as PolicyRequest, ResponseStatus, Stage, User,
    without_managed_fields,
};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use machinery::Status;
use parking_lot::Mutex;
use registry::{RequestContext, UserInfo};
use serde_json::Value;

use crate::audit::Audit;
use crate::body::Tap;
use crate::encoding;
use crate::request_info::RequestInfo;
use crate::respond::Reply;

/// The name of the annotation with the authoriser's decision, and of the one with its reason.
const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";

/// What is gathered.
pub(super) struct Recording {
    audit: Option<Audit>,
    config: Config,
    event: Event,
    /// What the request's body says, filled by whoever reads it.
    pub(super) captured: Arc<Captured>,
    pub(super) context: RequestContext,
    ending: Option<Arc<Ending>>,
}

/// What of a request's body is recorded.
#[derive(Default)]
pub(crate) struct Captured {
    wanted: std::sync::atomic::AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    body: Option<(String, Bytes)>,
    object: Option<ObjectReference>,
}

impl Captured {
    /// The body as it came, for a policy that records bodies.
    pub(super) fn body(&self, content_type: &str, body: &Bytes) {
        if self.wanted.load(std::sync::atomic::Ordering::Relaxed) && !body.is_empty() {
            self.inner.lock().body = Some((content_type.to_owned(), body.clone()));
        }
    }

    /// The decoded object: it names itself where the path does not.
    // upstream: request.go#LogRequestObject
    pub(crate) fn object(&self, object: &Value) {
        let text = |name: &str| {
            object
                .pointer(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        self.inner.lock().object = Some(ObjectReference {
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            ..ObjectReference::default()
        });
    }
}

/// Makes the last event of a long-running request when the last of those that hold it lets go.
pub(crate) struct Ending {
    audit: Audit,
    event: Mutex<Option<Event>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(mut event) = self.event.get_mut().take() {
            event.stage = Stage::ResponseComplete;
            event.stage_timestamp = Timestamp::now();
            self.audit.backend.offer(event);
        }
    }
}

impl Recording {
    pub(super) fn new(
        audit: Option<&Audit>,
        id: &str,
        uri: &http::Uri,
        info: &RequestInfo,
        headers: &HeaderMap,
        remote: SocketAddr,
    ) -> Self {
        let mut event = Event::new(
            Level::None,
            Stage::RequestReceived,
            id.to_owned(),
            Timestamp::now(),
        );
        if audit.is_some() {
            event.request_uri = uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default();
            event.verb.clone_from(&info.verb);
            event.source_ips = source_ips(headers, remote);
            event.user_agent = headers
                .get(USER_AGENT)
                .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                .unwrap_or_default();
            event.object_ref = info.is_resource.then(|| ObjectReference {
                resource: info.resource.clone(),
                namespace: info.namespace.clone(),
                name: info.name.clone(),
                api_group: info.group.clone(),
                api_version: info.version.clone(),
                subresource: info.subresource.clone(),
                ..ObjectReference::default()
            });
        }
        Self {
            audit: audit.cloned(),
            config: Config::default(),
            event,
            captured: Arc::default(),
            context: RequestContext::default(),
            ending: None,
        }
    }

    /// It is known who asks (`None`: nobody): the policy says how much is recorded.
    // upstream: filters/audit.go#evaluatePolicyAndCreateAuditEvent
    pub(super) fn asked_by(&mut self, user: Option<&UserInfo>, info: &RequestInfo) {
        let Some(audit) = &self.audit else { return };
        self.config = audit.policy.evaluate(&PolicyRequest {
            user: user.map(|u| u.name.as_str()).unwrap_or_default(),
            groups: user.map(|u| u.groups.as_slice()).unwrap_or_default(),
            verb: &info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
        });
        audit.metrics.level(self.config.level);
        self.event.level = self.config.level;
        if let Some(user) = user {
            self.event.user = user_of(user);
        }
        let wanted = self.config.level >= Level::Request;
        self.captured
            .wanted
            .store(wanted, std::sync::atomic::Ordering::Relaxed);
    }

    /// The first event. A backend that is strict refuses a request that leaves no trace.
    // upstream: filters/audit.go#WithAudit
    pub(super) async fn received(&self) -> Result<(), Status> {
        let Some(audit) = &self.audit else {
            return Ok(());
        };
        if !self.config.records(Stage::RequestReceived) {
            return Ok(());
        }
        let event = self.event.clone();
        if audit.backend.process(event).await.is_err() && audit.backend.strict() {
            audit.metrics.rejected();
            return Err(Status::internal("failed to store audit event"));
        }
        Ok(())
    }

    pub(super) fn acts_as(&mut self, user: &UserInfo) {
        if self.audit.is_some() {
            self.event.impersonated_user = Some(user_of(user));
        }
    }

    // upstream: filters/authorization.go#WithAuthorization
    pub(super) fn decided(&mut self, allowed: bool, reason: &str) {
        if self.audit.is_none() {
            return;
        }
        let decision = if allowed { "allow" } else { "forbid" };
        for (key, value) in [(DECISION, decision), (REASON, reason)] {
            self.event
                .annotations
                .insert(key.to_owned(), value.to_owned());
        }
    }

    /// A text for an answer that is no `Status` by itself: upstream's for a failed authentication.
    pub(super) fn says(&mut self, message: String) {
        let mut status = ResponseStatus::of_code(0);
        status.message = message;
        self.event.response_status = Some(status);
    }

    /// Whether the answer's body is to be recorded: it must not be compressed then.
    pub(super) fn wants_answer(&self) -> bool {
        self.config.level >= Level::RequestResponse
    }

    /// What a long-running request holds while it runs.
    pub(super) fn ending(&mut self) -> Option<Arc<Ending>> {
        let audit = self.audit.clone()?;
        let ending = Arc::new(Ending {
            audit,
            event: Mutex::default(),
        });
        self.ending = Some(ending.clone());
        Some(ending)
    }

    /// The answer is made: its events.
    pub(super) async fn answered(mut self, stage: Stage, mut reply: Reply) -> Reply {
        let Some(audit) = self.audit.clone() else {
            return reply;
        };
        if self.config.level == Level::None {
            return reply;
        }
        let code = reply.status();
        let message = self
            .event
            .response_status
            .take()
            .map(|s| s.message)
            .filter(|m| !m.is_empty());
        let mut status = status_of(code, &reply);
        if stage == Stage::Panic {
            "APIServer panic'd".clone_into(&mut status.message);
        }
        if let Some(message) = message {
            status.message = message;
        }
        self.event.response_status = Some(status);
        self.event
            .annotations
            .extend(self.context.take_annotations());
        self.bodies();
        self.event.stage = stage;
        self.event.stage_timestamp = Timestamp::now();
        let records = self.config.records(stage);
        match stage {
            Stage::ResponseStarted if code != StatusCode::UNAUTHORIZED => {
                let event = records.then(|| self.event.clone());
                if let Some(ending) = self
                    .ending
                    .take()
                    .filter(|_| self.config.records(Stage::ResponseComplete))
                {
                    *ending.event.lock() = Some(self.event);
                }
                if let Some(event) = event {
                    let _ = audit.backend.process(event).await;
                }
                reply
            }
            _ if !records => reply,
            Stage::ResponseComplete if self.wants_answer() => {
                let content_type = content_type(reply.headers());
                let strip = self.config.omit_managed_fields;
                if let Some(bytes) = reply.body().as_full() {
                    self.event.response_object = tree(&content_type, bytes, strip);
                    let _ = audit.backend.process(self.event).await;
                    return reply;
                }
                // The answer is made while it is sent: the event is made when it has been.
                let event = self.event;
                let body = std::mem::take(reply.body_mut());
                *reply.body_mut() = body.tapped(Tap::new(move |bytes| {
                    let mut event = event;
                    event.response_object = tree(&content_type, bytes, strip);
                    event.stage_timestamp = Timestamp::now();
                    audit.backend.offer(event);
                }));
                reply
            }
            _ => {
                let _ = audit.backend.process(self.event).await;
                reply
            }
        }
    }

    fn bodies(&mut self) {
        let captured = std::mem::take(&mut *self.captured.inner.lock());
        if let (Some(object), Some(reference)) = (captured.object, &mut self.event.object_ref) {
            for (to, from) in [
                (&mut reference.name, object.name),
                (&mut reference.namespace, object.namespace),
                (&mut reference.uid, object.uid),
                (&mut reference.resource_version, object.resource_version),
            ] {
                if to.is_empty() {
                    *to = from;
                }
            }
        }
        if let Some((content_type, bytes)) = captured.body {
            self.event.request_object =
                tree(&content_type, &bytes, self.config.omit_managed_fields);
        }
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

/// A body as a tree; `None` for what is none.
fn tree(content_type: &str, bytes: &[u8], strip: bool) -> Option<Value> {
    let value = if content_type.contains("protobuf") {
        codec::protobuf::decode(bytes, None).ok()?
    } else if content_type.contains("yaml") {
        encoding::yaml_value(bytes).ok()?
    } else {
        encoding::json_value(bytes).ok()?
    };
    Some(if strip {
        without_managed_fields(value)
    } else {
        value
    })
}

/// The code, and the rest when the answer is a `Status`.
// upstream: request.go#LogResponseObject
fn status_of(code: StatusCode, reply: &Reply) -> ResponseStatus {
    let mut out = ResponseStatus::of_code(code.as_u16());
    if code.is_success() || code.is_redirection() {
        return out;
    }
    let Some(body) = reply.body().as_full() else {
        return out;
    };
    let Some(Value::Object(mut status)) = tree(&content_type(reply.headers()), body, false) else {
        return out;
    };
    if status.get("kind").and_then(Value::as_str) != Some("Status") {
        return out;
    }
    let mut text = |name: &str| match status.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    out.status = text("status");
    out.message = text("message");
    out.reason = text("reason");
    out.details = status.get_mut("details").map(Value::take);
    out
}

fn user_of(user: &UserInfo) -> User {
    User {
        username: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    }
}

/// What proxies say of the client's address, then the connection's own.
// upstream: apimachinery/pkg/util/net/http.go#SourceIPs
fn source_ips(headers: &HeaderMap, remote: SocketAddr) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |text: &str| {
        if let Ok(ip) = text.trim().parse::<std::net::IpAddr>() {
            let ip = ip.to_string();
            if out.len() < 16 && !out.contains(&ip) {
                out.push(ip);
            }
        }
    };
    for name in ["x-forwarded-for", "x-real-ip"] {
        for value in headers.get_all(name) {
            value
                .to_str()
                .unwrap_or_default()
                .split(',')
                .for_each(&mut add);
        }
    }
    add(&remote.ip().to_string());
    out
}

/// Upstream's text for a request without a valid credential: which ones it had, never what they are.
// upstream: filters/authn_audit.go#getAuthMethods
pub(super) fn failed_authentication(headers: &HeaderMap, certificate: bool) -> String {
    let mut methods = Vec::new();
    if certificate {
        methods.push("x509");
    }
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
        methods.push(if value.starts_with("basic ") {
            "basic"
        } else if value.starts_with("bearer ") {
            "bearer"
        } else {
            "unknown"
        });
    }
    if methods.is_empty() {
        "Authentication failed, no credentials provided".to_owned()
    } else {
        format!("Authentication failed, attempted: {}", methods.join(", "))
    }
}
