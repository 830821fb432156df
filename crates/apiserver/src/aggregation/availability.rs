//! Whether aggregated API servers answer: the condition `Available`.
//!
//! Looked at when an APIService, its Service or its endpoints change, and every 30 s because what is reached over the
//! network cannot be watched. A failed look is repeated with growing pauses.
// upstream: kube-aggregator/pkg/controllers/status/remote/remote_available_controller.go

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use machinery::{ObjectExt, time};
use registry::{RequestContext, Target, UpdateOptions, UserInfo};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use webhook::{BoxBody, BoxError, ServiceResolver};

use super::documents::{self, Documents};
use super::remote::Remote;
use super::{RESYNC, Shared, headers};

/// How long a server may take to show its discovery document.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause after a failed look; it doubles up to [`RESYNC`].
const PAUSE: Duration = Duration::from_millis(500);

/// How much of an answer is read.
const MAX_DOCUMENT: usize = 16 << 20;

struct Condition {
    status: &'static str,
    reason: &'static str,
    message: String,
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    super::follow_backends(&shared, &stop).await;
    let mut due: HashMap<String, (Instant, Duration)> = HashMap::new();
    loop {
        let now = Instant::now();
        let mut names: BTreeSet<String> = shared.dirty.lock().drain(..).collect();
        due.retain(|name, (at, _)| {
            let ready = *at <= now;
            if ready {
                names.insert(name.clone());
            }
            shared.remotes.load().values().any(|r| r.name == *name)
        });
        let looks = names.into_iter().map(|name| {
            let shared = shared.clone();
            async move {
                let remote = shared
                    .remotes
                    .load()
                    .values()
                    .find(|r| r.name == name)
                    .map(Arc::clone)?;
                let fine = look(&shared, &remote).await;
                Some((name, fine))
            }
        });
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = futures::future::join_all(looks) => looked,
        };
        let now = Instant::now();
        for (name, fine) in looked.into_iter().flatten() {
            let pause = match (fine, due.get(&name)) {
                (true, _) => RESYNC,
                (false, Some((_, before))) if *before < RESYNC => (*before * 2).min(RESYNC),
                (false, Some(_)) => RESYNC,
                (false, None) => PAUSE,
            };
            // After a fine one the first failure is repeated soon.
            let kept = if fine { PAUSE / 2 } else { pause };
            due.insert(name, (now + pause, kept));
        }
        let next = due.values().map(|(at, _)| *at).min();
        let far = now + Duration::from_secs(86_400);
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.woken.notified() => {}
            () = tokio::time::sleep_until(next.unwrap_or(far)), if next.is_some() => {}
        }
    }
}

/// Looks at one and tells it; whether it is available.
async fn look(shared: &Arc<Shared>, remote: &Remote) -> bool {
    let mut condition = routes(shared, remote);
    if condition.status == "True" {
        match documents(shared, remote).await {
            Ok(documents) => {
                shared
                    .documents
                    .lock()
                    .insert((remote.group.clone(), remote.version.clone()), documents);
            }
            Err(message) => {
                condition = Condition {
                    status: "False",
                    reason: "FailedDiscoveryCheck",
                    message,
                };
            }
        }
    }
    let fine = condition.status == "True";
    if !fine
        && let Some(documents) = shared
            .documents
            .lock()
            .get_mut(&(remote.group.clone(), remote.version.clone()))
    {
        documents.stale = true;
    }
    if let Err(status) = tell(shared, remote, condition).await {
        tracing::debug!(apiservice = remote.name, %status, "its condition was not written");
        return false;
    }
    fine
}

/// What can be seen in this cluster: the Service, its port, its endpoints.
fn routes(shared: &Shared, remote: &Remote) -> Condition {
    let (service, namespace) = (&remote.service, &remote.namespace);
    let quoted = machinery::go::quote(namespace);
    let registry = &shared.registry;
    let failed = |reason, message| Condition {
        status: "False",
        reason,
        message,
    };
    let stored = registry
        .table()
        .find("", "v1", "services")
        .and_then(|row| registry.stored(row, Some(namespace), service));
    let Some(stored) = stored else {
        let message = format!("service/{service} in {quoted} is not present");
        return failed("ServiceNotFound", message);
    };
    let object = stored.value();
    let passed = Condition {
        status: "True",
        reason: "Passed",
        message: "all checks passed".to_owned(),
    };
    if !["", "ClusterIP"].contains(&object.text_at(&["spec", "type"])) {
        return passed;
    }
    let list = |value: &Value, path: &[&str]| -> Vec<Value> {
        value
            .at(path)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let port = list(&object, &["spec", "ports"])
        .into_iter()
        .find(|p| p.get("port").and_then(Value::as_i64) == Some(i64::from(remote.port)));
    let Some(port) = port else {
        let message = format!(
            "service/{service} in {quoted} is not listening on port {}",
            remote.port
        );
        return failed("ServicePortError", message);
    };
    let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
    let slices: Vec<Value> = registry
        .table()
        .find("discovery.k8s.io", "v1", "endpointslices")
        .map(|row| {
            registry
                .store()
                .snapshot()
                .range(&row.range(Some(namespace)), None)
                .map(|e| e.value.value())
                .filter(|s| {
                    s.text_at(&["metadata", "labels", "kubernetes.io/service-name"]) == *service
                })
                .collect()
        })
        .unwrap_or_default();
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{service} in {quoted}");
        return failed("EndpointsNotFound", message);
    }
    let ready = slices.iter().any(|slice| {
        list(slice, &["endpoints"])
            .iter()
            .any(|e| e.at(&["conditions", "ready"]).and_then(Value::as_bool) != Some(false))
            && list(slice, &["ports"]).iter().any(|p| {
                p.get("name").and_then(Value::as_str).unwrap_or_default() == name
                    && p.get("port").is_some_and(Value::is_number)
            })
    });
    if ready {
        return passed;
    }
    failed(
        "MissingEndpoints",
        format!(
            "endpointslices for service/{service} in {quoted} have no addresses with port name {}",
            machinery::go::quote(name)
        ),
    )
}

