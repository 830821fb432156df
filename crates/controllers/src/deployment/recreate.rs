//! Recreation: all old pods go before the first new one comes.
// upstream: pkg/controller/deployment/recreate.go

use std::sync::Arc;

use informer::Outcome;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use machinery::Status;

use super::scale::replace;
use super::{Controller, Sets, math};
use crate::meta::Meta;
use crate::pod;
use crate::setup::BY_CONTROLLER;

impl Controller {
    // upstream: #rolloutRecreate
    pub(super) async fn recreate(
        &self,
        d: &mut Deployment,
        all: &[Arc<ReplicaSet>],
    ) -> Result<Outcome, Status> {
        let mut sets = self.sets_and_revision(d, all, false).await?;
        let mut scaled_down = false;
        for set in sets.old.clone().iter().filter(|s| math::is_active(s)) {
            let scaled = self.scale_set(d, set, 0).await?;
            replace(&mut sets, scaled);
            scaled_down = true;
        }
        if scaled_down || self.old_pods_run(&sets) {
            return self.sync_rollout_status(d, &sets).await;
        }
        if sets.new.is_none() {
            sets = self.sets_and_revision(d, &sets.all(), true).await?;
        }
        if let Some(new) = sets.new.clone() {
            let scaled = self.scale_set(d, &new, math::replicas(d)).await?;
            replace(&mut sets, scaled);
        }
        let complete = d.status.as_ref().is_some_and(|s| math::complete(d, s));
        if complete {
            self.clean_up(d, &sets.old).await?;
        }
        self.sync_rollout_status(d, &sets).await
    }

    // upstream: #oldPodsRunning
    fn old_pods_run(&self, sets: &Sets) -> bool {
        sets.old.iter().any(|set| {
            math::present(set) > 0
                || self
                    .pods
                    .by_index(BY_CONTROLLER, set.uid())
                    .iter()
                    .any(|p| !pod::terminal(p))
        })
    }
}
