//! The task that anchors.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chain::calls;
use chain::events::Event;
use chain::objects::{Anchor, AnchorStatement};
use chain::{Address, Client, Deployment};
use registry::Stored;
use store::{Head, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AnchorError, Anchorer, Signer};
use crate::keyring::Keyring;
use crate::retirement::Retirements;
use crate::vault::Vault;
use crate::wire::Anchored;
use crate::witnesses::Witnesses;

/// After a failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How far the chain's clock may lag: a statement from its future is refused.
const CLOCK_LAG_MS: u64 = 5_000;
/// The vault's record of the term.
const TERM: &str = "term";
/// Abort code `anchors::EUntrustedEnclave`.
const UNTRUSTED: u64 = 1;
/// Abort code `anchors::ENotNewer`.
const NOT_NEWER: u64 = 5;

/// What the task needs.
pub(crate) struct Parts {
    /// Told of every anchor, asked what is wanted.
    pub(crate) anchorer: Anchorer,
    /// Signs and pays.
    pub(crate) signer: Signer,
    /// For the key epoch.
    pub(crate) keyring: Arc<Keyring>,
    /// For the record of the lead.
    pub(crate) vault: Vault,
    /// Brings statements to the chain.
    pub(crate) chain: Client,
    /// Reads it.
    pub(crate) witnesses: Witnesses,
    /// The contracts.
    pub(crate) deployment: Deployment,
    /// The cluster.
    pub(crate) cluster: Address,
    /// What the chain knew when the log was opened.
    pub(crate) at_start: Option<Anchor>,
    /// A retired measurement ends the key epoch.
    pub(crate) retirements: Retirements,
    /// The longest time that a change stays without an anchor.
    pub(crate) interval: Duration,
}

/// The lead that this instance has taken.
struct Lead {
    term: u64,
    last: Anchored,
}

/// Anchors until `stop`, or until this instance is fenced.
///
/// # Errors
/// [`AnchorError::Fork`], [`AnchorError::Superseded`], [`AnchorError::Retired`]: the instance must stop.
pub(crate) async fn run(parts: Parts, stop: CancellationToken) -> Result<(), AnchorError> {
    let anchorer = parts.anchorer.clone();
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        fenced = anchor(&parts) => Err(fenced),
    };
    anchorer.state.send_modify(|state| state.ended = true);
    ended
}

