//! Names, volumes and revisions of a StatefulSet's pods.
// upstream: pkg/controller/statefulset/stateful_set_utils.go

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};

use crate::history::{self, REVISION_LABEL};
use crate::meta::{Meta, controller_ref};
use crate::pod;

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The first ordinal.
pub(super) fn start(set: &StatefulSet) -> i32 {
    let ordinals = set.spec.as_ref().and_then(|s| s.ordinals.as_ref());
    ordinals.and_then(|o| o.start).unwrap_or_default()
}

pub(super) fn replicas(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

/// A member's number: the end of its name.
pub(super) fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let number = pod.name().strip_prefix(set.name())?.strip_prefix('-')?;
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|_| plain)
}

/// The name of the revision that a pod is of.
pub(super) fn revision(pod: &Pod) -> Option<&str> {
    pod.label(REVISION_LABEL)
}

pub(super) fn pod_name(set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{ordinal}", set.name())
}

fn claim_name(template: &PersistentVolumeClaim, set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", template.name(), set.name())
}

fn templates(set: &StatefulSet) -> &[PersistentVolumeClaim] {
    let spec = set.spec.as_ref();
    spec.and_then(|s| s.volume_claim_templates.as_deref())
        .unwrap_or_default()
}

/// The claims of a member.
// upstream: #getPersistentVolumeClaims
pub(super) fn claims(set: &StatefulSet, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    let selector = set.spec.as_ref().map(|s| &s.selector);
    let labels = selector.and_then(|s| s.match_labels.clone());
    templates(set)
        .iter()
        .map(|template| {
            let mut claim = template.clone();
            claim.metadata.name = Some(claim_name(template, set, ordinal));
            claim.metadata.namespace = Some(set.namespace().to_owned());
            claim
                .metadata
                .labels
                .get_or_insert_default()
                .extend(labels.clone().into_iter().flatten());
            claim.status = None;
            claim
        })
        .collect()
}

/// The template of a revision; the set's own when it can't be read.
fn template(set: &StatefulSet, revision: Option<&ControllerRevision>) -> PodTemplateSpec {
    revision
        .and_then(history::template)
        .and_then(|t| serde_json::from_value(t).ok())
        .or_else(|| set.spec.as_ref().map(|s| s.template.clone()))
        .unwrap_or_default()
}

/// A member as it is to be.
// upstream: #newVersionedStatefulSetPod, #newStatefulSetPod
pub(super) fn pod(
    set: &StatefulSet,
    ordinal: i32,
    revision: Option<&ControllerRevision>,
    revision_name: &str,
) -> Pod {
    let template = template(set, revision);
    let mut pod = pod::from_template(&template, set.namespace(), set.name(), controller_ref(set));
    let name = pod_name(set, ordinal);
    pod.metadata.generate_name = None;
    pod.metadata.name = Some(name.clone());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name.clone());
    labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
    labels.insert(REVISION_LABEL.to_owned(), revision_name.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = set.spec.as_ref().and_then(|s| s.service_name.clone());
    let volumes = spec.volumes.get_or_insert_default();
    for template in templates(set) {
        // A claim takes the place of a volume of its name.
        volumes.retain(|v| v.name != template.name());
        volumes.push(Volume {
            name: template.name().to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(template, set, ordinal),
                read_only: None,
            }),
            ..Volume::default()
        });
    }
    if volumes.is_empty() {
        spec.volumes = None;
    }
    pod
}
