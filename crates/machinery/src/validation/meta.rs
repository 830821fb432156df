//! Validation of object metadata.
// upstream: apimachinery/pkg/api/validation/objectmeta.go

use serde_json::{Map, Value};

use super::names::{NameCheck, is_label_value, is_qualified_name};
use super::validate_non_negative;
use crate::equality::semantic_opt;
use crate::field::{Error, ErrorList, Path};
use crate::owner::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, OwnerReference};
use crate::{GroupVersion, ObjectExt};

/// Most bytes that all annotations of an object may have together.
pub const TOTAL_ANNOTATION_SIZE_LIMIT: usize = 256 * 1024;

const IMMUTABLE: &str = "field is immutable";

/// A label's key.
// upstream: apis/meta/v1/validation/validation.go#ValidateLabelName
pub fn validate_label_name(key: &str, path: &Path) -> ErrorList {
    is_qualified_name(key)
        .into_iter()
        .map(|e| Error::invalid(path, key, e))
        .collect::<Vec<_>>()
        .into()
}

/// Labels' keys and values.
// upstream: apis/meta/v1/validation/validation.go#ValidateLabels
pub fn validate_labels(labels: Option<&Map<String, Value>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in sorted(labels) {
        errors.extend(validate_label_name(key, path));
        let value = value.as_str().unwrap_or_default();
        errors.extend(
            is_label_value(value)
                .into_iter()
                .map(|e| Error::invalid(path, value, e)),
        );
    }
    errors
}

/// Annotations' keys and total size.
// upstream: #ValidateAnnotations
pub fn validate_annotations(annotations: Option<&Map<String, Value>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0;
    for (key, value) in sorted(annotations) {
        let problems = is_qualified_name(&key.to_ascii_lowercase());
        errors.extend(
            problems
                .into_iter()
                .map(|e| Error::invalid(path, key.as_str(), e)),
        );
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > TOTAL_ANNOTATION_SIZE_LIMIT {
        errors.push(Error::too_long(path, TOTAL_ANNOTATION_SIZE_LIMIT));
    }
    errors
}

fn sorted(map: Option<&Map<String, Value>>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.into_iter().flatten().collect();
    entries.sort_by_key(|(k, _)| k.as_str());
    entries
}

/// A finalizer's name.
// upstream: #ValidateFinalizerName
pub fn validate_finalizer_name(name: &str, path: &Path) -> ErrorList {
    is_qualified_name(name)
        .into_iter()
        .map(|e| Error::invalid(path, name, e))
        .collect::<Vec<_>>()
        .into()
}

// upstream: #ValidateFinalizers
fn validate_finalizers(finalizers: &[&str], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for f in finalizers {
        errors.extend(validate_finalizer_name(f, path));
    }
    if finalizers.contains(&ORPHAN_FINALIZER) && finalizers.contains(&FOREGROUND_FINALIZER) {
        let text =
            format!("finalizer {ORPHAN_FINALIZER} and {FOREGROUND_FINALIZER} cannot be both set");
        errors.push(Error::invalid(path, finalizers.to_vec(), text));
    }
    errors
}

// upstream: #ValidateOwnerReferences
fn validate_owners(owners: &[OwnerReference], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<&OwnerReference> = None;
    for owner in owners {
        match GroupVersion::parse(&owner.api_version) {
            Ok(gv) => {
                if gv.version.is_empty() {
                    let path = path.child("apiVersion");
                    errors.push(Error::invalid(
                        &path,
                        owner.api_version.as_str(),
                        "version must not be empty",
                    ));
                }
                if gv.group.is_empty() && owner.kind == "Event" {
                    let text = format!(
                        "{}, Kind={} is disallowed from being an owner",
                        gv, owner.kind
                    );
                    errors.push(Error::invalid(
                        path,
                        serde_json::to_value(owner).unwrap_or_default(),
                        text,
                    ));
                }
            }
            Err(e) => {
                errors.push(Error::invalid(
                    &path.child("apiVersion"),
                    owner.api_version.as_str(),
                    e.to_string(),
                ));
            }
        }
        for (field, value) in [
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ] {
            if value.is_empty() {
                errors.push(Error::invalid(
                    &path.child(field),
                    value.as_str(),
                    "must not be empty",
                ));
            }
        }
        if owner.controller == Some(true) {
            if let Some(first) = controller {
                let text = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                    first.name, owner.name
                );
                let all = serde_json::to_value(owners).unwrap_or_default();
                errors.push(Error::invalid(path, all, text));
            } else {
                controller = Some(owner);
            }
        }
    }
    errors
}