/// Never ends well: there is always more to anchor.
async fn anchor(parts: &Parts) -> AnchorError {
    let anchorer = &parts.anchorer;
    let mut lead: Option<Lead> = None;
    let mut pause = FIRST_PAUSE;
    let mut last_attempt = Instant::now();
    loop {
        if let Some(lead) = &lead {
            wait_for_change(parts, lead, last_attempt).await;
        }
        last_attempt = Instant::now();
        let attempt = match &lead {
            None => parts.take_lead().await,
            Some(lead) => parts.extend(lead).await,
        };
        match attempt {
            Ok(next) => {
                pause = FIRST_PAUSE;
                tracing::debug!(
                    revision = next.last.revision,
                    term = next.term,
                    sequence = next.last.sequence,
                    "the state is anchored"
                );
                anchorer.state.send_modify(|state| {
                    state.last = Some(next.last.clone());
                    state.failing = None;
                });
                lead = Some(next);
            }
            Err(error) if error.is_final() => return error,
            Err(error) => {
                let why = chain_of(&error);
                let unregistered = matches!(error, AnchorError::Unregistered(_));
                if unregistered {
                    tracing::info!(why, "the state is not anchored yet");
                } else {
                    tracing::warn!(why, "the state could not be anchored");
                }
                anchorer
                    .state
                    .send_modify(|state| state.failing = Some(why));
                tokio::select! {
                    () = tokio::time::sleep(if unregistered { LONGEST_PAUSE } else { pause }) => {}
                    () = anchorer.again.notified() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Returns when there is something that no anchor covers and either the interval is over or somebody waits.
async fn wait_for_change(parts: &Parts, lead: &Lead, last_attempt: Instant) {
    let due = last_attempt + parts.interval;
    let store = &parts.anchorer.store;
    let next = store::Revision(lead.last.revision).next();
    loop {
        tokio::select! {
            () = parts.anchorer.wanted.notified() => {
                let epoch = u64::from(parts.keyring.ring().epoch());
                if store.revision() >= next || epoch > lead.last.epoch {
                    return;
                }
            }
            () = changed(store, next) => break,
        }
    }
    tokio::select! {
        () = parts.anchorer.wanted.notified() => {}
        () = tokio::time::sleep_until(due) => {}
    }
}

/// Resolves when the store has reached a revision; never when it takes no more writes.
async fn changed(store: &Store<Stored>, revision: store::Revision) {
    const LONG: Duration = Duration::from_secs(24 * 3600);
    loop {
        match store.wait_for(revision, LONG).await {
            Ok(()) => return,
            Err(store::WaitError::Timeout { .. }) => {}
            Err(store::WaitError::Closed) => std::future::pending().await,
        }
    }
}

impl Parts {
    /// The first anchor of this instance: with the next term, and of a revision that nobody else has.
    async fn take_lead(&self) -> Result<Lead, AnchorError> {
        // Whether it can be signed for at all.
        self.enclave().await?;
        let latest = self.latest().await?;
        let (known, found) = (self.at_start.as_ref(), latest.as_ref());
        if let Some(found) = found
            && known != Some(found)
        {
            self.foreign(found, None)?;
        }
        let term = found.map_or(0, |anchor| anchor.term).saturating_add(1);
        self.vault.put(TERM, &term.to_be_bytes()).await?;
        let before = found.map(|anchor| anchor.sequence);
        self.put(term, before).await
    }

    async fn extend(&self, lead: &Lead) -> Result<Lead, AnchorError> {
        if let Err(error) = self.retirements.follow().await {
            // The anchor goes on; the next one tries again.
            tracing::error!(why = chain_of(&error), "no new key epoch has begun");
        }
        let latest = self.latest().await?.as_ref().map(Anchored::from);
        if latest.as_ref() != Some(&lead.last) {
            let latest = self.latest().await?;
            match latest {
                // An attempt whose answer was lost.
                Some(anchor) if self.is_ours(&anchor, lead.term) => {
                    return Ok(Lead {
                        term: lead.term,
                        last: Anchored::from(&anchor),
                    });
                }
                Some(anchor) => self.foreign(&anchor, Some(lead.term))?,
                None => {}
            }
        }
        self.put(lead.term, Some(lead.last.sequence)).await
    }

    async fn enclave(&self) -> Result<Address, AnchorError> {
        self.signer.enclave(&self.witnesses, &self.deployment).await
    }

    async fn latest(&self) -> Result<Option<Anchor>, AnchorError> {
        let latest = self.witnesses.latest_anchor(&self.deployment, self.cluster);
        Ok(latest.await?)
    }

    fn is_ours(&self, anchor: &Anchor, term: u64) -> bool {
        anchor.term == term
            && super::expected(anchor).is_some_and(|point| self.anchorer.store.has_passed(&point))
    }

    /// An anchor that this instance has not made: it is fenced, unless the anchor is of its own history and nobody else
    /// leads.
    fn foreign(&self, anchor: &Anchor, ours: Option<u64>) -> Result<(), AnchorError> {
        let passed =
            super::expected(anchor).is_some_and(|point| self.anchorer.store.has_passed(&point));
        match ours {
            _ if !passed => Err(AnchorError::Fork {
                term: anchor.term,
                revision: anchor.revision,
                root: hex::encode(&anchor.root),
            }),
            Some(ours) if anchor.term != ours => Err(AnchorError::Superseded {
                theirs: anchor.term,
                ours,
            }),
            _ => Ok(()),
        }
    }

    /// Anchors the head. `before` is the number of the anchor that it must follow directly.
    async fn put(&self, term: u64, before: Option<u64>) -> Result<Lead, AnchorError> {
        let head = self.anchorer.store.head();
        let epoch = u64::from(self.keyring.ring().epoch());
        let statement = AnchorStatement {
            intent: AnchorStatement::INTENT,
            timestamp_ms: now_ms()?.saturating_sub(CLOCK_LAG_MS),
            cluster_id: self.cluster,
            epoch,
            term,
            revision: head.revision.0,
            root: head.hash.0.to_vec(),
        };
        let signature = self.signer.sign(&statement)?;
        let enclave = self.enclave().await?;
        let call = calls::anchor_state(&self.deployment, enclave, statement, signature)?;
        let done = match self.chain.submit(self.signer.wallet(), &call).await {
            Ok(done) => done,
            Err(error) => return Err(self.refused(error, term).await),
        };
        let made = done
            .events(&self.deployment)
            .into_iter()
            .find_map(|event| match event {
                Event::StateAnchored(anchored) if anchored.cluster_id == self.cluster => {
                    Some(anchored)
                }
                _ => None,
            });
        let Some(made) = made else {
            return Err(AnchorError::Chain(chain::ChainError::Unexpected {
                what: "transaction",
                id: done.digest.to_string(),
                reason: "it anchored nothing".to_owned(),
            }));
        };
        if made.sequence != before.map_or(0, |before| before.saturating_add(1)) {
            // Somebody else came in between: which of the two has the true state, an operator must say.
            return Err(AnchorError::Fork {
                term: made.term,
                revision: made.revision,
                root: "another instance's, just before this one's".to_owned(),
            });
        }
        self.told(head);
        Ok(Lead {
            term,
            last: Anchored {
                epoch: made.epoch,
                term: made.term,
                revision: made.revision,
                root: hex::encode(&made.root),
                sequence: made.sequence,
                anchored_at_ms: made.anchored_at_ms,
            },
        })
    }

    fn told(&self, head: Head) {
        self.anchorer.store.anchored(head);
    }

    /// What the contract's refusal means.
    async fn refused(&self, error: chain::ChainError, term: u64) -> AnchorError {
        let code = error
            .abort()
            .filter(|abort| abort.module == "anchors")
            .map(|abort| abort.code);
        match code {
            Some(UNTRUSTED) => AnchorError::Retired {
                measurement: self.signer.measurement().to_owned(),
            },
            Some(NOT_NEWER) => match self.latest().await {
                Ok(Some(anchor)) if !self.is_ours(&anchor, term) => AnchorError::Fork {
                    term: anchor.term,
                    revision: anchor.revision,
                    root: hex::encode(&anchor.root),
                },
                _ => error.into(),
            },
            _ => error.into(),
        }
    }
}

fn now_ms() -> Result<u64, AnchorError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| AnchorError::Clock)?;
    u64::try_from(now.as_millis()).map_err(|_| AnchorError::Clock)
}

/// The error and its causes in one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
