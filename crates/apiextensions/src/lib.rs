//! CustomResourceDefinitions and what they say of custom objects, without IO.
//!
//! - [`Schema`] is a parsed `openAPIV3Schema`; [`structural`] tells whether it is structural.
//! - [`prune`](mod@prune), [`default`](mod@default), [`validate`](mod@validate), [`list_type`] and [`meta`] shape and
//!   check objects by it; [`Version`] puts them together in upstream's order for one version of a definition.
//! - [`Definition`] is a parsed definition and its validation with upstream's messages; [`names`] and [`conditions`]
//!   decide what its status says.
//! - [`json_path`] and [`columns`] make table cells, [`scale`] the scale subresource, [`conversion`] the reviews that a
//!   conversion webhook is asked with, [`openapi`] the published schemas.
//! - [`rules`] evaluates `x-kubernetes-validations` over an object tree by an engine that the caller gives.
// upstream: k8s.io/apiextensions-apiserver

#![allow(clippy::result_large_err)] // Validation errors are not the hot path.

pub mod columns;
pub mod conditions;
pub mod conversion;
pub mod default;
mod definition;
mod field_path;
pub mod json_path;
pub mod list_type;
pub mod meta;
pub mod names;
pub mod openapi;
pub mod prune;
pub mod rules;
pub mod scale;
mod schema;
pub mod structural;
pub mod validate;
mod version;

pub use definition::{
    Column, Condition, Conversion, Definition, DefinitionVersion, Metadata, Names, ScalePaths,
    SelectableField, Spec, Status, Subresources, Validation, Webhook, set_defaults,
    storage_version_of,
};
pub use schema::{Additional, Items, Pattern, Rule, Schema};
pub use version::{Problem, Version};
