//! Services.
//!
//! upstream: pkg/registry/core/service/{strategy.go,storage/storage.go}, pkg/apis/core/v1/defaults.go#SetDefaults_Service,
//! pkg/apis/core/validation/validation.go#ValidateService

use std::collections::BTreeSet;

use machinery::ObjectExt;
use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{
    NameCheck, is_dns1123_label, is_dns1123_subdomain, is_valid_ip, is_valid_port_name,
    is_valid_port_num, name_is_dns1035_label, validate_labels,
};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext, checks};
use crate::value::{Read, Write, copy_member};

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const CLIENT_IP_SECONDS: i64 = 10800;

/// Services.
#[derive(Debug)]
pub(crate) struct Service;

impl Strategy for Service {
    fn default(&self, service: &mut Value) {
        let Some(spec) = service.ensure_object("spec") else {
            return;
        };
        spec.default_text("sessionAffinity", "None");
        if spec.text("sessionAffinity") == "None" {
            spec.take_member("sessionAffinityConfig");
        }
        if spec.text("sessionAffinity") == "ClientIP"
            && let Some(client) = spec
                .ensure_object("sessionAffinityConfig")
                .and_then(|c| c.ensure_object("clientIP"))
        {
            client.default_to("timeoutSeconds", CLIENT_IP_SECONDS);
        }
        spec.default_text("type", "ClusterIP");
        for port in spec.each("ports") {
            port.default_text("protocol", "TCP");
            let unset = port
                .member("targetPort")
                .is_none_or(|t| t.is_null() || t.as_i64() == Some(0) || t.as_str() == Some(""));
            if unset && let Some(number) = port.member("port").cloned() {
                port.put("targetPort", number);
            }
        }
        let kind = spec.text("type").to_owned();
        if kind == "LoadBalancer" {
            spec.default_to("allocateLoadBalancerNodePorts", true);
        }
        if external(spec) {
            spec.default_text("externalTrafficPolicy", "Cluster");
        }
        if kind != "ExternalName" {
            spec.default_to("internalTrafficPolicy", "Cluster");
        }
        service.default_to("status", json!({}));
    }

    fn name_check(&self) -> NameCheck {
        name_is_dns1035_label
    }

    fn has_status(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, service: &mut Value) {
        service.put("status", json!({}));
        if let Some(spec) = service.ensure_object("spec") {
            normalise(spec, None);
        }
    }

    /// upstream: strategy.go#svcStrategy.PrepareForUpdate; storage/storage.go#patchAllocatedValues
    fn prepare_for_update(&self, _context: &StrategyContext<'_>, service: &mut Value, old: &Value) {
        let empty = json!({});
        let was = old.field("spec").unwrap_or(&empty);
        let Some(spec) = service.ensure_object("spec") else {
            return;
        };
        normalise(spec, Some(was));
        keep_allocated(spec, was);
        drop_type_dependent(spec, was);
    }

