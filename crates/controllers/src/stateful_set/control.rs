//! One step towards the members that a StatefulSet is to have.
// upstream: pkg/controller/statefulset/stateful_set_control.go#updateStatefulSet

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use machinery::{Reason, Status};
use registry::Patch;
use serde_json::json;

use super::{Controller, identity, status};
use crate::history::History;
use crate::meta::{Meta, controller_ref, of_uid};
use crate::pod;
use crate::recorder::Kind;

fn is_parallel(set: &StatefulSet) -> bool {
    let policy = set
        .spec
        .as_ref()
        .and_then(|s| s.pod_management_policy.as_deref());
    policy == Some("Parallel")
}

/// What becomes of claims: when the set is deleted, when a member is one too many.
fn deletes_claims(set: &StatefulSet) -> (bool, bool) {
    let policy = set
        .spec
        .as_ref()
        .and_then(|s| s.persistent_volume_claim_retention_policy.as_ref());
    let is = |p: Option<&str>| p == Some("Delete");
    (
        is(policy.and_then(|p| p.when_deleted.as_deref())),
        is(policy.and_then(|p| p.when_scaled.as_deref())),
    )
}

/// The first ordinal that an update touches; `None` when updates wait for deletions.
fn partition(set: &StatefulSet) -> Option<i32> {
    let strategy = set.spec.as_ref()?.update_strategy.as_ref();
    if strategy.and_then(|s| s.type_.as_deref()) == Some("OnDelete") {
        return None;
    }
    let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
    Some(rolling.and_then(|r| r.partition).unwrap_or_default())
}

impl Controller {
    pub(super) async fn control(
        &self,
        set: &StatefulSet,
        pods: Vec<Arc<Pod>>,
        history: &History,
        status: &mut StatefulSetStatus,
    ) -> Result<(), Status> {
        status::count(status, set, &pods, &self.clock);
        let first = identity::start(set);
        let wanted = first..first + identity::replicas(set);
        let mut members: BTreeMap<i32, Arc<Pod>> = BTreeMap::new();
        let mut condemned: BTreeMap<i32, Arc<Pod>> = BTreeMap::new();
        for pod in pods {
            if let Some(ordinal) = identity::ordinal(set, &pod) {
                let map = if wanted.contains(&ordinal) {
                    &mut members
                } else {
                    &mut condemned
                };
                map.insert(ordinal, pod);
            }
        }
        for ordinal in wanted.clone() {
            let go_on = self
                .member(set, ordinal, members.get(&ordinal), history, status)
                .await?;
            if !go_on && !is_parallel(set) {
                return Ok(());
            }
        }
        if !self.shrink(set, &members, &wanted, condemned).await? {
            return Ok(());
        }
        self.update(set, &members, wanted, history).await
    }

    fn healthy(&self, set: &StatefulSet, pod: &Pod) -> bool {
        let min_ready = set
            .spec
            .as_ref()
            .and_then(|s| s.min_ready_seconds)
            .unwrap_or_default();
        pod::phase(pod) == "Running"
            && !pod.deleting()
            && pod::available(pod, min_ready, &self.clock)
    }

    /// Sees to one member; whether the next may be looked at.
    // upstream: #processReplica
    async fn member(
        &self,
        set: &StatefulSet,
        ordinal: i32,
        pod: Option<&Arc<Pod>>,
        history: &History,
        status: &StatefulSetStatus,
    ) -> Result<bool, Status> {
        let Some(pod) = pod else {
            self.create(set, ordinal, history, status).await?;
            return Ok(false);
        };
        if pod::terminal(pod) && !pod.deleting() {
            let text = format!(
                "StatefulSet {} is recreating failed Pod {}",
                set.key(),
                pod.name()
            );
            self.recorder
                .event(set, Kind::Warning, "RecreatingFailedPod", text);
            self.delete(set, pod).await?;
            return Ok(false);
        }
        if pod.deleting() {
            return Ok(false);
        }
        self.claims(set, ordinal, None).await?;
        Ok(self.healthy(set, pod))
    }

    // upstream: stateful_pod_control.go#CreateStatefulPod, stateful_set_utils.go#newVersionedStatefulSetPod
    async fn create(
        &self,
        set: &StatefulSet,
        ordinal: i32,
        history: &History,
        status: &StatefulSetStatus,
    ) -> Result<(), Status> {
        // Below the partition, members stay as they were.
        let keeps = partition(set).is_none_or(|p| ordinal < identity::start(set) + p);
        let begun = status.current_revision != status.update_revision;
        let name = if begun && keeps {
            status.current_revision.as_deref()
        } else {
            status.update_revision.as_deref()
        };
        let name = name.unwrap_or(&history.current);
        self.claims(set, ordinal, None).await?;
        let wanted = identity::pod(set, ordinal, history.get(name), name);
        let pod_name = identity::pod_name(set, ordinal);
        match self.pod_api.create(Some(set.namespace()), &wanted).await {
            Ok(_) => {
                let text = format!(
                    "create Pod {pod_name} in StatefulSet {} successful",
                    set.name()
                );
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulCreate", text);
                Ok(())
            }
            // Seen soon.
            Err(status) if status.is(Reason::AlreadyExists) => {
                let there = self
                    .pod_api
                    .get_opt(Some(set.namespace()), &pod_name)
                    .await?;
                if there.is_none_or(|p| p.controlled_by(set.uid())) {
                    Ok(())
                } else {
                    Err(status)
                }
            }
            Err(status) if crate::replica_set::in_terminating_namespace(&status) => Ok(()),
            Err(status) => {
                let text = format!(
                    "create Pod {pod_name} in StatefulSet {} failed error: {status}",
                    set.name()
                );
                self.recorder
                    .event(set, Kind::Warning, "FailedCreate", text);
                Err(status)
            }
        }
    }

