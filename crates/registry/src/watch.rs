//! A stream of changes, as a client of the API sees it.

use bytes::{BufMut, Bytes, BytesMut};
use machinery::Status;

use crate::object::Object;

/// What a watch delivers.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// An object that is new to the watch (created, or it began to match the selectors).
    Added(Object),
    /// An object changed.
    Modified(Object),
    /// An object is gone (deleted, or it ceased to match): its last state, with the deletion's resourceVersion.
    Deleted(Object),
    /// Everything up to the object's resourceVersion was delivered. The object has only kind, apiVersion and metadata.
    Bookmark {
        /// The object to send.
        object: Object,
        /// That resourceVersion.
        resource_version: u64,
        /// The initial events end here.
        initial_events_end: bool,
    },
    /// The watch can't go on; the stream ends after this.
    Error(Status),
}

impl WatchEvent {
    /// The word in the event's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            WatchEvent::Added(_) => "ADDED",
            WatchEvent::Modified(_) => "MODIFIED",
            WatchEvent::Deleted(_) => "DELETED",
            WatchEvent::Bookmark { .. } => "BOOKMARK",
            WatchEvent::Error(_) => "ERROR",
        }
    }

    /// The object, for all but errors.
    pub fn object(&self) -> Option<&Object> {
        match self {
            WatchEvent::Added(o) | WatchEvent::Modified(o) | WatchEvent::Deleted(o) => Some(o),
            WatchEvent::Bookmark { object, .. } => Some(object),
            WatchEvent::Error(_) => None,
        }
    }

    /// `{"type":…,"object":…}` and a newline: one frame of a JSON watch.
    pub fn to_json_frame(&self) -> Bytes {
        let body = match self {
            WatchEvent::Error(status) => serde_json::to_vec(status)
                .map(Bytes::from)
                .unwrap_or_default(),
            _ => self.object().map(|o| o.json().clone()).unwrap_or_default(),
        };
        let mut out = BytesMut::with_capacity(body.len() + 32);
        out.put_slice(b"{\"type\":\"");
        out.put_slice(self.kind().as_bytes());
        out.put_slice(b"\",\"object\":");
        out.put_slice(&body);
        out.put_slice(b"}\n");
        out.freeze()
    }
}

/// An open watch. Dropping it closes it.
pub struct Watch {
    pub(crate) source: crate::ops::watch::Source,
}

impl Watch {
    /// The next event; `None` when the watch has ended (its timeout, or after an error). Cancel-safe.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.source.next().await
    }
}
