//! Adoption of objects that match an owner's selector and have no controller, release of those that ceased to match.
// upstream: pkg/controller/controller_ref_manager.go#BaseControllerRefManager.ClaimObject

use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::labels::Selector;
use machinery::{Reason, Status};
use registry::{Api, Patch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::meta::{Meta, controller_ref};

/// The objects among `objects` that are `owner`'s, after adopting and releasing.
pub(crate) async fn claim<T, O>(
    api: &Api<T>,
    owners: &Api<O>,
    owner: &O,
    selector: &Selector,
    objects: Vec<Arc<T>>,
) -> Result<Vec<Arc<T>>, Status>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync,
    O: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync,
{
    let mut claimed = Vec::with_capacity(objects.len());
    let mut may_adopt: Option<Result<(), Status>> = None;
    let mut failed = None;
    for object in objects {
        match object.controller() {
            Some(controller) if controller.uid != owner.uid() => {}
            Some(_) if object.matches(selector) => claimed.push(object),
            Some(_) => {
                if !owner.deleting()
                    && let Err(status) = release(api, &*object, owner.uid()).await
                {
                    failed = Some(status);
                }
            }
            None if owner.deleting() || object.deleting() || !object.matches(selector) => {}
            None => {
                if may_adopt.is_none() {
                    may_adopt = Some(can_adopt(owners, owner).await);
                }
                match &may_adopt {
                    Some(Err(status)) => failed = Some(status.clone()),
                    _ => match adopt(api, &*object, owner).await {
                        Ok(Some(adopted)) => claimed.push(Arc::new(adopted)),
                        Ok(None) => {}
                        Err(status) => failed = Some(status),
                    },
                }
            }
        }
    }
    failed.map_or(Ok(claimed), Err)
}

/// Whether the owner, read from the store, is still the same and stays.
// upstream: controller_ref_manager.go#RecheckDeletionTimestamp
async fn can_adopt<O>(owners: &Api<O>, owner: &O) -> Result<(), Status>
where
    O: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned,
{
    let fresh: O = owners.get(Some(owner.namespace()), owner.name()).await?;
    if fresh.uid() != owner.uid() || fresh.deleting() {
        return Err(Status::internal(format_args!(
            "{} {} is gone or has just been deleted",
            O::KIND,
            owner.key()
        )));
    }
    Ok(())
}

async fn adopt<T, O>(api: &Api<T>, object: &T, owner: &O) -> Result<Option<T>, Status>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned,
    O: Metadata<Ty = ObjectMeta>,
{
    let patch =
        json!({"metadata": {"uid": object.uid(), "ownerReferences": [controller_ref(owner)]}});
    gone_is_none(
        api.patch(
            Some(object.namespace()),
            object.name(),
            "",
            Patch::Strategic(patch),
        )
        .await,
    )
}

async fn release<T>(api: &Api<T>, object: &T, owner: &str) -> Result<(), Status>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned,
{
    let patch = json!({"metadata": {"uid": object.uid(),
        "ownerReferences": [{"$patch": "delete", "uid": owner}]}});
    gone_is_none(
        api.patch(
            Some(object.namespace()),
            object.name(),
            "",
            Patch::Strategic(patch),
        )
        .await,
    )
    .map(drop)
}

/// An object that is gone, or another of the same name, is nobody's concern.
fn gone_is_none<T>(result: Result<T, Status>) -> Result<Option<T>, Status> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(s) if s.is(Reason::NotFound) || s.is(Reason::Invalid) || uid_conflict(&s) => Ok(None),
        Err(status) => Err(status),
    }
}

fn uid_conflict(status: &Status) -> bool {
    status.is(Reason::Conflict) && status.message.contains("UID in precondition")
}
