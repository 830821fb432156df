//! The garbage collector: objects whose owners are gone go too, an owner waits for its dependents or leaves them behind, as
//! its deletion asked.
// upstream: pkg/controller/garbagecollector/garbagecollector.go

mod graph;
mod owners;

use std::sync::Arc;

use informer::{Outcome, WorkQueue, run_workers};
use machinery::{ObjectExt, Reason, Status};
use parking_lot::Mutex;
use registry::{
    DeletionPropagation, Patch, PatchOptions, Registry, RequestContext, Target, UserInfo,
};
use serde_json::{Value, json};

use crate::meta::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, of_uid_with};
use crate::monitor::Notice;
use crate::setup::Setup;

use graph::{Graph, Node, Work};
use owners::Owners;

const NAME: &str = "generic-garbage-collector";
const WORKERS: usize = 8;

type Queue = WorkQueue<String>;

struct Collector {
    registry: Registry,
    context: RequestContext,
    graph: Mutex<Graph>,
    delete: Queue,
    orphan: Queue,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let collector = Arc::new(Collector {
        registry: setup.registry.clone(),
        context: RequestContext::new(UserInfo::controller(NAME)),
        graph: Mutex::default(),
        delete: WorkQueue::default(),
        orphan: WorkQueue::default(),
    });
    let c = Arc::clone(&collector);
    setup.on_any(move |notice| c.on_notice(notice));
    let (queue, stop) = (collector.delete.clone(), setup.stop.clone());
    let c = Arc::clone(&collector);
    setup.task(run_workers(NAME, queue, WORKERS, stop, move |uid| {
        let c = Arc::clone(&c);
        async move { c.attempt_to_delete(&uid).await }
    }));
    let (queue, stop) = (collector.orphan.clone(), setup.stop.clone());
    setup.task(run_workers(NAME, queue, 2, stop, move |uid| {
        let c = Arc::clone(&collector);
        async move { c.attempt_to_orphan(&uid).await }
    }));
    Ok(())
}

impl Collector {
    fn on_notice(&self, notice: &Notice) {
        let work = {
            let mut graph = self.graph.lock();
            match notice {
                // upstream: graph_builder.go#ignoredResources
                Notice::Put(seen) | Notice::Gone(seen) if seen.resource.plural == "events" => {
                    return;
                }
                Notice::Put(seen) => graph.put(seen),
                Notice::Gone(seen) => graph.remove(seen.meta.uid.as_deref().unwrap_or_default()),
                Notice::Resynced => graph.of_unknown_owners(),
            }
        };
        for item in work {
            match item {
                Work::Delete(uid) => self.delete.add(uid),
                Work::Orphan(uid) => self.orphan.add(uid),
            }
        }
    }

    /// The stored object of a node, if it is still the same.
    fn stored(&self, node: &Node) -> Option<Value> {
        let value = self
            .registry
            .stored(&node.resource, node.namespace.as_deref(), &node.name)?
            .value();
        (value.uid() == node.uid).then_some(value)
    }

    // upstream: garbagecollector.go#attemptToDeleteItem
    async fn attempt_to_delete(&self, uid: &str) -> Result<Outcome, Status> {
        let Some(node) = self.graph.lock().node(uid) else {
            return Ok(Outcome::Done);
        };
        // What is going anyway is left alone, unless it waits for its dependents.
        if node.deleting && !node.foreground {
            return Ok(Outcome::Done);
        }
        let Some(object) = self.stored(&node) else {
            // Its deletion will be told of.
            return Ok(Outcome::Done);
        };
        if node.foreground {
            return self.finish_foreground(&node, &object).await;
        }
        let owners = Owners::of(&self.registry, &node, &object);
        if owners.is_empty() {
            return Ok(Outcome::Done);
        }
        if !owners.solid.is_empty() {
            if owners.dangling.is_empty() && owners.waiting.is_empty() {
                return Ok(Outcome::Done);
            }
            let gone: Vec<_> = owners
                .dangling
                .iter()
                .chain(&owners.waiting)
                .cloned()
                .collect();
            self.drop_owners(&node, &object, &gone).await?;
            return Ok(Outcome::Done);
        }
        if !owners.waiting.is_empty() {
            let (has_dependents, circle) = self.graph.lock().dependents_state(uid);
            if has_dependents {
                if circle {
                    self.unblock_owners(&node, &object).await?;
                }
                return self
                    .delete_object(&node, &object, DeletionPropagation::Foreground)
                    .await;
            }
        }
        let finalizers = object.finalizers();
        let propagation = if finalizers.contains(&ORPHAN_FINALIZER) {
            DeletionPropagation::Orphan
        } else if finalizers.contains(&FOREGROUND_FINALIZER) {
            DeletionPropagation::Foreground
        } else {
            DeletionPropagation::Background
        };
        self.delete_object(&node, &object, propagation).await
    }

