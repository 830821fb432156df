//! One write of one key against the revision that was read.

use std::sync::Arc;
use std::time::Duration;

use machinery::Status;
use store::{Entry, Revision, TransactError};

use crate::index;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::stored::{Draft, Stored};

/// What a write may not exceed; upstream's etcd refuses requests above 1.5 MiB, the API server bodies above 3 MiB.
const MAX_OBJECT: usize = 3 << 20;

/// What a write does to a key.
pub(crate) enum Write {
    /// Makes or replaces the object.
    Put(Draft, Option<Duration>),
    /// Deletes it; the draft is the last state.
    Delete(Draft),
}

/// How it ended.
pub(crate) enum Outcome {
    /// Durable and visible; the record as written.
    Done(Arc<Stored>),
    /// The key is not as it was read: as it is now.
    Changed(Option<Entry<Stored>>),
}

struct Lost(Option<Entry<Stored>>);

/// Writes if the key still has the revision `expected` (`None`: is absent).
pub(crate) async fn commit(
    registry: &Registry,
    resource: &Resource,
    key: &str,
    expected: Option<Revision>,
    write: Write,
) -> Result<Outcome, Status> {
    if let Write::Put(draft, _) = &write
        && draft.len() > MAX_OBJECT
    {
        return Err(Status::request_entity_too_large(format_args!(
            "limit is {MAX_OBJECT}"
        )));
    }
    let moved = Moved::of(registry, resource, key, expected, &write);
    let index = moved
        .as_ref()
        .map(|m| (Arc::clone(&registry.inner.by_node), m.to.clone()));
    let owned = key.to_owned();
    let done = registry
        .store()
        .transact(move |tx| {
            let current = tx.get(&owned);
            if current.map(|e| e.revision) != expected {
                return Err(Lost(current.cloned()));
            }
            let revision = tx.revision();
            if let Some((index, Some(value))) = &index {
                let key = current.map_or_else(|| Arc::from(owned.as_str()), |e| Arc::clone(&e.key));
                index.add(value, &key, revision);
            }
            Ok(match write {
                Write::Put(draft, ttl) => {
                    let record = draft.commit(revision);
                    tx.put(&owned, Arc::clone(&record), ttl);
                    record
                }
                Write::Delete(draft) => {
                    let record = draft.commit(revision);
                    tx.delete(&owned, Arc::clone(&record));
                    record
                }
            })
        })
        .await;
    match done {
        Ok((record, revision)) => {
            if let Some(from) = moved.and_then(|m| m.from) {
                registry.inner.by_node.remove(&from, key, revision);
            }
            Ok(Outcome::Done(record))
        }
        Err(TransactError::Refused(Lost(current))) => Ok(Outcome::Changed(current)),
        Err(TransactError::Unavailable(error)) => {
            tracing::error!(%error, "a write failed");
            Err(Status::internal(error))
        }
    }
}

/// What a write does to the index.
struct Moved {
    /// The value that the object has from now on, `None` when it is deleted.
    to: Option<Box<str>>,
    /// The value that it had, when it has it no longer.
    from: Option<Box<str>>,
}

impl Moved {
    /// `None` for resources without an index, and when nothing changes in it.
    fn of(
        registry: &Registry,
        resource: &Resource,
        key: &str,
        expected: Option<Revision>,
        write: &Write,
    ) -> Option<Self> {
        let position = index::position(resource)?;
        let to = match write {
            Write::Put(draft, _) => Some(Box::from(draft.field(position))),
            Write::Delete(_) => None,
        };
        let from = read(registry, key)
            .filter(|e| Some(e.revision) == expected)
            .map(|e| {
                let fields = &e.value.selection(resource).fields;
                Box::from(fields.get(position).map_or("", |v| v))
            });
        (to != from).then_some(Self { to, from })
    }
}

/// The published entry of a key.
pub(crate) fn read(registry: &Registry, key: &str) -> Option<Entry<Stored>> {
    registry.store().snapshot().get(key).cloned()
}
