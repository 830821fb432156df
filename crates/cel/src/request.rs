//! The type of `request` in admission.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/compile.go#BuildRequestType

use std::sync::OnceLock;

use crate::schema::Schema;

fn text() -> Schema {
    Schema::scalar("string", "").unwrap_or_else(Schema::dynamic)
}

fn object(name: &str, strings: &[&str], others: Vec<(&str, Schema)>) -> Schema {
    Schema::object(
        name,
        strings
            .iter()
            .map(|s| ((*s).to_owned(), text()))
            .chain(others.into_iter().map(|(n, s)| (n.to_owned(), s))),
    )
}

/// `kubernetes.AdmissionRequest`: what [`Value::try_typed`](crate::Value::try_typed) takes for `request`.
pub fn schema() -> Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let kind = || {
                object(
                    "kubernetes.GroupVersionKind",
                    &["group", "version", "kind"],
                    vec![],
                )
            };
            let resource = || {
                object(
                    "kubernetes.GroupVersionResource",
                    &["group", "version", "resource"],
                    vec![],
                )
            };
            let extra = Schema::map_of(Schema::list_of(text()));
            let user = object(
                "kubernetes.UserInfo",
                &["username", "uid"],
                vec![("groups", Schema::list_of(text())), ("extra", extra)],
            );
            object(
                "kubernetes.AdmissionRequest",
                &[
                    "subResource",
                    "requestSubResource",
                    "name",
                    "namespace",
                    "operation",
                ],
                vec![
                    ("kind", kind()),
                    ("resource", resource()),
                    ("requestKind", kind()),
                    ("requestResource", resource()),
                    ("userInfo", user),
                    (
                        "dryRun",
                        Schema::scalar("boolean", "").unwrap_or_else(Schema::dynamic),
                    ),
                    ("options", Schema::dynamic()),
                ],
            )
        })
        .clone()
}

/// The type of `namespaceObject`: `metadata`, `spec.finalizers`, `status`.
///
/// upstream: compile.go#BuildNamespaceType
pub fn namespace_schema() -> Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let strings = || Schema::map_of(text());
            let time = || Schema::scalar("string", "date-time").unwrap_or_else(Schema::dynamic);
            let int = || Schema::scalar("integer", "").unwrap_or_else(Schema::dynamic);
            let metadata = object(
                "kubernetes.NamespaceMetadata",
                &[
                    "name",
                    "generateName",
                    "namespace",
                    "UID",
                    "resourceVersion",
                ],
                vec![
                    ("labels", strings()),
                    ("annotations", strings()),
                    ("creationTimestamp", time()),
                    ("deletionTimestamp", time()),
                    ("deletionGracePeriodSeconds", int()),
                    ("generation", int()),
                    ("finalizers", Schema::list_of(text())),
                ],
            );
            let spec = object(
                "kubernetes.NamespaceSpec",
                &[],
                vec![("finalizers", Schema::list_of(text()))],
            );
            let condition = object(
                "kubernetes.NamespaceCondition",
                &["status", "type", "message", "reason"],
                vec![("lastTransitionTime", time())],
            );
            let status = object(
                "kubernetes.NamespaceStatus",
                &["phase"],
                vec![("conditions", Schema::list_of(condition))],
            );
            object(
                "kubernetes.Namespace",
                &[],
                vec![("metadata", metadata), ("spec", spec), ("status", status)],
            )
        })
        .clone()
}
