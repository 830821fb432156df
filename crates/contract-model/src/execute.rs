//! Executes programmable transactions.

use sui_sdk_types::{Address, Digest, ProgrammableTransaction, Version};

use crate::outcome::Outcome;
use crate::world::World;

/// Who sends a transaction, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxContext {
    /// The sender.
    pub sender: Address,
    /// The transaction's digest, from which new ids derive.
    pub digest: Digest,
    /// The epoch.
    pub epoch: u64,
    /// When the epoch began, in Unix milliseconds.
    pub epoch_timestamp_ms: u64,
    /// What the clock shows during the transaction, in Unix milliseconds.
    pub timestamp_ms: u64,
}

/// The gas payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gas {
    /// SUI coins of the sender. All are merged into the first. Without any, `Argument::Gas` can't be
    /// used (as in a simulation without gas).
    pub coins: Vec<Address>,
    /// MIST of them that the transaction can't use.
    pub budget: u64,
}

/// Why a transaction is refused before it executes: nothing changes, no gas is charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// There is no such object.
    #[error("object {0} does not exist")]
    NotFound(Address),
    /// The object is there in another version, or with another digest.
    #[error("object {id} is at version {actual}, not as referenced ({given})")]
    Stale {
        /// The object.
        id: Address,
        /// The version referenced.
        given: Version,
        /// The version that there is.
        actual: Version,
    },
    /// The object is neither the sender's nor immutable.
    #[error("object {0} is not owned by the sender")]
    NotOwned(Address),
    /// The object is not shared, or was shared at another version.
    #[error("object {0} is not shared as referenced")]
    NotShared(Address),
    /// The same object is given twice.
    #[error("object {0} is given more than once")]
    Duplicate(Address),
    /// A gas coin is not a SUI coin of the sender.
    #[error("gas object {0} is not a SUI coin of the sender")]
    InvalidGas(Address),
    /// The gas coins hold less than the budget.
    #[error("gas coins hold {balance} MIST, less than the budget of {budget}")]
    GasTooSmall {
        /// What they hold.
        balance: u64,
        /// The budget.
        budget: u64,
    },
    /// The kind of input or command is not supported by this ledger.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

/// Executes `transaction` on `world`, which stays as it is.
pub fn execute(
    world: &World,
    context: &TxContext,
    gas: &Gas,
    transaction: &ProgrammableTransaction,
) -> Result<Outcome, InputError> {
    let _ = (world, context, gas, transaction);
    Err(InputError::Unsupported("programmable transactions"))
}
