//! Daemon sets.
//!
//! upstream: pkg/registry/apps/daemonset/strategy.go, pkg/apis/apps/{v1/defaults,validation/validation}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

use crate::strategy::{Strategy, StrategyContext, checks, defaults, pod_validation};
use crate::value::{Read, Write};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Daemon sets.
#[derive(Debug)]
pub(crate) struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, object: &mut Value) {
        if let Some(status) = object.ensure_object("status") {
            for name in [
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
            ] {
                status.default_to(name, 0);
            }
        }
        let Some(spec) = object.ensure_object("spec") else {
            return;
        };
        if let Some(strategy) = spec.ensure_object("updateStrategy") {
            strategy.default_text("type", "RollingUpdate");
            if strategy.text("type") == "RollingUpdate"
                && let Some(rolling) = strategy.ensure_object("rollingUpdate")
            {
                rolling.default_to("maxUnavailable", 1);
                rolling.default_to("maxSurge", 0);
            }
        }
        spec.default_to("revisionHistoryLimit", 10);
        defaults::template(spec);
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        object.put(
            "status",
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}),
        );
        object.set_annotation(TEMPLATE_GENERATION, "1");
    }

    /// upstream: strategy.go#daemonSetStrategy.PrepareForUpdate
    fn prepare_for_update(&self, _context: &StrategyContext<'_>, object: &mut Value, old: &Value) {
        let before = old
            .annotation(TEMPLATE_GENERATION)
            .and_then(|t| t.parse::<i64>().ok())
            .unwrap_or_default();
        let same = machinery::equality::semantic_opt(
            object.at(&["spec", "template"]),
            old.at(&["spec", "template"]),
        );
        let now = if same { before } else { before + 1 };
        object.set_annotation(TEMPLATE_GENERATION, &now.to_string());
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.field("spec").unwrap_or(&Value::Null);
        let selector = super::selector(spec, &path, "daemonset", &mut errors);
        let template = path.child("template");
        pod_validation::template(spec, selector.as_ref(), &template, &mut errors);
        pod_validation::restart_always(spec, &template, &mut errors);
        checks::non_negative(&mut errors, spec, "minReadySeconds", &path);
        update_strategy(spec, &path.child("updateStrategy"), &mut errors);
        checks::non_negative(&mut errors, spec, "revisionHistoryLimit", &path);
        errors
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, object);
        let path = Path::new("spec").child("selector");
        checks::immutable(
            &mut errors,
            &path,
            object.at(&["spec", "selector"]),
            old.at(&["spec", "selector"]),
        );
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let status = object.field("status").unwrap_or(&Value::Null);
        for name in [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ] {
            checks::non_negative(&mut errors, status, name, &Path::new("status"));
        }
        errors
    }
}

/// upstream: #ValidateDaemonSetUpdateStrategy, #ValidateRollingUpdateDaemonSet
fn update_strategy(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(strategy) = spec.member("updateStrategy") else {
        return;
    };
    match strategy.text("type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let path = path.child("rollingUpdate");
            let Some(rolling) = strategy.member("rollingUpdate").filter(|r| !r.is_null()) else {
                errors.push(Error::required(&path, ""));
                return;
            };
            let (unavailable, surge) =
                (rolling.member("maxUnavailable"), rolling.member("maxSurge"));
            for name in ["maxUnavailable", "maxSurge"] {
                let value = rolling.member(name).unwrap_or(&Value::Null);
                checks::positive_int_or_percent(errors, &path.child(name), value);
                checks::not_above_100_percent(errors, &path.child(name), value);
            }
            match (checks::is_zero(unavailable), checks::is_zero(surge)) {
                (true, true) => {
                    let value = unavailable.cloned().unwrap_or_default();
                    errors.push(Error::invalid(
                        &path.child("maxUnavailable"),
                        value,
                        "cannot be 0 when maxSurge is 0",
                    ));
                }
                (false, false) => {
                    let value = surge.cloned().unwrap_or_default();
                    errors.push(Error::invalid(
                        &path.child("maxSurge"),
                        value,
                        "may not be set when maxUnavailable is non-zero",
                    ));
                }
                _ => {}
            }
        }
        other => errors.push(Error::not_supported(
            &path.child("type"),
            other,
            &["OnDelete", "RollingUpdate"],
        )),
    }
}
