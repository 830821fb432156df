//! Who owns whom, as far as it has been seen.
// upstream: pkg/controller/garbagecollector/{graph,graph_builder}.go

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use registry::Resource;

use crate::meta::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use crate::monitor::Seen;

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) resource: Arc<Resource>,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) owners: Vec<OwnerReference>,
    /// It is being deleted.
    pub(super) deleting: bool,
    /// It is being deleted and waits for its dependents to be gone.
    pub(super) foreground: bool,
    /// It is being deleted and waits for its dependents to be let go.
    pub(super) orphaning: bool,
}

/// What a change asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// See whether this object is to be deleted.
    Delete(String),
    /// Let go of this object's dependents.
    Orphan(String),
}

/// The objects by uid. An owner's dependents are known even before the owner is, so that the order in which resources are
/// told of does not matter.
#[derive(Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, HashSet<String>>,
}

fn waits_for(meta: &ObjectMeta, finalizer: &str) -> bool {
    meta.deletion_timestamp.is_some()
        && meta
            .finalizers
            .as_ref()
            .is_some_and(|f| f.iter().any(|f| f == finalizer))
}

impl Graph {
    /// An object is there, in this state.
    // upstream: graph_builder.go#processGraphChanges, #processTransitions
    pub(super) fn put(&mut self, seen: &Seen) -> Vec<Work> {
        let meta = &seen.meta;
        let uid = meta.uid.clone().unwrap_or_default();
        let node = Node {
            resource: Arc::clone(&seen.resource),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
            uid: uid.clone(),
            owners: meta.owner_references.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            foreground: waits_for(meta, FOREGROUND_FINALIZER),
            orphaning: waits_for(meta, ORPHAN_FINALIZER),
        };
        let mut work = Vec::new();
        let old = self.nodes.insert(uid.clone(), node.clone());
        let old_owners = old.as_ref().map(|o| o.owners.clone()).unwrap_or_default();
        for owner in &old_owners {
            let now = node.owners.iter().find(|o| o.uid == owner.uid);
            if now.is_none() {
                self.unlink(&owner.uid, &uid);
            }
            // An owner that waited for this object need not any more.
            let blocked = owner.block_owner_deletion == Some(true);
            let blocks = now.is_some_and(|o| o.block_owner_deletion == Some(true));
            if blocked && !blocks {
                work.push(Work::Delete(owner.uid.clone()));
            }
        }
        for owner in &node.owners {
            self.dependents
                .entry(owner.uid.clone())
                .or_default()
                .insert(uid.clone());
            let new = !old_owners.iter().any(|o| o.uid == owner.uid);
            let owner = self.nodes.get(&owner.uid);
            // An owner that nobody has seen may not exist; one that goes takes this along.
            if new && owner.is_none_or(|o| o.foreground) {
                work.push(Work::Delete(uid.clone()));
            }
        }
        let was = |of: fn(&Node) -> bool| old.as_ref().is_some_and(of);
        if node.orphaning && !was(|o| o.orphaning) {
            work.push(Work::Orphan(uid));
        } else if node.foreground && !was(|o| o.foreground) {
            work.extend(self.dependent_uids(&uid).map(Work::Delete));
            work.push(Work::Delete(uid));
        }
        work
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, uid: &str) -> Vec<Work> {
        let Some(node) = self.nodes.remove(uid) else {
            return Vec::new();
        };
        let mut work: Vec<_> = self.dependent_uids(uid).map(Work::Delete).collect();
        for owner in &node.owners {
            self.unlink(&owner.uid, uid);
            if self.nodes.get(&owner.uid).is_some_and(|o| o.foreground) {
                work.push(Work::Delete(owner.uid.clone()));
            }
        }
        work
    }

    /// Every object that has an owner which was not seen.
    pub(super) fn of_unknown_owners(&self) -> Vec<Work> {
        self.dependents
            .iter()
            .filter(|(owner, _)| !self.nodes.contains_key(*owner))
            .flat_map(|(_, dependents)| dependents.iter().cloned().map(Work::Delete))
            .collect()
    }

    pub(super) fn node(&self, uid: &str) -> Option<Node> {
        self.nodes.get(uid).cloned()
    }

    pub(super) fn dependents(&self, uid: &str) -> Vec<Node> {
        self.dependent_uids(uid)
            .filter_map(|d| self.node(&d))
            .collect()
    }

    /// Whether there are dependents, and whether one of them waits for its own: then there may be a circle.
    pub(super) fn dependents_state(&self, uid: &str) -> (bool, bool) {
        let all = self.dependents(uid);
        (!all.is_empty(), all.iter().any(|d| d.foreground))
    }

    /// The dependents that an owner in deletion waits for, and which of them wait for theirs.
    pub(super) fn blocking_dependents(&self, uid: &str) -> Vec<(String, bool)> {
        let blocks = |d: &Node| {
            d.owners
                .iter()
                .any(|o| o.uid == uid && o.block_owner_deletion == Some(true))
        };
        self.dependents(uid)
            .into_iter()
            .filter(blocks)
            .map(|d| (d.uid, d.foreground))
            .collect()
    }

    fn dependent_uids(&self, uid: &str) -> impl Iterator<Item = String> + '_ {
        self.dependents.get(uid).into_iter().flatten().cloned()
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }
}
