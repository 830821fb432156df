//! What the level `baseline` forbids.
//!
//! upstream: staging/src/k8s.io/pod-security-admission/policy/check_*.go

use serde_json::Value;

use super::visit::{APPARMOR, Found, Pod, containers, distinct, plural, quoted, setters, setting};
use crate::value::Read;

const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Sysctls that are safe, with the version since which they are.
const SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// The violations in the order of the checks' names. What `restricted` checks more strictly is left to it.
pub(super) fn check(pod: &Pod<'_>, restricted: bool, at_least: &dyn Fn(u32) -> bool) -> Found {
    let mut found = Found::new();
    apparmor(pod, &mut found);
    if !(restricted && at_least(22)) {
        capabilities(pod, &mut found);
    }
    host_namespaces(pod, &mut found);
    if !restricted {
        host_paths(pod, &mut found);
    }
    host_ports(pod, &mut found);
    if at_least(34) {
        hosts_of_probes(pod, &mut found);
    }
    privileged(pod, &mut found);
    proc_mount(pod, &mut found);
    selinux(pod, &mut found, at_least(31));
    if !(restricted && at_least(19)) {
        seccomp(pod, &mut found);
    }
    sysctls(pod, &mut found, at_least);
    host_process(pod, &mut found);
    found
}

/// upstream: check_appArmorProfile.go
fn apparmor(pod: &Pod<'_>, found: &mut Found) {
    let kind = |profile: Option<&Value>| {
        profile
            .map(|p| p.text("type").to_owned())
            .filter(|t| t != "RuntimeDefault" && t != "Localhost")
    };
    let own = kind(pod.setting("appArmorProfile"));
    let names = pod.named(|c| kind(setting(c, "appArmorProfile")).is_some());
    let mut values: Vec<String> = own.iter().cloned().collect();
    values.extend(
        pod.containers
            .iter()
            .filter_map(|c| kind(setting(c, "appArmorProfile"))),
    );
    let values = distinct(values);
    let annotated = distinct(
        pod.metadata
            .entries("annotations")
            .filter(|(k, v)| {
                let v = v.as_str().unwrap_or_default();
                k.starts_with(APPARMOR)
                    && !v.is_empty()
                    && v != "runtime/default"
                    && !v.starts_with("localhost/")
            })
            .map(|(k, v)| {
                format!(
                    "{k}={}",
                    machinery::go::quote(v.as_str().unwrap_or_default())
                )
            }),
    );
    let mut details = Vec::new();
    if !values.is_empty() {
        details.push(format!(
            "{} must not set AppArmor profile type to {}",
            setters(own.is_some(), &names),
            quoted(&values)
        ));
    }
    if !annotated.is_empty() {
        details.push(format!(
            "{} {}",
            plural("annotation", "annotations", annotated.len()),
            annotated.join(", ")
        ));
    }
    if !details.is_empty() {
        let reason = plural(
            "forbidden AppArmor profile",
            "forbidden AppArmor profiles",
            values.len() + annotated.len(),
        );
        found.push((reason, details.join("; ")));
    }
}

fn added(container: &Value) -> impl Iterator<Item = &str> {
    setting(container, "capabilities")
        .into_iter()
        .flat_map(|c| c.list("add"))
        .filter_map(Value::as_str)
}

/// upstream: check_capabilities_baseline.go
fn capabilities(pod: &Pod<'_>, found: &mut Found) {
    let bad = |name: &&str| !CAPABILITIES.contains(name);
    let names = pod.named(|c| added(c).any(|a| bad(&a)));
    if names.is_empty() {
        return;
    }
    let values = distinct(
        pod.containers
            .iter()
            .flat_map(|c| added(c).filter(bad).map(str::to_owned)),
    );
    let detail = format!(
        "{} must not include {} in securityContext.capabilities.add",
        containers(&names),
        quoted(&values)
    );
    found.push(("non-default capabilities", detail));
}

/// upstream: check_hostNamespaces.go
fn host_namespaces(pod: &Pod<'_>, found: &mut Found) {
    let set: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .filter(|name| pod.spec.flag(name))
        .map(|name| format!("{name}=true"))
        .collect();
    if !set.is_empty() {
        found.push(("host namespaces", set.join(", ")));
    }
}

/// upstream: check_hostPathVolumes.go
fn host_paths(pod: &Pod<'_>, found: &mut Found) {
    let names: Vec<String> = pod
        .spec
        .list("volumes")
        .iter()
        .filter(|v| v.has("hostPath"))
        .map(|v| v.text("name").to_owned())
        .collect();
    if !names.is_empty() {
        let word = plural("volume", "volumes", names.len());
        found.push(("hostPath volumes", format!("{word} {}", quoted(&names))));
    }
}

/// upstream: check_hostPorts.go
fn host_ports(pod: &Pod<'_>, found: &mut Found) {
    let ports = |c: &Value| -> Vec<String> {
        c.list("ports")
            .iter()
            .filter_map(|p| p.int("hostPort").filter(|p| *p != 0))
            .map(|p| p.to_string())
            .collect()
    };
    let names = pod.named(|c| !ports(c).is_empty());
    if names.is_empty() {
        return;
    }
    let all = distinct(pod.containers.iter().flat_map(|c| ports(c)));
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural("hostPort", "hostPorts", all.len()),
        all.join(", ")
    );
    found.push(("hostPort", detail));
}

