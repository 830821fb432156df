//! What one object uses.
//!
//! upstream: pkg/quota/v1/evaluator/core/{pods,services,persistent_volume_claims}.go, apiserver/pkg/quota/v1/generic

use std::collections::BTreeMap;

use machinery::ObjectExt;
use machinery::quantity::{Format, Quantity};
use serde_json::Value;

use super::Amounts;
use super::scope::Traits;
use crate::admission::limit_ranger::{amounts, of_pod};
use crate::resource::Resource;
use crate::strategy::quantity;
use crate::value::Read;

/// Core resources that a quota may count by their bare names.
const BARE: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
];
/// What every container has to say when a quota limits it.
const SPECIFIED: &[&str] = &[
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];

/// Amounts by the names that quotas use.
pub(super) struct Usage {
    pub(super) amounts: Amounts,
    /// What scopes look at; `None` for what isn't a pod.
    traits: Option<Traits>,
    /// The containers' names with what each specifies.
    containers: Vec<(String, Amounts)>,
}

fn count(resource: &Resource) -> String {
    format!("count/{}", resource.group_resource())
}

fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut out = Amounts::new();
    for (name, amount) in requests {
        out.insert(format!("requests.{name}"), *amount);
        if ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str())
            || name.starts_with("hugepages-")
        {
            out.insert(name.clone(), *amount);
        }
    }
    for (name, amount) in limits {
        out.insert(format!("limits.{name}"), *amount);
    }
    out
}

impl Usage {
    pub(super) fn of(resource: &Resource, object: &Value) -> Self {
        let number =
            |n: usize| Quantity::from_int(i64::try_from(n).unwrap_or(i64::MAX), Format::DecimalSi);
        let mut used = Amounts::from([(count(resource), number(1))]);
        let mut out = Self {
            amounts: BTreeMap::new(),
            traits: None,
            containers: Vec::new(),
        };
        let core = resource.group.is_empty();
        let spec = object.field("spec").unwrap_or(&Value::Null);
        let ended = matches!(object.text_at(&["status", "phase"]), "Succeeded" | "Failed");
        if core && BARE.contains(&resource.plural.as_str()) && !(resource.plural == "pods" && ended)
        {
            used.insert(resource.plural.clone(), number(1));
        }
        match resource.plural.as_str() {
            "pods" if core => {
                out.traits = Some(Traits::of(object));
                if !ended {
                    used.extend(compute(&of_pod(spec, "requests"), &of_pod(spec, "limits")));
                    let list = |name: &str| amounts(spec.at(&["resources", name]));
                    let whole = compute(&list("requests"), &list("limits"));
                    for container in spec
                        .list("containers")
                        .iter()
                        .chain(spec.list("initContainers"))
                    {
                        let list = |name: &str| amounts(container.at(&["resources", name]));
                        let mut own = compute(&list("requests"), &list("limits"));
                        own.extend(whole.clone());
                        out.containers
                            .push((container.text("name").to_owned(), own));
                    }
                }
            }
            "services" if core => {
                let kind = spec.text("type");
                let ports = spec.list("ports");
                if kind == "LoadBalancer" {
                    used.insert("services.loadbalancers".into(), number(1));
                }
                let allocated = match spec
                    .member("allocateLoadBalancerNodePorts")
                    .and_then(Value::as_bool)
                {
                    Some(false) if kind == "LoadBalancer" => ports
                        .iter()
                        .filter(|p| p.int("nodePort").unwrap_or_default() != 0)
                        .count(),
                    _ if matches!(kind, "LoadBalancer" | "NodePort") => ports.len(),
                    _ => 0,
                };
                used.insert("services.nodeports".into(), number(allocated));
            }
            "persistentvolumeclaims" if core => {
                let storage = object
                    .at(&["spec", "resources", "requests", "storage"])
                    .and_then(quantity::parse);
                let class = spec.text("storageClassName");
                let of_class = |what: &str| format!("{class}.storageclass.storage.k8s.io/{what}");
                if !class.is_empty() {
                    used.insert(of_class("persistentvolumeclaims"), number(1));
                }
                if let Some(storage) = storage {
                    used.insert("requests.storage".into(), storage);
                    if !class.is_empty() {
                        used.insert(of_class("requests.storage"), storage);
                    }
                }
            }
            _ => {}
        }
        out.amounts = used;
        out
    }

    /// Whether objects of a resource may use what a quota calls by this name.
    pub(super) fn concerns(resource: &Resource, name: &str) -> bool {
        if name == count(resource) {
            return true;
        }
        if !resource.group.is_empty() {
            return false;
        }
        let storage = name == "requests.storage" || name.contains(".storageclass.storage.k8s.io/");
        match resource.plural.as_str() {
            plural if plural == name => BARE.contains(&plural),
            "services" => name.starts_with("services."),
            "persistentvolumeclaims" => storage,
            "pods" => {
                !storage
                    && (name.starts_with("requests.")
                        || name.starts_with("limits.")
                        || name.starts_with("hugepages-")
                        || ["cpu", "memory", "ephemeral-storage"].contains(&name))
            }
            _ => false,
        }
    }

    /// Whether a quota's scopes cover the object.
    pub(super) fn matches(&self, quota: &Value) -> bool {
        super::scope::matches(quota, self.traits.as_ref())
    }

    /// What containers fail to specify although it is limited.
    ///
    /// upstream: #podEvaluator.Constraints
    pub(super) fn missing(&self, hard: &Amounts) -> Option<String> {
        let mut names: Vec<&str> = SPECIFIED
            .iter()
            .filter(|n| hard.contains_key(**n))
            .copied()
            .collect();
        names.sort_unstable();
        let parts: Vec<String> = names
            .into_iter()
            .filter_map(|name| {
                let mut lacking: Vec<&str> = self
                    .containers
                    .iter()
                    .filter(|(_, own)| !own.contains_key(name))
                    .map(|(container, _)| container.as_str())
                    .collect();
                lacking.sort_unstable();
                (!lacking.is_empty()).then(|| format!("{name} for: {}", lacking.join(",")))
            })
            .collect();
        (!parts.is_empty()).then(|| format!("must specify {}", parts.join("; ")))
    }
}
