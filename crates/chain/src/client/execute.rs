//! Sending a signed transaction, and finding out what became of one.

use sui_rpc::client::ExecuteAndWaitError;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Address, Command, Digest, ExecutionError, ExecutionStatus, Input, Transaction,
    TransactionEffects, TransactionEvents, TransactionExpiration, TransactionKind,
};

use super::{Client, parse};
use crate::error::{OUT_OF_GAS, from_status, is_network};
use crate::transaction::Created;
use crate::{Abort, ChainError, Executed, GasUsed, Outcome, Settlement, SignedTransaction};

const EXECUTED_FIELDS: &[&str] = &[
    "digest",
    "effects.bcs",
    "effects.changed_objects",
    "events.bcs",
    "checkpoint",
    "timestamp",
    "transaction.sender",
];

impl Client {
    /// Sends a signed transaction and waits until it is in a checkpoint. Sending the same one again
    /// has no second effect and gives the same answer.
    ///
    /// # Errors
    /// [`ChainError::Refused`] when it was not executed; [`ChainError::Undetermined`] when it may
    /// have been: ask [`Client::settle`]. A failed execution is not an error here, see
    /// [`Executed::outcome`].
    pub async fn send(&self, signed: &SignedTransaction) -> Result<Executed, ChainError> {
        let digest = signed.digest();
        let request = proto::ExecuteTransactionRequest::new(signed.transaction.clone().into())
            .with_signatures(vec![signed.signature.clone().into()])
            .with_read_mask(FieldMask::from_paths(EXECUTED_FIELDS));
        let mut rpc = self.rpc.clone();
        let response = rpc
            .execute_transaction_and_wait_for_checkpoint(request, self.options.checkpoint_timeout)
            .await;
        match response {
            Ok(response) => {
                let transaction = response.into_inner().transaction.unwrap_or_default();
                executed(digest, &transaction)
            }
            Err(ExecuteAndWaitError::RpcError(status)) if is_network(&status) => {
                Err(ChainError::Undetermined {
                    digest,
                    source: Box::new(status),
                })
            }
            Err(ExecuteAndWaitError::RpcError(status)) => Err(ChainError::Refused {
                action: "execute a transaction",
                source: Box::new(status),
            }),
            Err(ExecuteAndWaitError::CheckpointTimeout(_)) => Err(ChainError::NotCheckpointed {
                digest,
                seconds: self.options.checkpoint_timeout.as_secs(),
            }),
            Err(ExecuteAndWaitError::CheckpointStreamError { error, .. }) => {
                // Executed; the connection broke while waiting. Ask once for the checkpoint.
                match self.lookup(digest).await {
                    Ok(Some(executed)) => Ok(executed),
                    _ => Err(ChainError::Undetermined {
                        digest,
                        source: Box::new(error),
                    }),
                }
            }
            Err(other) => Err(ChainError::Undecodable {
                action: "execute a transaction",
                reason: other.to_string(),
            }),
        }
    }

    /// The transaction with this digest, if the ledger has executed it and it is in a checkpoint.
    ///
    /// # Errors
    /// That of asking.
    pub async fn lookup(&self, digest: Digest) -> Result<Option<Executed>, ChainError> {
        let request = proto::GetTransactionRequest::new(&digest)
            .with_read_mask(FieldMask::from_paths(EXECUTED_FIELDS));
        match self
            .rpc
            .clone()
            .ledger_client()
            .get_transaction(request)
            .await
        {
            Ok(response) => {
                let transaction = response.into_inner().transaction.unwrap_or_default();
                if transaction.checkpoint.is_none() {
                    return Ok(None);
                }
                executed(digest, &transaction).map(Some)
            }
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(from_status(&self.url, "look up a transaction", status)),
        }
    }