    /// An owner that waits for its dependents goes when none is left that blocks it.
    // upstream: garbagecollector.go#processDeletingDependentsItem
    async fn finish_foreground(&self, node: &Node, object: &Value) -> Result<Outcome, Status> {
        let blocking = self.graph.lock().blocking_dependents(&node.uid);
        if blocking.is_empty() {
            self.remove_finalizer(node, object, FOREGROUND_FINALIZER)
                .await?;
            return Ok(Outcome::Done);
        }
        for (uid, foreground) in blocking {
            if !foreground {
                self.delete.add(uid);
            }
        }
        Ok(Outcome::Done)
    }

    // upstream: garbagecollector.go#attemptToOrphanWorker, #orphanDependents
    async fn attempt_to_orphan(&self, uid: &str) -> Result<Outcome, Status> {
        let (node, dependents) = {
            let graph = self.graph.lock();
            let Some(node) = graph.node(uid) else {
                return Ok(Outcome::Done);
            };
            (node, graph.dependents(uid))
        };
        let freed = dependents.iter().map(|dependent| async {
            match self.stored(dependent) {
                Some(object) => {
                    self.drop_owners(dependent, &object, std::slice::from_ref(&node.uid))
                        .await
                }
                None => Ok(()),
            }
        });
        futures::future::join_all(freed)
            .await
            .into_iter()
            .collect::<Result<(), Status>>()?;
        if let Some(object) = self.stored(&node) {
            self.remove_finalizer(&node, &object, ORPHAN_FINALIZER)
                .await?;
        }
        Ok(Outcome::Done)
    }

    fn target(&self, node: &Node) -> Target {
        Target::object(&node.resource, node.namespace.as_deref(), &node.name)
    }

    // upstream: operations.go#deleteObject
    async fn delete_object(
        &self,
        node: &Node,
        object: &Value,
        propagation: DeletionPropagation,
    ) -> Result<Outcome, Status> {
        let mut options = of_uid_with(&node.uid, propagation);
        // An object that changed meanwhile may have other owners: it is looked at again.
        options.preconditions.resource_version = Some(object.resource_version().to_owned());
        let done = self
            .registry
            .delete(&self.context, &self.target(node), &options)
            .await
            .map(drop);
        gone_is_done(done)?;
        Ok(Outcome::Done)
    }

    /// Takes these owners off the object.
    async fn drop_owners(
        &self,
        node: &Node,
        object: &Value,
        gone: &[String],
    ) -> Result<(), Status> {
        let kept: Vec<_> = owners::references(object)
            .filter(|o| {
                !gone
                    .iter()
                    .any(|g| Some(g.as_str()) == o.get("uid").and_then(Value::as_str))
            })
            .cloned()
            .collect();
        self.patch(node, object, json!({"ownerReferences": kept}))
            .await
    }

    /// A circle of owners that wait for one another would wait for ever.
    async fn unblock_owners(&self, node: &Node, object: &Value) -> Result<(), Status> {
        let references: Vec<_> = owners::references(object)
            .cloned()
            .map(|mut o| {
                if let Some(map) = o.as_object_mut() {
                    map.insert("blockOwnerDeletion".to_owned(), false.into());
                }
                o
            })
            .collect();
        self.patch(node, object, json!({"ownerReferences": references}))
            .await
    }

    // upstream: operations.go#removeFinalizer
    async fn remove_finalizer(
        &self,
        node: &Node,
        object: &Value,
        name: &str,
    ) -> Result<(), Status> {
        let finalizers = object.finalizers();
        if !finalizers.contains(&name) {
            return Ok(());
        }
        let kept: Vec<_> = finalizers.into_iter().filter(|f| *f != name).collect();
        self.patch(node, object, json!({"finalizers": kept})).await
    }

    /// Changes the metadata of exactly this state of the object.
    async fn patch(&self, node: &Node, object: &Value, mut meta: Value) -> Result<(), Status> {
        if let Some(meta) = meta.as_object_mut() {
            meta.insert("uid".to_owned(), object.uid().into());
            meta.insert(
                "resourceVersion".to_owned(),
                object.resource_version().into(),
            );
        }
        let patch = Patch::Merge(json!({"metadata": meta}));
        let done = self
            .registry
            .patch(
                &self.context,
                &self.target(node),
                patch,
                &PatchOptions::default(),
            )
            .await
            .map(drop);
        gone_is_done(done)
    }
}

fn gone_is_done(result: Result<(), Status>) -> Result<(), Status> {
    match result {
        Err(status) if !status.is(Reason::NotFound) => Err(status),
        _ => Ok(()),
    }
}
