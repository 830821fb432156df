//! Watching a collection.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/storage/cacher/{cacher,cache_watcher}.go

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use machinery::{ResourceVersion, Status};
use serde_json::json;
use store::{AtError, Entry, Event, EventKind, Revision, WatchError, WatchItem};
use tokio::time::Instant;

use crate::context::RequestContext;
use crate::index;
use crate::object::Object;
use crate::ops::get;
use crate::options::ListOptions;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::selection::Filter;
use crate::stored::Stored;
use crate::target::Target;
use crate::watch::{Watch, WatchEvent};

/// How often a watch at rest gets a bookmark.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/storage/cacher/cacher.go#defaultBookmarkFrequency
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How long before its timeout a watch gets its last bookmark.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

pub(crate) async fn watch(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &ListOptions,
) -> Result<Watch, Status> {
    get::warn(context, &target.resource);
    let resource = &target.resource;
    let filter = Filter::new(resource, options, &target.name)?;
    let wanted = ResourceVersion::parse(&options.resource_version).map_err(|e| {
        Status::failure(
            500,
            machinery::Reason::Unknown,
            get::invalid_version(&options.resource_version, &e.to_string()),
        )
    })?;
    let store = registry.store();
    let initial_events = options.send_initial_events.unwrap_or(false);
    // Unset and 0 begin with the state as it is, as synthetic ADDED events, unless that is declined.
    let with_state =
        initial_events || (wanted.0 == 0 && options.send_initial_events != Some(false));
    if wanted.0 > 0 && (initial_events || wanted.0 > store.revision().0) {
        get::wait_revision(registry, Revision(wanted.0)).await?;
    }
    let prefix = match (target.namespace.as_deref(), filter.namespace()) {
        (None, Some(ns)) if !ns.is_empty() => resource.range(Some(ns)),
        (namespace, _) => resource.range(namespace),
    };
    // One name can be at one key only.
    let key = match (
        target.namespace.as_deref().or(filter.namespace()),
        filter.name(),
    ) {
        (Some(ns), Some(name)) if resource.namespaced => Some(resource.key(Some(ns), name)),
        (_, Some(name)) if !resource.namespaced => Some(resource.key(None, name)),
        _ => None,
    };
    let mut initial = VecDeque::new();
    let from = if with_state {
        let value = index::position(resource).and_then(|at| filter.field(at));
        let (snapshot, candidates) = match value {
            Some(value) => {
                let (snapshot, keys) = registry.inner.by_node.candidates(store, resource, value);
                (snapshot, Some(keys))
            }
            None => (store.snapshot(), None),
        };
        let wanted = |e: &&Entry<Stored>| filter.matches(&e.key, &e.value);
        initial = match (&key, &candidates) {
            (Some(key), _) => snapshot
                .get(key)
                .filter(wanted)
                .into_iter()
                .cloned()
                .collect(),
            (None, Some(keys)) => keys
                .iter()
                .filter(|key| key.starts_with(&prefix))
                .filter_map(|key| snapshot.get(key))
                .filter(wanted)
                .cloned()
                .collect(),
            (None, None) => snapshot
                .range(&prefix, None)
                .filter(wanted)
                .cloned()
                .collect(),
        };
        snapshot.revision()
    } else if wanted.0 == 0 {
        store.revision()
    } else {
        Revision(wanted.0)
    };
    let opened = match &key {
        Some(key) => store.watch_key(key, from),
        None => store.watch(&prefix, from),
    };
    let mut failed = None;
    let live = match opened {
        Ok(live) => Some(live),
        Err(AtError::Compacted(compacted)) => {
            failed = Some(Status::too_old_resource_version(from.0, compacted.oldest.0));
            None
        }
        Err(AtError::Future(future)) => {
            return Err(Status::too_large_resource_version(
                from.0,
                future.current.0,
                1,
            ));
        }
    };
    let deadline = options
        .timeout_seconds
        .and_then(|s| u64::try_from(s).ok())
        .filter(|s| *s > 0)
        .map(|s| Instant::now() + Duration::from_secs(s));
    let bookmarks = options.allow_watch_bookmarks;
    let source = Source {
        resource: Arc::clone(resource),
        filter,
        initial,
        end_of_initial: (initial_events && bookmarks).then_some(from),
        live,
        failed,
        delivered: from,
        bookmarks,
        next_bookmark: Instant::now() + BOOKMARKS,
        last_bookmark: deadline.and_then(|d| d.checked_sub(LAST_BOOKMARK)),
        deadline,
        pending: None,
        definition: definition(registry, resource)?,
        registry: registry.clone(),
    };
    Ok(Watch { source })
}

/// Follows the definition of a custom resource, whose change may end the watch.
fn definition(
    registry: &Registry,
    resource: &Resource,
) -> Result<Option<store::Watch<Stored>>, Status> {
    let Some(custom) = &resource.custom else {
        return Ok(None);
    };
    let store = registry.store();
    let watch = store
        .watch_key(&custom.definition_key(), store.revision())
        .map_err(|_| Status::internal("the definition can't be followed"))?;
    Ok(Some(watch))
}

/// Whether a custom resource is still served by the same schema.
///
/// upstream: customresource_handler.go#updateCustomResourceDefinition: a changed definition's storage is torn down, and
/// with it its watches
fn is_same(registry: &Registry, resource: &Resource) -> bool {
    let now = registry.find(&resource.group, &resource.version, &resource.plural);
    let id = |r: &Resource| r.custom.as_ref().map(crate::custom::Custom::shape_id);
    now.is_some_and(|now| id(&now) == id(resource))
}

