//! Places in the ledger's order, as the list and subscription services hand them out.

use bytes::Bytes;

/// A place: after the item with these indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    pub(crate) checkpoint: u64,
    pub(crate) transaction: u64,
    pub(crate) event: u32,
}

const LENGTH: usize = 20;

impl Cursor {
    /// After everything of a checkpoint.
    pub(crate) fn end_of(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            transaction: u64::MAX,
            event: u32::MAX,
        }
    }

    /// After everything of a transaction.
    pub(crate) fn end_of_transaction(checkpoint: u64, transaction: u64) -> Self {
        Self {
            checkpoint,
            transaction,
            event: u32::MAX,
        }
    }

    pub(crate) fn encode(self) -> Bytes {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(self.checkpoint.to_be_bytes());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend(self.event.to_be_bytes());
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, tonic::Status> {
        let bad = || tonic::Status::invalid_argument("this is not a cursor of this ledger");
        let bytes: &[u8; LENGTH] = bytes.try_into().map_err(|_| bad())?;
        let (checkpoint, rest) = bytes.split_first_chunk::<8>().ok_or_else(bad)?;
        let (transaction, event) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
        Ok(Self {
            checkpoint: u64::from_be_bytes(*checkpoint),
            transaction: u64::from_be_bytes(*transaction),
            event: u32::from_be_bytes(event.try_into().map_err(|_| bad())?),
        })
    }
}
