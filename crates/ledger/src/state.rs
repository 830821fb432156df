//! All that the ledger knows, as an immutable value: a clone costs nothing, so that a reader works
//! on one moment.

use std::sync::Arc;

use contract_model::{Parameters, World};
use imbl::{HashMap, OrdMap, Vector};
use sui_sdk_types::{
    Address, CheckpointSummary, Digest, Event, Object, TransactionEffects, TransactionKind, Version,
};

use crate::gas;
use crate::record::{CheckpointRecord, TransactionRecord, contents};

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) start_ms: u64,
    pub(crate) first_checkpoint: u64,
    /// Once it is over.
    pub(crate) last_checkpoint: Option<u64>,
    pub(crate) end_ms: Option<u64>,
}

/// A checkpoint with its digest and its transactions.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) summary: CheckpointSummary,
    pub(crate) digest: Digest,
    pub(crate) transactions: Vec<Arc<Transaction>>,
}

/// An executed transaction and where it is.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) record: TransactionRecord,
    pub(crate) digest: Digest,
    pub(crate) checkpoint: u64,
    pub(crate) index: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) epoch_start_ms: u64,
}

impl Transaction {
    pub(crate) fn events(&self) -> &[Event] {
        self.record
            .events
            .as_ref()
            .map_or(&[], |events| events.0.as_slice())
    }

    pub(crate) fn sender(&self) -> Address {
        self.record.signed.transaction.sender
    }
}

/// The ledger at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) checkpoints: Vector<Arc<Checkpoint>>,
    pub(crate) epochs: Vector<Epoch>,
    by_digest: HashMap<Digest, Arc<Transaction>>,
    checkpoint_by_digest: HashMap<Digest, u64>,
    /// Every version of every object.
    history: OrdMap<(Address, Version), Arc<Object>>,
    /// MIST paid for computation.
    pub(crate) fees: u64,
    /// MIST in storage rebates and what is not refundable.
    pub(crate) storage_fund: u64,
    pub(crate) transaction_count: u64,
}

/// Why a checkpoint does not follow from a state.
pub(crate) type Mismatch = String;

impl State {
    /// The state before genesis. `parameters` are set when the package is published.
    pub(crate) fn empty(parameters: Parameters) -> Self {
        Self {
            world: World::from_objects(parameters, []),
            checkpoints: Vector::new(),
            epochs: Vector::new(),
            by_digest: HashMap::new(),
            checkpoint_by_digest: HashMap::new(),
            history: OrdMap::new(),
            fees: 0,
            storage_fund: 0,
            transaction_count: 0,
        }
    }

    /// The latest checkpoint. There is none before genesis only.
    pub(crate) fn tip(&self) -> Option<&Arc<Checkpoint>> {
        self.checkpoints.last()
    }

    /// Sequence number of the latest checkpoint.
    pub(crate) fn height(&self) -> u64 {
        self.tip().map_or(0, |tip| tip.summary.sequence_number)
    }

    pub(crate) fn checkpoint(&self, sequence: u64) -> Option<&Arc<Checkpoint>> {
        self.checkpoints.get(usize::try_from(sequence).ok()?)
    }

    pub(crate) fn checkpoint_with_digest(&self, digest: &Digest) -> Option<&Arc<Checkpoint>> {
        self.checkpoint(*self.checkpoint_by_digest.get(digest)?)
    }

    pub(crate) fn transaction(&self, digest: &Digest) -> Option<&Arc<Transaction>> {
        self.by_digest.get(digest)
    }

