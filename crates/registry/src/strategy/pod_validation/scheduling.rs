//! Where a pod may run: affinity, tolerations, spreading, gates.
//!
//! upstream: pkg/apis/core/validation/validation.go#validateAffinity, #ValidateTolerations, #validateTopologySpreadConstraints

use std::collections::BTreeSet;

use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::{is_label_value, is_qualified_name, validate_label_name};
use serde_json::Value;

use crate::strategy::checks::{one_of, problems};
use crate::value::Read;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn validate(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(affinity) = spec.member("affinity").filter(|a| !a.is_null()) {
        self::affinity(affinity, &path.child("affinity"), errors);
    }
    tolerations(spec, &path.child("tolerations"), errors);
    spreading(spec, &path.child("topologySpreadConstraints"), errors);
    gates(spec, &path.child("schedulingGates"), errors);
}

/// upstream: #ValidateTolerations
fn tolerations(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, toleration) in spec.list("tolerations").iter().enumerate() {
        let path = path.index(i);
        let (key, operator, value, effect) = (
            toleration.text("key"),
            toleration.text("operator"),
            toleration.text("value"),
            toleration.text("effect"),
        );
        if !key.is_empty() {
            errors.extend(validate_label_name(key, &path.child("key")));
        }
        if key.is_empty() && operator != "Exists" {
            let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(Error::invalid(&path.child("operator"), operator, text));
        }
        if toleration.has("tolerationSeconds") && effect != "NoExecute" {
            errors.push(Error::invalid(
                &path.child("effect"),
                effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            ));
        }
        match operator {
            "Equal" | "" => {
                if let Some(problem) = is_label_value(value)
                    .into_iter()
                    .reduce(|a, b| format!("{a};{b}"))
                {
                    errors.push(Error::invalid(&path.child("operator"), value, problem));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    errors.push(Error::invalid(
                        &path.child("operator"),
                        value,
                        "value must be empty when `operator` is 'Exists'",
                    ));
                }
            }
            other => errors.push(Error::not_supported(
                &path.child("operator"),
                other,
                &["Equal", "Exists"],
            )),
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            errors.push(Error::not_supported(&path.child("effect"), effect, EFFECTS));
        }
    }
}

fn affinity(affinity: &Value, path: &Path, errors: &mut ErrorList) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(node) = affinity.member("nodeAffinity").filter(|a| !a.is_null()) {
        let path = path.child("nodeAffinity");
        if let Some(required) = node.member(REQUIRED).filter(|r| !r.is_null()) {
            node_selector(required, &path.child(REQUIRED), errors);
        }
        for (i, term) in node.list(PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(i);
            weight(term, &path, errors);
            if let Some(preference) = term.member("preference") {
                node_selector_term(preference, &path.child("preference"), errors);
            }
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = affinity.member(kind).filter(|a| !a.is_null()) else {
            continue;
        };
        let path = path.child(kind);
        for (i, term) in pods.list(REQUIRED).iter().enumerate() {
            pod_term(term, &path.child(REQUIRED).index(i), errors);
        }
        for (i, term) in pods.list(PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(i);
            weight(term, &path, errors);
            if let Some(term) = term.member("podAffinityTerm") {
                pod_term(term, &path.child("podAffinityTerm"), errors);
            }
        }
    }
}

fn weight(term: &Value, path: &Path, errors: &mut ErrorList) {
    let weight = term.int("weight").unwrap_or_default();
    if !(1..=100).contains(&weight) {
        errors.push(Error::invalid(
            &path.child("weight"),
            weight,
            "must be in the range 1-100",
        ));
    }
}

/// upstream: #validatePodAffinityTerm
fn pod_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    errors.extend(validate_label_selector(
        term.member("labelSelector"),
        false,
        &path.child("labelSelector"),
    ));
    errors.extend(validate_label_selector(
        term.member("namespaceSelector"),
        false,
        &path.child("namespaceSelector"),
    ));
    for (i, namespace) in term.list("namespaces").iter().enumerate() {
        let name = namespace.as_str().unwrap_or_default();
        problems(
            errors,
            &path.child("namespaces").index(i),
            namespace,
            machinery::validation::is_dns1123_label(name),
        );
    }
    let key = term.text("topologyKey");
    if key.is_empty() {
        errors.push(Error::required(
            &path.child("topologyKey"),
            "can not be empty",
        ));
    }
    errors.extend(validate_label_name(key, &path.child("topologyKey")));
}

