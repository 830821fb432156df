//! What runs where, as far as the scheduler knows: bound pods, and assumed ones whose binding is
//! under way.
// upstream: pkg/scheduler/backend/cache/cache.go

use std::collections::HashMap;
use std::sync::Arc;

use informer::Key;
use k8s_openapi::api::core::v1::Node;

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// Nodes by name, in an order that the search walks round.
#[derive(Default)]
pub(crate) struct Cache {
    nodes: HashMap<String, usize>,
    /// Slots are reused, so that the search's position stays meaningful.
    slots: Vec<NodeInfo>,
    free: Vec<usize>,
    /// Where each pod is, assumed or bound.
    placed: HashMap<Key, String>,
    assumed: HashMap<Key, String>,
}

impl Cache {
    /// The slots: those without a node are to be passed over.
    pub(crate) fn slots(&self) -> &[NodeInfo] {
        &self.slots
    }

    /// How many nodes there are.
    pub(crate) fn node_count(&self) -> usize {
        self.slots.iter().filter(|n| n.node.is_some()).count()
    }

    pub(crate) fn set_node(&mut self, node: Arc<Node>) {
        let name = node.metadata.name.clone().unwrap_or_default();
        self.slot(&name).set_node(node);
    }

    /// Forgets a node; pods that are still bound to it keep its slot until they go.
    pub(crate) fn remove_node(&mut self, name: &str) {
        if let Some(info) = self.find(name) {
            info.node = None;
        }
        self.release(name);
    }

    /// A pod that the store says is bound. It takes the place of the assumed one.
    pub(crate) fn set_pod(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.assumed.remove(&pod.key);
        self.place(pod, node);
    }

    /// A pod that is about to be bound.
    pub(crate) fn assume(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.assumed.insert(pod.key.clone(), pod.uid().to_owned());
        self.place(pod, node);
    }

    /// Forgets an assumed pod whose binding failed. One that was bound after all stays.
    pub(crate) fn forget(&mut self, pod: &PodInfo) {
        if self
            .assumed
            .get(&pod.key)
            .is_some_and(|uid| uid == pod.uid())
        {
            self.assumed.remove(&pod.key);
            self.remove_pod(&pod.key);
        }
    }

    pub(crate) fn remove_pod(&mut self, key: &Key) {
        self.assumed.remove(key);
        if let Some(node) = self.placed.remove(key) {
            if let Some(info) = self.find(&node) {
                info.remove_pod(key);
            }
            self.release(&node);
        }
    }

    /// Whether the pod has a place already, assumed or bound.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.placed.contains_key(key)
    }

    fn place(&mut self, pod: Arc<PodInfo>, node: &str) {
        let key = pod.key.clone();
        if self.placed.get(&key).is_some_and(|was| was != node) {
            let was = self.placed.remove(&key).unwrap_or_default();
            if let Some(info) = self.find(&was) {
                info.remove_pod(&key);
            }
            self.release(&was);
        }
        self.slot(node).add_pod(pod);
        self.placed.insert(key, node.to_owned());
    }

    fn find(&mut self, name: &str) -> Option<&mut NodeInfo> {
        let slot = *self.nodes.get(name)?;
        self.slots.get_mut(slot)
    }

    fn slot(&mut self, name: &str) -> &mut NodeInfo {
        let slot = match self.nodes.get(name) {
            Some(slot) => *slot,
            None => {
                let slot = self.free.pop().unwrap_or(self.slots.len());
                if slot == self.slots.len() {
                    self.slots.push(NodeInfo::default());
                }
                self.nodes.insert(name.to_owned(), slot);
                slot
            }
        };
        &mut self.slots[slot]
    }

    /// Frees the slot of a node that is gone with all its pods.
    fn release(&mut self, name: &str) {
        let Some(slot) = self.nodes.get(name).copied() else {
            return;
        };
        if let Some(info) = self.slots.get_mut(slot)
            && info.node.is_none()
            && info.pods.is_empty()
        {
            *info = NodeInfo::default();
            self.nodes.remove(name);
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str) -> Arc<Node> {
        let node = json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "1", "pods": "2"}}});
        Arc::new(serde_json::from_value(node).unwrap())
    }

    fn pod(name: &str) -> Arc<PodInfo> {
        let pod = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]},
        });
        Arc::new(PodInfo::new(Arc::new(serde_json::from_value(pod).unwrap())))
    }

    fn taken(cache: &Cache) -> i64 {
        cache.slots().iter().map(|n| n.requested.milli_cpu).sum()
    }

    #[test]
    fn an_assumed_pod_counts_until_forgotten_and_once_when_bound() {
        let mut cache = Cache::default();
        cache.set_node(node("a"));
        let p = pod("p");
        cache.assume(p.clone(), "a");
        assert_eq!(taken(&cache), 100);
        cache.forget(&p);
        assert_eq!(taken(&cache), 0);
        cache.assume(p.clone(), "a");
        cache.set_pod(p.clone(), "a");
        cache.forget(&p);
        assert_eq!(taken(&cache), 100, "bound after all");
        cache.remove_pod(&p.key);
        assert_eq!(taken(&cache), 0);
    }

    #[test]
    fn a_node_that_goes_leaves_no_slot_behind_once_its_pods_are_gone() {
        let mut cache = Cache::default();
        cache.set_node(node("a"));
        cache.set_pod(pod("p"), "a");
        cache.remove_node("a");
        assert_eq!(cache.node_count(), 0);
        cache.remove_pod(&pod("p").key);
        cache.set_node(node("b"));
        assert_eq!(cache.slots().len(), 1, "the slot is used again");
    }
}
