//! Names, columns, subresources and selectable fields of a definition.

use std::collections::BTreeSet;

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::is_dns1035_label;

use super::{Column, Names, ScalePaths, SelectableField};
use crate::field_path;
use crate::schema::Schema;

/// How many fields of a version may be selectable.
pub(super) const MAX_SELECTABLE: usize = 8;

// upstream: #ValidateCustomResourceDefinitionNames
pub(super) fn names(names: &Names, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut check = |path: &Path, text: &str, mixed: bool| {
        if text.is_empty() && mixed {
            return;
        }
        let problems = if mixed {
            is_dns1035_label(&text.to_lowercase())
        } else {
            is_dns1035_label(text)
        };
        if problems.is_empty() {
            return;
        }
        let joined = problems.join(",");
        let told = if mixed {
            format!("may have mixed case, but should otherwise match: {joined}")
        } else {
            joined
        };
        errors.push(Error::invalid(path, text, told));
    };
    for (name, text) in [("plural", &names.plural), ("singular", &names.singular)] {
        if !text.is_empty() {
            check(&path.child(name), text, false);
        }
    }
    check(&path.child("kind"), &names.kind, true);
    check(&path.child("listKind"), &names.list_kind, true);
    for (i, name) in names.short_names.iter().enumerate() {
        check(&path.child("shortNames").index(i), name, false);
    }
    for (i, name) in names.categories.iter().enumerate() {
        check(&path.child("categories").index(i), name, false);
    }
    if !names.kind.is_empty() && names.kind == names.list_kind {
        errors.push(Error::invalid(
            &path.child("listKind"),
            names.list_kind.as_str(),
            "kind and listKind may not be the same",
        ));
    }
    errors
}

const COLUMN_TYPES: &str = "boolean,date,integer,number,string";
const COLUMN_FORMATS: &str = "byte,date,date-time,double,float,int32,int64,password";

// upstream: #ValidateCustomResourceColumnDefinition
pub(super) fn column(column: &Column, path: &Path, errors: &mut ErrorList) {
    if column.name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    let types = format!("must be one of {COLUMN_TYPES}");
    let at = path.child("type");
    if column.kind.is_empty() {
        errors.push(Error::required(&at, types));
    } else if !COLUMN_TYPES.split(',').any(|t| t == column.kind) {
        errors.push(Error::invalid(&at, column.kind.as_str(), types));
    }
    if !column.format.is_empty() && !COLUMN_FORMATS.split(',').any(|f| f == column.format) {
        let text = format!("must be one of {COLUMN_FORMATS}");
        errors.push(Error::invalid(
            &path.child("format"),
            column.format.as_str(),
            text,
        ));
    }
    let at = path.child("JSONPath");
    if column.json_path.is_empty() {
        errors.push(Error::required(&at, ""));
    } else {
        let _ = simple_path(&column.json_path, &at, errors);
    }
}

// upstream: #validateSimpleJSONPath
fn simple_path(text: &str, path: &Path, errors: &mut ErrorList) -> bool {
    let good = text.starts_with('.');
    if !good {
        let told = "must be a simple json path starting with .";
        errors.push(Error::invalid(path, text, told));
    }
    good
}

// upstream: #ValidateCustomResourceDefinitionSubresources
pub(super) fn scale(scale: &ScalePaths, path: &Path, errors: &mut ErrorList) {
    let fields = [
        ("scale.specReplicasPath", &scale.spec_replicas, ".spec."),
        (
            "scale.statusReplicasPath",
            &scale.status_replicas,
            ".status.",
        ),
    ];
    for (name, text, prefix) in fields {
        let at = path.child(name);
        if text.is_empty() {
            errors.push(Error::required(&at, ""));
        } else if simple_path(text, &at, errors) && !text.starts_with(prefix) {
            let told = format!(
                "should be a json path under {}",
                prefix.trim_end_matches('.')
            );
            errors.push(Error::invalid(&at, text.as_str(), told));
        }
    }
    if let Some(text) = scale.label_selector.as_ref().filter(|t| !t.is_empty()) {
        let at = path.child("scale.labelSelectorPath");
        let inside = text.starts_with(".spec.") || text.starts_with(".status.");
        if simple_path(text, &at, errors) && !inside {
            let told = "should be a json path under either .spec or .status";
            errors.push(Error::invalid(&at, text.as_str(), told));
        }
    }
}

// upstream: #ValidateCustomResourceSelectableFields
pub(super) fn selectable(
    fields: &[SelectableField],
    schema: &Schema,
    too_many_allowed: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut unique = BTreeSet::new();
    for (i, field) in fields.iter().enumerate() {
        let at = path.index(i).child("jsonPath");
        let text = field.json_path.as_str();
        if text.is_empty() {
            errors.push(Error::required(&at, ""));
            continue;
        }
        let (found, of) = match field_path::resolve(text, schema, false) {
            Ok(found) => found,
            Err(why) => {
                errors.push(Error::invalid(
                    &at,
                    text,
                    format!("is an invalid path: {why}"),
                ));
                continue;
            }
        };
        let shown = found.to_string();
        if shown.split(['.', '[']).next() == Some("metadata") {
            let told = "must not point to fields in metadata";
            errors.push(Error::invalid(&at, text, told));
        }
        if !matches!(of.kind.as_str(), "string" | "boolean" | "integer") {
            errors.push(Error::invalid(&at, text, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."));
        }
        if !unique.insert(shown) {
            errors.push(Error::duplicate(&at, text));
        }
    }
    if unique.len() > MAX_SELECTABLE && !too_many_allowed {
        errors.push(Error::too_many(path, unique.len(), MAX_SELECTABLE));
    }
}
