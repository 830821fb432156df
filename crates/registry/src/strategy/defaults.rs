//! Defaults of pod specs and of what stands in them, as every kind with a pod template uses them.
//!
//! upstream: pkg/apis/core/v1/defaults.go

use serde_json::{Value, json};

use crate::value::{Read, Write};

/// Mode of files in volumes.
const FILE_MODE: i64 = 0o644;

/// upstream: #SetDefaults_PodSpec and what zz_generated.defaults.go calls below it
pub(crate) fn pod_spec(spec: &mut Value) {
    spec.default_text("dnsPolicy", "ClusterFirst");
    spec.default_text("restartPolicy", "Always");
    spec.default_to("securityContext", json!({}));
    spec.default_to("terminationGracePeriodSeconds", 30);
    spec.default_text("schedulerName", "default-scheduler");
    // The deprecated name mirrors the other one.
    // upstream: pkg/apis/core/v1/conversion.go#Convert_v1_PodSpec_To_core_PodSpec
    let account = match (spec.text("serviceAccountName"), spec.text("serviceAccount")) {
        ("", deprecated) => deprecated.to_owned(),
        (name, _) => name.to_owned(),
    };
    if !account.is_empty() {
        spec.put("serviceAccountName", account.as_str());
        spec.put("serviceAccount", account);
    }
    let host_network = spec.flag("hostNetwork");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for one in spec.each(list) {
            container(one);
            if host_network && list != "ephemeralContainers" {
                host_ports(one);
            }
        }
    }
    for one in spec.each("volumes") {
        volume(one);
    }
    if let Some(overhead) = spec.member_mut("overhead") {
        resource_list(overhead);
    }
    if let Some(resources) = spec.member_mut("resources") {
        resource_requirements(resources);
    }
}

/// upstream: #SetDefaults_Container
pub(crate) fn container(container: &mut Value) {
    if container.text("imagePullPolicy").is_empty() {
        let policy = if is_latest(container.text("image")) {
            "Always"
        } else {
            "IfNotPresent"
        };
        container.put("imagePullPolicy", policy);
    }
    container.default_text("terminationMessagePath", "/dev/termination-log");
    container.default_text("terminationMessagePolicy", "File");
    container.default_to("resources", json!({}));
    if let Some(resources) = container.member_mut("resources") {
        resource_requirements(resources);
    }
    for port in container.each("ports") {
        port.default_text("protocol", "TCP");
    }
    for variable in container.each("env") {
        if let Some(from) = variable.member_mut("valueFrom") {
            field_selectors(from);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.member_mut(name).filter(|p| p.is_object()) {
            probe.default_number("timeoutSeconds", 1);
            probe.default_number("periodSeconds", 10);
            probe.default_number("successThreshold", 1);
            probe.default_number("failureThreshold", 3);
            handler(probe);
        }
    }
    if let Some(lifecycle) = container.member_mut("lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.member_mut(name) {
                handler(hook);
            }
        }
    }
}

fn handler(handler: &mut Value) {
    if let Some(http) = handler.member_mut("httpGet").filter(|h| h.is_object()) {
        http.default_text("path", "/");
        http.default_text("scheme", "HTTP");
    }
    if let Some(grpc) = handler.member_mut("grpc").filter(|h| h.is_object()) {
        grpc.default_to("service", "");
    }
}

fn field_selectors(from: &mut Value) {
    if let Some(field) = from.member_mut("fieldRef").filter(|f| f.is_object()) {
        field.default_text("apiVersion", "v1");
    }
    if let Some(resource) = from
        .member_mut("resourceFieldRef")
        .filter(|f| f.is_object())
    {
        resource.default_to("divisor", "0");
    }
}

/// Whether an image has the tag `latest` or none and no digest.
///
/// upstream: pkg/util/parsers/parsers.go#ParseImageName
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => true,
        Some((_, tag)) => tag == "latest",
    }
}

/// upstream: #defaultHostNetworkPorts
fn host_ports(container: &mut Value) {
    for port in container.each("ports") {
        if port.int("hostPort").unwrap_or_default() == 0
            && let Some(number) = port.int("containerPort")
        {
            port.put("hostPort", number);
        }
    }
}

