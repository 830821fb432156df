//! One version of a definition, ready to serve: how its objects are decoded, read from the store and checked.
// upstream: apiextensions-apiserver/pkg/apiserver/customresource_handler.go, registry/customresource/{strategy,status_strategy,validator}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use crate::definition::{Definition, DefinitionVersion, ScalePaths};
use crate::rules::{BUDGET, Engine, Rules};
use crate::schema::Schema;
use crate::{default, list_type, meta, prune, scale, validate};

/// A version's compiled schema.
#[derive(Clone, Debug)]
pub struct Version {
    /// The schema as that of a root, its defaults pruned; `None` where nothing is known.
    schema: Option<Schema>,
    rules: Option<Rules>,
    scale: Option<ScalePaths>,
    has_status: bool,
    preserve: bool,
    kind: String,
    api_version: String,
}

/// Why an object can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its metadata is of the wrong type.
    #[error("{0}")]
    Metadata(String),
}

/// Whole floats lose their fraction, as they do when Go writes them.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9e15 {
                #[allow(clippy::cast_possible_truncation)] // Within what a double tells apart.
                let whole = float as i64;
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

impl Version {
    /// Compiles a version.
    pub fn compile(
        definition: &Definition,
        version: &DefinitionVersion,
        engine: &dyn Engine,
    ) -> Self {
        let preserve = definition.spec.preserve_unknown_fields;
        let schema = version.schema().map(|schema| {
            let mut schema = schema.as_root();
            schema.forget_texts();
            if !preserve {
                default::prune_defaults(&mut schema);
            }
            schema
        });
        Self {
            rules: version
                .schema()
                .and_then(|schema| Rules::compile(engine, schema, true)),
            // Without a schema everything unknown is pruned, unless the definition preserves it.
            schema,
            scale: version.scale().cloned(),
            has_status: version.has_status(),
            preserve,
            kind: definition.spec.names.kind.clone(),
            api_version: format!("{}/{}", definition.spec.group, version.name),
        }
    }

    /// Whether `status` is a subresource.
    pub fn has_status(&self) -> bool {
        self.has_status
    }

    /// Where the Scale is, when `scale` is a subresource.
    pub fn scale(&self) -> Option<&ScalePaths> {
        self.scale.as_ref()
    }

    /// Shapes a decoded body: prunes, drops stray nulls, coerces metadata, and defaults. Gives the unknown fields.
    // upstream: #unstructuredSchemaCoercer.apply, #unstructuredDefaulter.Default
    pub fn decode(&self, object: &mut Value) -> Result<Vec<String>, Problem> {
        whole_numbers(object);
        let unknown = self.coerce(object, false)?;
        self.default(object);
        Ok(unknown)
    }

    /// Shapes an object that the store or a conversion gives; what can't be read of its metadata leaves.
    pub fn read(&self, object: &mut Value) {
        let _ = self.coerce(object, true);
        if object.generation() == 0 && object.at(&["metadata"]).is_some() {
            object.set_at(&["metadata", "generation"], 1.into());
        }
    }

    fn coerce(&self, object: &mut Value, lenient: bool) -> Result<Vec<String>, Problem> {
        let mut unknown = meta::coerce_root(object, lenient).map_err(Problem::Metadata)?;
        if !self.preserve {
            let none;
            let schema = match &self.schema {
                Some(schema) => schema,
                None => {
                    none = Schema::default().as_root();
                    &none
                }
            };
            unknown.extend(prune::prune(object, schema));
            default::prune_nulls(object, self.schema.as_ref());
        }
        if let Some(schema) = &self.schema {
            // The root's own metadata has been seen to.
            for (name, property) in &schema.properties {
                if prune::is_meta(name) {
                    continue;
                }
                if let Some(value) = object.get_mut(name) {
                    let path = Path::new(name.clone());
                    let more = meta::coerce(&path, value, property, lenient)
                        .map_err(|e| Problem::Metadata(e.to_string()))?;
                    unknown.extend(more);
                }
            }
        }
        Ok(unknown)
    }

    /// Sets defaults.
    pub fn default(&self, object: &mut Value) {
        if let Some(schema) = &self.schema {
            default::default(object, schema);
        }
    }

    fn type_meta(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if object.kind() != self.kind {
            let text = format!("must be {}", self.kind);
            errors.push(Error::invalid(&Path::new("kind"), object.kind(), text));
        }
        if object.api_version() != self.api_version {
            let text = format!("must be {}", self.api_version);
            let path = Path::new("apiVersion");
            errors.push(Error::invalid(&path, object.api_version(), text));
        }
        errors
    }

    /// Validates a new object beyond its metadata.
    pub fn validate(&self, object: &Value) -> ErrorList {
        self.check(object, None).0
    }

    /// Validates a changed object beyond its metadata; also gives what it is warned of.
    pub fn validate_update(&self, object: &Value, old: &Value) -> (ErrorList, Vec<String>) {
        self.check(object, Some(old))
    }

    fn check(&self, object: &Value, old: Option<&Value>) -> (ErrorList, Vec<String>) {
        let mut errors = self.type_meta(object);
        if !errors.is_empty() {
            return (errors, Vec::new());
        }
        let root = Path::root();
        let Some(schema) = &self.schema else {
            return (self.scaled(object, true), Vec::new());
        };
        errors.extend(match old {
            None => validate::validate(&root, object, schema),
            Some(old) => validate::validate_update(&root, object, Some(old), schema),
        });
        errors.extend(self.scaled(object, true));
        for (name, property) in &schema.properties {
            if let Some(value) = object.get(name).filter(|_| !prune::is_meta(name)) {
                errors.extend(meta::validate(&Path::new(name.clone()), value, property));
            }
        }
        self.lists(schema, object, old, &mut errors);
        self.with_rules(object, old, errors)
    }

    /// Validates a change of the status; also gives what it is warned of.
    pub fn validate_status(&self, object: &Value, old: &Value) -> (ErrorList, Vec<String>) {
        let mut errors = self.type_meta(object);
        if !errors.is_empty() {
            return (errors, Vec::new());
        }
        let Some(schema) = &self.schema else {
            return (self.scaled(object, false), Vec::new());
        };
        if let (Some(status), Some(of)) = (object.get("status"), schema.properties.get("status")) {
            let path = Path::new("status");
            let before = old.get("status");
            errors.extend(validate::validate_update(&path, status, before, of));
        }
        errors.extend(self.scaled(object, false));
        self.lists(schema, object, Some(old), &mut errors);
        self.with_rules(object, Some(old), errors)
    }

    fn scaled(&self, object: &Value, spec_too: bool) -> ErrorList {
        self.scale
            .as_ref()
            .map(|paths| scale::validate(object, paths, spec_too))
            .unwrap_or_default()
    }

    /// Lists that had duplicates before may keep them.
    fn lists(&self, schema: &Schema, object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
        let found = list_type::validate(&Path::root(), schema, object);
        let forgiven =
            || old.is_some_and(|old| !list_type::validate(&Path::root(), schema, old).is_empty());
        if !found.is_empty() && !forgiven() {
            errors.extend(found);
        }
    }

    fn with_rules(
        &self,
        object: &Value,
        old: Option<&Value>,
        mut errors: ErrorList,
    ) -> (ErrorList, Vec<String>) {
        let Some(rules) = &self.rules else {
            return (errors, Vec::new());
        };
        if validate::blocks_rules(&errors) {
            errors.push(validate::rules_not_checked());
            return (errors, Vec::new());
        }
        let (found, warnings) = rules.validate(&Path::root(), object, old, old.is_some(), BUDGET);
        errors.extend(found);
        (errors, warnings)
    }
}
