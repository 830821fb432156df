//! Containers of a pod.
//!
//! upstream: pkg/apis/core/validation/validation.go#validateContainers, #validateInitContainers, #validateEphemeralContainers

use std::cmp::Ordering;
use std::collections::BTreeSet;

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{
    is_qualified_name, is_relaxed_env_var_name, is_valid_port_name, is_valid_port_num,
};
use serde_json::Value;

use super::security;
use crate::strategy::checks::{non_negative, one_of, port_number_or_name, problems};
use crate::strategy::{checks, quantity};
use crate::value::Read;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc"];

/// All containers of a spec.
pub(super) fn containers(
    spec: &Value,
    path: &Path,
    volumes: &BTreeSet<String>,
    host_network: bool,
    errors: &mut ErrorList,
) {
    let mut names = BTreeSet::new();
    let main = path.child("containers");
    if spec.list("containers").is_empty() {
        errors.push(Error::required(&main, ""));
    }
    for (i, container) in spec.list("containers").iter().enumerate() {
        let path = main.index(i);
        common(container, &path, volumes, host_network, errors);
        unique(container, &path, &mut names, errors);
        lifecycle(container, &path, errors);
        probes(container, &path, errors);
    }
    for (i, container) in spec.list("initContainers").iter().enumerate() {
        let path = path.child("initContainers").index(i);
        common(container, &path, volumes, host_network, errors);
        unique(container, &path, &mut names, errors);
        if container.text("restartPolicy") == "Always" {
            lifecycle(container, &path, errors);
            probes(container, &path, errors);
            continue;
        }
        for name in [
            "lifecycle",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
        ] {
            if container.has(name) {
                errors.push(Error::forbidden(
                    &path.child(name),
                    "may not be set for init containers without restartPolicy=Always",
                ));
            }
        }
    }
    for (i, container) in spec.list("ephemeralContainers").iter().enumerate() {
        let path = path.child("ephemeralContainers").index(i);
        common(container, &path, volumes, host_network, errors);
        unique(container, &path, &mut names, errors);
        for name in [
            "ports",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            let set = container
                .member(name)
                .is_some_and(|v| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty()));
            if set {
                errors.push(Error::forbidden(
                    &path.child(name),
                    "cannot be set for an Ephemeral Container",
                ));
            }
        }
        if container
            .member("resources")
            .and_then(Value::as_object)
            .is_some_and(|r| !r.is_empty())
        {
            errors.push(Error::forbidden(
                &path.child("resources"),
                "cannot be set for an Ephemeral Container",
            ));
        }
    }
    host_port_conflicts(spec.list("containers"), &main, errors);
}

fn unique(container: &Value, path: &Path, names: &mut BTreeSet<String>, errors: &mut ErrorList) {
    let name = container.text("name");
    if !name.is_empty() && !names.insert(name.to_owned()) {
        errors.push(Error::duplicate(&path.child("name"), name));
    }
}

/// upstream: #validateContainerCommon
fn common(
    container: &Value,
    path: &Path,
    volumes: &BTreeSet<String>,
    host_network: bool,
    errors: &mut ErrorList,
) {
    checks::label(errors, &path.child("name"), container.text("name"));
    let image = container.text("image");
    if image.is_empty() {
        errors.push(Error::required(&path.child("image"), ""));
    } else if image.trim() != image {
        errors.push(Error::invalid(
            &path.child("image"),
            image,
            "must not have leading or trailing whitespace",
        ));
    }
    let policy = container.text("terminationMessagePolicy");
    one_of(
        errors,
        &path.child("terminationMessagePolicy"),
        policy,
        &["File", "FallbackToLogsOnError"],
    );
    ports(container, &path.child("ports"), host_network, errors);
    env(container, &path.child("env"), errors);
    env_from(container, &path.child("envFrom"), errors);
    mounts(container, &path.child("volumeMounts"), volumes, errors);
    devices(container, &path.child("volumeDevices"), volumes, errors);
    one_of(
        errors,
        &path.child("imagePullPolicy"),
        container.text("imagePullPolicy"),
        PULL_POLICIES,
    );
    if let Some(list) = container.member("resources") {
        resources(list, &path.child("resources"), errors);
    }
    security::container(container, &path.child("securityContext"), errors);
}

