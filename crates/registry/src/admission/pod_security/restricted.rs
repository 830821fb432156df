//! What the level `restricted` asks for beyond `baseline`.
//!
//! upstream: staging/src/k8s.io/pod-security-admission/policy/check_*.go

use serde_json::Value;

use super::visit::{Found, Pod, containers, distinct, plural, quoted, setters, setting};
use crate::value::Read;

const VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The violations in the order of the checks' names.
pub(super) fn check(pod: &Pod<'_>, at_least: &dyn Fn(u32) -> bool) -> Found {
    let mut found = Found::new();
    // Windows has none of these since the checks know the operating system.
    let windows = pod.is_windows() && at_least(25);
    if at_least(8) && !windows {
        escalation(pod, &mut found);
    }
    if at_least(22) && !windows {
        capabilities(pod, &mut found);
    }
    volumes(pod, &mut found);
    non_root(pod, &mut found);
    if at_least(23) {
        root(pod, &mut found);
    }
    if at_least(19) && !windows {
        seccomp(pod, &mut found);
    }
    found
}

/// upstream: check_allowPrivilegeEscalation.go
fn escalation(pod: &Pod<'_>, found: &mut Found) {
    let names = pod
        .named(|c| setting(c, "allowPrivilegeEscalation").and_then(Value::as_bool) != Some(false));
    if !names.is_empty() {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            containers(&names)
        );
        found.push(("allowPrivilegeEscalation != false", detail));
    }
}

/// upstream: check_capabilities_restricted.go
fn capabilities(pod: &Pod<'_>, found: &mut Found) {
    let list = |c: &Value, name: &str| -> Vec<String> {
        setting(c, "capabilities")
            .into_iter()
            .flat_map(|c| c.list(name))
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let undropped = pod.named(|c| !list(c, "drop").iter().any(|d| d == "ALL"));
    let forbidden = |c: &Value| -> Vec<String> {
        let mut added = list(c, "add");
        added.retain(|a| a != "NET_BIND_SERVICE");
        added
    };
    let adding = pod.named(|c| !forbidden(c).is_empty());
    let mut details = Vec::new();
    if !undropped.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            containers(&undropped)
        ));
    }
    if !adding.is_empty() {
        let values = distinct(pod.containers.iter().flat_map(|c| forbidden(c)));
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&adding),
            quoted(&values)
        ));
    }
    if !details.is_empty() {
        found.push(("unrestricted capabilities", details.join("; ")));
    }
}

/// upstream: check_restrictedVolumes.go
fn volumes(pod: &Pod<'_>, found: &mut Found) {
    let source = |volume: &Value| -> Option<String> {
        volume
            .as_object()?
            .iter()
            .find(|(name, value)| *name != "name" && !value.is_null())
            .map(|(name, _)| name.clone())
            .filter(|name| !VOLUMES.contains(&name.as_str()))
    };
    let all = pod.spec.list("volumes");
    let names: Vec<String> = all
        .iter()
        .filter(|v| source(v).is_some())
        .map(|v| v.text("name").to_owned())
        .collect();
    if names.is_empty() {
        return;
    }
    let types = distinct(all.iter().filter_map(source));
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", names.len()),
        quoted(&names),
        plural("uses", "use", names.len()),
        plural(
            "restricted volume type",
            "restricted volume types",
            types.len()
        ),
        quoted(&types)
    );
    found.push(("restricted volume types", detail));
}

/// upstream: check_runAsNonRoot.go
fn non_root(pod: &Pod<'_>, found: &mut Found) {
    const REASON: &str = "runAsNonRoot != true";
    let of = |value: Option<&Value>| value.and_then(Value::as_bool);
    let own = of(pod.setting("runAsNonRoot"));
    let explicit = pod.named(|c| of(setting(c, "runAsNonRoot")) == Some(false));
    let setters = setters(own == Some(false), &explicit);
    if !setters.is_empty() {
        let detail = format!("{setters} must not set securityContext.runAsNonRoot=false");
        found.push((REASON, detail));
        return;
    }
    let implicit = pod.named(|c| of(setting(c, "runAsNonRoot")).is_none());
    if own.is_none() && !implicit.is_empty() {
        let detail = format!(
            "pod or {} must set securityContext.runAsNonRoot=true",
            containers(&implicit)
        );
        found.push((REASON, detail));
    }
}

/// upstream: check_runAsUser.go
fn root(pod: &Pod<'_>, found: &mut Found) {
    let zero = |value: Option<&Value>| value.and_then(Value::as_i64) == Some(0);
    let own = zero(pod.setting("runAsUser"));
    let names = pod.named(|c| zero(setting(c, "runAsUser")));
    if own || !names.is_empty() {
        let detail = format!("{} must not set runAsUser=0", setters(own, &names));
        found.push(("runAsUser=0", detail));
    }
}

/// upstream: check_seccompProfile_restricted.go
fn seccomp(pod: &Pod<'_>, found: &mut Found) {
    const REASON: &str = "seccompProfile";
    let kind = |profile: Option<&Value>| profile.map(|p| p.text("type").to_owned());
    let bad = |kind: &String| kind != "RuntimeDefault" && kind != "Localhost";
    let own = kind(pod.setting("seccompProfile"));
    let bad_own = own.clone().filter(bad);
    let explicit = pod.named(|c| kind(setting(c, "seccompProfile")).is_some_and(|k| bad(&k)));
    let setters = setters(bad_own.is_some(), &explicit);
    if !setters.is_empty() {
        let of_containers = pod
            .containers
            .iter()
            .filter_map(|c| kind(setting(c, "seccompProfile")).filter(bad));
        let values = distinct(bad_own.into_iter().chain(of_containers));
        let detail = format!(
            "{setters} must not set securityContext.seccompProfile.type to {}",
            quoted(&values)
        );
        found.push((REASON, detail));
        return;
    }
    let implicit = pod.named(|c| setting(c, "seccompProfile").is_none());
    if own.is_none() && !implicit.is_empty() {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&implicit)
        );
        found.push((REASON, detail));
    }
}
