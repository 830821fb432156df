//! Conflicts between managers.
// upstream: apimachinery/pkg/util/managedfields/internal/conflict.go

use machinery::Status;
use machinery::go::quote;
use machinery::status::{Cause, cause};

use crate::managed::{Entry, Operation};
use crate::walk::WalkError;

/// A field that another manager holds with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The manager as messages name it.
    pub manager: String,
    /// The field's path, e.g. `.data.a`.
    pub path: String,
}

/// Why a configuration can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others manage fields of it.
    #[error("{}", message(.0))]
    Conflicts(Vec<Conflict>),
    /// It names `managedFields` itself.
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsGiven,
    /// It can't be read as its type.
    #[error("failed to create typed patch object ({object}): {source}")]
    Typed {
        /// The object, as `namespace/name; version, Kind=kind`.
        object: String,
        /// What is wrong.
        source: WalkError,
    },
}

impl From<ApplyError> for Status {
    fn from(e: ApplyError) -> Self {
        match &e {
            ApplyError::Conflicts(conflicts) => {
                let text = message(conflicts);
                let causes = conflicts
                    .iter()
                    .map(|c| {
                        Cause::new(
                            cause::FIELD_MANAGER_CONFLICT,
                            format!("conflict with {}", c.manager),
                            c.path.clone(),
                        )
                    })
                    .collect();
                Status::apply_conflict(causes, text)
            }
            ApplyError::ManagedFieldsGiven => Status::bad_request(e.to_string()),
            ApplyError::Typed { .. } => {
                Status::failure(500, machinery::Reason::Unknown, e.to_string())
            }
        }
    }
}

// upstream: #getConflictMessage
fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            one.manager, one.path
        );
    }
    let mut managers: Vec<&str> = conflicts.iter().map(|c| c.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(
            conflicts
                .iter()
                .filter(|c| c.manager == manager)
                .map(|c| format!("- {}", c.path)),
        );
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// A manager as messages name it.
// upstream: #printManager
pub(crate) fn print_manager(entry: &Entry) -> String {
    let mut out = quote(&entry.manager);
    if !entry.subresource.is_empty() {
        out.push_str(&format!(" with subresource {}", quote(&entry.subresource)));
    }
    if entry.operation == Operation::Update {
        out.push_str(&format!(" using {}", entry.api_version));
        if !entry.time.is_empty() {
            out.push_str(&format!(" at {}", entry.time));
        }
    }
    out
}
