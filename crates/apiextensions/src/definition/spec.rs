//! What must hold of a definition's spec.
//!
//! Upstream validates an internal form in which what all versions have alike stands at the top (`spec.validation`,
//! `spec.subresources`, `spec.additionalPrinterColumns`, `spec.selectableFields`); paths in messages are of that form.
// upstream: validation.go#validateCustomResourceDefinitionSpec, v1/conversion.go

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{is_dns1035_label, is_dns1123_subdomain};
use serde_json::{Value, json};

use super::openapi_schema::{self, Options};
use super::{Conversion, Definition, DefinitionVersion, checks};
use crate::rules::Engine;
use crate::schema::Schema;

/// Whether all versions have the same of something.
fn alike<T: PartialEq>(
    versions: &[DefinitionVersion],
    of: impl Fn(&DefinitionVersion) -> &T,
) -> bool {
    let mut all = versions.iter().map(of);
    let Some(first) = all.next() else {
        return false;
    };
    all.all(|other| other == first)
}

pub(super) fn validate(
    definition: &Definition,
    old: Option<&Definition>,
    engine: &dyn Engine,
) -> ErrorList {
    let spec = &definition.spec;
    let path = Path::new("spec");
    let mut errors = ErrorList::new();
    let group = path.child("group");
    if spec.group.is_empty() {
        errors.push(Error::required(&group, ""));
    } else {
        let problems = is_dns1123_subdomain(&spec.group);
        if !problems.is_empty() {
            let text = problems.join(",");
            errors.push(Error::invalid(&group, spec.group.as_str(), text));
        } else if !spec.group.contains('.') {
            let text = "should be a domain with at least one dot";
            errors.push(Error::invalid(&group, spec.group.as_str(), text));
        }
    }
    enumerated(
        &path.child("scope"),
        &spec.scope,
        &["Cluster", "Namespaced"],
        &mut errors,
    );
    schemas_present(definition, old, &path, &mut errors);
    if spec.preserve_unknown_fields && definition.schemas().any(Schema::has_defaults) {
        errors.push(Error::invalid(
            &path.child("preserveUnknownFields"),
            true,
            "must be false in order to use defaults in the schema",
        ));
    }
    let options = Options::new(definition, old);
    let versions = &spec.versions;
    let same = Alike {
        schema: alike(versions, |v| &v.schema),
        subresources: alike(versions, |v| &v.subresources),
        columns: alike(versions, |v| &v.additional_printer_columns),
        fields: alike(versions, |v| &v.selectable_fields),
    };
    for (i, version) in versions.iter().enumerate() {
        let at = path.child("versions").index(i);
        let problems = is_dns1035_label(&version.name);
        if !problems.is_empty() {
            errors.push(Error::invalid(
                &at.child("name"),
                version.name.as_str(),
                problems.join(","),
            ));
        }
        deprecation(version, &at.child("deprecationWarning"), &mut errors);
        let told = Alike {
            schema: !same.schema,
            subresources: !same.subresources,
            columns: !same.columns,
            fields: !same.fields,
        };
        let surroundings = Surroundings {
            definition,
            old,
            options: &options,
            engine,
        };
        surroundings.version(version, told, &at, "schema", &mut errors);
    }
    let mut names: Vec<&str> = versions.iter().map(|v| v.name.as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    let at = path.child("versions");
    let shown = || json!(versions.iter().map(|v| &v.name).collect::<Vec<_>>());
    if names.len() != all {
        let text = "must contain unique version names";
        errors.push(Error::invalid(&at, shown(), text));
    }
    if versions.iter().filter(|v| v.storage).count() != 1 {
        let text = "must have exactly one version marked as storage version";
        errors.push(Error::invalid(&at, shown(), text));
    }
    let at = path.child("names");
    let required = [
        ("plural", &spec.names.plural),
        ("singular", &spec.names.singular),
        ("kind", &spec.names.kind),
        ("listKind", &spec.names.list_kind),
    ];
    for (name, text) in required {
        if text.is_empty() {
            errors.push(Error::required(&at.child(name), ""));
        }
    }
    errors.extend(checks::names(&spec.names, &at));
    if let Some(first) = versions.first() {
        let surroundings = Surroundings {
            definition,
            old,
            options: &options,
            engine,
        };
        surroundings.version(first, same, &path, "validation", &mut errors);
    }
    if let Some(conversion) = &spec.conversion {
        let at = path.child("conversion");
        if conversion.strategy != "None" && spec.preserve_unknown_fields {
            errors.push(Error::invalid(
                &at.child("strategy"),
                conversion.strategy.as_str(),
                "must be None if spec.preserveUnknownFields is true",
            ));
        }
        self::conversion(conversion, old, &at, &mut errors);
    }
    errors
}

fn enumerated(path: &Path, value: &str, accepted: &[&str], errors: &mut ErrorList) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
    } else if !accepted.contains(&value) {
        errors.push(Error::not_supported(path, value, accepted));
    }
}

