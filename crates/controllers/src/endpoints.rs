//! Endpoints of the pods behind Services: the older form, in one object.
// upstream: pkg/controller/endpoint/endpoints_controller.go

use std::collections::BTreeMap;
use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::{Reason, Status};
use registry::{Api, DeleteOptions};

use crate::meta::{Meta, annotate};
use crate::pod;
use crate::replica_set::in_terminating_namespace;
use crate::service::{self, HEADLESS, Port};
use crate::setup::{Setup, informer};

const NAME: &str = "endpoint-controller";
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The most addresses of an object.
// upstream: #maxCapacity
const MOST: usize = 1000;

struct Controller {
    api: Api<Endpoints>,
    endpoints: Arc<Cache<Endpoints>>,
    services: Arc<Cache<Service>>,
    pods: Arc<Cache<Pod>>,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    service::follow(setup, &queue);
    let mut endpoints = informer::<Endpoints>(&setup.registry)?;
    let q = queue.clone();
    endpoints.on_change(move |change| {
        // What is left of Services that went while nobody watched is looked at when it is first seen.
        if change.object().label(MANAGED_BY) == Some(NAME) || matches!(change, Change::Deleted(_)) {
            q.add(change.object().key());
        }
    });
    let cache = endpoints.cache();
    setup.follow(endpoints);
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        endpoints: cache,
        services: setup.informers.services.cache(),
        pods: setup.informers.pods.cache(),
    });
    setup.workers(NAME, queue, 5, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
    Ok(())
}

impl Controller {
    // upstream: #syncService
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let namespace = key.namespace();
        let Some(service) = self.services.get(key) else {
            if self
                .endpoints
                .get(key)
                .is_some_and(|e| e.label(MANAGED_BY) == Some(NAME))
            {
                let deleted = self
                    .api
                    .delete(namespace, key.name(), &DeleteOptions::default())
                    .await;
                return done(deleted);
            }
            return Ok(Outcome::Done);
        };
        if !service::is_managed(&service) {
            return Ok(Outcome::Done);
        }
        let pods = service::pods(&self.pods, &service, service::publishes_not_ready(&service));
        let (subsets, truncated) = subsets(&service, &pods);
        let mut wanted = Endpoints {
            metadata: ObjectMeta {
                name: Some(key.name().to_owned()),
                namespace: namespace.map(str::to_owned),
                labels: Some(labels(&service)),
                ..ObjectMeta::default()
            },
            subsets: Some(subsets).filter(|s| !s.is_empty()),
        };
        let capacity = truncated.then_some("truncated");
        match self.endpoints.get(key) {
            None => {
                if let Some(capacity) = capacity {
                    annotate(&mut wanted.metadata, OVER_CAPACITY, capacity);
                }
                match self.api.create(namespace, &wanted).await {
                    // The cache is behind: its event brings the key again.
                    Err(s) if s.is(Reason::AlreadyExists) || in_terminating_namespace(&s) => {
                        Ok(Outcome::Done)
                    }
                    result => result.map(|_| Outcome::Done),
                }
            }
            Some(now)
                if now.subsets.as_deref().unwrap_or_default()
                    == wanted.subsets.as_deref().unwrap_or_default()
                    && service::same_labels(&*now, &wanted)
                    && now.annotation(OVER_CAPACITY) == capacity =>
            {
                Ok(Outcome::Done)
            }
            Some(now) => {
                let mut next = Endpoints::clone(&now);
                next.subsets = wanted.subsets;
                next.metadata.labels = wanted.metadata.labels;
                match capacity {
                    Some(capacity) => {
                        annotate(&mut next.metadata, OVER_CAPACITY, capacity);
                    }
                    None => {
                        next.metadata
                            .annotations
                            .get_or_insert_default()
                            .remove(OVER_CAPACITY);
                    }
                }
                let updated = self.api.update(namespace, key.name(), &next).await;
                done(updated.map(drop))
            }
        }
    }
}

fn done(result: Result<(), Status>) -> Result<Outcome, Status> {
    match result {
        Err(status) if !status.is(Reason::NotFound) => Err(status),
        _ => Ok(Outcome::Done),
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if service::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), NAME.to_owned());
    labels
}

/// The addresses by their ports, in a stable order; whether some had to be left out.
// upstream: pkg/api/v1/endpoints/util.go#RepackSubsets, endpoints_controller.go#truncateEndpoints
fn subsets(service: &Service, pods: &[Arc<Pod>]) -> (Vec<EndpointSubset>, bool) {
    let six = service
        .spec
        .as_ref()
        .and_then(|s| s.ip_families.as_ref())
        .and_then(|f| f.first())
        .is_some_and(|f| f == "IPv6");
    let mut by_ports: BTreeMap<Vec<Port>, (Vec<EndpointAddress>, Vec<EndpointAddress>)> =
        BTreeMap::new();
    let mut left = MOST;
    let mut truncated = false;
    // The ready ones are the last to be left out.
    let (ready, not_ready): (Vec<_>, Vec<_>) = pods
        .iter()
        .partition(|p| service::publishes_not_ready(service) || pod::ready(p));
    for (pod, ready) in ready
        .into_iter()
        .map(|p| (p, true))
        .chain(not_ready.into_iter().map(|p| (p, false)))
    {
        let address = service::addresses(pod)
            .into_iter()
            .find(|a| a.is_ipv6() == six);
        let Some(ip) = address else { continue };
        let ports = service::ports(service, pod);
        if ports.is_empty() && !service::is_headless(service) {
            continue;
        }
        if left == 0 {
            truncated = true;
            break;
        }
        left -= 1;
        let address = EndpointAddress {
            ip: ip.to_string(),
            hostname: service::hostname(service, pod),
            node_name: Some(pod::node(pod).to_owned()).filter(|n| !n.is_empty()),
            target_ref: Some(service::reference(pod)),
        };
        let entry = by_ports.entry(ports).or_default();
        if ready {
            entry.0.push(address);
        } else {
            entry.1.push(address);
        }
    }
    let subsets = by_ports
        .into_iter()
        .map(|(ports, (mut ready, mut not_ready))| {
            ready.sort_by(|a, b| a.ip.cmp(&b.ip));
            not_ready.sort_by(|a, b| a.ip.cmp(&b.ip));
            let ports: Vec<_> = ports.iter().map(wire_port).collect();
            EndpointSubset {
                addresses: Some(ready).filter(|a| !a.is_empty()),
                not_ready_addresses: Some(not_ready).filter(|a| !a.is_empty()),
                ports: Some(ports).filter(|p| !p.is_empty()),
            }
        })
        .collect();
    (subsets, truncated)
}

fn wire_port(port: &Port) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone()).filter(|n| !n.is_empty()),
        port: port.number,
        protocol: Some(port.protocol.clone()),
        app_protocol: port.app_protocol.clone(),
    }
}
