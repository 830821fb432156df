//! Why evidence was refused.

use crate::x509::ChainError;
use crate::{Kind, Measurement};

/// Which check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The policy doesn't name this kind (or is for production, and the kind is simulated).
    #[error("evidence of kind {0} is not accepted by the policy")]
    KindNotAllowed(Kind),
    /// Of a version or with an algorithm that this verifier doesn't know.
    #[error("{kind} evidence with {what} cannot be verified by this version")]
    Unsupported {
        /// The kind of the evidence.
        kind: Kind,
        /// What isn't known.
        what: &'static str,
    },
    /// Something that the vendor publishes was not given.
    #[error("{kind} evidence cannot be verified without {what}")]
    MissingCollateral {
        /// The kind of the evidence.
        kind: Kind,
        /// What is needed.
        what: &'static str,
    },
    /// Something that was given doesn't parse or isn't signed by who should have.
    #[error("the collateral for {kind} evidence is unusable: {what}")]
    Collateral {
        /// The kind of the evidence.
        kind: Kind,
        /// What it is.
        what: &'static str,
    },
    /// Collateral that isn't valid at this time.
    #[error("the collateral for {kind} evidence is not valid at this time: {what}")]
    CollateralExpired {
        /// The kind of the evidence.
        kind: Kind,
        /// What it is.
        what: &'static str,
    },
    /// The body doesn't parse, or not completely.
    #[error("malformed {0} evidence")]
    Malformed(Kind),
    /// The chain of certificates doesn't end at the vendor's root.
    #[error("{0} evidence is not certified by the root of its kind")]
    Root(Kind),
    /// A certificate of the chain is unusable.
    #[error("the certificates of the {kind} evidence do not hold: {what}")]
    Certificate {
        /// The kind of the evidence.
        kind: Kind,
        /// What is wrong.
        what: &'static str,
    },
    /// A certificate of the chain isn't valid at this time.
    #[error("a certificate of the {0} evidence is not valid at this time")]
    Expired(Kind),
    /// A certificate of the chain was revoked.
    #[error("a certificate of the {0} evidence was revoked")]
    Revoked(Kind),
    /// The report's signature doesn't verify.
    #[error("the signature of the {0} evidence does not verify")]
    Signature(Kind),
    /// The certificate is another chip's.
    #[error("the report and its certificate are of different chips")]
    Chip,
    /// The quoting enclave isn't Intel's.
    #[error("the quote was not made by Intel's quoting enclave")]
    QuotingEnclave,
    /// The TDX module isn't Intel's.
    #[error("the TDX module is not the one that Intel names")]
    Module,
    /// The values of the PCRs aren't those that were quoted.
    #[error("the PCR values are not those that were quoted")]
    PcrDigest,
    /// The log of measured boot doesn't explain the PCRs.
    #[error("the event log does not fit the quote: {0}")]
    EventLog(String),
    /// A debug mode: what it computes can be read from outside.
    #[error("the instance runs in debug mode")]
    Debug,
    /// Launched with something that lets others in.
    #[error("the instance was launched with {what}")]
    Attributes {
        /// What it is.
        what: &'static str,
    },
    /// Asked for by code with less privilege than the policy wants.
    #[error("the report comes from VMPL {found}; at most {most} is accepted")]
    Vmpl {
        /// Where it comes from.
        found: u32,
        /// The policy's limit.
        most: u32,
    },
    /// Firmware or microcode that the policy doesn't accept.
    #[error("the platform's TCB is not accepted: {0}")]
    Tcb(String),
    /// Made for another key, connection, cluster or nonce: relayed, replayed or stale.
    #[error("the evidence is bound to another connection, key or nonce")]
    Binding,
    /// The hardware's time is ahead of ours.
    #[error("the evidence is from the future")]
    FromFuture,
    /// Made too long ago.
    #[error("the evidence is older than the policy allows")]
    Stale,
    /// Genuine, but not code that the policy lists.
    #[error("measurement {measurement} ({kind}) is not on the allow-list")]
    MeasurementNotAllowed {
        /// The kind of the evidence.
        kind: Kind,
        /// What runs.
        measurement: Measurement,
    },
}

impl VerifyError {
    /// The name of the check, for machines. Never changes.
    pub fn check(&self) -> &'static str {
        match self {
            Self::KindNotAllowed(_) => "kind",
            Self::Unsupported { .. } => "supported",
            Self::MissingCollateral { .. } => "collateral-given",
            Self::Collateral { .. } => "collateral",
            Self::CollateralExpired { .. } => "collateral-validity",
            Self::Malformed(_) => "format",
            Self::Root(_) => "root",
            Self::Certificate { .. } => "certificate",
            Self::Expired(_) => "certificate-validity",
            Self::Revoked(_) => "revocation",
            Self::Signature(_) => "signature",
            Self::Chip => "chip",
            Self::QuotingEnclave => "quoting-enclave",
            Self::Module => "tdx-module",
            Self::PcrDigest => "pcr-digest",
            Self::EventLog(_) => "event-log",
            Self::Debug => "debug",
            Self::Attributes { .. } => "attributes",
            Self::Vmpl { .. } => "vmpl",
            Self::Tcb(_) => "tcb",
            Self::Binding => "binding",
            Self::FromFuture => "time",
            Self::Stale => "freshness",
            Self::MeasurementNotAllowed { .. } => "measurement",
        }
    }

    /// Whether nothing was found against the evidence, but it couldn't be judged: something is missing.
    pub fn is_unjudged(&self) -> bool {
        matches!(
            self,
            Self::Unsupported { .. } | Self::MissingCollateral { .. }
        )
    }

    /// The error of a chain that the evidence brings or is certified by.
    pub(crate) fn chain(kind: Kind, error: ChainError) -> Self {
        match error {
            ChainError::Certificate(what) => Self::Certificate { kind, what },
            ChainError::Root => Self::Root(kind),
            ChainError::Expired => Self::Expired(kind),
            ChainError::Revoked => Self::Revoked(kind),
            ChainError::NoRevocationList => Self::MissingCollateral {
                kind,
                what: "a revocation list of each issuer",
            },
            ChainError::RevocationList => Self::Collateral {
                kind,
                what: "a revocation list",
            },
            ChainError::RevocationListExpired => Self::CollateralExpired {
                kind,
                what: "a revocation list",
            },
        }
    }

    /// The error of a chain that signed collateral.
    pub(crate) fn collateral_chain(kind: Kind, what: &'static str, error: ChainError) -> Self {
        match error {
            ChainError::Expired => Self::CollateralExpired { kind, what },
            ChainError::Certificate(_) | ChainError::Root | ChainError::Revoked => {
                Self::Collateral { kind, what }
            }
            other => Self::chain(kind, other),
        }
    }
}
