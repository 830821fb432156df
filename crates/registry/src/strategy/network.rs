//! Ingresses, ingress classes, network policies.
//!
//! upstream: pkg/apis/networking/{v1/defaults,validation/validation}.go, pkg/registry/networking/*/strategy.go

use std::net::IpAddr;

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::{
    is_dns1123_subdomain, is_valid_cidr, is_valid_port_name, is_valid_port_num,
    is_wildcard_dns1123_subdomain,
};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext, checks};
use crate::value::{Read, Write};

/// Ingresses.
#[derive(Debug)]
pub(crate) struct Ingress;

impl Strategy for Ingress {
    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn default(&self, ingress: &mut Value) {
        ingress.default_to("status", json!({}));
    }

    /// upstream: #ValidateIngressSpec
    fn validate(&self, _context: &StrategyContext<'_>, ingress: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = ingress.field("spec").unwrap_or(&Value::Null);
        let backend_path = path.child("defaultBackend");
        let rules = spec.list("rules");
        if rules.is_empty() && !spec.has("defaultBackend") {
            errors.push(Error::invalid(
                &path,
                Value::Null,
                "either `defaultBackend` or `rules` must be specified",
            ));
        }
        if let Some(backend) = spec.member("defaultBackend").filter(|b| !b.is_null()) {
            self::backend(backend, &backend_path, &mut errors);
        }
        for (i, rule) in rules.iter().enumerate() {
            self::rule(rule, &path.child("rules").index(i), &mut errors);
        }
        for (i, tls) in spec.list("tls").iter().enumerate() {
            for (j, host) in tls.list("hosts").iter().enumerate() {
                let path = path.child("tls").index(i).child("hosts").index(j);
                self::host(host.as_str().unwrap_or_default(), &path, &mut errors);
            }
            let secret = tls.text("secretName");
            checks::optional_subdomain(
                &mut errors,
                &path.child("tls").index(i).child("secretName"),
                secret,
            );
        }
        let class = spec.text("ingressClassName");
        checks::optional_subdomain(&mut errors, &path.child("ingressClassName"), class);
        errors
    }
}

fn host(host: &str, path: &Path, errors: &mut ErrorList) {
    let found = if host.contains('*') {
        is_wildcard_dns1123_subdomain(host)
    } else {
        is_dns1123_subdomain(host)
    };
    checks::problems(errors, path, &host.into(), found);
}

fn rule(rule: &Value, path: &Path, errors: &mut ErrorList) {
    let host = rule.text("host");
    if !host.is_empty() {
        if host.parse::<IpAddr>().is_ok() {
            errors.push(Error::invalid(
                &path.child("host"),
                host,
                "must be a DNS name, not an IP address",
            ));
        }
        self::host(host, &path.child("host"), errors);
    }
    let Some(http) = rule.member("http").filter(|h| !h.is_null()) else {
        return;
    };
    let path = path.child("http").child("paths");
    if http.list("paths").is_empty() {
        errors.push(Error::required(&path, ""));
    }
    for (i, one) in http.list("paths").iter().enumerate() {
        let path = path.index(i);
        let (kind, at) = (one.text("pathType"), one.text("path"));
        match kind {
            "" => errors.push(Error::required(
                &path.child("pathType"),
                "pathType must be specified",
            )),
            "Exact" | "Prefix" => {
                if !at.starts_with('/') {
                    errors.push(Error::invalid(
                        &path.child("path"),
                        at,
                        "must be an absolute path",
                    ));
                }
                for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                    if at.contains(sequence) {
                        errors.push(Error::invalid(
                            &path.child("path"),
                            at,
                            format!("must not contain '{sequence}'"),
                        ));
                    }
                }
                for suffix in ["/..", "/."] {
                    if at.ends_with(suffix) {
                        errors.push(Error::invalid(
                            &path.child("path"),
                            at,
                            format!("cannot end with '{suffix}'"),
                        ));
                    }
                }
            }
            "ImplementationSpecific" => {
                if !at.is_empty() && !at.starts_with('/') {
                    errors.push(Error::invalid(
                        &path.child("path"),
                        at,
                        "must be an absolute path",
                    ));
                }
            }
            other => {
                let supported = ["Exact", "ImplementationSpecific", "Prefix"];
                errors.push(Error::not_supported(
                    &path.child("pathType"),
                    other,
                    &supported,
                ));
            }
        }
        backend(
            one.member("backend").unwrap_or(&Value::Null),
            &path.child("backend"),
            errors,
        );
    }
}

