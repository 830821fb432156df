//! One write of one key against the revision that was read.

use std::sync::Arc;
use std::time::Duration;

use machinery::Status;
use store::{Entry, Revision, TransactError};

use crate::registry::Registry;
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

struct Moved(Option<Entry<Stored>>);

/// Writes if the key still has the revision `expected` (`None`: is absent).
pub(crate) async fn commit(
    registry: &Registry,
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
    let owned = key.to_owned();
    let done = registry
        .store()
        .transact(move |tx| {
            let current = tx.get(&owned);
            if current.map(|e| e.revision) != expected {
                return Err(Moved(current.cloned()));
            }
            let revision = tx.revision();
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
        Ok((record, _)) => Ok(Outcome::Done(record)),
        Err(TransactError::Refused(Moved(current))) => Ok(Outcome::Changed(current)),
        Err(TransactError::Unavailable(error)) => {
            tracing::error!(%error, "a write failed");
            Err(Status::internal(error))
        }
    }
}

/// The published entry of a key.
pub(crate) fn read(registry: &Registry, key: &str) -> Option<Entry<Stored>> {
    registry.store().snapshot().get(key).cloned()
}
