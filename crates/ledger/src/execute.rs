//! One transaction: checked, executed, charged for, and put into effects.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract_model::{Gas, InputError, Outcome, ReturnValue, TxContext};
use sui_crypto::{SuiVerifier as _, UserSignatureVerifier};
use sui_sdk_types::{
    Address, ChangedObject, Digest, ExecutionError, ExecutionStatus, GasCostSummary, IdOperation,
    Input, ObjectData, ObjectIn, ObjectOut, ProgrammableTransaction, SignedTransaction,
    Transaction, TransactionEffects, TransactionEffectsV2, TransactionEvents,
    TransactionExpiration, TransactionKind, UnchangedConsensusKind, UnchangedConsensusObject,
};

use crate::gas;
use crate::record::TransactionRecord;
use crate::state::State;

/// Upstream: `max_tx_size_bytes`.
const MAX_TRANSACTION_BYTES: usize = 128 * 1024;
/// Upstream: `max_gas_payment_objects`.
const MAX_GAS_COINS: usize = 256;

/// Why a transaction is refused: it is not executed, nothing is charged, it is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the transaction is larger than {MAX_TRANSACTION_BYTES} bytes")]
    TooLarge,
    #[error("only programmable transactions can be sent")]
    NotProgrammable,
    #[error("a transaction needs exactly one signature, its sender's; {0} were given")]
    SignatureCount(usize),
    #[error("the signature is that of {actual}, the sender is {sender}")]
    WrongSigner { sender: Address, actual: Address },
    #[error("the signature does not verify: {0}")]
    BadSignature(String),
    #[error(
        "sponsored transactions are not supported by this ledger: the gas owner has to be the sender"
    )]
    Sponsored,
    #[error("the transaction expired after epoch {last}, it is epoch {now}")]
    Expired { last: u64, now: u64 },
    #[error("the transaction is not valid before epoch {first}, it is epoch {now}")]
    TooEarly { first: u64, now: u64 },
    #[error("the transaction is for another chain")]
    OtherChain,
    #[error("a bound on the time of validity is not supported by this ledger")]
    TimeBound,
    #[error("the gas price of {given} is below the reference gas price of {least}")]
    PriceTooLow { given: u64, least: u64 },
    #[error("the gas budget of {given} is below the least possible of {least}")]
    BudgetTooLow { given: u64, least: u64 },
    #[error("the gas budget of {given} is above the most possible of {most}")]
    BudgetTooHigh { given: u64, most: u64 },
    #[error("the transaction names no gas coin")]
    NoGas,
    #[error("the transaction names more than {MAX_GAS_COINS} gas coins")]
    TooManyGasCoins,
    #[error(
        "object {id} version {given} is not available for consumption, its current version is {actual}"
    )]
    Stale {
        id: Address,
        given: u64,
        actual: u64,
    },
    #[error("object {id} at version {version} has another digest")]
    OtherDigest { id: Address, version: u64 },
    #[error("{0}")]
    Input(InputError),
    #[error("the ledger cannot write to its disk: {0}")]
    Storage(String),
    #[error("the ledger broke one of its own rules: {0}")]
    Internal(String),
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Stale { .. } | Refusal::Input(InputError::Stale { .. }) => {
                Self::failed_precondition(message)
            }
            Refusal::Storage(_) => Self::unavailable(message),
            Refusal::Internal(_) => Self::internal(message),
            Refusal::Input(InputError::Unsupported(_)) => Self::unimplemented(message),
            _ => Self::invalid_argument(message),
        }
    }
}

/// Checks that do not depend on the ledger's state: size, kind, and that the sender signed.
///
/// `UserSignatureVerifier` answers whether the key that comes with the signature signed; whether
/// that key is the sender's is asked apart.
pub(crate) fn check_signed(signed: &SignedTransaction) -> Result<(), Refusal> {
    check_shape(&signed.transaction)?;
    let [signature] = signed.signatures.as_slice() else {
        return Err(Refusal::SignatureCount(signed.signatures.len()));
    };
    let sender = signed.transaction.sender;
    if !signature
        .derive_addresses()
        .any(|address| address == sender)
    {
        return Err(Refusal::WrongSigner {
            sender,
            actual: signature.derive_address(),
        });
    }
    UserSignatureVerifier::new()
        .verify_transaction(&signed.transaction, signature)
        .map_err(|error| Refusal::BadSignature(error.to_string()))
}

/// Checks of a transaction that nobody signed yet.
pub(crate) fn check_shape(transaction: &Transaction) -> Result<(), Refusal> {
    let size = bcs::serialized_size(transaction).map_err(|_| Refusal::TooLarge)?;
    if size > MAX_TRANSACTION_BYTES {
        return Err(Refusal::TooLarge);
    }
    programmable(transaction)?;
    if transaction.gas_payment.owner != transaction.sender {
        return Err(Refusal::Sponsored);
    }
    Ok(())
}

