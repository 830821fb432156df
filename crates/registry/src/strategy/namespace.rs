//! Namespaces.
//!
//! upstream: pkg/registry/core/namespace/strategy.go, pkg/apis/core/v1/defaults.go#SetDefaults_Namespace

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{NameCheck, name_is_dns_label};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext};
use crate::value::{Read, Write};

const KUBERNETES: &str = "kubernetes";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const LEVELS: &[&str] = &["privileged", "baseline", "restricted"];

/// Namespaces.
#[derive(Debug)]
pub(crate) struct Namespace;

impl Strategy for Namespace {
    fn default(&self, namespace: &mut Value) {
        let name = namespace.name().to_owned();
        if !name.is_empty() && namespace.label(NAME_LABEL) != Some(&name) {
            namespace.set_label(NAME_LABEL, &name);
        }
        namespace.default_to("spec", json!({}));
        if let Some(status) = namespace.ensure_object("status") {
            status.default_text("phase", "Active");
        }
    }

    fn name_check(&self) -> NameCheck {
        name_is_dns_label
    }

    fn has_status(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, namespace: &mut Value) {
        namespace.put("status", json!({"phase": "Active"}));
        // A generated name is known only now.
        let name = namespace.name().to_owned();
        if !name.is_empty() {
            namespace.set_label(NAME_LABEL, &name);
        }
        if let Some(spec) = namespace.ensure_object("spec") {
            let mut finalizers = spec.list("finalizers").to_vec();
            if !finalizers.iter().any(|f| f.as_str() == Some(KUBERNETES)) {
                finalizers.push(KUBERNETES.into());
            }
            spec.put("finalizers", finalizers);
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, namespace: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("finalizers");
        for finalizer in namespace
            .at(&["spec", "finalizers"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = finalizer.as_str().unwrap_or_default();
            errors.extend(machinery::validation::validate_finalizer_name(name, &path));
            if !name.contains('/') && name != KUBERNETES {
                let text = "name is neither a standard finalizer name nor is it fully qualified";
                errors.push(Error::invalid(&path, name, text));
            }
        }
        pod_security(namespace, &mut errors);
        errors
    }

    /// upstream: strategy.go#namespaceStrategy.PrepareForUpdate
    fn prepare_for_update(
        &self,
        _context: &StrategyContext<'_>,
        namespace: &mut Value,
        old: &Value,
    ) {
        let finalizers = old.at(&["spec", "finalizers"]).cloned();
        if let Some(spec) = namespace.ensure_object("spec") {
            match finalizers {
                Some(finalizers) => spec.put("finalizers", finalizers),
                None => {
                    spec.take_member("finalizers");
                }
            }
        }
    }

    /// upstream: pkg/apis/core/validation/validation.go#ValidateNamespaceStatusUpdate
    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        namespace: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let phase = namespace.text_at(&["status", "phase"]);
        let path = Path::new("status").child("phase");
        let deleting = namespace.deletion_timestamp().is_some();
        if !deleting && phase != "Active" {
            errors.push(Error::invalid(
                &path,
                phase,
                "may only be 'Active' if `deletionTimestamp` is empty",
            ));
        } else if deleting && phase != "Terminating" {
            errors.push(Error::invalid(
                &path,
                phase,
                "may only be 'Terminating' if `deletionTimestamp` is not empty",
            ));
        }
        errors
    }

    fn spec_finalizers(&self) -> bool {
        true
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// upstream: staging/src/k8s.io/pod-security-admission/api/helpers.go#PolicyToEvaluate
fn pod_security(namespace: &Value, errors: &mut ErrorList) {
    let path = Path::new("metadata").child("labels");
    for mode in ["enforce", "audit", "warn"] {
        let key = format!("pod-security.kubernetes.io/{mode}");
        if let Some(level) = namespace.label(&key).filter(|l| !LEVELS.contains(l)) {
            errors.push(Error::invalid(
                &path.key(key),
                level,
                format!("must be one of {}", LEVELS.join(", ")),
            ));
        }
        let key = format!("pod-security.kubernetes.io/{mode}-version");
        if let Some(version) = namespace.label(&key).filter(|v| !is_version(v)) {
            errors.push(Error::invalid(
                &path.key(key),
                version,
                "must be \"latest\" or \"v1.x\"",
            ));
        }
    }
}

fn is_version(text: &str) -> bool {
    text == "latest"
        || text
            .strip_prefix("v1.")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