fn schemas_present(
    definition: &Definition,
    old: Option<&Definition>,
    path: &Path,
    errors: &mut ErrorList,
) {
    // What is stored without a schema may go on without one.
    let strict = old.is_none_or(|old| old.spec.versions.iter().all(|v| v.schema().is_some()));
    for (i, version) in definition.spec.versions.iter().enumerate() {
        if version.schema().is_some() {
            continue;
        }
        let at = path.child("versions").index(i).child("schema");
        let at = at.child("openAPIV3Schema");
        if strict {
            errors.push(Error::required(&at, ""));
        } else if version.served && !definition.spec.preserve_unknown_fields {
            let text = "because otherwise all fields are pruned";
            errors.push(Error::required(&at, text));
        }
    }
}

// upstream: #validateDeprecationWarning
fn deprecation(version: &DefinitionVersion, path: &Path, errors: &mut ErrorList) {
    let Some(warning) = &version.deprecation_warning else {
        return;
    };
    let mut tell = |text: String| errors.push(Error::invalid(path, warning.as_str(), text));
    if !version.deprecated {
        tell("can only be set for deprecated versions".to_owned());
        return;
    }
    if warning.len() > 256 {
        tell("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        tell("must not be an empty string".to_owned());
    }
    if let Some((i, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        tell(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {i}"
        ));
    }
}

#[derive(Clone, Copy)]
struct Alike {
    schema: bool,
    subresources: bool,
    columns: bool,
    fields: bool,
}

struct Surroundings<'a> {
    definition: &'a Definition,
    old: Option<&'a Definition>,
    options: &'a Options,
    engine: &'a dyn Engine,
}

impl Surroundings<'_> {
    /// Validates those parts of a version that are told at this path.
    fn version(
        &self,
        version: &DefinitionVersion,
        told: Alike,
        path: &Path,
        schema_name: &'static str,
        errors: &mut ErrorList,
    ) {
        if told.schema
            && let Some(schema) = version.schema()
        {
            let at_top = schema_name == "validation";
            let status = if at_top {
                self.definition
                    .spec
                    .versions
                    .iter()
                    .any(DefinitionVersion::has_status)
            } else {
                version.has_status()
            };
            let unchanged = self
                .old
                .and_then(|old| old.version(&version.name))
                .is_some_and(|old| old.schema() == Some(schema));
            openapi_schema::validate(
                schema,
                status,
                self.options,
                unchanged,
                self.engine,
                &path.child(schema_name),
                errors,
            );
        }
        if told.subresources
            && let Some(scale) = version.scale()
        {
            checks::scale(scale, &path.child("subresources"), errors);
        }
        if told.columns {
            for (i, column) in version.additional_printer_columns.iter().enumerate() {
                let at = path.child("additionalPrinterColumns").index(i);
                checks::column(column, &at, errors);
            }
        }
        if told.fields && !version.selectable_fields.is_empty() {
            let at = path.child("selectableFields");
            match version.schema() {
                None => errors.push(Error::invalid(
                    &at,
                    "",
                    "may only be set when `version.schema.openAPIV3Schema` is not included",
                )),
                Some(schema) => {
                    let before = self.old.and_then(|old| old.version(&version.name));
                    let kept = before.is_some_and(|old| {
                        old.selectable_fields.len() > checks::MAX_SELECTABLE
                            && old.selectable_fields == version.selectable_fields
                    });
                    checks::selectable(&version.selectable_fields, schema, kept, &at, errors);
                }
            }
        }
    }
}

