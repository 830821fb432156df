//! A node may only touch its own Node, its Lease and the pods that are bound to it.
//!
//! Together with the node authoriser, which decides what a node may read.
//!
//! upstream: plugin/pkg/admission/noderestriction/admission.go

use async_trait::async_trait;
use machinery::go::quote;
use machinery::{ObjectExt, Status};
use serde_json::{Map, Value};

use super::{Admission, Attributes, Operation};
use crate::registry::Registry;
use crate::value::Read;

const MIRROR: &str = "kubernetes.io/config.mirror";
const LEASES: &str = "kube-node-lease";

/// Labels below kubernetes.io and k8s.io that a node may set on itself.
///
/// upstream: staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "node.kubernetes.io/windows-build",
];

/// The plug-in.
#[derive(Debug)]
pub struct NodeRestriction;

#[async_trait]
impl Admission for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation != Operation::Connect
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let user = attributes.context.user();
        if !user.in_group("system:nodes") {
            return Ok(());
        }
        let object = object.as_deref();
        let Some(node) = user.node().filter(|n| !n.is_empty()) else {
            let why = format!("could not determine node from user {}", quote(&user.name));
            return Err(attributes.forbidden(object, why));
        };
        match (
            attributes.resource.group.as_str(),
            attributes.resource.plural.as_str(),
            attributes.subresource,
        ) {
            ("", "pods", "") => pod(registry, attributes, object, node),
            ("", "pods", "status") => pod_status(attributes, object, node),
            ("", "pods", "eviction") => eviction(registry, attributes, object, node),
            ("", "pods", other) => Err(attributes.forbidden(
                object,
                format!(
                    "unexpected pod subresource {}, only 'status' and 'eviction' are allowed",
                    quote(other)
                ),
            )),
            ("", "nodes", _) => own_node(attributes, object, node),
            ("", "serviceaccounts", "token") => Ok(()),
            ("coordination.k8s.io", "leases", _) => lease(attributes, object, node),
            ("storage.k8s.io", "csinodes", _) => named(attributes, object, node, "CSINode"),
            ("", "persistentvolumeclaims", "status")
            | ("", "events", _)
            | ("events.k8s.io", "events", _) => Ok(()),
            _ => Ok(()),
        }
    }
}

/// upstream: admission.go#admitPod
fn pod(
    registry: &Registry,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    node: &str,
) -> Result<(), Status> {
    let deny = |why: String| Err(attributes.forbidden(object, why));
    match attributes.operation {
        Operation::Create => {
            let Some(pod) = object else { return Ok(()) };
            if pod.annotation(MIRROR).is_none() {
                return deny(format!(
                    "pod does not have {} annotation, node {} can only create mirror pods",
                    quote(MIRROR),
                    quote(node)
                ));
            }
            let target = pod.text_at(&["spec", "nodeName"]);
            if target != node {
                return deny(format!(
                    "node {} can only create pods with spec.nodeName set to itself",
                    quote(node)
                ));
            }
            let owners = pod.owner_references();
            let own_uid = registry.table().find("", "v1", "nodes").and_then(|r| {
                registry
                    .stored(r, None, node)
                    .map(|s| s.value().uid().to_owned())
            });
            let owned = match owners.as_slice() {
                [] => false,
                [owner] => {
                    owner.api_version == "v1"
                        && owner.kind == "Node"
                        && owner.name == node
                        && Some(&owner.uid) == own_uid.as_ref()
                }
                _ => {
                    return deny(format!(
                        "node {} can only create pods with a single owner reference set to itself",
                        quote(node)
                    ));
                }
            };
            if !owned {
                return deny(format!(
                    "node {} can only create pods with an owner reference set to itself",
                    quote(node)
                ));
            }
            if !pod.text_at(&["spec", "serviceAccountName"]).is_empty() {
                return deny(format!(
                    "node {} can not create pods that reference a service account",
                    quote(node)
                ));
            }
            let volumes = pod.at(&["spec", "volumes"]).and_then(Value::as_array);
            for volume in volumes.into_iter().flatten() {
                for (kind, text) in [
                    ("secret", "secrets"),
                    ("configMap", "configmaps"),
                    ("persistentVolumeClaim", "persistentvolumeclaims"),
                ] {
                    if volume.has(kind) {
                        return deny(format!(
                            "node {} can not create pods that reference {text}",
                            quote(node)
                        ));
                    }
                }
            }
            Ok(())
        }
        Operation::Delete => match attributes.old {
            Some(old) if old.text_at(&["spec", "nodeName"]) != node => deny(format!(
                "node {} can only delete pods with spec.nodeName set to itself",
                quote(node)
            )),
            _ => Ok(()),
        },
        other => deny(format!(
            "unexpected operation {}, node {} can only create and delete mirror pods",
            quote(other.as_str()),
            quote(node)
        )),
    }
}

