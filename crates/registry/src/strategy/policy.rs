//! Disruption budgets, autoscalers, quotas, limit ranges.
//!
//! upstream: pkg/apis/{policy,autoscaling,core}/validation/validation.go, pkg/apis/{autoscaling/v2,core/v1}/defaults.go

use std::cmp::Ordering;

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::is_qualified_name;
use serde_json::{Map, Value, json};

use super::{Strategy, StrategyContext, checks, defaults, quantity};
use crate::value::{Read, Write};

/// PodDisruptionBudgets.
#[derive(Debug)]
pub(crate) struct PodDisruptionBudget;

impl Strategy for PodDisruptionBudget {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, budget: &mut Value) {
        budget.put("status", json!({}));
    }

    /// upstream: #ValidatePodDisruptionBudgetSpec
    fn validate(&self, _context: &StrategyContext<'_>, budget: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = budget.field("spec").unwrap_or(&Value::Null);
        let (min, max) = (
            spec.member("minAvailable").filter(|v| !v.is_null()),
            spec.member("maxUnavailable").filter(|v| !v.is_null()),
        );
        if let (Some(min), Some(max)) = (min, max) {
            // The value is printed as upstream's internal type.
            let value = json!({"MinAvailable": min, "Selector": spec.member("selector"), "MaxUnavailable": max,
                "UnhealthyPodEvictionPolicy": spec.member("unhealthyPodEvictionPolicy")});
            errors.push(Error::invalid(
                &path,
                value,
                "minAvailable and maxUnavailable cannot be both set",
            ));
        }
        for (name, value) in [("minAvailable", min), ("maxUnavailable", max)] {
            if let Some(value) = value {
                checks::positive_int_or_percent(&mut errors, &path.child(name), value);
                checks::not_above_100_percent(&mut errors, &path.child(name), value);
            }
        }
        errors.extend(validate_label_selector(
            spec.member("selector"),
            false,
            &path.child("selector"),
        ));
        let policy = spec.text("unhealthyPodEvictionPolicy");
        if !policy.is_empty() {
            let supported = ["AlwaysAllow", "IfHealthyBudget"];
            checks::one_of(
                &mut errors,
                &path.child("unhealthyPodEvictionPolicy"),
                policy,
                &supported,
            );
        }
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        budget: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let status = budget.field("status").unwrap_or(&Value::Null);
        for name in [
            "disruptionsAllowed",
            "currentHealthy",
            "desiredHealthy",
            "expectedPods",
        ] {
            checks::non_negative(&mut errors, status, name, &Path::new("status"));
        }
        errors
    }
}

/// HorizontalPodAutoscalers.
#[derive(Debug)]
pub(crate) struct HorizontalPodAutoscaler;

impl Strategy for HorizontalPodAutoscaler {
    /// upstream: v2/defaults.go
    fn default(&self, scaler: &mut Value) {
        let Some(spec) = scaler.ensure_object("spec") else {
            return;
        };
        spec.default_to("minReplicas", 1);
        if spec.list("metrics").is_empty() {
            let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
            spec.put("metrics", json!([cpu]));
        }
        if let Some(behavior) = spec.member_mut("behavior").filter(|b| b.is_object()) {
            if let Some(up) = behavior.ensure_object("scaleUp") {
                up.default_to("stabilizationWindowSeconds", 0);
                up.default_to("selectPolicy", "Max");
                if up.list("policies").is_empty() {
                    let policies = json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]);
                    up.put("policies", policies);
                }
            }
            if let Some(down) = behavior.ensure_object("scaleDown") {
                down.default_to("selectPolicy", "Max");
                if down.list("policies").is_empty() {
                    down.put(
                        "policies",
                        json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]),
                    );
                }
            }
        }
        scaler.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, scaler: &mut Value) {
        scaler.put("status", json!({}));
    }

    /// upstream: #validateHorizontalPodAutoscalerSpec
    fn validate(&self, _context: &StrategyContext<'_>, scaler: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = scaler.field("spec").unwrap_or(&Value::Null);
        let (min, max) = (
            spec.int("minReplicas"),
            spec.int("maxReplicas").unwrap_or_default(),
        );
        if let Some(min) = min.filter(|m| *m < 1) {
            errors.push(Error::invalid(
                &path.child("minReplicas"),
                min,
                "must be greater than or equal to 1",
            ));
        }
        if max < 1 {
            errors.push(Error::invalid(
                &path.child("maxReplicas"),
                max,
                "must be greater than 0",
            ));
        }
        if min.is_some_and(|min| max < min) {
            errors.push(Error::invalid(
                &path.child("maxReplicas"),
                max,
                "must be greater than or equal to `minReplicas`",
            ));
        }
        reference(
            spec.member("scaleTargetRef").unwrap_or(&Value::Null),
            &path.child("scaleTargetRef"),
            &mut errors,
        );
        for (i, metric) in spec.list("metrics").iter().enumerate() {
            self::metric(metric, &path.child("metrics").index(i), &mut errors);
        }
        for direction in ["scaleUp", "scaleDown"] {
            if let Some(rules) = spec
                .member("behavior")
                .and_then(|b| b.member(direction))
                .filter(|r| !r.is_null())
            {
                scaling_rules(rules, &path.child("behavior").child(direction), &mut errors);
            }
        }
        errors
    }
}

