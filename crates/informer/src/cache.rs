//! The parsed objects of one resource, with indices.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::RwLock;

use crate::Key;

/// Values of an object under which an index finds it.
pub(crate) type IndexBy<T> = Box<dyn Fn(&T) -> Vec<String> + Send + Sync>;

/// The objects of one resource as they are now. Reads are short and never wait for the store.
pub struct Cache<T> {
    state: RwLock<State<T>>,
    indices: Vec<(&'static str, IndexBy<T>)>,
}

struct State<T> {
    objects: BTreeMap<Key, Arc<T>>,
    by_index: Vec<HashMap<String, BTreeMap<Key, Arc<T>>>>,
}

impl<T: Metadata<Ty = ObjectMeta>> Cache<T> {
    pub(crate) fn new(indices: Vec<(&'static str, IndexBy<T>)>) -> Self {
        let by_index = indices.iter().map(|_| HashMap::new()).collect();
        Self {
            state: RwLock::new(State {
                objects: BTreeMap::new(),
                by_index,
            }),
            indices,
        }
    }

    pub(crate) fn into_indices(self) -> Vec<(&'static str, IndexBy<T>)> {
        self.indices
    }

    /// An object.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.state.read().objects.get(key).cloned()
    }

    /// Every object, by key.
    pub fn list(&self) -> Vec<Arc<T>> {
        self.state.read().objects.values().cloned().collect()
    }

    /// The objects of a namespace, by key.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        self.state
            .read()
            .objects
            .range(Key::new(namespace, "")..)
            .take_while(|(key, _)| key.namespace() == Some(namespace))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// The objects that index `index` has under `value`, by key. Empty for an index that was not
    /// asked for when the informer was made.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<Arc<T>> {
        let Some(position) = self.indices.iter().position(|(name, _)| *name == index) else {
            return Vec::new();
        };
        let state = self.state.read();
        let objects = state.by_index.get(position).and_then(|i| i.get(value));
        objects.map_or_else(Vec::new, |o| o.values().cloned().collect())
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.state.read().objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.state.read().objects.keys().cloned().collect()
    }

    /// Puts an object in; returns the one that it replaces.
    pub(crate) fn put(&self, object: &Arc<T>) -> Option<Arc<T>> {
        let key = Key::of(object.metadata());
        let mut state = self.state.write();
        let old = state.objects.insert(key.clone(), Arc::clone(object));
        for (position, (_, values)) in self.indices.iter().enumerate() {
            let Some(index) = state.by_index.get_mut(position) else {
                continue;
            };
            if let Some(old) = &old {
                unindex(index, &key, values(old));
            }
            for value in values(object) {
                index
                    .entry(value)
                    .or_default()
                    .insert(key.clone(), Arc::clone(object));
            }
        }
        old
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<T>> {
        let mut state = self.state.write();
        let old = state.objects.remove(key)?;
        for (position, (_, values)) in self.indices.iter().enumerate() {
            if let Some(index) = state.by_index.get_mut(position) {
                unindex(index, key, values(&old));
            }
        }
        Some(old)
    }
}

fn unindex<T>(index: &mut HashMap<String, BTreeMap<Key, Arc<T>>>, key: &Key, values: Vec<String>) {
    for value in values {
        if let Some(objects) = index.get_mut(&value) {
            objects.remove(key);
            if objects.is_empty() {
                index.remove(&value);
            }
        }
    }
}
