//! Whether a schema is structural: every field has one type, told outside of logical junctors.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/validation.go

use machinery::field::{Error, ErrorList, Path};

use crate::schema::{Additional, Items, Schema};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps a schema from being read as a structural one at all.
// upstream: apiserver/schema/convert.go#newStructural
pub fn convert(schema: &Schema) -> Result<(), String> {
    fn forbidden(schema: &Schema) -> Option<String> {
        let of = |name: &str| Some(format!("OpenAPIV3Schema '{name}' is not supported"));
        if !schema.id.is_empty() {
            return of("id");
        }
        if schema.reference.is_some() {
            return of("$ref");
        }
        if !schema.pattern_properties.is_empty() {
            return of("patternProperties");
        }
        if schema.dependencies.is_some() {
            return of("dependencies");
        }
        if schema.additional_items.is_some() {
            return of("additionalItems");
        }
        if !schema.definitions.is_empty() {
            return of("definitions");
        }
        if matches!(schema.items, Some(Items::Many(_))) {
            return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
        }
        None
    }
    let mut found = None;
    schema.any(&mut |s| {
        found = forbidden(s);
        found.is_some()
    });
    found.map_or(Ok(()), Err)
}

/// Errors of a schema that isn't structural, sorted by their text.
// upstream: #ValidateStructural
pub fn validate(path: &Path, schema: &Schema) -> ErrorList {
    let mut errors = ErrorList::new();
    invariants(schema, Level::Root, path, &mut errors);
    completeness(schema, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

/// Whether a schema is structural.
pub fn is_structural(schema: &Schema) -> bool {
    convert(schema).is_ok() && validate(&Path::root(), schema).is_empty()
}

fn invariants(s: &Schema, level: Level, path: &Path, errors: &mut ErrorList) {
    if s.kind == "array" && s.element().is_none() {
        errors.push(Error::required(&path.child("items"), "must be specified"));
    }
    if let Some(items) = s.element() {
        invariants(items, Level::Item, &path.child("items"), errors);
    }
    for (name, property) in &s.properties {
        let at = path.child("properties").key(name.as_str());
        invariants(property, Level::Field, &at, errors);
    }
    if let Some(additional) = &s.additional_properties {
        let at = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(Error::forbidden(&at, "must not be used at the root"));
        }
        if let Additional::Schema(values) = additional {
            invariants(values, Level::Field, &at, errors);
        }
    }
    if s.int_or_string && s.preserves() {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        let text = "must be false if x-kubernetes-int-or-string is true";
        errors.push(Error::invalid(&at, true, text));
    }
    if s.int_or_string && s.embedded_resource {
        let at = path.child("x-kubernetes-embedded-resource");
        let text = "must be false if x-kubernetes-int-or-string is true";
        errors.push(Error::invalid(&at, true, text));
    }
    let skip_any = is_int_or_string(&s.any_of);
    let skip_first = s
        .all_of
        .first()
        .is_some_and(|a| is_int_or_string(&a.any_of));
    value_validation(s, skip_any, skip_first, path, errors);
    types(s, level, path, errors);
    metadata(s, level, path, errors);
    if s.embedded_resource && !s.preserves() && s.properties.is_empty() {
        errors.push(Error::required(
            &path.child("properties"),
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ));
    }
}

fn types(s: &Schema, level: Level, path: &Path, errors: &mut ErrorList) {
    let at = path.child("type");
    if s.embedded_resource && s.kind != "object" {
        let text = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if s.kind.is_empty() {
            Error::required(&at, text)
        } else {
            Error::invalid(&at, s.kind.as_str(), text)
        });
    } else if s.kind.is_empty() && !s.int_or_string && !s.preserves() {
        errors.push(Error::required(
            &at,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        ));
    }
    if s.embedded_resource && s.additional_properties.is_some() {
        errors.push(Error::forbidden(
            &path.child("additionalProperties"),
            "must not be used if x-kubernetes-embedded-resource is set",
        ));
    }
    if level == Level::Root && !s.kind.is_empty() && s.kind != "object" {
        errors.push(Error::invalid(
            &at,
            s.kind.as_str(),
            "must be object at the root",
        ));
    }
}

fn metadata(s: &Schema, level: Level, path: &Path, errors: &mut ErrorList) {
    let check = level == Level::Root || s.embedded_resource;
    let properties = path.child("properties");
    for name in ["kind", "apiVersion"] {
        if let Some(property) = s.properties.get(name)
            && check
            && property.kind != "string"
        {
            errors.push(Error::invalid(
                &properties.key(name).child("type"),
                property.kind.as_str(),
                "must be string",
            ));
        }
    }
    let Some(metadata) = s.properties.get("metadata") else {
        return;
    };
    let at = properties.key("metadata");
    if check && metadata.kind != "object" {
        errors.push(Error::invalid(
            &at.child("type"),
            metadata.kind.as_str(),
            "must be object",
        ));
    }
    if level == Level::Root {
        let mut rest = metadata.clone();
        if rest
            .properties
            .keys()
            .all(|k| matches!(k.as_str(), "name" | "generateName"))
        {
            rest.properties.clear();
        }
        rest.kind.clear();
        rest.default = None;
        // What isn't part of a structural schema doesn't count.
        rest.example = None;
        rest.external_docs = None;
        rest.schema.clear();
        if rest != Schema::default() {
            errors.push(Error::forbidden(
                &at,
                "must not specify anything other than name and generateName, but metadata is implicitly specified",
            ));
        }
    }
}

