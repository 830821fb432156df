//! Admission policies and their bindings.
//!
//! upstream: pkg/apis/admissionregistration/{v1/defaults,validation/validation}.go,
//! pkg/registry/admissionregistration/*/strategy.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::{is_dns1035_label, is_dns1123_subdomain, is_qualified_name};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext, checks};
use crate::admission::policy::expressions::{Compiled, Compiler};
use crate::value::{Read, Write};

/// Most match conditions.
///
/// upstream: validation.go#validateMatchConditions
const MAX_CONDITIONS: usize = 64;

/// Most audit annotations.
///
/// upstream: validation.go#maxAuditAnnotations
const MAX_ANNOTATIONS: usize = 20;

/// Longest valueExpression, in bytes.
///
/// upstream: validation.go#maxAuditAnnotationValueExpressionLength
const MAX_VALUE_EXPRESSION: usize = 5 * 1024;

/// ValidatingAdmissionPolicies and MutatingAdmissionPolicies.
#[derive(Debug)]
pub(crate) struct AdmissionPolicy {
    pub(crate) mutating: bool,
}

impl Strategy for AdmissionPolicy {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn has_status(&self) -> bool {
        !self.mutating
    }

    fn generation(&self) -> bool {
        true
    }

    fn default(&self, policy: &mut Value) {
        if let Some(spec) = policy.ensure_object("spec") {
            spec.default_to("failurePolicy", "Fail");
            if self.mutating {
                spec.default_to("reinvocationPolicy", "Never");
            }
            if let Some(resources) = spec.member_mut("matchConstraints") {
                default_resources(resources);
            }
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, policy: &Value) -> ErrorList {
        let spec = policy.field("spec").unwrap_or(&Value::Null);
        let path = Path::new("spec");
        let mut errors = ErrorList::new();
        checks::one_of(
            &mut errors,
            &path.child("failurePolicy"),
            spec.text("failurePolicy"),
            &["Fail", "Ignore"],
        );
        let kind = spec.member("paramKind").filter(|k| k.is_object());
        if let Some(kind) = kind {
            param_kind(kind, &path.child("paramKind"), &mut errors);
        }
        let constraints = path.child("matchConstraints");
        match spec.member("matchConstraints").filter(|c| c.is_object()) {
            None => errors.push(Error::required(&constraints, "")),
            Some(resources) => {
                match_resources(resources, &constraints, &mut errors);
                if resources.list("resourceRules").is_empty() {
                    errors.push(Error::required(&constraints.child("resourceRules"), ""));
                }
            }
        }
        let mut compiler = Compiler::policy(kind.is_some());
        if self.mutating {
            compiler = compiler.mutating();
        }
        let mut variables = ErrorList::new();
        for (i, variable) in spec.list("variables").iter().enumerate() {
            let at = path.child("variables").index(i);
            variable_of(&mut compiler, variable, &at, &mut variables);
        }
        match_conditions(
            &compiler,
            spec.list("matchConditions"),
            &path.child("matchConditions"),
            &mut errors,
        );
        errors.extend(variables);
        if self.mutating {
            checks::one_of(
                &mut errors,
                &path.child("reinvocationPolicy"),
                spec.text("reinvocationPolicy"),
                &["IfNeeded", "Never"],
            );
            mutations(
                &compiler,
                spec.list("mutations"),
                &path.child("mutations"),
                &mut errors,
            );
        } else {
            validations(&compiler, policy.name(), spec, &path, &mut errors);
        }
        errors
    }
}

/// Their bindings.
#[derive(Debug)]
pub(crate) struct AdmissionPolicyBinding {
    pub(crate) mutating: bool,
}

impl Strategy for AdmissionPolicyBinding {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn generation(&self) -> bool {
        true
    }

