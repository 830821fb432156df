//! Finalizers: which a deletion sets, and when an object may go.

use machinery::ObjectExt;
use machinery::owner::{DeletionPropagation, FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use serde_json::Value;

use crate::options::DeleteOptions;
use crate::resource::Resource;
use crate::strategy::DefaultGarbageCollection;

/// Whether an update removes the last thing that kept a deleted object.
///
/// upstream: store.go#ShouldDeleteDuringUpdate, pkg/registry/core/namespace/storage/storage.go
pub(crate) fn deletes_on_update(resource: &Resource, object: &Value, old: &Value) -> bool {
    old.deletion_timestamp().is_some()
        && object.deletion_timestamp().is_some()
        && object.finalizers().is_empty()
        && object.deletion_grace_period().unwrap_or_default() == 0
        && !(resource.strategy.spec_finalizers() && has_spec_finalizers(object))
}

/// Whether a namespace still has finalizers in its spec.
pub(crate) fn has_spec_finalizers(object: &Value) -> bool {
    object
        .at(&["spec", "finalizers"])
        .and_then(Value::as_array)
        .is_some_and(|f| !f.is_empty())
}

/// The finalizers that a deletion leaves on the object, when they differ from what it has.
///
/// upstream: store.go#deletionFinalizersForGarbageCollection
pub(crate) fn for_garbage_collection(
    resource: &Resource,
    object: &Value,
    options: &DeleteOptions,
) -> Option<Vec<String>> {
    let default = resource.strategy.default_garbage_collection();
    let present: Vec<String> = object
        .finalizers()
        .iter()
        .map(|f| (*f).to_owned())
        .collect();
    let has = |name: &str| present.iter().any(|f| f == name);
    let (orphan, foreground) = match (default, options.propagation) {
        (DefaultGarbageCollection::Unsupported, _) => (false, false),
        (_, Some(DeletionPropagation::Orphan)) => (true, false),
        (_, Some(DeletionPropagation::Background)) => (false, false),
        (_, Some(DeletionPropagation::Foreground)) => (false, true),
        (_, None) if has(ORPHAN_FINALIZER) => (true, false),
        (_, None) if has(FOREGROUND_FINALIZER) => (false, true),
        (default, None) => (default == DefaultGarbageCollection::Orphan, false),
    };
    let mut wanted: Vec<String> = present
        .iter()
        .filter(|f| *f != ORPHAN_FINALIZER && *f != FOREGROUND_FINALIZER)
        .cloned()
        .collect();
    if orphan {
        wanted.push(ORPHAN_FINALIZER.to_owned());
    }
    if foreground {
        wanted.push(FOREGROUND_FINALIZER.to_owned());
    }
    let same = wanted.len() == present.len() && wanted.iter().all(|f| present.contains(f));
    (!same).then_some(wanted)
}
