//! ClusterRoles that are put together from others.
// upstream: pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go

use std::sync::Arc;

use informer::{Cache, Key, Outcome, WorkQueue};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use machinery::{Reason, Status};
use registry::Api;

use crate::meta::{Meta, selector};
use crate::setup::{Setup, informer};

const NAME: &str = "clusterrole-aggregation-controller";

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let mut roles = informer::<ClusterRole>(&setup.registry)?;
    let cache = roles.cache();
    let (q, c) = (queue.clone(), Arc::clone(&cache));
    roles.on_change(move |_| {
        // Any role may be a part of any aggregated one.
        for role in c.list() {
            if role.aggregation_rule.is_some() {
                q.add(role.key());
            }
        }
    });
    setup.follow(roles);
    let api: Api<ClusterRole> = setup.api(NAME)?;
    setup.workers(NAME, queue, 1, move |key| {
        let (api, cache) = (api.clone(), Arc::clone(&cache));
        async move {
            let Some(role) = cache.get(&key) else {
                return Ok(Outcome::Done);
            };
            if role.aggregation_rule.is_none() || role.deleting() {
                return Ok(Outcome::Done);
            }
            let rules = rules_of(&cache, &role);
            let now = role.rules.as_deref().unwrap_or_default();
            let same = now.len() == rules.len() && rules.iter().all(|r| now.contains(r));
            if same {
                return Ok(Outcome::Done);
            }
            let mut next = ClusterRole::clone(&role);
            next.rules = Some(rules);
            match api.update(None, key.name(), &next).await {
                Err(status) if !status.is(Reason::NotFound) => Err(status),
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}

/// The rules of all roles that are selected, each once.
fn rules_of(roles: &Cache<ClusterRole>, role: &ClusterRole) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    let selectors = role
        .aggregation_rule
        .iter()
        .flat_map(|a| a.cluster_role_selectors.iter().flatten());
    for wanted in selectors {
        let selector = selector(Some(wanted));
        for part in roles.list() {
            if part.name() == role.name() || !part.matches(&selector) {
                continue;
            }
            for rule in part.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}