    /// Finds out what became of a stored transaction, sending it where it was not executed yet.
    ///
    /// This is what a caller does after a crash, or after [`ChainError::Undetermined`].
    ///
    /// # Errors
    /// [`ChainError::Undetermined`] or [`ChainError::Unreachable`] while the ledger cannot be
    /// asked: try again. [`ChainError::Refused`] when it refuses for a reason that may pass.
    pub async fn settle(&self, signed: &SignedTransaction) -> Result<Settlement, ChainError> {
        if let Some(executed) = self.lookup(signed.digest()).await? {
            return Ok(Settlement::Executed(Box::new(executed)));
        }
        let refusal = match self.send(signed).await {
            Ok(executed) => return Ok(Settlement::Executed(Box::new(executed))),
            Err(refusal @ ChainError::Refused { .. }) => refusal,
            Err(other) => return Err(other),
        };
        // Refused now; is it refused for ever? Only if something that it names is gone, and the
        // transaction that took it is not this one.
        let Some(reason) = self.obsolete(signed.transaction()).await? else {
            return Err(refusal);
        };
        match self.lookup(signed.digest()).await? {
            Some(executed) => Ok(Settlement::Executed(Box::new(executed))),
            None => Ok(Settlement::Void { reason }),
        }
    }

    /// Why a transaction can never be executed again, if so.
    async fn obsolete(&self, transaction: &Transaction) -> Result<Option<String>, ChainError> {
        if let TransactionExpiration::Epoch(last) = transaction.expiration
            && self.epoch().await? > last
        {
            return Ok(Some(format!("it expired after epoch {last}")));
        }
        let owned = match &transaction.kind {
            TransactionKind::ProgrammableTransaction(programmable) => programmable
                .inputs
                .iter()
                .filter_map(|input| match input {
                    Input::ImmutableOrOwned(reference) => Some(reference),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        for reference in transaction.gas_payment.objects.iter().chain(owned) {
            let id = *reference.object_id();
            match self.raw_object(id, "object", "version").await {
                Ok(object) if object.version() > reference.version() => {
                    return Ok(Some(format!(
                        "object {id} has moved on from version {} to {}",
                        reference.version(),
                        object.version()
                    )));
                }
                Ok(_) => {}
                Err(ChainError::NotFound { .. }) => {
                    return Ok(Some(format!("object {id} does not exist any more")));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// Simulates a transaction and gives its gas.
    pub(crate) async fn simulate(&self, transaction: &Transaction) -> Result<GasUsed, ChainError> {
        let action = "simulate a transaction";
        let request = proto::SimulateTransactionRequest::new(transaction.clone().into())
            .with_read_mask(FieldMask::from_paths(["transaction.effects.bcs"]));
        let response = self
            .rpc
            .clone()
            .execution_client()
            .simulate_transaction(request)
            .await
            .map_err(|status| from_status(&self.url, action, status))?
            .into_inner();
        let effects: TransactionEffects = response
            .transaction()
            .effects()
            .bcs
            .as_ref()
            .ok_or_else(|| ChainError::Undecodable {
                action,
                reason: "it has no effects".to_owned(),
            })?
            .deserialize()
            .map_err(|error| ChainError::Undecodable {
                action,
                reason: error.to_string(),
            })?;
        match outcome(transaction, effects.status()) {
            Outcome::Success => Ok(gas(&effects)),
            Outcome::Aborted(abort) => Err(ChainError::Aborted {
                abort: Box::new(abort),
                digest: None,
            }),
            Outcome::Failed(reason) => Err(ChainError::Failed {
                reason,
                digest: None,
            }),
        }
    }
}

fn gas(effects: &TransactionEffects) -> GasUsed {
    let summary = effects.gas_summary();
    GasUsed {
        computation: summary.computation_cost,
        storage: summary.storage_cost,
        rebate: summary.storage_rebate,
    }
}

fn executed(
    digest: Digest,
    transaction: &proto::ExecutedTransaction,
) -> Result<Executed, ChainError> {
    let action = "look up a transaction";
    let undecodable = |reason: String| ChainError::Undecodable { action, reason };
    let effects: TransactionEffects = transaction
        .effects()
        .bcs
        .as_ref()
        .ok_or_else(|| undecodable("it has no effects".to_owned()))?
        .deserialize()
        .map_err(|error| undecodable(error.to_string()))?;
    let events: Option<TransactionEvents> = transaction
        .events()
        .bcs
        .as_ref()
        .map(proto::Bcs::deserialize)
        .transpose()
        .map_err(|error| undecodable(error.to_string()))?;
    let effects_digest = match &effects {
        TransactionEffects::V1(effects) => effects.transaction_digest,
        TransactionEffects::V2(effects) => effects.transaction_digest,
    };
    if effects_digest != digest {
        return Err(undecodable(format!(
            "the effects are those of transaction {effects_digest}"
        )));
    }
    let created = transaction
        .effects()
        .changed_objects()
        .iter()
        .filter(|changed| {
            changed.id_operation() == proto::changed_object::IdOperation::Created
                && changed.output_state() != proto::changed_object::OutputObjectState::DoesNotExist
        })
        .map(|changed| {
            Ok(Created {
                id: parse(action, "object_id", changed.object_id())?,
                object_type: changed.object_type().to_owned(),
                shared: changed.output_owner().kind() == proto::owner::OwnerKind::Shared,
                version: changed.output_version(),
            })
        })
        .collect::<Result<_, ChainError>>()?;
    let sender: Address = parse(action, "sender", transaction.transaction().sender())?;
    let timestamp_ms = transaction
        .timestamp
        .and_then(|time| sui_rpc::proto::proto_to_timestamp_ms(time).ok())
        .ok_or_else(|| undecodable("it has no time".to_owned()))?;
    Ok(Executed {
        digest,
        sender,
        checkpoint: transaction
            .checkpoint
            .ok_or_else(|| undecodable("it has no checkpoint".to_owned()))?,
        timestamp_ms,
        outcome: describe(effects.status(), None),
        gas: gas(&effects),
        created,
        emitted: events
            .into_iter()
            .flat_map(|events| events.0)
            .map(|event| (event.type_, event.contents))
            .collect(),
    })
}

fn outcome(transaction: &Transaction, status: &ExecutionStatus) -> Outcome {
    describe(status, Some(transaction))
}

/// Puts an execution status into words. With the transaction at hand, a failure names the call.
fn describe(status: &ExecutionStatus, transaction: Option<&Transaction>) -> Outcome {
    let ExecutionStatus::Failure { error, command } = status else {
        return Outcome::Success;
    };
    if let ExecutionError::MoveAbort { location, code } = error {
        return Outcome::Aborted(Abort::new(
            location.module.as_str(),
            location.function_name.as_ref().map(|name| name.as_str()),
            *code,
        ));
    }
    let at = command
        .and_then(|index| usize::try_from(index).ok())
        .map_or_else(String::new, |index| {
            let called = transaction.and_then(|transaction| match &transaction.kind {
                TransactionKind::ProgrammableTransaction(programmable) => {
                    programmable.commands.get(index)
                }
                _ => None,
            });
            match called {
                Some(Command::MoveCall(call)) => {
                    format!(" in command {index} ({}::{})", call.module, call.function)
                }
                _ => format!(" in command {index}"),
            }
        });
    let reason = match error {
        ExecutionError::InsufficientGas => OUT_OF_GAS.to_owned(),
        ExecutionError::InsufficientCoinBalance => "a coin has too little in it".to_owned(),
        ExecutionError::FunctionNotFound => {
            "the package has no such function: is the deployment file that of this chain?"
                .to_owned()
        }
        ExecutionError::InputObjectDeleted => "an object that it uses was deleted".to_owned(),
        other => format!("{other:?}"),
    };
    Outcome::Failed(format!("{reason}{at}"))
}