/// What happened to an object.
#[derive(Clone, Copy)]
enum Change {
    Added,
    Modified,
    Deleted,
}

impl Change {
    fn event(self, object: Object) -> WatchEvent {
        match self {
            Self::Added => WatchEvent::Added(object),
            Self::Modified => WatchEvent::Modified(object),
            Self::Deleted => WatchEvent::Deleted(object),
        }
    }
}

/// The state of an open watch.
pub(crate) struct Source {
    registry: Registry,
    /// The definition of a custom resource.
    definition: Option<store::Watch<Stored>>,
    /// What is to be delivered once it is converted.
    pending: Option<(Change, Arc<Stored>)>,
    resource: Arc<Resource>,
    filter: Filter,
    initial: VecDeque<Entry<Stored>>,
    end_of_initial: Option<Revision>,
    live: Option<store::Watch<Stored>>,
    failed: Option<Status>,
    delivered: Revision,
    bookmarks: bool,
    next_bookmark: Instant,
    last_bookmark: Option<Instant>,
    deadline: Option<Instant>,
}

impl Source {
    pub(crate) async fn next(&mut self) -> Option<WatchEvent> {
        if let Some(status) = self.failed.take() {
            self.live = None;
            return Some(WatchEvent::Error(status));
        }
        if self.pending.is_none()
            && let Some(entry) = self.initial.pop_front()
        {
            self.pending = Some((Change::Added, entry.value));
        }
        if self.pending.is_some() {
            return self.deliver().await;
        }
        if let Some(revision) = self.end_of_initial.take() {
            return Some(self.bookmark(revision, true));
        }
        loop {
            let (bookmark_at, far) = (
                self.bookmark_at(),
                Instant::now() + Duration::from_secs(86_400),
            );
            let deadline = self.deadline.unwrap_or(far);
            let live = self.live.as_mut()?;
            tokio::select! {
                biased;
                item = live.next() => match item {
                    Ok(WatchItem::Event(event)) => {
                        self.delivered = event.revision;
                        self.pending = self.translate(&event);
                        if self.pending.is_some() {
                            return self.deliver().await;
                        }
                    }
                    Ok(WatchItem::Progress(revision)) => self.delivered = revision,
                    Err(error) => {
                        self.live = None;
                        return ended(error);
                    }
                },
                changed = followed(&mut self.definition) => {
                    if changed.is_err() || !is_same(&self.registry, &self.resource) {
                        self.live = None;
                        return None;
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    self.live = None;
                    return None;
                }
                () = tokio::time::sleep_until(bookmark_at.unwrap_or(far)), if bookmark_at.is_some() => {
                    let progress = live.progress();
                    self.next_bookmark = Instant::now() + BOOKMARKS;
                    if self.last_bookmark.is_some_and(|at| at <= Instant::now()) {
                        self.last_bookmark = None;
                    }
                    if let Some(revision) = progress {
                        self.delivered = revision;
                    }
                    return Some(self.bookmark(self.delivered, false));
                }
            }
        }
    }

    /// Delivers what is pending. When this is dropped while a webhook converts, the next call does it again.
    async fn deliver(&mut self) -> Option<WatchEvent> {
        let (change, stored) = self.pending.clone()?;
        let presented = self.registry.present(&self.resource, stored).await;
        self.pending = None;
        match presented {
            Ok(object) => Some(change.event(object)),
            Err(status) => {
                self.live = None;
                self.initial.clear();
                self.end_of_initial = None;
                Some(WatchEvent::Error(status))
            }
        }
    }

    fn bookmark_at(&self) -> Option<Instant> {
        let last = self.last_bookmark.unwrap_or(self.next_bookmark);
        self.bookmarks.then(|| self.next_bookmark.min(last))
    }

    /// What a change of the store means to this watch: selectors apply to the object before and after it.
    fn translate(&self, event: &Event<Stored>) -> Option<(Change, Arc<Stored>)> {
        let matches = |stored: &Stored| self.filter.matches(&event.key, stored);
        let before = event.previous.as_ref().filter(|p| matches(p));
        if event.kind == EventKind::Deleted {
            return before.map(|_| (Change::Deleted, Arc::clone(&event.value)));
        }
        match (before, matches(&event.value)) {
            (Some(_), true) => Some((Change::Modified, Arc::clone(&event.value))),
            (None, true) => Some((Change::Added, Arc::clone(&event.value))),
            // It left the selection: as it was, with the revision at which it left.
            (Some(previous), false) => {
                Some((Change::Deleted, Arc::new(previous.at(event.revision))))
            }
            (None, false) => None,
        }
    }

    fn bookmark(&self, revision: Revision, initial_events_end: bool) -> WatchEvent {
        let mut metadata = json!({"resourceVersion": revision.0.to_string()});
        if initial_events_end {
            metadata = json!({"resourceVersion": revision.0.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}});
        }
        let object = json!({"kind": self.resource.kind, "apiVersion": self.resource.api_version(), "metadata": metadata});
        WatchEvent::Bookmark {
            object: Object::of_value(&object),
            resource_version: revision.0,
            initial_events_end,
        }
    }
}

/// The next change of a definition; never, of what has none.
async fn followed(definition: &mut Option<store::Watch<Stored>>) -> Result<(), WatchError> {
    match definition {
        Some(watch) => loop {
            if let WatchItem::Event(_) = watch.next().await? {
                return Ok(());
            }
        },
        None => std::future::pending().await,
    }
}

fn ended(error: WatchError) -> Option<WatchEvent> {
    match error {
        // A slow consumer is cut off; it resumes from the last version that it has.
        WatchError::Lagged | WatchError::Closed => None,
    }
}
