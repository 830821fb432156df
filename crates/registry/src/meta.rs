//! Validation of `metadata`, and the system's fields in it.

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::owner::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use machinery::validation::{validate_object_meta, validate_object_meta_update};
use serde_json::Value;

use crate::resource::Resource;

/// Finalizers that need no domain.
///
/// upstream: pkg/apis/core/helper/helpers.go#standardFinalizers
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", ORPHAN_FINALIZER, FOREGROUND_FINALIZER];

/// Validates the metadata of a new object.
pub(crate) fn validate(object: &Value, resource: &Resource) -> ErrorList {
    let path = Path::new("metadata");
    let mut errors = validate_object_meta(
        object,
        resource.namespaced,
        resource.strategy.name_check(),
        &path,
    );
    if qualified_finalizers(resource) {
        errors.extend(validate_finalizers(object, &path));
    }
    errors
}

/// Validates the metadata of a changed object.
pub(crate) fn validate_update(object: &Value, old: &Value, resource: &Resource) -> ErrorList {
    let path = Path::new("metadata");
    let mut errors = validate_object_meta_update(object, old, &path);
    if qualified_finalizers(resource) {
        errors.extend(validate_finalizers(object, &path));
    }
    errors
}

/// Custom resources and their definitions are validated by other code upstream, which only asks for qualified names.
fn qualified_finalizers(resource: &Resource) -> bool {
    resource.custom.is_none() && resource.group != "apiextensions.k8s.io"
}

/// upstream: pkg/apis/core/validation/validation.go#validateKubeFinalizerName
fn validate_finalizers(object: &Value, path: &Path) -> ErrorList {
    let path = path.child("finalizers");
    let standard = |name: &str| STANDARD_FINALIZERS.contains(&name);
    object
        .finalizers()
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.contains('/') && !standard(name))
        .map(|(i, name)| {
            Error::invalid(
                &path.index(i),
                *name,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
        })
        .collect::<Vec<_>>()
        .into()
}

/// An update cannot change when an object was made or when it began to be deleted; an absent uid is the stored one.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/update.go#BeforeUpdate
pub(crate) fn keep_system_fields(object: &mut Value, old: &Value) {
    if object.uid().is_empty() {
        let uid = old.uid().to_owned();
        object.set_meta_text("uid", &uid);
    }
    let keep = |object: &mut Value, name: &str| match old.at(&["metadata", name]) {
        Some(value) => {
            object.set_at(&["metadata", name], value.clone());
        }
        None => {
            object.remove_at(&["metadata", name]);
        }
    };
    for name in [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        keep(object, name);
    }
    object.remove_at(&["metadata", "selfLink"]);
}
