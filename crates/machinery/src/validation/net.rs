//! Ports, ranges and addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::syntax::{max_len, regex_error};
use crate::field::{Error, ErrorList, Path};

/// 1 to 65535.
// upstream: #IsValidPortNum
pub fn is_valid_port_num(port: i64) -> Vec<String> {
    is_in_range(port, 1, 65535)
}

/// Inclusive range.
// upstream: #IsInRange
pub fn is_in_range(value: i64, min: i64, max: i64) -> Vec<String> {
    if (min..=max).contains(&value) {
        Vec::new()
    } else {
        vec![format!("must be between {min} and {max}, inclusive")]
    }
}

/// IANA service name: at most 15 of `a-z`, digits and hyphens.
// upstream: #IsValidPortName
pub fn is_valid_port_name(port: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if port.len() > 15 {
        errors.push(max_len(15));
    }
    if port.is_empty()
        || !port
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        errors.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !port.bytes().any(|b| b.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if port.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if port.starts_with('-') || port.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

/// IPv4 or IPv6.
// upstream: util/validation/ip.go#IsValidIP
pub fn is_valid_ip(path: &Path, value: &str) -> ErrorList {
    if value.parse::<IpAddr>().is_ok() {
        return ErrorList::new();
    }
    vec![Error::invalid(
        path,
        value,
        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
    )]
    .into()
}

/// IPv4.
// upstream: util/validation/ip.go#IsValidIPv4Address
pub fn is_valid_ipv4(path: &Path, value: &str) -> ErrorList {
    if value.parse::<Ipv4Addr>().is_ok() {
        return ErrorList::new();
    }
    vec![Error::invalid(path, value, "must be a valid IPv4 address")].into()
}

/// An address and a prefix length.
// upstream: util/validation/ip.go#IsValidCIDR
pub fn is_valid_cidr(path: &Path, value: &str) -> ErrorList {
    let ok = value.split_once('/').is_some_and(|(ip, bits)| {
        let max = match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u32>().is_ok_and(|b| b <= max)
    });
    if ok {
        return ErrorList::new();
    }
    vec![Error::invalid(
        path,
        value,
        "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
    )]
    .into()
}

/// `25%`.
// upstream: #IsValidPercent
pub fn is_valid_percent(value: &str) -> Vec<String> {
    let ok = value
        .strip_suffix('%')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if ok {
        return Vec::new();
    }
    let text = "a valid percent string must be a numeric string followed by an ending '%'";
    vec![regex_error(text, "[0-9]+%", &["1%", "93%"])]
}

/// Not below zero.
// upstream: apimachinery/pkg/api/validation/generic.go#ValidateNonnegativeField
pub fn validate_non_negative(value: i64, path: &Path) -> ErrorList {
    if value >= 0 {
        return ErrorList::new();
    }
    vec![Error::invalid(
        path,
        value,
        "must be greater than or equal to 0",
    )]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports() {
        let p = Path::new("ip");
        assert!(is_valid_ip(&p, "::1").is_empty() && !is_valid_ip(&p, "010.1.1.1").is_empty());
        assert!(
            is_valid_cidr(&p, "10.0.0.0/8").is_empty()
                && !is_valid_cidr(&p, "10.0.0.0/33").is_empty()
        );
        assert_eq!(
            is_valid_port_num(0),
            ["must be between 1 and 65535, inclusive"]
        );
        assert!(is_valid_port_name("http-1").is_empty());
        assert_eq!(is_valid_port_name("1--").len(), 3);
        assert!(is_valid_percent("25%").is_empty() && !is_valid_percent("%").is_empty());
    }
}
