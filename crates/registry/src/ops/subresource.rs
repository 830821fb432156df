//! Subresources that are more than a status.

pub(crate) mod binding;
pub(crate) mod eviction;
pub(crate) mod scale;

use machinery::field::ErrorList;
use machinery::{ObjectExt, Status};
use serde_json::Value;

use crate::strategy::StrategyContext;
use crate::target::Target;

/// Restores what an updating subresource may not change.
pub(crate) fn prepare(
    target: &Target,
    context: &StrategyContext<'_>,
    object: &mut Value,
    old: &Value,
) -> Result<(), Status> {
    match (target.resource.plural.as_str(), target.subresource.as_str()) {
        // upstream: pkg/registry/core/namespace/strategy.go#namespaceFinalizeStrategy.PrepareForUpdate
        ("namespaces", "finalize") => {
            let finalizers = object.at(&["spec", "finalizers"]).cloned();
            let mut kept = keep_metadata(object, old);
            match finalizers {
                Some(finalizers) => {
                    kept.set_at(&["spec", "finalizers"], finalizers);
                }
                None => {
                    kept.remove_at(&["spec", "finalizers"]);
                }
            }
            *object = kept;
            Ok(())
        }
        _ if target.resource.strategy.prepare_for_subresource(
            &target.subresource,
            context,
            object,
            old,
        ) =>
        {
            Ok(())
        }
        _ => Err(Status::unknown_resource()),
    }
}

/// The old object with the metadata that every endpoint may change.
fn keep_metadata(object: &Value, old: &Value) -> Value {
    let mut kept = old.clone();
    for name in ["resourceVersion", "managedFields", "finalizers"] {
        match object.at(&["metadata", name]) {
            Some(value) => {
                kept.set_at(&["metadata", name], value.clone());
            }
            None => {
                kept.remove_at(&["metadata", name]);
            }
        }
    }
    kept
}

/// Validates a change through such a subresource.
pub(crate) fn validate(
    target: &Target,
    context: &StrategyContext<'_>,
    object: &Value,
    old: &Value,
) -> ErrorList {
    target
        .resource
        .strategy
        .validate_subresource(&target.subresource, context, object, old)
}
