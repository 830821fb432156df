//! `metav1.Status`: the error that the API answers with, and its constructors.

mod details;
mod errors;
mod reason;

use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

pub use details::{Cause, Details, cause};
pub use reason::Reason;

/// A `meta.k8s.io/v1` Status (its `apiVersion` is `v1`). As a Rust error it displays its message.
// upstream: apimachinery/pkg/apis/meta/v1/types.go#Status
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// List metadata, empty but for Expired lists (`continue`).
    #[serde(default)]
    pub metadata: StatusMeta,
    /// Failure or success.
    #[serde(default)]
    pub status: Outcome,
    /// Text for people.
    #[serde(default)]
    pub message: String,
    /// Reason for machines.
    #[serde(default)]
    pub reason: Reason,
    /// What it is about.
    #[serde(default)]
    pub details: Option<Box<Details>>,
    /// HTTP status code.
    #[serde(default)]
    pub code: u16,
}

/// Whether a Status reports a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It failed.
    #[default]
    Failure,
    /// It succeeded.
    Success,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "Status")?;
        map.serialize_entry("apiVersion", "v1")?;
        map.serialize_entry("metadata", &self.metadata)?;
        map.serialize_entry("status", &self.status)?;
        if !self.message.is_empty() {
            map.serialize_entry("message", &self.message)?;
        }
        if !self.reason.is_unknown() {
            map.serialize_entry("reason", &self.reason)?;
        }
        if let Some(details) = &self.details {
            map.serialize_entry("details", details)?;
        }
        if self.code != 0 {
            map.serialize_entry("code", &self.code)?;
        }
        map.end()
    }
}

/// The list metadata of a Status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusMeta {
    /// Fresh token to continue an expired list with.
    #[serde(default, rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
    /// Resource version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
}

impl Status {
    /// A failure.
    pub fn failure(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            metadata: StatusMeta::default(),
            status: Outcome::Failure,
            message: message.into(),
            reason,
            details: None,
            code,
        }
    }

    /// A success, as a delete that left nothing to show answers with.
    pub fn success(details: Option<Details>) -> Self {
        Self {
            status: Outcome::Success,
            details: details.map(Box::new),
            ..Self::failure(0, Reason::Unknown, "")
        }
    }

    /// Sets the details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// Sets the token to continue an expired list with.
    #[must_use]
    pub fn with_continue(mut self, token: impl Into<String>) -> Self {
        self.metadata.continue_token = token.into();
        self
    }

    /// Sets `details.retryAfterSeconds` (the HTTP layer makes a `Retry-After` header of it).
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// `details.retryAfterSeconds` if set.
    pub fn retry_after(&self) -> Option<u32> {
        self.details
            .as_ref()
            .map(|d| d.retry_after_seconds)
            .filter(|s| *s > 0)
    }

    /// Whether the reason is `reason`.
    pub fn is(&self, reason: Reason) -> bool {
        self.reason == reason
    }

    /// Whether any cause has this type.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.details
            .as_ref()
            .is_some_and(|d| d.causes.iter().any(|c| c.reason == reason))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}
