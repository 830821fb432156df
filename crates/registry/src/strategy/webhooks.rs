//! Webhook configurations.
//!
//! upstream: pkg/apis/admissionregistration/{v1/defaults,validation/validation}.go, apiserver/pkg/util/webhook/validation.go

use std::collections::BTreeSet;

use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::{
    is_dns1035_label, is_dns1123_subdomain, is_fully_qualified_name, is_valid_port_num,
};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext};
use crate::admission::policy::expressions::Compiler;
use crate::value::{Read, Write};

/// Validating and mutating webhook configurations.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) mutating: bool,
}

impl Strategy for Webhooks {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn default(&self, configuration: &mut Value) {
        for hook in configuration.each("webhooks") {
            hook.default_to("failurePolicy", "Fail");
            hook.default_to("matchPolicy", "Equivalent");
            hook.default_to("namespaceSelector", json!({}));
            hook.default_to("objectSelector", json!({}));
            hook.default_to("timeoutSeconds", 10);
            if self.mutating {
                hook.default_to("reinvocationPolicy", "Never");
            }
            if let Some(service) = hook
                .member_mut("clientConfig")
                .and_then(|c| c.member_mut("service"))
                .filter(|s| s.is_object())
            {
                service.default_to("port", 443);
            }
            for rule in hook.each("rules") {
                rule.default_to("scope", "*");
            }
        }
    }

    fn generation(&self) -> bool {
        true
    }

    fn bumps_generation(&self, object: &Value, old: &Value) -> bool {
        object.member("webhooks") != old.member("webhooks")
    }

    fn validate(&self, _context: &StrategyContext<'_>, configuration: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut names = BTreeSet::new();
        for (i, hook) in configuration.list("webhooks").iter().enumerate() {
            let path = Path::new("webhooks").index(i);
            self.webhook(hook, &path, &mut errors);
            versions(hook, &path.child("admissionReviewVersions"), &mut errors);
            let name = hook.text("name");
            if !name.is_empty() && !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), name));
            }
        }
        errors
    }
}

/// One of a field's words, when it has one.
fn word(hook: &Value, name: &'static str, words: &[&str], path: &Path, errors: &mut ErrorList) {
    let given = hook.text(name);
    if hook.has(name) && !words.contains(&given) {
        errors.push(Error::not_supported(&path.child(name), given, words));
    }
}

impl Webhooks {
    /// upstream: #validateValidatingWebhook, #validateMutatingWebhook
    fn webhook(&self, hook: &Value, path: &Path, errors: &mut ErrorList) {
        errors.extend(is_fully_qualified_name(
            &path.child("name"),
            hook.text("name"),
        ));
        for (i, rule) in hook.list("rules").iter().enumerate() {
            validate_rule(rule, &path.child("rules").index(i), errors);
        }
        word(hook, "failurePolicy", &["Fail", "Ignore"], path, errors);
        word(hook, "matchPolicy", &["Equivalent", "Exact"], path, errors);
        if hook.text("sideEffects").is_empty() {
            errors.push(Error::required(
                &path.child("sideEffects"),
                "must specify one of None, NoneOnDryRun",
            ));
        } else {
            word(hook, "sideEffects", &["None", "NoneOnDryRun"], path, errors);
        }
        if let Some(seconds) = hook.int("timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
            errors.push(Error::invalid(
                &path.child("timeoutSeconds"),
                seconds,
                "the timeout value must be between 1 and 30 seconds",
            ));
        }
        for name in ["namespaceSelector", "objectSelector"] {
            errors.extend(validate_label_selector(
                hook.member(name),
                false,
                &path.child(name),
            ));
        }
        if self.mutating {
            word(
                hook,
                "reinvocationPolicy",
                &["IfNeeded", "Never"],
                path,
                errors,
            );
        }
        let client = hook.member("clientConfig").unwrap_or(&Value::Null);
        let at = path.child("clientConfig");
        match client.member("service").filter(|s| !s.is_null()) {
            Some(of) if !client.has("url") => service(of, &at.child("service"), errors),
            None if client.has("url") => url(client.text("url"), &at.child("url"), errors),
            _ => errors.push(Error::required(
                &at,
                "exactly one of url or service is required",
            )),
        }
        super::admission_policy::match_conditions(
            &Compiler::conditions(),
            hook.list("matchConditions"),
            &path.child("matchConditions"),
            errors,
        );
    }
}

