//! Volumes of a pod.
//!
//! upstream: pkg/apis/core/validation/validation.go#ValidateVolumes, #validateVolumeSource

use std::collections::BTreeSet;

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::is_dns1123_label;
use serde_json::Value;

use super::container::{field_ref, local_path};
use crate::strategy::checks::{in_range, problems};
use crate::strategy::quantity;
use crate::value::Read;

/// Members of a volume that are its source.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "flexVolume",
    "cephfs",
    "cinder",
    "fc",
    "flocker",
    "downwardAPI",
    "azureFile",
    "configMap",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "projected",
    "portworxVolume",
    "scaleIO",
    "storageos",
    "csi",
    "ephemeral",
    "image",
];
const HOST_PATH_TYPES: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Validates the volumes; gives the names of those that mounts may use.
pub(super) fn volumes(spec: &Value, path: &Path, errors: &mut ErrorList) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (i, volume) in spec.list("volumes").iter().enumerate() {
        let path = path.index(i);
        let before = errors.len();
        source(volume, &path, errors);
        let name = volume.text("name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else {
            problems(
                errors,
                &path.child("name"),
                &name.into(),
                is_dns1123_label(name),
            );
        }
        if names.contains(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        if errors.len() == before {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The names of a stateful set's claim templates, which are volumes of its pods.
pub(crate) fn volumes_of_claims(owner: &Value) -> Vec<String> {
    use machinery::ObjectExt;
    owner
        .list("volumeClaimTemplates")
        .iter()
        .map(|c| c.name().to_owned())
        .collect()
}

fn required(errors: &mut ErrorList, source: &Value, name: &'static str, path: &Path) {
    if source.text(name).is_empty() {
        errors.push(Error::required(&path.child(name), ""));
    }
}

fn source(volume: &Value, path: &Path, errors: &mut ErrorList) {
    let mut count = 0;
    for kind in SOURCES {
        let Some(source) = volume.member(kind).filter(|s| !s.is_null()) else {
            continue;
        };
        let path = path.child(*kind);
        count += 1;
        if count > 1 {
            errors.push(Error::forbidden(
                &path,
                "may not specify more than 1 volume type",
            ));
            continue;
        }
        match *kind {
            "emptyDir" => {
                if let Some(limit) = source
                    .member("sizeLimit")
                    .filter(|l| quantity::is_negative(l))
                {
                    let text = quantity::canonical(limit).unwrap_or_default();
                    errors.push(Error::forbidden(
                        &path.child("sizeLimit"),
                        format!("SizeLimit field must be a valid resource quantity: {text}"),
                    ));
                }
            }
            "hostPath" => host_path(source, &path, errors),
            "secret" => {
                required(errors, source, "secretName", &path);
                file_mode(source, "defaultMode", &path, errors);
                items(source, &path, errors);
            }
            "configMap" => {
                required(errors, source, "name", &path);
                file_mode(source, "defaultMode", &path, errors);
                items(source, &path, errors);
            }
            "nfs" => {
                required(errors, source, "server", &path);
                required(errors, source, "path", &path);
                let at = source.text("path");
                if !at.is_empty() && !at.starts_with('/') {
                    errors.push(Error::invalid(
                        &path.child("path"),
                        at,
                        "must be an absolute path",
                    ));
                }
            }
            "persistentVolumeClaim" => required(errors, source, "claimName", &path),
            "downwardAPI" => {
                file_mode(source, "defaultMode", &path, errors);
                downward(source, &path, errors);
            }
            "projected" => projected(source, &path, errors),
            "csi" => required(errors, source, "driver", &path),
            "ephemeral" if !source.has("volumeClaimTemplate") => {
                errors.push(Error::required(&path.child("volumeClaimTemplate"), ""));
            }
            "image" => required(errors, source, "reference", &path),
            _ => {}
        }
    }
    if count == 0 {
        errors.push(Error::required(path, "must specify a volume type"));
    }
}

pub(crate) fn host_path(source: &Value, path: &Path, errors: &mut ErrorList) {
    required(errors, source, "path", path);
    let at = source.text("path");
    if at.split('/').any(|segment| segment == "..") {
        errors.push(Error::invalid(
            &path.child("path"),
            at,
            "must not contain '..'",
        ));
    }
    let kind = source.text("type");
    if !HOST_PATH_TYPES.contains(&kind) {
        errors.push(Error::not_supported(
            &path.child("type"),
            kind,
            HOST_PATH_TYPES,
        ));
    }
}

fn file_mode(source: &Value, name: &'static str, path: &Path, errors: &mut ErrorList) {
    if let Some(mode) = source.int(name).filter(|m| !(0..=0o777).contains(m)) {
        errors.push(Error::invalid(
            &path.child(name),
            mode,
            "must be a number between 0 and 0777 (octal), both inclusive",
        ));
    }
}

/// upstream: #validateKeyToPath
fn items(source: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, item) in source.list("items").iter().enumerate() {
        let path = path.child("items").index(i);
        required(errors, item, "key", &path);
        required(errors, item, "path", &path);
        local_non_reserved_path(item.text("path"), &path.child("path"), errors);
        file_mode(item, "mode", &path, errors);
    }
}

/// upstream: #validateLocalNonReservedPath
fn local_non_reserved_path(value: &str, path: &Path, errors: &mut ErrorList) {
    local_path(value, path, errors);
    let first = value.split('/').next().unwrap_or_default();
    if value.starts_with("..") && first != ".." {
        errors.push(Error::invalid(path, value, "must not start with '..'"));
    }
}

/// upstream: #validateDownwardAPIVolumeFile
fn downward(source: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, item) in source.list("items").iter().enumerate() {
        let path = path.child("items").index(i);
        required(errors, item, "path", &path);
        local_non_reserved_path(item.text("path"), &path.child("path"), errors);
        let (field, resource) = (
            item.member("fieldRef").filter(|f| !f.is_null()),
            item.member("resourceFieldRef").filter(|f| !f.is_null()),
        );
        match (field, resource) {
            (Some(field), other) => {
                field_ref(field, &path.child("fieldRef"), errors);
                if other.is_some() {
                    errors.push(Error::invalid(
                        &path,
                        "resource",
                        "fieldRef and resourceFieldRef can not be specified simultaneously",
                    ));
                }
            }
            (None, Some(resource)) => required(
                errors,
                resource,
                "resource",
                &path.child("resourceFieldRef"),
            ),
            (None, None) => errors.push(Error::required(
                &path,
                "one of fieldRef and resourceFieldRef is required",
            )),
        }
        file_mode(item, "mode", &path, errors);
    }
}

/// upstream: #validateProjectedVolumeSource
fn projected(source: &Value, path: &Path, errors: &mut ErrorList) {
    file_mode(source, "defaultMode", path, errors);
    let mut paths = BTreeSet::new();
    for (i, one) in source.list("sources").iter().enumerate() {
        let path = path.child("sources").index(i);
        let mut count = 0;
        for kind in [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ] {
            let Some(part) = one.member(kind).filter(|s| !s.is_null()) else {
                continue;
            };
            count += 1;
            let path = path.child(kind);
            if count > 1 {
                errors.push(Error::forbidden(
                    &path,
                    "may not specify more than 1 volume type per source",
                ));
                continue;
            }
            match kind {
                "secret" | "configMap" => {
                    required(errors, part, "name", &path);
                    items(part, &path, errors);
                }
                "downwardAPI" => downward(part, &path, errors),
                "serviceAccountToken" => {
                    if let Some(seconds) = part.int("expirationSeconds") {
                        if seconds < 600 {
                            let text = "may not specify a duration less than 10 minutes";
                            errors.push(Error::invalid(
                                &path.child("expirationSeconds"),
                                seconds,
                                text,
                            ));
                        }
                        in_range(
                            errors,
                            &path.child("expirationSeconds"),
                            seconds,
                            i64::MIN,
                            1 << 32,
                        );
                    }
                    match part.text("path") {
                        "" => errors.push(Error::required(&path.child("path"), "")),
                        at => local_non_reserved_path(at, &path.child("path"), errors),
                    }
                }
                _ => {}
            }
            for item in part.list("items") {
                let at = item.text("path");
                if !at.is_empty() && !paths.insert(at.to_owned()) {
                    errors.push(Error::invalid(&path, at, "conflicting duplicate paths"));
                }
            }
        }
        if count == 0 {
            errors.push(Error::required(&path, "must specify a volume type"));
        }
    }
}
