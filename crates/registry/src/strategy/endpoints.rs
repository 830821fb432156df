//! Endpoints and EndpointSlices.
//!
//! upstream: pkg/registry/{core/endpoint,discovery/endpointslice}/strategy.go, pkg/apis/{core,discovery}/validation/validation.go

use std::net::IpAddr;

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{
    is_dns1123_label, is_dns1123_subdomain, is_valid_ip, is_valid_port_num,
};
use serde_json::Value;

use super::{Strategy, StrategyContext, checks};
use crate::value::{Read, Write};

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// Endpoints.
#[derive(Debug)]
pub(crate) struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, endpoints: &mut Value) {
        for subset in endpoints.each("subsets") {
            for port in subset.each("ports") {
                port.default_text("protocol", "TCP");
            }
        }
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    /// upstream: #ValidateEndpoints
    fn validate(&self, _context: &StrategyContext<'_>, endpoints: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (i, subset) in endpoints.list("subsets").iter().enumerate() {
            let path = Path::new("subsets").index(i);
            if subset.list("addresses").is_empty() && subset.list("notReadyAddresses").is_empty() {
                errors.push(Error::required(
                    &path,
                    "must specify `addresses` or `notReadyAddresses`",
                ));
            }
            for list in ["addresses", "notReadyAddresses"] {
                for (j, address) in subset.list(list).iter().enumerate() {
                    let path = path.child(list).index(j);
                    let ip = address.text("ip");
                    let found = is_valid_ip(&path.child("ip"), ip);
                    if found.is_empty() {
                        special(ip, &path.child("ip"), &mut errors);
                    }
                    errors.extend(found);
                    let host = address.text("hostname");
                    if !host.is_empty() {
                        checks::problems(
                            &mut errors,
                            &path.child("hostname"),
                            &host.into(),
                            is_dns1123_label(host),
                        );
                    }
                }
            }
            let ports = subset.list("ports");
            for (j, port) in ports.iter().enumerate() {
                let path = path.child("ports").index(j);
                match port.text("name") {
                    "" if ports.len() > 1 => errors.push(Error::required(&path.child("name"), "")),
                    "" => {}
                    name => checks::problems(
                        &mut errors,
                        &path.child("name"),
                        &name.into(),
                        is_dns1123_label(name),
                    ),
                }
                let number = port.int("port").unwrap_or_default();
                checks::problems(
                    &mut errors,
                    &path.child("port"),
                    &number.into(),
                    is_valid_port_num(number),
                );
                checks::one_of(
                    &mut errors,
                    &path.child("protocol"),
                    port.text("protocol"),
                    PROTOCOLS,
                );
            }
        }
        errors
    }
}

/// upstream: #ValidateEndpointIP
fn special(text: &str, path: &Path, errors: &mut ErrorList) {
    let Ok(ip) = text.parse::<IpAddr>() else {
        return;
    };
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80),
    };
    let link_local_multicast = match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [224, 0, 0, _]),
        IpAddr::V6(ip) => ip.segments().first().is_some_and(|s| s & 0xff0f == 0xff02),
    };
    if ip.is_unspecified() {
        errors.push(Error::invalid(
            path,
            text,
            format!("may not be unspecified ({text})"),
        ));
    }
    if ip.is_loopback() {
        errors.push(Error::invalid(
            path,
            text,
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ));
    }
    if link_local {
        errors.push(Error::invalid(
            path,
            text,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        ));
    }
    if link_local_multicast {
        errors.push(Error::invalid(
            path,
            text,
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ));
    }
}

/// EndpointSlices.
#[derive(Debug)]
pub(crate) struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, slice: &mut Value) {
        for port in slice.each("ports") {
            port.default_to("name", "");
            port.default_to("protocol", "TCP");
        }
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: strategy.go#endpointSliceStrategy.PrepareForUpdate
    fn bumps_generation(&self, slice: &Value, old: &Value) -> bool {
        ["endpoints", "ports", "addressType"]
            .iter()
            .any(|n| slice.member(n) != old.member(n))
            || !machinery::equality::semantic_opt(
                slice.member("metadata").and_then(|m| m.member("labels")),
                old.member("metadata").and_then(|m| m.member("labels")),
            )
    }

    fn validate(&self, _context: &StrategyContext<'_>, slice: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let kind = slice.text("addressType");
        checks::one_of(
            &mut errors,
            &Path::new("addressType"),
            kind,
            &["FQDN", "IPv4", "IPv6"],
        );
        let endpoints = slice.list("endpoints");
        if endpoints.len() > 1000 {
            errors.push(Error::too_many(
                &Path::new("endpoints"),
                endpoints.len(),
                1000,
            ));
            return errors;
        }
        for (i, endpoint) in endpoints.iter().enumerate() {
            self::endpoint(
                endpoint,
                kind,
                &Path::new("endpoints").index(i),
                &mut errors,
            );
        }
        let mut names = std::collections::BTreeSet::new();
        for (i, port) in slice.list("ports").iter().enumerate() {
            let path = Path::new("ports").index(i);
            let name = port.text("name");
            if !name.is_empty() {
                checks::problems(
                    &mut errors,
                    &path.child("name"),
                    &name.into(),
                    is_dns1123_label(name),
                );
            }
            if !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), name));
            }
            checks::one_of(
                &mut errors,
                &path.child("protocol"),
                port.text("protocol"),
                PROTOCOLS,
            );
        }
        errors
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        slice: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, slice);
        let path = Path::new("addressType");
        checks::immutable(
            &mut errors,
            &path,
            slice.member("addressType"),
            old.member("addressType"),
        );
        errors
    }
}

fn endpoint(endpoint: &Value, kind: &str, path: &Path, errors: &mut ErrorList) {
    let path_of = path.child("addresses");
    let addresses = endpoint.list("addresses");
    if addresses.is_empty() {
        errors.push(Error::required(&path_of, "must contain at least 1 address"));
    } else if addresses.len() > 100 {
        errors.push(Error::too_many(&path_of, addresses.len(), 100));
    }
    for (i, address) in addresses.iter().enumerate() {
        let path = path_of.index(i);
        let text = address.as_str().unwrap_or_default();
        match kind {
            "IPv4" => {
                let found = machinery::validation::is_valid_ipv4(&path, text);
                if found.is_empty() {
                    special(text, &path, errors);
                }
                errors.extend(found);
            }
            "IPv6" => {
                let found = is_valid_ip(&path, text);
                if found.is_empty() && !text.contains(':') {
                    errors.push(Error::invalid(&path, text, "must be a valid IPv6 address"));
                } else if found.is_empty() {
                    special(text, &path, errors);
                }
                errors.extend(found);
            }
            "FQDN" => checks::problems(errors, &path, address, is_dns1123_subdomain(text)),
            _ => {}
        }
    }
    let host = endpoint.text("hostname");
    if !host.is_empty() {
        checks::problems(
            errors,
            &path.child("hostname"),
            &host.into(),
            is_dns1123_label(host),
        );
    }
    checks::optional_subdomain(errors, &path.child("nodeName"), endpoint.text("nodeName"));
}
