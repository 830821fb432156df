//! Priority and fairness in the chain: the configuration is followed, requests are classified, and wait their turn.
// upstream: apiserver/pkg/server/filters/priority-and-fairness.go, apiserver/pkg/util/flowcontrol

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowcontrol::{
    Classified, Digest, Entered, FlowControl, FlowSchema, ListShape, Permit, PriorityLevel,
    list_seats,
};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use machinery::Status;
use machinery::options::{PatchOptions, Query, WriteOptions};
use parking_lot::Mutex;
use registry::{Patch, Registry, RequestContext, Target, UserInfo};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::authz::follow::{Change, follow};
use crate::limits::Limits;
use crate::request_info::RequestInfo;
use crate::respond::{self, Reply};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// Who writes the conditions. upstream: apf_controller.go#ConfigConsumerAsFieldManager
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
const SCHEMA_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// What holds when the mandatory objects were deleted. upstream: apf_controller.go#digestNewPLsLocked
const EXEMPT: &[u8] = br#"{"metadata":{"name":"exempt"},"spec":{"type":"Exempt"}}"#;
const CATCH_ALL: &[u8] = br#"{"metadata":{"name":"catch-all"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":5,"lendablePercent":0,"limitResponse":{"type":"Reject"}}}}"#;
const EXEMPT_SCHEMA: &[u8] = br#"{"metadata":{"name":"exempt"},"spec":{"matchingPrecedence":1,"priorityLevelConfiguration":{"name":"exempt"},"rules":[{"subjects":[{"kind":"Group","group":{"name":"system:masters"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}}"#;
const CATCH_ALL_SCHEMA: &[u8] = br#"{"metadata":{"name":"catch-all"},"spec":{"matchingPrecedence":10000,"priorityLevelConfiguration":{"name":"catch-all"},"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[{"kind":"Group","group":{"name":"*"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}}"#;

/// The configuration as it is followed.
#[derive(Default)]
struct Objects {
    levels: HashMap<String, PriorityLevel>,
    schemas: HashMap<String, FlowSchema>,
}

/// Classifies requests and holds their seats.
pub(super) struct Flow {
    control: FlowControl,
    _tasks: DropGuard,
}

/// What became of a request.
pub(super) enum Admitted {
    /// It may go on, and how its answer is marked.
    Go(Option<Permit>, Option<Marks>),
    /// It is answered so.
    Refused(Reply),
}

/// The UIDs that an answer names.
pub(super) struct Marks(Classified);

impl Marks {
    // upstream: priority-and-fairness.go#setResponseHeaders
    pub(super) fn put(&self, reply: &mut Reply) {
        for (name, uid) in [
            (SCHEMA_UID, &self.0.schema_uid),
            (LEVEL_UID, &self.0.level_uid),
        ] {
            if let Ok(value) = HeaderValue::from_str(uid) {
                reply.headers_mut().insert(name, value);
            }
        }
    }
}

impl Flow {
    /// Loads the configuration and keeps it: every change counts at once.
    pub(super) async fn start(
        registry: &Registry,
        limits: &Limits,
        metrics: &mut prometheus_client::registry::Registry,
    ) -> Result<Self, Status> {
        let control = FlowControl::new(limits.reads_in_flight + limits.writes_in_flight, metrics);
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let objects = Arc::new(Mutex::new(Objects::default()));
        let changed = Arc::new(Notify::new());
        for (plural, take) in [
            (
                "prioritylevelconfigurations",
                take_level as fn(&mut Objects, &Change),
            ),
            ("flowschemas", take_schema),
        ] {
            let (objects, control, changed) = (objects.clone(), control.clone(), changed.clone());
            follow(registry, (GROUP, "v1", plural), &stop, move |change| {
                let mut objects = objects.lock();
                take(&mut objects, &change);
                configure(&control, &objects);
                changed.notify_one();
            })
            .await?;
        }
        tokio::spawn({
            let (control, stop) = (control.clone(), stop.clone());
            async move { stop.run_until_cancelled(control.keep_adjusting()).await }
        });
        let registry = registry.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(async {
                loop {
                    changed.notified().await;
                    conditions(&registry, &objects).await;
                }
            })
            .await
        });
        Ok(Self {
            control,
            _tasks: guard,
        })
    }

    /// Classifies a request and waits for its turn. Long-running requests but watches need no seat; a watch has one
    /// until its answer begins.
    // upstream: priority-and-fairness.go#Handle
    pub(super) async fn enter(
        &self,
        registry: &Registry,
        info: &RequestInfo,
        user: &UserInfo,
        query: &Query,
        long_running: bool,
        patience: Duration,
    ) -> Admitted {
        if long_running && info.verb != "watch" {
            return Admitted::Go(None, None);
        }
        let digest = Digest {
            user: &user.name,
            groups: &user.groups,
            verb: &info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            path: &info.path,
        };
        let Some(classified) = self.control.classify(&digest) else {
            return Admitted::Refused(too_many());
        };
        let seats = if classified.is_exempt() {
            1
        } else {
            width(registry, info, query, classified.most_seats)
        };
        match self.control.enter(&classified, seats, patience).await {
            Entered::Go(permit) => Admitted::Go(Some(permit), Some(Marks(classified))),
            Entered::Rejected(reason) => {
                tracing::debug!(
                    user = user.name, schema = %classified.schema, level = %classified.level, reason = reason.0,
                    "request refused: too many"
                );
                let mut reply = too_many();
                Marks(classified).put(&mut reply);
                Admitted::Refused(reply)
            }
        }
    }
}