/// Validates `metadata` of an object to be created.
// upstream: #ValidateObjectMetaAccessor
pub fn validate_object_meta(
    object: &Value,
    namespaced: bool,
    check: NameCheck,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let generate = object.generate_name();
    if !generate.is_empty() {
        let problems = check(generate, true);
        errors.extend(
            problems
                .into_iter()
                .map(|e| Error::invalid(&path.child("generateName"), generate, e)),
        );
    }
    let name = object.name();
    if name.is_empty() {
        errors.push(Error::required(
            &path.child("name"),
            "name or generateName is required",
        ));
    } else {
        let problems = check(name, false);
        errors.extend(
            problems
                .into_iter()
                .map(|e| Error::invalid(&path.child("name"), name, e)),
        );
    }
    let namespace = object.namespace();
    if namespaced {
        if namespace.is_empty() {
            errors.push(Error::required(&path.child("namespace"), ""));
        } else {
            let problems = super::name_is_dns_label(namespace, false);
            errors.extend(
                problems
                    .into_iter()
                    .map(|e| Error::invalid(&path.child("namespace"), namespace, e)),
            );
        }
    } else if !namespace.is_empty() {
        errors.push(Error::forbidden(
            &path.child("namespace"),
            "not allowed on this type",
        ));
    }
    errors.extend(validate_non_negative(
        object.generation(),
        &path.child("generation"),
    ));
    errors.extend(validate_common(object, path));
    errors
}

fn validate_common(object: &Value, path: &Path) -> ErrorList {
    let mut errors = validate_labels(object.labels(), &path.child("labels"));
    errors.extend(validate_annotations(
        object.annotations(),
        &path.child("annotations"),
    ));
    errors.extend(validate_owners(
        &object.owner_references(),
        &path.child("ownerReferences"),
    ));
    errors.extend(validate_finalizers(
        &object.finalizers(),
        &path.child("finalizers"),
    ));
    errors
}

/// Validates the change of `metadata`. Both objects have their generation and deletion fields set
/// as the server keeps them.
// upstream: #ValidateObjectMetaAccessorUpdate
pub fn validate_object_meta_update(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    // Finalizers can't be added to an object that is being deleted.
    if old.deletion_timestamp().is_some() {
        let before = old.finalizers();
        let added: Vec<String> = new
            .finalizers()
            .into_iter()
            .filter(|f| !before.contains(f))
            .map(str::to_owned)
            .collect();
        if !added.is_empty() {
            let text = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {}",
                crate::go::list(&added)
                    .replace('[', "[]string{\"")
                    .replace(' ', "\", \"")
                    .replace(']', "\"}")
            );
            errors.push(Error::forbidden(&path.child("finalizers"), text));
        }
    }
    if new.resource_version().is_empty() {
        errors.push(Error::invalid(
            &path.child("resourceVersion"),
            "",
            "must be specified for an update",
        ));
    }
    if new.generation() < old.generation() {
        errors.push(Error::invalid(
            &path.child("generation"),
            new.generation(),
            "must not be decremented",
        ));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let of = |v: &'_ Value| v.metadata().and_then(|m| m.get(field)).cloned();
        let (a, b) = (of(new), of(old));
        if !semantic_opt(a.as_ref(), b.as_ref()) {
            let shown = a.unwrap_or(
                if field.starts_with("deletion") || field.starts_with("creation") {
                    Value::Null
                } else {
                    "".into()
                },
            );
            errors.push(Error::invalid(&path.child(field), shown, IMMUTABLE));
        }
    }
    errors.extend(validate_common(new, path));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation::name_is_dns_subdomain;
    use serde_json::json;

    #[test]
    fn creates() {
        let path = Path::new("metadata");
        let ok = json!({"metadata": {"name": "a", "namespace": "b", "labels": {"a/b": "c"}}});
        assert!(validate_object_meta(&ok, true, name_is_dns_subdomain, &path).is_empty());
        let bad = json!({"metadata": {"labels": {"-": "c"}}});
        let errors = validate_object_meta(&bad, true, name_is_dns_subdomain, &path);
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(
            fields,
            ["metadata.name", "metadata.namespace", "metadata.labels"]
        );
    }

    #[test]
    fn updates() {
        let path = Path::new("metadata");
        let old = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}});
        let new = json!({"metadata": {"name": "b", "uid": "u", "resourceVersion": "1"}});
        let errors = validate_object_meta_update(&new, &old, &path);
        assert_eq!(
            errors.aggregate(),
            "metadata.name: Invalid value: \"b\": field is immutable"
        );
        assert!(validate_object_meta_update(&old, &old, &path).is_empty());
    }

    #[test]
    fn owners() {
        let o = |name: &str| OwnerReference {
            api_version: "v1".into(),
            kind: "Pod".into(),
            name: name.into(),
            uid: "u".into(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        let errors = validate_owners(
            &[o("a"), o("b")],
            &Path::new("metadata").child("ownerReferences"),
        );
        assert!(
            errors
                .aggregate()
                .contains("Found \"true\" in references for a and b")
        );
    }
}
