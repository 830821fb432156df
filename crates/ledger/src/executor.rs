//! The one writer: takes transactions in turn, packs what has arrived into a checkpoint, writes it
//! to the log once, and only then publishes the new state and answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sui_sdk_types::{
    ChangedObject, CheckpointSummary, ConsensusCommitPrologue, EndOfEpochData, ExecutionStatus,
    GasCostSummary, IdOperation, Object, ObjectIn, ObjectOut, SignedTransaction,
    TransactionEffects, TransactionEffectsV2, TransactionKind,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::LedgerError;
use crate::execute::{Checks, Moment, Refusal, execute};
use crate::genesis::system_transaction;
use crate::log::Log;
use crate::record::{CheckpointRecord, TransactionRecord, contents};
use crate::state::{State, Transaction};

/// Most transactions of one checkpoint.
const MAX_BATCH: usize = 512;

/// What the executor is asked.
pub(crate) enum Request {
    /// Execute a transaction whose signatures were checked.
    Execute {
        signed: Box<SignedTransaction>,
        reply: oneshot::Sender<Result<Arc<Transaction>, Refusal>>,
    },
    /// See whether the epoch is over.
    Tick,
    /// Finish what was asked before, and end.
    Stop,
}

/// Owner of the log and of the head state. Runs on a thread of its own.
pub(crate) struct Executor {
    pub(crate) log: Log,
    pub(crate) state: watch::Sender<Arc<State>>,
    pub(crate) epoch: Duration,
    pub(crate) price: u64,
}

/// The wall clock, milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

impl Executor {
    /// Works until it is told to stop, or every sender of requests is gone.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            batch.clear();
            if requests.blocking_recv_many(&mut batch, MAX_BATCH) == 0 {
                return;
            }
            let stop = batch.iter().any(|request| matches!(request, Request::Stop));
            self.work(batch.drain(..));
            if stop {
                return;
            }
        }
    }

    fn work(&mut self, requests: impl Iterator<Item = Request>) {
        let published = Arc::clone(&self.state.borrow());
        let mut next = State::clone(&published);
        // Time never goes back, not even when the machine's clock does.
        let now = wall_clock_ms().max(published.timestamp_ms());
        let mut records = Vec::new();
        let mut waiting = Vec::new();

        let epoch = next.epoch();
        let length = u64::try_from(self.epoch.as_millis()).unwrap_or(u64::MAX);
        if now >= epoch.start_ms.saturating_add(length) {
            let closing = close_epoch(&next, now);
            if let Err(reason) = next.apply(closing.clone()) {
                tracing::error!(%reason, "the ledger cannot close its epoch");
                return;
            }
            records.push(closing);
        }

        // What the transactions of this checkpoint work on: the clock set, nothing published.
        let mut head = next.clone();
        let mut checkpoint: Vec<TransactionRecord> = Vec::new();
        let mut batched = std::collections::HashSet::new();
        let epoch = next.epoch();
        let moment = Moment {
            epoch: epoch.number,
            epoch_start_ms: epoch.start_ms,
            timestamp_ms: now,
            price: self.price,
        };
        for request in requests {
            let Request::Execute { signed, reply } = request else {
                continue;
            };
            let digest = signed.transaction.digest();
            if let Some(known) = published.transaction(&digest) {
                let _ = reply.send(Ok(Arc::clone(known)));
                continue;
            }
            if batched.contains(&digest) {
                waiting.push((digest, reply));
                continue;
            }
            if checkpoint.is_empty() {
                let prologue = prologue(&head, &moment, next.height() + 1);
                apply_objects(&mut head, &prologue);
                checkpoint.push(prologue);
            }
            match execute(&head, &moment, *signed, Checks::All) {
                Ok(executed) => {
                    apply_objects(&mut head, &executed.record);
                    checkpoint.push(executed.record);
                    batched.insert(digest);
                    waiting.push((digest, reply));
                }
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                }
            }
        }
        if checkpoint.len() > 1 {
            let record = seal(&next, &moment, checkpoint, None);
            if let Err(reason) = next.apply(record.clone()) {
                tracing::error!(%reason, "the ledger made a checkpoint that does not follow");
                for (_, reply) in waiting {
                    let _ = reply.send(Err(Refusal::Internal(reason.clone())));
                }
                return;
            }
            records.push(record);
        }
        if records.is_empty() {
            return;
        }
        if let Err(error) = self.write(&records) {
            tracing::error!(%error, "the ledger cannot write");
            for (_, reply) in waiting {
                let _ = reply.send(Err(Refusal::Storage(error.to_string())));
            }
            return;
        }
        let next = Arc::new(next);
        self.state.send_replace(Arc::clone(&next));
        for (digest, reply) in waiting {
            let answer = next.transaction(&digest).cloned().ok_or_else(|| {
                Refusal::Internal("an executed transaction is not in its checkpoint".to_owned())
            });
            let _ = reply.send(answer);
        }
    }

    fn write(&mut self, records: &[CheckpointRecord]) -> Result<(), LedgerError> {
        let bodies = records
            .iter()
            .map(bcs::to_bytes)
            .collect::<Result<Vec<_>, _>>()?;
        self.log.append(&bodies)
    }
}

