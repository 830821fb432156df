//! What a transaction changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use sui_sdk_types::{Address, Digest, Event, ExecutionStatus, Object, Owner, TypeTag, Version};

/// What a transaction changes, succeed it or fail. A failed one changes nothing but its gas coins
/// and the versions of its mutable inputs, and emits no events.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Success, or the error and the command that it arose in.
    pub status: ExecutionStatus,
    /// The version of every written object: one more than the highest of the inputs.
    pub version: Version,
    /// Created and changed objects. A changed gas coin is among them, its balance before charging.
    pub written: BTreeMap<Address, Written>,
    /// Objects that were live before and no longer are.
    pub deleted: BTreeMap<Address, Removed>,
    /// Shared objects that were only read.
    pub unchanged: Vec<Unchanged>,
    /// In the order of emission.
    pub events: Vec<Event>,
    /// The gas coin: the first of the gas payment, the others merged into it.
    pub gas_coin: Option<Address>,
    /// What each command returned, for simulation. Empty when failed.
    pub results: Vec<Vec<ReturnValue>>,
}

/// A created or changed object.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// As it is now; its storage rebate is 0.
    pub object: Arc<Object>,
    /// As it was; `None` when it was created.
    pub previous: Option<Arc<Object>>,
}

impl Written {
    /// Its owner before, if it existed.
    pub fn old_owner(&self) -> Option<&Owner> {
        self.previous.as_ref().map(|object| object.owner())
    }

    /// Its owner now.
    pub fn new_owner(&self) -> &Owner {
        self.object.owner()
    }
}

/// A deleted object.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// As it was.
    pub previous: Arc<Object>,
}

/// A shared object that was read and not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchanged {
    /// Its id.
    pub id: Address,
    /// The version that was read.
    pub version: Version,
    /// The digest that was read.
    pub digest: Digest,
}

/// A value that a command returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnValue {
    /// Its Move type.
    pub type_: TypeTag,
    /// Its BCS bytes.
    pub contents: Vec<u8>,
}

/// Why gas could not be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// The transaction was executed without gas coins.
    #[error("the transaction has no gas coin")]
    NoGasCoin,
    /// The gas coin holds less than the charge.
    #[error("the gas coin holds {balance} MIST, less than the charge of {charge}")]
    Insufficient {
        /// What it holds.
        balance: u64,
        /// What was to be taken.
        charge: u64,
    },
}

impl Outcome {
    /// Whether the transaction succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self.status, ExecutionStatus::Success)
    }

    /// Takes the gas charge, less the storage rebate, from the gas coin. A negative charge is paid
    /// out. Within the budget of the gas given to [`crate::execute`] this can't fail.
    pub fn charge(&mut self, net: i128) -> Result<(), ChargeError> {
        let id = self.gas_coin.ok_or(ChargeError::NoGasCoin)?;
        let written = self.written.get_mut(&id).ok_or(ChargeError::NoGasCoin)?;
        let balance = crate::types::coin_balance(&written.object).ok_or(ChargeError::NoGasCoin)?;
        let insufficient = ChargeError::Insufficient {
            balance,
            charge: u64::try_from(net).unwrap_or(u64::MAX),
        };
        let left = u64::try_from(i128::from(balance) - net).map_err(|_| insufficient)?;
        let object = crate::types::coin_object(
            id,
            left,
            self.version,
            *written.object.owner(),
            written.object.previous_transaction(),
        )
        .ok_or(ChargeError::NoGasCoin)?;
        written.object = Arc::new(object);
        Ok(())
    }
}
