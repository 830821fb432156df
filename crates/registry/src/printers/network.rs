//! Services, endpoints, ingresses, network policies.

use machinery::ObjectExt;
use serde_json::Value;

use super::text::{NONE, UNKNOWN, UNSET, age, or_none, selector, set};
use super::{AGE, NAME, Printer, text, wide};
use crate::value::Read;

pub(super) fn printer(group: &str, kind: &str) -> Option<&'static Printer> {
    Some(match (group, kind) {
        ("", "Service") => &SERVICE,
        ("", "Endpoints") => &ENDPOINTS,
        ("discovery.k8s.io", "EndpointSlice") => &SLICE,
        ("networking.k8s.io", "Ingress") => &INGRESS,
        ("networking.k8s.io", "IngressClass") => &CLASS,
        ("networking.k8s.io", "NetworkPolicy") => &POLICY,
        ("networking.k8s.io", "ServiceCIDR") => &CIDR,
        ("networking.k8s.io", "IPAddress") => &ADDRESS,
        _ => return None,
    })
}

/// Entries, and how many more there are.
fn shortened(list: Vec<String>, most: usize) -> String {
    let more = list.len().saturating_sub(most);
    let shown = list.into_iter().take(most).collect::<Vec<_>>().join(",");
    match (shown.is_empty(), more) {
        (true, _) => NONE.to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} + {more} more..."),
    }
}

static SERVICE: Printer = Printer {
    columns: &[
        NAME,
        text("Type"),
        text("Cluster-IP"),
        text("External-IP"),
        text("Port(s)"),
        AGE,
        wide(text("Selector")),
    ],
    cells: |o, now| {
        let spec = o.field("spec").unwrap_or(&Value::Null);
        let ports: Vec<String> = spec
            .list("ports")
            .iter()
            .map(|p| {
                let (port, protocol) = (p.int("port").unwrap_or_default(), p.text("protocol"));
                match p.int("nodePort").unwrap_or_default() {
                    0 => format!("{port}/{protocol}"),
                    node => format!("{port}:{node}/{protocol}"),
                }
            })
            .collect();
        let ip = spec
            .list("clusterIPs")
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default();
        vec![
            o.name().into(),
            spec.text("type").into(),
            or_none(ip),
            external(o, spec).into(),
            if ports.is_empty() {
                NONE.into()
            } else {
                ports.join(",").into()
            },
            age(o, now),
            set(spec.member("selector")).into(),
        ]
    },
};

/// upstream: printers.go#getServiceExternalIP
fn external(service: &Value, spec: &Value) -> String {
    let given: Vec<&str> = spec
        .list("externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match spec.text("type") {
        "ExternalName" => spec.text("externalName").to_owned(),
        "LoadBalancer" => {
            let ingress = service
                .at(&["status", "loadBalancer", "ingress"])
                .and_then(Value::as_array);
            let mut all: Vec<&str> = ingress
                .into_iter()
                .flatten()
                .map(|i| {
                    if i.text("ip").is_empty() {
                        i.text("hostname")
                    } else {
                        i.text("ip")
                    }
                })
                .filter(|t| !t.is_empty())
                .collect();
            all.extend(given);
            if all.is_empty() {
                "<pending>".to_owned()
            } else {
                all.join(",")
            }
        }
        "ClusterIP" | "NodePort" if given.is_empty() => NONE.to_owned(),
        "ClusterIP" | "NodePort" => given.join(","),
        _ => UNKNOWN.to_owned(),
    }
}

static ENDPOINTS: Printer = Printer {
    columns: &[NAME, text("Endpoints"), AGE],
    cells: |o, now| {
        let mut list = Vec::new();
        for subset in o.list("subsets") {
            let ports = subset.list("ports");
            for address in subset.list("addresses") {
                let ip = address.text("ip");
                if ports.is_empty() {
                    list.push(ip.to_owned());
                }
                for port in ports {
                    let host = if ip.contains(':') {
                        format!("[{ip}]")
                    } else {
                        ip.to_owned()
                    };
                    list.push(format!("{host}:{}", port.int("port").unwrap_or_default()));
                }
            }
        }
        vec![o.name().into(), shortened(list, 3).into(), age(o, now)]
    },
};