/// Makes the changes of a transaction to the objects, and nothing else.
pub(crate) fn apply_objects(state: &mut State, record: &TransactionRecord) {
    for id in &record.deleted {
        state.world.remove(*id);
    }
    for object in &record.written {
        state.world.insert(object.clone());
    }
}

/// A checkpoint that follows a state.
pub(crate) fn seal(
    state: &State,
    moment: &Moment,
    transactions: Vec<TransactionRecord>,
    end_of_epoch_data: Option<EndOfEpochData>,
) -> CheckpointRecord {
    let tip = state.tip();
    let mut rolling = tip
        .filter(|tip| tip.summary.end_of_epoch_data.is_none() && tip.summary.epoch == moment.epoch)
        .map(|tip| tip.summary.epoch_rolling_gas_cost_summary.clone())
        .unwrap_or_default();
    for transaction in &transactions {
        let cost = transaction.effects.gas_summary();
        rolling.computation_cost += cost.computation_cost;
        rolling.storage_cost += cost.storage_cost;
        rolling.storage_rebate += cost.storage_rebate;
        rolling.non_refundable_storage_fee += cost.non_refundable_storage_fee;
    }
    let count = u64::try_from(transactions.len()).unwrap_or(u64::MAX);
    CheckpointRecord {
        summary: CheckpointSummary {
            epoch: moment.epoch,
            sequence_number: tip.map_or(0, |tip| tip.summary.sequence_number + 1),
            network_total_transactions: state.transaction_count + count,
            content_digest: contents(&transactions).digest(),
            previous_digest: tip.map(|tip| tip.digest),
            epoch_rolling_gas_cost_summary: rolling,
            timestamp_ms: moment.timestamp_ms,
            checkpoint_commitments: Vec::new(),
            end_of_epoch_data,
            version_specific_data: Vec::new(),
        },
        transactions,
    }
}

/// The last checkpoint of an epoch. It has no transactions: there is no system state to change.
fn close_epoch(state: &State, now: u64) -> CheckpointRecord {
    let epoch = state.epoch();
    let moment = Moment {
        epoch: epoch.number,
        epoch_start_ms: epoch.start_ms,
        timestamp_ms: now,
        price: 0,
    };
    seal(
        state,
        &moment,
        Vec::new(),
        Some(EndOfEpochData {
            next_epoch_committee: Vec::new(),
            next_epoch_protocol_version: 1,
            epoch_commitments: Vec::new(),
        }),
    )
}

/// The system transaction that sets the clock, first of every checkpoint with transactions.
/// Upstream: `sui_system`'s consensus commit prologue.
pub(crate) fn prologue(state: &State, moment: &Moment, round: u64) -> TransactionRecord {
    let signed = system_transaction(TransactionKind::ConsensusCommitPrologue(
        ConsensusCommitPrologue {
            epoch: moment.epoch,
            round,
            commit_timestamp_ms: moment.timestamp_ms,
        },
    ));
    let digest = signed.transaction.digest();
    let clock = contract_model::layout::framework::CLOCK;
    let before = state.world.get(clock).cloned();
    let mut world = state.world.clone();
    world.set_clock(moment.timestamp_ms, digest);
    let written: Vec<Object> = world
        .get(clock)
        .map(|object| {
            // System objects keep the storage charge of genesis.
            let rebate = before.as_ref().map_or(0, |before| before.storage_rebate());
            crate::gas::with_rebate(object, rebate)
        })
        .into_iter()
        .collect();
    let changed_objects = written
        .iter()
        .map(|object| ChangedObject {
            object_id: clock,
            input_state: before
                .as_ref()
                .map_or(ObjectIn::NotExist, |before| ObjectIn::Exist {
                    version: before.version(),
                    digest: before.digest(),
                    owner: *before.owner(),
                }),
            output_state: ObjectOut::ObjectWrite {
                digest: object.digest(),
                owner: *object.owner(),
            },
            id_operation: IdOperation::None,
        })
        .collect();
    let lamport_version = written.first().map_or(0, Object::version);
    TransactionRecord {
        signed,
        effects: TransactionEffects::V2(Box::new(TransactionEffectsV2 {
            status: ExecutionStatus::Success,
            epoch: moment.epoch,
            gas_used: GasCostSummary::default(),
            transaction_digest: digest,
            gas_object_index: None,
            events_digest: None,
            dependencies: before
                .iter()
                .map(|before| before.previous_transaction())
                .collect(),
            lamport_version,
            changed_objects,
            unchanged_consensus_objects: Vec::new(),
            auxiliary_data_digest: None,
        })),
        events: None,
        written,
        deleted: Vec::new(),
    }
}
