//! The serialisable form of an executed transaction: one JSON object a line.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Digest, ProgrammableTransaction};

use crate::execute::TxContext;

/// One executed transaction of a ledger's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The sender.
    pub sender: Address,
    /// The transaction's digest.
    pub digest: Digest,
    /// The epoch.
    pub epoch: u64,
    /// When the epoch began, in Unix milliseconds.
    pub epoch_timestamp_ms: u64,
    /// What the clock showed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The MIST that `Argument::Gas` held when the first command ran.
    pub gas_balance: u64,
    /// The gas coin (the first of the payment), if there was one.
    pub gas_coin: Option<Address>,
    /// BCS of the `ProgrammableTransaction`, in hexadecimal.
    pub transaction: String,
}

/// Why a line of a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not the JSON of an entry.
    #[error("not a log entry")]
    Json(#[from] serde_json::Error),
    /// The transaction's bytes are not hexadecimal.
    #[error("the transaction is not hexadecimal")]
    Hex(#[from] hex::FromHexError),
    /// The transaction's bytes are not BCS of a programmable transaction.
    #[error("the transaction is not BCS of a programmable transaction")]
    Bcs(#[from] bcs::Error),
}

impl LogEntry {
    /// The entry of a transaction.
    pub fn new(
        context: &TxContext,
        gas_coin: Option<Address>,
        gas_balance: u64,
        transaction: &ProgrammableTransaction,
    ) -> Result<Self, LogError> {
        Ok(Self {
            sender: context.sender,
            digest: context.digest,
            epoch: context.epoch,
            epoch_timestamp_ms: context.epoch_timestamp_ms,
            timestamp_ms: context.timestamp_ms,
            gas_balance,
            gas_coin,
            transaction: hex::encode(bcs::to_bytes(transaction)?),
        })
    }

    /// From a line of JSON.
    pub fn from_line(line: &str) -> Result<Self, LogError> {
        Ok(serde_json::from_str(line)?)
    }

    /// As a line of JSON, without the line feed.
    pub fn to_line(&self) -> Result<String, LogError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Its execution context.
    pub fn context(&self) -> TxContext {
        TxContext {
            sender: self.sender,
            digest: self.digest,
            epoch: self.epoch,
            epoch_timestamp_ms: self.epoch_timestamp_ms,
            timestamp_ms: self.timestamp_ms,
        }
    }

    /// Its transaction, decoded.
    pub fn decode(&self) -> Result<ProgrammableTransaction, LogError> {
        Ok(bcs::from_bytes(&hex::decode(&self.transaction)?)?)
    }
}
