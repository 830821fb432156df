//! CustomResourceDefinitions: names, conditions, and the end of their instances.
//!
//! One worker, since names are given one after another.
// upstream: apiextensions-apiserver/pkg/controller/{status,establish,nonstructuralschema,apiapproval,finalizer}

use std::sync::Arc;
use std::time::Duration;

use apiextensions::conditions::{self, CLEANUP_FINALIZER, Condition, kind};
use apiextensions::{Definition, names};
use informer::{Key, Outcome, WorkQueue};
use machinery::{ObjectExt, Reason, Status};
use registry::{
    DeleteOptions, ListOptions, Registry, RequestContext, Resource, Target, UpdateOptions,
};
use serde_json::Value;

use crate::clock::Clock;
use crate::monitor::Notice;
use crate::setup::Setup;

const NAME: &str = "customresourcedefinition-controller";
const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";
/// How long instances' finalizers are given before looking again; that the last one is gone is usually seen sooner.
const INSTANCES_WAIT: Duration = Duration::from_secs(15);

struct Keeper {
    registry: Registry,
    resource: Arc<Resource>,
    queue: WorkQueue<Key>,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let resource = setup
        .registry
        .find(GROUP, "v1", PLURAL)
        .ok_or_else(Status::unknown_resource)?;
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.on_any(move |notice| match notice {
        Notice::Put(seen) | Notice::Gone(seen)
            if seen.resource.group == GROUP && seen.resource.plural == PLURAL =>
        {
            q.add(Key::of(&seen.meta));
        }
        // It may have been the last that its definition waits for.
        Notice::Gone(seen) if seen.resource.custom.is_some() => {
            let (plural, group) = (&seen.resource.plural, &seen.resource.group);
            q.add(Key::cluster(&format!("{plural}.{group}")));
        }
        _ => {}
    });
    let keeper = Arc::new(Keeper {
        registry: setup.registry.clone(),
        resource,
        queue: queue.clone(),
        clock: setup.clock,
    });
    setup.workers(NAME, queue, 1, move |key| {
        let keeper = Arc::clone(&keeper);
        async move { keeper.sync(&key).await }
    });
    Ok(())
}

