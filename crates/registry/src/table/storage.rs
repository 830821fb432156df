//! storage.k8s.io.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::table::row::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "storage.k8s.io",
            "v1",
            "CSIDriver",
            "csidrivers",
            "csidriver",
        ),
        row("storage.k8s.io", "v1", "CSINode", "csinodes", "csinode"),
        row(
            "storage.k8s.io",
            "v1",
            "CSIStorageCapacity",
            "csistoragecapacities",
            "csistoragecapacity",
        )
        .namespaced(),
        row(
            "storage.k8s.io",
            "v1",
            "StorageClass",
            "storageclasses",
            "storageclass",
        )
        .short(&["sc"]),
        row(
            "storage.k8s.io",
            "v1",
            "VolumeAttachment",
            "volumeattachments",
            "volumeattachment",
        )
        .status(),
        row(
            "storage.k8s.io",
            "v1",
            "VolumeAttributesClass",
            "volumeattributesclasses",
            "volumeattributesclass",
        )
        .short(&["vac"]),
    ]
}
