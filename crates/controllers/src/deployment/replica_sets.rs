//! A deployment's sets: finding and making the one of the present template.
// upstream: pkg/controller/deployment/sync.go#getAllReplicaSetsAndSyncRevision, #getNewReplicaSet

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::{Reason, Status};

use super::status::{PROGRESSING, condition, find, set_condition};
use super::{Controller, Sets, hash, math, revision};
use crate::meta::{Meta, annotate, controller_ref};
use crate::recorder::Kind;
use crate::replica_set::in_terminating_namespace;

fn template(d: &Deployment) -> PodTemplateSpec {
    d.spec
        .as_ref()
        .map(|s| s.template.clone())
        .unwrap_or_default()
}

/// The oldest set of the present template: more than one there should never be.
// upstream: util/deployment_util.go#FindNewReplicaSet
fn find_new(d: &Deployment, sets: &[Arc<ReplicaSet>]) -> Option<Arc<ReplicaSet>> {
    let wanted = template(d);
    let same = |set: &&Arc<ReplicaSet>| {
        set.spec
            .as_ref()
            .and_then(|s| s.template.as_ref())
            .is_some_and(|t| hash::equal_ignoring(t, &wanted))
    };
    sets.iter()
        .filter(same)
        .min_by(|a, b| math::by_creation(a, b))
        .cloned()
}

impl Controller {
    /// The sets with the new one's revision brought up to date; the new one is made if `create` and there is none.
    pub(super) async fn sets_and_revision(
        &self,
        d: &mut Deployment,
        sets: &[Arc<ReplicaSet>],
        create: bool,
    ) -> Result<Sets, Status> {
        let found = find_new(d, sets);
        let uid = found.as_ref().map(|s| s.uid().to_owned());
        let old: Vec<_> = sets
            .iter()
            .filter(|s| Some(s.uid()) != uid.as_deref())
            .cloned()
            .collect();
        let next = old
            .iter()
            .map(|s| revision::of(&**s))
            .max()
            .unwrap_or_default()
            + 1;
        let new = match found {
            Some(set) => Some(self.adjust_new(d, set, next).await?),
            None if create => Some(self.create_new(d, &old, next).await?),
            None => None,
        };
        Ok(Sets { new, old })
    }

    async fn adjust_new(
        &self,
        d: &mut Deployment,
        found: Arc<ReplicaSet>,
        next: i64,
    ) -> Result<Arc<ReplicaSet>, Status> {
        let mut set = ReplicaSet::clone(&found);
        let annotated = revision::set_new(&mut set, d, next, true);
        let min_ready = math::min_ready_seconds(d);
        let spec = set.spec.get_or_insert_default();
        let other_min = spec.min_ready_seconds.unwrap_or_default() != min_ready;
        if annotated || other_min {
            spec.min_ready_seconds = Some(min_ready);
            let updated = self
                .set_api
                .update(Some(set.namespace()), set.name(), &set)
                .await?;
            self.wrote(d, &updated);
            return Ok(Arc::new(updated));
        }
        let revision = set.annotation(revision::REVISION).unwrap_or_default();
        let mut changed = annotate(&mut d.metadata, revision::REVISION, revision);
        let status = d.status.get_or_insert_default();
        if find(status, PROGRESSING).is_none() && math::progress_deadline(d).is_some() {
            let text = format!("Found new replica set \"{}\"", set.name());
            let found = condition(
                PROGRESSING,
                "True",
                "FoundNewReplicaSet",
                &text,
                &self.clock,
            );
            set_condition(d.status.get_or_insert_default(), found);
            changed = true;
        }
        if changed {
            self.write_own_status(d).await?;
        }
        Ok(found)
    }

    async fn create_new(
        &self,
        d: &mut Deployment,
        old: &[Arc<ReplicaSet>],
        next: i64,
    ) -> Result<Arc<ReplicaSet>, Status> {
        let collisions = d.status.as_ref().and_then(|s| s.collision_count);
        let hash = hash::of(&template(d), collisions);
        let (mut set, replicas) = new_set(d, &hash, old);
        revision::set_new(&mut set, d, next, false);
        let name = set.name().to_owned();
        let created = self.set_api.create(Some(d.namespace()), &set).await;
        let (set, existed) = match created {
            Ok(set) => (set, false),
            Err(status) if status.is(Reason::AlreadyExists) => {
                let there: ReplicaSet = self.set_api.get(Some(d.namespace()), &name).await?;
                let same = there
                    .spec
                    .as_ref()
                    .and_then(|s| s.template.as_ref())
                    .is_some_and(|t| hash::equal_ignoring(t, &template(d)));
                if !(there.controlled_by(d.uid()) && same) {
                    // Another template has this hash: count the collision, and come again with another.
                    let counted = d.status.get_or_insert_default();
                    counted.collision_count = Some(counted.collision_count.unwrap_or_default() + 1);
                    self.write_own_status(d).await?;
                    return Err(status);
                }
                (there, true)
            }
            Err(status) => {
                if !in_terminating_namespace(&status) {
                    self.creation_failed(d, &name, &status).await?;
                }
                return Err(status);
            }
        };
        self.wrote(d, &set);
        if !existed && replicas > 0 {
            let text = format!("Scaled up replica set {name} from 0 to {replicas}");
            self.recorder
                .event(d, Kind::Normal, "ScalingReplicaSet", text);
        }
        let mut changed = annotate(&mut d.metadata, revision::REVISION, &next.to_string());
        if !existed && math::progress_deadline(d).is_some() {
            let text = format!("Created new replica set \"{name}\"");
            let made = condition(
                PROGRESSING,
                "True",
                "NewReplicaSetCreated",
                &text,
                &self.clock,
            );
            set_condition(d.status.get_or_insert_default(), made);
            changed = true;
        }
        if changed {
            self.write_own_status(d).await?;
        }
        Ok(Arc::new(set))
    }

    async fn creation_failed(
        &self,
        d: &mut Deployment,
        name: &str,
        why: &Status,
    ) -> Result<(), Status> {
        let text = format!("Failed to create new replica set \"{name}\": {why}");
        if math::progress_deadline(d).is_some() {
            let failed = condition(
                PROGRESSING,
                "False",
                "ReplicaSetCreateError",
                &text,
                &self.clock,
            );
            set_condition(d.status.get_or_insert_default(), failed);
            self.write_own_status(d).await?;
        }
        self.recorder
            .event(d, Kind::Warning, "ReplicaSetCreateError", text);
        Ok(())
    }
}

/// The set of the present template, and how many replicas it starts with.
fn new_set(d: &Deployment, hash: &str, old: &[Arc<ReplicaSet>]) -> (ReplicaSet, i32) {
    let mut template = template(d);
    let labels = {
        let labels = template
            .metadata
            .get_or_insert_default()
            .labels
            .get_or_insert_default();
        labels.insert(hash::LABEL.to_owned(), hash.to_owned());
        labels.clone()
    };
    let mut selector = d
        .spec
        .as_ref()
        .map(|s| s.selector.clone())
        .unwrap_or_default();
    selector
        .match_labels
        .get_or_insert_default()
        .insert(hash::LABEL.to_owned(), hash.to_owned());
    let others = math::footprint(old.iter());
    let replicas = others.map_or(0, |others| math::next_of_new(d, others, 0));
    let set = ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", d.name())),
            namespace: Some(d.namespace().to_owned()),
            owner_references: Some(vec![controller_ref(d)]),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: Some(math::min_ready_seconds(d)),
            selector,
            template: Some(template),
        }),
        status: None,
    };
    (set, replicas)
}
