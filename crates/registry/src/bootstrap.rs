//! What a new cluster has, reconciled at each start: namespaces, priority classes, RBAC, flow control, the `kubernetes`
//! Service.
//!
//! Reconciling is idempotent: what is absent is made, rules and subjects that an earlier version lacked are added, what an
//! operator added stays; an object whose `autoupdate` annotation is `false` is left alone.
//!
//! upstream: pkg/registry/rbac/rest/storage_rbac.go#PostStartHook, pkg/registry/flowcontrol/ensurer,
//! pkg/controlplane/controller/{systemnamespaces,kubernetesservice}, pkg/registry/scheduling/rest/storage_scheduling.go

mod bindings;
mod controllers;
mod daas;
mod flow;
mod rbac;
mod roles;

use std::net::IpAddr;

use machinery::{ObjectExt, Reason, Status};
use serde_json::{Value, json};

use crate::context::RequestContext;
use crate::options::{CreateOptions, UpdateOptions};
use crate::registry::Registry;
use crate::target::Target;
use crate::value::{Read, Write};

/// What the bootstrap needs to know of this server.
#[derive(Clone, Debug, Default)]
pub struct BootstrapOptions {
    /// Addresses at which pods reach this server; none leaves the `kubernetes` Service without endpoints.
    pub addresses: Vec<IpAddr>,
    /// Its port there.
    pub port: u16,
}

/// One bootstrap object and where it belongs.
#[derive(Clone, Debug)]
pub struct BootstrapObject {
    /// Group of the resource.
    pub group: &'static str,
    /// Plural of the resource; the version is `v1`.
    pub plural: &'static str,
    /// The object, without `apiVersion` and `kind`.
    pub object: Value,
}

