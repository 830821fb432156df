//! Server-side apply: who manages which field, and how an applied configuration is merged.
//!
//! Pure: objects are `serde_json::Value`s, types are the table's or a custom resource's schema, time is
//! given. [`update`] keeps `metadata.managedFields` for every write, [`apply`] merges a configuration,
//! finds conflicts and removes what its manager gave up.
// upstream: sigs.k8s.io/structured-merge-diff, apimachinery/pkg/util/managedfields

mod conflict;
mod managed;
mod manager;
mod node;
mod path;
mod set;
mod walk;

pub use conflict::{ApplyError, Conflict};
pub use managed::{Entry, Managed, Operation};
pub use manager::{Context, apply, update};
pub use node::Node;
pub use path::PathElement;
pub use set::Set;
pub use walk::WalkError;

/// Merges a configuration into a live object by the type's merge semantics; managed fields are left as they are.
///
/// # Errors
/// The configuration is not of the type.
// upstream: structured-merge-diff/typed/typed.go#TypedValue.Merge
pub fn merge(
    node: &Node<'_>,
    live: &serde_json::Value,
    configuration: &serde_json::Value,
) -> Result<serde_json::Value, WalkError> {
    walk::merge(node, live, configuration)
}

/// The path of the first object or list in a value that its type merges only as a whole.
// upstream: plugin/policy/mutating/patch/smd.go#validatePatch
pub fn first_atomic(node: &Node<'_>, value: &serde_json::Value) -> Option<String> {
    walk::first_atomic(node, value, "")
}