static SLICE: Printer = Printer {
    columns: &[
        NAME,
        text("AddressType"),
        text("Ports"),
        text("Endpoints"),
        AGE,
    ],
    cells: |o, now| {
        let ports: Vec<String> = o
            .list("ports")
            .iter()
            .map(|p| match p.int("port") {
                Some(port) => port.to_string(),
                None if !p.text("name").is_empty() => p.text("name").to_owned(),
                None => "*".to_owned(),
            })
            .collect();
        let ports = if ports.is_empty() {
            UNSET.to_owned()
        } else {
            shortened(ports, 3)
        };
        let addresses: Vec<String> = o
            .list("endpoints")
            .iter()
            .flat_map(|e| e.list("addresses"))
            .filter_map(|a| a.as_str().map(str::to_owned))
            .collect();
        let addresses = if addresses.is_empty() {
            UNSET.to_owned()
        } else {
            shortened(addresses, 3)
        };
        vec![
            o.name().into(),
            o.text("addressType").into(),
            ports.into(),
            addresses.into(),
            age(o, now),
        ]
    },
};

static INGRESS: Printer = Printer {
    columns: &[
        NAME,
        text("Class"),
        text("Hosts"),
        text("Address"),
        text("Ports"),
        AGE,
    ],
    cells: |o, now| {
        let spec = o.field("spec").unwrap_or(&Value::Null);
        let class = match spec.text("ingressClassName") {
            "" => o.annotation("kubernetes.io/ingress.class").unwrap_or(NONE),
            class => class,
        };
        let hosts: Vec<String> = spec
            .list("rules")
            .iter()
            .map(|r| r.text("host").to_owned())
            .filter(|h| !h.is_empty())
            .collect();
        let hosts = if hosts.is_empty() {
            "*".to_owned()
        } else {
            shortened(hosts, 3)
        };
        let ingress = o
            .at(&["status", "loadBalancer", "ingress"])
            .and_then(Value::as_array);
        let address: Vec<&str> = ingress
            .into_iter()
            .flatten()
            .map(|i| {
                if i.text("ip").is_empty() {
                    i.text("hostname")
                } else {
                    i.text("ip")
                }
            })
            .collect();
        let ports = if spec.list("tls").is_empty() {
            "80"
        } else {
            "80, 443"
        };
        vec![
            o.name().into(),
            class.into(),
            hosts.into(),
            address.join(",").into(),
            ports.into(),
            age(o, now),
        ]
    },
};

static CLASS: Printer = Printer {
    columns: &[NAME, text("Controller"), text("Parameters"), AGE],
    cells: |o, now| {
        let parameters = o
            .at(&["spec", "parameters"])
            .filter(|p| !p.is_null())
            .map_or_else(
                || NONE.to_owned(),
                |p| {
                    let group = p.text("apiGroup");
                    let dot = if group.is_empty() { "" } else { "." };
                    format!("{}{dot}{group}/{}", p.text("kind"), p.text("name"))
                },
            );
        vec![
            o.name().into(),
            o.text_at(&["spec", "controller"]).into(),
            parameters.into(),
            age(o, now),
        ]
    },
};

static POLICY: Printer = Printer {
    columns: &[NAME, text("Pod-Selector"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            selector(o.at(&["spec", "podSelector"])).into(),
            age(o, now),
        ]
    },
};

static CIDR: Printer = Printer {
    columns: &[NAME, text("CIDRs"), AGE],
    cells: |o, now| {
        let list = o.at(&["spec", "cidrs"]).and_then(Value::as_array);
        let list: Vec<&str> = list
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        vec![o.name().into(), list.join(",").into(), age(o, now)]
    },
};

static ADDRESS: Printer = Printer {
    columns: &[NAME, text("ParentRef")],
    cells: |o, _| {
        let parent = o
            .at(&["spec", "parentRef"])
            .filter(|p| !p.is_null())
            .map_or_else(
                || NONE.to_owned(),
                |p| {
                    let group = p.text("group");
                    let dot = if group.is_empty() { "" } else { "." };
                    let namespace = p.text("namespace");
                    let slash = if namespace.is_empty() { "" } else { "/" };
                    format!(
                        "{}{dot}{group}/{namespace}{slash}{}",
                        p.text("resource"),
                        p.text("name")
                    )
                },
            );
        vec![o.name().into(), parent.into()]
    },
};
