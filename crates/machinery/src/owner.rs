//! Owner references and deletion propagation.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Gvk, ObjectExt};

/// `metav1.OwnerReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Owner's apiVersion.
    #[serde(default)]
    pub api_version: String,
    /// Owner's kind.
    #[serde(default)]
    pub kind: String,
    /// Owner's name.
    #[serde(default)]
    pub name: String,
    /// Owner's UID.
    #[serde(default)]
    pub uid: String,
    /// Whether it is the managing controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether a foreground deletion of the owner waits for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

impl OwnerReference {
    /// A controller reference to `owner`, blocking its deletion.
    // upstream: apimachinery/pkg/apis/meta/v1/controller_ref.go#NewControllerRef
    pub fn controller(owner: &Value, gvk: &Gvk) -> Self {
        Self {
            api_version: gvk.api_version(),
            kind: gvk.kind.clone(),
            name: owner.name().to_owned(),
            uid: owner.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// What happens to dependents when an owner is deleted.
// upstream: apimachinery/pkg/apis/meta/v1/types.go#DeletionPropagation
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeletionPropagation {
    /// Dependents lose their owner.
    Orphan,
    /// Dependents are collected afterwards.
    Background,
    /// The owner stays until its dependents are gone.
    Foreground,
}

/// The finalizer that keeps an owner until its dependents are orphaned.
pub const ORPHAN_FINALIZER: &str = "orphan";
/// The finalizer that keeps an owner until its dependents are deleted.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";

impl DeletionPropagation {
    /// The names, in upstream's order of listing.
    pub const ALL: [&'static str; 3] = ["Foreground", "Background", "Orphan"];

    /// Reads the wire name.
    pub fn parse(s: &str) -> Option<Self> {
        match s {
            "Orphan" => Some(Self::Orphan),
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            _ => None,
        }
    }

    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "Orphan",
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }
}

impl fmt::Display for DeletionPropagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
