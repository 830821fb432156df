//! Validation of pod specs.
//!
//! upstream: pkg/apis/core/validation/validation.go#ValidatePodSpec

mod container;
mod scheduling;
mod security;
mod volume;

use machinery::ObjectExt;
use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::Selector;
use machinery::validation::{is_dns1123_label, is_qualified_name, is_valid_ip, validate_labels};
use serde_json::Value;

use super::checks;
use crate::value::Read;

pub(crate) use container::resources;
pub(crate) use scheduling::node_selector;
pub(crate) use volume::{host_path, volumes_of_claims};

const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];

/// Validates a pod's spec, or a template's (`template`), whose ephemeral containers and the like may not be set.
pub(crate) fn spec(spec: &Value, path: &Path, template: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let volumes = volume::volumes(spec, &path.child("volumes"), &mut errors);
    let host_network = spec.flag("hostNetwork");
    container::containers(spec, path, &volumes, host_network, &mut errors);
    checks::one_of(
        &mut errors,
        &path.child("restartPolicy"),
        spec.text("restartPolicy"),
        RESTART_POLICIES,
    );
    checks::one_of(
        &mut errors,
        &path.child("dnsPolicy"),
        spec.text("dnsPolicy"),
        DNS_POLICIES,
    );
    let selector = spec.member("nodeSelector").and_then(Value::as_object);
    errors.extend(validate_labels(selector, &path.child("nodeSelector")));
    security::pod(spec, &path.child("securityContext"), &mut errors);
    for (i, secret) in spec.list("imagePullSecrets").iter().enumerate() {
        if secret.text("name").is_empty() && secret.member("name").is_some() {
            errors.push(Error::required(
                &path.child("imagePullSecrets").index(i).child("name"),
                "",
            ));
        }
    }
    scheduling::validate(spec, path, &mut errors);
    readiness_gates(spec, path, &mut errors);
    checks::optional_subdomain(
        &mut errors,
        &path.child("serviceAccountName"),
        spec.text("serviceAccountName"),
    );
    checks::optional_subdomain(&mut errors, &path.child("nodeName"), spec.text("nodeName"));
    if let Some(seconds) = spec.int("activeDeadlineSeconds") {
        checks::in_range(
            &mut errors,
            &path.child("activeDeadlineSeconds"),
            seconds,
            1,
            i64::from(i32::MAX),
        );
    }
    for name in ["hostname", "subdomain"] {
        let value = spec.text(name);
        if !value.is_empty() {
            checks::problems(
                &mut errors,
                &path.child(name),
                &value.into(),
                is_dns1123_label(value),
            );
        }
    }
    checks::optional_subdomain(
        &mut errors,
        &path.child("priorityClassName"),
        spec.text("priorityClassName"),
    );
    checks::optional_subdomain(
        &mut errors,
        &path.child("runtimeClassName"),
        spec.text("runtimeClassName"),
    );
    host_aliases(spec, path, &mut errors);
    dns(spec, path, &mut errors);
    let preemption = spec.text("preemptionPolicy");
    if !preemption.is_empty() {
        checks::one_of(
            &mut errors,
            &path.child("preemptionPolicy"),
            preemption,
            &["Never", "PreemptLowerPriority"],
        );
    }
    if template && !spec.list("ephemeralContainers").is_empty() {
        errors.push(Error::forbidden(
            &path.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        ));
    }
    errors
}

fn readiness_gates(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, gate) in spec.list("readinessGates").iter().enumerate() {
        let path = path.child("readinessGates").index(i).child("conditionType");
        let kind = gate.text("conditionType");
        checks::problems(errors, &path, &kind.into(), is_qualified_name(kind));
    }
}

fn host_aliases(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, alias) in spec.list("hostAliases").iter().enumerate() {
        let path = path.child("hostAliases").index(i);
        errors.extend(is_valid_ip(&path.child("ip"), alias.text("ip")));
        for (j, host) in alias.list("hostnames").iter().enumerate() {
            let name = host.as_str().unwrap_or_default();
            let text = machinery::validation::is_dns1123_subdomain(name);
            checks::problems(errors, &path.child("hostnames").index(j), host, text);
        }
    }
}

/// upstream: #validatePodDNSConfig
fn dns(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("dnsConfig");
    let config = spec.member("dnsConfig").filter(|c| !c.is_null());
    if spec.text("dnsPolicy") == "None" {
        match config {
            None => {
                errors.push(Error::required(
                    &path,
                    "must provide `dnsConfig` when `dnsPolicy` is None",
                ));
                return;
            }
            Some(config) if config.list("nameservers").is_empty() => {
                let path = path.child("nameservers");
                errors.push(Error::required(
                    &path,
                    "must provide at least one DNS nameserver when `dnsPolicy` is None",
                ));
                return;
            }
            Some(_) => {}
        }
    }
    let Some(config) = config else { return };
    let servers = config.list("nameservers");
    if servers.len() > 3 {
        errors.push(Error::invalid(
            &path.child("nameservers"),
            servers.to_vec(),
            "must not have more than 3 nameservers",
        ));
    }
    for (i, server) in servers.iter().enumerate() {
        errors.extend(is_valid_ip(
            &path.child("nameservers").index(i),
            server.as_str().unwrap_or_default(),
        ));
    }
    let searches = config.list("searches");
    if searches.len() > 32 {
        errors.push(Error::invalid(
            &path.child("searches"),
            searches.to_vec(),
            "must not have more than 32 search paths",
        ));
    }
    for (i, search) in searches.iter().enumerate() {
        let name = search.as_str().unwrap_or_default();
        let bare = name.strip_suffix('.').unwrap_or(name);
        if name != "." {
            checks::problems(
                errors,
                &path.child("searches").index(i),
                search,
                machinery::validation::is_dns1123_subdomain(bare),
            );
        }
    }
    for (i, option) in config.list("options").iter().enumerate() {
        if option.text("name").is_empty() {
            errors.push(Error::required(
                &path.child("options").index(i),
                "must not be empty",
            ));
        }
    }
}

