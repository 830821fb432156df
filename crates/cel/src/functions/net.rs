//! IP addresses and networks.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go

use std::net::IpAddr;

use crate::error::EvalError;
use crate::functions::{Outcome, size};
use crate::opaque::{Cidr, Opaque};
use crate::value::Value;

/// An address; not one with a zone, and not IPv4 written as IPv6.
pub(crate) fn parse_ip(text: &str) -> Result<IpAddr, EvalError> {
    let quoted = machinery::go::quote(text);
    let ip: IpAddr = text.parse().map_err(|_| {
        EvalError::runtime(format!(
            "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): unable to parse IP"
        ))
    })?;
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Err(EvalError::runtime(format!(
            "IPv4-mapped IPv6 address {quoted} is not allowed"
        ))),
        _ => Ok(ip),
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

pub(crate) fn parse_cidr(text: &str) -> Result<Cidr, EvalError> {
    let failed = |why: &str| {
        let quoted = machinery::go::quote(text);
        EvalError::runtime(format!(
            "network address parse error during conversion from string: netip.ParsePrefix({quoted}): {why}"
        ))
    };
    let (address, prefix) = text.split_once('/').ok_or_else(|| failed("no '/'"))?;
    let address = parse_ip(address).map_err(|_| failed("unable to parse IP"))?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    if !digits || (prefix.len() > 1 && prefix.starts_with('0')) {
        return Err(failed("bad bits after slash"));
    }
    match prefix.parse::<u8>() {
        Ok(prefix) if prefix <= bits(address) => Ok(Cidr { address, prefix }),
        _ => Err(failed("prefix length out of range")),
    }
}

fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

fn contains(network: Cidr, ip: IpAddr) -> bool {
    network.address.is_ipv4() == ip.is_ipv4()
        && masked(network.address, network.prefix) == masked(ip, network.prefix)
}

/// `ip(…)`, `isIP(…)`, `cidr(…)`, …; `None` when it is another function.
pub(super) fn call<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Ok(None);
    };
    Ok(Some(match function {
        "ip" => Value::Opaque(Opaque::Ip(parse_ip(text)?)),
        "isIP" => Value::Bool(parse_ip(text).is_ok()),
        "ip.isCanonical" => Value::Bool(parse_ip(text)?.to_string() == **text),
        "cidr" => Value::Opaque(Opaque::Cidr(parse_cidr(text)?)),
        "isCIDR" => Value::Bool(parse_cidr(text).is_ok()),
        _ => return Ok(None),
    }))
}

pub(super) fn method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let Some(Value::Opaque(receiver)) = args.first() else {
        return Ok(None);
    };
    Ok(Some(match (receiver, function, args.get(1)) {
        (Opaque::Ip(ip), "family", None) => Value::Int(if ip.is_ipv4() { 4 } else { 6 }),
        (Opaque::Ip(ip), "isUnspecified", None) => Value::Bool(ip.is_unspecified()),
        (Opaque::Ip(ip), "isLoopback", None) => Value::Bool(ip.is_loopback()),
        (Opaque::Ip(ip), "isLinkLocalMulticast", None) => Value::Bool(link_local_multicast(*ip)),
        (Opaque::Ip(ip), "isLinkLocalUnicast", None) => Value::Bool(link_local_unicast(*ip)),
        (Opaque::Ip(ip), "isGlobalUnicast", None) => Value::Bool(
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_multicast()
                || link_local_unicast(*ip)
                || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())),
        ),
        (Opaque::Cidr(cidr), "ip", None) => Value::Opaque(Opaque::Ip(cidr.address)),
        (Opaque::Cidr(cidr), "masked", None) => Value::Opaque(Opaque::Cidr(Cidr {
            address: masked(cidr.address, cidr.prefix),
            prefix: cidr.prefix,
        })),
        (Opaque::Cidr(cidr), "prefixLength", None) => Value::Int(i64::from(cidr.prefix)),
        (Opaque::Cidr(cidr), "containsIP", Some(Value::Opaque(Opaque::Ip(ip)))) => {
            Value::Bool(contains(*cidr, *ip))
        }
        (Opaque::Cidr(cidr), "containsIP", Some(Value::String(text))) => {
            Value::Bool(contains(*cidr, parse_ip(text)?))
        }
        (Opaque::Cidr(cidr), "containsCIDR", Some(other)) => {
            let other = match other {
                Value::Opaque(Opaque::Cidr(other)) => *other,
                Value::String(text) => parse_cidr(text)?,
                _ => return Ok(None),
            };
            Value::Bool(other.prefix >= cidr.prefix && contains(*cidr, other.address))
        }
        _ => return Ok(None),
    }))
}

fn link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|s| s & 0xff0f == 0xff02),
    }
}

/// upstream: staging/src/k8s.io/apiserver/pkg/cel/library/cost.go#CallCost, containsIP and containsCIDR
pub(super) fn contains_cost(args: &[Value<'_>]) -> u64 {
    let bytes: u64 = match args.first() {
        Some(Value::Opaque(Opaque::Cidr(c))) if c.address.is_ipv4() => 4,
        _ => 16,
    };
    let compare = bytes.div_ceil(10);
    match args.get(1) {
        Some(text @ Value::String(_)) => compare + crate::cost::traversal(size(text)),
        _ => compare,
    }
}
