//! `SubscriptionService`: from the tip on, in order, without gaps. A slow subscriber loses nothing:
//! it reads the ledger's own checkpoints at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::SubscriptionService;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::Services;
use super::list::{
    CHECKPOINT_FIELDS, EVENT_FIELDS, TRANSACTION_FIELDS, events_of, transactions_of, watermark,
};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::render;
use crate::state::{Checkpoint, State};

/// A subscriber hears of the ledger at least this often, so that it can tell a quiet ledger from a
/// dead one.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Where a subscriber is.
struct Follow<F, R> {
    services: Services,
    /// Next checkpoint to look at.
    next: u64,
    ready: VecDeque<F>,
    /// Frames of a checkpoint.
    render: R,
    /// Frame that says that everything up to a checkpoint was delivered.
    progress: Option<fn(u64) -> F>,
}

impl Services {
    /// Follows the ledger from `next` on. `ready` is delivered first.
    fn follow<F: Send + 'static>(
        &self,
        next: u64,
        ready: Vec<F>,
        progress: Option<fn(u64) -> F>,
        render: impl FnMut(&State, &Arc<Checkpoint>) -> Vec<F> + Send + 'static,
    ) -> BoxStream<F> {
        let follow = Follow {
            services: self.clone(),
            next,
            ready: ready.into(),
            render,
            progress,
        };
        Box::pin(stream::unfold(follow, |mut follow| async move {
            loop {
                if let Some(frame) = follow.ready.pop_front() {
                    return Some((Ok(frame), follow));
                }
                let state = Arc::clone(&follow.services.state.borrow_and_update());
                if let Some(checkpoint) = state.checkpoint(follow.next) {
                    follow.ready.extend((follow.render)(&state, checkpoint));
                    follow.next += 1;
                    continue;
                }
                let shutdown = follow.services.shutdown.clone();
                tokio::select! {
                    () = shutdown.cancelled() => return None,
                    changed = follow.services.state.changed() => {
                        if changed.is_err() {
                            return None;
                        }
                    }
                    () = tokio::time::sleep(HEARTBEAT) => {
                        if let Some(progress) = follow.progress {
                            follow.ready.push_back(progress(follow.next.saturating_sub(1)));
                        }
                    }
                }
            }
        }))
    }
}

fn checkpoint_progress(covered: u64) -> proto::SubscribeCheckpointsResponse {
    let mut frame = proto::SubscribeCheckpointsResponse::default();
    frame.cursor = Some(covered);
    frame
}

fn transaction_progress(covered: u64) -> proto::SubscribeTransactionsResponse {
    let mut frame = proto::SubscribeTransactionsResponse::default();
    frame.watermark = Some(watermark(Cursor::end_of(covered), Some(covered)));
    frame
}

fn event_progress(covered: u64) -> proto::SubscribeEventsResponse {
    let mut frame = proto::SubscribeEventsResponse::default();
    frame.watermark = Some(watermark(Cursor::end_of(covered), Some(covered)));
    frame
}

#[tonic::async_trait]
impl SubscriptionService for Services {
    async fn subscribe_checkpoints(
        &self,
        request: Request<proto::SubscribeCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeCheckpointsResponse>>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::Checkpoint>(
            request.read_mask.as_ref(),
            CHECKPOINT_FIELDS,
        )?;
        let filter = Filter::of_transactions(request.filter.as_ref())?;
        let tip = self.now().height();
        let frame = move |state: &State, checkpoint: &Arc<Checkpoint>| {
            let mut frame = checkpoint_progress(checkpoint.summary.sequence_number);
            let matches = filter.is_empty()
                || checkpoint
                    .transactions
                    .iter()
                    .any(|transaction| filter.matches_transaction(transaction));
            if matches {
                frame.checkpoint = Some(render::checkpoint(state, checkpoint, &mask));
            }
            vec![frame]
        };
        // Unfiltered, every frame has its checkpoint, from the latest one on; there is no other.
        let (next, ready, progress): (_, _, Option<fn(u64) -> _>) = if request.filter.is_some() {
            (
                tip + 1,
                vec![checkpoint_progress(tip)],
                Some(checkpoint_progress),
            )
        } else {
            (tip, Vec::new(), None)
        };
        Ok(Response::new(self.follow(next, ready, progress, frame)))
    }

    async fn subscribe_transactions(
        &self,
        request: Request<proto::SubscribeTransactionsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeTransactionsResponse>>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::ExecutedTransaction>(
            request.read_mask.as_ref(),
            TRANSACTION_FIELDS,
        )?;
        let filter = Filter::of_transactions(request.filter.as_ref())?;
        let tip = self.now().height();
        let frames = move |state: &State, checkpoint: &Arc<Checkpoint>| {
            let sequence = checkpoint.summary.sequence_number;
            let mut frames: Vec<_> = transactions_of(state, checkpoint, &filter, &mask)
                .into_iter()
                .map(|(cursor, transaction)| {
                    let mut frame = proto::SubscribeTransactionsResponse::default();
                    frame.transaction = Some(transaction);
                    frame.watermark = Some(watermark(cursor, sequence.checked_sub(1)));
                    frame
                })
                .collect();
            frames.push(transaction_progress(sequence));
            frames
        };
        Ok(Response::new(self.follow(
            tip + 1,
            vec![transaction_progress(tip)],
            Some(transaction_progress),
            frames,
        )))
    }

    async fn subscribe_events(
        &self,
        request: Request<proto::SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<proto::SubscribeEventsResponse>>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::Event>(request.read_mask.as_ref(), EVENT_FIELDS)?;
        let filter = Filter::of_events(request.filter.as_ref())?;
        let tip = self.now().height();
        let frames = move |_: &State, checkpoint: &Arc<Checkpoint>| {
            let sequence = checkpoint.summary.sequence_number;
            let mut frames: Vec<_> = events_of(checkpoint, &filter, &mask)
                .into_iter()
                .map(|(cursor, event)| {
                    let mut frame = proto::SubscribeEventsResponse::default();
                    frame.event = Some(event);
                    frame.watermark = Some(watermark(cursor, sequence.checked_sub(1)));
                    frame
                })
                .collect();
            frames.push(event_progress(sequence));
            frames
        };
        Ok(Response::new(self.follow(
            tip + 1,
            vec![event_progress(tip)],
            Some(event_progress),
            frames,
        )))
    }
}
