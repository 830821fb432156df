//! Anchors: the state root of the sealed log, on the chain, where a host can't take it back.
//!
//! - Before the log is opened, [`at_start`] reads what is anchored; the store refuses a log that does not reach or
//!   extend it, and [`RollbackError`] says what is missing and what an operator may do.
//! - An [`Anchorer`] then takes the lead: it writes one record and anchors it with a term of its own. From there on every
//!   anchor of the cluster must be its own. One that isn't means that another instance extends the same state: this one
//!   is fenced at once and takes no more writes.
//! - It anchors when the state has changed and the interval is over, or at once when somebody waits for it.
//!
//! What was written since the last anchor is exposed: a host that kills the instance and puts an older disk back takes it
//! away unseen. `daas_anchor_exposed_revisions` and `daas_anchor_exposed_seconds` say how much that is.

mod error;
mod metrics;
mod signer;
mod task;

use std::sync::Arc;
use std::time::Duration;

use chain::objects::Anchor;
use chain::{Address, Deployment};
use registry::Stored;
use store::{BatchHash, Revision, Store};
use tokio::sync::{Notify, watch};

pub use error::{AnchorError, RollbackError};
pub(crate) use metrics::Exposure;
pub(crate) use signer::Signer;
pub(crate) use task::{Parts, run};

use crate::wire::Anchored;
use crate::witnesses::Witnesses;

impl From<&Anchor> for Anchored {
    fn from(anchor: &Anchor) -> Self {
        Self {
            epoch: anchor.epoch,
            term: anchor.term,
            revision: anchor.revision,
            root: hex::encode(&anchor.root),
            sequence: anchor.sequence,
            anchored_at_ms: anchor.anchored_at_ms,
        }
    }
}

/// Where an [`Anchorer`]'s task stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The last anchor of this instance.
    pub(crate) last: Option<Anchored>,
    /// Why the last attempt failed, while it does.
    pub(crate) failing: Option<String>,
    /// The task is over: there will be no more anchors.
    pub(crate) ended: bool,
}

/// Asks for anchors and waits for them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Anchorer {
    store: Store<Stored>,
    state: watch::Sender<State>,
    /// Somebody waits for an anchor.
    wanted: Arc<Notify>,
    /// Something that stood in the way has changed.
    again: Arc<Notify>,
}

impl Anchorer {
    /// Nothing happens until the task of it runs.
    pub(crate) fn new(store: Store<Stored>) -> Self {
        Self {
            store,
            state: watch::Sender::default(),
            wanted: Arc::default(),
            again: Arc::default(),
        }
    }

    /// Waits until the chain knows everything that is visible now, or more.
    ///
    /// # Errors
    /// [`AnchorError::Late`] with the reason where one is known, [`AnchorError::Ended`].
    pub(crate) async fn settled(&self, patience: Duration) -> Result<Anchored, AnchorError> {
        let revision = self.store.revision();
        let mut state = self.state.subscribe();
        self.wanted.notify_one();
        let reached = state.wait_for(|state| state.ended || covers(state, revision));
        let why = |state: &State| state.failing.clone().unwrap_or_default();
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(state)) => match &state.last {
                Some(last) if last.revision >= revision.0 => Ok(last.clone()),
                _ => Err(AnchorError::Ended),
            },
            Ok(Err(_)) => Err(AnchorError::Ended),
            Err(_) => Err(AnchorError::Late {
                revision: revision.0,
                why: why(&self.state.borrow()),
            }),
        }
    }

    /// Anchors what is there without waiting for it.
    pub(crate) fn soon(&self) {
        self.wanted.notify_one();
    }

    /// Waits until this instance has the lead, or can't have it for now: then it serves without, and says so.
    pub(crate) async fn led(&self) {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|s| s.ended || s.last.is_some() || s.failing.is_some());
        if tokio::time::timeout(LEAD_PATIENCE, settled).await.is_err() {
            tracing::warn!("this instance serves before it has the lead: the chain is slow");
        }
    }

    /// Lets an attempt that waits for something try again at once.
    pub(crate) fn again(&self) {
        self.again.notify_one();
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }
}

fn covers(state: &State, revision: Revision) -> bool {
    let last = state.last.as_ref();
    last.is_some_and(|last| last.revision >= revision.0)
}

/// What the chain knows of the cluster's state, before the log is opened. `None` when nothing was anchored yet, or the
/// package has no anchors.
///
/// # Errors
/// [`chain::ChainError`]: without the chain's word nothing is opened.
pub(crate) async fn at_start(
    chain: &Witnesses,
    deployment: &Deployment,
    cluster: Address,
) -> Result<Option<Anchor>, chain::ChainError> {
    if deployment.anchors.is_none() {
        tracing::warn!("the package has no anchors: an older disk would not be noticed");
        return Ok(None);
    }
    chain.latest_anchor(deployment, cluster).await
}

/// The anchor as the store expects it.
pub(crate) fn expected(anchor: &Anchor) -> Option<store::Anchor> {
    Some(store::Anchor {
        revision: Revision(anchor.revision),
        hash: BatchHash(<[u8; 32]>::try_from(anchor.root.as_slice()).ok()?),
        sequence: None,
    })
}

/// How long an instance waits for its lead before it serves without.
const LEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a request waits for an anchor, before the API server's own limit ends it.
const CLIENT_PATIENCE: Duration = Duration::from_secs(50);

#[async_trait::async_trait]
impl apiserver::Consistency for Anchorer {
    async fn anchored(&self) -> Result<u64, String> {
        match self.settled(CLIENT_PATIENCE).await {
            Ok(anchored) => Ok(anchored.revision),
            Err(error) => Err(error.to_string()),
        }
    }
}
