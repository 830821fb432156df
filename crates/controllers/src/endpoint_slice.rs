//! EndpointSlices of the pods behind Services.
// upstream: pkg/controller/endpointslice/endpointslice_controller.go, staging/src/k8s.io/endpointslice/reconciler.go

mod layout;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::labels::{Requirement, Selector};
use machinery::{Reason, Status};
use registry::{Api, ListOptions};

use crate::meta::{Meta, controller_ref, of_uid};
use crate::pod;
use crate::replica_set::in_terminating_namespace;
use crate::service::{self, HEADLESS, Port};
use crate::setup::{Setup, informer};

use layout::Layout;

const NAME: &str = "endpointslice-controller";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";

struct Controller {
    api: Api<EndpointSlice>,
    services: Arc<Cache<Service>>,
    pods: Arc<Cache<Pod>>,
    nodes: Arc<Cache<Node>>,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    service::follow(setup, &queue);
    let mut slices = informer::<EndpointSlice>(&setup.registry)?;
    let q = queue.clone();
    slices.on_change(move |change| {
        // What others do to the slices is undone.
        let slice = change.object();
        if !matches!(change, Change::Added(_))
            && slice.label(MANAGED_BY) == Some(MANAGER)
            && let Some(service) = slice.label(SERVICE_NAME)
        {
            q.add(Key::new(slice.namespace(), service));
        }
    });
    setup.follow(slices);
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        services: setup.informers.services.cache(),
        pods: setup.informers.pods.cache(),
        nodes: setup.informers.nodes.cache(),
    });
    setup.workers(NAME, queue, 5, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
    Ok(())
}

