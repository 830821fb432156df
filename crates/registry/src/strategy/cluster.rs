//! Events, leases, service accounts, priority classes, runtime classes.
//!
//! upstream: pkg/registry/{core/event,coordination/lease,core/serviceaccount,scheduling/priorityclass,node/runtimeclass}

use std::time::Duration;

use machinery::ObjectExt;
use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::is_dns1123_label;
use serde_json::Value;

use super::{
    DefaultGarbageCollection, Strategy, StrategyContext, checks, defaults, pod_validation,
};
use crate::value::{Read, Write};

/// Events.
#[derive(Debug)]
pub(crate) struct Event;

impl Strategy for Event {
    fn name_check(&self) -> machinery::validation::NameCheck {
        machinery::validation::name_is_dns_subdomain
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    /// upstream: pkg/apis/core/validation/events.go#legacyValidateEvent
    fn validate(&self, _context: &StrategyContext<'_>, event: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let about = event.text_at(&["involvedObject", "namespace"]);
        let path = Path::new("involvedObject").child("namespace");
        let namespace = event.namespace();
        if about.is_empty() {
            if !matches!(namespace, "" | "default") {
                errors.push(Error::invalid(
                    &path,
                    about,
                    "does not match event.namespace",
                ));
            }
        } else if about != namespace {
            errors.push(Error::invalid(
                &path,
                about,
                "does not match event.namespace",
            ));
        }
        errors
    }

    /// upstream: pkg/controlplane/apiserver/options.go#EventTTL
    fn ttl(&self) -> Option<Duration> {
        Some(Duration::from_secs(60 * 60))
    }

    fn default_garbage_collection(&self) -> DefaultGarbageCollection {
        DefaultGarbageCollection::Unsupported
    }

    fn field_value(&self, event: &Value, label: &str) -> String {
        // upstream: pkg/registry/core/event/strategy.go#ToSelectableFields
        match label {
            "source" => match event.text_at(&["source", "component"]) {
                "" => event.text("reportingComponent").to_owned(),
                component => component.to_owned(),
            },
            _ => String::new(),
        }
    }
}

/// Leases.
#[derive(Debug)]
pub(crate) struct Lease;

impl Strategy for Lease {
    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    /// upstream: pkg/apis/coordination/validation/validation.go#ValidateLeaseSpec
    fn validate(&self, _context: &StrategyContext<'_>, lease: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = lease.field("spec").unwrap_or(&Value::Null);
        if let Some(seconds) = spec.int("leaseDurationSeconds").filter(|s| *s <= 0) {
            errors.push(Error::invalid(
                &path.child("leaseDurationSeconds"),
                seconds,
                "must be greater than 0",
            ));
        }
        if let Some(times) = spec.int("leaseTransitions").filter(|t| *t < 0) {
            errors.push(Error::invalid(
                &path.child("leaseTransitions"),
                times,
                "must be greater than or equal to 0",
            ));
        }
        if spec.member("preferredHolder").is_some_and(|p| !p.is_null())
            && spec.text("strategy").is_empty()
        {
            let value = spec.text("preferredHolder");
            errors.push(Error::forbidden(
                &path.child("preferredHolder"),
                "may only be specified if `strategy` is defined",
            ));
            let _ = value;
        }
        errors
    }
}

/// Service accounts.
#[derive(Debug)]
pub(crate) struct ServiceAccount;

impl Strategy for ServiceAccount {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// Priority classes.
#[derive(Debug)]
pub(crate) struct PriorityClass;

const SYSTEM_CLASSES: &[(&str, i64)] = &[
    ("system-node-critical", 2_000_001_000),
    ("system-cluster-critical", 2_000_000_000),
];
const MAX_USER_PRIORITY: i64 = 1_000_000_000;

impl Strategy for PriorityClass {
    fn default(&self, class: &mut Value) {
        class.default_text("preemptionPolicy", "PreemptLowerPriority");
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: pkg/apis/scheduling/validation/validation.go#ValidatePriorityClass
    fn validate(&self, _context: &StrategyContext<'_>, class: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (name, value) = (class.name(), class.int("value").unwrap_or_default());
        let policy = class.text("preemptionPolicy");
        if name.starts_with("system-") {
            let known = SYSTEM_CLASSES
                .iter()
                .any(|(n, v)| *n == name && *v == value);
            if !known {
                let text = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
                     system priority class"
                );
                errors.push(Error::forbidden(&Path::new("metadata").child("name"), text));
            }
        } else if value > MAX_USER_PRIORITY {
            let text =
                format!("maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}");
            errors.push(Error::forbidden(&Path::new("value"), text));
        }
        if !policy.is_empty() && !["Never", "PreemptLowerPriority"].contains(&policy) {
            errors.push(Error::not_supported(
                &Path::new("preemptionPolicy"),
                policy,
                &["Never", "PreemptLowerPriority"],
            ));
        }
        errors
    }

    /// upstream: #ValidatePriorityClassUpdate
    fn validate_update(
        &self,
        _context: &StrategyContext<'_>,
        class: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        if class.int("value") != old.int("value") {
            errors.push(Error::forbidden(
                &Path::new("value"),
                "may not be changed in an update.",
            ));
        }
        let path = Path::new("preemptionPolicy");
        checks::immutable(
            &mut errors,
            &path,
            class.member("preemptionPolicy"),
            old.member("preemptionPolicy"),
        );
        errors
    }
}

/// Runtime classes.
#[derive(Debug)]
pub(crate) struct RuntimeClass;

impl Strategy for RuntimeClass {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn default(&self, class: &mut Value) {
        if let Some(fixed) = class
            .member_mut("overhead")
            .and_then(|o| o.member_mut("podFixed"))
        {
            defaults::resource_list(fixed);
        }
    }

    /// upstream: pkg/apis/node/validation/validation.go#ValidateRuntimeClass
    fn validate(&self, _context: &StrategyContext<'_>, class: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let handler = class.text("handler");
        checks::problems(
            &mut errors,
            &Path::new("handler"),
            &handler.into(),
            is_dns1123_label(handler),
        );
        if let Some(overhead) = class.member("overhead").filter(|o| o.has("podFixed")) {
            let requests = serde_json::json!({"requests": overhead.member("podFixed")});
            pod_validation::resources(
                &requests,
                &Path::new("overhead").child("podFixed"),
                &mut errors,
            );
        }
        errors
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        class: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, class);
        if !semantic_opt(class.member("handler"), old.member("handler")) {
            errors.push(Error::invalid(
                &Path::new("handler"),
                class.text("handler"),
                "field is immutable",
            ));
        }
        errors
    }
}
