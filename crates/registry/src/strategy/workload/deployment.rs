//! Deployments.
//!
//! upstream: pkg/registry/apps/deployment/strategy.go, pkg/apis/apps/{v1/defaults,validation/validation}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

use crate::strategy::{Strategy, StrategyContext, checks, defaults, pod_validation};
use crate::value::{Read, Write, keep_all_but_status, keep_metadata};

/// Deployments.
#[derive(Debug)]
pub(crate) struct Deployment;

impl Strategy for Deployment {
    fn default(&self, object: &mut Value) {
        object.default_to("status", json!({}));
        let Some(spec) = object.ensure_object("spec") else {
            return;
        };
        spec.default_to("replicas", 1);
        if let Some(strategy) = spec.ensure_object("strategy") {
            strategy.default_text("type", "RollingUpdate");
            if strategy.text("type") == "RollingUpdate"
                && let Some(rolling) = strategy.ensure_object("rollingUpdate")
            {
                rolling.default_to("maxUnavailable", "25%");
                rolling.default_to("maxSurge", "25%");
            }
        }
        spec.default_to("revisionHistoryLimit", 10);
        spec.default_to("progressDeadlineSeconds", 600);
        defaults::template(spec);
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: strategy.go#deploymentStrategy.PrepareForUpdate: annotations are copied to replica sets
    fn bumps_generation(&self, object: &Value, old: &Value) -> bool {
        object.field("spec") != old.field("spec")
            || !machinery::equality::semantic_opt(
                object.at(&["metadata", "annotations"]),
                old.at(&["metadata", "annotations"]),
            )
    }

    /// upstream: #ValidateDeploymentSpec
    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.field("spec").unwrap_or(&Value::Null);
        checks::non_negative(&mut errors, spec, "replicas", &path);
        let selector = super::selector(spec, &path, "deployment", &mut errors);
        let template = path.child("template");
        pod_validation::template(spec, selector.as_ref(), &template, &mut errors);
        pod_validation::restart_always(spec, &template, &mut errors);
        strategy(spec, &path.child("strategy"), &mut errors);
        for name in [
            "minReadySeconds",
            "revisionHistoryLimit",
            "progressDeadlineSeconds",
        ] {
            checks::non_negative(&mut errors, spec, name, &path);
        }
        if let Some(deadline) = spec.int("progressDeadlineSeconds")
            && deadline <= spec.int("minReadySeconds").unwrap_or_default()
        {
            let text = "must be greater than minReadySeconds";
            errors.push(Error::invalid(
                &path.child("progressDeadlineSeconds"),
                deadline,
                text,
            ));
        }
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

    /// upstream: strategy.go#deploymentStatusStrategy.PrepareForUpdate
    fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        match subresource {
            "status" => &["spec", "metadata.labels"],
            _ => &["status"],
        }
    }

    fn prepare_for_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &mut Value,
        old: &Value,
    ) {
        keep_all_but_status(object, old);
        keep_metadata(object, old, &["labels"]);
    }

    /// upstream: #ValidateDeploymentStatus
    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        let status = object.field("status").unwrap_or(&Value::Null);
        for name in [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
        ] {
            checks::non_negative(&mut errors, status, name, &path);
        }
        let of = |name: &str| status.int(name).unwrap_or_default();
        let mut at_most = |name: &'static str, bound: &str| {
            if of(name) > of(bound) {
                let text = format!(
                    "cannot be greater than {}",
                    if bound == "replicas" {
                        "status.replicas"
                    } else {
                        "readyReplicas"
                    }
                );
                errors.push(Error::invalid(&path.child(name), of(name), text));
            }
        };
        at_most("updatedReplicas", "replicas");
        at_most("readyReplicas", "replicas");
        at_most("availableReplicas", "replicas");
        at_most("availableReplicas", "readyReplicas");
        let before = old
            .at(&["status", "collisionCount"])
            .and_then(Value::as_i64);
        if let Some(before) = before {
            match status.int("collisionCount") {
                Some(now) if now < before => {
                    errors.push(Error::invalid(
                        &path.child("collisionCount"),
                        now,
                        "cannot be decremented",
                    ));
                }
                None => errors.push(Error::invalid(
                    &path.child("collisionCount"),
                    Value::Null,
                    "cannot be decremented",
                )),
                Some(_) => {}
            }
        }
        errors
    }
}

/// upstream: #ValidateDeploymentStrategy
fn strategy(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(strategy) = spec.member("strategy") else {
        return;
    };
    let rolling = strategy.member("rollingUpdate").filter(|r| !r.is_null());
    match strategy.text("type") {
        "Recreate" => {
            if rolling.is_some() {
                errors.push(Error::forbidden(
                    &path.child("rollingUpdate"),
                    "may not be specified when strategy `type` is 'Recreate'",
                ));
            }
        }
        "RollingUpdate" => match rolling {
            None => errors.push(Error::required(
                &path.child("rollingUpdate"),
                "this should be defaulted and never be nil",
            )),
            Some(rolling) => rolling_update(rolling, &path.child("rollingUpdate"), errors),
        },
        other => errors.push(Error::not_supported(
            &path.child("type"),
            other,
            &["Recreate", "RollingUpdate"],
        )),
    }
}

/// upstream: #ValidateRollingUpdateDeployment
fn rolling_update(rolling: &Value, path: &Path, errors: &mut ErrorList) {
    for name in ["maxUnavailable", "maxSurge"] {
        checks::positive_int_or_percent(
            errors,
            &path.child(name),
            rolling.member(name).unwrap_or(&Value::Null),
        );
    }
    if checks::is_zero(rolling.member("maxUnavailable"))
        && checks::is_zero(rolling.member("maxSurge"))
    {
        let value = rolling
            .member("maxUnavailable")
            .cloned()
            .unwrap_or_default();
        errors.push(Error::invalid(
            &path.child("maxUnavailable"),
            value,
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    checks::not_above_100_percent(
        errors,
        &path.child("maxUnavailable"),
        rolling.member("maxUnavailable").unwrap_or(&Value::Null),
    );
}