pub(crate) fn programmable(transaction: &Transaction) -> Result<&ProgrammableTransaction, Refusal> {
    match &transaction.kind {
        TransactionKind::ProgrammableTransaction(programmable) => Ok(programmable),
        _ => Err(Refusal::NotProgrammable),
    }
}

/// Objects that a transaction names as inputs.
pub(crate) fn programmable_inputs(kind: &TransactionKind) -> Vec<Address> {
    let TransactionKind::ProgrammableTransaction(programmable) = kind else {
        return Vec::new();
    };
    programmable
        .inputs
        .iter()
        .filter_map(|input| match input {
            Input::ImmutableOrOwned(reference) | Input::Receiving(reference) => {
                Some(*reference.object_id())
            }
            Input::Shared(shared) => Some(shared.object_id()),
            _ => None,
        })
        .collect()
}

/// What the ledger knows when it executes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) epoch: u64,
    pub(crate) epoch_start_ms: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) price: u64,
}

/// An executed transaction that is in no checkpoint (yet).
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) record: TransactionRecord,
    pub(crate) results: Vec<Vec<ReturnValue>>,
}

/// How much of a transaction is checked before it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Everything, as before it counts.
    All,
    /// As in a simulation that asks for none: gas may be absent.
    None,
}

/// Executes a transaction on a state, which stays as it is. Its signatures were checked before.
pub(crate) fn execute(
    state: &State,
    moment: &Moment,
    signed: SignedTransaction,
    checks: Checks,
) -> Result<Executed, Refusal> {
    let transaction = &signed.transaction;
    let commands = programmable(transaction)?;
    let payment = &transaction.gas_payment;
    let units = gas::computation_units(commands.commands.len());
    let computation = units.saturating_mul(payment.price.max(moment.price));
    if checks == Checks::All {
        check_expiration(state, moment, &transaction.expiration)?;
        check_payment(state, moment, transaction, computation)?;
    }
    let digest = transaction.digest();
    let context = TxContext {
        sender: transaction.sender,
        digest,
        epoch: moment.epoch,
        epoch_timestamp_ms: moment.epoch_start_ms,
        timestamp_ms: moment.timestamp_ms,
    };
    let coins: Vec<Address> = payment
        .objects
        .iter()
        .map(|reference| *reference.object_id())
        .collect();
    let without_gas = coins.is_empty();
    let gas_payment = Gas {
        coins,
        budget: if without_gas { 0 } else { payment.budget },
    };
    let run = |commands: &ProgrammableTransaction| {
        contract_model::execute(&state.world, &context, &gas_payment, commands)
            .map_err(refuse_input)
    };
    let mut outcome = run(commands)?;
    let mut cost = gas::cost(&outcome, computation);
    let mut out_of_gas = false;
    if !without_gas && gas::net(&cost) > i128::from(payment.budget) {
        // It costs more than it may: nothing of it happens. The same inputs with no command give
        // what is left: merged gas coins and new versions.
        outcome = run(&ProgrammableTransaction {
            inputs: commands.inputs.clone(),
            commands: Vec::new(),
        })?;
        outcome.status = ExecutionStatus::Failure {
            error: ExecutionError::InsufficientGas,
            command: None,
        };
        outcome.events.clear();
        outcome.results.clear();
        cost = gas::cost_unchanged(&outcome, computation);
        out_of_gas = true;
    }
    if !without_gas {
        outcome
            .charge(gas::net(&cost))
            .map_err(|error| Refusal::Internal(error.to_string()))?;
    }
    for written in outcome.written.values_mut() {
        let charge = if out_of_gas {
            written
                .previous
                .as_ref()
                .map_or(0, |previous| previous.storage_rebate())
        } else {
            gas::storage_charge(&written.object)
        };
        written.object = Arc::new(gas::with_rebate(&written.object, charge));
    }
    let events = (!outcome.events.is_empty())
        .then(|| TransactionEvents(std::mem::take(&mut outcome.events)));
    let effects = effects(&outcome, &signed.transaction, moment, cost, events.as_ref());
    let results = std::mem::take(&mut outcome.results);
    Ok(Executed {
        record: TransactionRecord {
            effects,
            events,
            written: outcome
                .written
                .values()
                .map(|written| sui_sdk_types::Object::clone(&written.object))
                .collect(),
            deleted: outcome.deleted.keys().copied().collect(),
            signed,
        },
        results,
    })
}

fn refuse_input(error: InputError) -> Refusal {
    match error {
        InputError::Stale { id, given, actual } if given != actual => {
            Refusal::Stale { id, given, actual }
        }
        InputError::Stale { id, given, .. } => Refusal::OtherDigest { id, version: given },
        other => Refusal::Input(other),
    }
}

