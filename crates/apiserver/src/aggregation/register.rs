//! What this server serves itself, as local APIServices: built-in groups once at the start, those of custom resources for as
//! long as they are.
// upstream: kube-aggregator/pkg/controllers/autoregister/autoregister_controller.go,
// pkg/controlplane/controller/crdregistration/crdregistration_controller.go

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use machinery::{ObjectExt, Reason, Status};
use parking_lot::Mutex;
use registry::{
    CreateOptions, DeleteOptions, Registry, RequestContext, Resource, Target, UpdateOptions,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::priorities::{BUILT_IN, CUSTOM};
use crate::authz::follow::{Change, follow};

const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
const CRDS: (&str, &str, &str) = ("apiextensions.k8s.io", "v1", "customresourcedefinitions");

/// Served versions by definition.
type Definitions = Arc<Mutex<BTreeMap<String, Vec<(String, String)>>>>;

pub(super) async fn run(registry: Registry, stop: CancellationToken) {
    let definitions: Definitions = Arc::default();
    let woken = Arc::new(Notify::new());
    let (group, version, plural) = CRDS;
    let custom = registry.table().find(group, version, plural).is_some();
    if custom {
        let (keep, wake) = (definitions.clone(), woken.clone());
        let followed = follow(&registry, CRDS, &stop, move |change| {
            apply(&keep, change);
            wake.notify_one();
        })
        .await;
        if let Err(status) = followed {
            tracing::debug!(%status, "definitions of custom resources are not followed");
            return;
        }
    }
    let wake = woken.clone();
    let watched = follow(&registry, super::APISERVICES, &stop, move |_| {
        wake.notify_one();
    })
    .await;
    if watched.is_err() {
        return;
    }
    let mut first = true;
    let mut pause = Duration::from_millis(100);
    loop {
        let synced = tokio::select! {
            () = stop.cancelled() => return,
            synced = sync(&registry, &definitions, first) => synced,
        };
        match synced {
            Ok(()) => {
                first = false;
                pause = Duration::from_millis(100);
            }
            Err(status) => {
                tracing::debug!(%status, "local API services are registered again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(30));
                continue;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken.notified() => {}
        }
    }
}

fn apply(definitions: &Definitions, change: Change) {
    let mut definitions = definitions.lock();
    match change {
        Change::Replace(all) => {
            *definitions = all
                .iter()
                .map(|o| {
                    let value = o.value();
                    (value.name().to_owned(), served(&value))
                })
                .collect();
        }
        Change::Put(object) => {
            let value = object.value();
            definitions.insert(value.name().to_owned(), served(&value));
        }
        Change::Delete(object) => {
            definitions.remove(object.value().name());
        }
    }
}

/// The versions of an established definition.
fn served(definition: &Value) -> Vec<(String, String)> {
    let list = |path: &[&str]| -> Vec<Value> {
        definition
            .at(path)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let established = list(&["status", "conditions"])
        .iter()
        .any(|c| c.text_at(&["type"]) == "Established" && c.text_at(&["status"]) == "True");
    if !established {
        return Vec::new();
    }
    let group = definition.text_at(&["spec", "group"]);
    list(&["spec", "versions"])
        .iter()
        .filter(|v| v.at(&["served"]).and_then(Value::as_bool) == Some(true))
        .map(|v| (group.to_owned(), v.text_at(&["name"]).to_owned()))
        .collect()
}

fn service(group: &str, version: &str, priority: (i64, i64), managed: &str) -> Value {
    let mut spec = json!({"version": version, "groupPriorityMinimum": priority.0, "versionPriority": priority.1});
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    json!({"metadata": {"name": format!("{version}.{group}"), "labels": {MANAGED: managed}}, "spec": spec})
}

/// upstream: autoregister_controller.go#checkAPIService
async fn sync(registry: &Registry, definitions: &Definitions, first: bool) -> Result<(), Status> {
    let (group, version, plural) = super::APISERVICES;
    let row = registry
        .table()
        .find(group, version, plural)
        .ok_or_else(Status::unknown_resource)?
        .clone();
    let mut desired: Vec<(Value, bool)> = Vec::new();
    if first {
        for (group, version, of_group, of_version) in BUILT_IN {
            let is_served = registry
                .table()
                .iter()
                .any(|r| r.group == *group && r.version == *version);
            if is_served {
                let object = service(group, version, (*of_group, *of_version), "onstart");
                desired.push((object, true));
            }
        }
    }
    let custom: BTreeSet<(String, String)> =
        definitions.lock().values().flatten().cloned().collect();
    for (group, version) in &custom {
        desired.push((service(group, version, CUSTOM, "true"), false));
    }
    for (object, on_start) in &desired {
        ensure(registry, &row, object, *on_start).await?;
    }
    // Those of custom resources that are gone.
    let spurious: Vec<Value> = registry
        .store()
        .snapshot()
        .range(&row.prefix, None)
        .map(|e| e.value.value())
        .filter(|s| {
            let managed = s.text_at(&["metadata", "labels", MANAGED]);
            let key = super::remote::key(s);
            managed == "true" && !custom.contains(&key)
        })
        .collect();
    for object in spurious {
        let mut options = DeleteOptions::default();
        options.preconditions.uid = Some(object.uid().to_owned());
        let target = Target::object(&row, None, object.name());
        match registry
            .delete(&RequestContext::system(), &target, &options)
            .await
        {
            Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

async fn ensure(
    registry: &Registry,
    row: &Arc<Resource>,
    desired: &Value,
    on_start: bool,
) -> Result<(), Status> {
    let context = RequestContext::system();
    let name = desired.name();
    let Some(stored) = registry.stored(row, None, name) else {
        let made = registry
            .create(
                &context,
                &Target::collection(row, None),
                desired.clone(),
                &CreateOptions::default(),
            )
            .await;
        return match made {
            Err(status) if status.is(Reason::AlreadyExists) => Ok(()),
            other => other.map(drop),
        };
    };
    let mut present = stored.value();
    let managed = present.text_at(&["metadata", "labels", MANAGED]);
    // Somebody's own is left alone.
    if !["true", "onstart"].contains(&managed) || (managed == "onstart" && !on_start) {
        return Ok(());
    }
    if machinery::equality::semantic_opt(present.field("spec"), desired.field("spec")) {
        return Ok(());
    }
    if let Some(spec) = desired.field("spec") {
        present.set_at(&["spec"], spec.clone());
    }
    match registry
        .update(
            &context,
            &Target::object(row, None, name),
            present,
            &UpdateOptions::default(),
        )
        .await
    {
        Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => Ok(()),
        other => other.map(drop),
    }
}
