//! One scheduling cycle: filter, score, choose.
// upstream: pkg/scheduler/schedule_one.go

use std::collections::{BTreeMap, BTreeSet};

use crate::cache::Cache;
use crate::node_info::NodeInfo;
use crate::plugin::{Plugin, Reason};
use crate::pod_info::PodInfo;

/// Below this many nodes all are looked at.
// upstream: #minFeasibleNodesToFind
const MIN_FEASIBLE: usize = 100;
/// Of how many per cent of the nodes feasible ones are looked for at least.
// upstream: #minFeasibleNodesPercentageToFind
const MIN_PERCENTAGE: usize = 5;

/// Why no node takes a pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unschedulable {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// How many nodes say each reason.
    reasons: BTreeMap<String, usize>,
    /// The plugins behind them.
    pub(crate) held_by: Vec<&'static str>,
}

impl std::fmt::Display for Unschedulable {
    // upstream: pkg/scheduler/framework/types.go#FitError.Error
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        write!(f, "0/{} nodes are available", self.nodes)?;
        let mut texts: Vec<String> = self
            .reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        texts.sort();
        if texts.is_empty() {
            f.write_str(".")
        } else {
            write!(f, ": {}.", texts.join(", "))
        }
    }
}

/// Where the next search begins, so that all nodes get their turn.
#[derive(Default)]
pub(crate) struct Search {
    start: usize,
    /// Chooses among equals; a fixed sequence is as good as any.
    draw: u64,
}

impl Search {
    /// The best node for the pod.
    ///
    /// # Errors
    /// [`Unschedulable`] when no node takes it.
    pub(crate) fn find(
        &mut self,
        pod: &PodInfo,
        cache: &Cache,
        plugins: &[Box<dyn Plugin>],
    ) -> Result<String, Unschedulable> {
        let slots = cache.slots();
        let nodes = cache.node_count();
        let enough = feasible_to_find(nodes);
        let mut feasible: Vec<&NodeInfo> = Vec::with_capacity(enough.min(256));
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut held_by = BTreeSet::new();
        let mut looked_at = 0;
        for offset in 0..slots.len() {
            let slot = (self.start + offset) % slots.len();
            let Some(node) = slots.get(slot).filter(|n| n.node.is_some()) else {
                continue;
            };
            looked_at = offset + 1;
            match filter(pod, node, plugins) {
                Ok(()) => {
                    feasible.push(node);
                    if feasible.len() >= enough {
                        break;
                    }
                }
                Err(why) => {
                    for reason in why {
                        held_by.insert(reason.plugin);
                        *reasons.entry(reason.text).or_default() += 1;
                    }
                }
            }
        }
        if !slots.is_empty() {
            self.start = (self.start + looked_at) % slots.len();
        }
        match feasible.as_slice() {
            [] => {
                if nodes == 0 {
                    // A new node is what helps.
                    held_by.insert("NodeResourcesFit");
                }
                Err(Unschedulable {
                    nodes,
                    reasons,
                    held_by: held_by.into_iter().collect(),
                })
            }
            [only] => Ok(only.name().to_owned()),
            several => Ok(self.choose(&totals(pod, several, plugins), several)),
        }
    }

    /// One of the nodes with the highest total.
    // upstream: #selectHost
    fn choose(&mut self, totals: &[i64], nodes: &[&NodeInfo]) -> String {
        let highest = totals.iter().copied().max().unwrap_or_default();
        let best: Vec<&str> = totals
            .iter()
            .zip(nodes)
            .filter(|(total, _)| **total == highest)
            .map(|(_, node)| node.name())
            .collect();
        // A step of Knuth's MMIX generator.
        self.draw = self
            .draw
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = (self.draw >> 33) as usize % best.len().max(1);
        best.get(index).copied().unwrap_or_default().to_owned()
    }
}

// upstream: #numFeasibleNodesToFind with the adaptive percentage
fn feasible_to_find(nodes: usize) -> usize {
    if nodes < MIN_FEASIBLE {
        return nodes.max(1);
    }
    let percentage = 50_usize.saturating_sub(nodes / 125).max(MIN_PERCENTAGE);
    (nodes * percentage / 100).max(MIN_FEASIBLE)
}

/// The first plugin that refuses says why.
fn filter(pod: &PodInfo, node: &NodeInfo, plugins: &[Box<dyn Plugin>]) -> Result<(), Vec<Reason>> {
    plugins.iter().try_for_each(|p| p.filter(pod, node))
}

fn totals(pod: &PodInfo, nodes: &[&NodeInfo], plugins: &[Box<dyn Plugin>]) -> Vec<i64> {
    let mut totals = vec![0; nodes.len()];
    for plugin in plugins.iter().filter(|p| p.weight() > 0) {
        let mut scores: Vec<i64> = nodes.iter().map(|n| plugin.score(pod, n)).collect();
        plugin.normalize(&mut scores);
        for (total, score) in totals.iter_mut().zip(scores) {
            *total += score * plugin.weight();
        }
    }
    totals
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plugins::testing::pod;
    use serde_json::json;
    use std::sync::Arc;

    fn cluster(nodes: &[(&str, &str)]) -> Cache {
        let mut cache = Cache::default();
        for (name, cpu) in nodes {
            let node = json!({"metadata": {"name": name},
                "status": {"allocatable": {"cpu": cpu, "memory": "1Gi", "pods": "10"}}});
            cache.set_node(Arc::new(serde_json::from_value(node).unwrap()));
        }
        cache
    }

    fn asking(cpu: &str) -> PodInfo {
        pod(json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}))
    }

    #[test]
    fn the_emptiest_node_is_chosen_and_what_does_not_fit_says_why() {
        let plugins = crate::plugins::all();
        let mut search = Search::default();
        let cache = cluster(&[("small", "1"), ("large", "8")]);
        assert_eq!(
            search.find(&asking("500m"), &cache, &plugins).unwrap(),
            "large"
        );
        let error = search.find(&asking("9"), &cache, &plugins).unwrap_err();
        assert_eq!(
            error.to_string(),
            "0/2 nodes are available: 2 Insufficient cpu."
        );
        assert_eq!(error.held_by, ["NodeResourcesFit"]);
        let error = search
            .find(&asking("1"), &Cache::default(), &plugins)
            .unwrap_err();
        assert_eq!(error.to_string(), "no nodes available to schedule pods");
    }

    #[test]
    fn equal_nodes_share_the_pods() {
        let plugins = crate::plugins::all();
        let mut search = Search::default();
        let cache = cluster(&[("a", "4"), ("b", "4"), ("c", "4")]);
        let chosen: BTreeSet<_> = (0..50)
            .map(|_| search.find(&asking("100m"), &cache, &plugins).unwrap())
            .collect();
        assert_eq!(chosen.len(), 3);
    }

    #[test]
    fn in_large_clusters_a_part_of_the_nodes_is_enough() {
        assert_eq!(feasible_to_find(50), 50);
        assert_eq!(feasible_to_find(1000), 420);
        assert_eq!(feasible_to_find(5000), 500);
    }
}
