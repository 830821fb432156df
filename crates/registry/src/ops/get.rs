//! Reading one object.

use std::sync::Arc;
use std::time::Duration;

use machinery::field::{Error, Path};
use machinery::{ResourceVersion, Status};
use store::{Revision, WaitError};

use crate::context::RequestContext;
use crate::object::Object;
use crate::ops::{commit, subresource};
use crate::options::GetOptions;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::stored::Stored;
use crate::target::Target;

/// How long a read waits for a revision that isn't there yet.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/storage/cacher/watch_cache.go#blockTimeout
const FRESHNESS: Duration = Duration::from_secs(3);

pub(crate) async fn get(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &GetOptions,
) -> Result<Object, Status> {
    warn(context, &target.resource);
    wait_fresh(registry, &options.resource_version).await?;
    match target.subresource.as_str() {
        "" | "status" | "ephemeralcontainers" | "resize" | "approval" => {}
        "scale" => return subresource::scale::get(registry, target).await,
        _ => return Err(Status::unknown_resource()),
    }
    let key = target
        .resource
        .key(target.namespace.as_deref(), &target.name);
    let entry = commit::read(registry, &key)
        .ok_or_else(|| Status::not_found(&target.resource.group_resource(), &target.name))?;
    registry.present(&target.resource, entry.value).await
}

/// A stored record in the version of a row.
pub(crate) fn present(resource: &Resource, stored: Arc<Stored>) -> Object {
    match resource.conversion {
        None => Object::of_stored(stored),
        Some(conversion) => {
            let mut object = stored.value();
            conversion.to_served(&mut object);
            Object::of_value(&object)
        }
    }
}

/// The deprecation warning of a row.
pub(crate) fn warn(context: &RequestContext, resource: &Resource) {
    if let Some(text) = &resource.warning {
        context.warn(text.as_ref());
    }
}

/// Parses a resourceVersion and waits until the store has reached it.
pub(crate) async fn wait_fresh(registry: &Registry, version: &str) -> Result<(), Status> {
    let wanted = ResourceVersion::parse(version).map_err(|e| {
        Status::bad_request(format!(
            "invalid resource version: {}",
            invalid_version(version, &e.to_string())
        ))
    })?;
    wait_revision(registry, Revision(wanted.0)).await
}

pub(crate) fn invalid_version(version: &str, why: &str) -> String {
    Error::invalid(&Path::new("resourceVersion"), version, why).to_string()
}

pub(crate) async fn wait_revision(registry: &Registry, wanted: Revision) -> Result<(), Status> {
    if wanted <= registry.store().revision() {
        return Ok(());
    }
    match registry.store().wait_for(wanted, FRESHNESS).await {
        Ok(_) => Ok(()),
        Err(WaitError::Timeout { current, .. }) => {
            Err(Status::too_large_resource_version(wanted.0, current.0, 1))
        }
        Err(WaitError::Closed) => Err(Status::internal("the store is closed")),
    }
}
