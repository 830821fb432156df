//! Defaults must be what the schema allows.
// upstream: apiserver/schema/defaulting/validation.go

use machinery::field::{Error, ErrorList, Path};

use crate::rules::{BUDGET, Engine, Rules};
use crate::schema::Schema;
use crate::{meta, prune, validate};

pub(super) fn validate(
    path: &Path,
    schema: &Schema,
    require_pruned: bool,
    engine: &dyn Engine,
) -> ErrorList {
    let mut errors = ErrorList::new();
    if schema.has_defaults() {
        walk(
            path,
            &schema.as_root(),
            true,
            false,
            require_pruned,
            engine,
            &mut errors,
        );
    }
    errors
}

fn walk(
    path: &Path,
    s: &Schema,
    is_root: bool,
    in_meta: bool,
    require_pruned: bool,
    engine: &dyn Engine,
    errors: &mut ErrorList,
) {
    let in_meta = in_meta && !s.embedded_resource;
    if let Some(default) = &s.default {
        let at = path.child("default");
        let found = one(&at, s, default, is_root, in_meta, require_pruned, engine);
        errors.extend(found);
    }
    // Below additionalProperties defaults have no effect.
    if let Some(items) = s.element() {
        let at = path.child("items");
        walk(&at, items, false, in_meta, require_pruned, engine, errors);
    }
    for (name, property) in &s.properties {
        let below = in_meta || (s.embedded_resource && prune::is_meta(name));
        let at = path.child("properties").key(name.as_str());
        walk(&at, property, false, below, require_pruned, engine, errors);
    }
}

fn one(
    at: &Path,
    s: &Schema,
    default: &serde_json::Value,
    is_root: bool,
    in_meta: bool,
    require_pruned: bool,
    engine: &dyn Engine,
) -> ErrorList {
    let mut errors = ErrorList::new();
    if !in_meta {
        let mut pruned = default.clone();
        prune::prune(&mut pruned, s);
        if require_pruned && pruned != *default {
            let text = "must not have unknown fields";
            errors.push(Error::invalid(at, default.clone(), text));
        }
        let mut coerced = default.clone();
        if let Err(error) = meta::coerce(at, &mut coerced, s, false) {
            errors.push(error);
            return errors;
        }
        let found = meta::validate(at, default, s);
        if !found.is_empty() {
            errors.extend(found);
            return errors;
        }
    }
    let found = validate::validate(at, default, s);
    if !found.is_empty() {
        errors.extend(found);
        return errors;
    }
    if let Some(rules) = Rules::compile(engine, s, is_root || s.embedded_resource) {
        let (found, _) = rules.validate(at, default, Some(default), false, BUDGET);
        let clean = found.is_empty();
        errors.extend(found);
        if clean {
            // Rules with an optional oldSelf speak of what has just come too.
            let (found, _) = rules.validate(at, default, None, false, BUDGET);
            errors.extend(found);
        }
    }
    errors
}
