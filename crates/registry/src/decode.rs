//! Bodies as objects of a kind: type and group checked, unknown fields treated as asked, patches applied.

use machinery::field::{Error, ErrorList, Path};
use machinery::go::quote;
use machinery::patch::PatchKind;
use machinery::{GroupKind, GroupVersion, Gvk, ObjectExt, Status, typed};
use serde_json::{Map, Value};

use crate::context::RequestContext;
use crate::custom::Custom;
use crate::options::{FieldValidation, Patch};
use crate::resource::Resource;

/// What is decoded, which decides how an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A request's body.
    Body,
    /// What a patch made of the stored object.
    Patched,
}

/// Checks that a body is an object of the row's kind, and makes it one that the schema knows.
pub(crate) fn decode(
    context: &RequestContext,
    resource: &Resource,
    body: Value,
    validation: FieldValidation,
    source: Source,
) -> Result<Value, Status> {
    if let Some(custom) = &resource.custom {
        return decode_custom(context, resource, custom, body, validation, source);
    }
    decode_as(context, &resource.gvk(), body, validation, source)
}

/// The same for the kind of a subresource.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/{create,rest}.go#transformDecodeError
pub(crate) fn decode_as(
    context: &RequestContext,
    gvk: &Gvk,
    body: Value,
    validation: FieldValidation,
    source: Source,
) -> Result<Value, Status> {
    let mut object = match body {
        Value::Object(map) => Value::Object(map),
        Value::Null => Value::Object(Map::new()),
        _ => {
            return Err(Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: json: \
                 cannot unmarshal array into Go value of type struct",
                gvk.kind
            )));
        }
    };
    identify(&mut object, gvk)?;
    let Some(ty) = schema::lookup(&gvk.group, &gvk.version, &gvk.kind) else {
        return Ok(object);
    };
    let shown = (source == Source::Patched).then(|| object.clone());
    let refuse = |why: String| refused(gvk, shown.as_ref(), &why);
    let decoded = typed::decode(ty, object).map_err(|e| refuse(e.to_string()))?;
    tell_unknown(context, validation, &decoded.unknown).map_err(refuse)?;
    Ok(decoded.value)
}

/// What is told of fields that nobody knows: nothing, warnings, or an error.
fn tell_unknown(
    context: &RequestContext,
    validation: FieldValidation,
    unknown: &[String],
) -> Result<(), String> {
    let duplicate = context.take_duplicate_fields();
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for warning in typed::warnings(&duplicate, unknown) {
                context.warn(warning);
            }
        }
        FieldValidation::Strict => {
            if !duplicate.is_empty() || !unknown.is_empty() {
                return Err(typed::strict_error(&duplicate, unknown));
            }
        }
    }
    Ok(())
}

/// The error about a body, or about what a patch made.
fn refused(gvk: &Gvk, patched: Option<&Value>, why: &str) -> Status {
    match patched {
        None => cannot_be_handled(&gvk.version, &gvk.kind, &gvk.kind, why),
        Some(patched) => {
            let errors = ErrorList::from(vec![Error::invalid(
                &Path::new("patch"),
                patched.to_string(),
                why,
            )]);
            Status::invalid(&GroupKind::default(), "", &errors)
        }
    }
}

/// The same for a custom resource, by its definition's schema.
///
/// upstream: customresource_handler.go#schemaCoercingDecoder, endpoints/handlers/create.go
fn decode_custom(
    context: &RequestContext,
    resource: &Resource,
    custom: &Custom,
    body: Value,
    validation: FieldValidation,
    source: Source,
) -> Result<Value, Status> {
    let gvk = resource.gvk();
    let patched = (source == Source::Patched).then(|| body.clone());
    let refuse = |why: String| refused(&gvk, patched.as_ref(), &why);
    let mut object = match body {
        Value::Object(map) => Value::Object(map),
        other => {
            return Err(refuse(format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct",
                if other.is_array() { "array" } else { "value" }
            )));
        }
    };
    for (name, shown) in [("kind", "Kind"), ("apiVersion", "apiVersion")] {
        if object
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .is_empty()
        {
            return Err(refuse(format!("Object '{shown}' is missing in '{object}'")));
        }
    }
    let given = object.api_version();
    if given != custom.api_version() && source == Source::Body {
        return Err(Status::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({})",
            custom.api_version()
        )));
    }
    let unknown = custom
        .version()
        .decode(&mut object)
        .map_err(|problem| refuse(problem.to_string()))?;
    tell_unknown(context, validation, &unknown).map_err(refuse)?;
    Ok(object)
}

/// Adds what upstream's encoding of the stored kind always has, be it empty.
pub(crate) fn complete(object: &mut Value) {
    if let Some(ty) = schema::lookup_api_version(object.api_version(), object.kind()) {
        typed::complete(ty, object);
    }
}

fn cannot_be_handled(version: &str, kind: &str, wanted: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{kind} in version {} cannot be handled as a {wanted}: {why}",
        quote(version)
    ))
}

/// `apiVersion` and `kind` are the wanted ones, or absent and filled in.
fn identify(object: &mut Value, wanted: &Gvk) -> Result<(), Status> {
    let kind = if object.kind().is_empty() {
        wanted.kind.clone()
    } else {
        object.kind().to_owned()
    };
    let version = if object.api_version().is_empty() {
        wanted.api_version()
    } else {
        object.api_version().to_owned()
    };
    if kind == wanted.kind && version == wanted.api_version() {
        object.set_gvk(wanted);
        return Ok(());
    }
    let given = GroupVersion::parse(&version).map_err(|e| Status::bad_request(e.to_string()))?;
    let why = if schema::lookup(&given.group, &given.version, &kind).is_some() {
        let package = wanted
            .group
            .split('.')
            .next()
            .filter(|p| !p.is_empty())
            .unwrap_or("core");
        format!(
            "converting ({}.{kind}) to ({package}.{}): unknown conversion",
            given.version, wanted.kind
        )
    } else {
        format!(
            "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            quote(&kind),
            quote(&version)
        )
    };
    Err(cannot_be_handled(&given.version, &kind, &wanted.kind, &why))
}

/// Checks a patch's form; it may then be applied many times.
pub(crate) fn checked(patch: Patch) -> Result<machinery::patch::Patch, Status> {
    let (kind, body) = match patch {
        Patch::Json(body) => (PatchKind::Json, body),
        Patch::Merge(body) => (PatchKind::Merge, body),
        Patch::Strategic(body) => (PatchKind::Strategic, body),
        Patch::Apply(body) => (PatchKind::Apply, body),
    };
    Ok(machinery::patch::Patch::new(kind, body)?)
}

/// Applies a patch to an object of a kind.
pub(crate) fn apply_patch(
    gvk: &Gvk,
    patch: &machinery::patch::Patch,
    object: Value,
) -> Result<Value, Status> {
    Ok(patch.apply(schema::lookup(&gvk.group, &gvk.version, &gvk.kind), object)?)
}
