//! Scheduling, coordination, node, device and flow control groups.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::table::row::{Row, field, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "scheduling.k8s.io",
            "v1",
            "PriorityClass",
            "priorityclasses",
            "priorityclass",
        )
        .short(&["pc"]),
        row("coordination.k8s.io", "v1", "Lease", "leases", "lease").namespaced(),
        row(
            "node.k8s.io",
            "v1",
            "RuntimeClass",
            "runtimeclasses",
            "runtimeclass",
        ),
        row(
            "resource.k8s.io",
            "v1",
            "DeviceClass",
            "deviceclasses",
            "deviceclass",
        ),
        row(
            "resource.k8s.io",
            "v1",
            "ResourceClaim",
            "resourceclaims",
            "resourceclaim",
        )
        .namespaced()
        .status(),
        row(
            "resource.k8s.io",
            "v1",
            "ResourceClaimTemplate",
            "resourceclaimtemplates",
            "resourceclaimtemplate",
        )
        .namespaced(),
        row(
            "resource.k8s.io",
            "v1",
            "ResourceSlice",
            "resourceslices",
            "resourceslice",
        )
        .fields(
            &[field("spec.nodeName"), field("spec.driver")],
            "field label not supported for resource.k8s.io/v1 ResourceSlice: %s",
        ),
        row(
            "flowcontrol.apiserver.k8s.io",
            "v1",
            "FlowSchema",
            "flowschemas",
            "flowschema",
        )
        .status(),
        row(
            "flowcontrol.apiserver.k8s.io",
            "v1",
            "PriorityLevelConfiguration",
            "prioritylevelconfigurations",
            "prioritylevelconfiguration",
        )
        .status(),
    ]
}