/// upstream: pkg/apis/apps/validation/validation.go#ValidatePodTemplateSpecForReplicaSet and the like: the template's labels
/// must be selected, and it must restart its containers.
pub(crate) fn template(
    owner: &Value,
    selector: Option<&Selector>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let empty = Value::Object(serde_json::Map::new());
    let template = owner.member("template").unwrap_or(&empty);
    let labels_path = path.child("metadata").child("labels");
    if let Some(selector) = selector
        && !selector.matches_object(template)
    {
        let labels = template
            .at(&["metadata", "labels"])
            .cloned()
            .unwrap_or(Value::Null);
        errors.push(Error::invalid(
            &labels_path,
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    template_spec(template, path, errors);
}

/// upstream: pkg/apis/core/validation/validation.go#ValidatePodTemplateSpec
pub(crate) fn template_spec(template: &Value, path: &Path, errors: &mut ErrorList) {
    let labels = template
        .at(&["metadata", "labels"])
        .and_then(Value::as_object);
    errors.extend(validate_labels(labels, &path.child("labels")));
    let annotations = template
        .at(&["metadata", "annotations"])
        .and_then(Value::as_object);
    errors.extend(machinery::validation::validate_annotations(
        annotations,
        &path.child("annotations"),
    ));
    errors.extend(spec(
        template.field("spec").unwrap_or(&Value::Null),
        &path.child("spec"),
        true,
    ));
}

/// A template whose pods always restart.
pub(crate) fn restart_always(owner: &Value, path: &Path, errors: &mut ErrorList) {
    let policy = owner
        .member("template")
        .map(|t| t.text_at(&["spec", "restartPolicy"]))
        .unwrap_or_default();
    if policy != "Always" && RESTART_POLICIES.contains(&policy) {
        errors.push(Error::not_supported(
            &path.child("spec").child("restartPolicy"),
            policy,
            &["Always"],
        ));
    }
    let deadline = owner
        .member("template")
        .and_then(|t| t.at(&["spec", "activeDeadlineSeconds"]));
    if deadline.is_some_and(|d| !d.is_null()) {
        errors.push(Error::forbidden(
            &path.child("spec").child("activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ));
    }
}

/// upstream: #ValidatePodStatusUpdate
pub(crate) fn status_update(pod: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status");
    let (status, spec) = (
        pod.field("status").unwrap_or(&Value::Null),
        pod.field("spec").unwrap_or(&Value::Null),
    );
    let nominated = status.text("nominatedNodeName");
    checks::optional_subdomain(&mut errors, &path.child("nominatedNodeName"), nominated);
    let was = old.field("status").unwrap_or(&Value::Null);
    for (list, containers) in [
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
    ] {
        // A container that has ended and may not be restarted doesn't come back.
        if list == "containerStatuses" && spec.text("restartPolicy") == "Always" {
            continue;
        }
        for (i, before) in was.list(list).iter().enumerate() {
            let ended = before.at(&["state", "terminated"]);
            let Some(ended) = ended.filter(|t| !t.is_null()) else {
                continue;
            };
            if ended.int("exitCode").unwrap_or_default() != 0
                && spec.text("restartPolicy") == "OnFailure"
            {
                continue;
            }
            let sidecar = spec.list(containers).iter().any(|c| {
                c.text("name") == before.text("name") && !c.text("restartPolicy").is_empty()
            });
            let now = status
                .list(list)
                .iter()
                .find(|s| s.text("name") == before.text("name"));
            if !sidecar
                && now.is_some_and(|n| n.at(&["state", "terminated"]).is_none_or(Value::is_null))
            {
                let path = path.child(list).index(i).child("state");
                errors.push(Error::forbidden(
                    &path,
                    "may not be transitioned to non-terminated state",
                ));
            }
        }
    }
    for (i, condition) in status.list("conditions").iter().enumerate() {
        let kind = condition.text("type");
        let path = path.child("conditions").index(i).child("type");
        checks::problems(&mut errors, &path, &kind.into(), is_qualified_name(kind));
    }
    for (i, ip) in status.list("podIPs").iter().enumerate() {
        errors.extend(is_valid_ip(&path.child("podIPs").index(i), ip.text("ip")));
    }
    errors
}

/// upstream: #ValidatePodEphemeralContainersUpdate
pub(crate) fn ephemeral_update(pod: &Value, old: &Value) -> ErrorList {
    let path = Path::new("spec").child("ephemeralContainers");
    let of = |v: &Value| {
        v.at(&["spec", "ephemeralContainers"])
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let (new, was) = (of(pod), of(old));
    let mut errors = spec(
        pod.field("spec").unwrap_or(&Value::Null),
        &Path::new("spec"),
        false,
    );
    for before in &was {
        let name = before.text("name");
        match new.iter().find(|c| c.text("name") == name) {
            None => errors.push(Error::forbidden(
                &path,
                format!(
                    "existing ephemeral containers {} may not be removed\n",
                    machinery::go::quote(name)
                ),
            )),
            Some(now) if !semantic_opt(Some(now), Some(before)) => {
                errors.push(Error::forbidden(
                    &path,
                    format!(
                        "existing ephemeral containers {} may not be changed\n",
                        machinery::go::quote(name)
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    errors
}
