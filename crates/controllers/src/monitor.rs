//! The metadata of every stored object, followed resource by resource.
// upstream: pkg/controller/garbagecollector/graph_builder.go#controllerFor

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use informer::Backoff;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::Status;
use registry::{
    ListOptions, Registry, RequestContext, Resource, ResourceVersionMatch, Served, Target, Verb,
    WatchEvent,
};
use serde::Deserialize;
use tokio::sync::watch;
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

type Handler = Arc<dyn Fn(&Notice) + Send + Sync>;

/// The resources that are stored and can be deleted one by one: each stored form once.
pub(crate) fn resources(registry: &Registry) -> Vec<Arc<Resource>> {
    let mut prefixes = std::collections::HashSet::new();
    registry
        .table()
        .iter()
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
}

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
            let followed = tokio::select! {
                () = stop.cancelled() => return,
                followed = self.follow(&mut known) => followed,
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

    async fn follow(&self, known: &mut HashMap<String, Seen>) -> Result<(), Status> {
        let options = ListOptions {
            watch: true,
            allow_watch_bookmarks: true,
            send_initial_events: Some(true),
            resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
            ..ListOptions::default()
        };
        let target = Target::collection(&self.resource, None);
        let mut changes = self
            .registry
            .watch(&RequestContext::system(), &target, &options)
            .await?;
        let mut before = Some(std::mem::take(known));
        let again = before.as_ref().is_some_and(|b| !b.is_empty());
        while let Some(event) = changes.next().await {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let seen = self.parse(object.json())?;
                    let uid = seen.meta.uid.clone().unwrap_or_default();
                    if let Some(before) = &mut before {
                        before.remove(&uid);
                    }
                    known.insert(uid, seen.clone());
                    (self.handler)(&Notice::Put(seen));
                }
                WatchEvent::Deleted(object) => {
                    let seen = self.parse(object.json())?;
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

    fn parse(&self, json: &[u8]) -> Result<Seen, Status> {
        let partial: Partial = serde_json::from_slice(json)
            .map_err(|e| Status::internal(format_args!("a stored object has no metadata: {e}")))?;
        Ok(Seen {
            resource: Arc::clone(&self.resource),
            meta: partial.metadata,
        })
    }
}
