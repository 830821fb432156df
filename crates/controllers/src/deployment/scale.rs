//! Scaling sets: one, and all in proportion.
// upstream: pkg/controller/deployment/sync.go#scale, #scaleReplicaSet

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use machinery::Status;

use super::{Controller, Sets, math, revision};
use crate::meta::Meta;
use crate::recorder::Kind;
use crate::replica_set::wanted;

impl Controller {
    /// Brings the sets' sizes in line with a changed size of the deployment, in the middle of a rollout in proportion.
    pub(super) async fn scale(&self, d: &Deployment, sets: &mut Sets) -> Result<(), Status> {
        if let Some(only) = math::active_or_latest(sets.new.as_ref(), &sets.old) {
            if wanted(&only) != math::replicas(d)
                || revision::desired(&only) != Some(math::replicas(d))
            {
                let scaled = self.scale_set(d, &only, math::replicas(d)).await?;
                replace(sets, scaled);
            }
            return Ok(());
        }
        if math::saturated(d, sets.new.as_deref()) {
            for set in sets.old.clone().iter().filter(|s| math::is_active(s)) {
                let scaled = self.scale_set(d, set, 0).await?;
                replace(sets, scaled);
            }
            return Ok(());
        }
        if math::recreates(d) {
            return Ok(());
        }
        let mut active: Vec<_> = sets
            .all()
            .into_iter()
            .filter(|s| math::is_active(s))
            .collect();
        let allowed = if math::replicas(d) > 0 {
            math::replicas(d) + math::max_surge(d)
        } else {
            0
        };
        let to_add = allowed - math::wanted_by(&active);
        // The largest first; of equals the newer first when growing, the older first when shrinking.
        active.sort_by(|a, b| {
            let by_age = math::by_creation(a, b);
            let by_age = if to_add > 0 { by_age.reverse() } else { by_age };
            wanted(b).cmp(&wanted(a)).then(by_age)
        });
        let mut added = 0;
        let mut sizes = Vec::with_capacity(active.len());
        for set in &active {
            let share = math::proportion(d, set, to_add, added);
            sizes.push(wanted(set) + share);
            added += share;
        }
        for (i, (set, size)) in active.iter().zip(sizes).enumerate() {
            // What rounding left over goes to the largest.
            let rest = if i == 0 { to_add - added } else { 0 };
            let scaled = self.scale_set(d, set, (size + rest).max(0)).await?;
            replace(sets, scaled);
        }
        Ok(())
    }

    /// Gives a set that many replicas and notes the deployment's size on it; the set afterwards.
    // upstream: #scaleReplicaSet
    pub(super) async fn scale_set(
        &self,
        d: &Deployment,
        set: &Arc<ReplicaSet>,
        size: i32,
    ) -> Result<Arc<ReplicaSet>, Status> {
        let was = wanted(set);
        let mut next = ReplicaSet::clone(set);
        let annotated = revision::set_sizes(&mut next, d);
        if was == size && !annotated {
            return Ok(Arc::clone(set));
        }
        next.spec.get_or_insert_default().replicas = Some(size);
        let updated = self
            .set_api
            .update(Some(set.namespace()), set.name(), &next)
            .await?;
        self.wrote(d, &updated);
        if was != size {
            let direction = if was < size { "up" } else { "down" };
            let text = format!(
                "Scaled {direction} replica set {} from {was} to {size}",
                set.name()
            );
            self.recorder
                .event(d, Kind::Normal, "ScalingReplicaSet", text);
        }
        Ok(Arc::new(updated))
    }
}

/// Puts a set's newer state in its place.
pub(super) fn replace(sets: &mut Sets, set: Arc<ReplicaSet>) {
    for old in sets.old.iter_mut().chain(&mut sets.new) {
        if old.uid() == set.uid() {
            *old = Arc::clone(&set);
        }
    }
}