fn of(group: &'static str, plural: &'static str, object: Value) -> BootstrapObject {
    BootstrapObject {
        group,
        plural,
        object,
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

/// Upstream's bootstrap objects, in the order in which they are made.
pub fn upstream_objects() -> Vec<BootstrapObject> {
    let mut all: Vec<BootstrapObject> = NAMESPACES
        .iter()
        .map(|n| of("", "namespaces", json!({"metadata": {"name": n}})))
        .collect();
    for (name, value, text) in [
        (
            "system-node-critical",
            2_000_001_000_i64,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ] {
        let class = json!({"metadata": {"name": name}, "value": value, "description": text, "preemptionPolicy": "PreemptLowerPriority"});
        all.push(of("scheduling.k8s.io", "priorityclasses", class));
    }
    all.extend(
        rbac::cluster_roles()
            .into_iter()
            .map(|o| of(RBAC, "clusterroles", o)),
    );
    all.extend(
        rbac::cluster_role_bindings()
            .into_iter()
            .map(|o| of(RBAC, "clusterrolebindings", o)),
    );
    all.extend(rbac::roles().into_iter().map(|o| of(RBAC, "roles", o)));
    all.extend(
        rbac::role_bindings()
            .into_iter()
            .map(|o| of(RBAC, "rolebindings", o)),
    );
    all.extend(
        flow::priority_levels()
            .into_iter()
            .map(|o| of(FLOW, "prioritylevelconfigurations", o)),
    );
    all.extend(
        flow::schemas()
            .into_iter()
            .map(|o| of(FLOW, "flowschemas", o)),
    );
    all
}

/// Makes or updates everything. Safe to call at each start, and by several servers at once.
pub async fn reconcile(registry: &Registry, options: &BootstrapOptions) -> Result<(), Status> {
    let mut all = upstream_objects();
    all.extend(
        daas::objects()
            .into_iter()
            .map(|(plural, object)| of(RBAC, plural, object)),
    );
    for item in &all {
        ensure(registry, item).await?;
    }
    for namespace in NAMESPACES {
        let account = of(
            "",
            "serviceaccounts",
            json!({"metadata": {"name": "default", "namespace": namespace}}),
        );
        ensure(registry, &account).await?;
    }
    kubernetes_service(registry, options).await
}

/// Makes an object, or brings the one that is there up to date.
async fn ensure(registry: &Registry, item: &BootstrapObject) -> Result<(), Status> {
    let context = RequestContext::system();
    let name = item.object.name();
    let namespace = Some(item.object.namespace()).filter(|n| !n.is_empty());
    let resource = registry
        .table()
        .find(item.group, "v1", item.plural)
        .ok_or_else(Status::unknown_resource)?;
    loop {
        let Some(stored) = registry.stored(resource, namespace, name) else {
            let target = Target::collection(resource, namespace);
            match registry
                .create(
                    &context,
                    &target,
                    item.object.clone(),
                    &CreateOptions::default(),
                )
                .await
            {
                Err(status) if status.is(Reason::AlreadyExists) => continue,
                other => return other.map(drop),
            }
        };
        let present = stored.value();
        let Some(updated) = merged(item, &present) else {
            return Ok(());
        };
        let target = Target::object(resource, namespace, name);
        match registry
            .update(&context, &target, updated, &UpdateOptions::default())
            .await
        {
            Err(status) if status.is(Reason::Conflict) => {}
            other => return other.map(drop),
        }
    }
}

/// The present object with what it lacks; `None` when nothing is to be done.
fn merged(item: &BootstrapObject, present: &Value) -> Option<Value> {
    let mut next = present.clone();
    match item.group {
        RBAC => {
            if present.annotation("rbac.authorization.kubernetes.io/autoupdate") == Some("false") {
                return None;
            }
            for map in ["labels", "annotations"] {
                for (key, value) in item
                    .object
                    .at(&["metadata", map])
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    if next.at(&["metadata", map, key]).is_none() {
                        next.set_at(&["metadata", map, key], value.clone());
                    }
                }
            }
            for list in ["rules", "subjects"] {
                let mut have = next.list(list).to_vec();
                let missing: Vec<Value> = item
                    .object
                    .list(list)
                    .iter()
                    .filter(|r| !have.iter().any(|h| same(h, r)))
                    .cloned()
                    .collect();
                if !missing.is_empty() {
                    have.extend(missing);
                    next.put(list, have);
                }
            }
        }
        FLOW => {
            if present.annotation("apf.kubernetes.io/autoupdate-spec") == Some("false") {
                return None;
            }
            if let Some(spec) = item.object.field("spec")
                && !machinery::equality::semantic_opt(present.field("spec"), Some(spec))
            {
                next.put("spec", spec.clone());
            }
        }
        _ => return None,
    }
    (next != *present).then_some(next)
}

/// Whether a stored rule or subject says what a wanted one says; defaults may have been added.
fn same(stored: &Value, wanted: &Value) -> bool {
    let Some(wanted) = wanted.as_object() else {
        return false;
    };
    wanted
        .iter()
        .all(|(key, value)| machinery::equality::semantic_opt(stored.member(key), Some(value)))
}

/// upstream: pkg/controlplane/controller/kubernetesservice/controller.go
async fn kubernetes_service(registry: &Registry, options: &BootstrapOptions) -> Result<(), Status> {
    let context = RequestContext::system();
    let port = if options.port == 0 {
        6443
    } else {
        options.port
    };
    let labels = json!({"provider": "kubernetes", "component": "apiserver"});
    let address = registry
        .inner
        .options
        .service_cidr
        .hosts()
        .next()
        .map(|a| a.to_string())
        .unwrap_or_default();
    let service = json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": address, "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}]},
    });
    ensure(registry, &of("", "services", service)).await?;
    if options.addresses.is_empty() {
        return Ok(());
    }
    let mut addresses: Vec<String> = options.addresses.iter().map(IpAddr::to_string).collect();
    addresses.sort();
    let ips: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    let endpoints = json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": ips, "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}],
    });
    let family = if options.addresses.iter().all(IpAddr::is_ipv4) {
        "IPv4"
    } else {
        "IPv6"
    };
    let each: Vec<Value> = addresses
        .iter()
        .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
        .collect();
    let slice = json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family, "endpoints": each, "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    });
    for (group, plural, object) in [
        ("", "endpoints", endpoints),
        ("discovery.k8s.io", "endpointslices", slice),
    ] {
        let resource = registry
            .table()
            .find(group, "v1", plural)
            .ok_or_else(Status::unknown_resource)?;
        if registry
            .stored(resource, Some("default"), "kubernetes")
            .is_none()
        {
            ensure(registry, &of(group, plural, object)).await?;
        } else {
            let target = Target::object(resource, Some("default"), "kubernetes");
            registry
                .update(&context, &target, object, &UpdateOptions::default())
                .await?;
        }
    }
    Ok(())
}
