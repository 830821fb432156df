//! Listing a collection.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go#GetList

use std::sync::Arc;

use machinery::continue_token::ContinueToken;
use machinery::{ResourceVersion, Status};
use store::{AtError, Entry, Revision, Snapshot};

use crate::context::RequestContext;
use crate::index;
use crate::object::ObjectList;
use crate::ops::get;
use crate::options::{ListOptions, ResourceVersionMatch};
use crate::registry::Registry;
use crate::selection::Filter;
use crate::stored::Stored;
use crate::target::Target;

pub(crate) async fn list(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &ListOptions,
) -> Result<ObjectList, Status> {
    get::warn(context, &target.resource);
    let resource = &target.resource;
    let filter = Filter::new(resource, options, &target.name)?;
    let token = options.continue_at()?;
    let prefix = match (&target.namespace, filter.namespace()) {
        (None, Some(ns)) if !ns.is_empty() => resource.range(Some(ns)),
        (namespace, _) => resource.range(namespace.as_deref()),
    };
    let base = resource.range(target.namespace.as_deref());
    let snapshot = snapshot(registry, options, token.as_ref(), &base).await?;
    let version = snapshot.revision();
    let after = token
        .as_ref()
        .map(|t| format!("{base}{}", t.start.strip_suffix('\0').unwrap_or(&t.start)));
    let limit = usize::try_from(options.limit).ok().filter(|l| *l > 0);

    let mut list = ObjectList {
        items: Vec::new(),
        resource_version: version.0,
        continue_token: String::new(),
        remaining_item_count: None,
    };
    // One name can be at one key only.
    let single = (
        resource.namespaced,
        target.namespace.as_deref().or(filter.namespace()),
        filter.name(),
    );
    let key = match single {
        (true, Some(ns), Some(name)) => Some(resource.key(Some(ns), name)),
        (false, _, Some(name)) => Some(resource.key(None, name)),
        _ => None,
    };
    if let Some(key) = key {
        let past = after.as_ref().is_some_and(|after| *after >= key);
        if let Some(entry) = snapshot
            .get(&key)
            .filter(|e| !past && key.starts_with(&base) && filter.matches(&e.key, &e.value))
        {
            list.items
                .push(registry.present(resource, Arc::clone(&entry.value)).await?);
        }
        return Ok(list);
    }
    // The index knows the newest state only; pages after the first are of an older one.
    let value = index::position(resource).and_then(|at| filter.field(at));
    let latest = token.is_none() && !exact(options);
    let candidates = match value.filter(|_| latest) {
        Some(value) => {
            let (newest, keys) =
                registry
                    .inner
                    .by_node
                    .candidates(registry.store(), resource, value);
            list.resource_version = newest.revision().0;
            Some((newest, keys))
        }
        None => None,
    };
    let version = Revision(list.resource_version);
    let entries: Box<dyn Iterator<Item = &Entry<Stored>> + Send> = match &candidates {
        Some((newest, keys)) => Box::new(
            keys.iter()
                .filter(|key| key.starts_with(&prefix))
                .filter_map(|key| newest.get(key)),
        ),
        None => Box::new(snapshot.range(&prefix, after.as_deref())),
    };
    let mut last = String::new();
    let mut records = Vec::new();
    for entry in entries {
        if !filter.matches(&entry.key, &entry.value) {
            continue;
        }
        if limit.is_some_and(|limit| records.len() >= limit) {
            let start = last.strip_prefix(base.as_str()).unwrap_or(&last);
            list.continue_token =
                ContinueToken::after(start, Some(ResourceVersion(version.0))).encode();
            if filter.is_empty() {
                let rest = snapshot.range(&prefix, Some(last.as_str())).count();
                list.remaining_item_count = i64::try_from(rest).ok();
            }
            break;
        }
        last.clear();
        last.push_str(&entry.key);
        records.push(Arc::clone(&entry.value));
    }
    list.items = registry.present_all(resource, records).await?;
    Ok(list)
}

/// The state that a list shows.
async fn snapshot(
    registry: &Registry,
    options: &ListOptions,
    token: Option<&ContinueToken>,
    base: &str,
) -> Result<Snapshot<Stored>, Status> {
    let store = registry.store();
    if let Some(token) = token {
        return match token.revision {
            None => Ok(store.snapshot()),
            Some(version) => store
                .snapshot_at(Revision(version.0))
                .map_err(|error| match error {
                    AtError::Compacted(_) => expired_continue(token, base),
                    AtError::Future(future) => {
                        Status::too_large_resource_version(version.0, future.current.0, 1)
                    }
                }),
        };
    }
    let wanted = ResourceVersion::parse(&options.resource_version).map_err(|e| {
        let text = get::invalid_version(&options.resource_version, &e.to_string());
        Status::bad_request(format!("invalid resource version: {text}"))
    })?;
    get::wait_revision(registry, Revision(wanted.0)).await?;
    if !exact(options) {
        return Ok(store.snapshot());
    }
    store
        .snapshot_at(Revision(wanted.0))
        .map_err(|error| match error {
            AtError::Compacted(_) => {
                Status::expired("The resourceVersion for the provided list is too old.")
            }
            AtError::Future(future) => {
                Status::too_large_resource_version(wanted.0, future.current.0, 1)
            }
        })
}

/// Whether a list shows exactly the revision that it names.
fn exact(options: &ListOptions) -> bool {
    let zero = matches!(options.resource_version.as_str(), "" | "0");
    match options.resource_version_match {
        Some(matching) => matching == ResourceVersionMatch::Exact && !zero,
        // Without a match, a limited list at a revision is at exactly that revision.
        None => options.limit > 0 && !zero,
    }
}

/// 410 with a token that goes on at the latest revision.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/storage/etcd3/errors.go#handleCompactedErrorForPaging
fn expired_continue(token: &ContinueToken, _base: &str) -> Status {
    let fresh = ContinueToken {
        revision: None,
        start: token.start.clone(),
    };
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
    )
    .with_continue(fresh.encode())
}