fn check_expiration(
    state: &State,
    moment: &Moment,
    expiration: &TransactionExpiration,
) -> Result<(), Refusal> {
    let now = moment.epoch;
    let bounds = |first: Option<u64>, last: Option<u64>| {
        if let Some(last) = last.filter(|last| now > *last) {
            return Err(Refusal::Expired { last, now });
        }
        if let Some(first) = first.filter(|first| now < *first) {
            return Err(Refusal::TooEarly { first, now });
        }
        Ok(())
    };
    match expiration {
        TransactionExpiration::None => Ok(()),
        TransactionExpiration::Epoch(last) => bounds(None, Some(*last)),
        TransactionExpiration::ValidDuring {
            min_epoch,
            max_epoch,
            min_timestamp,
            max_timestamp,
            chain,
            ..
        }
        | TransactionExpiration::Validity {
            min_epoch,
            max_epoch,
            min_timestamp,
            max_timestamp,
            chain,
            ..
        } => {
            if *chain != state.chain() {
                return Err(Refusal::OtherChain);
            }
            if min_timestamp.is_some() || max_timestamp.is_some() {
                return Err(Refusal::TimeBound);
            }
            bounds(*min_epoch, *max_epoch)
        }
        _ => Err(Refusal::TimeBound),
    }
}

fn check_payment(
    state: &State,
    moment: &Moment,
    transaction: &Transaction,
    computation: u64,
) -> Result<(), Refusal> {
    let payment = &transaction.gas_payment;
    if payment.price < moment.price {
        return Err(Refusal::PriceTooLow {
            given: payment.price,
            least: moment.price,
        });
    }
    if payment.budget < computation {
        return Err(Refusal::BudgetTooLow {
            given: payment.budget,
            least: computation,
        });
    }
    if payment.budget > gas::MAX_BUDGET {
        return Err(Refusal::BudgetTooHigh {
            given: payment.budget,
            most: gas::MAX_BUDGET,
        });
    }
    if payment.objects.is_empty() {
        return Err(Refusal::NoGas);
    }
    if payment.objects.len() > MAX_GAS_COINS {
        return Err(Refusal::TooManyGasCoins);
    }
    for reference in &payment.objects {
        let id = *reference.object_id();
        let object = state
            .world
            .get(id)
            .ok_or(Refusal::Input(InputError::NotFound(id)))?;
        if object.version() != reference.version() {
            return Err(Refusal::Stale {
                id,
                given: reference.version(),
                actual: object.version(),
            });
        }
        if object.digest() != *reference.digest() {
            return Err(Refusal::OtherDigest {
                id,
                version: reference.version(),
            });
        }
    }
    Ok(())
}

fn effects(
    outcome: &Outcome,
    transaction: &Transaction,
    moment: &Moment,
    gas_used: GasCostSummary,
    events: Option<&TransactionEvents>,
) -> TransactionEffects {
    let mut changed: Vec<ChangedObject> = Vec::new();
    let mut dependencies: BTreeSet<Digest> = BTreeSet::new();
    let mut before = |object: &sui_sdk_types::Object| {
        dependencies.insert(object.previous_transaction());
        ObjectIn::Exist {
            version: object.version(),
            digest: object.digest(),
            owner: *object.owner(),
        }
    };
    for (id, written) in &outcome.written {
        let object = &written.object;
        changed.push(ChangedObject {
            object_id: *id,
            input_state: written
                .previous
                .as_ref()
                .map_or(ObjectIn::NotExist, |previous| before(previous)),
            output_state: match object.data() {
                ObjectData::Package(package) => ObjectOut::PackageWrite {
                    version: package.version,
                    digest: object.digest(),
                },
                ObjectData::Struct(_) => ObjectOut::ObjectWrite {
                    digest: object.digest(),
                    owner: *object.owner(),
                },
            },
            id_operation: if written.previous.is_some() {
                IdOperation::None
            } else {
                IdOperation::Created
            },
        });
    }
    for (id, removed) in &outcome.deleted {
        changed.push(ChangedObject {
            object_id: *id,
            input_state: before(&removed.previous),
            output_state: ObjectOut::NotExist,
            id_operation: IdOperation::Deleted,
        });
    }
    changed.sort_by_key(|changed| changed.object_id);
    let gas_object_index = outcome
        .gas_coin
        .and_then(|id| changed.iter().position(|changed| changed.object_id == id))
        .and_then(|index| u32::try_from(index).ok());
    TransactionEffects::V2(Box::new(TransactionEffectsV2 {
        status: outcome.status.clone(),
        epoch: moment.epoch,
        gas_used,
        transaction_digest: transaction.digest(),
        gas_object_index,
        events_digest: events.map(TransactionEvents::digest),
        dependencies: dependencies.into_iter().collect(),
        lamport_version: outcome.version,
        changed_objects: changed,
        unchanged_consensus_objects: outcome
            .unchanged
            .iter()
            .map(|read| UnchangedConsensusObject {
                object_id: read.id,
                kind: UnchangedConsensusKind::ReadOnlyRoot {
                    version: read.version,
                    digest: read.digest,
                },
            })
            .collect(),
        auxiliary_data_digest: None,
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