    fn validate(&self, _context: &StrategyContext<'_>, service: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_spec(
            service.field("spec").unwrap_or(&Value::Null),
            &Path::new("spec"),
            &mut errors,
        );
        errors
    }

    /// upstream: #ValidateServiceUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        service: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let empty = json!({});
        let (spec, was) = (
            service.field("spec").unwrap_or(&empty),
            old.field("spec").unwrap_or(&empty),
        );
        if spec.text("type") != "ExternalName" && was.text("type") != "ExternalName" {
            let before = was.text("clusterIP");
            if !before.is_empty() && spec.text("clusterIP") != before {
                let path = Path::new("spec").child("clusterIPs").index(0);
                errors.push(Error::invalid(
                    &path,
                    spec.list("clusterIPs").to_vec(),
                    "may not change once set",
                ));
            }
        }
        errors.extend(self.validate(context, service));
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn needs_cluster_ip(spec: &Value) -> bool {
    matches!(spec.text("type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}

fn needs_node_port(spec: &Value) -> bool {
    spec.text("type") == "NodePort"
        || (spec.text("type") == "LoadBalancer"
            && spec
                .member("allocateLoadBalancerNodePorts")
                .and_then(Value::as_bool)
                != Some(false))
}

fn external(spec: &Value) -> bool {
    matches!(spec.text("type"), "NodePort" | "LoadBalancer")
        || (spec.text("type") == "ClusterIP" && !spec.list("externalIPs").is_empty())
}

/// `clusterIP` and the first of `clusterIPs` are one.
///
/// upstream: strategy.go#NormalizeClusterIPs
fn normalise(spec: &mut Value, was: Option<&Value>) {
    let ip = spec.text("clusterIP").to_owned();
    let ips = spec.list("clusterIPs").to_vec();
    let Some(was) = was else {
        if !ip.is_empty() && ips.is_empty() {
            spec.put("clusterIPs", json!([ip]));
        }
        return;
    };
    let same_list = ips == was.list("clusterIPs");
    if ip != was.text("clusterIP") && same_list {
        if ip.is_empty() {
            spec.take_member("clusterIPs");
        } else {
            spec.put("clusterIPs", json!([ip]));
        }
    } else if ip == was.text("clusterIP") && !same_list && ips.is_empty() {
        spec.take_member("clusterIP");
    }
}

/// upstream: storage/storage.go#patchAllocatedValues
fn keep_allocated(spec: &mut Value, was: &Value) {
    if needs_cluster_ip(was) && needs_cluster_ip(spec) && spec.text("clusterIP").is_empty() {
        copy_member(spec, was, "clusterIP");
        copy_member(spec, was, "clusterIPs");
    }
    if needs_cluster_ip(was) && needs_cluster_ip(spec) {
        for name in ["ipFamilies", "ipFamilyPolicy"] {
            if !spec.has(name) {
                copy_member(spec, was, name);
            }
        }
    }
    if needs_node_port(was) && needs_node_port(spec) {
        let old: Vec<Value> = was.list("ports").to_vec();
        let mut used: BTreeSet<i64> = spec
            .list("ports")
            .iter()
            .filter_map(|p| p.int("nodePort"))
            .collect();
        for port in spec.each("ports") {
            if port.int("nodePort").unwrap_or_default() != 0 {
                continue;
            }
            let before = old.iter().find(|o| {
                o.text("protocol") == port.text("protocol") && o.int("port") == port.int("port")
            });
            if let Some(number) = before
                .and_then(|o| o.int("nodePort"))
                .filter(|n| !used.contains(n))
            {
                used.insert(number);
                port.put("nodePort", number);
            }
        }
    }
    if spec.int("healthCheckNodePort").unwrap_or_default() == 0
        && spec.text("externalTrafficPolicy") == "Local"
        && spec.text("type") == "LoadBalancer"
    {
        copy_member(spec, was, "healthCheckNodePort");
    }
}

/// What the new type has no use for goes, unless the client changed it.
///
/// upstream: strategy.go#dropTypeDependentFields
fn drop_type_dependent(spec: &mut Value, was: &Value) {
    let same = |spec: &Value, name: &str| semantic_opt(spec.member(name), was.member(name));
    if needs_cluster_ip(was) && !needs_cluster_ip(spec) {
        if same(spec, "clusterIPs") || spec.list("clusterIPs").is_empty() {
            spec.take_member("clusterIP");
            spec.take_member("clusterIPs");
        }
        for name in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if same(spec, name) {
                spec.take_member(name);
            }
        }
    }
    if needs_node_port(was) && !needs_node_port(spec) {
        let numbers = |s: &Value| {
            s.list("ports")
                .iter()
                .map(|p| p.int("nodePort").unwrap_or_default())
                .collect::<BTreeSet<_>>()
        };
        if numbers(spec) == numbers(was) {
            for port in spec.each("ports") {
                port.take_member("nodePort");
            }
        }
    }
    let balanced = |s: &Value| s.text("type") == "LoadBalancer";
    if balanced(was) && !balanced(spec) {
        for name in [
            "allocateLoadBalancerNodePorts",
            "loadBalancerClass",
            "healthCheckNodePort",
        ] {
            if same(spec, name) {
                spec.take_member(name);
            }
        }
    }
    if external(was) && !external(spec) && same(spec, "externalTrafficPolicy") {
        spec.take_member("externalTrafficPolicy");
    }
}

fn validate_spec(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let kind = spec.text("type");
    let headless = spec.text("clusterIP") == "None";
    let ports = spec.list("ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(Error::required(&path.child("ports"), ""));
    }
    match kind {
        "LoadBalancer" => {
            for (i, port) in ports.iter().enumerate() {
                if port.int("port") == Some(10250) {
                    let path = path.child("ports").index(i);
                    errors.push(Error::invalid(
                        &path,
                        10250,
                        "may not expose port 10250 externally since it is used by kubelet",
                    ));
                }
            }
            if headless {
                errors.push(Error::invalid(
                    &path.child("clusterIPs").index(0),
                    "None",
                    "may not be set to 'None' for LoadBalancer services",
                ));
            }
        }
        "NodePort" if headless => {
            errors.push(Error::invalid(
                &path.child("clusterIPs").index(0),
                "None",
                "may not be set to 'None' for NodePort services",
            ));
        }
        "ExternalName" => {
            if !spec.list("clusterIPs").is_empty() {
                errors.push(Error::forbidden(
                    &path.child("clusterIPs"),
                    "may not be set for ExternalName services",
                ));
            }
            let name = spec.text("externalName");
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.push(Error::required(&path.child("externalName"), ""));
            } else {
                checks::problems(
                    errors,
                    &path.child("externalName"),
                    &name.into(),
                    is_dns1123_subdomain(name),
                );
            }
        }
        _ => {}
    }
    let mut names = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        self::port(
            port,
            ports.len() > 1,
            headless,
            &mut names,
            &path.child("ports").index(i),
            errors,
        );
    }
    let selector = spec.member("selector").and_then(Value::as_object);
    errors.extend(validate_labels(selector, &path.child("selector")));
    affinity(spec, path, errors);
    if !TYPES.contains(&kind) {
        errors.push(if kind.is_empty() {
            Error::required(&path.child("type"), "")
        } else {
            Error::not_supported(&path.child("type"), kind, TYPES)
        });
    }
    node_ports(kind, ports, &path.child("ports"), errors);
    cluster_ips(spec, path, errors);
    for (i, ip) in spec.list("externalIPs").iter().enumerate() {
        errors.extend(is_valid_ip(
            &path.child("externalIPs").index(i),
            ip.as_str().unwrap_or_default(),
        ));
    }
    traffic(spec, path, errors);
    if spec.has("loadBalancerClass") && kind != "LoadBalancer" {
        errors.push(Error::forbidden(
            &path.child("loadBalancerClass"),
            "may only be used when `type` is 'LoadBalancer'",
        ));
    }
    if spec.has("allocateLoadBalancerNodePorts") && kind != "LoadBalancer" {
        errors.push(Error::forbidden(
            &path.child("allocateLoadBalancerNodePorts"),
            "may only be used when `type` is 'LoadBalancer'",
        ));
    }
}

