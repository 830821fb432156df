//! Keeps a cache equal to a resource's objects by a watch.

use std::time::Duration;

use machinery::Status;
use machinery::options::{ListOptions, ResourceVersionMatch};
use registry::{Object, Registry, RequestContext, Target, WatchEvent};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What happened to the objects.
pub(crate) enum Change {
    /// These are all.
    Replace(Vec<Object>),
    /// A new or changed object.
    Put(Object),
    /// An object is gone; its last state.
    Delete(Object),
}

/// Applies all changes of a resource until `stop`. Returns when the first `Replace` was applied. A watch that
/// is cut off is opened anew and what was missed is made good by another `Replace`.
pub(crate) async fn follow(
    registry: &Registry,
    (group, version, plural): (&'static str, &'static str, &'static str),
    stop: &CancellationToken,
    mut apply: impl FnMut(Change) + Send + 'static,
) -> Result<(), Status> {
    let row = registry
        .table()
        .find(group, version, plural)
        .ok_or_else(Status::unknown_resource)?;
    let target = Target::collection(row, None);
    let (registry, stop) = (registry.clone(), stop.clone());
    let (loaded, when_loaded) = oneshot::channel();
    tokio::spawn(async move {
        let mut loaded = Some(loaded);
        let mut pause = Duration::from_millis(10);
        loop {
            let followed = tokio::select! {
                () = stop.cancelled() => return,
                followed = once(&registry, &target, &mut apply, &mut loaded) => followed,
            };
            if let Err(status) = followed {
                tracing::debug!(plural, %status, "following again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = if loaded.is_none() {
                Duration::from_millis(10)
            } else {
                (pause * 2).min(Duration::from_secs(1))
            };
        }
    });
    when_loaded
        .await
        .map_err(|_| Status::internal(format_args!("following {plural} ended")))
}

async fn once(
    registry: &Registry,
    target: &Target,
    apply: &mut (impl FnMut(Change) + Send),
    loaded: &mut Option<oneshot::Sender<()>>,
) -> Result<(), Status> {
    let options = ListOptions {
        watch: true,
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        send_initial_events: Some(true),
        allow_watch_bookmarks: true,
        ..ListOptions::default()
    };
    let mut watch = registry
        .watch(&RequestContext::system(), target, &options)
        .await?;
    let mut initial = Some(Vec::new());
    while let Some(event) = watch.next().await {
        match (event, &mut initial) {
            (WatchEvent::Added(o) | WatchEvent::Modified(o), Some(all)) => all.push(o),
            (
                WatchEvent::Bookmark {
                    initial_events_end: true,
                    ..
                },
                _,
            ) => {
                if let Some(all) = initial.take() {
                    apply(Change::Replace(all));
                    if let Some(loaded) = loaded.take() {
                        let _ = loaded.send(());
                    }
                }
            }
            (WatchEvent::Added(o) | WatchEvent::Modified(o), None) => apply(Change::Put(o)),
            (WatchEvent::Deleted(o), None) => apply(Change::Delete(o)),
            (WatchEvent::Deleted(_), Some(_)) | (WatchEvent::Bookmark { .. }, _) => {}
            (WatchEvent::Error(status), _) => return Err(status),
        }
    }
    Ok(())
}
