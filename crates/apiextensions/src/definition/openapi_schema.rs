//! What must hold of a version's schema.
// upstream: validation.go#validateCustomResourceDefinitionValidation, #ValidateCustomResourceDefinitionOpenAPISchema

mod defaults;
mod rules;

use machinery::field::{Error, ErrorList, Path};

use super::Definition;
use crate::rules::Engine;
use crate::schema::{Additional, Items, Schema};
use crate::structural;
use rules::Costs;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];

/// Which checks are made; what is stored already and fails one may go on failing it.
pub(super) struct Options {
    structural: bool,
    valid_types: bool,
    pruned_defaults: bool,
    atomic_sets: bool,
    map_keys: bool,
}

impl Options {
    // upstream: #ValidateCustomResourceDefinitionUpdate
    pub(super) fn new(definition: &Definition, old: Option<&Definition>) -> Self {
        let old_has = |test: &mut dyn FnMut(&Schema) -> bool| {
            old.is_some_and(|old| old.schemas().any(|s| s.any(test)))
        };
        let invalid_type = |s: &Schema| !s.kind.is_empty() && !TYPES.contains(&s.kind.as_str());
        let extended = |s: &Schema| {
            s.embedded_resource
                || s.preserve_unknown_fields.is_some()
                || s.int_or_string
                || !s.list_map_keys.is_empty()
                || s.list_type.is_some()
                || !s.validations.is_empty()
                || s.default.is_some()
        };
        let not_structural =
            old.is_some_and(|old| old.schemas().any(|s| !structural::is_structural(s)));
        let unpruned = old.is_some_and(|old| {
            old.schemas().any(|s| {
                let mut pruned = s.clone();
                crate::default::prune_defaults(&mut pruned);
                pruned != *s
            })
        });
        Self {
            structural: !not_structural
                || !definition.spec.preserve_unknown_fields
                || definition.schemas().any(|s| s.any(&mut |s| extended(s))),
            valid_types: !old_has(&mut |s| invalid_type(s)),
            pruned_defaults: !unpruned,
            atomic_sets: !old_has(&mut |s| non_atomic_set(s).is_some()),
            map_keys: !old_has(&mut |s| {
                let mut errors = ErrorList::new();
                map_keys(s, &Path::root(), &mut errors);
                !errors.is_empty()
            }),
        }
    }
}

const ALLOWED_AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

/// The fields that may not be at the root when `status` is a subresource.
fn beyond_root(schema: &Schema) -> bool {
    let rest = Schema {
        description: String::new(),
        kind: String::new(),
        format: String::new(),
        title: String::new(),
        maximum: None,
        exclusive_maximum: false,
        minimum: None,
        exclusive_minimum: false,
        max_length: None,
        min_length: None,
        pattern: None,
        max_items: None,
        min_items: None,
        unique_items: false,
        multiple_of: None,
        required: Vec::new(),
        items: None,
        properties: Default::default(),
        external_docs: None,
        example: None,
        preserve_unknown_fields: None,
        validations: Vec::new(),
        ..schema.clone()
    };
    rest != Schema::default()
}