/// upstream: #validateServicePort
fn port(
    port: &Value,
    named: bool,
    headless: bool,
    names: &mut BTreeSet<String>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let name = port.text("name");
    if name.is_empty() {
        if named {
            errors.push(Error::required(&path.child("name"), ""));
        }
    } else {
        checks::problems(
            errors,
            &path.child("name"),
            &name.into(),
            is_dns1123_label(name),
        );
        if !names.insert(name.to_owned()) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
    }
    let number = port.int("port").unwrap_or_default();
    checks::problems(
        errors,
        &path.child("port"),
        &number.into(),
        is_valid_port_num(number),
    );
    checks::one_of(
        errors,
        &path.child("protocol"),
        port.text("protocol"),
        &["SCTP", "TCP", "UDP"],
    );
    match port.member("targetPort") {
        Some(Value::String(name)) => {
            let path = path.child("targetPort");
            checks::problems(
                errors,
                &path,
                &name.as_str().into(),
                is_valid_port_name(name),
            );
        }
        Some(Value::Number(number)) => {
            let number = number.as_i64().unwrap_or_default();
            checks::problems(
                errors,
                &path.child("targetPort"),
                &number.into(),
                is_valid_port_num(number),
            );
        }
        _ => {}
    }
    let _ = headless;
}

fn affinity(spec: &Value, path: &Path, errors: &mut ErrorList) {
    checks::one_of(
        errors,
        &path.child("sessionAffinity"),
        spec.text("sessionAffinity"),
        &["ClientIP", "None"],
    );
    let seconds = spec
        .member("sessionAffinityConfig")
        .and_then(|c| c.at(&["clientIP", "timeoutSeconds"]))
        .and_then(Value::as_i64);
    if let Some(seconds) = seconds.filter(|_| spec.text("sessionAffinity") == "ClientIP")
        && !(1..=86400).contains(&seconds)
    {
        let path = path
            .child("sessionAffinityConfig")
            .child("clientIP")
            .child("timeoutSeconds");
        errors.push(Error::invalid(
            &path,
            seconds,
            "must be greater than 0 and less than 86400",
        ));
    }
}

