//! A pod as the standards look at it, and how they speak.

use serde_json::Value;

use crate::value::Read;

/// Annotations by which AppArmor was asked for.
pub(super) const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What a check found: its reason and detail.
pub(super) type Found = Vec<(&'static str, String)>;

/// Metadata, spec, and all containers: init, plain, ephemeral.
pub(super) struct Pod<'a> {
    pub(super) metadata: &'a Value,
    pub(super) spec: &'a Value,
    pub(super) containers: Vec<&'a Value>,
}

impl<'a> Pod<'a> {
    pub(super) fn new(metadata: &'a Value, spec: &'a Value) -> Self {
        let containers = ["initContainers", "containers", "ephemeralContainers"]
            .iter()
            .flat_map(|list| spec.list(list))
            .collect();
        Self {
            metadata,
            spec,
            containers,
        }
    }

    pub(super) fn is_windows(&self) -> bool {
        self.spec
            .member("os")
            .is_some_and(|os| os.text("name") == "windows")
    }

    /// A member of the pod's security context.
    pub(super) fn setting(&self, name: &str) -> Option<&'a Value> {
        setting(self.spec, name)
    }

    /// Names of the containers for which `bad` holds.
    pub(super) fn named(&self, bad: impl Fn(&Value) -> bool) -> Vec<String> {
        self.containers
            .iter()
            .filter(|c| bad(c))
            .map(|c| c.text("name").to_owned())
            .collect()
    }
}

/// A member of the security context of a pod's spec or a container, when it is set.
pub(super) fn setting<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    of.member("securityContext")?
        .member(name)
        .filter(|v| !v.is_null())
}

/// `"a", "b"`
pub(super) fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
    quoted.join(", ")
}

/// One or many.
pub(super) fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `container "a"` or `containers "a", "b"`
pub(super) fn containers(names: &[String]) -> String {
    format!(
        "{} {}",
        plural("container", "containers", names.len()),
        quoted(names)
    )
}

/// `pod and container "a"`: who sets something; empty when nobody does.
pub(super) fn setters(pod: bool, names: &[String]) -> String {
    let mut out = Vec::new();
    if pod {
        out.push("pod".to_owned());
    }
    if !names.is_empty() {
        out.push(containers(names));
    }
    out.join(" and ")
}

/// Sorted, each once.
pub(super) fn distinct(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let set: std::collections::BTreeSet<String> = values.into_iter().collect();
    set.into_iter().collect()
}
