//! The Node authoriser: a node reads what the pods bound to it refer to, and its own objects.
// upstream: plugin/pkg/auth/authorizer/node/node_authorizer.go

use super::Decision;
use super::attributes::Attributes;
use super::node_graph::{NodeGraph, Vertex};
use super::node_rules;

fn no(reason: impl Into<String>) -> Decision {
    Decision::NoOpinion(reason.into())
}

fn yes() -> Decision {
    Decision::Allow(String::new())
}

pub(super) fn authorize(graph: &NodeGraph, a: &Attributes<'_>) -> Decision {
    // upstream: pkg/auth/nodeidentifier/default.go
    if !a.user.in_group("system:nodes") {
        return no("");
    }
    let Some(node) = a
        .user
        .name
        .strip_prefix("system:node:")
        .filter(|n| !n.is_empty())
    else {
        return no("");
    };
    if a.is_resource {
        match (a.group, a.resource) {
            ("", "secrets") => return read_namespaced(graph, node, Vertex::Secret, a),
            ("", "configmaps") => return read_namespaced(graph, node, Vertex::ConfigMap, a),
            ("", "persistentvolumeclaims") => {
                return match a.subresource {
                    "status" => update_status(graph, node, Vertex::Claim, a),
                    _ => get(graph, node, Vertex::Claim, a),
                };
            }
            ("", "persistentvolumes") => return get(graph, node, Vertex::Volume, a),
            ("storage.k8s.io", "volumeattachments") => {
                return get(graph, node, Vertex::Attachment, a);
            }
            ("resource.k8s.io", "resourceclaims") => {
                return get(graph, node, Vertex::ResourceClaim, a);
            }
            ("", "serviceaccounts") => {
                return match a.subresource {
                    "token" => create_token(graph, node, a),
                    _ => read_namespaced(graph, node, Vertex::ServiceAccount, a),
                };
            }
            ("coordination.k8s.io", "leases") => return lease(node, a),
            ("storage.k8s.io", "csinodes") => return csi_node(node, a),
            ("resource.k8s.io", "resourceslices") => return resource_slice(node, a),
            ("", "nodes") => return own_node(node, a),
            ("", "pods") => return pod(graph, node, a),
            _ => {}
        }
    }
    if node_rules::allows(a) { yes() } else { no("") }
}

fn related(graph: &NodeGraph, node: &str, vertex: Vertex, a: &Attributes<'_>) -> Decision {
    if a.name.is_empty() {
        return no("No Object name found");
    }
    if graph.related(node, vertex, a.namespace, a.name) {
        yes()
    } else {
        no(format!(
            "no relationship found between node '{node}' and this object"
        ))
    }
}

// upstream: #authorizeStatusUpdate
fn update_status(graph: &NodeGraph, node: &str, vertex: Vertex, a: &Attributes<'_>) -> Decision {
    match a.verb {
        "update" | "patch" => related(graph, node, vertex, a),
        _ => no("can only get/update/patch this type"),
    }
}

// upstream: #authorizeGet
fn get(graph: &NodeGraph, node: &str, vertex: Vertex, a: &Attributes<'_>) -> Decision {
    if a.verb != "get" {
        return no("can only get individual resources of this type");
    }
    if !a.subresource.is_empty() {
        return no("cannot get subresource");
    }
    related(graph, node, vertex, a)
}

// upstream: #authorizeReadNamespacedObject
fn read_namespaced(graph: &NodeGraph, node: &str, vertex: Vertex, a: &Attributes<'_>) -> Decision {
    if !matches!(a.verb, "get" | "list" | "watch") {
        return no("can only read resources of this type");
    }
    if !a.subresource.is_empty() {
        return no("cannot read subresource");
    }
    if a.namespace.is_empty() {
        return no("can only read namespaced object of this type");
    }
    related(graph, node, vertex, a)
}

// upstream: #authorizeCreateToken
fn create_token(graph: &NodeGraph, node: &str, a: &Attributes<'_>) -> Decision {
    if a.verb != "create" || a.name.is_empty() {
        return no("can only create tokens for individual service accounts");
    }
    related(graph, node, Vertex::ServiceAccount, a)
}