/// upstream: check_hostProbesAndHostLifecycle.go
fn hosts_of_probes(pod: &Pod<'_>, found: &mut Found) {
    let hosts = |c: &Value| -> Vec<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|n| c.member(n));
        let lifecycle = c.member("lifecycle");
        let hooks = ["postStart", "preStop"].map(|n| lifecycle.and_then(|l| l.member(n)));
        probes
            .into_iter()
            .chain(hooks)
            .flatten()
            .flat_map(|handler| ["httpGet", "tcpSocket"].map(|n| handler.member(n)))
            .flatten()
            .map(|action| action.text("host").to_owned())
            .filter(|host| !host.is_empty())
            .collect()
    };
    let names = pod.named(|c| !hosts(c).is_empty());
    if names.is_empty() {
        return;
    }
    let all = distinct(pod.containers.iter().flat_map(|c| hosts(c)));
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural(
            "probe or lifecycle host",
            "probe or lifecycle hosts",
            all.len()
        ),
        quoted(&all)
    );
    found.push(("probe or lifecycle host", detail));
}

/// upstream: check_privileged.go
fn privileged(pod: &Pod<'_>, found: &mut Found) {
    let names = pod.named(|c| setting(c, "privileged").and_then(Value::as_bool) == Some(true));
    if !names.is_empty() {
        let detail = format!(
            "{} must not set securityContext.privileged=true",
            containers(&names)
        );
        found.push(("privileged", detail));
    }
}

/// upstream: check_procMount.go
fn proc_mount(pod: &Pod<'_>, found: &mut Found) {
    let bad = |c: &Value| {
        setting(c, "procMount")
            .and_then(Value::as_str)
            .filter(|m| *m != "Default")
            .map(str::to_owned)
    };
    let names = pod.named(|c| bad(c).is_some());
    if !names.is_empty() {
        let values = distinct(pod.containers.iter().filter_map(|c| bad(c)));
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            containers(&names),
            quoted(&values)
        );
        found.push(("procMount", detail));
    }
}

/// upstream: check_seLinuxOptions.go
fn selinux(pod: &Pod<'_>, found: &mut Found, engine: bool) {
    let bad_type = |o: &Value| {
        let kind = o.text("type");
        let allowed = matches!(
            kind,
            "" | "container_t" | "container_init_t" | "container_kvm_t"
        ) || (engine && kind == "container_engine_t");
        !allowed
    };
    let bad = |o: &Value| bad_type(o) || !o.text("user").is_empty() || !o.text("role").is_empty();
    let own = pod.setting("seLinuxOptions").filter(|o| bad(o));
    let names = pod.named(|c| setting(c, "seLinuxOptions").is_some_and(bad));
    if own.is_none() && names.is_empty() {
        return;
    }
    let all: Vec<&Value> = own
        .into_iter()
        .chain(
            pod.containers
                .iter()
                .filter_map(|c| setting(c, "seLinuxOptions")),
        )
        .collect();
    let types = distinct(
        all.iter()
            .filter(|o| bad_type(o))
            .map(|o| o.text("type").to_owned()),
    );
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!(
            "{} {}",
            plural("type", "types", types.len()),
            quoted(&types)
        ));
    }
    for name in ["user", "role"] {
        if all.iter().any(|o| !o.text(name).is_empty()) {
            data.push(format!("{name} may not be set"));
        }
    }
    let detail = format!(
        "{} set forbidden securityContext.seLinuxOptions: {}",
        setters(own.is_some(), &names),
        data.join("; ")
    );
    found.push(("seLinuxOptions", detail));
}

/// upstream: check_seccompProfile_baseline.go
fn seccomp(pod: &Pod<'_>, found: &mut Found) {
    let bad = |profile: Option<&Value>| {
        profile
            .map(|p| p.text("type").to_owned())
            .filter(|t| t != "RuntimeDefault" && t != "Localhost")
    };
    let own = bad(pod.setting("seccompProfile"));
    let names = pod.named(|c| bad(setting(c, "seccompProfile")).is_some());
    if own.is_none() && names.is_empty() {
        return;
    }
    let of_containers = pod
        .containers
        .iter()
        .filter_map(|c| bad(setting(c, "seccompProfile")));
    let values = distinct(own.iter().cloned().chain(of_containers));
    let detail = format!(
        "{} must not set securityContext.seccompProfile.type to {}",
        setters(own.is_some(), &names),
        quoted(&values)
    );
    found.push(("seccompProfile", detail));
}

/// upstream: check_sysctls.go
fn sysctls(pod: &Pod<'_>, found: &mut Found, at_least: &dyn Fn(u32) -> bool) {
    let bad: Vec<String> = pod
        .setting("sysctls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|s| s.text("name"))
        .filter(|name| {
            !SYSCTLS
                .iter()
                .any(|(safe, since)| safe == name && at_least(*since))
        })
        .map(str::to_owned)
        .collect();
    if !bad.is_empty() {
        found.push(("forbidden sysctls", bad.join(", ")));
    }
}

/// upstream: check_windowsHostProcess.go
fn host_process(pod: &Pod<'_>, found: &mut Found) {
    let set = |options: Option<&Value>| options.is_some_and(|o| o.flag("hostProcess"));
    let own = set(pod.setting("windowsOptions"));
    let names = pod.named(|c| set(setting(c, "windowsOptions")));
    if own || !names.is_empty() {
        let detail = format!(
            "{} must not set securityContext.windowsOptions.hostProcess=true",
            setters(own, &names)
        );
        found.push(("hostProcess", detail));
    }
}
