//! The list calls: an interval of the ledger, in either order, with resume points.

use std::sync::Arc;

use futures::stream;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::QueryEndReason;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::Services;
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::render;
use crate::state::{Checkpoint, State};

/// Most items of one answer; also how many there are when a request does not say.
const MAX_ITEMS: usize = 1000;

/// What a request asks for, resolved against the ledger.
struct Interval {
    /// First checkpoint that may have items.
    first: u64,
    /// Checkpoint after the last that may have items.
    end: u64,
    after: Option<Cursor>,
    before: Option<Cursor>,
    descending: bool,
    limit: usize,
    /// Why an ascending scan of all of it ends.
    ascending_end: QueryEndReason,
}

impl Interval {
    fn new(
        state: &State,
        start: Option<u64>,
        end: Option<u64>,
        options: Option<&proto::QueryOptions>,
    ) -> Result<Self, Status> {
        let tip_end = state.height().saturating_add(1);
        let decode = |bytes: Option<&bytes::Bytes>| bytes.map(|b| Cursor::decode(b)).transpose();
        let after = decode(options.and_then(|options| options.after.as_ref()))?;
        let before = decode(options.and_then(|options| options.before.as_ref()))?;
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            return Err(Status::invalid_argument(
                "end_checkpoint is before start_checkpoint",
            ));
        }
        let limit = options
            .and_then(|options| options.limit)
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok())
            .map_or(MAX_ITEMS, |limit| limit.min(MAX_ITEMS));
        let ordering = options.map_or(proto::Ordering::Ascending, |options| options.ordering());
        let mut ascending_end = match end {
            Some(end) if end <= tip_end => QueryEndReason::CheckpointBound,
            _ => QueryEndReason::LedgerTip,
        };
        let bound = end.unwrap_or(tip_end).min(tip_end);
        if before.is_some_and(|before| before.checkpoint < bound) {
            ascending_end = QueryEndReason::CursorBound;
        }
        Ok(Self {
            first: start.unwrap_or(0),
            end: bound,
            after,
            before,
            descending: ordering == proto::Ordering::Descending,
            limit,
            ascending_end,
        })
    }

    fn contains(&self, cursor: Cursor) -> bool {
        self.after.is_none_or(|after| cursor > after)
            && self.before.is_none_or(|before| cursor < before)
    }

    /// Checkpoints to scan, in order.
    fn checkpoints(&self) -> Box<dyn Iterator<Item = u64>> {
        let first = self
            .after
            .map_or(self.first, |after| self.first.max(after.checkpoint));
        let end = self.before.map_or(self.end, |before| {
            self.end.min(before.checkpoint.saturating_add(1))
        });
        if self.descending {
            Box::new((first..end).rev())
        } else {
            Box::new(first..end)
        }
    }

    /// The boundary that is covered when an item of this checkpoint is delivered.
    fn covered_before(&self, checkpoint: u64) -> Option<u64> {
        if self.descending {
            let last = self.before.map_or(self.end.saturating_sub(1), |before| {
                self.end.saturating_sub(1).min(before.checkpoint)
            });
            (checkpoint < last).then(|| checkpoint + 1)
        } else {
            let first = self
                .after
                .map_or(self.first, |after| self.first.max(after.checkpoint));
            (checkpoint > first).then(|| checkpoint - 1)
        }
    }

    /// The last frame, when all of the interval was scanned.
    fn finish(&self) -> (proto::Watermark, QueryEndReason) {
        if self.descending {
            return match self.after {
                Some(after) if after.checkpoint >= self.first => (
                    watermark(
                        after,
                        after
                            .checkpoint
                            .checked_add(1)
                            .filter(|next| *next < self.end),
                    ),
                    QueryEndReason::CursorBound,
                ),
                _ => (
                    watermark(
                        Cursor {
                            checkpoint: self.first,
                            transaction: 0,
                            event: 0,
                        },
                        Some(self.first),
                    ),
                    QueryEndReason::CheckpointBound,
                ),
            };
        }
        if self.ascending_end == QueryEndReason::CursorBound
            && let Some(before) = self.before
        {
            let covered = before
                .checkpoint
                .checked_sub(1)
                .filter(|covered| *covered >= self.first);
            return (watermark(before, covered), QueryEndReason::CursorBound);
        }
        let mut last = match self.end.checked_sub(1) {
            Some(last) => Cursor::end_of(last),
            None => Cursor {
                checkpoint: 0,
                transaction: 0,
                event: 0,
            },
        };
        if let Some(after) = self.after {
            last = last.max(after);
        }
        (watermark(last, self.end.checked_sub(1)), self.ascending_end)
    }
}

pub(super) fn watermark(cursor: Cursor, checkpoint: Option<u64>) -> proto::Watermark {
    let mut watermark = proto::Watermark::default();
    watermark.cursor = Some(cursor.encode());
    watermark.checkpoint = checkpoint;
    watermark
}

fn query_end(reason: QueryEndReason) -> proto::QueryEnd {
    let mut end = proto::QueryEnd::default();
    end.set_reason(reason);
    end
}

type Frame<I> = (Option<I>, proto::Watermark, Option<proto::QueryEnd>);

