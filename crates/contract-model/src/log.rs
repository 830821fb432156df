//! The serialisable form of an executed transaction: one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Digest, Input, ProgrammableTransaction};

use crate::execute::{Gas, TxContext};
use crate::world::World;

/// One executed transaction of a ledger's log: everything that its effect on the contracts depends
/// on, besides the state before it.
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
    /// The first coin of the gas payment, if there was one.
    pub gas_coin: Option<Address>,
    /// The gas coin and, where they are known, the other SUI coins among the inputs: the MIST that
    /// the commands found in each.
    pub coins: BTreeMap<Address, u64>,
    /// BCS of the `ProgrammableTransaction`, in hexadecimal.
    pub transaction: String,
}

/// Why an entry could not be written or read.
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
    /// The entry of an executed transaction: `gas_balance` is the MIST that the commands found in
    /// the gas coin. What other coins among the inputs held is left to the log's other entries.
    pub fn new(
        context: &TxContext,
        gas_coin: Option<Address>,
        gas_balance: u64,
        transaction: &ProgrammableTransaction,
    ) -> Result<Self, LogError> {
        let coins = gas_coin.map(|id| (id, gas_balance)).into_iter().collect();
        Self::with_coins(context, gas_coin, coins, transaction)
    }

    /// The entry of a transaction that is about to be executed on `world`.
    pub fn before(
        world: &World,
        context: &TxContext,
        gas: &Gas,
        transaction: &ProgrammableTransaction,
    ) -> Result<Self, LogError> {
        let mut coins = BTreeMap::new();
        for input in &transaction.inputs {
            if let Input::ImmutableOrOwned(reference) = input
                && let Some(balance) = world.coin(*reference.object_id())
            {
                coins.insert(*reference.object_id(), balance);
            }
        }
        if let Some(id) = gas.coins.first() {
            let total: u64 = gas.coins.iter().filter_map(|id| world.coin(*id)).sum();
            coins.insert(*id, total.saturating_sub(gas.budget));
        }
        Self::with_coins(context, gas.coins.first().copied(), coins, transaction)
    }

    fn with_coins(
        context: &TxContext,
        gas_coin: Option<Address>,
        coins: BTreeMap<Address, u64>,
        transaction: &ProgrammableTransaction,
    ) -> Result<Self, LogError> {
        Ok(Self {
            sender: context.sender,
            digest: context.digest,
            epoch: context.epoch,
            epoch_timestamp_ms: context.epoch_timestamp_ms,
            timestamp_ms: context.timestamp_ms,
            gas_coin,
            coins,
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