fn reference(target: &Value, path: &Path, errors: &mut ErrorList) {
    for name in ["kind", "name"] {
        let value = target.text(name);
        if value.is_empty() {
            errors.push(Error::required(&path.child(name), ""));
        } else {
            let found = machinery::validation::path_segment_name(value, false);
            checks::problems(errors, &path.child(name), &value.into(), found);
        }
    }
    let version = target.text("apiVersion");
    match machinery::GroupVersion::parse(version) {
        Ok(parsed)
            if parsed.group.is_empty()
                && target.text("kind") != "ReplicationController"
                && version.is_empty() =>
        {
            errors.push(Error::invalid(
                &path.child("apiVersion"),
                version,
                "apiVersion must specify API group",
            ));
        }
        Ok(_) => {}
        Err(error) => errors.push(Error::invalid(
            &path.child("apiVersion"),
            version,
            error.to_string(),
        )),
    }
}

fn metric(metric: &Value, path: &Path, errors: &mut ErrorList) {
    let kind = metric.text("type");
    let members = [
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
        ("ContainerResource", "containerResource"),
        ("External", "external"),
    ];
    match members.iter().find(|(k, _)| *k == kind) {
        None if kind.is_empty() => errors.push(Error::required(
            &path.child("type"),
            "must specify a metric source type",
        )),
        None => {
            let supported = [
                "ContainerResource",
                "External",
                "Object",
                "Pods",
                "Resource",
            ];
            errors.push(Error::not_supported(&path.child("type"), kind, &supported));
        }
        Some((_, member)) if !metric.has(member) => {
            errors.push(Error::required(
                &path.child(*member),
                format!("must populate information for the given metric source ({kind})"),
            ));
        }
        Some(_) => {}
    }
}

fn scaling_rules(rules: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(seconds) = rules.int("stabilizationWindowSeconds") {
        if seconds < 0 {
            errors.push(Error::invalid(
                &path.child("stabilizationWindowSeconds"),
                seconds,
                "must be greater than or equal to zero",
            ));
        }
        if seconds > 3600 {
            errors.push(Error::invalid(
                &path.child("stabilizationWindowSeconds"),
                seconds,
                "must be less than or equal to 3600",
            ));
        }
    }
    let select = rules.text("selectPolicy");
    if !select.is_empty() && !["Max", "Min", "Disabled"].contains(&select) {
        errors.push(Error::not_supported(
            &path.child("selectPolicy"),
            select,
            &["Disabled", "Max", "Min"],
        ));
    }
    for (i, policy) in rules.list("policies").iter().enumerate() {
        let path = path.child("policies").index(i);
        if !["Pods", "Percent"].contains(&policy.text("type")) {
            errors.push(Error::not_supported(
                &path.child("type"),
                policy.text("type"),
                &["Percent", "Pods"],
            ));
        }
        let value = policy.int("value").unwrap_or_default();
        if value <= 0 {
            errors.push(Error::invalid(
                &path.child("value"),
                value,
                "must be greater than zero",
            ));
        }
        let period = policy.int("periodSeconds").unwrap_or_default();
        if period <= 0 {
            errors.push(Error::invalid(
                &path.child("periodSeconds"),
                period,
                "must be greater than zero",
            ));
        }
        if period > 1800 {
            errors.push(Error::invalid(
                &path.child("periodSeconds"),
                period,
                "must be less than or equal to 1800",
            ));
        }
    }
}