    /// The epoch that is on.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epochs.last().copied().unwrap_or(Epoch {
            number: 0,
            start_ms: 0,
            first_checkpoint: 0,
            last_checkpoint: None,
            end_ms: None,
        })
    }

    /// Time of the latest checkpoint.
    pub(crate) fn timestamp_ms(&self) -> u64 {
        self.tip().map_or(0, |tip| tip.summary.timestamp_ms)
    }

    /// Chain identifier.
    pub(crate) fn chain(&self) -> Digest {
        self.checkpoints
            .head()
            .map_or(Digest::ZERO, |genesis| genesis.digest)
    }

    /// An object at a version that it once had.
    pub(crate) fn object_at(&self, id: Address, version: Version) -> Option<&Arc<Object>> {
        self.history.get(&(id, version))
    }

    /// Takes a checkpoint in. It must be the next one and be true to itself: its digests, its place
    /// in the chain and what its effects say about the objects.
    pub(crate) fn apply(&mut self, record: CheckpointRecord) -> Result<(), Mismatch> {
        let CheckpointRecord {
            summary,
            transactions,
        } = record;
        let expected = self.tip().map_or(0, |tip| tip.summary.sequence_number + 1);
        if summary.sequence_number != expected {
            return Err(format!(
                "checkpoint {} follows, {expected} should",
                summary.sequence_number
            ));
        }
        if summary.previous_digest != self.tip().map(|tip| tip.digest) {
            return Err(format!(
                "checkpoint {expected} does not follow the one before it"
            ));
        }
        if summary.content_digest != contents(&transactions).digest() {
            return Err(format!(
                "the contents of checkpoint {expected} are not those of its summary"
            ));
        }
        if self.checkpoints.is_empty() {
            self.epochs.push_back(Epoch {
                number: summary.epoch,
                start_ms: summary.timestamp_ms,
                first_checkpoint: 0,
                last_checkpoint: None,
                end_ms: None,
            });
        }
        let epoch_start_ms = self.epoch().start_ms;
        let digest = summary.digest();
        let mut applied = Vec::with_capacity(transactions.len());
        for (record, index) in transactions.into_iter().zip(0..) {
            let transaction = Arc::new(Transaction {
                digest: record.digest(),
                checkpoint: summary.sequence_number,
                index,
                timestamp_ms: summary.timestamp_ms,
                epoch_start_ms,
                record,
            });
            self.apply_transaction(&transaction)?;
            applied.push(transaction);
        }
        self.checkpoint_by_digest
            .insert(digest, summary.sequence_number);
        let over = summary.end_of_epoch_data.is_some();
        let (sequence, timestamp_ms, epoch) =
            (summary.sequence_number, summary.timestamp_ms, summary.epoch);
        self.checkpoints.push_back(Arc::new(Checkpoint {
            summary,
            digest,
            transactions: applied,
        }));
        if over {
            if let Some(last) = self.epochs.back_mut() {
                last.last_checkpoint = Some(sequence);
                last.end_ms = Some(timestamp_ms);
            }
            self.epochs.push_back(Epoch {
                number: epoch + 1,
                start_ms: timestamp_ms,
                first_checkpoint: sequence + 1,
                last_checkpoint: None,
                end_ms: None,
            });
        }
        Ok(())
    }

    fn apply_transaction(&mut self, transaction: &Arc<Transaction>) -> Result<(), Mismatch> {
        let record = &transaction.record;
        let TransactionEffects::V2(effects) = &record.effects else {
            return Err(format!(
                "transaction {} has effects of another version",
                transaction.digest
            ));
        };
        if effects.transaction_digest != transaction.digest {
            return Err(format!(
                "the effects of transaction {} are another's",
                transaction.digest
            ));
        }
        for id in &record.deleted {
            self.world.remove(*id);
        }
        for object in &record.written {
            let id = object.object_id();
            self.history
                .insert((id, object.version()), Arc::new(object.clone()));
            self.world.insert(object.clone());
        }
        let genesis = matches!(record.signed.transaction.kind, TransactionKind::Genesis(_));
        let cost = &effects.gas_used;
        if genesis {
            // What genesis objects are stored with is part of the supply.
            self.storage_fund = record
                .written
                .iter()
                .map(Object::storage_rebate)
                .fold(0, u64::saturating_add);
        } else {
            self.fees = self.fees.saturating_add(cost.computation_cost);
            self.storage_fund = self
                .storage_fund
                .saturating_add(cost.storage_cost)
                .checked_sub(cost.storage_rebate)
                .ok_or_else(|| {
                    format!(
                        "transaction {} gets more back than is in the storage fund",
                        transaction.digest
                    )
                })?;
        }
        self.transaction_count += 1;
        self.by_digest
            .insert(transaction.digest, Arc::clone(transaction));
        Ok(())
    }

    /// Coins of an address that gas can be paid with, largest first.
    pub(crate) fn coins_of(&self, owner: Address) -> Vec<(u64, Arc<Object>)> {
        let mut coins: Vec<_> = self
            .world
            .owned_by(owner)
            .filter_map(|object| {
                gas::owned_coin(object).map(|(_, balance)| (balance, Arc::clone(object)))
            })
            .collect();
        coins.sort_by(|a, b| {
            b.0.cmp(&a.0)
                .then_with(|| a.1.object_id().cmp(&b.1.object_id()))
        });
        coins
    }
}
