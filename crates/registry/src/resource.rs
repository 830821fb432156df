//! What a resource is: one row of the table, built in or from a CustomResourceDefinition.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use machinery::{GroupKind, GroupResource, GroupVersion, Gvk};

use crate::convert::Conversion;
use crate::custom::Custom;
use crate::strategy::Strategy;

/// A verb of the Kubernetes API, as discovery and RBAC name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `POST` to a collection or to a subresource.
    Create,
    /// `DELETE` of one object.
    Delete,
    /// `DELETE` of a collection.
    DeleteCollection,
    /// `GET` of one object.
    Get,
    /// `GET` of a collection.
    List,
    /// `PATCH`.
    Patch,
    /// `PUT`.
    Update,
    /// `GET` with `watch=1`.
    Watch,
}

impl Verb {
    /// The verb as it appears in discovery and in RBAC rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Update => "update",
            Verb::Watch => "watch",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who answers requests for a resource or a subresource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// This crate: the object is in the store (or is a view of one that is).
    Registry,
    /// The API server: nothing is stored (access reviews, `log`, `exec`, `proxy`, `token` …).
    Server,
}

/// A subresource of a row.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// Name in the path, for example `status`.
    pub name: &'static str,
    /// Kind of the body; group and version too when they differ from the parent's.
    pub kind: Cow<'static, str>,
    /// Group and version of the body when they are not the parent's (`Scale`, `Eviction`, `TokenRequest`).
    pub group_version: Option<(&'static str, &'static str)>,
    /// Verbs it answers.
    pub verbs: &'static [Verb],
    /// Who answers.
    pub served: Served,
}

/// Which fields a field selector may name.
///
/// upstream: pkg/apis/*/v1/conversion.go#AddFieldLabelConversionsFor*
#[derive(Clone, Debug)]
pub struct SelectableField {
    /// The label in the selector, for example `spec.nodeName`.
    pub label: Cow<'static, str>,
    /// Where the value is in the object: a dotted path, or empty for a computed one.
    pub path: Cow<'static, str>,
    /// The value's text when the path is absent (`false` for booleans, empty otherwise).
    pub default: &'static str,
}

/// One served (group, version, plural): a row of the table.
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// The served version.
    pub version: String,
    /// Kind of one object.
    pub kind: String,
    /// Name in the path.
    pub plural: String,
    /// Singular name, for `kubectl`.
    pub singular: String,
    /// Short names, for `kubectl`.
    pub short_names: Vec<String>,
    /// Categories, for example `all`.
    pub categories: Vec<String>,
    /// Whether objects are in a namespace.
    pub namespaced: bool,
    /// Verbs of the main endpoint, sorted.
    pub verbs: Vec<Verb>,
    /// Subresources by name, sorted.
    pub subresources: Vec<Subresource>,
    /// Who answers the main endpoint.
    pub served: Served,
    /// Store prefix, for example `/pods/`: keys are `/pods/<namespace>/<name>` or `/nodes/<name>`.
    pub prefix: String,
    /// `apiVersion` of the stored form.
    pub storage_api_version: String,
    /// Between the stored form and this version's, when they differ.
    pub conversion: Option<&'static dyn Conversion>,
    /// Fields that a field selector may name besides `metadata.name` and `metadata.namespace`.
    pub fields: Vec<SelectableField>,
    /// The kind's own text about an unknown field label, with `%s` or `%q` for the label; empty for the generic one.
    pub field_error: &'static str,
    /// Defaulting, validation and preparation.
    pub strategy: Arc<dyn Strategy>,
    /// A deprecation warning that each request is answered with.
    pub warning: Option<Cow<'static, str>>,
    /// What the definition says, for a custom resource.
    pub custom: Option<Custom>,
}

impl Resource {
    /// Group, version and kind of this row.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(
            self.group.as_str(),
            self.version.as_str(),
            self.kind.as_str(),
        )
    }

    /// `apiVersion` of this row.
    pub fn api_version(&self) -> String {
        GroupVersion::new(self.group.as_str(), self.version.as_str()).to_string()
    }

    /// Group and resource, as most messages name it.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.group.as_str(), self.plural.as_str())
    }

    /// Group and kind, as messages of validation name it.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(self.group.as_str(), self.kind.as_str())
    }

    /// Kind of a list of them.
    pub fn list_kind(&self) -> String {
        if let Some(custom) = &self.custom {
            return custom.list_kind().to_owned();
        }
        format!("{}List", self.kind)
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// The store's key of one object.
    pub fn key(&self, namespace: Option<&str>, name: &str) -> String {
        match namespace {
            Some(ns) if self.namespaced => format!("{}{ns}/{name}", self.prefix),
            _ => format!("{}{name}", self.prefix),
        }
    }

    /// The prefix that holds a namespace's objects, or all of them.
    pub fn range(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(ns) if self.namespaced && !ns.is_empty() => format!("{}{ns}/", self.prefix),
            _ => self.prefix.clone(),
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.plural)
    }
}
