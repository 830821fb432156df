//! What a plugin is.
// upstream: pkg/scheduler/framework/interface.go

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The highest score.
pub(crate) const MAX_SCORE: i64 = 100;

/// Why a node does not take a pod, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reason {
    pub(crate) plugin: &'static str,
    pub(crate) text: String,
    /// Nothing but a change of the node itself or the pod can help, whatever else goes away.
    pub(crate) unresolvable: bool,
}

/// What happened in the cluster that may make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterEvent {
    /// A node is new, or its labels, taints, allocatable or schedulability changed.
    Node,
    /// A bound pod is gone or over.
    PodGone,
}

/// One check and one score.
pub(crate) trait Plugin: Send + Sync {
    /// Its name, as upstream's.
    fn name(&self) -> &'static str;

    /// Whether the node takes the pod; all the reasons why not.
    fn filter(&self, _pod: &PodInfo, _node: &NodeInfo) -> Result<(), Vec<Reason>> {
        Ok(())
    }

    /// Weight of the score; 0 where there is none.
    fn weight(&self) -> i64 {
        0
    }

    /// How good the node is, in the plugin's own units.
    fn score(&self, _pod: &PodInfo, _node: &NodeInfo) -> i64 {
        0
    }

    /// Brings the scores of all feasible nodes to 0..=[`MAX_SCORE`].
    fn normalize(&self, _scores: &mut [i64]) {}

    /// Whether an event may let a pod through that this plugin held back.
    fn helps(&self, event: ClusterEvent) -> bool;
}

/// Scales scores so that the highest is [`MAX_SCORE`]; `reverse` where less is better.
// upstream: pkg/scheduler/framework/plugins/helper/normalize_score.go#DefaultNormalizeScore
pub(crate) fn normalize(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or_default();
    for score in scores {
        *score = if highest == 0 {
            if reverse { MAX_SCORE } else { 0 }
        } else {
            let scaled = MAX_SCORE * *score / highest;
            if reverse { MAX_SCORE - scaled } else { scaled }
        };
    }
}
