//! The Pod Security Standards, by the labels of namespaces.
//!
//! A namespace's `pod-security.kubernetes.io/enforce` refuses pods that violate its level, `warn` warns of them and of
//! workloads whose template does. Levels and texts are upstream's; the audit level has no effect here.
//!
//! upstream: staging/src/k8s.io/pod-security-admission/{admission,api,policy}

mod baseline;
mod restricted;
mod visit;

use async_trait::async_trait;
use machinery::field::{Error, ErrorList, Path};
use machinery::{ObjectExt, Status};
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::registry::Registry;
use crate::value::{Read, Write};

const PREFIX: &str = "pod-security.kubernetes.io/";
/// Subresources that change nothing that the standards look at.
const IGNORED: &[&str] = &[
    "exec",
    "attach",
    "binding",
    "eviction",
    "log",
    "portforward",
    "proxy",
    "status",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Level::Privileged),
            "baseline" => Some(Level::Baseline),
            "restricted" => Some(Level::Restricted),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }
}

/// A minor version of the standards; `None` is the latest.
type Version = Option<u32>;

fn parse_version(text: &str) -> Option<Version> {
    if text == "latest" {
        return Some(None);
    }
    let minor = text.strip_prefix("v1.")?;
    let canonical = minor == "0" || !minor.starts_with('0');
    let digits = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
    (canonical && digits)
        .then(|| minor.parse().ok().map(Some))
        .flatten()
}

/// A level at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    level: Level,
    version: Version,
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            None => write!(f, "{}:latest", self.level.as_str()),
            Some(minor) => write!(f, "{}:v1.{minor}", self.level.as_str()),
        }
    }
}

impl Policy {
    /// A namespace's policy of a mode. A level that isn't one is the strictest when it is enforced.
    ///
    /// upstream: api/helpers.go#PolicyToEvaluate
    fn of(labels: &[(Box<str>, Box<str>)], mode: &str) -> Self {
        let label = |suffix: &str| {
            labels.iter().find_map(|(k, v)| {
                let rest = k.strip_prefix(PREFIX)?.strip_prefix(mode)?;
                (rest == suffix).then_some(&**v)
            })
        };
        let level = match label("") {
            None => Level::Privileged,
            Some(text) => Level::parse(text).unwrap_or(if mode == "enforce" {
                Level::Restricted
            } else {
                Level::Privileged
            }),
        };
        let version = label("-version").and_then(parse_version).flatten();
        Self { level, version }
    }

    /// How a pod violates it, in upstream's words; `None` when it doesn't.
    fn violations(self, pod: &visit::Pod<'_>) -> Option<String> {
        if self.level == Level::Privileged {
            return None;
        }
        let at_least = |minor: u32| self.version.is_none_or(|v| v >= minor);
        let restricted = self.level == Level::Restricted;
        let mut found = baseline::check(pod, restricted, &at_least);
        if restricted {
            found.extend(restricted::check(pod, &at_least));
        }
        let text: Vec<String> = found
            .into_iter()
            .map(|(reason, detail)| {
                if detail.is_empty() {
                    reason.to_owned()
                } else {
                    format!("{reason} ({detail})")
                }
            })
            .collect();
        (!text.is_empty()).then(|| text.join(", "))
    }
}

/// The plug-in.
#[derive(Debug)]
pub struct PodSecurity;

#[async_trait]
impl Admission for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        let Some(object) = object else { return Ok(()) };
        if attributes.is_for("", "namespaces") {
            return namespace(attributes, object);
        }
        let is_pod = attributes.is_of("", "pods");
        if is_pod && IGNORED.contains(&attributes.subresource) {
            return Ok(());
        }
        let Some((metadata, spec)) = template(attributes, object, is_pod) else {
            return Ok(());
        };
        let Some(namespaces) = registry.table().find("", "v1", "namespaces") else {
            return Ok(());
        };
        let Some(stored) = registry.stored(namespaces, None, attributes.namespace) else {
            return Ok(());
        };
        let labels = &stored.selection(namespaces).labels;
        let (enforce, warn, audit) = (
            Policy::of(labels, "enforce"),
            Policy::of(labels, "warn"),
            Policy::of(labels, "audit"),
        );
        if is_pod {
            attributes
                .context
                .annotate(format!("{PREFIX}enforce-policy"), enforce.to_string());
        }
        if [enforce, warn, audit].map(|p| p.level) == [Level::Privileged; 3] {
            return Ok(());
        }
        if is_pod
            && let Some(old) = attributes.old
            && !significant(object, old)
        {
            return Ok(());
        }
        let pod = visit::Pod::new(metadata, spec);
        if let Some(violations) = audit.violations(&pod) {
            attributes.context.annotate(
                format!("{PREFIX}audit-violations"),
                format!("would violate PodSecurity \"{audit}\": {violations}"),
            );
        }
        if is_pod && let Some(violations) = enforce.violations(&pod) {
            return Err(attributes.forbidden(
                Some(object),
                format!("violates PodSecurity \"{enforce}\": {violations}"),
            ));
        }
        if let Some(violations) = warn.violations(&pod) {
            attributes.context.warn(format!(
                "would violate PodSecurity \"{warn}\": {violations}"
            ));
        }
        Ok(())
    }
}