/// `anyOf: [{type: integer}, {type: string}]`.
pub(crate) fn is_int_or_string(any_of: &[Schema]) -> bool {
    let only = |kind: &str| Schema {
        kind: kind.to_owned(),
        ..Schema::default()
    };
    matches!(any_of, [a, b] if *a == only("integer") && *b == only("string"))
}

fn value_validation(
    s: &Schema,
    skip_any: bool,
    skip_first: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    if !skip_any {
        for (i, part) in s.any_of.iter().enumerate() {
            nested(part, false, &path.child("anyOf").index(i), errors);
        }
    }
    for (i, part) in s.all_of.iter().enumerate() {
        let skip = skip_first && i == 0;
        nested(part, skip, &path.child("allOf").index(i), errors);
    }
    for (i, part) in s.one_of.iter().enumerate() {
        nested(part, false, &path.child("oneOf").index(i), errors);
    }
    if let Some(not) = &s.not {
        nested(not, false, &path.child("not"), errors);
    }
    if let Some(pattern) = &s.pattern
        && let Err(why) = pattern.regex()
    {
        errors.push(Error::invalid(
            &path.child("pattern"),
            pattern.text(),
            format!("must be a valid regular expression, but isn't: {why}"),
        ));
    }
}

// upstream: #validateNestedValueValidation
fn nested(s: &Schema, skip_any: bool, path: &Path, errors: &mut ErrorList) {
    value_validation(s, skip_any, false, path, errors);
    if let Some(items) = s.element() {
        nested(items, false, &path.child("items"), errors);
    }
    for (name, property) in &s.properties {
        let at = path.child("properties").key(name.as_str());
        nested(property, false, &at, errors);
    }
    let mut forbid = |set: bool, name: &'static str, text: &str| {
        if set {
            errors.push(Error::forbidden(&path.child(name), text));
        }
    };
    let (empty, undefined, no) = (
        "must be empty to be structural",
        "must be undefined to be structural",
        "must be false to be structural",
    );
    forbid(!s.kind.is_empty(), "type", empty);
    forbid(
        s.additional_properties.is_some(),
        "additionalProperties",
        undefined,
    );
    forbid(s.default.is_some(), "default", undefined);
    forbid(!s.title.is_empty(), "title", empty);
    forbid(!s.description.is_empty(), "description", empty);
    forbid(s.nullable, "nullable", no);
    forbid(s.preserves(), "x-kubernetes-preserve-unknown-fields", no);
    forbid(s.embedded_resource, "x-kubernetes-embedded-resource", no);
    forbid(s.int_or_string, "x-kubernetes-int-or-string", no);
    forbid(
        !s.list_map_keys.is_empty(),
        "x-kubernetes-list-map-keys",
        empty,
    );
    forbid(s.list_type.is_some(), "x-kubernetes-list-type", undefined);
    forbid(s.map_type.is_some(), "x-kubernetes-map-type", undefined);
    forbid(!s.validations.is_empty(), "x-kubernetes-validations", empty);
    if s.properties.contains_key("metadata") {
        errors.push(Error::forbidden(
            &path.child("properties").key("metadata"),
            "must not be specified in a nested context",
        ));
    }
}

/// What a junctor names must be told outside of it too.
// upstream: apiserver/schema/complete.go
fn completeness(s: &Schema, path: &Path, errors: &mut ErrorList) {
    let parts = [
        ("allOf", &s.all_of),
        ("anyOf", &s.any_of),
        ("oneOf", &s.one_of),
    ];
    for (name, list) in parts {
        for (i, part) in list.iter().enumerate() {
            complete(part, Some(s), path, &path.child(name).index(i), errors);
        }
    }
    if let Some(not) = &s.not {
        complete(not, Some(s), path, &path.child("not"), errors);
    }
}

fn complete(
    part: &Schema,
    spine: Option<&Schema>,
    spine_path: &Path,
    path: &Path,
    errors: &mut ErrorList,
) {
    let Some(spine) = spine else {
        errors.push(Error::required(
            spine_path,
            format!("because it is defined in {path}"),
        ));
        return;
    };
    let lists = [
        ("allOf", &part.all_of),
        ("anyOf", &part.any_of),
        ("oneOf", &part.one_of),
    ];
    for (name, list) in lists {
        for (i, inner) in list.iter().enumerate() {
            let at = path.child(name).index(i);
            complete(inner, Some(spine), spine_path, &at, errors);
        }
    }
    if let Some(not) = &part.not {
        complete(not, Some(spine), spine_path, &path.child("not"), errors);
    }
    if let Some(items) = part.element() {
        let at = spine_path.child("items");
        complete(items, spine.element(), &at, &path.child("items"), errors);
    }
    for (name, property) in &part.properties {
        let inner = path.child("properties").key(name.as_str());
        let at = spine_path.child("properties").key(name.as_str());
        complete(property, spine.properties.get(name), &at, &inner, errors);
    }
}