/// upstream: #validateContainerPorts
fn ports(container: &Value, path: &Path, host_network: bool, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for (i, port) in container.list("ports").iter().enumerate() {
        let path = path.index(i);
        let name = port.text("name");
        if !name.is_empty() {
            let found = is_valid_port_name(name);
            if found.is_empty() {
                if !names.insert(name.to_owned()) {
                    errors.push(Error::duplicate(&path.child("name"), name));
                }
            } else {
                problems(errors, &path.child("name"), &name.into(), found);
            }
        }
        match port.int("containerPort").unwrap_or_default() {
            0 => errors.push(Error::required(&path.child("containerPort"), "")),
            number => problems(
                errors,
                &path.child("containerPort"),
                &number.into(),
                is_valid_port_num(number),
            ),
        }
        if let Some(number) = port.int("hostPort").filter(|n| *n != 0) {
            problems(
                errors,
                &path.child("hostPort"),
                &number.into(),
                is_valid_port_num(number),
            );
            if host_network && Some(number) != port.int("containerPort") {
                errors.push(Error::invalid(
                    &path.child("hostPort"),
                    number,
                    "must match `containerPort` when `hostNetwork` is true",
                ));
            }
        }
        one_of(
            errors,
            &path.child("protocol"),
            port.text("protocol"),
            PROTOCOLS,
        );
    }
}

/// upstream: #checkHostPortConflicts
fn host_port_conflicts(containers: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        for (j, port) in container.list("ports").iter().enumerate() {
            let Some(number) = port.int("hostPort").filter(|n| *n != 0) else {
                continue;
            };
            let key = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
            if !seen.insert(key.clone()) {
                errors.push(Error::duplicate(
                    &path.index(i).child("ports").index(j).child("hostPort"),
                    key,
                ));
            }
        }
    }
}

/// upstream: #ValidateEnv
fn env(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, variable) in container.list("env").iter().enumerate() {
        let path = path.index(i);
        let name = variable.text("name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else {
            problems(
                errors,
                &path.child("name"),
                &name.into(),
                is_relaxed_env_var_name(name),
            );
        }
        let Some(from) = variable.member("valueFrom").filter(|v| !v.is_null()) else {
            continue;
        };
        let path = path.child("valueFrom");
        let mut sources = 0;
        if let Some(field) = from.member("fieldRef").filter(|f| !f.is_null()) {
            sources += 1;
            field_ref(field, &path.child("fieldRef"), errors);
        }
        if let Some(resource) = from.member("resourceFieldRef").filter(|f| !f.is_null()) {
            sources += 1;
            if resource.text("resource").is_empty() {
                errors.push(Error::required(
                    &path.child("resourceFieldRef").child("resource"),
                    "",
                ));
            }
        }
        for (kind, text) in [
            ("configMapKeyRef", "configMapKeyRef"),
            ("secretKeyRef", "secretKeyRef"),
        ] {
            if let Some(key) = from.member(kind).filter(|f| !f.is_null()) {
                sources += 1;
                let path = path.child(text);
                if key.text("name").is_empty() {
                    errors.push(Error::required(&path.child("name"), ""));
                }
                match key.text("key") {
                    "" => errors.push(Error::required(&path.child("key"), "")),
                    value => problems(
                        errors,
                        &path.child("key"),
                        &value.into(),
                        machinery::validation::is_config_map_key(value),
                    ),
                }
            }
        }
        if from.member("fileKeyRef").is_some_and(|f| !f.is_null()) {
            sources += 1;
        }
        if sources == 0 {
            let what = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.push(Error::invalid(&path, "", what));
        } else if !variable.text("value").is_empty() {
            errors.push(Error::invalid(
                &path,
                "",
                "may not be specified when `value` is not empty",
            ));
        } else if sources > 1 {
            errors.push(Error::invalid(
                &path,
                "",
                "may not have more than one field specified at a time",
            ));
        }
    }
}