/// upstream: #ValidateNodeSelector
pub(crate) fn node_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("nodeSelectorTerms");
    if selector.list("nodeSelectorTerms").is_empty() {
        errors.push(Error::required(
            &path,
            "must have at least one node selector term",
        ));
    }
    for (i, term) in selector.list("nodeSelectorTerms").iter().enumerate() {
        node_selector_term(term, &path.index(i), errors);
    }
}

fn node_selector_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, expression) in term.list("matchExpressions").iter().enumerate() {
        let path = path.child("matchExpressions").index(i);
        let values = expression.list("values");
        match expression.text("operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(Error::required(
                    &path.child("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                ));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.push(Error::forbidden(
                    &path.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                errors.push(Error::required(
                    &path.child("values"),
                    "must be specified single value when `operator` is 'Lt' or 'Gt'",
                ));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.push(Error::invalid(
                &path.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        errors.extend(validate_label_name(
            expression.text("key"),
            &path.child("key"),
        ));
    }
    for (i, field) in term.list("matchFields").iter().enumerate() {
        let path = path.child("matchFields").index(i);
        match field.text("operator") {
            "In" | "NotIn" => {
                if field.list("values").len() != 1 {
                    let text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                    errors.push(Error::required(&path.child("values"), text));
                }
            }
            other => errors.push(Error::invalid(
                &path.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        if field.text("key") != "metadata.name" {
            errors.push(Error::invalid(
                &path.child("key"),
                field.text("key"),
                "not a valid field selector key",
            ));
        }
    }
}

/// upstream: #validateTopologySpreadConstraints
fn spreading(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (i, constraint) in spec.list("topologySpreadConstraints").iter().enumerate() {
        let path = path.index(i);
        let skew = constraint.int("maxSkew").unwrap_or_default();
        if skew <= 0 {
            errors.push(Error::invalid(
                &path.child("maxSkew"),
                skew,
                "must be greater than zero",
            ));
        }
        let key = constraint.text("topologyKey");
        if key.is_empty() {
            errors.push(Error::required(
                &path.child("topologyKey"),
                "can not be empty",
            ));
        } else {
            errors.extend(validate_label_name(key, &path.child("topologyKey")));
        }
        let when = constraint.text("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&when) {
            errors.push(Error::not_supported(
                &path.child("whenUnsatisfiable"),
                when,
                &["DoNotSchedule", "ScheduleAnyway"],
            ));
        }
        let pair = format!("{{{key}, {when}}}");
        if !seen.insert(pair.clone()) {
            errors.push(Error::duplicate(
                &path.child("{topologyKey, whenUnsatisfiable}"),
                pair,
            ));
        }
        if let Some(domains) = constraint.int("minDomains") {
            if domains <= 0 {
                errors.push(Error::invalid(
                    &path.child("minDomains"),
                    domains,
                    "must be greater than 0",
                ));
            } else if when != "DoNotSchedule" {
                let text = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway";
                errors.push(Error::invalid(&path.child("minDomains"), domains, text));
            }
        }
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policy = constraint.text(name);
            if !policy.is_empty() {
                one_of(errors, &path.child(name), policy, &["Honor", "Ignore"]);
            }
        }
        errors.extend(validate_label_selector(
            constraint.member("labelSelector"),
            false,
            &path.child("labelSelector"),
        ));
    }
}

fn gates(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for (i, gate) in spec.list("schedulingGates").iter().enumerate() {
        let name = gate.text("name");
        let path = path.index(i);
        problems(
            errors,
            &path.child("name"),
            &name.into(),
            is_qualified_name(name),
        );
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
    }
}
