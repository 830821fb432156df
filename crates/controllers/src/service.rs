//! Which pods are behind a Service, and on which ports.
// upstream: pkg/controller/util/endpoint/controller_utils.go, staging/src/k8s.io/endpointslice

use std::net::IpAddr;
use std::sync::Arc;

use informer::{Cache, Change, Key, WorkQueue};
use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::meta::Meta;
use crate::pod;
use crate::setup::Setup;

/// The label that says that a Service has no cluster IP.
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// Puts a Service into the queue whenever it, or a pod that it selects, changes in a way that endpoints show.
pub(crate) fn follow(setup: &mut Setup, queue: &WorkQueue<Key>) {
    let q = queue.clone();
    setup
        .informers
        .services
        .on_change(move |change| q.add(change.object().key()));
    let q = queue.clone();
    let services = setup.informers.services.cache();
    setup.informers.pods.on_change(move |change| match change {
        Change::Added(pod) | Change::Deleted(pod) => add_selecting(&services, pod, &q),
        Change::Updated { old, new } => {
            let relabelled = old.meta().labels != new.meta().labels;
            if relabelled || shows(old) != shows(new) {
                add_selecting(&services, new, &q);
            }
            if relabelled {
                add_selecting(&services, old, &q);
            }
        }
    });
}

/// What endpoints show of a pod.
// upstream: controller_utils.go#podEndpointsChanged
fn shows(pod: &Pod) -> impl PartialEq + use<'_> {
    let spec = pod.spec.as_ref();
    (
        pod.deleting(),
        pod::ready(pod),
        pod::terminal(pod),
        pod.status.as_ref().and_then(|s| s.pod_ips.as_ref()),
        pod.status.as_ref().and_then(|s| s.pod_ip.as_ref()),
        pod::node(pod),
        spec.and_then(|s| s.hostname.as_ref()),
        spec.and_then(|s| s.subdomain.as_ref()),
    )
}

fn add_selecting(services: &Cache<Service>, pod: &Pod, queue: &WorkQueue<Key>) {
    for service in services.list_namespace(pod.namespace()) {
        if selects(&service, pod) {
            queue.add(service.key());
        }
    }
}

/// Whether endpoints are made of what the Service selects: others are their maker's own business.
pub(crate) fn is_managed(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|s| {
        s.type_.as_deref() != Some("ExternalName")
            && s.selector.as_ref().is_some_and(|s| !s.is_empty())
    })
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service.spec.as_ref().and_then(|s| s.selector.as_ref());
    let labels = pod.meta().labels.as_ref();
    selector.is_some_and(|s| {
        !s.is_empty()
            && s.iter()
                .all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v))
    })
}

/// The pods of a Service that can be endpoints: with an address, not ended.
// upstream: controller_utils.go#ShouldPodBeInEndpoints
pub(crate) fn pods(cache: &Cache<Pod>, service: &Service, terminating: bool) -> Vec<Arc<Pod>> {
    let mut pods = cache.list_namespace(service.namespace());
    pods.retain(|p| {
        selects(service, p)
            && !pod::terminal(p)
            && (terminating || !p.deleting())
            && !addresses(p).is_empty()
    });
    pods
}

pub(crate) fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let all: Vec<_> = status
        .pod_ips
        .iter()
        .flatten()
        .filter_map(|ip| ip.ip.parse().ok())
        .collect();
    if all.is_empty() {
        status
            .pod_ip
            .iter()
            .filter_map(|ip| ip.parse().ok())
            .collect()
    } else {
        all
    }
}

pub(crate) fn is_headless(service: &Service) -> bool {
    service
        .spec
        .as_ref()
        .and_then(|s| s.cluster_ip.as_deref())
        .is_none_or(|ip| ip.is_empty() || ip == "None")
}

pub(crate) fn publishes_not_ready(service: &Service) -> bool {
    service
        .spec
        .as_ref()
        .and_then(|s| s.publish_not_ready_addresses)
        .unwrap_or_default()
}

/// A port of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) number: i32,
    pub(crate) app_protocol: Option<String>,
}

/// The ports of a Service as this pod has them; those that it doesn't have are left out.
pub(crate) fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let ports = service.spec.as_ref().and_then(|s| s.ports.as_ref());
    let mut ports: Vec<_> = ports
        .into_iter()
        .flatten()
        .filter_map(|port| {
            Some(Port {
                name: port.name.clone().unwrap_or_default(),
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                number: find(port, pod)?,
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect();
    ports.sort();
    ports
}

// upstream: pkg/api/v1/pod/util.go#FindPort
fn find(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let spec = pod.spec.as_ref()?;
    // Sidecars have ports too.
    let sidecars = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let of = |c: &Container| {
        c.ports.iter().flatten().find_map(|p| {
            let same =
                p.name.as_ref() == Some(name) && p.protocol.as_deref().unwrap_or("TCP") == protocol;
            same.then_some(p.container_port)
        })
    };
    spec.containers.iter().chain(sidecars).find_map(of)
}

/// The pod's host name below the Service's, when it is to have one.
pub(crate) fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let hostname = spec.hostname.clone().filter(|h| !h.is_empty())?;
    (spec.subdomain.as_deref() == Some(service.name())).then_some(hostname)
}

pub(crate) fn reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace().to_owned()),
        name: Some(pod.name().to_owned()),
        uid: Some(pod.uid().to_owned()),
        ..ObjectReference::default()
    }
}

/// Whether labels are equal, an absent map being an empty one.
pub(crate) fn same_labels<T: Meta, U: Meta>(a: &T, b: &U) -> bool {
    let empty = std::collections::BTreeMap::new();
    a.meta().labels.as_ref().unwrap_or(&empty) == b.meta().labels.as_ref().unwrap_or(&empty)
}
