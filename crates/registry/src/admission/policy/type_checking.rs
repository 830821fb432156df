//! Warnings about a validating policy's expressions, by the types of the resources that it names.
//!
//! Expressions are evaluated on objects of any type, so a field that no object has is only found out when it is missed. The
//! policy's status tells such faults as soon as it is written.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go

use machinery::Gvk;
use serde_json::Value;

use super::compiled::ParamKind;
use super::expressions::Compiler;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::value::Read;

/// Most types that one policy is checked against.
///
/// upstream: typechecking.go#maxTypesToCheck
const MAX_TYPES: usize = 10;

/// A warning and the field that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionWarning {
    /// The field, as `spec.validations[0].expression`.
    pub field: String,
    /// What is wrong, for each type for which something is.
    pub warning: String,
}

/// The warnings about a ValidatingAdmissionPolicy.
pub fn expression_warnings(registry: &Registry, policy: &Value) -> Vec<ExpressionWarning> {
    let spec = policy.member("spec").unwrap_or(&Value::Null);
    let types = types(registry, spec);
    let params = spec
        .member("paramKind")
        .filter(|k| k.is_object())
        .map(|k| ParamKind {
            api_version: k.text("apiVersion").to_owned(),
            kind: k.text("kind").to_owned(),
        });
    let params = params.map(|kind| {
        let resources = registry.resources();
        let (group, version) = kind
            .api_version
            .split_once('/')
            .unwrap_or(("", &kind.api_version));
        resources
            .find_kind(group, version, &kind.kind)
            .and_then(|r| schema_of(r))
            .unwrap_or_else(cel::Schema::dynamic)
    });
    let compilers: Vec<(Gvk, Compiler)> = types
        .into_iter()
        .map(|(gvk, schema)| {
            let mut compiler = Compiler::typed(&schema, params.as_ref());
            for variable in spec.list("variables") {
                // A faulty one is found where it is named.
                let _ = compiler.variable(variable.text("name"), variable.text("expression"));
            }
            (gvk, compiler)
        })
        .collect();
    let mut warnings = Vec::new();
    let mut check = |field: String, expression: &str, message: bool| {
        if expression.is_empty() {
            return;
        }
        let faults: Vec<String> = compilers
            .iter()
            .filter_map(|(gvk, compiler)| {
                let fault = if message {
                    compiler.message_fault(expression)
                } else {
                    compiler.fault(expression)
                };
                let version = if gvk.group.is_empty() {
                    format!("/{}", gvk.version)
                } else {
                    format!("{}/{}", gvk.group, gvk.version)
                };
                Some(format!("{version}, Kind={}: {}\n", gvk.kind, fault?))
            })
            .collect();
        if !faults.is_empty() {
            warnings.push(ExpressionWarning {
                field,
                warning: faults.join("\n"),
            });
        }
    };
    for (i, validation) in spec.list("validations").iter().enumerate() {
        let at = format!("spec.validations[{i}]");
        check(
            format!("{at}.expression"),
            validation.text("expression"),
            false,
        );
        check(
            format!("{at}.messageExpression"),
            validation.text("messageExpression"),
            true,
        );
    }
    warnings
}

/// The types that the rules name, each once; rules with wildcards name none.
///
/// upstream: typechecking.go#TypeChecker.typesToCheck
fn types(registry: &Registry, spec: &Value) -> Vec<(Gvk, cel::Schema)> {
    let texts = |rule: &Value, name: &str| -> Option<Vec<String>> {
        let list = rule
            .list(name)
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned));
        let list: Vec<String> = list.collect();
        (!list.is_empty() && !list.iter().any(|t| t.contains('*'))).then_some(list)
    };
    let mut found: Vec<(Gvk, cel::Schema)> = Vec::new();
    let constraints = spec.member("matchConstraints").unwrap_or(&Value::Null);
    for rule in constraints.list("resourceRules") {
        let (Some(groups), Some(versions), Some(resources)) = (
            texts(rule, "apiGroups"),
            texts(rule, "apiVersions"),
            texts(rule, "resources"),
        ) else {
            continue;
        };
        for group in &groups {
            for version in &versions {
                for plural in resources.iter().filter(|r| !r.contains('/')) {
                    let Some(resource) = registry.find(group, version, plural) else {
                        continue;
                    };
                    let gvk = resource.gvk();
                    if found.iter().any(|(known, _)| *known == gvk) {
                        continue;
                    }
                    if let Some(schema) = schema_of(&resource) {
                        found.push((gvk, schema));
                    }
                    if found.len() == MAX_TYPES {
                        return found;
                    }
                }
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| {
        (&a.group, &a.version, &a.kind).cmp(&(&b.group, &b.version, &b.kind))
    });
    found
}

fn schema_of(resource: &Resource) -> Option<cel::Schema> {
    let Some(custom) = &resource.custom else {
        let of = schema::lookup(&resource.group, &resource.version, &resource.kind)?;
        return Some(structure(of, &mut Vec::new()));
    };
    let own = cel::Schema::structural(custom.schema()?, true)?;
    let text = || cel::Schema::scalar("string", "").unwrap_or_else(cel::Schema::dynamic);
    let meta = schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        .map_or_else(cel::Schema::dynamic, |of| structure(of, &mut Vec::new()));
    Some(own.with_fields([
        ("apiVersion".to_owned(), text()),
        ("kind".to_owned(), text()),
        ("metadata".to_owned(), meta),
    ]))
}

/// A type of the table; what contains itself is dynamic where it does.
fn structure(of: &'static schema::Type, within: &mut Vec<&'static str>) -> cel::Schema {
    if let Some(scalar) = &of.scalar {
        return shape(scalar, within);
    }
    if of.fields.is_empty() || within.contains(&of.name) {
        return cel::Schema::dynamic();
    }
    within.push(of.name);
    let fields: Vec<(String, cel::Schema)> = of
        .fields
        .iter()
        .map(|f| (f.name.to_owned(), shape(&f.shape, within)))
        .collect();
    within.pop();
    cel::Schema::object(of.name, fields)
}

fn shape(of: &'static schema::Shape, within: &mut Vec<&'static str>) -> cel::Schema {
    use schema::Shape;
    let scalar = |kind: &str, format: &str| {
        cel::Schema::scalar(kind, format).unwrap_or_else(cel::Schema::dynamic)
    };
    match of {
        Shape::String | Shape::Duration => scalar("string", ""),
        Shape::Bytes => scalar("string", "byte"),
        Shape::Bool => scalar("boolean", ""),
        Shape::Int32 | Shape::Int64 => scalar("integer", ""),
        Shape::Double => scalar("number", ""),
        Shape::Time | Shape::MicroTime => scalar("string", "date-time"),
        Shape::Struct(id) => id
            .get()
            .map_or_else(cel::Schema::dynamic, |of| structure(of, within)),
        Shape::List(of) => cel::Schema::list_of(shape(of, within)),
        Shape::Map(of) => cel::Schema::map_of(shape(of, within)),
        _ => cel::Schema::dynamic(),
    }
}