/// ResourceQuotas.
#[derive(Debug)]
pub(crate) struct ResourceQuota;

impl Strategy for ResourceQuota {
    fn default(&self, quota: &mut Value) {
        quota.default_to("spec", json!({}));
        for (part, name) in [("spec", "hard"), ("status", "hard"), ("status", "used")] {
            if let Some(list) = quota.member_mut(part).and_then(|p| p.member_mut(name)) {
                defaults::resource_list(list);
            }
        }
        quota.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    /// upstream: pkg/apis/core/validation/validation.go#ValidateResourceQuotaSpec
    fn validate(&self, _context: &StrategyContext<'_>, quota: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let hard = Path::new("spec").child("hard");
        for (name, amount) in quota
            .at(&["spec", "hard"])
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let path = hard.key(name.as_str());
            checks::problems(
                &mut errors,
                &path,
                &name.as_str().into(),
                is_qualified_name(name),
            );
            if quantity::is_negative(amount) {
                let text = quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(
                    &path,
                    text,
                    "must be greater than or equal to 0",
                ));
            }
        }
        errors
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        quota: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, quota);
        let path = Path::new("spec").child("scopes");
        checks::immutable(
            &mut errors,
            &path,
            quota.at(&["spec", "scopes"]),
            old.at(&["spec", "scopes"]),
        );
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// LimitRanges.
#[derive(Debug)]
pub(crate) struct LimitRange;

impl Strategy for LimitRange {
    /// upstream: pkg/apis/core/v1/defaults.go#SetDefaults_LimitRangeItem
    fn default(&self, range: &mut Value) {
        let Some(spec) = range.ensure_object("spec") else {
            return;
        };
        for item in spec.each("limits") {
            for name in [
                "max",
                "min",
                "default",
                "defaultRequest",
                "maxLimitRequestRatio",
            ] {
                if let Some(list) = item.member_mut(name) {
                    defaults::resource_list(list);
                }
            }
            if item.text("type") != "Container" {
                continue;
            }
            fill(item, "default", "max");
            fill(item, "defaultRequest", "default");
            fill(item, "defaultRequest", "min");
        }
    }

    /// upstream: pkg/apis/core/validation/validation.go#ValidateLimitRange
    fn validate(&self, _context: &StrategyContext<'_>, range: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut kinds = std::collections::BTreeSet::new();
        for (i, item) in range
            .at(&["spec", "limits"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = Path::new("spec").child("limits").index(i);
            let kind = item.text("type");
            if kind.is_empty() {
                errors.push(Error::required(&path.child("type"), ""));
            }
            if !kinds.insert(kind) {
                errors.push(Error::duplicate(&path.child("type"), kind));
            }
            if kind == "Pod" {
                for name in ["default", "defaultRequest"] {
                    if item.entries(name).next().is_some() {
                        errors.push(Error::forbidden(
                            &path.child(name),
                            "may not be specified when `type` is 'Pod'",
                        ));
                    }
                }
            }
            let at_most = |low: &'static str, high: &'static str, errors: &mut ErrorList| {
                for (name, value) in item.entries(low) {
                    let Some(bound) = item.member(high).and_then(|h| h.member(name)) else {
                        continue;
                    };
                    if quantity::compare(value, bound) == Some(Ordering::Greater) {
                        let (shown, limit) = (
                            quantity::canonical(value).unwrap_or_default(),
                            quantity::canonical(bound).unwrap_or_default(),
                        );
                        let text = format!(
                            "{} value {shown} is greater than {} value {limit}",
                            words(low),
                            words(high)
                        );
                        errors.push(Error::invalid(
                            &path.child(low).key(name.as_str()),
                            shown,
                            text,
                        ));
                    }
                }
            };
            at_most("min", "max", &mut errors);
            at_most("min", "defaultRequest", &mut errors);
            at_most("defaultRequest", "max", &mut errors);
            at_most("defaultRequest", "default", &mut errors);
            at_most("default", "max", &mut errors);
        }
        errors
    }
}

fn words(name: &str) -> &str {
    if name == "defaultRequest" {
        "default request"
    } else {
        name
    }
}

fn fill(item: &mut Value, to: &str, from: &str) {
    let entries: Map<String, Value> = item
        .entries(from)
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if entries.is_empty() {
        return;
    }
    if let Some(list) = item.ensure_object(to) {
        for (name, value) in entries {
            list.default_to(&name, value);
        }
    }
}
