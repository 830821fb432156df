//! The configured webhooks, parsed once for each change of a configuration.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/configuration/{mutating,validating}_webhook_manager.go

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use machinery::ObjectExt;
use machinery::labels::{Selector, from_label_selector};
use parking_lot::Mutex;
use serde_json::Value;
use store::Revision;
use webhook::ClientConfig;

use crate::admission::conditions::Condition;
use crate::admission::rules::Rule;
use crate::registry::Registry;
use crate::value::Read;

const GROUP: &str = "admissionregistration.k8s.io";

/// The AdmissionReview that a webhook is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReviewVersion {
    V1,
    V1Beta1,
    /// It accepts none that this server knows.
    None,
}

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    /// Unique among all; by it a reinvocation knows it again.
    pub(super) uid: String,
    pub(super) configuration: String,
    pub(super) name: String,
    pub(super) rules: Vec<Rule>,
    /// `matchPolicy: Equivalent`.
    pub(super) equivalent: bool,
    pub(super) namespace_selector: Result<Selector, String>,
    pub(super) object_selector: Result<Selector, String>,
    /// `failurePolicy: Fail`.
    pub(super) fail: bool,
    pub(super) timeout: Duration,
    pub(super) side_effects: String,
    pub(super) review: ReviewVersion,
    /// `reinvocationPolicy: IfNeeded`.
    pub(super) reinvoke: bool,
    pub(super) client: Result<ClientConfig, String>,
    pub(super) conditions: Vec<Condition>,
}

impl Hook {
    fn parse(configuration: &str, number: usize, hook: &Value) -> Self {
        let name = hook.text("name").to_owned();
        let selector = |field: &str| match hook.member(field).filter(|s| !s.is_null()) {
            None => Ok(Selector::everything()),
            some => from_label_selector(some).map_err(|e| e.to_string()),
        };
        let reviews = hook.list("admissionReviewVersions");
        let review = reviews
            .iter()
            .find_map(|v| match v.as_str()? {
                "v1" => Some(ReviewVersion::V1),
                "v1beta1" => Some(ReviewVersion::V1Beta1),
                _ => None,
            })
            .unwrap_or(ReviewVersion::None);
        let seconds = hook.int("timeoutSeconds").unwrap_or(10).clamp(1, 30);
        Self {
            uid: format!("{configuration}/{name}/{number}"),
            configuration: configuration.to_owned(),
            rules: hook.list("rules").iter().map(Rule::parse).collect(),
            equivalent: hook.text("matchPolicy") != "Exact",
            namespace_selector: selector("namespaceSelector"),
            object_selector: selector("objectSelector"),
            fail: hook.text("failurePolicy") != "Ignore",
            timeout: Duration::from_secs(seconds.unsigned_abs()),
            side_effects: hook.text("sideEffects").to_owned(),
            review,
            reinvoke: hook.text("reinvocationPolicy") == "IfNeeded",
            client: ClientConfig::parse(hook.member("clientConfig").unwrap_or(&Value::Null))
                .map_err(|e| e.to_string()),
            conditions: hook
                .list("matchConditions")
                .iter()
                .map(|c| Condition::new(c.text("expression")))
                .collect(),
            name,
        }
    }
}

/// The webhooks of one kind of configuration, in the order of the configurations' names.
pub(super) struct Source {
    plural: &'static str,
    parsed: Mutex<Parsed>,
}

#[derive(Default)]
struct Parsed {
    of: Vec<(Arc<str>, Revision)>,
    hooks: Arc<Vec<Hook>>,
}

impl Source {
    pub(super) fn new(plural: &'static str) -> Self {
        Self {
            plural,
            parsed: Mutex::default(),
        }
    }

    /// The webhooks as they are configured now.
    pub(super) fn hooks(&self, registry: &Registry) -> Arc<Vec<Hook>> {
        let Some(resource) = registry.table().find(GROUP, "v1", self.plural) else {
            return Arc::default();
        };
        let snapshot = registry.store().snapshot();
        let now: Vec<_> = snapshot
            .range(&resource.prefix, None)
            .map(|e| (Arc::clone(&e.key), e.revision))
            .collect();
        let mut parsed = self.parsed.lock();
        if parsed.of != now {
            let mut hooks = Vec::new();
            for entry in snapshot.range(&resource.prefix, None) {
                let configuration = entry.value.value();
                let mut seen: HashMap<String, usize> = HashMap::new();
                for hook in configuration.list("webhooks") {
                    let number = seen.entry(hook.text("name").to_owned()).or_default();
                    hooks.push(Hook::parse(configuration.name(), *number, hook));
                    *number += 1;
                }
            }
            parsed.of = now;
            parsed.hooks = Arc::new(hooks);
        }
        Arc::clone(&parsed.hooks)
    }
}