// upstream: #authorizeLease
fn lease(node: &str, a: &Attributes<'_>) -> Decision {
    if !matches!(a.verb, "get" | "create" | "update" | "patch" | "delete") {
        return no("can only get, create, update, patch, or delete a node lease");
    }
    if a.namespace != "kube-node-lease" {
        return no("can only access leases in the \"kube-node-lease\" system namespace");
    }
    if a.verb != "create" && a.name != node {
        return no("can only access node lease with the same name as the requesting node");
    }
    yes()
}

// upstream: #authorizeCSINode
fn csi_node(node: &str, a: &Attributes<'_>) -> Decision {
    if !matches!(a.verb, "get" | "create" | "update" | "patch" | "delete") {
        return no("can only get, create, update, patch, or delete a CSINode");
    }
    if !a.subresource.is_empty() {
        return no("cannot authorize CSINode subresources");
    }
    if a.verb != "create" && a.name != node {
        return no("can only access CSINode with the same name as the requesting node");
    }
    yes()
}

// upstream: #authorizeResourceSlice
fn resource_slice(node: &str, a: &Attributes<'_>) -> Decision {
    if !a.subresource.is_empty() {
        return no("cannot authorize ResourceSlice subresources");
    }
    match a.verb {
        // Whose slice it is, admission checks.
        "create" => yes(),
        "list" | "watch" | "deletecollection" => {
            if a.fields
                .iter()
                .any(|(k, v)| k == "spec.nodeName" && v == node)
            {
                yes()
            } else {
                no(
                    "can only list/watch/deletecollection resourceslices with nodeName field selector",
                )
            }
        }
        _ => no(
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
        ),
    }
}

// upstream: #authorizeNode
fn own_node(node: &str, a: &Attributes<'_>) -> Decision {
    match a.subresource {
        "" => match a.verb {
            // What is written, and to which node, admission checks (NodeRestriction); a name in the path must be its own here.
            "create" => yes(),
            "update" | "patch" => {
                if a.name == node {
                    yes()
                } else {
                    no(format!(
                        "node '{node}' cannot write '{}', only its own Node object",
                        a.name
                    ))
                }
            }
            "get" | "list" | "watch" => {
                if a.name == node {
                    yes()
                } else if a.name.is_empty() {
                    no(format!(
                        "node '{node}' cannot read all nodes, only its own Node object"
                    ))
                } else {
                    no(format!(
                        "node '{node}' cannot read '{}', only its own Node object",
                        a.name
                    ))
                }
            }
            _ => no("can only create, get, list, watch, update or patch a Node"),
        },
        "status" => match a.verb {
            "update" | "patch" if a.name == node => yes(),
            "update" | "patch" => no(format!(
                "node '{node}' cannot write '{}', only its own Node object",
                a.name
            )),
            _ => no("can only update or patch Node status"),
        },
        _ => no("only the status subresource of a Node is allowed"),
    }
}

// upstream: #authorizePod
fn pod(graph: &NodeGraph, node: &str, a: &Attributes<'_>) -> Decision {
    match a.subresource {
        "" => match a.verb {
            "get" => related(graph, node, Vertex::Pod, a),
            "list" | "watch" => {
                if a.fields
                    .iter()
                    .any(|(k, v)| k == "spec.nodeName" && v == node)
                {
                    return yes();
                }
                if !a.namespace.is_empty() && !a.name.is_empty() {
                    return related(graph, node, Vertex::Pod, a);
                }
                no("can only list/watch pods with spec.nodeName field selector")
            }
            // Mirror pods of its own, which admission checks.
            "create" => yes(),
            "delete" => {
                if graph.related(node, Vertex::Pod, a.namespace, a.name)
                    || !graph.has_pod(a.namespace, a.name)
                {
                    yes()
                } else {
                    no(format!("node '{node}' can only delete pods bound to it"))
                }
            }
            _ => no("can only get, list, watch, create or delete pods"),
        },
        "status" => match a.verb {
            "update" | "patch" => {
                if graph.related(node, Vertex::Pod, a.namespace, a.name)
                    || !graph.has_pod(a.namespace, a.name)
                {
                    yes()
                } else {
                    no(format!(
                        "node '{node}' can only update the status of pods bound to it"
                    ))
                }
            }
            _ => no("can only update or patch pod status"),
        },
        "eviction" if a.verb == "create" => yes(),
        _ => no("only the status and eviction subresources of a Pod are allowed"),
    }
}