/// upstream: #validateIngressBackend
fn backend(backend: &Value, path: &Path, errors: &mut ErrorList) {
    let (service, resource) = (
        backend.member("service").filter(|s| !s.is_null()),
        backend.member("resource").filter(|r| !r.is_null()),
    );
    match (service, resource) {
        (Some(_), Some(_)) => errors.push(Error::invalid(
            path,
            "",
            "cannot set both resource and service backends",
        )),
        (None, Some(resource)) => {
            for name in ["kind", "name"] {
                if resource.text(name).is_empty() {
                    errors.push(Error::required(
                        &path.child("resource").child(name),
                        format!("{name} is required"),
                    ));
                }
            }
        }
        (None, None) => errors.push(Error::required(path, "port name or number is required")),
        (Some(service), None) => {
            let path = path.child("service");
            match service.text("name") {
                "" => errors.push(Error::required(&path.child("name"), "")),
                name => {
                    let found = machinery::validation::name_is_dns1035_label(name, false);
                    checks::problems(errors, &path.child("name"), &name.into(), found);
                }
            }
            let empty = json!({});
            let port = service.member("port").unwrap_or(&empty);
            let (name, number) = (port.text("name"), port.int("number").unwrap_or_default());
            let path = path.child("port");
            match (name.is_empty(), number) {
                (true, 0) => errors.push(Error::required(&path, "port name or number is required")),
                (false, 0) => checks::problems(
                    errors,
                    &path.child("name"),
                    &name.into(),
                    is_valid_port_name(name),
                ),
                (true, number) => checks::problems(
                    errors,
                    &path.child("number"),
                    &number.into(),
                    is_valid_port_num(number),
                ),
                (false, _) => errors.push(Error::invalid(
                    &path,
                    name,
                    "cannot set both port name & port number",
                )),
            }
        }
    }
}

/// Network policies.
#[derive(Debug)]
pub(crate) struct NetworkPolicy;

impl Strategy for NetworkPolicy {
    /// upstream: v1/defaults.go#SetDefaults_NetworkPolicy
    fn default(&self, policy: &mut Value) {
        let Some(spec) = policy.ensure_object("spec") else {
            return;
        };
        if spec.list("policyTypes").is_empty() {
            let egress = !spec.list("egress").is_empty();
            spec.put(
                "policyTypes",
                if egress {
                    json!(["Ingress", "Egress"])
                } else {
                    json!(["Ingress"])
                },
            );
        }
        for direction in ["ingress", "egress"] {
            for rule in spec.each(direction) {
                for port in rule.each("ports") {
                    port.default_to("protocol", "TCP");
                }
            }
        }
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: #ValidateNetworkPolicySpec
    fn validate(&self, _context: &StrategyContext<'_>, policy: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = policy.field("spec").unwrap_or(&Value::Null);
        errors.extend(validate_label_selector(
            spec.member("podSelector"),
            false,
            &path.child("podSelector"),
        ));
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (i, rule) in spec.list(direction).iter().enumerate() {
                let path = path.child(direction).index(i);
                for (j, port) in rule.list("ports").iter().enumerate() {
                    policy_port(port, &path.child("ports").index(j), &mut errors);
                }
                for (j, peer) in rule.list(peers).iter().enumerate() {
                    self::peer(peer, &path.child(peers).index(j), &mut errors);
                }
            }
        }
        let types = spec.list("policyTypes");
        if types.len() > 2 {
            errors.push(Error::invalid(
                &path.child("policyTypes"),
                types.to_vec(),
                "may not specify more than two policyTypes",
            ));
        } else {
            for (i, kind) in types.iter().enumerate() {
                let text = kind.as_str().unwrap_or_default();
                if !["Ingress", "Egress"].contains(&text) {
                    errors.push(Error::not_supported(
                        &path.child("policyTypes").index(i),
                        text,
                        &["Egress", "Ingress"],
                    ));
                }
            }
        }
        errors
    }
}

