//! Pod templates and controller revisions.
//!
//! upstream: pkg/registry/core/podtemplate/strategy.go, pkg/registry/apps/controllerrevision/strategy.go

use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use crate::strategy::{Strategy, StrategyContext, checks, defaults, pod_validation};
use crate::value::Read;

/// Pod templates.
#[derive(Debug)]
pub(crate) struct PodTemplate;

impl Strategy for PodTemplate {
    fn default(&self, object: &mut Value) {
        defaults::template(object);
    }

    fn generation(&self) -> bool {
        true
    }

    fn bumps_generation(&self, object: &Value, old: &Value) -> bool {
        object.get("template") != old.get("template")
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if let Some(template) = object.member("template") {
            pod_validation::template_spec(template, &Path::new("template"), &mut errors);
        }
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// Controller revisions.
#[derive(Debug)]
pub(crate) struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if !object.has("data") {
            errors.push(Error::required(&Path::new("data"), "data is mandatory"));
        }
        if let Some(revision) = object.int("revision") {
            errors.extend(machinery::validation::validate_non_negative(
                revision,
                &Path::new("revision"),
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
        checks::immutable(
            &mut errors,
            &Path::new("data"),
            object.member("data"),
            old.member("data"),
        );
        errors
    }
}
