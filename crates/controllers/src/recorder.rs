//! Events about what controllers do.
// upstream: k8s.io/client-go/tools/record

use std::collections::HashMap;

use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use machinery::Status;
use registry::{Api, Patch, Registry};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::meta::{self, Meta};

/// How many events may wait; more are dropped.
const CAPACITY: usize = 1024;
/// How many events are remembered to be counted up when they happen again.
const REMEMBERED: usize = 4096;

/// Whether an event is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Normal,
    Warning,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Occurrence {
    uid: String,
    kind: Kind,
    reason: &'static str,
    message: String,
}

struct Note {
    component: &'static str,
    object: ObjectReference,
    occurrence: Occurrence,
    at: Timestamp,
}

/// Writes events without making anybody wait. A clone is for another component.
#[derive(Clone)]
pub(crate) struct Recorder {
    component: &'static str,
    notes: mpsc::Sender<Note>,
    clock: Clock,
}

/// The task that writes them.
pub(crate) struct Writer {
    notes: mpsc::Receiver<Note>,
    api: Api<Event>,
}

impl Recorder {
    /// A recorder and the task behind it.
    pub(crate) fn new(registry: &Registry, clock: Clock) -> Result<(Self, Writer), Status> {
        let (sender, notes) = mpsc::channel(CAPACITY);
        let recorder = Self {
            component: "controllers",
            notes: sender,
            clock,
        };
        let api = meta::api(registry, "event-recorder")?;
        Ok((recorder, Writer { notes, api }))
    }

    /// The same for another component.
    pub(crate) fn of(&self, component: &'static str) -> Self {
        Self {
            component,
            ..self.clone()
        }
    }

    /// Something happened to an object.
    pub(crate) fn event<T: Metadata<Ty = ObjectMeta>>(
        &self,
        object: &T,
        kind: Kind,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let reference = ObjectReference {
            api_version: Some(T::API_VERSION.to_owned()),
            kind: Some(T::KIND.to_owned()),
            name: Some(object.name().to_owned()),
            namespace: object.meta().namespace.clone(),
            uid: object.meta().uid.clone(),
            resource_version: object.meta().resource_version.clone(),
            field_path: None,
        };
        let note = Note {
            component: self.component,
            occurrence: Occurrence {
                uid: object.uid().to_owned(),
                kind,
                reason,
                message: message.into(),
            },
            object: reference,
            at: self.clock.now(),
        };
        if self.notes.try_send(note).is_err() {
            tracing::debug!(reason, "an event was dropped: too many wait");
        }
    }
}

impl Writer {
    /// Writes until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut seen: HashMap<Occurrence, (String, i32)> = HashMap::new();
        loop {
            let note = tokio::select! {
                () = stop.cancelled() => return,
                note = self.notes.recv() => note,
            };
            let Some(note) = note else { return };
            if let Err(status) = self.write(&mut seen, note).await {
                tracing::debug!(%status, "an event was not written");
            }
        }
    }

    async fn write(
        &self,
        seen: &mut HashMap<Occurrence, (String, i32)>,
        note: Note,
    ) -> Result<(), Status> {
        let namespace = note
            .object
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        if let Some((name, count)) = seen.get_mut(&note.occurrence) {
            *count += 1;
            let patch = json!({"count": *count, "lastTimestamp": Time(note.at)});
            match self
                .api
                .patch(Some(&namespace), name, "", Patch::Merge(patch))
                .await
            {
                Err(status) if status.is(machinery::Reason::NotFound) => {
                    seen.remove(&note.occurrence);
                }
                done => return done.map(drop),
            }
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let name = format!(
            "{}.{:x}{:04x}",
            note.object.name.as_deref().unwrap_or_default(),
            note.at.as_nanosecond(),
            rand::random::<u16>()
        );
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            count: Some(1),
            first_timestamp: Some(Time(note.at)),
            last_timestamp: Some(Time(note.at)),
            involved_object: note.object,
            message: Some(note.occurrence.message.clone()),
            reason: Some(note.occurrence.reason.to_owned()),
            type_: Some(format!("{:?}", note.occurrence.kind)),
            source: Some(EventSource {
                component: Some(note.component.to_owned()),
                host: None,
            }),
            reporting_component: Some(note.component.to_owned()),
            ..Event::default()
        };
        self.api.create(Some(&namespace), &event).await?;
        seen.insert(note.occurrence, (name, 1));
        Ok(())
    }
}