    fn default(&self, binding: &mut Value) {
        if let Some(spec) = binding.member_mut("spec").filter(|s| s.is_object()) {
            if let Some(resources) = spec.member_mut("matchResources") {
                default_resources(resources);
            }
            if let Some(reference) = spec.member_mut("paramRef").filter(|r| r.is_object()) {
                reference.default_to("parameterNotFoundAction", "Deny");
            }
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, binding: &Value) -> ErrorList {
        let spec = binding.field("spec").unwrap_or(&Value::Null);
        let path = Path::new("spec");
        let mut errors = ErrorList::new();
        let name = spec.text("policyName");
        let at = path.child("policyName");
        if name.is_empty() {
            errors.push(Error::required(&at, ""));
        } else {
            let faults = is_dns1123_subdomain(name);
            errors.extend(faults.into_iter().map(|f| Error::invalid(&at, name, f)));
        }
        if let Some(reference) = spec.member("paramRef").filter(|r| r.is_object()) {
            param_ref(reference, &path.child("paramRef"), &mut errors);
        }
        if let Some(resources) = spec.member("matchResources").filter(|m| m.is_object()) {
            match_resources(resources, &path.child("matchResources"), &mut errors);
        }
        if !self.mutating {
            actions(
                spec.list("validationActions"),
                &path.child("validationActions"),
                &mut errors,
            );
        }
        errors
    }
}

fn default_resources(resources: &mut Value) {
    if !resources.is_object() {
        return;
    }
    resources.default_to("matchPolicy", "Equivalent");
    resources.default_to("namespaceSelector", json!({}));
    resources.default_to("objectSelector", json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in resources.each(list) {
            rule.default_to("scope", "*");
        }
    }
}

fn compiled(errors: &mut ErrorList, path: &Path, expression: &str, result: Compiled) {
    if let Err(why) = result {
        errors.push(Error::invalid(path, expression, why));
    }
}

fn param_kind(kind: &Value, path: &Path, errors: &mut ErrorList) {
    let api_version = kind.text("apiVersion");
    let at = path.child("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if api_version.is_empty() {
        errors.push(Error::required(&at, ""));
    } else if version.contains('/') {
        let text = format!("unexpected GroupVersion string: {api_version}");
        errors.push(Error::invalid(&at, api_version, text));
    } else {
        if !group.is_empty() {
            let faults = is_dns1123_subdomain(group);
            if !faults.is_empty() {
                errors.push(Error::invalid(&at, group, faults.join(",")));
            }
        }
        let faults = is_dns1035_label(version);
        if !faults.is_empty() {
            errors.push(Error::invalid(&at, version, faults.join(",")));
        }
    }
    let name = kind.text("kind");
    let at = path.child("kind");
    if name.is_empty() {
        errors.push(Error::required(&at, ""));
    } else {
        let faults = is_dns1035_label(&name.to_lowercase());
        if !faults.is_empty() {
            let text = format!(
                "may have mixed case, but should otherwise match: {}",
                faults.join(",")
            );
            errors.push(Error::invalid(&at, name, text));
        }
    }
}

/// upstream: validation.go#validateMatchResources
fn match_resources(resources: &Value, path: &Path, errors: &mut ErrorList) {
    checks::one_of(
        errors,
        &path.child("matchPolicy"),
        resources.text("matchPolicy"),
        &["Equivalent", "Exact"],
    );
    for name in ["namespaceSelector", "objectSelector"] {
        match resources.member(name).filter(|s| s.is_object()) {
            None => errors.push(Error::required(&path.child(name), "")),
            Some(selector) => errors.extend(validate_label_selector(
                Some(selector),
                false,
                &path.child(name),
            )),
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for (i, rule) in resources.list(list).iter().enumerate() {
            named_rule(rule, &path.child(list).index(i), errors);
        }
    }
}

/// upstream: validation.go#validateNamedRuleWithOperations
fn named_rule(rule: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = std::collections::BTreeSet::new();
    for (i, name) in rule.list("resourceNames").iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        let at = path.child("resourceNames").index(i);
        let faults = machinery::validation::is_path_segment_name(name);
        errors.extend(faults.into_iter().map(|f| Error::invalid(&at, name, f)));
        if !seen.insert(name) {
            errors.push(Error::duplicate(&at, name));
        }
    }
    for name in ["operations", "apiGroups", "apiVersions", "resources"] {
        let list = rule.list(name);
        let at = path.child(name);
        let all = list.iter().any(|v| v.as_str() == Some("*"));
        if list.is_empty() {
            errors.push(Error::required(&at, ""));
        } else if name != "resources" && all && list.len() > 1 {
            let text = format!("if '*' is present, must not specify other {}", worded(name));
            errors.push(Error::invalid(&at, Value::Array(list.to_vec()), text));
        }
        for (i, value) in list.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            let supported = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
            if name == "operations" && !supported.contains(&value) {
                errors.push(Error::not_supported(&at.index(i), value, &supported));
            }
            if value.is_empty() && matches!(name, "apiVersions" | "resources") {
                errors.push(Error::required(&at.index(i), ""));
            }
        }
    }
    let scope = rule.text("scope");
    let supported = ["*", "Cluster", "Namespaced"];
    if !scope.is_empty() && !supported.contains(&scope) {
        errors.push(Error::not_supported(
            &path.child("scope"),
            scope,
            &supported,
        ));
    }
}

fn worded(list: &str) -> &str {
    match list {
        "apiGroups" => "API groups",
        "apiVersions" => "API versions",
        other => other,
    }
}

/// upstream: validation.go#validateVariable
fn variable_of(compiler: &mut Compiler, variable: &Value, path: &Path, errors: &mut ErrorList) {
    let name = variable.text("name");
    let at = path.child("name");
    if name.trim().is_empty() {
        errors.push(Error::required(&at, "name is not specified"));
    } else if !is_identifier(name) {
        errors.push(Error::invalid(
            &at,
            name,
            "name is not a valid CEL identifier",
        ));
    }
    let expression = variable.text("expression");
    let at = path.child("expression");
    if expression.trim().is_empty() {
        errors.push(Error::required(&at, "expression is not specified"));
    } else {
        compiled(errors, &at, expression, compiler.variable(name, expression));
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && cel::escape(name) != Some(format!("__{name}__"))
}

/// Match conditions, of policies and of webhooks.
///
/// upstream: validation.go#validateMatchConditions
pub(super) fn match_conditions(
    compiler: &Compiler,
    conditions: &[Value],
    path: &Path,
    errors: &mut ErrorList,
) {
    if conditions.len() > MAX_CONDITIONS {
        errors.push(Error::too_many(path, conditions.len(), MAX_CONDITIONS));
    }
    let mut names = std::collections::BTreeSet::new();
    for (i, condition) in conditions.iter().enumerate() {
        let path = path.index(i);
        let expression = condition.text("expression").trim();
        let at = path.child("expression");
        if expression.is_empty() {
            errors.push(Error::required(&at, ""));
        } else {
            compiled(errors, &at, expression, compiler.condition(expression));
        }
        let name = condition.text("name");
        let at = path.child("name");
        if name.is_empty() {
            errors.push(Error::required(&at, ""));
        } else {
            let faults = is_qualified_name(name);
            errors.extend(faults.into_iter().map(|f| Error::invalid(&at, name, f)));
            if !names.insert(name) {
                errors.push(Error::duplicate(&at, name));
            }
        }
    }
}

fn validations(
    compiler: &Compiler,
    policy: &str,
    spec: &Value,
    path: &Path,
    errors: &mut ErrorList,
) {
    let (validations, annotations) = (spec.list("validations"), spec.list("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let text = "validations or auditAnnotations must be non-empty";
        errors.push(Error::required(&path.child("validations"), text));
        errors.push(Error::required(&path.child("auditAnnotations"), text));
        return;
    }
    for (i, v) in validations.iter().enumerate() {
        validation(compiler, v, &path.child("validations").index(i), errors);
    }
    let at = path.child("auditAnnotations");
    if annotations.len() > MAX_ANNOTATIONS {
        let text = format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations");
        errors.push(Error::invalid(
            &at,
            Value::Array(annotations.to_vec()),
            text,
        ));
    }
    let mut keys = std::collections::BTreeSet::new();
    for (i, v) in annotations.iter().enumerate() {
        let path = at.index(i);
        let key = v.text("key");
        let at = path.child("key");
        let qualified = if policy.is_empty() {
            key.to_owned()
        } else {
            format!("{policy}/{key}")
        };
        let faults = is_qualified_name(&qualified);
        errors.extend(
            faults
                .into_iter()
                .map(|f| Error::invalid(&at, qualified.as_str(), f)),
        );
        let expression = v.text("valueExpression");
        let value = path.child("valueExpression");
        if expression.trim().is_empty() {
            errors.push(Error::required(&value, "valueExpression is not specified"));
        } else if expression.trim().len() > MAX_VALUE_EXPRESSION {
            let text = format!("must not exceed {MAX_VALUE_EXPRESSION} bytes in length");
            errors.push(Error::required(&value, text));
        } else {
            compiled(errors, &value, expression, compiler.annotation(expression));
        }
        if !keys.insert(key) {
            errors.push(Error::duplicate(&at, key));
        }
    }
}

/// upstream: validation.go#validateValidation
fn validation(compiler: &Compiler, v: &Value, path: &Path, errors: &mut ErrorList) {
    let expression = v.text("expression");
    let at = path.child("expression");
    if expression.trim().is_empty() {
        errors.push(Error::required(&at, "expression is not specified"));
    } else {
        compiled(errors, &at, expression, compiler.condition(expression));
    }
    let message_expression = v.text("messageExpression");
    let at = path.child("messageExpression");
    if !message_expression.is_empty() && message_expression.trim().is_empty() {
        errors.push(Error::invalid(
            &at,
            message_expression,
            "must be non-empty if specified",
        ));
    } else if !message_expression.is_empty() {
        compiled(
            errors,
            &at,
            message_expression,
            compiler.message(message_expression),
        );
    }
    let message = v.text("message");
    let at = path.child("message");
    if !message.is_empty() && message.trim().is_empty() {
        errors.push(Error::invalid(
            &at,
            message,
            "message must be non-empty if specified",
        ));
    } else if message.trim().contains('\n') {
        errors.push(Error::invalid(
            &at,
            message,
            "message must not contain line breaks",
        ));
    } else if expression.trim().contains('\n') && message.trim().is_empty() {
        let text = "message must be specified if expression contains line breaks";
        errors.push(Error::required(&at, text));
    }
    let reason = v.text("reason");
    let supported = [
        "Forbidden",
        "Invalid",
        "RequestEntityTooLarge",
        "Unauthorized",
    ];
    if !reason.is_empty() && !supported.contains(&reason) {
        errors.push(Error::not_supported(
            &path.child("reason"),
            reason,
            &supported,
        ));
    }
}

/// upstream: validation.go#validateMutation
fn mutations(compiler: &Compiler, list: &[Value], path: &Path, errors: &mut ErrorList) {
    if list.is_empty() {
        errors.push(Error::required(
            path,
            "mutations must contain at least one item",
        ));
    }
    for (i, mutation) in list.iter().enumerate() {
        let path = path.index(i);
        let kind = mutation.text("patchType");
        let (wanted, other) = match kind {
            "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
            "JSONPatch" => ("jsonPatch", "applyConfiguration"),
            _ => {
                let supported = ["ApplyConfiguration", "JSONPatch"];
                checks::one_of(errors, &path.child("patchType"), kind, &supported);
                continue;
            }
        };
        let at = path.child(wanted);
        match mutation.member(wanted).filter(|m| m.is_object()) {
            None => errors.push(Error::required(
                &at,
                format!("must be specified when patchType is {kind}"),
            )),
            Some(part) => {
                let expression = part.text("expression");
                let at = at.child("expression");
                if expression.trim().is_empty() {
                    errors.push(Error::required(&at, "expression is not specified"));
                } else if wanted == "jsonPatch" {
                    compiled(errors, &at, expression, compiler.json_patch(expression));
                } else {
                    compiled(errors, &at, expression, compiler.configuration(expression));
                }
            }
        }
        if mutation.member(other).is_some_and(|m| !m.is_null()) {
            let text = format!("must not be specified when patchType is {kind}");
            errors.push(Error::forbidden(&path.child(other), text));
        }
    }
}

/// upstream: validation.go#validateParamRef
fn param_ref(reference: &Value, path: &Path, errors: &mut ErrorList) {
    let name = reference.text("name");
    let selector = reference.member("selector").filter(|s| s.is_object());
    let exclusive = "name and selector are mutually exclusive";
    if !name.is_empty() {
        let at = path.child("name");
        let faults = machinery::validation::is_path_segment_name(name);
        errors.extend(faults.into_iter().map(|f| Error::invalid(&at, name, f)));
        if selector.is_some() {
            errors.push(Error::forbidden(&at, exclusive));
        }
    }
    if let Some(selector) = selector {
        let at = path.child("selector");
        errors.extend(validate_label_selector(Some(selector), false, &at));
        if !name.is_empty() {
            errors.push(Error::forbidden(&at, exclusive));
        }
    }
    if name.is_empty() && selector.is_none() {
        errors.push(Error::required(
            path,
            "one of name or selector must be specified",
        ));
    }
    checks::one_of(
        errors,
        &path.child("parameterNotFoundAction"),
        reference.text("parameterNotFoundAction"),
        &["Allow", "Deny"],
    );
}

/// upstream: validation.go#validateValidationActions
fn actions(list: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = std::collections::BTreeSet::new();
    for action in list.iter().filter_map(Value::as_str) {
        let supported = ["Audit", "Deny", "Warn"];
        if !supported.contains(&action) {
            errors.push(Error::not_supported(path, action, &supported));
        }
        if !seen.insert(action) {
            errors.push(Error::duplicate(path, action));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let text = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                    response and headers serves no purpose)";
        errors.push(Error::invalid(path, Value::Array(list.to_vec()), text));
    }
    if list.is_empty() {
        errors.push(Error::required(
            path,
            "at least one validation action is required",
        ));
    }
}
