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
