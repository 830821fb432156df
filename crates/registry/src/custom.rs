//! Custom resources: rows of the table that CustomResourceDefinitions make, always as the store has them.
//!
//! A request's row is looked up by the definition's key in the newest state, as upstream asks its lister; what was
//! compiled of it is kept by the definition's revision. So a definition is served from the moment that it is, on every
//! instance, and nothing follows it. Built-in rows come first and never get here.
//!
//! Objects of custom resources are handled in the version of the request. They are read from the store in the version
//! that they were written in, pruned, defaulted and then converted; they are written in the storage version.
//!
//! upstream: apiextensions-apiserver/pkg/apiserver/customresource_handler.go

mod convert;
mod live;
mod order;
mod read;
mod resources;
mod row;
mod strategy;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use apiextensions::columns::Printer;
use apiextensions::{Definition, DefinitionVersion, ScalePaths};
use serde_json::Value;

pub use convert::ConversionWebhooks;
pub(crate) use live::Live;
pub use resources::Resources;

use crate::resource::Verb;
use crate::stored::Stored;

/// Where definitions are.
pub(crate) const DEFINITIONS: &str = "/apiextensions.k8s.io/customresourcedefinitions/";

/// What verbs a resource is told to have while its definition goes.
const WHILE_TERMINATING: &[Verb] = &[
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Get,
    Verb::List,
    Verb::Watch,
];

/// One version of a definition. Its schema, which may be large, is compiled when an object is first looked at.
pub(crate) struct Shape {
    /// Different for each definition that was read: what is known of an object by one doesn't hold for another.
    id: u64,
    /// The definition that it is of, as it is stored.
    source: Arc<Stored>,
    /// What the definition says of the version, but for its schema.
    told: DefinitionVersion,
    compiled: OnceLock<Compiled>,
    api_version: String,
    printers: Vec<Printer>,
}

/// A version's schema, ready for use.
struct Compiled {
    version: apiextensions::Version,
    /// As it was written, without what is only for people.
    schema: Option<Value>,
}

impl Shape {
    fn compiled(&self) -> &Compiled {
        self.compiled
            .get_or_init(|| row::compile(&self.source, &self.told.name))
    }

    fn version(&self) -> &apiextensions::Version {
        &self.compiled().version
    }
}

/// A definition.
pub(crate) struct Defined {
    /// Without schemas.
    definition: Definition,
    shapes: BTreeMap<String, Arc<Shape>>,
    storage: Arc<Shape>,
}

/// What a definition says of one of its versions.
#[derive(Clone)]
pub struct Custom {
    defined: Arc<Defined>,
    shape: Arc<Shape>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape.api_version)
    }
}

impl Custom {
    /// Kind of a list of them.
    pub fn list_kind(&self) -> &str {
        &self.defined.definition.status.accepted_names.list_kind
    }

    /// Whether discovery tells of it. A resource whose names are accepted is served before that.
    pub fn established(&self) -> bool {
        self.defined.definition.is("Established")
    }

    /// Whether the definition is being deleted, so that nothing is created any more.
    pub fn terminating(&self) -> bool {
        self.defined.definition.terminating()
    }

    /// The verbs that discovery tells; all for a definition that stays.
    pub fn told_verbs(&self) -> Option<&'static [Verb]> {
        self.defined
            .definition
            .is("Terminating")
            .then_some(WHILE_TERMINATING)
    }

    /// The version's `openAPIV3Schema`, without descriptions.
    pub fn schema(&self) -> Option<&Value> {
        self.shape.compiled().schema.as_ref()
    }

    /// The version's printer columns after the name.
    pub fn printers(&self) -> &[Printer] {
        &self.shape.printers
    }

    /// The schemas to publish, for OpenAPI v3 and v2.
    pub fn openapi(&self) -> (Value, Value) {
        let object = self.shape.source.value();
        let raw = row::raw_schema(&object, &self.shape.told.name);
        let definition = Definition::parse(&object).unwrap_or_default();
        let preserve = definition.spec.preserve_unknown_fields;
        let told = definition
            .version(&self.shape.told.name)
            .unwrap_or(&self.shape.told);
        (
            apiextensions::openapi::v3(told, raw),
            apiextensions::openapi::v2(told, raw, preserve),
        )
    }

    /// Different for each version of each compiled definition; the same as long as the spec is.
    pub fn shape_id(&self) -> u64 {
        self.shape.id
    }

    pub(crate) fn version(&self) -> &apiextensions::Version {
        self.shape.version()
    }

    pub(crate) fn scale(&self) -> Option<&ScalePaths> {
        self.shape.told.scale()
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.shape.api_version
    }

    /// Whether a record is as it would be written now.
    pub(crate) fn is_current(&self, stored: &Stored) -> bool {
        stored.has_shape(self.defined.storage.id)
    }

    /// The store's key of the definition.
    pub(crate) fn definition_key(&self) -> String {
        let spec = &self.defined.definition.spec;
        format!("{DEFINITIONS}{}.{}", spec.names.plural, spec.group)
    }
}
