//! Stateful sets.
//!
//! upstream: pkg/registry/apps/statefulset/strategy.go, pkg/apis/apps/{v1/defaults,validation/validation}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

use crate::strategy::{Strategy, StrategyContext, checks, defaults, pod_validation};
use crate::value::{Read, Write, copy_member};

/// Stateful sets.
#[derive(Debug)]
pub(crate) struct StatefulSet;

impl Strategy for StatefulSet {
    fn default(&self, object: &mut Value) {
        if let Some(status) = object.ensure_object("status") {
            status.default_to("replicas", 0);
            status.default_to("availableReplicas", 0);
        }
        let Some(spec) = object.ensure_object("spec") else {
            return;
        };
        spec.default_text("podManagementPolicy", "OrderedReady");
        if let Some(strategy) = spec.ensure_object("updateStrategy") {
            strategy.default_text("type", "RollingUpdate");
            if strategy.text("type") == "RollingUpdate"
                && let Some(rolling) = strategy.ensure_object("rollingUpdate")
            {
                rolling.default_to("partition", 0);
            }
        }
        if let Some(policy) = spec.ensure_object("persistentVolumeClaimRetentionPolicy") {
            policy.default_text("whenDeleted", "Retain");
            policy.default_text("whenScaled", "Retain");
        }
        spec.default_to("replicas", 1);
        spec.default_to("revisionHistoryLimit", 10);
        spec.default_to("serviceName", "");
        for claim in spec.each("volumeClaimTemplates") {
            claim.default_text("kind", "PersistentVolumeClaim");
            claim.default_text("apiVersion", "v1");
            if let Some(spec) = claim.ensure_object("spec") {
                defaults::claim_spec(spec);
            }
            if let Some(status) = claim.ensure_object("status") {
                status.default_text("phase", "Pending");
            }
        }
        defaults::template(spec);
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        object.put("status", json!({"replicas": 0, "availableReplicas": 0}));
    }

    /// upstream: #ValidateStatefulSetSpec
    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.field("spec").unwrap_or(&Value::Null);
        match spec.text("podManagementPolicy") {
            "" => errors.push(Error::required(&path.child("podManagementPolicy"), "")),
            "OrderedReady" | "Parallel" => {}
            other => errors.push(Error::invalid(
                &path.child("podManagementPolicy"),
                other,
                "must be 'OrderedReady' or 'Parallel'",
            )),
        }
        update_strategy(spec, &path.child("updateStrategy"), &mut errors);
        retention(
            spec,
            &path.child("persistentVolumeClaimRetentionPolicy"),
            &mut errors,
        );
        checks::non_negative(&mut errors, spec, "replicas", &path);
        checks::non_negative(&mut errors, spec, "minReadySeconds", &path);
        if let Some(ordinals) = spec.member("ordinals") {
            checks::non_negative(&mut errors, ordinals, "start", &path.child("ordinals"));
        }
        let selector = super::selector(spec, &path, "statefulset", &mut errors);
        let template = path.child("template");
        let with_claims = with_claim_volumes(spec);
        pod_validation::template(&with_claims, selector.as_ref(), &template, &mut errors);
        let policy = spec
            .member("template")
            .map(|t| t.text_at(&["spec", "restartPolicy"]))
            .unwrap_or_default();
        if policy != "Always" && !policy.is_empty() {
            errors.push(Error::not_supported(
                &template.child("spec").child("restartPolicy"),
                policy,
                &["Always"],
            ));
        }
        let deadline = spec
            .member("template")
            .and_then(|t| t.at(&["spec", "activeDeadlineSeconds"]));
        if deadline.is_some_and(|d| !d.is_null()) {
            let path = template.child("spec").child("activeDeadlineSeconds");
            errors.push(Error::forbidden(
                &path,
                "activeDeadlineSeconds in StatefulSet is not Supported",
            ));
        }
        errors
    }

    /// upstream: #ValidateStatefulSetUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        const WHAT: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                            'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        let mut errors = self.validate(context, object);
        let (Some(spec), Some(was)) = (object.field("spec"), old.field("spec")) else {
            return errors;
        };
        let mut kept = spec.clone();
        for name in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            copy_member(&mut kept, was, name);
        }
        if !machinery::equality::semantic(&kept, was) {
            errors.push(Error::forbidden(&Path::new("spec"), WHAT));
        }
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        let status = object.field("status").unwrap_or(&Value::Null);
        for name in [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ] {
            checks::non_negative(&mut errors, status, name, &path);
        }
        let of = |name: &str| status.int(name).unwrap_or_default();
        for name in [
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
        ] {
            if of(name) > of("replicas") {
                errors.push(Error::invalid(
                    &path.child(name),
                    of(name),
                    "cannot be greater than status.replicas",
                ));
            }
        }
        errors
    }
}

/// Claim templates are volumes of the template's pods.
fn with_claim_volumes(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let claims = pod_validation::volumes_of_claims(&spec);
    if !claims.is_empty()
        && let Some(pod) = spec
            .member_mut("template")
            .and_then(|t| t.member_mut("spec"))
    {
        let mut volumes: Vec<Value> = pod
            .list("volumes")
            .iter()
            .filter(|v| !claims.iter().any(|c| c == v.text("name")))
            .cloned()
            .collect();
        volumes.extend(
            claims
                .iter()
                .map(|name| json!({"name": name, "emptyDir": {}})),
        );
        pod.put("volumes", volumes);
    }
    spec
}

fn update_strategy(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(strategy) = spec.member("updateStrategy") else {
        return;
    };
    let rolling = strategy.member("rollingUpdate").filter(|r| !r.is_null());
    match strategy.text("type") {
        "" => errors.push(Error::required(path, "")),
        "OnDelete" => {
            if rolling.is_some() {
                let value = rolling.cloned().unwrap_or_default();
                errors.push(Error::invalid(
                    &path.child("rollingUpdate"),
                    value,
                    "only allowed for updateStrategy 'RollingUpdate'",
                ));
            }
        }
        "RollingUpdate" => {
            if let Some(rolling) = rolling {
                let path = path.child("rollingUpdate");
                checks::non_negative(errors, rolling, "partition", &path);
                if let Some(max) = rolling.member("maxUnavailable").filter(|m| !m.is_null()) {
                    checks::positive_int_or_percent(errors, &path.child("maxUnavailable"), max);
                    if checks::is_zero(Some(max)) {
                        errors.push(Error::invalid(
                            &path.child("maxUnavailable"),
                            max.clone(),
                            "cannot be 0",
                        ));
                    }
                    checks::not_above_100_percent(errors, &path.child("maxUnavailable"), max);
                }
            }
        }
        _ => errors.push(Error::invalid(
            path,
            strategy.clone(),
            "must be 'RollingUpdate' or 'OnDelete'",
        )),
    }
}

fn retention(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(policy) = spec.member("persistentVolumeClaimRetentionPolicy") else {
        return;
    };
    for name in ["whenDeleted", "whenScaled"] {
        let value = policy.text(name);
        if !["Retain", "Delete"].contains(&value) {
            errors.push(Error::not_supported(
                &path.child(name),
                value,
                &["Delete", "Retain"],
            ));
        }
    }
}
