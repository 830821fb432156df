//! Deleting what a list holds.
//!
//! upstream: store.go#Store.DeleteCollection

use machinery::{ObjectExt, Reason, Status};

use crate::context::RequestContext;
use crate::object::ObjectList;
use crate::ops::{delete, list};
use crate::options::{DeleteOptions, ListOptions};
use crate::registry::Registry;
use crate::target::Target;

pub(crate) async fn delete_collection(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &DeleteOptions,
    select: &ListOptions,
) -> Result<ObjectList, Status> {
    let found = list::list(registry, context, target, select).await?;
    for object in &found.items {
        let object = object.value();
        let one = Target::object(&target.resource, Some(object.namespace()), object.name());
        match delete::delete(registry, context, &one, options).await {
            Ok(_) => {}
            // Gone already.
            Err(status) if status.is(Reason::NotFound) => {}
            Err(status) => return Err(status),
        }
    }
    Ok(found)
}
