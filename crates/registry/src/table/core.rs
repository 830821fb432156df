//! The core group, and events.k8s.io that shows the same events.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::convert::EventsV1;
use crate::resource::{Served, Verb};
use crate::table::row::{
    CONNECT, CREATE, GET, PROXY, READ_WRITE, Row, UPDATE, computed, field, row,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("", "v1", "Binding", "bindings", "binding")
            .namespaced()
            .verbs(&[Verb::Create]),
        row(
            "",
            "v1",
            "ComponentStatus",
            "componentstatuses",
            "componentstatus",
        )
        .short(&["cs"])
        .warning("v1 ComponentStatus is deprecated in v1.19+")
        .verbs(&[Verb::Get, Verb::List])
        .by_server(),
        row("", "v1", "ConfigMap", "configmaps", "configmap")
            .namespaced()
            .short(&["cm"]),
        row("", "v1", "Endpoints", "endpoints", "endpoints")
            .namespaced()
            .short(&["ep"])
            .warning("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        row("", "v1", "Event", "events", "event")
            .namespaced()
            .short(&["ev"])
            .fields(
                &[
                    field("involvedObject.kind"),
                    field("involvedObject.namespace"),
                    field("involvedObject.name"),
                    field("involvedObject.uid"),
                    field("involvedObject.apiVersion"),
                    field("involvedObject.resourceVersion"),
                    field("involvedObject.fieldPath"),
                    field("reason"),
                    computed("reportingComponent", "reportingComponent", ""),
                    computed("source", "", ""),
                    field("type"),
                ],
                "field label not supported: %s",
            ),
        row("", "v1", "LimitRange", "limitranges", "limitrange")
            .namespaced()
            .short(&["limits"]),
        row("", "v1", "Namespace", "namespaces", "namespace")
            .short(&["ns"])
            .verbs(&[
                Verb::Create,
                Verb::Delete,
                Verb::Get,
                Verb::List,
                Verb::Patch,
                Verb::Update,
                Verb::Watch,
            ])
            .fields(&[field("status.phase")], "field label not supported: %s")
            .sub("finalize", "Namespace", None, UPDATE, Served::Registry)
            .status(),
        row("", "v1", "Node", "nodes", "node")
            .short(&["no"])
            .fields(
                &[computed(
                    "spec.unschedulable",
                    "spec.unschedulable",
                    "false",
                )],
                "field label not supported: %s",
            )
            .sub("proxy", "NodeProxyOptions", None, PROXY, Served::Server)
            .status(),
        row(
            "",
            "v1",
            "PersistentVolumeClaim",
            "persistentvolumeclaims",
            "persistentvolumeclaim",
        )
        .namespaced()
        .short(&["pvc"])
        .status(),
        row(
            "",
            "v1",
            "PersistentVolume",
            "persistentvolumes",
            "persistentvolume",
        )
        .short(&["pv"])
        .status(),
        row("", "v1", "Pod", "pods", "pod")
            .namespaced()
            .short(&["po"])
            .categories(&["all"])
            .fields(
                &[
                    field("spec.nodeName"),
                    field("spec.restartPolicy"),
                    field("spec.schedulerName"),
                    field("spec.serviceAccountName"),
                    computed("spec.hostNetwork", "spec.hostNetwork", "false"),
                    field("status.phase"),
                    field("status.podIP"),
                    computed("status.podIPs", "", ""),
                    field("status.nominatedNodeName"),
                ],
                "field label not supported: %s",
            )
            .sub("attach", "PodAttachOptions", None, CONNECT, Served::Server)
            .sub("binding", "Binding", None, CREATE, Served::Registry)
            .sub(
                "ephemeralcontainers",
                "Pod",
                None,
                READ_WRITE,
                Served::Registry,
            )
            .sub(
                "eviction",
                "Eviction",
                Some(("policy", "v1")),
                CREATE,
                Served::Registry,
            )
            .sub("exec", "PodExecOptions", None, CONNECT, Served::Server)
            .sub("log", "Pod", None, GET, Served::Server)
            .sub(
                "portforward",
                "PodPortForwardOptions",
                None,
                CONNECT,
                Served::Server,
            )
            .sub("proxy", "PodProxyOptions", None, PROXY, Served::Server)
            .sub("resize", "Pod", None, READ_WRITE, Served::Registry)
            .status(),
        row("", "v1", "PodTemplate", "podtemplates", "podtemplate").namespaced(),
        row(
            "",
            "v1",
            "ReplicationController",
            "replicationcontrollers",
            "replicationcontroller",
        )
        .namespaced()
        .short(&["rc"])
        .categories(&["all"])
        .fields(
            &[computed("status.replicas", "status.replicas", "0")],
            "field label not supported: %s",
        )
        .scale()
        .status(),
        row("", "v1", "ResourceQuota", "resourcequotas", "resourcequota")
            .namespaced()
            .short(&["quota"])
            .status(),
        row("", "v1", "Secret", "secrets", "secret")
            .namespaced()
            .fields(&[field("type")], "field label not supported: %s"),
        row(
            "",
            "v1",
            "ServiceAccount",
            "serviceaccounts",
            "serviceaccount",
        )
        .namespaced()
        .short(&["sa"])
        .sub(
            "token",
            "TokenRequest",
            Some(("authentication.k8s.io", "v1")),
            CREATE,
            Served::Server,
        ),
        row("", "v1", "Service", "services", "service")
            .namespaced()
            .short(&["svc"])
            .categories(&["all"])
            .fields(
                &[field("spec.clusterIP"), field("spec.type")],
                "field label not supported: %s",
            )
            .sub("proxy", "ServiceProxyOptions", None, PROXY, Served::Server)
            .status(),
        row("events.k8s.io", "v1", "Event", "events", "event")
            .namespaced()
            .short(&["ev"])
            .fields(
                &[
                    computed("regarding.kind", "involvedObject.kind", ""),
                    computed("regarding.namespace", "involvedObject.namespace", ""),
                    computed("regarding.name", "involvedObject.name", ""),
                    computed("regarding.uid", "involvedObject.uid", ""),
                    computed("regarding.apiVersion", "involvedObject.apiVersion", ""),
                    computed(
                        "regarding.resourceVersion",
                        "involvedObject.resourceVersion",
                        "",
                    ),
                    computed("regarding.fieldPath", "involvedObject.fieldPath", ""),
                    field("reason"),
                    computed("reportingController", "reportingComponent", ""),
                    computed("source", "", ""),
                    field("type"),
                ],
                "field label not supported: %s",
            )
            .stored_as("/events/", "v1", &EventsV1),
    ]
}