    /// Makes a member's claims that are missing, and gives them the owner that their retention asks for.
    // upstream: stateful_pod_control.go#createPersistentVolumeClaims, #UpdatePodClaimForRetentionPolicy
    async fn claims(
        &self,
        set: &StatefulSet,
        ordinal: i32,
        condemned: Option<&Pod>,
    ) -> Result<(), Status> {
        let (with_set, with_scaling) = deletes_claims(set);
        let owner = match condemned {
            Some(pod) if with_scaling => Some(OwnerReference {
                controller: None,
                block_owner_deletion: None,
                ..controller_ref(pod)
            }),
            _ if with_set => Some(controller_ref(set)),
            _ => None,
        };
        for mut claim in identity::claims(set, ordinal) {
            let name = claim.name().to_owned();
            let owners = owner.clone().into_iter().collect::<Vec<_>>();
            match self.claim_api.get_opt(Some(set.namespace()), &name).await? {
                None if condemned.is_none() => {
                    claim.metadata.owner_references = owner.clone().map(|o| vec![o]);
                    self.claim_api.create(Some(set.namespace()), &claim).await?;
                    let text = format!(
                        "create Claim {name} Pod {} in StatefulSet {} success",
                        identity::pod_name(set, ordinal),
                        set.name()
                    );
                    self.recorder
                        .event(set, Kind::Normal, "SuccessfulCreate", text);
                }
                None => {}
                Some(there) => {
                    let now = there
                        .metadata
                        .owner_references
                        .as_deref()
                        .unwrap_or_default();
                    let ours = |o: &&OwnerReference| {
                        o.uid == set.uid()
                            || (o.kind == "Pod" && o.name == identity::pod_name(set, ordinal))
                    };
                    let mut next: Vec<_> = now.iter().filter(|o| !ours(o)).cloned().collect();
                    next.extend(owners);
                    if next != now {
                        let patch =
                            json!({"metadata": {"uid": there.uid(), "ownerReferences": next}});
                        self.claim_api
                            .patch(Some(set.namespace()), &name, "", Patch::Merge(patch))
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn delete(&self, set: &StatefulSet, pod: &Pod) -> Result<(), Status> {
        let done = self
            .pod_api
            .delete(Some(pod.namespace()), pod.name(), &of_uid(pod.uid()))
            .await;
        match done {
            Err(s) if !s.is(Reason::NotFound) && !s.is(Reason::Conflict) => Err(s),
            _ => {
                let text = format!(
                    "delete Pod {} in StatefulSet {} successful",
                    pod.name(),
                    set.name()
                );
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulDelete", text);
                Ok(())
            }
        }
    }

    /// Deletes members beyond the wanted ones, the last first; whether there was none.
    // upstream: #processCondemned
    async fn shrink(
        &self,
        set: &StatefulSet,
        members: &BTreeMap<i32, Arc<Pod>>,
        wanted: &std::ops::Range<i32>,
        condemned: BTreeMap<i32, Arc<Pod>>,
    ) -> Result<bool, Status> {
        if condemned.is_empty() {
            return Ok(true);
        }
        let first_unhealthy = wanted
            .clone()
            .filter(|o| members.get(o).is_none_or(|p| !self.healthy(set, p)))
            .map(|o| identity::pod_name(set, o))
            .chain(
                condemned
                    .values()
                    .filter(|p| !self.healthy(set, p))
                    .map(|p| p.name().to_owned()),
            )
            .next();
        for (ordinal, pod) in condemned.into_iter().rev() {
            if pod.deleting() {
                if is_parallel(set) {
                    continue;
                }
                return Ok(false);
            }
            // One that is not healthy may go only if it is the first such: then it blocks the others.
            let blocked =
                !self.healthy(set, &pod) && first_unhealthy.as_deref() != Some(pod.name());
            if blocked && !is_parallel(set) {
                return Ok(false);
            }
            self.claims(set, ordinal, Some(&pod)).await?;
            self.delete(set, &pod).await?;
            if !is_parallel(set) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Replaces one member of an earlier revision, the last first.
    async fn update(
        &self,
        set: &StatefulSet,
        members: &BTreeMap<i32, Arc<Pod>>,
        wanted: std::ops::Range<i32>,
        history: &History,
    ) -> Result<(), Status> {
        let Some(partition) = partition(set) else {
            return Ok(());
        };
        let from = wanted.start.saturating_add(partition).min(wanted.end);
        for ordinal in (from..wanted.end).rev() {
            let Some(pod) = members.get(&ordinal) else {
                return Ok(());
            };
            if identity::revision(pod) != Some(&history.current) && !pod.deleting() {
                return self.delete(set, pod).await;
            }
            if !self.healthy(set, pod) {
                return Ok(());
            }
        }
        Ok(())
    }
}
