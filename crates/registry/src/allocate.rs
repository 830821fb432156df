//! Cluster IPs and node ports of Services: held in memory, rebuilt from the store.
//!
//! A number is reserved before the write that uses it and given back when that write fails, so two Services never get the
//! same one; and since the stored Services themselves are the record, none can leak.
//!
//! upstream: pkg/registry/core/service/storage/{alloc,storage}.go, pkg/registry/core/service/{ipallocator,portallocator}

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use machinery::field::{Error, ErrorList, Path};
use machinery::{ObjectExt, Status};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::Store;

use crate::resource::Resource;
use crate::stored::Stored;
use crate::value::{Read, Write};

/// The allocator of a registry.
pub(crate) struct Services {
    cidr: ipnet::IpNet,
    ports: (u16, u16),
    used: Arc<Mutex<Used>>,
}

#[derive(Default)]
struct Used {
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
}

/// Numbers reserved for a write under way; given back when dropped without [`Reserved::keep`].
#[must_use]
pub(crate) struct Reserved {
    used: Option<Arc<Mutex<Used>>>,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    /// What the old object had and the new one has not.
    freed: Held,
}

#[derive(Default)]
struct Held {
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Reserved {
    fn nothing() -> Self {
        Self {
            used: None,
            addresses: Vec::new(),
            ports: Vec::new(),
            freed: Held::default(),
        }
    }

    /// The write is done: what is new stays taken, what is no longer used is free.
    pub(crate) fn keep(mut self) {
        let Some(used) = self.used.take() else { return };
        let mut used = used.lock();
        for address in &self.freed.addresses {
            used.addresses.remove(address);
        }
        for port in &self.freed.ports {
            used.ports.remove(port);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(used) = self.used.take() {
            let mut used = used.lock();
            for address in &self.addresses {
                used.addresses.remove(address);
            }
            for port in &self.ports {
                used.ports.remove(port);
            }
        }
    }
}

fn is_service(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.plural == "services"
}

/// Addresses and ports that a Service holds.
fn held(service: &Value) -> Held {
    let spec = service.field("spec").unwrap_or(&Value::Null);
    let mut addresses: Vec<IpAddr> = spec
        .list("clusterIPs")
        .iter()
        .filter_map(|a| a.as_str()?.parse().ok())
        .collect();
    if let Ok(address) = spec.text("clusterIP").parse()
        && !addresses.contains(&address)
    {
        addresses.push(address);
    }
    let number = |v: Option<i64>| v.and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0);
    let mut ports: Vec<u16> = spec
        .list("ports")
        .iter()
        .filter_map(|p| number(p.int("nodePort")))
        .collect();
    ports.extend(number(spec.int("healthCheckNodePort")));
    ports.dedup();
    Held { addresses, ports }
}

impl Services {
    /// An allocator that knows what the stored Services hold.
    pub(crate) fn new(store: &Store<Stored>, cidr: ipnet::IpNet, ports: (u16, u16)) -> Self {
        let mut used = Used::default();
        for entry in store.snapshot().range("/services/", None) {
            let held = held(&entry.value.value());
            used.addresses.extend(held.addresses);
            used.ports.extend(held.ports);
        }
        Self {
            cidr,
            ports,
            used: Arc::new(Mutex::new(used)),
        }
    }

    /// Gives a new Service what it needs and doesn't name.
    pub(crate) fn on_create(
        &self,
        resource: &Resource,
        service: &mut Value,
        dry_run: bool,
    ) -> Result<Reserved, Status> {
        if !is_service(resource) {
            return Ok(Reserved::nothing());
        }
        self.allocate(resource, service, &Held::default(), dry_run)
    }

    /// The same for a change.
    pub(crate) fn on_update(
        &self,
        resource: &Resource,
        service: &mut Value,
        old: &Value,
        dry_run: bool,
    ) -> Result<Reserved, Status> {
        if !is_service(resource) {
            return Ok(Reserved::nothing());
        }
        self.allocate(resource, service, &held(old), dry_run)
    }

    /// Takes back what a deleted Service held.
    pub(crate) fn on_delete(&self, resource: &Resource, service: &Value) {
        if is_service(resource) {
            let held = held(service);
            let mut used = self.used.lock();
            for address in held.addresses {
                used.addresses.remove(&address);
            }
            for port in held.ports {
                used.ports.remove(&port);
            }
        }
    }

