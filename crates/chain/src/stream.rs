//! The package's events, in order, from a durable cursor.
//!
//! A ledger's subscription starts at its tip and cannot resume. So the stream lists what lies
//! between the cursor and the tip, spools live frames meanwhile, and then follows: each event once,
//! in ledger order, without a gap. It reconnects by itself, with growing delays, and goes on where
//! it was. Upstream: `sui-rpc`'s `Client::stream_events`, which does the splicing.
//!
//! The consumer stores [`Delivery::cursor`] once it has acted on a delivery, and passes the stored
//! one to [`Client::events`](crate::Client::events) after a restart.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use sui_rpc::client::{EventStreamFrame, EventStreamRequest, EventStreamStart, LedgerStreamConfig};
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::filter;
use sui_sdk_types::{Address, Digest, StructTag};
use tokio::time::Instant;

use crate::client::parse;
use crate::error::from_status;
use crate::events::Event;
use crate::{ChainError, Client, Deployment};

/// A place in the ledger's order of events. Ordered, and independent of the node that served it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cursor {
    /// Checkpoint.
    pub checkpoint: u64,
    /// Transaction in the checkpoint, counted from 1; 0 is before the first.
    pub transaction: u64,
    /// Event in the transaction, counted from 1.
    pub event: u32,
}

impl Cursor {
    /// Before everything.
    pub const GENESIS: Self = Self {
        checkpoint: 0,
        transaction: 0,
        event: 0,
    };

    /// After all of a checkpoint.
    #[must_use]
    pub fn end_of(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            transaction: u64::MAX,
            event: u32::MAX,
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.checkpoint, self.transaction, self.event)
    }
}

/// One event with its place and circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The event.
    pub event: Event,
    /// Time of its checkpoint, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Transaction that emitted it.
    pub digest: Digest,
    /// Sender of that transaction.
    pub sender: Address,
}

/// What [`EventStream::next`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Everything up to and including here has been delivered.
    pub cursor: Cursor,
    /// The event; `None` where only the cursor moved on.
    pub emitted: Option<Emitted>,
}

/// After how long without a frame the ledger is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);

type Frames = Pin<Box<dyn Stream<Item = Result<EventStreamFrame, tonic::Status>> + Send>>;

/// Events from a cursor on. Dropping it ends the subscription.
pub struct EventStream {
    client: Client,
    package: Address,
    cursor: Cursor,
    frames: Frames,
    /// Received and not delivered yet.
    pending: Option<proto::Event>,
    /// Time of the checkpoint asked for last.
    time: Option<(u64, u64)>,
    failures: u32,
    last_contact: Instant,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The package's events after `cursor` ([`Cursor::GENESIS`] for all). Nothing is sent before
    /// the first [`EventStream::next`].
    #[must_use]
    pub fn events(&self, deployment: &Deployment, cursor: Cursor) -> EventStream {
        let package = deployment.original_package;
        EventStream {
            frames: frames(self, package, cursor),
            client: self.clone(),
            package,
            cursor,
            pending: None,
            time: None,
            failures: 0,
            last_contact: Instant::now(),
        }
    }
}

