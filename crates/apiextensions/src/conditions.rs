//! Conditions of a definition's status.
// upstream: apiextensions-apiserver/pkg/apihelpers/helpers.go

use machinery::ObjectExt;
use serde_json::{Value, json};

/// Names of the conditions.
pub mod kind {
    /// The resources are served.
    pub const ESTABLISHED: &str = "Established";
    /// The names are free.
    pub const NAMES_ACCEPTED: &str = "NamesAccepted";
    /// A schema isn't structural.
    pub const NON_STRUCTURAL: &str = "NonStructuralSchema";
    /// Instances are being deleted.
    pub const TERMINATING: &str = "Terminating";
    /// A group of the community has the approval that it needs.
    pub const APPROVED: &str = "KubernetesAPIApprovalPolicyConformant";
}

/// The finalizer that a definition has until its instances are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A condition but for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// A word for machines.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Condition {
    /// A condition.
    pub fn new(
        kind: &'static str,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason,
            message: message.into(),
        }
    }

    fn is_like(&self, other: &Value) -> bool {
        let text = |name: &str| other.get(name).and_then(Value::as_str).unwrap_or_default();
        text("status") == self.status
            && text("reason") == self.reason
            && text("message") == self.message
    }
}

fn list(object: &Value) -> impl Iterator<Item = &Value> {
    object
        .at(&["status", "conditions"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The condition of a type.
pub fn find<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object).find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether a condition is true.
pub fn is_true(object: &Value, kind: &str) -> bool {
    find(object, kind).is_some_and(|c| c.get("status").and_then(Value::as_str) == Some("True"))
}

/// Whether a condition is there and says the same.
pub fn has(object: &Value, condition: &Condition) -> bool {
    find(object, condition.kind).is_some_and(|c| condition.is_like(c))
}

/// Sets a condition; its time changes when its status does. `generation` is that of the spec it speaks of.
// upstream: #SetCRDCondition
pub fn set(object: &mut Value, condition: &Condition, now: &str) {
    let before = find(object, condition.kind);
    let since = before
        .filter(|c| c.get("status").and_then(Value::as_str) == Some(condition.status))
        .and_then(|c| c.get("lastTransitionTime"))
        .and_then(Value::as_str)
        .filter(|t| !t.is_empty())
        .unwrap_or(now);
    let mut new = json!({
        "type": condition.kind,
        "status": condition.status,
        "lastTransitionTime": since,
        "reason": condition.reason,
        "message": condition.message,
    });
    if let (Some(generation), Some(map)) = (
        before.and_then(|c| c.get("observedGeneration")).cloned(),
        new.as_object_mut(),
    ) {
        map.insert("observedGeneration".to_owned(), generation);
    }
    let mut all: Vec<Value> = list(object).cloned().collect();
    match all
        .iter_mut()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(condition.kind))
    {
        Some(old) => *old = new,
        None => all.push(new),
    }
    put(object, all);
}

/// Takes a condition away; false when it isn't there.
pub fn remove(object: &mut Value, kind: &str) -> bool {
    let before = list(object).count();
    let rest: Vec<Value> = list(object)
        .filter(|c| c.get("type").and_then(Value::as_str) != Some(kind))
        .cloned()
        .collect();
    let removed = rest.len() < before;
    if removed {
        put(object, rest);
    }
    removed
}

fn put(object: &mut Value, all: Vec<Value>) {
    if object.at(&["status"]).is_none_or(Value::is_null) {
        object.set_at(&["status"], json!({}));
    }
    object.set_at(&["status", "conditions"], all.into());
}

/// Whether a definition in one of the community's groups has the approval that it needs; `None` in other groups.
// upstream: controller/apiapproval/apiapproval_controller.go#calculateCondition
pub fn approval(definition: &crate::Definition) -> Option<Condition> {
    let (status, reason, message) = crate::definition::approval_condition(definition)?;
    Some(Condition::new(kind::APPROVED, status, reason, message))
}

/// What a definition's schemas are, when they aren't structural.
// upstream: controller/nonstructuralschema/nonstructuralschema_controller.go#calculateCondition
pub fn non_structural(definition: &crate::Definition) -> Option<Condition> {
    let mut errors = machinery::field::ErrorList::new();
    if definition.spec.preserve_unknown_fields {
        errors.push(machinery::field::Error::invalid(
            &machinery::field::Path::new("spec").child("preserveUnknownFields"),
            true,
            "must be false",
        ));
    }
    for (i, version) in definition.spec.versions.iter().enumerate() {
        let Some(schema) = version.schema() else {
            continue;
        };
        let path = machinery::field::Path::new("spec")
            .child("versions")
            .index(i)
            .child("schema")
            .child("openAPIV3Schema");
        if let Err(why) = crate::structural::convert(schema) {
            return Some(Condition::new(
                kind::NON_STRUCTURAL,
                "True",
                "StructuralError",
                format!(
                    "failed to check validation schema for version {}: {why}",
                    version.name
                ),
            ));
        }
        errors.extend(crate::structural::validate(&path, schema));
    }
    (!errors.is_empty()).then(|| {
        Condition::new(
            kind::NON_STRUCTURAL,
            "True",
            "Violations",
            errors.aggregate(),
        )
    })
}