/// upstream: #validateObjectFieldSelector
pub(super) fn field_ref(field: &Value, path: &Path, errors: &mut ErrorList) {
    const PATHS: &[&str] = &[
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    if field.text("apiVersion").is_empty() {
        errors.push(Error::required(&path.child("apiVersion"), ""));
        return;
    }
    let name = field.text("fieldPath");
    if name.is_empty() {
        errors.push(Error::required(&path.child("fieldPath"), ""));
        return;
    }
    let subscripted = ["metadata.labels", "metadata.annotations"].iter().any(|p| {
        name.strip_prefix(p)
            .is_some_and(|r| r.is_empty() || r.starts_with("['"))
    });
    if !subscripted && !PATHS.contains(&name) {
        let supported: BTreeSet<&str> = PATHS.iter().copied().collect();
        errors.push(Error::not_supported(
            &path.child("fieldPath"),
            name,
            &supported.into_iter().collect::<Vec<_>>(),
        ));
    }
}

/// upstream: #ValidateEnvFrom
fn env_from(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, source) in container.list("envFrom").iter().enumerate() {
        let path = path.index(i);
        let prefix = source.text("prefix");
        if !prefix.is_empty() {
            problems(
                errors,
                &path.child("prefix"),
                &prefix.into(),
                is_relaxed_env_var_name(prefix),
            );
        }
        let mut sources = 0;
        for kind in ["configMapRef", "secretRef"] {
            if let Some(reference) = source.member(kind).filter(|r| !r.is_null()) {
                sources += 1;
                if reference.text("name").is_empty() {
                    errors.push(Error::required(&path.child(kind).child("name"), ""));
                }
            }
        }
        match sources {
            1 => {}
            0 => errors.push(Error::invalid(
                &path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            _ => errors.push(Error::invalid(
                &path,
                "",
                "may not have more than one field specified at a time",
            )),
        }
    }
}

/// upstream: #ValidateVolumeMounts
fn mounts(container: &Value, path: &Path, volumes: &BTreeSet<String>, errors: &mut ErrorList) {
    let mut paths = BTreeSet::new();
    for (i, mount) in container.list("volumeMounts").iter().enumerate() {
        let path = path.index(i);
        let name = mount.text("name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        }
        if !volumes.contains(name) {
            errors.push(Error::not_found(&path.child("name"), name));
        }
        let at = mount.text("mountPath");
        if at.is_empty() {
            errors.push(Error::required(&path.child("mountPath"), ""));
        }
        if !paths.insert(at.to_owned()) {
            errors.push(Error::invalid(
                &path.child("mountPath"),
                at,
                "must be unique",
            ));
        }
        for sub in ["subPath", "subPathExpr"] {
            local_path(mount.text(sub), &path.child(sub), errors);
        }
        if !mount.text("subPath").is_empty() && !mount.text("subPathExpr").is_empty() {
            let both = mount.text("subPathExpr");
            errors.push(Error::invalid(
                &path.child("subPathExpr"),
                both,
                "subPathExpr and subPath are mutually exclusive",
            ));
        }
        let propagation = mount.text("mountPropagation");
        if !propagation.is_empty() {
            one_of(
                errors,
                &path.child("mountPropagation"),
                propagation,
                &["Bidirectional", "HostToContainer", "None"],
            );
        }
    }
}

fn devices(container: &Value, path: &Path, volumes: &BTreeSet<String>, errors: &mut ErrorList) {
    for (i, device) in container.list("volumeDevices").iter().enumerate() {
        let path = path.index(i);
        let name = device.text("name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else if !volumes.contains(name) {
            errors.push(Error::not_found(&path.child("name"), name));
        }
        if device.text("devicePath").is_empty() {
            errors.push(Error::required(&path.child("devicePath"), ""));
        }
    }
}

/// upstream: #validateLocalDescendingPath
pub(super) fn local_path(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.starts_with('/') {
        errors.push(Error::invalid(path, value, "must be a relative path"));
    }
    if value.split('/').any(|segment| segment == "..") {
        errors.push(Error::invalid(path, value, "must not contain '..'"));
    }
}

/// upstream: #validateLifecycle
fn lifecycle(container: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(lifecycle) = container.member("lifecycle").filter(|l| !l.is_null()) else {
        return;
    };
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = lifecycle.member(hook).filter(|h| !h.is_null()) {
            self::handler(handler, &path.child("lifecycle").child(hook), errors);
        }
    }
}

/// upstream: #validateLivenessProbe, #validateReadinessProbe, #validateStartupProbe, #validateProbe
fn probes(container: &Value, path: &Path, errors: &mut ErrorList) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.member(name).filter(|p| !p.is_null()) else {
            continue;
        };
        let path = path.child(name);
        handler(probe, &path, errors);
        for number in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            non_negative(errors, probe, number, &path);
        }
        if let Some(seconds) = probe.int("terminationGracePeriodSeconds")
            && seconds <= 0
        {
            errors.push(Error::invalid(
                &path.child("terminationGracePeriodSeconds"),
                seconds,
                "must be greater than 0",
            ));
        }
        if name == "readinessProbe" {
            if probe.has("terminationGracePeriodSeconds") {
                let value = probe
                    .member("terminationGracePeriodSeconds")
                    .cloned()
                    .unwrap_or_default();
                errors.push(Error::invalid(
                    &path.child("terminationGracePeriodSeconds"),
                    value,
                    "must not be set for readinessProbes",
                ));
            }
        } else if let Some(threshold) = probe.int("successThreshold").filter(|t| *t != 1) {
            errors.push(Error::invalid(
                &path.child("successThreshold"),
                threshold,
                "must be 1",
            ));
        }
    }
}