impl EventStream {
    /// Waits for the next event or progress. Cancel-safe: dropping the future loses nothing.
    ///
    /// Failures of the network are not returned; the stream tries again for as long as it takes
    /// (see [`EventStream::last_contact`]).
    ///
    /// # Errors
    /// [`ChainError::Refused`] when the ledger has no such service or refuses the request,
    /// [`ChainError::Undecodable`] when it answers nonsense. The stream may be asked again.
    pub async fn next(&mut self) -> Result<Delivery, ChainError> {
        loop {
            if let Some(event) = self.pending.clone() {
                // Kept until it is delivered, so that a cancelled call does not lose it.
                match self.deliver(&event).await {
                    Ok(delivery) => {
                        self.pending = None;
                        if let Some(delivery) = delivery {
                            self.cursor = delivery.cursor;
                            return Ok(delivery);
                        }
                    }
                    Err(error) if error.is_retriable() => self.back_off(&error).await,
                    Err(error) => {
                        self.back_off(&error).await;
                        return Err(error);
                    }
                }
                continue;
            }
            let frame = tokio::select! {
                frame = self.frames.next() => frame,
                () = tokio::time::sleep(QUIET) => {
                    // A quiet ledger is not a dead one, if it answers.
                    if self.client.latest_checkpoint().await.is_ok() {
                        self.last_contact = Instant::now();
                    }
                    continue;
                }
            };
            match frame {
                Some(Ok(frame)) => {
                    self.failures = 0;
                    self.last_contact = Instant::now();
                    if frame.event.is_some() {
                        self.pending = frame.event;
                    } else if let Some(covered) = frame.covered_checkpoint
                        && Cursor::end_of(covered) > self.cursor
                    {
                        self.cursor = Cursor::end_of(covered);
                        return Ok(Delivery {
                            cursor: self.cursor,
                            emitted: None,
                        });
                    }
                }
                Some(Err(status)) => {
                    let error = from_status(self.client.url(), "follow events", status);
                    self.frames = frames(&self.client, self.package, self.cursor);
                    self.back_off(&error).await;
                    if !error.is_retriable() {
                        return Err(error);
                    }
                }
                None => {
                    self.frames = frames(&self.client, self.package, self.cursor);
                    self.back_off(&ChainError::Undecodable {
                        action: "follow events",
                        reason: "the stream ended".to_owned(),
                    })
                    .await;
                }
            }
        }
    }

    /// Up to where events were delivered.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// When the ledger was last heard of. A consumer that must not act on stale knowledge compares
    /// it with the clock: while [`EventStream::next`] is being awaited, a ledger that answers is heard
    /// of every few seconds, however quiet it is.
    #[must_use]
    pub fn last_contact(&self) -> Instant {
        self.last_contact
    }

    async fn deliver(&mut self, event: &proto::Event) -> Result<Option<Delivery>, ChainError> {
        let action = "follow events";
        let cursor = Cursor {
            checkpoint: event.checkpoint(),
            transaction: event.transaction_index().saturating_add(1),
            event: event.event_index().saturating_add(1),
        };
        if cursor <= self.cursor {
            return Ok(None);
        }
        let event_type: StructTag = parse(action, "event_type", event.event_type())?;
        if *event_type.address() != self.package {
            // Not what was asked for, whatever it is called.
            return Ok(None);
        }
        let contents = event.contents().value.clone().unwrap_or_default();
        let timestamp_ms = match self.time {
            Some((checkpoint, time)) if checkpoint == cursor.checkpoint => time,
            _ => {
                let time = self.client.checkpoint_time(cursor.checkpoint).await?;
                self.time = Some((cursor.checkpoint, time));
                time
            }
        };
        Ok(Some(Delivery {
            cursor,
            emitted: Some(Emitted {
                event: Event::decode(&event_type, &contents),
                timestamp_ms,
                digest: parse(action, "transaction_digest", event.transaction_digest())?,
                sender: parse(action, "sender", event.sender())?,
            }),
        }))
    }

    /// Waits, longer the more often it failed in a row.
    async fn back_off(&mut self, error: &ChainError) {
        let delay = Duration::from_millis(100 << self.failures.min(5));
        self.failures = self.failures.saturating_add(1);
        tracing::debug!(%error, cursor = %self.cursor, ?delay, "event stream tries again");
        tokio::time::sleep(delay).await;
    }
}

fn frames(client: &Client, package: Address, cursor: Cursor) -> Frames {
    let request = EventStreamRequest::new()
        .with_read_mask(FieldMask::from_paths([
            "checkpoint",
            "transaction_index",
            "event_index",
            "transaction_digest",
            "event_type",
            "contents",
            "sender",
        ]))
        .with_filter(proto::EventFilter::matching(filter::event::event_type(
            package.to_string(),
        )))
        // The cursor's own checkpoint is read again and what was delivered of it is skipped: that
        // makes the cursor independent of the node's opaque ones.
        .with_start(EventStreamStart::Checkpoint(cursor.checkpoint));
    let mut config = LedgerStreamConfig::default();
    config.ledger_tip_poll_interval = Duration::from_millis(500);
    config.max_retry_delay = Duration::from_secs(2);
    config.retry_jitter = Duration::from_millis(100);
    Box::pin(client.rpc.stream_events_with_config(request, config))
}