/// upstream: #SetDefaults_Volume and its sources' defaults
fn volume(volume: &mut Value) {
    let has_source = volume
        .as_object()
        .is_some_and(|m| m.iter().any(|(k, v)| k != "name" && !v.is_null()));
    if !has_source {
        volume.put("emptyDir", json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.member_mut(name).filter(|s| s.is_object()) {
            source.default_to("defaultMode", FILE_MODE);
        }
    }
    if let Some(downward) = volume.member_mut("downwardAPI") {
        for item in downward.each("items") {
            field_selectors(item);
        }
    }
    if let Some(projected) = volume.member_mut("projected") {
        for source in projected.each("sources") {
            if let Some(token) = source
                .member_mut("serviceAccountToken")
                .filter(|t| t.is_object())
            {
                token.default_number("expirationSeconds", 60 * 60);
            }
            if let Some(downward) = source.member_mut("downwardAPI") {
                for item in downward.each("items") {
                    field_selectors(item);
                }
            }
        }
    }
    volume_source(volume);
    if let Some(template) = volume
        .member_mut("ephemeral")
        .and_then(|e| e.member_mut("volumeClaimTemplate"))
        && let Some(spec) = template.ensure_object("spec")
    {
        claim_spec(spec);
    }
    if let Some(image) = volume.member_mut("image").filter(|i| i.is_object())
        && image.text("pullPolicy").is_empty()
    {
        let policy = if is_latest(image.text("reference")) {
            "Always"
        } else {
            "IfNotPresent"
        };
        image.put("pullPolicy", policy);
    }
}

/// Defaults of sources that volumes and persistent volumes share.
pub(crate) fn volume_source(volume: &mut Value) {
    if let Some(host) = volume.member_mut("hostPath").filter(|s| s.is_object()) {
        host.default_to("type", "");
    }
    if let Some(iscsi) = volume.member_mut("iscsi").filter(|s| s.is_object()) {
        iscsi.default_text("iscsiInterface", "default");
    }
    if let Some(rbd) = volume.member_mut("rbd").filter(|s| s.is_object()) {
        rbd.default_text("pool", "rbd");
        rbd.default_text("user", "admin");
        rbd.default_text("keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = volume.member_mut("azureDisk").filter(|s| s.is_object()) {
        disk.default_to("cachingMode", "ReadWrite");
        disk.default_to("kind", "Shared");
        disk.default_to("fsType", "ext4");
        disk.default_to("readOnly", false);
    }
    if let Some(scale) = volume.member_mut("scaleIO").filter(|s| s.is_object()) {
        scale.default_text("storageMode", "ThinProvisioned");
        scale.default_text("fsType", "xfs");
    }
}

/// upstream: #SetDefaults_PersistentVolumeClaimSpec
pub(crate) fn claim_spec(spec: &mut Value) {
    spec.default_to("volumeMode", "Filesystem");
    spec.default_to("resources", json!({}));
    if let Some(resources) = spec.member_mut("resources") {
        resource_requirements(resources);
    }
}

/// Rounds up to thousandths, and writes quantities canonically.
pub(crate) fn resource_requirements(resources: &mut Value) {
    for name in ["limits", "requests"] {
        if let Some(list) = resources.member_mut(name) {
            resource_list(list);
        }
    }
}

/// upstream: #SetDefaults_ResourceList
pub(crate) fn resource_list(list: &mut Value) {
    for (_, quantity) in list.as_object_mut().into_iter().flatten() {
        if let Some(canonical) = super::quantity::canonical(quantity) {
            *quantity = canonical.into();
        }
    }
}

/// Requests that are not given are the limits.
///
/// upstream: #SetDefaults_Pod
pub(crate) fn requests_from_limits(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in spec.each(list) {
            let Some(resources) = container.member_mut("resources") else {
                continue;
            };
            let limits: Vec<(String, Value)> = resources
                .entries("limits")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if limits.is_empty() {
                continue;
            }
            if let Some(requests) = resources.ensure_object("requests") {
                for (name, quantity) in limits {
                    requests.default_to(&name, quantity);
                }
            }
        }
    }
}

/// A template's spec.
pub(crate) fn template(owner: &mut Value) {
    if let Some(template) = owner.ensure_object("template")
        && let Some(spec) = template.ensure_object("spec")
    {
        pod_spec(spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest() {
        for image in ["x", "a/b", "localhost:5000/a", "x:latest"] {
            assert!(is_latest(image), "{image}");
        }
        for image in [
            "x:1",
            "localhost:5000/a:2",
            "x@sha256:00",
            "x:latest@sha256:00",
        ] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
