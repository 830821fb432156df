//! Options of the operations: what upstream has as query parameters and `DeleteOptions`.

use serde::Deserialize;

/// What is done about fields that the schema doesn't know and about duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped, with a warning (the default).
    #[default]
    Warn,
    /// An error.
    Strict,
}

/// Options of a get.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// `resourceVersion`: empty, `0` or the least that the answer may show.
    pub resource_version: String,
}

/// Options of a list or a watch.
///
/// upstream: staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go#ListOptions
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Label selector's text.
    pub label_selector: String,
    /// Field selector's text.
    pub field_selector: String,
    /// `resourceVersion`.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// Page size; 0 is unlimited.
    pub limit: i64,
    /// Continue token.
    pub continue_token: String,
    /// Only for a watch: whether the state is sent first, closed by a bookmark.
    pub send_initial_events: Option<bool>,
    /// Only for a watch: whether bookmarks are wanted.
    pub allow_watch_bookmarks: bool,
    /// How long a request may take, in seconds.
    pub timeout_seconds: Option<i64>,
}

/// Options of a create.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Everything but the write.
    pub dry_run: bool,
    /// Who owns the fields that are set; empty when the client doesn't say.
    pub field_manager: String,
    /// Unknown and duplicate fields.
    pub field_validation: FieldValidation,
}

/// Options of an update.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Everything but the write.
    pub dry_run: bool,
    /// Who owns the fields that are set; empty when the client doesn't say.
    pub field_manager: String,
    /// Unknown and duplicate fields.
    pub field_validation: FieldValidation,
}

/// Options of a patch.
#[derive(Clone, Debug, Default)]
pub struct PatchOptions {
    /// Everything but the write.
    pub dry_run: bool,
    /// Takes conflicting fields over; only for apply.
    pub force: Option<bool>,
    /// Who owns the fields that are set; empty when the client doesn't say.
    pub field_manager: String,
    /// Unknown and duplicate fields.
    pub field_validation: FieldValidation,
}

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PropagationPolicy {
    /// They stay, without their owner.
    Orphan,
    /// The garbage collector deletes them afterwards.
    Background,
    /// The owner stays until those that block it are gone.
    Foreground,
}

/// What must hold of an object for it to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its resourceVersion.
    pub resource_version: Option<String>,
}

/// Options of a delete: `DeleteOptions`, from the body or the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Grace in seconds; `None` is the object's own.
    pub grace_period_seconds: Option<i64>,
    /// Preconditions.
    pub preconditions: Preconditions,
    /// What becomes of dependents; `None` is the kind's default.
    pub propagation_policy: Option<PropagationPolicy>,
    /// The old form of the policy.
    pub orphan_dependents: Option<bool>,
    /// Everything but the write.
    pub dry_run: bool,
    /// Deletes even what cannot be read; accepted, and without effect here.
    pub ignore_store_read_error: bool,
}

/// A patch and its type.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(serde_json::Value),
    /// RFC 7386.
    Merge(serde_json::Value),
    /// Kubernetes' own, with merge keys by the schema.
    Strategic(serde_json::Value),
    /// Server-side apply.
    Apply(serde_json::Value),
}
