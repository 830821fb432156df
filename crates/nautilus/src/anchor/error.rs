//! Why a state is not opened, and why it is not anchored.

use chain::objects::Anchor;
use store::OpenError;

/// What an operator may do where the state on disk is not the anchored one. There is no switch that ignores it: the host
/// that could set it is the adversary.
const ADVICE: &str = "what you may do: put back the newest copy of the data directory, or a backup made at or after that anchor; if another instance runs on the true state, leave it in charge and stop this one; if everything newer is lost for good, make a new cluster on the chain and restore the older state into that, where everybody can see it";

/// The state on disk is not the one that the chain knows.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// It ends before the anchor.
    #[error(
        "the state on disk is older than the one anchored on the chain: it ends at revision {found}, revision {} was anchored (term {}, key epoch {}, root {}), so at least {} revisions are missing; {ADVICE}",
        anchor.revision, anchor.term, anchor.epoch, hex::encode(&anchor.root), anchor.revision.saturating_sub(*found)
    )]
    Older {
        /// The last revision found.
        found: u64,
        /// What is anchored.
        anchor: Box<Anchor>,
    },
    /// It reaches the anchor's revision with another content.
    #[error(
        "the state on disk was forked: at revision {} it is not the one anchored on the chain (term {}, root {}), so two instances have extended the same state; {ADVICE}",
        anchor.revision, anchor.term, hex::encode(&anchor.root)
    )]
    Forked {
        /// What is anchored.
        anchor: Box<Anchor>,
    },
    /// There is no state at all.
    #[error(
        "there is no state in the data directory, but revision {} of this cluster was anchored on the chain (term {}, key epoch {}); {ADVICE}",
        anchor.revision, anchor.term, anchor.epoch
    )]
    Absent {
        /// What is anchored.
        anchor: Box<Anchor>,
    },
}

impl RollbackError {
    /// The error of opening, explained, where it is about the anchor.
    pub(crate) fn explain(error: OpenError, anchor: Option<&Anchor>) -> Result<Self, OpenError> {
        let Some(anchor) = anchor.map(|anchor| Box::new(anchor.clone())) else {
            return Err(error);
        };
        match error {
            OpenError::RolledBack {
                found, sequence: 0, ..
            } if found.0 == 0 => Ok(Self::Absent { anchor }),
            OpenError::RolledBack { found, .. } => Ok(Self::Older {
                found: found.0,
                anchor,
            }),
            OpenError::Forked { .. } => Ok(Self::Forked { anchor }),
            other => Err(other),
        }
    }
}

/// The state could not be anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// Not in time.
    #[error("revision {revision} was not anchored in time{}{why}", if why.is_empty() { "" } else { ": " })]
    Late {
        /// What was to be anchored.
        revision: u64,
        /// What stands in the way, where that is known.
        why: String,
    },
    /// This instance anchors no more.
    #[error("this instance is stopping and anchors no more")]
    Ended,
    /// Another instance extends the same state.
    #[error(
        "this instance is fenced: the chain has an anchor of term {term}, revision {revision}, root {root} that is not of this instance's history, so another instance has forked the state"
    )]
    Fork {
        /// The other's term.
        term: u64,
        /// The other's revision.
        revision: u64,
        /// The other's root, in hexadecimal.
        root: String,
    },
    /// Another instance has taken the lead.
    #[error(
        "this instance is fenced: another one has taken the lead with term {theirs}, this one had term {ours}"
    )]
    Superseded {
        /// The other's term.
        theirs: u64,
        /// This one's.
        ours: u64,
    },
    /// What this instance runs is not allowed any more.
    #[error(
        "this instance's measurement {measurement} is retired or its signing key revoked: the chain takes no anchor of it any more"
    )]
    Retired {
        /// What it runs.
        measurement: String,
    },
    /// Nobody has registered this instance's signing key.
    #[error(
        "this instance's signing key {0} is not registered on the chain yet: run `daas cluster enroll`"
    )]
    Unregistered(String),
    /// The chain.
    #[error("the chain could not be asked or told")]
    Chain(#[from] chain::ChainError),
    /// The record of the lead.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// The wall clock.
    #[error("the wall clock is before 1970")]
    Clock,
    /// A statement could not be encoded.
    #[error("the statement could not be encoded")]
    Encode,
}

impl AnchorError {
    /// Whether this instance must stop: trying again would not make it right.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Fork { .. } | Self::Superseded { .. } | Self::Retired { .. }
        )
    }
}