/// Scans an interval; `items` gives the matching items of a checkpoint, in ascending order.
fn scan<I>(
    state: &State,
    interval: &Interval,
    mut items: impl FnMut(&Arc<Checkpoint>) -> Vec<(Cursor, I)>,
) -> Vec<Frame<I>> {
    let mut frames: Vec<Frame<I>> = Vec::new();
    for sequence in interval.checkpoints() {
        let Some(checkpoint) = state.checkpoint(sequence) else {
            continue;
        };
        let mut found = items(checkpoint);
        if interval.descending {
            found.reverse();
        }
        for (cursor, item) in found {
            if !interval.contains(cursor) {
                continue;
            }
            let progress = watermark(cursor, interval.covered_before(sequence));
            if frames.len() + 1 == interval.limit {
                frames.push((
                    Some(item),
                    progress,
                    Some(query_end(QueryEndReason::ItemLimit)),
                ));
                return frames;
            }
            frames.push((Some(item), progress, None));
        }
    }
    let (progress, reason) = interval.finish();
    frames.push((None, progress, Some(query_end(reason))));
    frames
}

/// Matching transactions of a checkpoint.
pub(super) fn transactions_of(
    state: &State,
    checkpoint: &Checkpoint,
    filter: &Filter,
    mask: &sui_rpc::field::FieldMaskTree,
) -> Vec<(Cursor, proto::ExecutedTransaction)> {
    checkpoint
        .transactions
        .iter()
        .filter(|transaction| filter.matches_transaction(transaction))
        .map(|transaction| {
            (
                Cursor::end_of_transaction(transaction.checkpoint, transaction.index),
                render::transaction(state, transaction, mask),
            )
        })
        .collect()
}

/// Matching events of a checkpoint.
pub(super) fn events_of(
    checkpoint: &Checkpoint,
    filter: &Filter,
    mask: &sui_rpc::field::FieldMaskTree,
) -> Vec<(Cursor, proto::Event)> {
    checkpoint
        .transactions
        .iter()
        .flat_map(|transaction| {
            transaction
                .events()
                .iter()
                .zip(0_u32..)
                .filter(|(event, _)| filter.matches_event(transaction, event))
                .map(|(event, index)| {
                    (
                        Cursor {
                            checkpoint: transaction.checkpoint,
                            transaction: transaction.index,
                            event: index,
                        },
                        render::event(transaction, index, event, mask),
                    )
                })
        })
        .collect()
}

pub(super) const TRANSACTION_FIELDS: &str = "digest,checkpoint,transaction_index";
pub(super) const EVENT_FIELDS: &str =
    "checkpoint,transaction_digest,transaction_index,event_index,event_type";
pub(super) const CHECKPOINT_FIELDS: &str = "sequence_number,digest";

impl Services {
    pub(super) fn checkpoints(
        &self,
        request: &proto::ListCheckpointsRequest,
    ) -> Result<BoxStream<proto::ListCheckpointsResponse>, Status> {
        let state = self.now();
        let mask = render::checked_mask::<proto::Checkpoint>(
            request.read_mask.as_ref(),
            CHECKPOINT_FIELDS,
        )?;
        let filter = Filter::of_transactions(request.filter.as_ref())?;
        let interval = Interval::new(
            &state,
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = scan(&state, &interval, |checkpoint| {
            let matches = filter.is_empty()
                || checkpoint
                    .transactions
                    .iter()
                    .any(|transaction| filter.matches_transaction(transaction));
            if matches {
                vec![(
                    Cursor::end_of(checkpoint.summary.sequence_number),
                    render::checkpoint(&state, checkpoint, &mask),
                )]
            } else {
                Vec::new()
            }
        });
        let frames = frames.into_iter().map(|(item, mut progress, end)| {
            if item.is_some()
                && let Some(Ok(cursor)) = progress.cursor.as_deref().map(Cursor::decode)
            {
                // A checkpoint's own place covers it.
                progress.checkpoint = Some(cursor.checkpoint);
            }
            let mut frame = proto::ListCheckpointsResponse::default();
            frame.checkpoint = item;
            frame.watermark = Some(progress);
            frame.end = end;
            Ok(frame)
        });
        Ok(Box::pin(stream::iter(frames)))
    }

    pub(super) fn transactions(
        &self,
        request: &proto::ListTransactionsRequest,
    ) -> Result<BoxStream<proto::ListTransactionsResponse>, Status> {
        let state = self.now();
        let mask = render::checked_mask::<proto::ExecutedTransaction>(
            request.read_mask.as_ref(),
            TRANSACTION_FIELDS,
        )?;
        let filter = Filter::of_transactions(request.filter.as_ref())?;
        let interval = Interval::new(
            &state,
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = scan(&state, &interval, |checkpoint| {
            transactions_of(&state, checkpoint, &filter, &mask)
        });
        let frames = frames.into_iter().map(|(item, progress, end)| {
            let mut frame = proto::ListTransactionsResponse::default();
            frame.transaction = item;
            frame.watermark = Some(progress);
            frame.end = end;
            Ok(frame)
        });
        Ok(Box::pin(stream::iter(frames)))
    }

    pub(super) fn events(
        &self,
        request: &proto::ListEventsRequest,
    ) -> Result<BoxStream<proto::ListEventsResponse>, Status> {
        let state = self.now();
        let mask = render::checked_mask::<proto::Event>(request.read_mask.as_ref(), EVENT_FIELDS)?;
        let filter = Filter::of_events(request.filter.as_ref())?;
        let interval = Interval::new(
            &state,
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = scan(&state, &interval, |checkpoint| {
            events_of(checkpoint, &filter, &mask)
        });
        let frames = frames.into_iter().map(|(item, progress, end)| {
            let mut frame = proto::ListEventsResponse::default();
            frame.event = item;
            frame.watermark = Some(progress);
            frame.end = end;
            Ok(frame)
        });
        Ok(Box::pin(stream::iter(frames)))
    }
}