// upstream: apiserver/pkg/server/filters/maxinflight.go#tooManyRequests
fn too_many() -> Reply {
    let mut reply = respond::text(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests, please try again later.\n",
    );
    reply
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// How many seats a request takes: a list, and a watch that begins with one, by the objects that it goes through.
// upstream: apiserver/pkg/util/flowcontrol/request/width.go
fn width(registry: &Registry, info: &RequestInfo, query: &Query, most: usize) -> usize {
    let initial = match info.verb.as_str() {
        "list" => true,
        "watch" => {
            query.flag("sendInitialEvents").unwrap_or_default()
                || query
                    .get("resourceVersion")
                    .is_none_or(|v| v.is_empty() || v == "0")
        }
        _ => false,
    };
    if !initial || !info.is_resource {
        return 1;
    }
    let Some(row) = registry
        .table()
        .find(&info.group, &info.version, &info.resource)
    else {
        return 1;
    };
    let namespace = Some(info.namespace.as_str()).filter(|n| !n.is_empty());
    let shape = ListShape {
        // More than these make no difference.
        stored: registry
            .store()
            .snapshot()
            .range(&row.range(namespace), None)
            .take(1_000)
            .count(),
        limit: query.text("limit").parse().unwrap_or(0),
        by_name: !info.name.is_empty(),
    };
    list_seats(shape, most)
}

fn take_level(objects: &mut Objects, change: &Change) {
    take(&mut objects.levels, change, PriorityLevel::parse, |l| {
        l.name().to_owned()
    });
}

fn take_schema(objects: &mut Objects, change: &Change) {
    take(&mut objects.schemas, change, FlowSchema::parse, |s| {
        s.name().to_owned()
    });
}

fn take<T>(
    into: &mut HashMap<String, T>,
    change: &Change,
    parse: impl Fn(&[u8]) -> Result<T, flowcontrol::ConfigError>,
    name: impl Fn(&T) -> String,
) {
    let parsed = |json: &[u8]| match parse(json) {
        Ok(object) => Some((name(&object), object)),
        Err(error) => {
            tracing::warn!(%error, "a priority and fairness object is passed over");
            None
        }
    };
    match change {
        Change::Replace(all) => *into = all.iter().filter_map(|o| parsed(o.json())).collect(),
        Change::Put(object) => into.extend(parsed(object.json())),
        Change::Delete(object) => {
            if let Some((name, _)) = parsed(object.json()) {
                into.remove(&name);
            }
        }
    }
}

fn configure(control: &FlowControl, objects: &Objects) {
    let mut levels: Vec<PriorityLevel> = objects.levels.values().cloned().collect();
    for (name, json) in [("exempt", EXEMPT), ("catch-all", CATCH_ALL)] {
        if !objects.levels.contains_key(name) {
            levels.extend(PriorityLevel::parse(json));
        }
    }
    let mut schemas: Vec<FlowSchema> = objects.schemas.values().cloned().collect();
    for (name, json) in [("exempt", EXEMPT_SCHEMA), ("catch-all", CATCH_ALL_SCHEMA)] {
        if !objects.schemas.contains_key(name) {
            schemas.extend(FlowSchema::parse(json));
        }
    }
    control.configure(levels, schemas);
}

/// Writes the `Dangling` condition of the schemas that don't have the right one. What fails is tried again with the
/// next change.
// upstream: apf_controller.go#syncFlowSchemaStatuses
async fn conditions(registry: &Registry, objects: &Mutex<Objects>) {
    let needed: Vec<_> = {
        let objects = objects.lock();
        objects
            .schemas
            .values()
            .filter_map(|schema| {
                let exists = objects.levels.contains_key(schema.level());
                Some((schema.name().to_owned(), schema.needed_condition(exists)?))
            })
            .collect()
    };
    let Some(row) = registry.table().find(GROUP, "v1", "flowschemas").cloned() else {
        return;
    };
    for (name, condition) in needed {
        let target = Target::object(&row, None, &name).subresource("status");
        let apply = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
            "status": {"conditions": [{
                "type": "Dangling", "status": if condition.dangling { "True" } else { "False" },
                "lastTransitionTime": machinery::time::format(jiff::Timestamp::now()), "reason": condition.reason, "message": condition.message,
            }]},
        });
        let options = PatchOptions {
            write: WriteOptions {
                field_manager: MANAGER.to_owned(),
                ..WriteOptions::default()
            },
            force: true,
        };
        let written = registry
            .patch(
                &RequestContext::system(),
                &target,
                Patch::Apply(apply),
                &options,
            )
            .await;
        if let Err(status) = written {
            tracing::debug!(schema = name, %status, "the Dangling condition was not written");
        }
    }
}
