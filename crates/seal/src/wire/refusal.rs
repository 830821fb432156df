//! Why the control plane refuses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of a refusal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message} ({code})")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what is wrong, and where it helps what would be right.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal),+ $(,)?) => {
        /// Why, for programs.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)+
            /// A code that this version doesn't know.
            #[serde(other)]
            Unknown,
        }

        impl RefusalCode {
            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ Self::Unknown => "Unknown" }
            }

            /// HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ Self::Unknown => 500 }
            }
        }
    };
}

codes! {
    /// No such path.
    NotFound = 404,
    /// Another method than the path's.
    MethodNotAllowed = 405,
    /// The body is too large.
    BodyTooLarge = 413,
    /// The body came too slowly.
    Timeout = 408,
    /// The body isn't what the path takes.
    Malformed = 400,
    /// Not over HTTP/1.1 on a TLS 1.3 connection of its own.
    Channel = 400,
    /// The challenge is unknown: used, expired, or another connection's.
    ChallengeUnknown = 401,
    /// Too many attempts at once.
    Busy = 429,
    /// There is no such Seal token on the chain.
    TokenNotFound = 403,
    /// The secret doesn't open the token's commitment.
    CommitmentMismatch = 403,
    /// The token has expired: renew it on the chain.
    TokenExpired = 403,
    /// The token has been revoked.
    TokenRevoked = 403,
    /// The token is for another cluster.
    WrongCluster = 403,
    /// The token is for another node name.
    WrongNode = 403,
    /// The token is for another node key.
    WrongNodeKey = 403,
    /// The token doesn't permit joining.
    NotPermitted = 403,
    /// The signature isn't by the node's key over this request on this connection.
    ProofRejected = 403,
    /// The stake isn't the token owner's, or not of the tier that this needs.
    StakeMismatch = 403,
    /// There is no such stake on the chain.
    StakeNotFound = 403,
    /// The stake is being withdrawn, or was.
    StakeInactive = 403,
    /// The stake was slashed below what counts.
    StakeSlashed = 403,
    /// The stake is below the tier's minimum.
    StakeInsufficient = 403,
    /// The token was used by another node key before.
    TokenConsumed = 403,
    /// Another live node has this name.
    NodeNameTaken = 409,
    /// The node never joined (or was removed): join first.
    NotJoined = 403,
    /// A certificate request is unusable.
    CertificateRequest = 400,
    /// The heartbeat isn't newer than the last one.
    HeartbeatReplayed = 409,
    /// The heartbeat's clock is too far from the control plane's.
    ClockSkew = 400,
    /// The wallet's signature isn't one of the address over this login.
    LoginRejected = 403,
    /// The evidence does not hold, or its measurement is not allowed.
    EvidenceRejected = 403,
    /// Not for this caller.
    Forbidden = 403,
    /// The chain can't be read at the moment, so nothing is decided.
    ChainUnavailable = 503,
    /// The control plane isn't ready.
    NotReady = 503,
    /// Something failed inside.
    Internal = 500,
}

impl RefusalCode {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retriable(self) -> bool {
        matches!(self.status(), 408 | 429 | 500 | 503) || self == Self::ChallengeUnknown
    }

    /// Whether it means that the node's right to be in the cluster is gone.
    pub fn is_loss_of_right(self) -> bool {
        matches!(
            self,
            Self::TokenNotFound
                | Self::TokenRevoked
                | Self::StakeNotFound
                | Self::StakeInactive
                | Self::StakeSlashed
                | Self::StakeInsufficient
        )
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