/// Asks the server itself: it must answer its group and version. What it serves is read on the way.
async fn documents(shared: &Arc<Shared>, remote: &Remote) -> Result<Documents, String> {
    let root = remote.root();
    let shown = match shared
        .registry
        .resolve(&remote.namespace, &remote.service, remote.port)
    {
        Ok(address) => format!("https://{address}{root}"),
        Err(error) => return Err(error.to_string()),
    };
    let failed = |why: String| format!("failing or missing response from {shown}: {why}");
    let masters = UserInfo {
        name: "system:kube-aggregator".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..UserInfo::default()
    };
    let (code, legacy) = get(shared, remote, &root, &masters, "application/json")
        .await
        .map_err(|e| failed(format!("Get {}: {e}", machinery::go::quote(&shown))))?;
    if !code.is_success() {
        return Err(failed(format!(
            "bad status from {shown}: {}",
            code.as_u16()
        )));
    }
    let aggregated = get(shared, remote, "/apis", &masters, documents::ACCEPT)
        .await
        .ok()
        .filter(|(code, _)| code.is_success());
    let aggregator = UserInfo {
        name: "system:aggregator".to_owned(),
        ..UserInfo::default()
    };
    let openapi = get(
        shared,
        remote,
        "/openapi/v3",
        &aggregator,
        "application/json",
    )
    .await
    .ok()
    .filter(|(code, _)| code.is_success());
    Ok(Documents::read(
        remote,
        &legacy,
        aggregated.as_ref().map(|(_, b)| &**b),
        openapi.as_ref().map(|(_, b)| &**b),
    ))
}

pub(super) async fn get(
    shared: &Arc<Shared>,
    remote: &Remote,
    path: &str,
    user: &UserInfo,
    accept: &str,
) -> Result<(StatusCode, bytes::Bytes), String> {
    let backend = shared.backend(remote)?;
    let empty: BoxBody = Empty::new()
        .map_err(|never| -> BoxError { match never {} })
        .boxed_unsync();
    let mut request = Request::get(path)
        .header(http::header::ACCEPT, accept)
        .body(empty)
        .map_err(|e| e.to_string())?;
    headers::set(request.headers_mut(), user);
    let exchange = async {
        let answer = shared
            .registry
            .backends()
            .send(&shared.registry, &backend, request)
            .await
            .map_err(|e| e.to_string())?;
        let code = answer.status();
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT)
            .collect()
            .await
            .map_err(|e| e.to_string())?;
        Ok((code, body.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| {
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned()
        })?
}

/// Writes the condition where it has changed.
async fn tell(
    shared: &Shared,
    remote: &Remote,
    condition: Condition,
) -> Result<(), machinery::Status> {
    let registry = &shared.registry;
    let (group, version, plural) = super::APISERVICES;
    let row = registry
        .table()
        .find(group, version, plural)
        .ok_or_else(machinery::Status::unknown_resource)?;
    let Some(stored) = registry.stored(row, None, &remote.name) else {
        return Ok(());
    };
    let mut object = stored.value();
    let mut conditions = object
        .at(&["status", "conditions"])
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let before = conditions.clone();
    let at = conditions
        .iter()
        .position(|c| c.text_at(&["type"]) == "Available");
    let old = at.and_then(|at| conditions.get(at)).cloned();
    let since = match &old {
        Some(old) if old.text_at(&["status"]) == condition.status => {
            old.text_at(&["lastTransitionTime"]).to_owned()
        }
        _ => time::format(jiff::Timestamp::now()),
    };
    let new = json!({"type": "Available", "status": condition.status, "lastTransitionTime": since,
        "reason": condition.reason, "message": condition.message});
    match at.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = new,
        None => conditions.push(new),
    }
    if conditions == before {
        return Ok(());
    }
    if old.is_none_or(|o| o.text_at(&["status"]) != condition.status) {
        tracing::info!(
            apiservice = remote.name,
            status = condition.status,
            reason = condition.reason,
            message = condition.message,
            "the availability of an API service changed"
        );
    }
    object.set_at(&["status", "conditions"], conditions.into());
    let target = Target::object(row, None, &remote.name).subresource("status");
    registry
        .update(
            &RequestContext::system(),
            &target,
            object,
            &UpdateOptions::default(),
        )
        .await
        .map(drop)
}
