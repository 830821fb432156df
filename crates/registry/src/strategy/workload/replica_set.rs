//! Replica sets.
//!
//! upstream: pkg/registry/apps/replicaset/strategy.go, pkg/apis/apps/validation/validation.go#ValidateReplicaSetSpec

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

use crate::strategy::{Strategy, StrategyContext, checks, defaults, pod_validation};
use crate::value::{Read, Write};

/// Replica sets.
#[derive(Debug)]
pub(crate) struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, object: &mut Value) {
        if let Some(status) = object.ensure_object("status") {
            status.default_to("replicas", 0);
        }
        let Some(spec) = object.ensure_object("spec") else {
            return;
        };
        spec.default_to("replicas", 1);
        defaults::template(spec);
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        object.put("status", json!({"replicas": 0}));
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.field("spec").unwrap_or(&Value::Null);
        checks::non_negative(&mut errors, spec, "replicas", &path);
        checks::non_negative(&mut errors, spec, "minReadySeconds", &path);
        let selector = super::selector(spec, &path, "replicaset", &mut errors);
        let template = path.child("template");
        pod_validation::template(spec, selector.as_ref(), &template, &mut errors);
        pod_validation::restart_always(spec, &template, &mut errors);
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
        replica_status(object)
    }
}

/// upstream: #ValidateReplicaSetStatus
pub(super) fn replica_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status");
    let status = object.field("status").unwrap_or(&Value::Null);
    for name in [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
    ] {
        checks::non_negative(&mut errors, status, name, &path);
    }
    let of = |name: &str| status.int(name).unwrap_or_default();
    for name in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        if of(name) > of("replicas") {
            errors.push(Error::invalid(
                &path.child(name),
                of(name),
                "cannot be greater than status.replicas",
            ));
        }
    }
    if of("availableReplicas") > of("readyReplicas") {
        errors.push(Error::invalid(
            &path.child("availableReplicas"),
            of("availableReplicas"),
            "cannot be greater than readyReplicas",
        ));
    }
    errors
}