const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];

// upstream: #validateCustomResourceConversion
fn conversion(
    conversion: &Conversion,
    old: Option<&Definition>,
    path: &Path,
    errors: &mut ErrorList,
) {
    enumerated(
        &path.child("strategy"),
        &conversion.strategy,
        &["None", "Webhook"],
        errors,
    );
    let config = conversion
        .webhook
        .as_ref()
        .and_then(|w| w.client_config.as_ref())
        .filter(|c| !c.is_null());
    let versions: &[String] = conversion
        .webhook
        .as_ref()
        .map_or(&[], |w| &w.conversion_review_versions);
    let at = path.child("webhookClientConfig");
    let review = path.child("conversionReviewVersions");
    if conversion.strategy != "Webhook" {
        let text = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.push(Error::forbidden(&at, text));
        }
        if !versions.is_empty() {
            errors.push(Error::forbidden(&review, text));
        }
        return;
    }
    match config {
        None => errors.push(Error::required(
            &at,
            "required when strategy is set to Webhook",
        )),
        Some(config) => client_config(config, old, &at, errors),
    }
    if versions.is_empty() {
        errors.push(Error::required(&review, ""));
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        let at = review.index(i);
        if versions.iter().take(i).any(|v| v == version) {
            errors.push(Error::invalid(&at, version.as_str(), "duplicate version"));
            continue;
        }
        for problem in is_dns1035_label(version) {
            errors.push(Error::invalid(&at, version.as_str(), problem));
        }
    }
    let known = |v: &String| REVIEW_VERSIONS.contains(&v.as_str());
    let before = old
        .and_then(|o| o.spec.conversion.as_ref())
        .and_then(|c| c.webhook.as_ref())
        .map_or(&[][..], |w| &w.conversion_review_versions);
    let strict = before.is_empty() || before.iter().any(known);
    if strict && !versions.iter().any(known) {
        let text = format!(
            "must include at least one of {}",
            REVIEW_VERSIONS.join(", ")
        );
        errors.push(Error::invalid(&review, json!(versions), text));
    }
}

// upstream: apiserver/pkg/util/webhook/validation.go
fn client_config(config: &Value, old: Option<&Definition>, path: &Path, errors: &mut ErrorList) {
    let url = config.get("url").and_then(Value::as_str);
    let service = config.get("service").filter(|s| !s.is_null());
    match (url, service) {
        (Some(url), None) => self::url(url, &path.child("url"), errors),
        (None, Some(service)) => self::service(service, &path.child("service"), errors),
        _ => errors.push(Error::required(
            path,
            "exactly one of url or service is required",
        )),
    }
    let bundle = config
        .get("caBundle")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !bundle.is_empty() && !invalid_bundle_allowed(old) && !is_bundle(bundle) {
        let text = "unable to load root certificates: unable to parse bytes as PEM block";
        errors.push(Error::invalid(&path.child("caBundle"), "<hidden>", text));
    }
}

/// A bundle that never was valid may stay as it is, as may one of a definition that isn't established.
// upstream: #allowInvalidCABundle
fn invalid_bundle_allowed(old: Option<&Definition>) -> bool {
    old.filter(|o| o.is("Established"))
        .is_none_or(has_invalid_bundle)
}

