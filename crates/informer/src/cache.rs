//! The objects of one resource, with indices.
//!
//! A parsed object takes ten times the space of its bytes (a pod 16 KiB), and the bytes are in memory anyway: they are
//! the store's. So the cache keeps every object's bytes but only the objects that were used last in parsed form, and
//! parses the others again when they are asked for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::Status;
use parking_lot::{Mutex, RwLock};
use registry::Object;
use serde::de::DeserializeOwned;

use crate::Key;

/// Values of an object under which an index finds it.
pub(crate) type IndexBy<T> = Box<dyn Fn(&T) -> Vec<String> + Send + Sync>;

/// Parsed objects that are kept, of each resource.
const PARSED: usize = 1024;

/// The objects of one resource as they are now. Reads are short and never wait for the store.
pub struct Cache<T> {
    state: RwLock<State<T>>,
    recent: Recent<T>,
    indices: Vec<(&'static str, IndexBy<T>)>,
    revision: AtomicU64,
}

type Slots<T> = BTreeMap<Key, Arc<Slot<T>>>;

struct State<T> {
    objects: Slots<T>,
    by_index: Vec<HashMap<String, Slots<T>>>,
}

/// An object: its bytes, and as parsed for as long as that is kept.
struct Slot<T> {
    source: Object,
    /// Empty when the object is not kept: a dead weak reference would hold on to the object's place.
    parsed: Mutex<Option<Weak<T>>>,
    /// What each index has it under.
    values: Box<[Vec<String>]>,
}

/// An object and where it is from.
type Parsed<T> = (Arc<T>, Arc<Slot<T>>);

/// Holds on to what was parsed last.
struct Recent<T>(Mutex<VecDeque<Parsed<T>>>);

impl<T> Recent<T> {
    fn keep(&self, object: &Arc<T>, slot: &Arc<Slot<T>>) {
        let oldest = {
            let mut kept = self.0.lock();
            let oldest = if kept.len() < PARSED {
                None
            } else {
                kept.pop_front()
            };
            kept.push_back((Arc::clone(object), Arc::clone(slot)));
            oldest
        };
        if let Some((_object, slot)) = oldest {
            *slot.parsed.lock() = None;
        }
    }
}

impl<T: DeserializeOwned> Slot<T> {
    /// The object; parsed before, so it can be again.
    fn object(self: &Arc<Self>, recent: &Recent<T>) -> Option<Arc<T>> {
        let object = {
            let mut parsed = self.parsed.lock();
            if let Some(object) = parsed.as_ref().and_then(Weak::upgrade) {
                return Some(object);
            }
            let object = Arc::new(self.source.typed().ok()?);
            *parsed = Some(Arc::downgrade(&object));
            object
        };
        recent.keep(&object, self);
        Some(object)
    }
}

impl<T: Metadata<Ty = ObjectMeta> + DeserializeOwned> Cache<T> {
    pub(crate) fn new(indices: Vec<(&'static str, IndexBy<T>)>) -> Self {
        let by_index = indices.iter().map(|_| HashMap::new()).collect();
        Self {
            state: RwLock::new(State {
                objects: BTreeMap::new(),
                by_index,
            }),
            recent: Recent(Mutex::new(VecDeque::new())),
            indices,
            revision: AtomicU64::new(0),
        }
    }

    pub(crate) fn into_indices(self) -> Vec<(&'static str, IndexBy<T>)> {
        self.indices
    }

    fn parsed(&self, slots: Vec<Arc<Slot<T>>>) -> Vec<Arc<T>> {
        slots
            .iter()
            .filter_map(|slot| slot.object(&self.recent))
            .collect()
    }

    /// An object.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        let slot = Arc::clone(self.state.read().objects.get(key)?);
        slot.object(&self.recent)
    }

    /// Every object, by key.
    pub fn list(&self) -> Vec<Arc<T>> {
        let slots = self.state.read().objects.values().cloned().collect();
        self.parsed(slots)
    }

    /// The objects of a namespace, by key.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        let slots = self
            .state
            .read()
            .objects
            .range(Key::new(namespace, "")..)
            .take_while(|(key, _)| key.namespace() == Some(namespace))
            .map(|(_, slot)| Arc::clone(slot))
            .collect();
        self.parsed(slots)
    }

