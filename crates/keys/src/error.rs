//! Why keys can't be had.

use crate::Realm;

/// Keys could not be made, opened or used. Never names a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Keys of a simulated TEE where real ones are needed, or the reverse.
    #[error(
        "these are keys of a {found} control plane, and this one is {expected}: neither opens what the other sealed"
    )]
    OtherRealm {
        /// What they are.
        found: Realm,
        /// What is needed.
        expected: Realm,
    },
    /// Keys of another cluster.
    #[error("these are keys of cluster {found}, and this is cluster {expected}")]
    OtherCluster {
        /// Whose they are.
        found: String,
        /// Whose are needed.
        expected: String,
    },
    /// The root key is not of the ring's epoch.
    #[error(
        "the root key is of epoch {found} and the key ring of epoch {expected}: one of them is an older copy"
    )]
    OtherEpoch {
        /// The root's.
        found: u32,
        /// The ring's.
        expected: u32,
    },
    /// Another root key than the one of this ring.
    #[error("this is not the root key of the key ring")]
    WrongRoot,
    /// The ring is not as it was written.
    #[error("the key ring was altered: its authentication fails")]
    AlteredRing,
    /// The device does not open the copy of the root that was sealed to it.
    #[error(
        "the sealed copy of the root key was made by another device or for another measurement"
    )]
    NotThisDevice,
    /// A hand-over is for another key or another connection.
    #[error("the hand-over was made for another instance or another connection")]
    NotForThisInstance,
    /// There is no key of this epoch (any more).
    #[error(
        "there is no key of epoch {0}: it was never there, or nothing was sealed under it any more"
    )]
    UnknownEpoch(u32),
    /// The epochs are used up.
    #[error("there is no epoch after this one")]
    LastEpoch,
    /// Not what this version writes.
    #[error("{0} is malformed or of another version")]
    Malformed(&'static str),
    /// Thresholds that can't be.
    #[error(
        "{threshold} of {shares} shares is no recovery plan: at least 2, at most 255, and no more than there are custodians"
    )]
    Threshold {
        /// How many are to be needed.
        threshold: usize,
        /// How many there are to be.
        shares: usize,
    },
    /// A share of another plan.
    #[error(
        "the share is of another recovery plan than the one in force: shares are issued anew with each plan"
    )]
    OtherPlan,
    /// A share that was altered, or is not for this custodian.
    #[error("share {0} is not the one that was issued")]
    WrongShare(u8),
    /// Too few shares.
    #[error("{have} of {need} shares are there: fewer than {need} reveal nothing")]
    TooFewShares {
        /// Distinct shares.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// The ring has no recovery plan.
    #[error("no recovery plan was ever made for this cluster")]
    NoPlan,
    /// The system gave no randomness or memory, or a cipher failed.
    #[error("{0} failed")]
    System(&'static str),
}
