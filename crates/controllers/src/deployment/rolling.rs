//! Rolling updates.
// upstream: pkg/controller/deployment/rolling.go

use std::sync::Arc;

use informer::Outcome;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use machinery::Status;

use super::scale::replace;
use super::{Controller, Sets, math};
use crate::replica_set::wanted;

impl Controller {
    // upstream: #rolloutRolling
    pub(super) async fn roll(
        &self,
        d: &mut Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<Outcome, Status> {
        let mut sets = self.sets_and_revision(d, sets, true).await?;
        if self.grow_new(d, &mut sets).await? || self.shrink_old(d, &mut sets).await? {
            return self.sync_rollout_status(d, &sets).await;
        }
        let complete = d.status.as_ref().is_some_and(|s| math::complete(d, s));
        if complete {
            self.clean_up(d, &sets.old).await?;
        }
        self.sync_rollout_status(d, &sets).await
    }

    // upstream: #reconcileNewReplicaSet
    async fn grow_new(&self, d: &Deployment, sets: &mut Sets) -> Result<bool, Status> {
        let Some(new) = sets.new.clone() else {
            return Ok(false);
        };
        let (have, want) = (wanted(&new), math::replicas(d));
        let size = if have > want {
            want
        } else {
            match math::footprint(sets.old.iter()) {
                Some(old) => math::next_of_new(d, old + have.max(math::present(&new)), have),
                None => have,
            }
        };
        if have == want || size == have {
            return Ok(false);
        }
        let scaled = self.scale_set(d, &new, size).await?;
        replace(sets, scaled);
        Ok(true)
    }

    // upstream: #reconcileOldReplicaSets
    async fn shrink_old(&self, d: &Deployment, sets: &mut Sets) -> Result<bool, Status> {
        if math::wanted_by(&sets.old) == 0 {
            return Ok(false);
        }
        let min_available = math::replicas(d) - math::max_unavailable(d);
        // New pods that are not available yet may fail: the old ones must not go for them.
        let new_unavailable = sets
            .new
            .as_ref()
            .map_or(0, |s| wanted(s) - math::available(s));
        let most = math::wanted_by(&sets.all()) - min_available - new_unavailable;
        if most <= 0 {
            return Ok(false);
        }
        sets.old.sort_by(math::by_creation);
        let unhealthy = self.shrink_unhealthy(d, sets, most).await?;
        let healthy = self.shrink_available(d, sets, min_available).await?;
        Ok(unhealthy + healthy > 0)
    }

    /// Pods that are not available go first: that costs no availability.
    // upstream: #cleanupUnhealthyReplicas
    async fn shrink_unhealthy(
        &self,
        d: &Deployment,
        sets: &mut Sets,
        most: i32,
    ) -> Result<i32, Status> {
        let mut total = 0;
        for set in sets.old.clone() {
            if total >= most {
                break;
            }
            let unavailable = wanted(&set) - math::available(&set);
            if wanted(&set) == 0 || unavailable <= 0 {
                continue;
            }
            let count = unavailable.min(most - total);
            let scaled = self.scale_set(d, &set, wanted(&set) - count).await?;
            replace(sets, scaled);
            total += count;
        }
        Ok(total)
    }

    // upstream: #scaleDownOldReplicaSetsForRollingUpdate
    async fn shrink_available(
        &self,
        d: &Deployment,
        sets: &mut Sets,
        min_available: i32,
    ) -> Result<i32, Status> {
        let available: i32 = sets.all().iter().map(|s| math::available(s)).sum();
        let most = available - min_available;
        let mut total = 0;
        for set in sets.old.clone() {
            if total >= most {
                break;
            }
            if wanted(&set) == 0 {
                continue;
            }
            let count = wanted(&set).min(most - total);
            let scaled = self.scale_set(d, &set, wanted(&set) - count).await?;
            replace(sets, scaled);
            total += count;
        }
        Ok(total)
    }
}