fn node_ports(kind: &str, ports: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut numbers = BTreeSet::new();
    let mut pairs = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let number = port.int("nodePort").unwrap_or_default();
        if number != 0 {
            let path = path.index(i).child("nodePort");
            if kind == "ClusterIP" {
                errors.push(Error::forbidden(
                    &path,
                    "may not be used when `type` is 'ClusterIP'",
                ));
            }
            if !numbers.insert((port.text("protocol"), number)) {
                errors.push(Error::duplicate(&path, number));
            }
        }
        let pair = (port.text("protocol"), port.int("port").unwrap_or_default());
        if pair.1 != 0 && !pairs.insert(pair) {
            errors.push(Error::duplicate(&path.index(i), port.clone()));
        }
    }
}

/// upstream: #ValidateServiceClusterIPsRelatedFields
fn cluster_ips(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("clusterIPs");
    let ips = spec.list("clusterIPs");
    for (i, ip) in ips.iter().enumerate() {
        let text = ip.as_str().unwrap_or_default();
        if text == "None" {
            if i > 0 || ips.len() > 1 {
                errors.push(Error::invalid(
                    &path.index(i),
                    text,
                    "'None' must be the first and only value",
                ));
            }
            continue;
        }
        errors.extend(is_valid_ip(&path.index(i), text));
    }
    let policy = spec.text("ipFamilyPolicy");
    if !policy.is_empty()
        && !["SingleStack", "PreferDualStack", "RequireDualStack"].contains(&policy)
    {
        let supported = ["SingleStack", "PreferDualStack", "RequireDualStack"];
        errors.push(Error::not_supported(
            &Path::new("spec").child("ipFamilyPolicy"),
            policy,
            &supported,
        ));
    }
}

fn traffic(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let policy = spec.text("externalTrafficPolicy");
    let at = path.child("externalTrafficPolicy");
    if external(spec) {
        checks::one_of(errors, &at, policy, &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        errors.push(Error::invalid(
            &at,
            policy,
            "may only be set for externally-accessible services",
        ));
    }
    if let Some(policy) = spec.member("internalTrafficPolicy").and_then(Value::as_str) {
        checks::one_of(
            errors,
            &path.child("internalTrafficPolicy"),
            policy,
            &["Cluster", "Local"],
        );
    }
    let distribution = spec.text("trafficDistribution");
    if !distribution.is_empty() {
        let supported = ["PreferClose", "PreferSameNode", "PreferSameZone"];
        if !supported.contains(&distribution) {
            errors.push(Error::not_supported(
                &path.child("trafficDistribution"),
                distribution,
                &supported,
            ));
        }
    }
}