/// upstream: #ValidateNetworkPolicyPort
fn policy_port(port: &Value, path: &Path, errors: &mut ErrorList) {
    let protocol = port.text("protocol");
    if !protocol.is_empty() && !["SCTP", "TCP", "UDP"].contains(&protocol) {
        errors.push(Error::not_supported(
            &path.child("protocol"),
            protocol,
            &["SCTP", "TCP", "UDP"],
        ));
    }
    let end = port.int("endPort");
    match port.member("port").filter(|p| !p.is_null()) {
        Some(Value::Number(number)) => {
            let number = number.as_i64().unwrap_or_default();
            checks::problems(
                errors,
                &path.child("port"),
                &number.into(),
                is_valid_port_num(number),
            );
            if let Some(end) = end {
                if end < number {
                    errors.push(Error::invalid(
                        &path.child("endPort"),
                        end,
                        "must be greater than or equal to `port`",
                    ));
                }
                checks::problems(
                    errors,
                    &path.child("endPort"),
                    &end.into(),
                    is_valid_port_num(end),
                );
            }
        }
        Some(Value::String(name)) => {
            if let Some(end) = end {
                errors.push(Error::invalid(
                    &path.child("endPort"),
                    end,
                    "may not be specified when `port` is non-numeric",
                ));
            }
            checks::problems(
                errors,
                &path.child("port"),
                &name.as_str().into(),
                is_valid_port_name(name),
            );
        }
        _ => {
            if let Some(end) = end {
                errors.push(Error::invalid(
                    &path.child("endPort"),
                    end,
                    "may not be specified when `port` is not specified",
                ));
            }
        }
    }
}

/// upstream: #ValidateNetworkPolicyPeer
fn peer(peer: &Value, path: &Path, errors: &mut ErrorList) {
    let mut count = 0;
    for name in ["podSelector", "namespaceSelector"] {
        if peer.has(name) {
            count += 1;
            errors.extend(validate_label_selector(
                peer.member(name),
                false,
                &path.child(name),
            ));
        }
    }
    if let Some(block) = peer.member("ipBlock").filter(|b| !b.is_null()) {
        let at = path.child("ipBlock");
        let cidr = block.text("cidr");
        if cidr.is_empty() {
            errors.push(Error::required(&at.child("cidr"), ""));
        } else {
            errors.extend(is_valid_cidr(&at.child("cidr"), cidr));
        }
        let net = cidr.parse::<ipnet::IpNet>().ok();
        for (i, except) in block.list("except").iter().enumerate() {
            let path = at.child("except").index(i);
            let text = except.as_str().unwrap_or_default();
            errors.extend(is_valid_cidr(&path, text));
            if let (Some(net), Ok(inner)) = (net, text.parse::<ipnet::IpNet>())
                && (!net.contains(&inner.network()) || net.prefix_len() >= inner.prefix_len())
            {
                errors.push(Error::invalid(
                    &path,
                    text,
                    format!("must be a strict subset of `cidr` {cidr}"),
                ));
            }
        }
        if count > 0 {
            errors.push(Error::forbidden(
                path,
                "may not specify both ipBlock and another peer",
            ));
        }
        return;
    }
    if count == 0 {
        errors.push(Error::required(path, "must specify a peer"));
    }
}

/// Ingress classes.
#[derive(Debug)]
pub(crate) struct IngressClass;

impl Strategy for IngressClass {
    fn default(&self, class: &mut Value) {
        if let Some(parameters) = class
            .member_mut("spec")
            .and_then(|s| s.member_mut("parameters"))
            .filter(|p| p.is_object())
        {
            parameters.default_to("scope", "Cluster");
        }
    }

    fn generation(&self) -> bool {
        true
    }

    fn validate(&self, _context: &StrategyContext<'_>, class: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let controller = class.text_at(&["spec", "controller"]);
        let path = Path::new("spec").child("controller");
        if controller.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if !controller.contains('/') {
            errors.push(Error::invalid(
                &path,
                controller,
                "must be a domain-prefixed path (such as \"acme.io/foo\")",
            ));
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
        let path = Path::new("spec").child("controller");
        checks::immutable(
            &mut errors,
            &path,
            class.at(&["spec", "controller"]),
            old.at(&["spec", "controller"]),
        );
        errors
    }
}
