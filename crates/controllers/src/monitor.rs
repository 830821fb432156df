//! The metadata of every stored object, followed resource by resource.
// upstream: pkg/controller/garbagecollector/graph_builder.go#controllerFor

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use informer::Backoff;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::Status;
use parking_lot::Mutex;
use registry::{
    ListOptions, Registry, RequestContext, Resource, ResourceVersionMatch, Served, Target, Verb,
    WatchEvent,
};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The metadata of one object and which resource it is of.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) resource: Arc<Resource>,
    pub(crate) meta: ObjectMeta,
}

/// What happened to an object.
pub(crate) enum Notice {
    /// It is new, or changed.
    Put(Seen),
    /// It is gone.
    Gone(Seen),
    /// After a break, all that there is has been told of.
    Resynced,
}

pub(crate) type Handler = Arc<dyn Fn(&Notice) + Send + Sync>;

/// The resources that are stored and can be deleted one by one, custom ones included: each stored form once, of several
/// versions the one that is stored.
pub(crate) fn resources(registry: &Registry) -> Vec<Arc<Resource>> {
    let all = registry.resources();
    let mut prefixes = HashSet::new();
    let stored =
        |r: &&Arc<Resource>| r.custom.is_none() || r.api_version() == r.storage_api_version;
    all.iter()
        .filter(stored)
        .chain(all.iter())
        .filter(|r| {
            r.served == Served::Registry
                && [Verb::List, Verb::Watch, Verb::Delete]
                    .iter()
                    .all(|v| r.verbs.contains(v))
        })
        .filter(|r| prefixes.insert(r.prefix.clone()))
        .cloned()
        .collect()
}

/// Follows one resource.
pub(crate) struct Monitor {
    registry: Registry,
    resource: Arc<Resource>,
    handler: Handler,
    synced: watch::Sender<bool>,
    /// Of a custom resource: the prefixes that are followed.
    followed: Option<Followed>,
}

type Followed = Arc<Mutex<HashSet<String>>>;

#[derive(Deserialize)]
struct Partial {
    metadata: ObjectMeta,
}

impl Monitor {
    pub(crate) fn new(registry: Registry, resource: Arc<Resource>, handler: Handler) -> Self {
        Self {
            registry,
            resource,
            handler,
            synced: watch::Sender::new(false),
            followed: None,
        }
    }

    /// Turns true once everything that there was has been told of.
    pub(crate) fn synced(&self) -> watch::Receiver<bool> {
        self.synced.subscribe()
    }

    /// Follows until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let mut failures = 0;
        let mut known: HashMap<String, Seen> = HashMap::new();
        loop {
            let Some(resource) = self.row() else {
                // Its definition is gone, and with it the instances.
                for (_, seen) in known.drain() {
                    (self.handler)(&Notice::Gone(seen));
                }
                return;
            };
            let followed = tokio::select! {
                () = stop.cancelled() => return,
                followed = self.follow(&resource, &mut known) => followed,
            };
            if let Err(status) = followed {
                let resource = &self.resource.plural;
                tracing::debug!(resource, %status, "the watch ended; it is begun anew");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.pause(failures)) => {}
            }
            failures = failures.saturating_add(1).min(8);
        }
    }

    /// The row as it is now. `None` when a custom resource is no more: it is then not followed any longer.
    fn row(&self) -> Option<Arc<Resource>> {
        let Some(followed) = &self.followed else {
            return Some(Arc::clone(&self.resource));
        };
        let mut followed = followed.lock();
        let now = resources(&self.registry)
            .into_iter()
            .find(|r| r.prefix == self.resource.prefix);
        if now.is_none() {
            followed.remove(&self.resource.prefix);
        }
        now
    }

    async fn follow(
        &self,
        resource: &Arc<Resource>,
        known: &mut HashMap<String, Seen>,
    ) -> Result<(), Status> {
        let options = ListOptions {
            watch: true,
            allow_watch_bookmarks: true,
            send_initial_events: Some(true),
            resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
            ..ListOptions::default()
        };
        let target = Target::collection(resource, None);
        let mut changes = self
            .registry
            .watch(&RequestContext::system(), &target, &options)
            .await?;
        let mut before = Some(std::mem::take(known));
        let again = before.as_ref().is_some_and(|b| !b.is_empty());
        while let Some(event) = changes.next().await {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let seen = parse(resource, object.json())?;
                    let uid = seen.meta.uid.clone().unwrap_or_default();
                    if let Some(before) = &mut before {
                        before.remove(&uid);
                    }
                    known.insert(uid, seen.clone());
                    (self.handler)(&Notice::Put(seen));
                }
                WatchEvent::Deleted(object) => {
                    let seen = parse(resource, object.json())?;
                    known.remove(seen.meta.uid.as_deref().unwrap_or_default());
                    (self.handler)(&Notice::Gone(seen));
                }
                WatchEvent::Bookmark {
                    initial_events_end: true,
                    ..
                } => {
                    for seen in before.take().into_iter().flat_map(HashMap::into_values) {
                        (self.handler)(&Notice::Gone(seen));
                    }
                    if again {
                        (self.handler)(&Notice::Resynced);
                    }
                    self.synced.send_replace(true);
                }
                WatchEvent::Bookmark { .. } => {}
                WatchEvent::Error(status) => {
                    // What was known and not told of again is still to be compared.
                    known.extend(before.take().into_iter().flatten());
                    return Err(status);
                }
            }
        }
        known.extend(before.take().into_iter().flatten());
        Ok(())
    }
}

fn parse(resource: &Arc<Resource>, json: &[u8]) -> Result<Seen, Status> {
    let partial: Partial = serde_json::from_slice(json)
        .map_err(|e| Status::internal(format_args!("a stored object has no metadata: {e}")))?;
    Ok(Seen {
        resource: Arc::clone(resource),
        meta: partial.metadata,
    })
}

/// Follows custom resources: each from when its definition is served until it is gone.
pub(crate) async fn run_custom(registry: Registry, handler: Handler, stop: CancellationToken) {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    let followed = Followed::default();
    let mut running = JoinSet::new();
    let mut failures = 0;
    loop {
        let changes = async {
            let definitions = registry
                .target(
                    "apiextensions.k8s.io",
                    "v1",
                    "customresourcedefinitions",
                    None,
                    "",
                )
                .ok_or_else(Status::unknown_resource)?;
            let options = ListOptions {
                watch: true,
                ..ListOptions::default()
            };
            registry
                .watch(&RequestContext::system(), &definitions, &options)
                .await
        };
        let mut changes = match changes.await {
            Ok(changes) => Some(changes),
            Err(status) => {
                tracing::debug!(%status, "definitions can't be followed");
                None
            }
        };
        loop {
            {
                let mut prefixes = followed.lock();
                for resource in resources(&registry) {
                    if resource.custom.is_some() && prefixes.insert(resource.prefix.clone()) {
                        let mut monitor =
                            Monitor::new(registry.clone(), resource, Arc::clone(&handler));
                        monitor.followed = Some(Arc::clone(&followed));
                        running.spawn(monitor.run(stop.clone()));
                    }
                }
            }
            let Some(open) = &mut changes else { break };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = running.join_next(), if !running.is_empty() => {}
                event = open.next() => match event {
                    Some(WatchEvent::Error(_)) | None => break,
                    Some(_) => failures = 0,
                },
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff.pause(failures)) => {}
        }
        failures = failures.saturating_add(1).min(8);
    }
}
