//! Volumes, claims, storage.k8s.io.

use machinery::ObjectExt;
use serde_json::Value;

use super::text::{NONE, UNSET, access_modes, age, scalar};
use super::{AGE, NAME, Printer, boolean, integer, text, wide};
use crate::value::Read;

pub(super) fn printer(group: &str, kind: &str) -> Option<&'static Printer> {
    Some(match (group, kind) {
        ("", "PersistentVolume") => &VOLUME,
        ("", "PersistentVolumeClaim") => &CLAIM,
        ("storage.k8s.io", "StorageClass") => &CLASS,
        ("storage.k8s.io", "CSIDriver") => &DRIVER,
        ("storage.k8s.io", "CSINode") => &NODE,
        ("storage.k8s.io", "VolumeAttachment") => &ATTACHMENT,
        ("storage.k8s.io", "VolumeAttributesClass") => &ATTRIBUTES,
        _ => return None,
    })
}

fn storage_class(object: &Value) -> String {
    match object.annotation("volume.beta.kubernetes.io/storage-class") {
        Some(class) => class.to_owned(),
        None => object.text_at(&["spec", "storageClassName"]).to_owned(),
    }
}

fn modes(object: &Value, path: &[&str]) -> String {
    access_modes(
        object
            .at(path)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default(),
    )
}

fn attributes_class(object: &Value) -> String {
    scalar(object.at(&["spec", "volumeAttributesClassName"])).unwrap_or_else(|| UNSET.to_owned())
}

fn volume_mode(object: &Value) -> String {
    scalar(object.at(&["spec", "volumeMode"])).unwrap_or_else(|| UNSET.to_owned())
}

static VOLUME: Printer = Printer {
    columns: &[
        NAME,
        text("Capacity"),
        text("Access Modes"),
        text("Reclaim Policy"),
        text("Status"),
        text("Claim"),
        text("StorageClass"),
        text("VolumeAttributesClass"),
        text("Reason"),
        AGE,
        wide(text("VolumeMode")),
    ],
    cells: |o, now| {
        let claim = o.at(&["spec", "claimRef"]).filter(|c| !c.is_null());
        let claim = claim
            .map(|c| format!("{}/{}", c.text("namespace"), c.text("name")))
            .unwrap_or_default();
        let phase = match o.deletion_timestamp() {
            Some(_) => "Terminating",
            None => o.text_at(&["status", "phase"]),
        };
        vec![
            o.name().into(),
            scalar(o.at(&["spec", "capacity", "storage"]))
                .unwrap_or_default()
                .into(),
            modes(o, &["spec", "accessModes"]).into(),
            o.text_at(&["spec", "persistentVolumeReclaimPolicy"]).into(),
            phase.into(),
            claim.into(),
            storage_class(o).into(),
            attributes_class(o).into(),
            o.text_at(&["status", "reason"]).into(),
            age(o, now),
            volume_mode(o).into(),
        ]
    },
};

static CLAIM: Printer = Printer {
    columns: &[
        NAME,
        text("Status"),
        text("Volume"),
        text("Capacity"),
        text("Access Modes"),
        text("StorageClass"),
        text("VolumeAttributesClass"),
        AGE,
        wide(text("VolumeMode")),
    ],
    cells: |o, now| {
        let phase = match o.deletion_timestamp() {
            Some(_) => "Terminating",
            None => o.text_at(&["status", "phase"]),
        };
        let volume = o.text_at(&["spec", "volumeName"]);
        let bound = !volume.is_empty();
        let capacity = scalar(o.at(&["status", "capacity", "storage"]))
            .filter(|_| bound)
            .unwrap_or_default();
        let modes = if bound {
            modes(o, &["status", "accessModes"])
        } else {
            String::new()
        };
        vec![
            o.name().into(),
            phase.into(),
            volume.into(),
            capacity.into(),
            modes.into(),
            storage_class(o).into(),
            attributes_class(o).into(),
            age(o, now),
            volume_mode(o).into(),
        ]
    },
};

static CLASS: Printer = Printer {
    columns: &[
        NAME,
        text("Provisioner"),
        text("ReclaimPolicy"),
        text("VolumeBindingMode"),
        text("AllowVolumeExpansion"),
        AGE,
    ],
    cells: |o, now| {
        let default = o.annotation("storageclass.kubernetes.io/is-default-class") == Some("true");
        let name = if default {
            format!("{} (default)", o.name())
        } else {
            o.name().to_owned()
        };
        vec![
            name.into(),
            o.text("provisioner").into(),
            o.text("reclaimPolicy").into(),
            o.text("volumeBindingMode").into(),
            o.flag("allowVolumeExpansion").into(),
            age(o, now),
        ]
    },
};

static DRIVER: Printer = Printer {
    columns: &[
        NAME,
        boolean("AttachRequired"),
        boolean("PodInfoOnMount"),
        boolean("StorageCapacity"),
        text("TokenRequests"),
        boolean("RequiresRepublish"),
        text("Modes"),
        AGE,
    ],
    cells: |o, now| {
        let spec = o.field("spec").unwrap_or(&Value::Null);
        let tokens: Vec<&str> = spec
            .list("tokenRequests")
            .iter()
            .map(|t| t.text("audience"))
            .collect();
        let modes: Vec<&str> = spec
            .list("volumeLifecycleModes")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let attach = spec
            .member("attachRequired")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        vec![
            o.name().into(),
            attach.into(),
            spec.flag("podInfoOnMount").into(),
            spec.flag("storageCapacity").into(),
            if tokens.is_empty() {
                UNSET.to_owned()
            } else {
                tokens.join(",")
            }
            .into(),
            spec.flag("requiresRepublish").into(),
            if modes.is_empty() {
                NONE.to_owned()
            } else {
                modes.join(",")
            }
            .into(),
            age(o, now),
        ]
    },
};

static NODE: Printer = Printer {
    columns: &[NAME, integer("Drivers"), AGE],
    cells: |o, now| {
        let drivers = o
            .at(&["spec", "drivers"])
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        vec![o.name().into(), drivers.into(), age(o, now)]
    },
};

static ATTACHMENT: Printer = Printer {
    columns: &[
        NAME,
        text("Attacher"),
        text("PV"),
        text("Node"),
        boolean("Attached"),
        AGE,
    ],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.text_at(&["spec", "attacher"]).into(),
            o.text_at(&["spec", "source", "persistentVolumeName"])
                .into(),
            o.text_at(&["spec", "nodeName"]).into(),
            o.at(&["status", "attached"])
                .and_then(Value::as_bool)
                .unwrap_or_default()
                .into(),
            age(o, now),
        ]
    },
};

static ATTRIBUTES: Printer = Printer {
    columns: &[NAME, text("DriverName"), AGE],
    cells: |o, now| vec![o.name().into(), o.text("driverName").into(), age(o, now)],
};
