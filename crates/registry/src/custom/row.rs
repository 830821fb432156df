//! Rows of a definition.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use apiextensions::columns::Printer;
use apiextensions::rules::Cel;
use apiextensions::{Definition, DefinitionVersion, Version};
use machinery::ObjectExt;
use serde_json::Value;

use super::strategy::CustomResource;
use super::{Compiled, Custom, Defined, Shape, order};
use crate::resource::{Resource, SelectableField, Served, Subresource};
use crate::stored::Stored;
use crate::table::row::{ALL, READ_WRITE};
use crate::value::Read;

impl Shape {
    pub(super) fn new(
        id: u64,
        source: Arc<Stored>,
        definition: &Definition,
        version: &DefinitionVersion,
    ) -> Self {
        let printers = if version.additional_printer_columns.is_empty() {
            Printer::age()
        } else {
            Printer::of(&version.additional_printer_columns)
        };
        Self {
            id,
            source,
            told: version.clone(),
            compiled: OnceLock::new(),
            api_version: format!("{}/{}", definition.spec.group, version.name),
            printers,
        }
    }
}

/// Compiles a version's schema from the definition as it is stored.
pub(super) fn compile(source: &Stored, name: &str) -> Compiled {
    let object = source.value();
    let definition = Definition::parse(&object).unwrap_or_default();
    let none = DefinitionVersion::default();
    let version = definition.version(name).unwrap_or(&none);
    let schema = raw_schema(&object, name).cloned().map(|mut schema| {
        terse(&mut schema);
        schema
    });
    Compiled {
        version: Version::compile(&definition, version, &Cel),
        schema,
    }
}

/// A version's schema as the definition has it.
pub(super) fn raw_schema<'a>(object: &'a Value, version: &str) -> Option<&'a Value> {
    object
        .at(&["spec", "versions"])?
        .as_array()?
        .iter()
        .find(|v| v.text("name") == version)?
        .at(&["schema", "openAPIV3Schema"])
}

/// Leaves out what is only for people, from all schemas.
fn terse(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    for name in ["description", "title", "example", "externalDocs"] {
        map.shift_remove(name);
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(terse);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(below) = map.get_mut(name) {
            terse(below);
        }
    }
}

/// The rows of the versions that are served; none before the names are accepted.
pub(super) fn of(defined: &Arc<Defined>) -> Vec<Arc<Resource>> {
    let definition = &defined.definition;
    if !definition.is_served() {
        return Vec::new();
    }
    definition
        .spec
        .versions
        .iter()
        .filter(|v| v.served)
        .filter_map(|version| {
            let shape = Arc::clone(defined.shapes.get(&version.name)?);
            let custom = Custom {
                defined: Arc::clone(defined),
                shape,
            };
            Some(Arc::new(row(definition, version, custom)))
        })
        .collect()
}

/// The row of the stored version, be it served or not.
pub(super) fn stored(defined: &Arc<Defined>) -> Option<Arc<Resource>> {
    let definition = &defined.definition;
    if !definition.is_served() {
        return None;
    }
    let custom = Custom {
        defined: Arc::clone(defined),
        shape: Arc::clone(&defined.storage),
    };
    let version = definition.storage_version()?;
    Some(Arc::new(row(definition, version, custom)))
}

fn row(definition: &Definition, version: &DefinitionVersion, custom: Custom) -> Resource {
    let (spec, names) = (&definition.spec, &definition.status.accepted_names);
    let mut subresources = Vec::new();
    if version.scale().is_some() {
        subresources.push(Subresource {
            name: "scale",
            kind: Cow::Borrowed("Scale"),
            group_version: Some(("autoscaling", "v1")),
            verbs: READ_WRITE,
            served: Served::Registry,
        });
    }
    if version.has_status() {
        subresources.push(Subresource {
            name: "status",
            kind: Cow::Owned(names.kind.clone()),
            group_version: None,
            verbs: READ_WRITE,
            served: Served::Registry,
        });
    }
    let fields = version
        .selectable_fields
        .iter()
        .map(|f| {
            let path = f.json_path.strip_prefix('.').unwrap_or(&f.json_path);
            SelectableField {
                label: Cow::Owned(path.to_owned()),
                path: Cow::Owned(path.to_owned()),
                default: "",
            }
        })
        .collect();
    Resource {
        group: spec.group.clone(),
        version: version.name.clone(),
        kind: names.kind.clone(),
        plural: spec.names.plural.clone(),
        singular: names.singular.clone(),
        short_names: names.short_names.clone(),
        categories: names.categories.clone(),
        namespaced: definition.namespaced(),
        verbs: ALL.to_vec(),
        subresources,
        served: Served::Registry,
        prefix: format!("/{}/{}/", spec.group, spec.names.plural),
        storage_api_version: custom.defined.storage.api_version.clone(),
        conversion: None,
        fields,
        field_error: "field label not supported: %s",
        strategy: Arc::new(CustomResource {
            shape: Arc::clone(&custom.shape),
        }),
        warning: warning(definition, version).map(Cow::Owned),
        custom: Some(custom),
    }
}

/// upstream: customresource_handler.go#defaultDeprecationWarning
fn warning(definition: &Definition, version: &DefinitionVersion) -> Option<String> {
    if !version.deprecated {
        return None;
    }
    if let Some(text) = &version.deprecation_warning {
        return Some(text.clone());
    }
    let (group, kind) = (&definition.spec.group, &definition.spec.names.kind);
    let mut newer: Vec<&str> = definition
        .spec
        .versions
        .iter()
        .filter(|v| v.served && !v.deprecated)
        .map(|v| v.name.as_str())
        .filter(|name| order::newest_first(name, &version.name).is_lt())
        .collect();
    newer.sort_by(|a, b| order::newest_first(a, b));
    let mut text = format!("{group}/{} {kind} is deprecated", version.name);
    if let Some(best) = newer.first() {
        text.push_str(&format!("; use {group}/{best} {kind}"));
    }
    Some(text)
}
