//! A DaemonSet's pods.
// upstream: pkg/controller/daemon/util/daemonset_util.go

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, Toleration,
};

use crate::history::REVISION_LABEL;
use crate::meta::{Meta, controller_ref};
use crate::pod;

const GENERATION_LABEL: &str = "pod-template-generation";
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// The template's labels, which its revisions have too.
pub(super) fn labels(set: &DaemonSet) -> BTreeMap<String, String> {
    let template = set.spec.as_ref().map(|s| &s.template);
    template
        .and_then(|t| t.metadata.as_ref())
        .and_then(|m| m.labels.clone())
        .unwrap_or_default()
}

/// What is wrong with a node does not keep a daemon away.
// upstream: #AddOrUpdateDaemonPodTolerations
pub(super) fn tolerate(tolerations: &mut Vec<Toleration>, host_network: bool) {
    let mut all = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(("network-unavailable", "NoSchedule"));
    }
    for (key, effect) in all {
        let key = format!("node.kubernetes.io/{key}");
        let is = |t: &Toleration| {
            t.key.as_ref() == Some(&key)
                && t.effect.as_deref() == Some(effect)
                && t.operator.as_deref() == Some("Exists")
        };
        if !tolerations.iter().any(is) {
            tolerations.push(Toleration {
                key: Some(key),
                operator: Some("Exists".to_owned()),
                effect: Some(effect.to_owned()),
                ..Toleration::default()
            });
        }
    }
}

/// The pod for a node.
// upstream: #CreatePodTemplate, #ReplaceDaemonSetPodNodeNameNodeAffinity
pub(super) fn pod(set: &DaemonSet, node: &str, hash: &str) -> Pod {
    let template = set
        .spec
        .as_ref()
        .map(|s| s.template.clone())
        .unwrap_or_default();
    let mut pod = pod::from_template(&template, set.namespace(), set.name(), controller_ref(set));
    let labels = pod.metadata.labels.get_or_insert_default();
    if let Some(generation) = set.annotation(GENERATION) {
        labels.insert(GENERATION_LABEL.to_owned(), generation.to_owned());
    }
    labels.insert(REVISION_LABEL.to_owned(), hash.to_owned());
    let spec = pod.spec.get_or_insert_default();
    let host_network = spec.host_network == Some(true);
    tolerate(spec.tolerations.get_or_insert_default(), host_network);
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    spec.affinity
        .get_or_insert_default()
        .node_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution = Some(NodeSelector {
        node_selector_terms: vec![NodeSelectorTerm {
            match_expressions: None,
            match_fields: Some(vec![field]),
        }],
    });
    pod
}

/// Whether a pod is of the present template.
// upstream: #IsPodUpdated
pub(super) fn is_current(set: &DaemonSet, pod: &Pod, hash: &str) -> bool {
    let by_generation = set.annotation(GENERATION).is_some()
        && pod.label(GENERATION_LABEL) == set.annotation(GENERATION);
    by_generation || (!hash.is_empty() && pod.label(REVISION_LABEL) == Some(hash))
}
