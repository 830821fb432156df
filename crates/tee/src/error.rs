//! Why an environment can't be used.

use tee_verify::Kind;

use crate::SimulatedError;

/// A trusted execution environment could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error(
        "this machine has no trusted execution environment: for development use `simulated`, which proves nothing"
    )]
    NothingFound,
    /// Production and `simulated`.
    #[error("`simulated` proves nothing, and production refuses it")]
    Production,
    /// The simulated device has no place.
    #[error("the simulated device needs a directory for its secret")]
    NoDirectory,
    /// The device is missing, or doesn't behave as this kind's.
    #[error("the {kind} device can't be used: {reason}")]
    Device {
        /// The kind.
        kind: Kind,
        /// What is wrong.
        reason: String,
    },
    /// The simulated device.
    #[error(transparent)]
    Simulated(#[from] SimulatedError),
    /// This binary was built without it.
    #[error("this binary was built without support for {0}")]
    NotBuilt(Kind),
}
