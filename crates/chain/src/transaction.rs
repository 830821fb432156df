//! A signed transaction as a value that can be stored, and what became of it.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Digest, StructTag, Transaction, UserSignature};

use crate::events::Event;
use crate::{Abort, ChainError, Deployment};

/// A transaction with its signature: everything needed to send it, again and again, with at most
/// one effect.
///
/// A payment survives a crash like this: build and sign, store [`SignedTransaction::to_bytes`]
/// durably, [`crate::Client::send`] it, delete the stored bytes once the outcome is recorded. After
/// a crash in between, [`crate::Client::settle`] tells whether it happened, makes it happen, or
/// says that it never will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    pub(crate) transaction: Transaction,
    pub(crate) signature: UserSignature,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    transaction: Transaction,
    signature: UserSignature,
}

impl SignedTransaction {
    /// Digest under which the ledger knows the transaction.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.transaction.digest()
    }

    /// Who sends it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.transaction.sender
    }

    /// The transaction itself.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The sender's signature.
    #[must_use]
    pub fn signature(&self) -> &UserSignature {
        &self.signature
    }

    /// BCS, to be stored before sending. It holds no secret.
    ///
    /// # Errors
    /// [`ChainError::Undecodable`] if BCS refuses (it does not, for what a client builds).
    pub fn to_bytes(&self) -> Result<Vec<u8>, ChainError> {
        bcs::to_bytes(&Stored {
            transaction: self.transaction.clone(),
            signature: self.signature.clone(),
        })
        .map_err(|error| ChainError::Undecodable {
            action: "store a signed transaction",
            reason: error.to_string(),
        })
    }

    /// Reads what [`SignedTransaction::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`ChainError::Undecodable`] when the bytes are something else, [`ChainError::Signature`]
    /// when the signature is not the sender's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChainError> {
        let Stored {
            transaction,
            signature,
        } = bcs::from_bytes(bytes).map_err(|error| ChainError::Undecodable {
            action: "read a stored transaction",
            reason: error.to_string(),
        })?;
        crate::wallet::verify_transaction(&transaction, &signature)?;
        Ok(Self {
            transaction,
            signature,
        })
    }
}

/// Gas of an executed transaction, MIST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasUsed {
    /// For computation.
    pub computation: u64,
    /// For storage of what was written.
    pub storage: u64,
    /// Given back for what was stored before.
    pub rebate: u64,
}

impl GasUsed {
    /// What the sender paid in the end; negative when storage was freed.
    #[must_use]
    pub fn net(&self) -> i128 {
        i128::from(self.computation) + i128::from(self.storage) - i128::from(self.rebate)
    }
}

/// Whether an executed transaction did what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Success,
    /// A Move function aborted; nothing happened but the gas charge.
    Aborted(Abort),
    /// It failed otherwise; nothing happened but the gas charge.
    Failed(String),
}

/// An object that a transaction created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: Address,
    /// Its type, e.g. `0x…::staking::Stake`; empty for a package.
    pub object_type: String,
    /// Whether it is shared.
    pub shared: bool,
    /// Version that it has now.
    pub version: u64,
}

/// A transaction that was executed and is in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its digest.
    pub digest: Digest,
    /// Its sender.
    pub sender: Address,
    /// Checkpoint that has it.
    pub checkpoint: u64,
    /// The checkpoint's time, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Success or failure.
    pub outcome: Outcome,
    /// What it cost.
    pub gas: GasUsed,
    /// What it created.
    pub created: Vec<Created>,
    /// Its events, of whatever package.
    pub(crate) emitted: Vec<(StructTag, Vec<u8>)>,
}

impl Executed {
    /// Turns a failed execution into the error that says why.
    ///
    /// # Errors
    /// [`ChainError::Aborted`] or [`ChainError::Failed`].
    pub fn into_success(self) -> Result<Self, ChainError> {
        match self.outcome {
            Outcome::Success => Ok(self),
            Outcome::Aborted(abort) => Err(ChainError::Aborted {
                abort: Box::new(abort),
                digest: Some(self.digest),
            }),
            Outcome::Failed(reason) => Err(ChainError::Failed {
                reason,
                digest: Some(self.digest),
            }),
        }
    }

    /// The events of the deployment's package, in order. Those of other packages are left out,
    /// whatever they are called.
    #[must_use]
    pub fn events(&self, deployment: &Deployment) -> Vec<Event> {
        self.emitted
            .iter()
            .filter(|(event_type, _)| *event_type.address() == deployment.original_package)
            .map(|(event_type, contents)| Event::decode(event_type, contents))
            .collect()
    }

    /// Id of the created object whose type ends in `::module::Name`.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the transaction created none.
    pub fn created(&self, module_and_name: &'static str) -> Result<Address, ChainError> {
        self.created
            .iter()
            .find(|created| {
                created
                    .object_type
                    .split_once("::")
                    .is_some_and(|(_, rest)| rest == module_and_name)
            })
            .map(|created| created.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "transaction",
                id: self.digest.to_string(),
                reason: format!("it created no {module_and_name}"),
            })
    }
}

/// What became of a stored transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was executed (now or earlier), successfully or not: see [`Executed::outcome`].
    Executed(Box<Executed>),
    /// It was never executed and never will be: an object that it uses has moved on, or it
    /// expired. Building a new one cannot pay twice.
    Void {
        /// What the ledger says.
        reason: String,
    },
}