/// The pod in an object: its metadata and spec.
///
/// upstream: admission/admission.go#DefaultPodSpecExtractor
fn template<'a>(
    attributes: &Attributes<'_>,
    object: &'a Value,
    is_pod: bool,
) -> Option<(&'a Value, &'a Value)> {
    let at = if is_pod {
        object
    } else if attributes.is_for("", "podtemplates") {
        object.at(&["template"])?
    } else if attributes.is_for("batch", "cronjobs") {
        object.at(&["spec", "jobTemplate", "spec", "template"])?
    } else if [
        "deployments",
        "replicasets",
        "daemonsets",
        "statefulsets",
        "jobs",
    ]
    .iter()
    .any(|plural| attributes.is_for("apps", plural) || attributes.is_for("batch", plural))
        || attributes.is_for("", "replicationcontrollers")
    {
        object.at(&["spec", "template"])?
    } else {
        return None;
    };
    Some((
        at.member("metadata").unwrap_or(&Value::Null),
        at.member("spec")?,
    ))
}

/// Whether an update of a pod touches what the standards look at: images, resources and the like don't count.
///
/// upstream: admission/admission.go#isSignificantPodUpdate
fn significant(pod: &Value, old: &Value) -> bool {
    let of = |pod: &Value| {
        let mut spec = pod.field("spec").cloned().unwrap_or(Value::Null);
        for name in [
            "activeDeadlineSeconds",
            "tolerations",
            "nodeName",
            "nodeSelector",
            "affinity",
            "schedulingGates",
            "terminationGracePeriodSeconds",
        ] {
            spec.take_member(name);
        }
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in spec.each(list) {
                container.take_member("image");
                container.take_member("resources");
            }
        }
        let annotations: Vec<(String, Value)> = pod
            .annotations()
            .into_iter()
            .flatten()
            .filter(|(k, _)| k.starts_with(visit::APPARMOR))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        (spec, annotations)
    };
    of(pod) != of(old)
}

/// A namespace's labels must name levels and versions; those of a stored one may stay as they are.
///
/// upstream: api/helpers.go#PolicyToEvaluate, admission/admission.go#ValidateNamespace
fn namespace(attributes: &Attributes<'_>, object: &Value) -> Result<(), Status> {
    let of = |object: &Value| {
        let mut errors = ErrorList::new();
        let path = Path::new("metadata").child("labels");
        for mode in ["enforce", "audit", "warn"] {
            let label = |name: String| {
                object
                    .labels()
                    .and_then(|l| l.get(&name))
                    .and_then(Value::as_str)
                    .map(|v| (name.clone(), v.to_owned()))
            };
            if let Some((name, value)) = label(format!("{PREFIX}{mode}"))
                && Level::parse(&value).is_none()
            {
                let why = "must be one of privileged, baseline, restricted";
                errors.push(Error::invalid(&path.key(&name), value, why));
            }
            if let Some((name, value)) = label(format!("{PREFIX}{mode}-version"))
                && parse_version(&value).is_none()
            {
                let why = "must be \"latest\" or \"v1.x\"";
                errors.push(Error::invalid(&path.key(&name), value, why));
            }
        }
        errors
    };
    let errors = of(object);
    if errors.is_empty() || attributes.old.is_some_and(|old| !of(old).is_empty()) {
        return Ok(());
    }
    Err(Status::invalid(
        &attributes.resource.group_kind(),
        object.name(),
        &errors,
    ))
}