/// Validates a schema below `path`, which is that of the whole validation.
pub(super) fn validate(
    schema: &Schema,
    has_status: bool,
    options: &Options,
    unchanged: bool,
    engine: &dyn Engine,
    path: &Path,
    errors: &mut ErrorList,
) {
    let before = errors.len();
    let at = path.child("openAPIV3Schema");
    if has_status {
        if schema.kind != "object" && !schema.kind.is_empty() {
            errors.push(Error::invalid(
                &path.child("openAPIV3Schema.type"),
                schema.kind.as_str(),
                "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled",
            ));
        } else if beyond_root(schema) {
            errors.push(Error::invalid(
                &at,
                "",
                format!(
                    "only {ALLOWED_AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled"
                ),
            ));
        }
    }
    if schema.nullable {
        errors.push(Error::forbidden(
            &path.child("openAPIV3Schema.nullable"),
            "nullable cannot be true at the root",
        ));
    }
    let mut unreadable = None;
    let mut with_rules = false;
    if options.structural {
        match structural::convert(schema) {
            Err(why) => unreadable = Some(why),
            Ok(()) => {
                let found = structural::validate(&at, schema);
                let found = if found.is_empty() {
                    defaults::validate(&at, schema, options.pruned_defaults, engine)
                } else {
                    found
                };
                with_rules = found.is_empty();
                errors.extend(found);
            }
        }
    }
    let mut walk = Walk {
        options,
        engine: with_rules.then_some(engine),
        unchanged,
        costs: Costs::default(),
        schema_errors: ErrorList::new(),
        rule_errors: ErrorList::new(),
    };
    walk.schema(schema, &at, &Place::root(), true);
    let Walk {
        costs,
        schema_errors,
        rule_errors,
        ..
    } = walk;
    errors.extend(schema_errors);
    errors.extend(rule_errors);
    if let Some(why) = unreadable
        && errors.len() == before
    {
        errors.push(Error::invalid(&at, "", why));
    }
    errors.extend(costs.total(&at));
}

/// Where a schema stands.
#[derive(Clone)]
struct Place {
    /// Why defaults are forbidden here.
    no_defaults: Option<String>,
    in_meta: bool,
    /// The nearest ancestor whose parts can't be told to be the same in two objects.
    uncorrelated: Option<Path>,
    /// How often it can be in an object, when that is bounded.
    cardinality: Option<u64>,
    /// Whether rules mean anything here: they don't below junctors.
    rules: bool,
}

impl Place {
    fn root() -> Self {
        Self {
            no_defaults: None,
            in_meta: false,
            uncorrelated: None,
            cardinality: Some(1),
            rules: true,
        }
    }

    fn below(&self, most: Option<i64>) -> Option<u64> {
        let most = most.and_then(|m| u64::try_from(m).ok())?;
        Some(self.cardinality?.saturating_mul(most))
    }
}

struct Walk<'a> {
    options: &'a Options,
    engine: Option<&'a dyn Engine>,
    unchanged: bool,
    costs: Costs,
    schema_errors: ErrorList,
    rule_errors: ErrorList,
}

