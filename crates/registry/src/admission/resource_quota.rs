//! ResourceQuotas: what a namespace may use in all.
//!
//! A request is checked against what the namespace's objects use now, together with what requests under way will use, under
//! one lock: requests that race can't exceed a quota together. (Upstream counts in the quota's status, which a controller
//! corrects; here the objects themselves are the account, so a quota holds from the moment it is written, and a deletion
//! gives back at once.) Messages are upstream's.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota, pkg/quota/v1/evaluator/core

mod scope;
mod usage;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use machinery::quantity::Quantity;
use machinery::{ObjectExt, Status};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use store::{Revision, Snapshot};

use super::limit_ranger::amounts;
use super::{Admission, Attributes, Operation};
use crate::registry::Registry;
use crate::resource::{Resource, Served};
use crate::stored::Stored;
use usage::Usage;

type Amounts = BTreeMap<String, Quantity>;
/// By key: what an object used at a revision.
type Known = HashMap<Arc<str>, (Revision, Arc<Usage>)>;

/// The plug-in. A clone shares its account.
#[derive(Clone, Default)]
pub struct ResourceQuota {
    account: Arc<Mutex<Account>>,
}

#[derive(Default)]
struct Account {
    next: u64,
    /// What requests under way will use.
    pending: Vec<Pending>,
    /// What the objects under a prefix used when they were last looked at, so that only changed ones are read again.
    known: HashMap<String, Known>,
}

struct Pending {
    id: u64,
    /// The object's key, the prefix that it is under, and the revision that the request saw.
    key: String,
    prefix: String,
    usage: Arc<Usage>,
}

/// Takes a request off the account when it has ended.
struct Guard {
    account: Arc<Mutex<Account>>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let id = self.id;
        self.account.lock().pending.retain(|p| p.id != id);
    }
}

impl Account {
    /// What the objects under a prefix use, and those on their way there; `except` is counted by the caller.
    fn usages(
        &mut self,
        snapshot: &Snapshot<Stored>,
        resource: &Resource,
        prefix: &str,
        except: &str,
    ) -> Vec<Arc<Usage>> {
        let before = self.known.remove(prefix).unwrap_or_default();
        let mut known = Known::with_capacity(before.len());
        let mut out = Vec::with_capacity(before.len());
        for entry in snapshot.range(prefix, None) {
            let usage = match before.get(&entry.key) {
                Some((revision, usage)) if *revision == entry.revision => Arc::clone(usage),
                _ => Arc::new(Usage::of(resource, &entry.value.value())),
            };
            if *entry.key != *except {
                out.push(Arc::clone(&usage));
            }
            known.insert(Arc::clone(&entry.key), (entry.revision, usage));
        }
        for pending in self.pending.iter().filter(|p| p.prefix == prefix) {
            if !known.contains_key(pending.key.as_str()) && pending.key != except {
                out.push(Arc::clone(&pending.usage));
            }
        }
        self.known.insert(prefix.to_owned(), known);
        out
    }
}

#[async_trait]
impl Admission for ResourceQuota {
    fn name(&self) -> &'static str {
        "ResourceQuota"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        let resource = attributes.resource;
        let Some(object) = object.filter(|_| {
            resource.namespaced && resource.conversion.is_none() && evaluated(attributes)
        }) else {
            return Ok(());
        };
        let Some(quotas) = registry.table().find("", "v1", "resourcequotas") else {
            return Ok(());
        };
        let range = quotas.range(Some(attributes.namespace));
        if registry
            .store()
            .snapshot()
            .range(&range, None)
            .next()
            .is_none()
        {
            return Ok(());
        }
        let usage = Arc::new(Usage::of(resource, object));
        let old = attributes.old.map(|old| Usage::of(resource, old));
        let prefix = resource.range(Some(attributes.namespace));
        let key = resource.key(Some(attributes.namespace), object.name());