/// upstream: admission.go#admitPodStatus
fn pod_status(
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    node: &str,
) -> Result<(), Status> {
    let deny = |why: String| Err(attributes.forbidden(object, why));
    if attributes.operation != Operation::Update {
        return deny(format!(
            "unexpected operation {}",
            quote(attributes.operation.as_str())
        ));
    }
    let Some(old) = attributes.old else {
        return Ok(());
    };
    if old.text_at(&["spec", "nodeName"]) != node {
        return deny(format!(
            "node {} can only update pod status for pods with spec.nodeName set to itself",
            quote(node)
        ));
    }
    if let Some(new) = object
        && new.labels() != old.labels()
        && !machinery::equality::semantic_opt(
            new.at(&["metadata", "labels"]),
            old.at(&["metadata", "labels"]),
        )
    {
        return deny(format!(
            "node {} cannot update labels through pod status",
            quote(node)
        ));
    }
    Ok(())
}

/// upstream: admission.go#admitPodEviction
fn eviction(
    registry: &Registry,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    node: &str,
) -> Result<(), Status> {
    match registry.stored(
        attributes.resource,
        Some(attributes.namespace),
        attributes.name,
    ) {
        Some(stored) if stored.value().text_at(&["spec", "nodeName"]) != node => Err(attributes
            .forbidden(
                object,
                format!(
                    "node {} can only evict pods with spec.nodeName set to itself",
                    quote(node)
                ),
            )),
        _ => Ok(()),
    }
}

/// upstream: admission.go#admitNode
fn own_node(attributes: &Attributes<'_>, object: Option<&Value>, node: &str) -> Result<(), Status> {
    let deny = |why: String| Err(attributes.forbidden(object, why));
    let requested = match (attributes.name, object) {
        ("", Some(object)) => object.name(),
        (name, _) => name,
    };
    if requested != node {
        return deny(format!(
            "node {} is not allowed to modify node {}",
            quote(node),
            quote(requested)
        ));
    }
    match (attributes.operation, object, attributes.old) {
        (Operation::Create, Some(new), _) => {
            if new
                .at(&["spec", "configSource"])
                .is_some_and(|v| !v.is_null())
            {
                return deny(format!(
                    "node {} is not allowed to create pods with a non-nil configSource",
                    quote(node)
                ));
            }
            let modified = modified_labels(new.labels(), None);
            refuse_labels(attributes, object, node, &modified, "set")?;
        }
        (Operation::Update, Some(new), Some(old)) => {
            if !machinery::equality::semantic_opt(
                new.at(&["spec", "taints"]),
                old.at(&["spec", "taints"]),
            ) {
                return deny(format!(
                    "node {} is not allowed to modify taints",
                    quote(node)
                ));
            }
            let same = |a: &Value, b: &Value| {
                machinery::equality::semantic_opt(
                    a.at(&["metadata", "ownerReferences"]),
                    b.at(&["metadata", "ownerReferences"]),
                )
            };
            if !same(new, old) {
                return deny(format!(
                    "node {} is not allowed to modify ownerReferences",
                    quote(node)
                ));
            }
            let modified = modified_labels(new.labels(), old.labels());
            refuse_labels(attributes, object, node, &modified, "modify")?;
        }
        _ => {}
    }
    Ok(())
}

/// Labels that differ and that a node may not change.
///
/// upstream: admission.go#getModifiedLabels, #getForbiddenLabels
fn modified_labels(
    new: Option<&Map<String, Value>>,
    old: Option<&Map<String, Value>>,
) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in new
        .into_iter()
        .flatten()
        .chain(old.into_iter().flatten())
        .map(|(k, _)| k)
    {
        if new.and_then(|l| l.get(key)) != old.and_then(|l| l.get(key))
            && is_restricted(key)
            && !keys.contains(key)
        {
            keys.push(key.clone());
        }
    }
    keys.sort();
    keys
}

fn is_restricted(label: &str) -> bool {
    let Some((domain, _)) = label.split_once('/') else {
        return false;
    };
    let below = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    if below("node-restriction.kubernetes.io") {
        return true;
    }
    if !below("kubernetes.io") && !below("k8s.io") {
        return false;
    }
    !(OWN_LABELS.contains(&label) || below("kubelet.kubernetes.io") || below("node.kubernetes.io"))
}

fn refuse_labels(
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    node: &str,
    labels: &[String],
    what: &str,
) -> Result<(), Status> {
    if labels.is_empty() {
        return Ok(());
    }
    let why = format!(
        "node {} is not allowed to {what} the following labels: {}",
        quote(node),
        labels.join(", ")
    );
    Err(attributes.forbidden(object, why))
}

/// upstream: admission.go#admitLease
fn lease(attributes: &Attributes<'_>, object: Option<&Value>, node: &str) -> Result<(), Status> {
    if attributes.namespace != LEASES {
        let why = format!(
            "can only access leases in the {} system namespace",
            quote(LEASES)
        );
        return Err(attributes.forbidden(object, why));
    }
    let name = match (attributes.operation, object) {
        (Operation::Create, Some(object)) => object.name(),
        _ => attributes.name,
    };
    if name != node {
        return Err(attributes.forbidden(
            object,
            "can only access node lease with the same name as the requesting node",
        ));
    }
    Ok(())
}

/// upstream: admission.go#admitCSINode
fn named(
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    node: &str,
    kind: &str,
) -> Result<(), Status> {
    let name = match (attributes.operation, object) {
        (Operation::Create, Some(object)) => object.name(),
        _ => attributes.name,
    };
    if name != node {
        return Err(attributes.forbidden(
            object,
            format!("can only access {kind} with the same name as the requesting node"),
        ));
    }
    Ok(())
}
