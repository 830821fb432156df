//! CustomResourceDefinitions.
//!
//! upstream: apiextensions-apiserver/pkg/registry/customresourcedefinition/{strategy,etcd}.go

use apiextensions::conditions::{self, CLEANUP_FINALIZER, Condition, kind};
use apiextensions::rules::Cel;
use machinery::field::{Error, ErrorList, Path};
use machinery::{ObjectExt, time};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext};
use crate::value::{Write, copy_member};

/// The kind.
#[derive(Debug)]
pub(crate) struct Definition;

fn parsed(object: &Value) -> Result<apiextensions::Definition, ErrorList> {
    apiextensions::Definition::parse(object).map_err(|error| {
        let path = Path::new("spec");
        ErrorList::from(vec![Error::internal(&path, error)])
    })
}

/// The storage version is one that objects are stored in.
fn note_stored(object: &mut Value) {
    let Some(name) = apiextensions::storage_version_of(object) else {
        return;
    };
    let path = ["status", "storedVersions"];
    let mut stored: Vec<Value> = object
        .at(&path)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if !stored.iter().any(|v| *v == *name) {
        stored.push(name.into());
        if object.at(&["status"]).is_none_or(Value::is_null) {
            object.put("status", json!({}));
        }
        object.set_at(&path, stored.into());
    }
}

impl Strategy for Definition {
    fn default(&self, object: &mut Value) {
        apiextensions::set_defaults(object);
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        object.put("status", json!({}));
        note_stored(object);
    }

    fn prepare_for_update(&self, _context: &StrategyContext<'_>, object: &mut Value, _old: &Value) {
        note_stored(object);
    }

    /// The metadata may be changed here too: finalizers are taken off this way.
    fn prepare_for_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &mut Value,
        old: &Value,
    ) {
        copy_member(object, old, "spec");
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        parsed(object).map_or_else(|e| e, |definition| definition.validate(&Cel))
    }

    fn validate_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        old: &Value,
    ) -> ErrorList {
        match (parsed(object), parsed(old)) {
            (Ok(new), Ok(old)) => new.validate_update(&old, &Cel),
            (Err(errors), _) | (_, Err(errors)) => errors,
        }
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        _old: &Value,
    ) -> ErrorList {
        parsed(object).map_or_else(|e| e, |definition| definition.validate_status())
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let Ok(definition) = parsed(object) else {
            return Vec::new();
        };
        let old = old.and_then(|old| parsed(old).ok());
        definition.warnings(old.as_ref())
    }

    /// upstream: etcd.go#REST.Delete
    fn first_deletion(&self, object: &Value, now: jiff::Timestamp) -> Option<Value> {
        if object.deletion_timestamp().is_some() {
            return None;
        }
        let now = time::format(now);
        let mut next = object.clone();
        next.set_meta_text("deletionTimestamp", &now);
        let mut finalizers = next.finalizers();
        if !finalizers.contains(&CLEANUP_FINALIZER) {
            finalizers.push(CLEANUP_FINALIZER);
            let all: Vec<String> = finalizers.into_iter().map(str::to_owned).collect();
            next.set_finalizers(&all.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let pending = Condition::new(
            kind::TERMINATING,
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        );
        conditions::set(&mut next, &pending, &now);
        Some(next)
    }
}
