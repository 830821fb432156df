//! Replication controllers.
//!
//! upstream: pkg/registry/core/replicationcontroller/strategy.go, pkg/apis/core/v1/defaults.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::Selector;
use serde_json::{Map, Value, json};

use super::replica_set::replica_status;
use crate::strategy::{
    DefaultGarbageCollection, Strategy, StrategyContext, checks, defaults, pod_validation,
};
use crate::value::{Read, Write};

/// Replication controllers.
#[derive(Debug)]
pub(crate) struct ReplicationController;

impl Strategy for ReplicationController {
    /// upstream: #SetDefaults_ReplicationController
    fn default(&self, object: &mut Value) {
        if let Some(status) = object.ensure_object("status") {
            status.default_to("replicas", 0);
        }
        let labels = object
            .at(&["spec", "template", "metadata", "labels"])
            .filter(|l| l.as_object().is_some_and(|m| !m.is_empty()));
        if let Some(labels) = labels.cloned() {
            if object
                .at(&["spec", "selector"])
                .and_then(Value::as_object)
                .is_none_or(Map::is_empty)
            {
                object.set_at(&["spec", "selector"], labels.clone());
            }
            if object.labels().is_none_or(Map::is_empty) {
                object.set_at(&["metadata", "labels"], labels);
            }
        }
        let Some(spec) = object.ensure_object("spec") else {
            return;
        };
        spec.default_to("replicas", 1);
        if spec.has("template") {
            defaults::template(spec);
        }
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

    /// upstream: pkg/apis/core/validation/validation.go#ValidateReplicationControllerSpec
    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.field("spec").unwrap_or(&Value::Null);
        checks::non_negative(&mut errors, spec, "minReadySeconds", &path);
        let selector = spec
            .member("selector")
            .and_then(Value::as_object)
            .filter(|s| !s.is_empty());
        if selector.is_none() {
            errors.push(Error::required(&path.child("selector"), ""));
        }
        checks::non_negative(&mut errors, spec, "replicas", &path);
        let template = path.child("template");
        if !spec.has("template") {
            errors.push(Error::required(&template, ""));
            return errors;
        }
        let selector = selector.map(Selector::from_set);
        pod_validation::template(spec, selector.as_ref(), &template, &mut errors);
        pod_validation::restart_always(spec, &template, &mut errors);
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

    fn default_garbage_collection(&self) -> DefaultGarbageCollection {
        DefaultGarbageCollection::Orphan
    }
}
