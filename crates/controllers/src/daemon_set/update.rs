//! Rolling a DaemonSet to another template.
// upstream: pkg/controller/daemon/update.go

use std::sync::Arc;

use informer::Key;
use k8s_openapi::api::apps::v1::{DaemonSet, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::Pod;
use machinery::Status;

use super::{ByNode, Controller, nodes, template};
use crate::clock::Clock;
use crate::deployment::scaled;
use crate::meta::Meta;
use crate::pod;

fn rolling(set: &DaemonSet) -> Option<RollingUpdateDaemonSet> {
    let strategy = set.spec.as_ref()?.update_strategy.as_ref();
    match strategy.and_then(|s| s.type_.as_deref()) {
        Some("OnDelete") => None,
        _ => Some(
            strategy
                .and_then(|s| s.rolling_update.clone())
                .unwrap_or_default(),
        ),
    }
}

fn min_ready(set: &DaemonSet) -> i32 {
    let spec = set.spec.as_ref();
    spec.and_then(|s| s.min_ready_seconds).unwrap_or_default()
}

fn surges(set: &DaemonSet) -> bool {
    rolling(set).is_some_and(|r| scaled(r.max_surge.as_ref(), 100, true).unwrap_or_default() > 0)
}

/// Of several pods on one node, those that are to go: all but the oldest. While an update surges, an old and a new one may be
/// there at once, until the new one is available.
// upstream: daemon_controller.go#podsShouldBeOnNode
pub(super) fn beyond_one(
    set: &DaemonSet,
    mut pods: Vec<Arc<Pod>>,
    hash: &str,
    clock: &Clock,
) -> Vec<Arc<Pod>> {
    pods.sort_by(|a, b| {
        let created = |p: &Pod| p.meta().creation_timestamp.clone();
        created(a)
            .cmp(&created(b))
            .then_with(|| a.name().cmp(b.name()))
    });
    if !surges(set) {
        return pods.split_off(pods.len().min(1));
    }
    let (mut new, mut old): (Vec<_>, Vec<_>) = pods
        .into_iter()
        .partition(|p| template::is_current(set, p, hash));
    let mut excess = new.split_off(new.len().min(1));
    let replaced = new
        .first()
        .is_some_and(|p| pod::available(p, min_ready(set), clock));
    excess.extend(old.split_off(if replaced { 0 } else { old.len().min(1) }));
    excess
}

impl Controller {
    /// Replaces pods of earlier templates, as many at a time as may be unavailable (or may be there besides).
    // upstream: #rollingUpdate
    pub(super) async fn roll(
        &self,
        key: &Key,
        set: &DaemonSet,
        by_node: &ByNode,
        hash: &str,
    ) -> Result<(), Status> {
        let Some(rolling) = rolling(set) else {
            return Ok(());
        };
        let targets: Vec<_> = self
            .nodes
            .list()
            .into_iter()
            .filter(|n| nodes::fit(set, n).run)
            .collect();
        let desired = i32::try_from(targets.len()).unwrap_or(i32::MAX);
        let surge = scaled(rolling.max_surge.as_ref(), desired, true).unwrap_or_default();
        let default = k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(1);
        let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&default);
        let mut most = scaled(Some(unavailable), desired, true).unwrap_or_default();
        if surge == 0 && most == 0 {
            most = 1;
        }
        let available = |p: &Pod| pod::available(p, min_ready(set), &self.clock);
        let mut gone = 0;
        let mut surging = 0;
        let mut broken = Vec::new();
        let mut serving = Vec::new();
        let mut to_add = Vec::new();
        for node in &targets {
            let pods = by_node
                .get(node.name())
                .map(Vec::as_slice)
                .unwrap_or_default();
            let running: Vec<_> = pods.iter().filter(|p| !p.deleting()).collect();
            let new = running.iter().find(|p| template::is_current(set, p, hash));
            let old = running.iter().find(|p| !template::is_current(set, p, hash));
            match (new, old) {
                (Some(new), None) if available(new) => {}
                (None, Some(old)) if surge > 0 => {
                    if available(old) {
                        to_add.push(node.name().to_owned());
                    } else {
                        broken.push(Arc::clone(old));
                    }
                }
                // The one beside it is not ready yet.
                (Some(_), Some(_)) => surging += 1,
                (None, Some(old)) if available(old) => serving.push(Arc::clone(old)),
                (None, Some(old)) => {
                    gone += 1;
                    broken.push(Arc::clone(old));
                }
                _ => gone += 1,
            }
        }
        if surge > 0 {
            let room = usize::try_from(surge - surging).unwrap_or_default();
            to_add.truncate(room);
            return self.apply(key, set, &to_add, &broken, hash).await;
        }
        let room = usize::try_from(most - gone).unwrap_or_default();
        serving.truncate(room);
        broken.extend(serving);
        self.apply(key, set, &[], &broken, hash).await
    }
}