impl Walk<'_> {
    fn schema(&mut self, s: &Schema, path: &Path, place: &Place, is_root: bool) {
        let before = self.schema_errors.len();
        self.standard(s, path, place);
        if s.unique_items {
            self.schema_errors.push(Error::forbidden(
                &path.child("uniqueItems"),
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            ));
        }
        self.children(s, path, place, is_root);
        let errors = &mut self.schema_errors;
        if s.preserve_unknown_fields == Some(false) {
            errors.push(Error::invalid(
                &path.child("x-kubernetes-preserve-unknown-fields"),
                false,
                "must be true or undefined",
            ));
        }
        merge_types(s, path, self.options, errors);
        if self.options.map_keys {
            map_keys(s, path, errors);
        }
        rules::texts(s, path, errors);
        let clean = self.schema_errors.len() == before;
        if let Some(engine) = self.engine.filter(|_| clean && place.rules) {
            let found = rules::compile(
                engine,
                s,
                is_root || s.embedded_resource,
                path,
                place,
                self.unchanged,
                &mut self.costs,
            );
            self.rule_errors.extend(found);
        }
    }

    // upstream: #specStandardValidatorV3.validate
    fn standard(&mut self, s: &Schema, path: &Path, place: &Place) {
        let errors = &mut self.schema_errors;
        if self.options.valid_types && !s.kind.is_empty() && !TYPES.contains(&s.kind.as_str()) {
            errors.push(Error::not_supported(
                &path.child("type"),
                s.kind.as_str(),
                TYPES,
            ));
        }
        if let (Some(_), Some(why)) = (&s.default, &place.no_defaults) {
            let text = format!("must not be set {why}");
            errors.push(Error::forbidden(&path.child("default"), text.trim_end()));
        }
        let mut forbid = |set: bool, name: &'static str| {
            if set {
                let text = format!("{name} is not supported");
                errors.push(Error::forbidden(&path.child(name), text));
            }
        };
        forbid(!s.id.is_empty(), "id");
        forbid(s.additional_items.is_some(), "additionalItems");
        forbid(!s.pattern_properties.is_empty(), "patternProperties");
        forbid(!s.definitions.is_empty(), "definitions");
        forbid(s.dependencies.is_some(), "dependencies");
        forbid(s.reference.is_some(), "$ref");
        if s.kind == "null" {
            errors.push(Error::forbidden(
                &path.child("type"),
                "type cannot be set to null, use nullable as an alternative",
            ));
        }
        if matches!(&s.items, Some(Items::Many(many)) if !many.is_empty()) {
            let text = "items must be a schema object and not an array";
            errors.push(Error::forbidden(&path.child("items"), text));
        }
        if place.in_meta && s.embedded_resource {
            errors.push(Error::forbidden(
                &path.child("x-kubernetes-embedded-resource"),
                "must not be used inside of resource meta",
            ));
        }
    }

    fn children(&mut self, s: &Schema, path: &Path, place: &Place, is_root: bool) {
        if let Some(additional) = &s.additional_properties {
            let at = path.child("additionalProperties");
            if !s.properties.is_empty() && *additional != Additional::Allowed(true) {
                self.schema_errors.push(Error::forbidden(
                    &at,
                    "additionalProperties and properties are mutual exclusive",
                ));
            }
            if let Additional::Schema(values) = additional {
                let mut below = place.clone();
                if place.in_meta {
                    below.no_defaults =
                        Some("inside additionalProperties applying to object metadata".to_owned());
                }
                below.cardinality = place.below(s.max_properties);
                self.schema(values, &at, &below, false);
            }
        }
        for (name, property) in &s.properties {
            let mut below = place.clone();
            if !matches!(s.map_type.as_deref(), None | Some("granular" | "atomic")) {
                below.uncorrelated.get_or_insert_with(|| path.clone());
            }
            if (is_root || s.embedded_resource) && crate::prune::is_meta(name) {
                below.in_meta = true;
                if is_root {
                    below.no_defaults = Some(format!("in top-level {name}"));
                }
            }
            let at = path.child("properties").key(name.as_str());
            self.schema(property, &at, &below, false);
        }
        let without_rules = Place {
            rules: false,
            ..place.clone()
        };
        if let Some(not) = &s.not {
            self.schema(not, &path.child("not"), &without_rules, false);
        }
        let parts = [
            ("allOf", &s.all_of),
            ("oneOf", &s.one_of),
            ("anyOf", &s.any_of),
        ];
        for (name, list) in parts {
            for (i, part) in list.iter().enumerate() {
                self.schema(part, &path.child(name).index(i), &without_rules, false);
            }
        }
        for (name, part) in &s.definitions {
            let at = path.child("definitions").key(name.as_str());
            self.schema(part, &at, &without_rules, false);
        }
        if let Some(items) = s.element() {
            let mut below = place.clone();
            if s.list_type.as_deref() != Some("map") {
                below.uncorrelated.get_or_insert_with(|| path.clone());
            }
            below.cardinality = place.below(s.max_items);
            self.schema(items, &path.child("items"), &below, false);
        }
    }
}

fn non_atomic_set(s: &Schema) -> Option<&'static str> {
    if s.list_type.as_deref() != Some("set") {
        return None;
    }
    let items = s.element()?;
    match items.kind.as_str() {
        "array" if items.list_type.as_deref().is_some_and(|t| t != "atomic") => {
            Some("x-kubernetes-list-type")
        }
        "object" if items.map_type.as_deref() != Some("atomic") => Some("x-kubernetes-map-type"),
        _ => None,
    }
}

