//! Deleting what a list holds.
//!
//! upstream: store.go#Store.DeleteCollection

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use machinery::{ObjectExt, Reason, Status};

use crate::context::RequestContext;
use crate::object::{Object, ObjectList};
use crate::ops::{delete, list};
use crate::options::{DeleteOptions, ListOptions};
use crate::registry::Registry;
use crate::target::Target;

/// Deletions at once: they share the commits of the log.
///
/// upstream: store.go#Store.DeleteCollectionWorkers (there 1 unless the server is told otherwise)
const WORKERS: usize = 16;

pub(crate) async fn delete_collection(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &DeleteOptions,
    select: &ListOptions,
) -> Result<ObjectList, Status> {
    let found = list::list(registry, context, target, select).await?;
    let mut deletions = FuturesUnordered::new();
    for object in &found.items {
        if deletions.len() == WORKERS {
            // The first error ends it; what has begun by then is not undone.
            deletions.next().await.transpose()?;
        }
        deletions.push(delete_one(registry, context, target, options, object));
    }
    while let Some(deleted) = deletions.next().await {
        deleted?;
    }
    drop(deletions);
    Ok(found)
}

/// Boxed: the compiler can't see that a stream of borrowing futures is `Send`.
fn delete_one<'a>(
    registry: &'a Registry,
    context: &'a RequestContext,
    target: &'a Target,
    options: &'a DeleteOptions,
    object: &'a Object,
) -> BoxFuture<'a, Result<(), Status>> {
    async move {
        let object = object.value();
        let one = Target::object(&target.resource, Some(object.namespace()), object.name());
        match delete::delete(registry, context, &one, options).await {
            // Gone already is as good.
            Err(status) if !status.is(Reason::NotFound) => Err(status),
            _ => Ok(()),
        }
    }
    .boxed()
}
