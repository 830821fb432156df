//! Where pods run: an index of pods by `spec.nodeName`, so that a list for one node doesn't read all pods.
//!
//! What it guarantees: for the newest published state it knows every pod of a value, and perhaps others; a reader checks
//! each candidate. A key is put in before its write is published (under the head lock), with the write's revision; it is
//! taken out after a later write that moved it is published, and only if nothing newer put it in again. Readers take their
//! snapshot under the index's lock, so they see no state that it doesn't cover.
//!
//! upstream: pkg/registry/core/pod/strategy.go#NodeNameIndexFunc

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use store::{Revision, Snapshot, Store};

use crate::resource::Resource;
use crate::stored::Stored;

/// The indexed field.
const FIELD: &str = "spec.nodeName";

/// Position of the indexed field among a resource's selectable fields.
pub(crate) fn position(resource: &Resource) -> Option<usize> {
    if resource.plural != "pods" || !resource.group.is_empty() {
        return None;
    }
    resource.fields.iter().position(|f| f.label == FIELD)
}

/// Keys by value.
#[derive(Default)]
pub(crate) struct Index {
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    /// What was there when the registry started has been read.
    complete: bool,
    by_value: HashMap<Box<str>, BTreeMap<Arc<str>, Revision>>,
}

impl Keys {
    fn add(&mut self, value: &str, key: &Arc<str>, revision: Revision) {
        if !self.by_value.contains_key(value) {
            self.by_value.insert(value.into(), BTreeMap::new());
        }
        if let Some(keys) = self.by_value.get_mut(value) {
            let at = keys.entry(Arc::clone(key)).or_insert(revision);
            *at = (*at).max(revision);
        }
    }
}

impl Index {
    /// A write of `revision` that is about to be published gives the key this value.
    pub(crate) fn add(&self, value: &str, key: &Arc<str>, revision: Revision) {
        self.keys.lock().add(value, key, revision);
    }

    /// A published write of `revision` took this value from the key.
    pub(crate) fn remove(&self, value: &str, key: &str, revision: Revision) {
        let mut keys = self.keys.lock();
        if let Some(of_value) = keys.by_value.get_mut(value) {
            if of_value.get(key).is_some_and(|at| *at < revision) {
                of_value.remove(key);
            }
            if of_value.is_empty() {
                keys.by_value.remove(value);
            }
        }
    }

    /// The newest state, and in order the keys that may have the value in it.
    pub(crate) fn candidates(
        &self,
        store: &Store<Stored>,
        resource: &Resource,
        value: &str,
    ) -> (Snapshot<Stored>, Vec<Arc<str>>) {
        let mut keys = self.keys.lock();
        let snapshot = store.snapshot();
        if !keys.complete {
            if let Some(position) = position(resource) {
                for entry in snapshot.range(&resource.prefix, None) {
                    let selection = entry.value.selection(resource);
                    let value = selection.fields.get(position).map_or("", |v| v);
                    keys.add(value, &entry.key, entry.revision);
                }
            }
            keys.complete = true;
        }
        let found = keys
            .by_value
            .get(value)
            .map(|keys| keys.keys().cloned().collect())
            .unwrap_or_default();
        drop(keys);
        (snapshot, found)
    }
}
