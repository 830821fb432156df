//! The in-process heart of the API server, without HTTP: built-in resources as data (one table), upstream's generic
//! registry semantics, and per kind what differs (defaulting, preparation, validation).
//!
//! [`Registry`] is the whole: get, list, watch, create, update, patch, delete, deletecollection, with subresources. Objects
//! are kept as canonical JSON bytes beside the few parsed fields that selection needs ([`Stored`]); a read hands out those
//! bytes. Everything that a client could see of a write (revisions, conflicts, finalizers, defaulted fields, messages)
//! follows Kubernetes 1.36.
//!
//! The order of a write: decode by the schema → defaults → preparation → admission (mutating) → defaults → validation →
//! admission (validating) → commit against the revision that was read, else all again.
//!
//! Authentication, authorisation and encodings are left to the API server.

#![allow(clippy::result_large_err)] // A Status is what a failed request answers with; failures are not the hot path.

pub mod admission;
mod allocate;
pub mod api;
mod backends;
pub mod bootstrap;
mod context;
mod convert;
mod custom;
mod decode;
mod index;
mod meta;
mod object;
mod ops;
mod options;
pub mod printers;
mod registry;
mod resource;
mod selection;
mod stored;
pub mod strategy;
mod table;
mod target;
mod trim;
mod value;
mod watch;

pub use api::Api;
pub use context::{RequestContext, UserInfo};
pub use convert::Conversion;
pub use custom::{ConversionWebhooks, Custom, Resources};
pub use machinery::Status;
pub use object::{Answer, Body, Object, ObjectList};
pub use ops::managed::note_manager;
pub use options::{
    CreateOptions, DeleteOptions, DeletionPropagation, FieldValidation, GetOptions, ListOptions,
    Patch, PatchOptions, Preconditions, ResourceVersionMatch, UpdateOptions, WriteOptions,
};
pub use registry::{Registry, RegistryOptions};
pub use resource::{Resource, SelectableField, Served, Subresource, Verb};
pub use stored::Stored;
pub use table::Table;
pub use target::Target;
pub use watch::{Watch, WatchEvent};

pub(crate) use machinery::field;