impl Keeper {
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(stored) = self.registry.stored(&self.resource, None, key.name()) else {
            // It has freed its names.
            self.others(key.name()).for_each(|k| self.queue.add(k));
            return Ok(Outcome::Done);
        };
        let object = stored.value();
        let Ok(definition) = Definition::parse(&object) else {
            return Ok(Outcome::Done);
        };
        if object.deletion_timestamp().is_some() {
            if object.finalizers().contains(&CLEANUP_FINALIZER) {
                return self.clean_up(object, &definition).await;
            }
            return Ok(Outcome::Done);
        }
        let mut next = object.clone();
        let now = self.now();
        let others: Vec<Definition> = self
            .others(key.name())
            .filter_map(|k| self.registry.stored(&self.resource, None, k.name()))
            .filter_map(|stored| Definition::parse(&stored.value()).ok())
            .collect();
        let verdict = names::judge(&object, &definition, others.iter());
        if let Some(verdict) = &verdict {
            next.set_at(&["status", "acceptedNames"], verdict.accepted.clone());
            conditions::set(&mut next, &verdict.names, &now);
            if let Some(condition) = &verdict.established {
                conditions::set(&mut next, condition, &now);
            }
        }
        if names::may_be_established(&next) {
            conditions::set(&mut next, &names::established(&definition), &now);
        }
        self.one(
            &mut next,
            kind::NON_STRUCTURAL,
            conditions::non_structural(&definition),
            &now,
        );
        self.one(
            &mut next,
            kind::APPROVED,
            conditions::approval(&definition),
            &now,
        );
        if next != object {
            self.write(next).await?;
        }
        if verdict.is_some() {
            // A name may have been freed.
            self.others(key.name()).for_each(|k| self.queue.add(k));
        }
        Ok(Outcome::Done)
    }

    fn now(&self) -> String {
        let now = self.clock.now();
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Sets a condition that is there only when there is something to say.
    fn one(&self, object: &mut Value, kind: &str, condition: Option<Condition>, now: &str) {
        match condition {
            Some(condition) if !conditions::has(object, &condition) => {
                conditions::set(object, &condition, now);
            }
            Some(_) => {}
            None => {
                conditions::remove(object, kind);
            }
        }
    }

    /// The other definitions of a definition's group.
    fn others(&self, name: &str) -> impl Iterator<Item = Key> {
        let group = name.split_once('.').map_or("", |(_, g)| g).to_owned();
        let own = name.to_owned();
        let prefix = self.resource.range(None);
        let snapshot = self.registry.store().snapshot();
        let names: Vec<String> = snapshot
            .range(&prefix, None)
            .filter_map(|entry| entry.key.strip_prefix(&*prefix).map(str::to_owned))
            .collect();
        names
            .into_iter()
            .filter(move |n| *n != own && n.split_once('.').is_some_and(|(_, g)| g == group))
            .map(|n| Key::cluster(&n))
    }

    /// Writes status and finalizers; when somebody else was first, the change will be told of.
    async fn write(&self, object: Value) -> Result<(), Status> {
        let target = Target::object(&self.resource, None, object.name()).subresource("status");
        let options = UpdateOptions {
            field_manager: "kube-apiserver".to_owned(),
            ..UpdateOptions::default()
        };
        let done = self
            .registry
            .update(&RequestContext::system(), &target, object, &options)
            .await;
        match done {
            Err(status) if status.is(Reason::Conflict) || status.is(Reason::NotFound) => Ok(()),
            Err(status) => Err(status),
            Ok(_) => Ok(()),
        }
    }

    // upstream: finalizer/crd_finalizer.go#sync
    async fn clean_up(&self, object: Value, definition: &Definition) -> Result<Outcome, Status> {
        let now = self.now();
        let with = |mut object: Value, condition: &Condition| {
            conditions::set(&mut object, condition, &now);
            object
        };
        let condition = if !definition.is(kind::ESTABLISHED) {
            Condition::new(
                kind::TERMINATING,
                "False",
                "NeverEstablished",
                "resource was never established",
            )
        } else {
            let in_progress = Condition::new(
                kind::TERMINATING,
                "True",
                "InstanceDeletionInProgress",
                "CustomResource deletion is in progress",
            );
            if !conditions::has(&object, &in_progress) {
                // The change that this makes brings it here again.
                self.write(with(object, &in_progress)).await?;
                return Ok(Outcome::Done);
            }
            match self.delete_instances(definition).await {
                Ok(0) => Condition::new(
                    kind::TERMINATING,
                    "False",
                    "InstanceDeletionCompleted",
                    "removed all instances",
                ),
                Ok(_) => return Ok(Outcome::Again(INSTANCES_WAIT)),
                Err(status) => {
                    let failed = Condition::new(
                        kind::TERMINATING,
                        "True",
                        "InstanceDeletionFailed",
                        format!("could not issue all deletes: {status}"),
                    );
                    tracing::warn!(definition = object.name(), %status, "{}", failed.message);
                    return Err(status);
                }
            }
        };
        let mut next = with(object, &condition);
        let rest: Vec<String> = next
            .finalizers()
            .into_iter()
            .filter(|f| *f != CLEANUP_FINALIZER)
            .map(str::to_owned)
            .collect();
        next.set_finalizers(&rest.iter().map(String::as_str).collect::<Vec<_>>());
        self.write(next).await?;
        Ok(Outcome::Done)
    }

    /// Deletes all instances; how many are left.
    async fn delete_instances(&self, definition: &Definition) -> Result<usize, Status> {
        let Some(resource) = self.registry.instances(&definition.metadata.name) else {
            return Ok(0);
        };
        let context = RequestContext::system();
        let target = Target::collection(&resource, None);
        let all = ListOptions::default();
        self.registry
            .delete_collection(&context, &target, &DeleteOptions::default(), &all)
            .await?;
        let snapshot = self.registry.store().snapshot();
        Ok(snapshot.range(&resource.prefix, None).count())
    }
}