/// upstream: #validateAdmissionReviewVersions
fn versions(hook: &Value, path: &Path, errors: &mut ErrorList) {
    let given = hook.list("admissionReviewVersions");
    if given.is_empty() {
        errors.push(Error::required(path, "must specify one of v1, v1beta1"));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, version) in given.iter().enumerate() {
        let version = version.as_str().unwrap_or_default();
        if !seen.insert(version) {
            errors.push(Error::invalid(&path.index(i), version, "duplicate version"));
            continue;
        }
        for why in is_dns1035_label(version) {
            errors.push(Error::invalid(&path.index(i), version, why));
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        errors.push(Error::invalid(
            path,
            Value::from(given.to_vec()),
            "must include at least one of v1, v1beta1",
        ));
    }
}

/// upstream: #validateRuleWithOperations, #validateRule
fn validate_rule(rule: &Value, path: &Path, errors: &mut ErrorList) {
    const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let alone = |name: &'static str, what: &str, errors: &mut ErrorList| {
        let list = rule.list(name);
        let at = path.child(name);
        if list.is_empty() {
            errors.push(Error::required(&at, ""));
        }
        if list.len() > 1 && list.iter().any(|e| e == "*") {
            errors.push(Error::invalid(
                &at,
                Value::from(list.to_vec()),
                format!("if '*' is present, must not specify other {what}"),
            ));
        }
    };
    alone("operations", "operations", errors);
    for (i, operation) in rule.list("operations").iter().enumerate() {
        let operation = operation.as_str().unwrap_or_default();
        if !OPERATIONS.contains(&operation) {
            errors.push(Error::not_supported(
                &path.child("operations").index(i),
                operation,
                OPERATIONS,
            ));
        }
    }
    alone("apiGroups", "API groups", errors);
    alone("apiVersions", "API versions", errors);
    for (i, version) in rule.list("apiVersions").iter().enumerate() {
        if version == "" {
            errors.push(Error::required(&path.child("apiVersions").index(i), ""));
        }
    }
    resources(rule.list("resources"), &path.child("resources"), errors);
    word(rule, "scope", &["*", "Cluster", "Namespaced"], path, errors);
}

/// upstream: #validateResources
fn resources(list: &[Value], path: &Path, errors: &mut ErrorList) {
    if list.is_empty() {
        errors.push(Error::required(path, ""));
    }
    let (mut all_subs, mut all_resources) = (BTreeSet::new(), BTreeSet::new());
    let (mut double, mut single, mut bare) = (false, false, false);
    for (i, given) in list.iter().enumerate() {
        let at = path.index(i);
        let given = given.as_str().unwrap_or_default();
        if given.is_empty() {
            errors.push(Error::required(&at, ""));
            continue;
        }
        double |= given == "*/*";
        single |= given == "*";
        let Some((resource, sub)) = given.split_once('/') else {
            bare = given != "*";
            continue;
        };
        if all_subs.contains(resource) {
            let why = format!("if '{resource}/*' is present, must not specify {given}");
            errors.push(Error::invalid(&at, given, why));
        }
        if all_resources.contains(sub) {
            let why = format!("if '*/{sub}' is present, must not specify {given}");
            errors.push(Error::invalid(&at, given, why));
        }
        if sub == "*" {
            all_subs.insert(resource);
        }
        if resource == "*" {
            all_resources.insert(sub);
        }
    }
    let whole = || Value::from(list.to_vec());
    if list.len() > 1 && double {
        errors.push(Error::invalid(
            path,
            whole(),
            "if '*/*' is present, must not specify other resources",
        ));
    }
    if single && bare {
        errors.push(Error::invalid(
            path,
            whole(),
            "if '*' is present, must not specify other resources without subresources",
        ));
    }
}