    /// The objects that index `index` has under `value`, by key. Empty for an index that was not
    /// asked for when the informer was made.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<Arc<T>> {
        let Some(position) = self.indices.iter().position(|(name, _)| *name == index) else {
            return Vec::new();
        };
        let slots = {
            let state = self.state.read();
            let slots = state.by_index.get(position).and_then(|i| i.get(value));
            slots.map_or_else(Vec::new, |s| s.values().cloned().collect())
        };
        self.parsed(slots)
    }

    /// The resourceVersion up to which the cache has everything: a write of that version or an earlier one is in it.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Everything up to this resourceVersion is in the cache.
    pub(crate) fn has_seen(&self, revision: u64) {
        self.revision.fetch_max(revision, Ordering::AcqRel);
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

    /// Puts an object in; returns it parsed, and the one that it replaces.
    ///
    /// # Errors
    /// When it is not of this type; nothing changes then.
    pub(crate) fn put(&self, source: Object) -> Result<(Arc<T>, Option<Arc<T>>), Status> {
        let object: Arc<T> = Arc::new(source.typed()?);
        let key = Key::of(object.metadata());
        let values = self
            .indices
            .iter()
            .map(|(_, values)| values(&object))
            .collect();
        let slot = Arc::new(Slot {
            source,
            parsed: Mutex::new(Some(Arc::downgrade(&object))),
            values,
        });
        self.recent.keep(&object, &slot);
        let mut state = self.state.write();
        let old = state.objects.insert(key.clone(), Arc::clone(&slot));
        for (position, index) in state.by_index.iter_mut().enumerate() {
            if let Some(old) = &old {
                unindex(index, &key, old.values.get(position));
            }
            for value in slot.values.get(position).into_iter().flatten() {
                let slots = match index.get_mut(value) {
                    Some(slots) => slots,
                    None => index.entry(value.clone()).or_default(),
                };
                slots.insert(key.clone(), Arc::clone(&slot));
            }
        }
        drop(state);
        Ok((object, old.and_then(|old| old.object(&self.recent))))
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<T>> {
        let old = {
            let mut state = self.state.write();
            let old = state.objects.remove(key)?;
            for (position, index) in state.by_index.iter_mut().enumerate() {
                unindex(index, key, old.values.get(position));
            }
            old
        };
        old.object(&self.recent)
    }
}

fn unindex<T>(index: &mut HashMap<String, Slots<T>>, key: &Key, values: Option<&Vec<String>>) {
    for value in values.into_iter().flatten() {
        if let Some(objects) = index.get_mut(value) {
            objects.remove(key);
            if objects.is_empty() {
                index.remove(value);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn pod(name: &str, node: &str) -> Object {
        let pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "spec": { "nodeName": node, "containers": [] },
            "metadata": { "name": name, "namespace": "default", "managedFields": [{ "manager": "m" }] },
        });
        Object::from_json(pod.to_string().into())
    }

    fn cache() -> Cache<Pod> {
        let node = |p: &Pod| {
            let spec = p.spec.as_ref();
            vec![spec.and_then(|s| s.node_name.clone()).unwrap_or_default()]
        };
        Cache::new(vec![("node", Box::new(node))])
    }

    #[test]
    fn no_more_than_the_last_used_objects_stay_parsed_and_all_can_be_had() {
        let cache = cache();
        let total = PARSED + 10;
        for number in 0..total {
            cache.put(pod(&format!("{number:05}"), "n")).unwrap();
        }
        let parsed = |cache: &Cache<Pod>| {
            let state = cache.state.read();
            let slots = state.objects.values();
            slots.filter(|s| s.parsed.lock().is_some()).count()
        };
        assert_eq!(parsed(&cache), PARSED);
        assert_eq!(cache.list().len(), total);
        assert_eq!(cache.by_index("node", "n").len(), total);
        assert_eq!(parsed(&cache), PARSED);
        let first = cache.get(&Key::new("default", "00000")).unwrap();
        assert!(first.metadata.managed_fields.is_none());
        let again = cache.get(&Key::new("default", "00000")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn indices_follow_changes_and_deletions() {
        let cache = cache();
        assert!(cache.put(pod("a", "")).unwrap().1.is_none());
        let (_, old) = cache.put(pod("a", "n")).unwrap();
        assert_eq!(
            old.unwrap().spec.as_ref().unwrap().node_name.as_deref(),
            Some("")
        );
        assert!(cache.by_index("node", "").is_empty());
        assert_eq!(cache.by_index("node", "n").len(), 1);
        assert!(cache.put(Object::from_json("[]".into())).is_err());
        assert!(cache.remove(&Key::new("default", "a")).is_some());
        assert!(cache.by_index("node", "n").is_empty() && cache.is_empty());
        assert!(cache.remove(&Key::new("default", "a")).is_none());
    }
}