        let mut account = self.account.lock();
        let snapshot = registry.store().snapshot();
        let mut others: Option<Vec<Arc<Usage>>> = None;
        for quota in snapshot.range(&range, None) {
            let quota = quota.value.value();
            let hard = amounts(quota.at(&["spec", "hard"]));
            if !usage.matches(&quota) {
                continue;
            }
            if old.is_none()
                && let Some(missing) = usage.missing(&hard)
            {
                let why = format!("failed quota: {}: {missing}", quota.name());
                return Err(attributes.forbidden(Some(object), why));
            }
            let before = old.as_ref().filter(|old| old.matches(&quota));
            let asked: Amounts = usage
                .amounts
                .iter()
                .filter(|(name, _)| hard.contains_key(*name))
                .map(|(name, amount)| {
                    let had = before.and_then(|b| b.amounts.get(name)).copied();
                    (name.clone(), *amount - had.unwrap_or_default())
                })
                .filter(|(_, amount)| amount.sign() > 0)
                .collect();
            if asked.is_empty() {
                continue;
            }
            let others =
                others.get_or_insert_with(|| account.usages(&snapshot, resource, &prefix, &key));
            let used = sum(others, &quota, asked.keys(), before);
            let exceeded: Vec<&String> = asked
                .iter()
                .filter(|(name, amount)| {
                    let have = used.get(*name).copied().unwrap_or_default();
                    hard.get(*name)
                        .is_some_and(|limit| have + **amount > *limit)
                })
                .map(|(name, _)| name)
                .collect();
            if !exceeded.is_empty() {
                let of = |list: &Amounts| {
                    let parts: Vec<String> = exceeded
                        .iter()
                        .map(|n| {
                            let amount = list.get(*n).copied().unwrap_or_default();
                            format!("{n}={amount}")
                        })
                        .collect();
                    parts.join(",")
                };
                let why = format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.name(),
                    of(&asked),
                    of(&used),
                    of(&hard)
                );
                return Err(attributes.forbidden(Some(object), why));
            }
        }
        if others.is_some() && !attributes.dry_run {
            let id = account.next;
            account.next += 1;
            account.pending.push(Pending {
                id,
                key,
                prefix,
                usage,
            });
            drop(account);
            attributes.context.hold(Guard {
                account: Arc::clone(&self.account),
                id,
            });
        }
        Ok(())
    }
}

/// Which requests change what is used.
///
/// upstream: quota/v1/interfaces.go#Evaluator.Handles
fn evaluated(attributes: &Attributes<'_>) -> bool {
    let update = attributes.operation == Operation::Update;
    if attributes.is_of("", "pods") {
        return match attributes.subresource {
            "" => !update,
            "resize" => update,
            _ => false,
        };
    }
    if attributes.is_for("", "services") || attributes.is_for("", "persistentvolumeclaims") {
        return true;
    }
    attributes.subresource.is_empty() && !update
}

/// What is used of a quota's resources; `before` is what the object of the request uses so far.
fn sum<'a>(
    usages: &[Arc<Usage>],
    quota: &Value,
    names: impl Iterator<Item = &'a String>,
    before: Option<&Usage>,
) -> Amounts {
    let matching: Vec<&Usage> = usages
        .iter()
        .map(|u| &**u)
        .filter(|u| u.matches(quota))
        .chain(before)
        .collect();
    names
        .map(|name| {
            let total = matching
                .iter()
                .filter_map(|u| u.amounts.get(name).copied())
                .fold(Quantity::default(), |a, b| a + b);
            (name.clone(), total)
        })
        .collect()
}

impl ResourceQuota {
    /// The status of a quota: its `hard` and what the namespace's objects use of it.
    ///
    /// upstream: pkg/controller/resourcequota/resource_quota_controller.go#syncResourceQuota
    pub fn status(&self, registry: &Registry, quota: &Value) -> Value {
        let hard = quota
            .at(&["spec", "hard"])
            .cloned()
            .unwrap_or_else(|| json!({}));
        let names: Vec<String> = amounts(Some(&hard)).into_keys().collect();
        let mut used: Amounts = names
            .iter()
            .map(|n| (n.clone(), Quantity::default()))
            .collect();
        let mut account = self.account.lock();
        let snapshot = registry.store().snapshot();
        for resource in registry.resources().iter() {
            let counted = resource.namespaced
                && resource.served == Served::Registry
                && resource.conversion.is_none()
                && names.iter().any(|n| Usage::concerns(resource, n));
            if !counted {
                continue;
            }
            let prefix = resource.range(Some(quota.namespace()));
            let usages = account.usages(&snapshot, resource, &prefix, "");
            let concerned = names.iter().filter(|n| Usage::concerns(resource, n));
            for (name, amount) in sum(&usages, quota, concerned, None) {
                used.insert(name, amount);
            }
        }
        let used: Map<String, Value> = used
            .into_iter()
            .map(|(name, amount)| (name, amount.to_string().into()))
            .collect();
        json!({"hard": hard, "used": used})
    }
}
