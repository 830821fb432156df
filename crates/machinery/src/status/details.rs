//! What a Status is about.

use serde::{Deserialize, Serialize};

use crate::Uid;

/// `metav1.StatusDetails`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Object's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind, or the resource (plural) in most errors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// UID.
    #[serde(default, skip_serializing_if = "is_empty_uid")]
    pub uid: Uid,
    /// Causes, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds after which to try again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

fn is_empty_uid(uid: &Uid) -> bool {
    uid.0.is_empty()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// `metav1.StatusCause`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Cause type such as `FieldValueRequired`; see [`cause`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Field path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Cause {
    /// Makes one.
    pub fn new(
        reason: impl Into<String>,
        message: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        }
    }
}

/// Cause types that aren't field errors.
// upstream: apimachinery/pkg/apis/meta/v1/types.go#CauseType
pub mod cause {
    /// The resource version asked for lies in the future.
    pub const RESOURCE_VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";
    /// Namespace is being deleted.
    pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
    /// A server-side apply conflict on one field.
    pub const FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
    /// An unexpected server response.
    pub const UNEXPECTED_SERVER_RESPONSE: &str = "UnexpectedServerResponse";
    /// Eviction is stopped by a disruption budget.
    pub const DISRUPTION_BUDGET: &str = "DisruptionBudget";
}
