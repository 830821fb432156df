//! Which pod a Service of a webhook or an aggregated API server leads to.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/util/proxy/proxy.go#ResolveEndpoint

use std::net::{IpAddr, SocketAddr};

use machinery::ObjectExt;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use webhook::{ResolveError, ServiceResolver};

use crate::registry::Registry;
use crate::value::Read;

impl ServiceResolver for Registry {
    fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<SocketAddr, ResolveError> {
        let missing = || ResolveError::NotFound(name.to_owned());
        let services = self
            .table()
            .find("", "v1", "services")
            .ok_or_else(missing)?;
        let service = self
            .stored(services, Some(namespace), name)
            .ok_or_else(missing)?
            .value();
        let kind = service.text_at(&["spec", "type"]);
        if !["", "ClusterIP", "NodePort", "LoadBalancer"].contains(&kind) {
            return Err(ResolveError::Type(kind.to_owned()));
        }
        let spec = service.field("spec").unwrap_or(&Value::Null);
        let wanted = spec
            .list("ports")
            .iter()
            .find(|p| p.int("port") == Some(i64::from(port)))
            .ok_or_else(|| ResolveError::Port {
                service: name.to_owned(),
                port,
            })?;
        let none = || ResolveError::NoEndpoints(name.to_owned());
        let slices = self
            .table()
            .find("discovery.k8s.io", "v1", "endpointslices")
            .ok_or_else(none)?;
        let mut found: Vec<SocketAddr> = Vec::new();
        for entry in self
            .store()
            .snapshot()
            .range(&slices.range(Some(namespace)), None)
        {
            let slice = entry.value.value();
            if slice.text_at(&["metadata", "labels", "kubernetes.io/service-name"]) == name {
                found.extend(ready(&slice, wanted.text("name")));
            }
        }
        found.choose(&mut rand::rng()).copied().ok_or_else(none)
    }
}

/// The ready addresses of a slice with the number of a named port.
fn ready(slice: &Value, port: &str) -> Vec<SocketAddr> {
    let number = slice
        .list("ports")
        .iter()
        .find(|p| p.text("name") == port)
        .and_then(|p| p.int("port"))
        .and_then(|p| u16::try_from(p).ok());
    let Some(number) = number else {
        return Vec::new();
    };
    slice
        .list("endpoints")
        .iter()
        .filter(|e| e.at(&["conditions", "ready"]).and_then(Value::as_bool) != Some(false))
        .flat_map(|e| e.list("addresses"))
        .filter_map(|a| a.as_str()?.parse().ok())
        .filter(|ip| !local(*ip))
        .map(|ip| SocketAddr::new(ip, number))
        .collect()
}

/// What an endpoint says of itself must not lead into this machine.
///
/// upstream: pkg/proxy/util#IsProxyableIP
fn local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
        }
    }
}
