//! A cache that follows the store, and tells who wants to know of each change.
// upstream: k8s.io/client-go/tools/cache/{reflector,shared_informer}.go

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::Status;
use registry::api::Api;
use registry::{ListOptions, Object, Registry, UserInfo, WatchEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cache::IndexBy;
use crate::{Backoff, Cache, Key};

/// A change of one object.
#[derive(Debug)]
pub enum Change<T> {
    /// It is new.
    Added(Arc<T>),
    /// It changed.
    Updated {
        /// What it was.
        old: Arc<T>,
        /// What it is.
        new: Arc<T>,
    },
    /// It is gone; its last state.
    Deleted(Arc<T>),
}

impl<T> Change<T> {
    /// The object after the change, or its last state.
    pub fn object(&self) -> &Arc<T> {
        match self {
            Self::Added(object) | Self::Deleted(object) => object,
            Self::Updated { new, .. } => new,
        }
    }
}

type Handler<T> = Box<dyn Fn(&Change<T>) + Send + Sync>;

/// Follows one resource. Made, given indices and handlers, and then run; the cache is shared.
pub struct Informer<T> {
    api: Api<T>,
    cache: Arc<Cache<T>>,
    handlers: Vec<Handler<T>>,
    synced: watch::Sender<bool>,
}

impl<T> Informer<T>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Of a built-in resource.
    ///
    /// # Errors
    /// When the registry has no such resource.
    pub fn new(
        registry: &Registry,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Result<Self, Status> {
        Ok(Self {
            api: registry.api(group, version, plural, UserInfo::system())?,
            cache: Arc::new(Cache::new(Vec::new())),
            handlers: Vec::new(),
            synced: watch::Sender::new(false),
        })
    }

    /// Also finds objects by the values that `by` gives for them. Before [`Informer::cache`] is taken.
    #[must_use]
    pub fn index(
        mut self,
        name: &'static str,
        by: impl Fn(&T) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        // The cache is this informer's alone until somebody takes it.
        let mut all: Vec<(&'static str, IndexBy<T>)> = Arc::try_unwrap(self.cache)
            .map(Cache::into_indices)
            .unwrap_or_default();
        all.push((name, Box::new(by)));
        self.cache = Arc::new(Cache::new(all));
        self
    }

    /// Calls `handler` with every change, in order, the initial objects included. It must be quick:
    /// it puts keys into queues.
    pub fn on_change(&mut self, handler: impl Fn(&Change<T>) + Send + Sync + 'static) {
        self.handlers.push(Box::new(handler));
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> Arc<Cache<T>> {
        Arc::clone(&self.cache)
    }

    /// Turns true once the cache has everything that there was.
    #[must_use]
    pub fn synced(&self) -> watch::Receiver<bool> {
        self.synced.subscribe()
    }

    /// Follows the resource until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let mut failures = 0;
        loop {
            let followed = tokio::select! {
                () = stop.cancelled() => return,
                followed = self.follow() => followed,
            };
            // A watch ends when its history is gone or it was too slow: begin anew.
            if let Err(status) = followed {
                let resource = &self.api.resource().plural;
                tracing::debug!(resource, %status, "the watch ended; it is begun anew");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.pause(failures)) => {}
            }
            failures = failures.saturating_add(1).min(8);
        }
    }

    async fn follow(&self) -> Result<(), Status> {
        let options = ListOptions {
            watch: true,
            allow_watch_bookmarks: true,
            send_initial_events: Some(true),
            resource_version_match: Some(registry::ResourceVersionMatch::NotOlderThan),
            ..ListOptions::default()
        };
        let mut changes = self.api.watch_objects(None, &options).await?;
        let mut initial: Option<HashSet<Key>> = Some(HashSet::new());
        while let Some(event) = changes.next().await {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let key = self.put(object, initial.is_none())?;
                    if let Some(seen) = &mut initial {
                        seen.insert(key);
                    }
                }
                WatchEvent::Deleted(object) => self.delete(&object, initial.is_none())?,
                WatchEvent::Bookmark {
                    initial_events_end: false,
                    resource_version,
                    ..
                } => self.cache.has_seen(resource_version),
                WatchEvent::Bookmark {
                    resource_version, ..
                } => {
                    // What went while nobody watched.
                    let seen = initial.take().unwrap_or_default();
                    let keys = self.cache.keys().into_iter();
                    let gone: Vec<_> = keys
                        .filter(|key| !seen.contains(key))
                        .filter_map(|key| self.cache.remove(&key))
                        .collect();
                    self.cache.has_seen(resource_version);
                    for old in gone {
                        self.tell(&Change::Deleted(old));
                    }
                    self.synced.send_replace(true);
                }
                WatchEvent::Error(status) => return Err(status),
            }
        }
        Ok(())
    }

    fn put(&self, object: Object, live: bool) -> Result<Key, Status> {
        let (new, old) = self.cache.put(object)?;
        // The initial objects come by name: only their end says how far they go.
        if live {
            self.cache.has_seen(revision(&*new));
        }
        let key = Key::of(new.metadata());
        let change = match old {
            None => Change::Added(new),
            Some(old) if old.metadata().resource_version == new.metadata().resource_version => {
                return Ok(key);
            }
            Some(old) if old.metadata().uid != new.metadata().uid => {
                // Made anew under the same name while nobody watched.
                self.tell(&Change::Deleted(old));
                Change::Added(new)
            }
            Some(old) => Change::Updated { old, new },
        };
        self.tell(&change);
        Ok(key)
    }

    fn delete(&self, object: &Object, live: bool) -> Result<(), Status> {
        let object: Arc<T> = Arc::new(object.typed()?);
        self.cache.remove(&Key::of(object.metadata()));
        if live {
            self.cache.has_seen(revision(&*object));
        }
        self.tell(&Change::Deleted(object));
        Ok(())
    }

    fn tell(&self, change: &Change<T>) {
        for handler in &self.handlers {
            handler(change);
        }
    }
}

/// An object's resourceVersion.
pub fn revision<T: Metadata<Ty = ObjectMeta>>(object: &T) -> u64 {
    let version = object.metadata().resource_version.as_deref();
    version.and_then(|v| v.parse().ok()).unwrap_or(0)
}
