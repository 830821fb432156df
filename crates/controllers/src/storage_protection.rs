//! Claims and volumes that are in use stay until they no longer are: their protecting finalizer is taken away then.
//! Admission puts it on.
// upstream: pkg/controller/volume/pvcprotection/pvc_protection_controller.go, pvprotection/pv_protection_controller.go

use std::sync::Arc;

use informer::{Cache, Change, Informer, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use k8s_openapi::{Metadata, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use machinery::{Reason, Status};
use registry::Api;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::meta::Meta;
use crate::setup::{Setup, informer};

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    claims(setup)?;
    volumes(setup)
}

fn claims(setup: &mut Setup) -> Result<(), Status> {
    const NAME: &str = "pvc-protection-controller";
    let (claims, queue) = followed::<PersistentVolumeClaim>(setup, CLAIM)?;
    let q = queue.clone();
    setup.informers.pods.on_change(move |change| {
        // Only a pod that goes, or ends, can free a claim.
        let (pod, gone) = match change {
            Change::Deleted(pod) => (pod, true),
            Change::Added(pod) => (pod, false),
            Change::Updated { new, .. } => (new, false),
        };
        if gone || crate::pod::node(pod).is_empty() || pod.deleting() {
            for volume in volumes_of(pod) {
                if let Some(name) = claim_of(pod, volume) {
                    q.add(Key::new(pod.namespace(), &name));
                }
            }
        }
    });
    let pods = setup.informers.pods.cache();
    let api: Api<PersistentVolumeClaim> = setup.api(NAME)?;
    setup.workers(NAME, queue, 1, move |key| {
        let (api, claims, pods) = (api.clone(), Arc::clone(&claims), Arc::clone(&pods));
        async move {
            let Some(claim) = claims.get(&key) else {
                return Ok(Outcome::Done);
            };
            let used = pods
                .list_namespace(claim.namespace())
                .iter()
                .any(|pod| uses(pod, &claim));
            settle(&api, &*claim, CLAIM, used).await
        }
    });
    Ok(())
}

fn volumes(setup: &mut Setup) -> Result<(), Status> {
    const NAME: &str = "pv-protection-controller";
    let (volumes, queue) = followed::<PersistentVolume>(setup, VOLUME)?;
    let api: Api<PersistentVolume> = setup.api(NAME)?;
    setup.workers(NAME, queue, 1, move |key| {
        let (api, volumes) = (api.clone(), Arc::clone(&volumes));
        async move {
            let Some(volume) = volumes.get(&key) else {
                return Ok(Outcome::Done);
            };
            let bound = volume
                .status
                .as_ref()
                .and_then(|s| s.phase.as_deref())
                .is_some_and(|phase| phase == "Bound");
            settle(&api, &*volume, VOLUME, bound).await
        }
    });
    Ok(())
}

/// A cache of a kind, and a queue of those of it that lack the finalizer or wait for it to go.
fn followed<T>(
    setup: &mut Setup,
    finalizer: &'static str,
) -> Result<(Arc<Cache<T>>, WorkQueue<Key>), Status>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let queue: WorkQueue<Key> = WorkQueue::default();
    let mut informer: Informer<T> = informer(&setup.registry)?;
    let q = queue.clone();
    informer.on_change(move |change| {
        let object = change.object();
        if !matches!(change, Change::Deleted(_))
            && object.deleting() == protected(&**object, finalizer)
        {
            q.add(object.key());
        }
    });
    let cache = informer.cache();
    setup.follow(informer);
    Ok((cache, queue))
}

fn protected(object: &impl Meta, finalizer: &str) -> bool {
    object
        .meta()
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == finalizer)
}

/// Takes the finalizer from what goes and is not used; puts it on what stays and lacks it.
async fn settle<T>(api: &Api<T>, object: &T, finalizer: &str, used: bool) -> Result<Outcome, Status>
where
    T: Metadata<Ty = ObjectMeta> + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let mut next = object.clone();
    let finalizers = next.metadata_mut().finalizers.get_or_insert_default();
    match (object.deleting(), protected(object, finalizer)) {
        (true, true) if !used => finalizers.retain(|f| f != finalizer),
        (false, false) => finalizers.push(finalizer.to_owned()),
        _ => return Ok(Outcome::Done),
    }
    let namespace = Some(object.namespace()).filter(|n| !n.is_empty());
    match api.update(namespace, object.name(), &next).await {
        Err(status) if !status.is(Reason::NotFound) => Err(status),
        _ => Ok(Outcome::Done),
    }
}

fn volumes_of(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|s| s.volumes.iter().flatten())
}

/// The claim of a volume: named, or made for the pod.
fn claim_of(pod: &Pod, volume: &Volume) -> Option<String> {
    match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(source), _) => Some(source.claim_name.clone()),
        (None, Some(_)) => Some(format!("{}-{}", pod.name(), volume.name)),
        (None, None) => None,
    }
}

/// Whether a pod on a node holds a claim.
// upstream: pvc_protection_controller.go#podUsesPVC
fn uses(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    if crate::pod::node(pod).is_empty() {
        return false;
    }
    let shut_down = pod.deleting() && pod.metadata.deletion_grace_period_seconds == Some(0);
    volumes_of(pod).any(|volume| {
        let own = volume.persistent_volume_claim.is_none();
        claim_of(pod, volume).is_some_and(|name| name == claim.name())
            && (!own || (!shut_down && claim.controlled_by(pod.uid())))
    })
}
