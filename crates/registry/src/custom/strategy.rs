//! What differs in custom resources.
//!
//! upstream: apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy,validator}.go

use std::sync::Arc;

use machinery::ObjectExt;
use machinery::owner::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use machinery::validation::is_qualified_name;
use serde_json::Value;

use super::Shape;
use crate::field::ErrorList;
use crate::strategy::{Strategy, StrategyContext};
use crate::value::{Write, copy_member};

/// Custom objects of one version.
pub(super) struct CustomResource {
    pub(super) shape: Arc<Shape>,
}

impl Strategy for CustomResource {
    fn default(&self, object: &mut Value) {
        self.shape.version().default(object);
    }

    fn has_status(&self) -> bool {
        self.shape.told.has_status()
    }

    fn generation(&self) -> bool {
        true
    }

    /// Any change but of the metadata; the status is not part of it where it has an endpoint of its own.
    fn bumps_generation(&self, object: &Value, old: &Value) -> bool {
        let rest = |v: &Value| {
            let mut rest = v.as_object().cloned().unwrap_or_default();
            rest.shift_remove("metadata");
            rest
        };
        rest(object) != rest(old)
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        if self.has_status() {
            object.take_member("status");
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        self.shape.version().validate(object)
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        let (errors, warnings) = self.shape.version().validate_update(object, old);
        context.warn(warnings);
        errors
    }

    /// All of the old object but for its status.
    fn prepare_for_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &mut Value,
        old: &Value,
    ) {
        let mut kept = old.clone();
        copy_member(&mut kept, object, "status");
        *object = kept;
    }

    fn validate_status_update(
        &self,
        context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        let (errors, warnings) = self.shape.version().validate_status(object, old);
        context.warn(warnings);
        errors
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let before = old.map(ObjectExt::finalizers).unwrap_or_default();
        let mut added: Vec<&str> = object
            .finalizers()
            .into_iter()
            .filter(|f| !before.contains(f))
            .collect();
        added.sort_unstable();
        added.into_iter().flat_map(finalizer_warnings).collect()
    }

    fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        match subresource {
            _ if !self.has_status() => &[],
            "" | "scale" => &["status"],
            "status" => &["metadata", "spec"],
            _ => &[],
        }
    }
}

/// upstream: validator.go#validateKubeFinalizerName
fn finalizer_warnings(name: &str) -> Vec<String> {
    const PATH: &str = "metadata.finalizers";
    let quoted = machinery::go::quote(name);
    let mut warnings: Vec<String> = is_qualified_name(name)
        .into_iter()
        .map(|why| format!("{PATH}: {quoted}: {why}"))
        .collect();
    let standard = [ORPHAN_FINALIZER, FOREGROUND_FINALIZER, "kubernetes"];
    if !name.contains('/') && !standard.contains(&name) {
        let what = if name.contains('.') {
            " including a path (/)"
        } else {
            ""
        };
        warnings.push(format!(
            "{PATH}: {quoted}: prefer a domain-qualified finalizer name{what} to avoid accidental conflicts with other finalizer writers"
        ));
    }
    warnings
}