/// upstream: #validateHandler
fn handler(handler: &Value, path: &Path, errors: &mut ErrorList) {
    let mut count = 0;
    for kind in HANDLERS.iter().chain(&["sleep"]) {
        let Some(action) = handler.member(kind).filter(|a| !a.is_null()) else {
            continue;
        };
        let path = path.child(*kind);
        if count > 0 {
            errors.push(Error::forbidden(
                &path,
                "may not specify more than 1 handler type",
            ));
            continue;
        }
        count += 1;
        match *kind {
            "exec" if action.list("command").is_empty() => {
                errors.push(Error::required(&path.child("command"), ""))
            }
            "httpGet" => {
                if action.text("path").is_empty() {
                    errors.push(Error::required(&path.child("path"), ""));
                }
                port_number_or_name(
                    errors,
                    &path.child("port"),
                    action.member("port").unwrap_or(&Value::Null),
                );
                let scheme = action.text("scheme");
                if !["HTTP", "HTTPS"].contains(&scheme) {
                    errors.push(Error::not_supported(
                        &path.child("scheme"),
                        scheme,
                        &["HTTP", "HTTPS"],
                    ));
                }
                for (i, header) in action.list("httpHeaders").iter().enumerate() {
                    let name = header.text("name");
                    let path = path.child("httpHeaders").index(i).child("name");
                    problems(
                        errors,
                        &path,
                        &name.into(),
                        machinery::validation::is_http_header_name(name),
                    );
                }
            }
            "tcpSocket" => port_number_or_name(
                errors,
                &path.child("port"),
                action.member("port").unwrap_or(&Value::Null),
            ),
            "grpc" => {
                let port = action.int("port").unwrap_or_default();
                problems(
                    errors,
                    &path.child("port"),
                    &port.into(),
                    is_valid_port_num(port),
                );
            }
            _ => {}
        }
    }
    if count == 0 {
        errors.push(Error::required(path, "must specify a handler type"));
    }
}

/// upstream: #ValidateContainerResourceRequirements
pub(crate) fn resources(resources: &Value, path: &Path, errors: &mut ErrorList) {
    for kind in ["limits", "requests"] {
        let path = path.child(kind);
        for (name, amount) in resources.entries(kind) {
            let path = path.key(name.as_str());
            resource_name(name, &path, errors);
            if quantity::is_negative(amount) {
                let text = quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(
                    &path,
                    text,
                    "must be greater than or equal to 0",
                ));
            }
            if is_extended(name)
                && quantity::canonical(amount).is_some_and(|t| t.ends_with(['m', 'u', 'n']))
            {
                let text = quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(&path, text, "must be an integer"));
            }
        }
    }
    let path = path.child("requests");
    for (name, request) in resources.entries("requests") {
        let text = quantity::canonical(request).unwrap_or_default();
        match resources.member("limits").and_then(|l| l.member(name)) {
            Some(limit) => {
                let shown = quantity::canonical(limit).unwrap_or_default();
                let order = quantity::compare(request, limit);
                if no_overcommit(name) && order.is_some_and(|o| o != Ordering::Equal) {
                    errors.push(Error::invalid(
                        &path,
                        text,
                        format!("must be equal to {name} limit of {shown}"),
                    ));
                } else if order == Some(Ordering::Greater) {
                    errors.push(Error::invalid(
                        &path,
                        text,
                        format!("must be less than or equal to {name} limit of {shown}"),
                    ));
                }
            }
            None if no_overcommit(name) => {
                errors.push(Error::required(
                    &resources_limits(&path),
                    "Limit must be set for non overcommitable resources",
                ));
            }
            None => {}
        }
    }
}

fn resources_limits(path: &Path) -> Path {
    path.clone()
}

fn no_overcommit(name: &str) -> bool {
    name.starts_with("hugepages-") || is_extended(name)
}

fn is_extended(name: &str) -> bool {
    name.contains('/')
        && !name
            .split('/')
            .next()
            .is_some_and(|d| d == "kubernetes.io" || d.ends_with(".kubernetes.io"))
}

/// upstream: #validateContainerResourceName
fn resource_name(name: &str, path: &Path, errors: &mut ErrorList) {
    let found = is_qualified_name(name);
    if !found.is_empty() {
        problems(errors, path, &name.into(), found);
        return;
    }
    if !name.contains('/') {
        let standard = matches!(name, "cpu" | "memory" | "ephemeral-storage")
            || name.starts_with("hugepages-");
        if !standard {
            errors.push(Error::invalid(
                path,
                name,
                "must be a standard resource for containers",
            ));
        }
    } else if !is_extended(name) && !name.starts_with("kubernetes.io/") {
        errors.push(Error::invalid(
            path,
            name,
            "doesn't follow extended resource name standard",
        ));
    }
}