    fn allocate(
        &self,
        resource: &Resource,
        service: &mut Value,
        old: &Held,
        dry_run: bool,
    ) -> Result<Reserved, Status> {
        let name = service.name().to_owned();
        let invalid = |error: Error| {
            Status::invalid(&resource.group_kind(), &name, &ErrorList::from(vec![error]))
        };
        let mut reserved = Reserved::nothing();
        reserved.used = Some(Arc::clone(&self.used));
        let path = Path::new("spec");
        let Some(spec) = service.ensure_object("spec") else {
            return Ok(Reserved::nothing());
        };
        let kind = spec.text("type").to_owned();
        let headless = spec.text("clusterIP") == "None";
        if kind != "ExternalName" {
            spec.default_to("ipFamilyPolicy", "SingleStack");
            let family = if self.cidr.addr().is_ipv4() {
                "IPv4"
            } else {
                "IPv6"
            };
            if spec.list("ipFamilies").is_empty() {
                spec.put("ipFamilies", json!([family]));
            }
            if spec.text("clusterIP").is_empty() {
                let address = self.free_address(&mut reserved).ok_or_else(|| {
                    Status::internal("failed to allocate a serviceIP: range is full")
                })?;
                spec.put("clusterIP", address.to_string());
            } else if let Ok(address) = spec.text("clusterIP").parse::<IpAddr>()
                && !old.addresses.contains(&address)
                && !dry_run
            {
                self.take_address(address, &mut reserved).map_err(|why| {
                    invalid(Error::invalid(
                        &path.child("clusterIPs"),
                        json!([address.to_string()]),
                        why,
                    ))
                })?;
            }
            if spec.list("clusterIPs").is_empty() {
                let address = spec.text("clusterIP").to_owned();
                spec.put("clusterIPs", json!([address]));
            }
        }
        let wants_ports = kind == "NodePort"
            || (kind == "LoadBalancer"
                && spec
                    .member("allocateLoadBalancerNodePorts")
                    .and_then(Value::as_bool)
                    != Some(false));
        if !headless {
            self.allocate_ports(spec, wants_ports, old, &mut reserved, dry_run)
                .map_err(invalid)?;
        }
        if kind == "LoadBalancer"
            && spec.text("externalTrafficPolicy") == "Local"
            && spec.int("healthCheckNodePort").unwrap_or(0) == 0
        {
            let port = self
                .free_port(&mut reserved)
                .ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
            spec.put("healthCheckNodePort", port);
        }
        let now = held(service);
        reserved.freed = Held {
            addresses: old
                .addresses
                .iter()
                .filter(|a| !now.addresses.contains(a))
                .copied()
                .collect(),
            ports: old
                .ports
                .iter()
                .filter(|p| !now.ports.contains(p))
                .copied()
                .collect(),
        };
        if dry_run {
            // Dropped: everything is given back.
            drop(reserved);
            return Ok(Reserved::nothing());
        }
        Ok(reserved)
    }

    fn allocate_ports(
        &self,
        spec: &mut Value,
        wants: bool,
        old: &Held,
        reserved: &mut Reserved,
        dry_run: bool,
    ) -> Result<(), Error> {
        let path = Path::new("spec").child("ports");
        // A number may be used for several protocols of one Service.
        let mut mine: Vec<(u16, String)> = Vec::new();
        for (i, port) in spec.each("ports").enumerate() {
            let protocol = port.text("protocol").to_owned();
            let asked = port
                .int("nodePort")
                .and_then(|p| u16::try_from(p).ok())
                .filter(|p| *p != 0);
            let number = match asked {
                Some(number)
                    if mine.iter().any(|(n, _)| *n == number) || old.ports.contains(&number) =>
                {
                    number
                }
                // A dry run doesn't ask the allocator about chosen numbers, as upstream.
                Some(number) if dry_run => number,
                Some(number) => {
                    let path = path.index(i).child("nodePort");
                    self.take_port(number, reserved)
                        .map_err(|why| Error::invalid(&path, number, why))?;
                    number
                }
                None if wants => {
                    let number = self.free_port(reserved).ok_or_else(|| {
                        Error::invalid(&path.index(i).child("nodePort"), 0, "range is full")
                    })?;
                    port.put("nodePort", number);
                    number
                }
                None => continue,
            };
            mine.push((number, protocol));
        }
        Ok(())
    }

    /// An address of the range that is free; random first, then the lowest.
    fn free_address(&self, reserved: &mut Reserved) -> Option<IpAddr> {
        let mut used = self.used.lock();
        let ipnet::IpNet::V4(net) = self.cidr else {
            let address = self
                .cidr
                .hosts()
                .skip(1)
                .find(|a| !used.addresses.contains(a))?;
            used.addresses.insert(address);
            reserved.addresses.push(address);
            return Some(address);
        };
        let first = u32::from(net.network()).saturating_add(1);
        let size = u32::from(net.broadcast()).saturating_sub(first);
        // The lower part of a range is left for addresses that are chosen by hand.
        // upstream: pkg/registry/core/service/ipallocator/ipallocator.go#calculateRangeOffset
        let low = (size / 16).clamp(16, 256).min(size / 2);
        let at = |n: u32| IpAddr::V4(Ipv4Addr::from(first.saturating_add(n)));
        let start = if size > low {
            low + rand::random::<u32>() % (size - low)
        } else {
            0
        };
        let address = (start..size)
            .chain(0..start)
            .map(at)
            .find(|a| !used.addresses.contains(a))?;
        used.addresses.insert(address);
        reserved.addresses.push(address);
        Some(address)
    }

    fn take_address(&self, address: IpAddr, reserved: &mut Reserved) -> Result<(), String> {
        if !self.cidr.contains(&address) {
            return Err(format!(
                "failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is {}",
                self.cidr
            ));
        }
        if !self.used.lock().addresses.insert(address) {
            return Err(format!(
                "failed to allocate IP {address}: provided IP is already allocated"
            ));
        }
        reserved.addresses.push(address);
        Ok(())
    }

    fn free_port(&self, reserved: &mut Reserved) -> Option<u16> {
        let (low, high) = self.ports;
        let size = u32::from(high.saturating_sub(low)) + 1;
        let mut used = self.used.lock();
        let start = rand::random::<u32>() % size;
        let port = (start..size)
            .chain(0..start)
            .filter_map(|n| u16::try_from(u32::from(low) + n).ok())
            .find(|p| !used.ports.contains(p))?;
        used.ports.insert(port);
        reserved.ports.push(port);
        Some(port)
    }

    fn take_port(&self, port: u16, reserved: &mut Reserved) -> Result<(), String> {
        let (low, high) = self.ports;
        if port < low || port > high {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {low}-{high}"
            ));
        }
        if !self.used.lock().ports.insert(port) {
            return Err("provided port is already allocated".to_owned());
        }
        reserved.ports.push(port);
        Ok(())
    }
}