impl Controller {
    // upstream: endpointslice_controller.go#syncService
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(service) = self.services.get(key) else {
            // The garbage collector takes the slices along.
            return Ok(Outcome::Done);
        };
        if !service::is_managed(&service) || service.deleting() {
            return Ok(Outcome::Done);
        }
        let pods = service::pods(&self.pods, &service, true);
        // Read from the store, so that what was just written is not made twice.
        let mut existing = self.slices(&service).await?;
        for family in families(&service) {
            let (same, other): (Vec<_>, Vec<_>) =
                existing.into_iter().partition(|s| s.address_type == family);
            existing = other;
            self.reconcile(&service, family, &pods, same).await?;
        }
        // Of a family that the Service no longer has.
        for slice in existing {
            self.delete(&slice).await?;
        }
        Ok(Outcome::Done)
    }

    async fn slices(&self, service: &Service) -> Result<Vec<EndpointSlice>, Status> {
        let options = ListOptions {
            label_selector: Selector::new(vec![
                Requirement::equals(SERVICE_NAME, service.name()),
                Requirement::equals(MANAGED_BY, MANAGER),
            ]),
            ..ListOptions::default()
        };
        Ok(self
            .api
            .list(Some(service.namespace()), &options)
            .await?
            .items)
    }

    // upstream: reconciler.go#reconcileByAddressType
    async fn reconcile(
        &self,
        service: &Service,
        family: &str,
        pods: &[Arc<Pod>],
        existing: Vec<EndpointSlice>,
    ) -> Result<(), Status> {
        let mut wanted: BTreeMap<Vec<Port>, Vec<Endpoint>> = BTreeMap::new();
        for pod in pods {
            if let Some(endpoint) = self.endpoint(service, pod, family) {
                let ports = service::ports(service, pod);
                wanted.entry(ports).or_default().push(endpoint);
            }
        }
        let mut by_ports: HashMap<Vec<Port>, Vec<EndpointSlice>> = HashMap::new();
        for slice in existing {
            by_ports.entry(ports_of(&slice)).or_default().push(slice);
        }
        if wanted.is_empty() {
            // One slice stays to say that there is none.
            wanted.insert(Vec::new(), Vec::new());
        }
        for (ports, endpoints) in wanted {
            let slices = by_ports.remove(&ports).unwrap_or_default();
            let layout = Layout::of(endpoints, slices);
            for (slice, endpoints) in layout.update {
                self.update(service, slice, endpoints).await?;
            }
            for endpoints in layout.create {
                self.create(service, family, &ports, endpoints).await?;
            }
            for slice in layout.delete {
                self.delete(&slice).await?;
            }
        }
        for slice in by_ports.into_values().flatten() {
            self.delete(&slice).await?;
        }
        Ok(())
    }

    // upstream: staging/src/k8s.io/endpointslice/utils.go#podToEndpoint
    fn endpoint(&self, service: &Service, pod: &Pod, family: &str) -> Option<Endpoint> {
        let address = service::addresses(pod)
            .into_iter()
            .find(|a| family_of(a) == family)?;
        let serving = pod::ready(pod);
        let terminating = pod.deleting();
        let publish = service::publishes_not_ready(service);
        let node = Some(pod::node(pod)).filter(|n| !n.is_empty());
        Some(Endpoint {
            addresses: vec![address.to_string()],
            conditions: Some(EndpointConditions {
                ready: Some(publish || (serving && !terminating)),
                serving: Some(serving),
                terminating: Some(terminating),
            }),
            hostname: service::hostname(service, pod),
            node_name: node.map(str::to_owned),
            target_ref: Some(service::reference(pod)),
            zone: node
                .and_then(|n| self.nodes.get(&Key::cluster(n)))
                .and_then(|n| n.label(ZONE).map(str::to_owned)),
            ..Endpoint::default()
        })
    }

    async fn create(
        &self,
        service: &Service,
        family: &str,
        ports: &[Port],
        endpoints: Vec<Endpoint>,
    ) -> Result<(), Status> {
        let slice = EndpointSlice {
            metadata: ObjectMeta {
                generate_name: Some(pod::name_prefix(service.name())),
                namespace: Some(service.namespace().to_owned()),
                owner_references: Some(vec![controller_ref(service)]),
                labels: Some(labels(service)),
                ..ObjectMeta::default()
            },
            address_type: family.to_owned(),
            endpoints: Some(endpoints),
            ports: Some(ports.iter().map(wire_port).collect()).filter(|p: &Vec<_>| !p.is_empty()),
        };
        match self.api.create(Some(service.namespace()), &slice).await {
            Err(status) if !in_terminating_namespace(&status) => Err(status),
            _ => Ok(()),
        }
    }

    async fn update(
        &self,
        service: &Service,
        mut slice: EndpointSlice,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), Status> {
        let labels = Some(labels(service));
        let now = slice.endpoints.as_deref().unwrap_or_default();
        if slice.metadata.labels == labels && now == endpoints {
            return Ok(());
        }
        slice.metadata.labels = labels;
        slice.endpoints = Some(endpoints);
        let name = slice.name().to_owned();
        self.api
            .update(Some(service.namespace()), &name, &slice)
            .await
            .map(drop)
    }

    async fn delete(&self, slice: &EndpointSlice) -> Result<(), Status> {
        let done = self
            .api
            .delete(Some(slice.namespace()), slice.name(), &of_uid(slice.uid()))
            .await;
        match done {
            Err(status) if !status.is(Reason::NotFound) => Err(status),
            _ => Ok(()),
        }
    }
}

// upstream: staging/src/k8s.io/endpointslice/utils.go#setEndpointSliceLabels
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if service::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), service.name().to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

fn families(service: &Service) -> Vec<&'static str> {
    let spec = service.spec.as_ref();
    let families = spec
        .and_then(|s| s.ip_families.as_deref())
        .unwrap_or_default();
    let mut all: Vec<_> = families
        .iter()
        .map(|f| if f == "IPv6" { "IPv6" } else { "IPv4" })
        .collect();
    if all.is_empty() {
        let six = spec
            .and_then(|s| s.cluster_ip.as_deref())
            .is_some_and(|ip| ip.contains(':'));
        all.push(if six { "IPv6" } else { "IPv4" });
    }
    all
}

fn family_of(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn wire_port(port: &Port) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.clone()),
        port: Some(port.number),
        app_protocol: port.app_protocol.clone(),
    }
}

fn ports_of(slice: &EndpointSlice) -> Vec<Port> {
    let mut ports: Vec<_> = slice
        .ports
        .iter()
        .flatten()
        .map(|p| Port {
            name: p.name.clone().unwrap_or_default(),
            protocol: p.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            number: p.port.unwrap_or_default(),
            app_protocol: p.app_protocol.clone(),
        })
        .collect();
    ports.sort();
    ports
}
