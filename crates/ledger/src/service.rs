//! Sui's gRPC v2 services.

mod execution;
mod ledger;
mod list;
mod signature;
mod state;
mod subscription;

use std::sync::Arc;

use sui_sdk_types::{Address, Digest};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::execute::Refusal;
use crate::executor::Request;
use crate::state::{State, Transaction};

/// What every service works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) state: watch::Receiver<Arc<State>>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) price: u64,
    /// Ends subscriptions.
    pub(crate) shutdown: CancellationToken,
}

impl Services {
    /// The ledger now.
    pub(crate) fn now(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Hands a checked transaction to the executor and waits until it is on the disk.
    pub(crate) async fn execute(
        &self,
        signed: sui_sdk_types::SignedTransaction,
    ) -> Result<Arc<Transaction>, Refusal> {
        let stopped = || Refusal::Storage("it is shutting down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Execute {
                signed: Box::new(signed),
                reply,
            })
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn parse_address(field: &'static str, text: &str) -> Result<Address, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("{field} `{text}` is not an address")))
}

fn parse_digest(text: &str) -> Result<Digest, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("`{text}` is not a digest")))
}

/// Offset of a page token, which is a number in big-endian.
fn page_start(token: Option<&[u8]>) -> Result<usize, Status> {
    let Some(token) = token else {
        return Ok(0);
    };
    <[u8; 8]>::try_from(token)
        .ok()
        .and_then(|bytes| usize::try_from(u64::from_be_bytes(bytes)).ok())
        .ok_or_else(|| Status::invalid_argument("this is not a page token of this ledger"))
}

/// One page of all, and the token of the next.
fn page<T>(
    all: impl Iterator<Item = T>,
    size: Option<u32>,
    token: Option<&[u8]>,
) -> Result<(Vec<T>, Option<bytes::Bytes>), Status> {
    let start = page_start(token)?;
    let size = match size {
        None | Some(0) => 50,
        Some(size) => usize::try_from(size).unwrap_or(1000).min(1000),
    };
    let mut rest = all.skip(start).peekable();
    let items: Vec<T> = rest.by_ref().take(size).collect();
    let next = rest.peek().map(|_| {
        let next = u64::try_from(start.saturating_add(size)).unwrap_or(u64::MAX);
        bytes::Bytes::copy_from_slice(&next.to_be_bytes())
    });
    Ok((items, next))
}