fn typed(s: &Schema, path: &Path, wanted: &str, name: &str, errors: &mut ErrorList) -> bool {
    if s.kind == wanted {
        return true;
    }
    let at = path.child("type");
    let text = format!("must be {wanted} if {name} is specified");
    errors.push(if s.kind.is_empty() {
        Error::required(&at, text)
    } else {
        Error::invalid(&at, s.kind.as_str(), text)
    });
    false
}

fn merge_types(s: &Schema, path: &Path, options: &Options, errors: &mut ErrorList) {
    if let Some(kind) = &s.map_type {
        let name = "x-kubernetes-map-type";
        typed(s, path, "object", name, errors);
        if !["atomic", "granular"].contains(&kind.as_str()) {
            errors.push(Error::not_supported(
                &path.child(name),
                kind.as_str(),
                &["atomic", "granular"],
            ));
        }
    }
    let name = "x-kubernetes-list-type";
    let keys = path.child("x-kubernetes-list-map-keys");
    let items = path.child("items");
    if let Some(kind) = &s.list_type {
        if typed(s, path, "array", name, errors)
            && options.atomic_sets
            && let Some(which) = non_atomic_set(s)
        {
            let given = s.element().and_then(|i| i.list_type.clone());
            errors.push(Error::invalid(
                &items.child(which),
                given.map_or(serde_json::Value::Null, Into::into),
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            ));
        }
        if !["atomic", "set", "map"].contains(&kind.as_str()) {
            errors.push(Error::not_supported(
                &path.child(name),
                kind.as_str(),
                &["atomic", "set", "map"],
            ));
        }
    }
    if !s.list_map_keys.is_empty() && s.list_type.as_deref() != Some("map") {
        let text = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match &s.list_type {
            None => Error::required(&path.child(name), text),
            Some(kind) => Error::invalid(&path.child(name), kind.as_str(), text),
        });
    }
    if s.list_type.as_deref() != Some("map") {
        return;
    }
    if s.list_map_keys.is_empty() {
        let text = "must not be empty if x-kubernetes-list-type is map";
        errors.push(Error::required(&keys, text));
    }
    let Some(element) = s.element() else {
        if s.items.is_none() {
            let text = "must have a schema if x-kubernetes-list-type is map";
            errors.push(Error::required(&items, text));
        }
        return;
    };
    if element.kind != "object" {
        let text = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(Error::invalid(
            &items.child("type"),
            element.kind.as_str(),
            text,
        ));
        return;
    }
    for (i, key) in s.list_map_keys.iter().enumerate() {
        let shown = || serde_json::json!(s.list_map_keys);
        match element.properties.get(key) {
            Some(property) if matches!(property.kind.as_str(), "array" | "object") => {
                let at = items.child("properties").key(key.as_str()).child("type");
                let text = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(Error::invalid(&at, element.kind.as_str(), text));
            }
            Some(_) => {}
            None => errors.push(Error::invalid(
                &keys,
                shown(),
                "entries must all be names of item properties",
            )),
        }
        if s.list_map_keys.iter().take(i).any(|k| k == key) {
            let text = "must not contain duplicate entries";
            errors.push(Error::invalid(&keys, shown(), text));
        }
    }
}

// upstream: #validateMapListKeysMapSet
fn map_keys(s: &Schema, path: &Path, errors: &mut ErrorList) {
    let (Some(items), Some(kind @ ("set" | "map"))) = (s.element(), s.list_type.as_deref()) else {
        return;
    };
    let at = path.child("items");
    if items.nullable {
        let text = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        errors.push(Error::forbidden(&at.child("nullable"), text));
    }
    if kind != "map" {
        return;
    }
    for key in &s.list_map_keys {
        let Some(property) = items.properties.get(key) else {
            continue;
        };
        let at = at.child("properties").key(key.as_str());
        if !items.required.contains(key) && property.default.is_none() {
            errors.push(Error::required(
                &at.child("default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ));
        }
        if property.nullable {
            errors.push(Error::forbidden(
                &at.child("nullable"),
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            ));
        }
    }
}