/// upstream: webhook/validation.go#ValidateWebhookURL
fn url(text: &str, path: &Path, errors: &mut ErrorList) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if scheme != "https" {
        errors.push(Error::invalid(
            path,
            scheme,
            format!("'https' is the only allowed URL scheme{FORM}"),
        ));
    }
    if host.is_empty() || scheme.is_empty() {
        errors.push(Error::invalid(
            path,
            "",
            format!("host must be specified{FORM}"),
        ));
    }
    if user.is_some() {
        // What stands before the colon is repeated, the password is not.
        let name = user.and_then(|u| u.split(':').next()).unwrap_or_default();
        errors.push(Error::invalid(
            path,
            name,
            "user information is not permitted in the URL",
        ));
    }
    for (part, why) in [
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ] {
        if !part.is_empty() {
            errors.push(Error::invalid(path, part, why));
        }
    }
}

/// upstream: webhook/validation.go#ValidateWebhookService
fn service(service: &Value, path: &Path, errors: &mut ErrorList) {
    for name in ["name", "namespace"] {
        if service.text(name).is_empty() {
            errors.push(Error::required(
                &path.child(name),
                format!("service {name} is required"),
            ));
        }
    }
    let port = service.int("port").unwrap_or_default();
    let wrong = is_valid_port_num(port);
    if !wrong.is_empty() {
        errors.push(Error::invalid(
            &path.child("port"),
            port,
            format!("port is not valid: {}", wrong.join(", ")),
        ));
    }
    let given = service.text("path");
    let at = path.child("path");
    match given {
        "" | "/" => return,
        "//" => {
            errors.push(Error::invalid(&at, given, "segment[0] may not be empty"));
            return;
        }
        _ => {}
    }
    if !given.starts_with('/') {
        errors.push(Error::invalid(&at, given, "must start with a '/'"));
    }
    let checked = given.get(1..).unwrap_or_default();
    let checked = checked.strip_suffix('/').unwrap_or(checked);
    for (i, step) in checked.split('/').enumerate() {
        if step.is_empty() {
            let why = format!("segment[{i}] may not be empty");
            errors.push(Error::invalid(&at, given, why));
            continue;
        }
        for why in is_dns1123_subdomain(step) {
            errors.push(Error::invalid(&at, given, format!("segment[{i}]: {why}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(hook: Value) -> Vec<String> {
        let mut errors = ErrorList::new();
        Webhooks { mutating: true }.webhook(&hook, &Path::new("w"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    fn hook(client: Value, rules: Value) -> Value {
        json!({"name": "a.example.com", "sideEffects": "None", "clientConfig": client, "rules": rules})
    }

    #[test]
    fn addresses() {
        let of = |client: Value| problems(hook(client, json!([])));
        assert!(of(json!({"url": "https://example.com:8443/path"})).is_empty());
        assert!(
            of(json!({"service": {"name": "a", "namespace": "b", "port": 1, "path": "/a/b/"}}))
                .is_empty()
        );
        assert_eq!(
            of(json!({"url": "http://user:secret@host/?q=1#f"})),
            [
                "w.clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
                "w.clientConfig.url: Invalid value: \"user\": user information is not permitted in the URL",
                "w.clientConfig.url: Invalid value: \"f\": fragments are not permitted in the URL",
                "w.clientConfig.url: Invalid value: \"q=1\": query parameters are not permitted in the URL",
            ]
        );
        assert_eq!(
            of(json!({"service": {"name": "a", "namespace": "b", "port": 0, "path": "a//b"}}))
                .len(),
            4
        );
    }

    #[test]
    fn rules() {
        let of = |more: Value| {
            let mut rule = json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
            for (key, value) in more.as_object().into_iter().flatten() {
                rule.put(key, value.clone());
            }
            problems(hook(json!({"url": "https://h"}), json!([rule])))
        };
        assert!(of(json!({})).is_empty());
        assert_eq!(
            of(json!({"operations": ["*", "CREATE"]})),
            [
                "w.rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations"
            ]
        );
        assert_eq!(
            of(json!({"resources": ["*", "pods"]})),
            [
                "w.rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without \
              subresources"
            ]
        );
        assert_eq!(
            of(json!({"resources": ["pods/*", "pods/status"]})),
            [
                "w.rules[0].resources[1]: Invalid value: \"pods/status\": if 'pods/*' is present, must not specify pods/status"
            ]
        );
        assert_eq!(of(json!({"scope": "Both"})).len(), 1);
        assert_eq!(of(json!({"operations": ["READ"]})).len(), 1);
    }
}