/// Whether a definition's conversion webhook has a bundle that holds no certificates.
pub(super) fn has_invalid_bundle(definition: &Definition) -> bool {
    let bundle = definition
        .spec
        .conversion
        .as_ref()
        .and_then(|c| c.webhook.as_ref()?.client_config.as_ref())
        .and_then(|c| c.get("caBundle")?.as_str())
        .unwrap_or_default();
    !bundle.is_empty() && !is_bundle(bundle)
}

fn is_bundle(bundle: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(bundle)
        .ok()
        .and_then(|b| String::from_utf8(b).ok())
        .is_some_and(|text| {
            text.contains("-----BEGIN CERTIFICATE-----")
                && text.contains("-----END CERTIFICATE-----")
        })
}

fn url(url: &str, path: &Path, errors: &mut ErrorList) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url
        .split_once("://")
        .unwrap_or((url.split_once(':').map_or("", |(s, _)| s), ""));
    if scheme != "https" {
        errors.push(Error::invalid(
            path,
            scheme,
            format!("'https' is the only allowed URL scheme{FORM}"),
        ));
    } else if rest.is_empty() || rest.starts_with('/') {
        errors.push(Error::invalid(
            path,
            "",
            format!("host must be specified{FORM}"),
        ));
    } else {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@') {
            errors.push(Error::invalid(
                path,
                user,
                "user information is not permitted in the URL",
            ));
        }
        if let Some((_, fragment)) = url.split_once('#') {
            errors.push(Error::invalid(
                path,
                fragment,
                "fragments are not permitted in the URL",
            ));
        }
        if let Some((_, query)) = url.split_once('?') {
            errors.push(Error::invalid(
                path,
                query,
                "query parameters not permitted in the URL",
            ));
        }
    }
}

fn service(service: &Value, path: &Path, errors: &mut ErrorList) {
    let text = |name: &str| {
        service
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    for (name, told) in [
        ("name", "service name is required"),
        ("namespace", "service namespace is required"),
    ] {
        if text(name).is_empty() {
            errors.push(Error::required(&path.child(name), told));
        }
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65535).contains(&port) {
        errors.push(Error::invalid(
            &path.child("port"),
            port,
            "port is not valid: must be between 1 and 65535, inclusive",
        ));
    }
    if let Some(given) = service.get("path").and_then(Value::as_str) {
        let at = path.child("path");
        if given == "/" || given.is_empty() {
            return;
        }
        if given == "//" {
            errors.push(Error::invalid(&at, given, "segment[0] may not be empty"));
            return;
        }
        if !given.starts_with('/') {
            errors.push(Error::invalid(&at, given, "must start with a '/'"));
        }
        let trimmed = given.strip_suffix('/').unwrap_or(given);
        for (i, step) in trimmed.split('/').skip(1).enumerate() {
            if step.is_empty() {
                let told = format!("segment[{i}] may not be empty");
                errors.push(Error::invalid(&at, given, told));
                continue;
            }
            for why in is_dns1123_subdomain(step) {
                let told = format!("segment[{i}]: {why}");
                errors.push(Error::invalid(&at, given, told));
            }
        }
    }
}

// upstream: #validateCustomResourceDefinitionSpecUpdate
pub(super) fn immutable(definition: &Definition, old: &Definition) -> ErrorList {
    let (spec, before) = (&definition.spec, &old.spec);
    let path = Path::new("spec");
    let names = path.child("names");
    let mut errors = ErrorList::new();
    let mut same = |path: Path, new: &str, old: &str| {
        if new != old {
            errors.push(Error::invalid(&path, new, "field is immutable"));
        }
    };
    if old.is("Established") {
        same(path.child("scope"), &spec.scope, &before.scope);
        same(names.child("kind"), &spec.names.kind, &before.names.kind);
    }
    same(path.child("group"), &spec.group, &before.group);
    same(
        names.child("plural"),
        &spec.names.plural,
        &before.names.plural,
    );
    errors
}
