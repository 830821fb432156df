//! What the log holds: checkpoints with everything that their transactions did.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{
    Address, CheckpointContents, CheckpointSummary, CheckpointTransactionInfo, Digest, Object,
    ObjectOut, SignedTransaction, TransactionEffects, TransactionEvents,
};

/// An executed transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TransactionRecord {
    pub(crate) signed: SignedTransaction,
    pub(crate) effects: TransactionEffects,
    pub(crate) events: Option<TransactionEvents>,
    /// Created and changed objects, as they are after it.
    pub(crate) written: Vec<Object>,
    /// Objects that are gone after it.
    pub(crate) deleted: Vec<Address>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord {
    pub(crate) summary: CheckpointSummary,
    pub(crate) transactions: Vec<TransactionRecord>,
}

impl TransactionRecord {
    pub(crate) fn digest(&self) -> Digest {
        self.signed.transaction.digest()
    }
}

/// The contents that a checkpoint's summary commits to.
pub(crate) fn contents(transactions: &[TransactionRecord]) -> CheckpointContents {
    CheckpointContents::new_v1(
        transactions
            .iter()
            .map(|transaction| {
                CheckpointTransactionInfo::new(
                    transaction.digest(),
                    transaction.effects.digest(),
                    transaction.signed.signatures.clone(),
                )
            })
            .collect(),
    )
}

impl CheckpointRecord {
    /// Whether the objects and events are those that the effects commit to.
    pub(crate) fn verify(&self) -> Result<(), String> {
        for transaction in &self.transactions {
            let TransactionEffects::V2(effects) = &transaction.effects else {
                return Err("effects of another version".to_owned());
            };
            let events = transaction.events.as_ref().map(TransactionEvents::digest);
            if events != effects.events_digest {
                return Err(format!(
                    "the events of transaction {} are not those of its effects",
                    transaction.digest()
                ));
            }
            for object in &transaction.written {
                let id = object.object_id();
                let digest = effects
                    .changed_objects
                    .iter()
                    .find(|changed| changed.object_id == id)
                    .and_then(|changed| match &changed.output_state {
                        ObjectOut::ObjectWrite { digest, .. }
                        | ObjectOut::PackageWrite { digest, .. } => Some(*digest),
                        _ => None,
                    });
                if digest != Some(object.digest()) {
                    return Err(format!(
                        "object {id} is not what the effects of transaction {} say",
                        transaction.digest()
                    ));
                }
            }
        }
        Ok(())
    }
}
