//! The verifier of attestation evidence.
//!
//! [`verify`] is pure: no input or output, no clock, roots compiled in. It turns [`Evidence`] into
//! [`Claims`] only if every check that the [`Policy`] asks for holds; each check that fails has its own
//! [`VerifyError`]. Each kind of hardware has one file under `kind/`. What a verifier trusts is decided by
//! the policy alone: a kind that it doesn't name is refused before the evidence is parsed.
//!
//! Evidence is bound to its purpose by a [`Binding`], which covers the TLS key, the TLS exporter of the
//! connection and the verifier's nonce; that makes it fresh and useless on any other connection.

mod binding;
mod claims;
mod evidence;
mod kind;
mod measurement;
mod policy;
mod verify;

pub use binding::{Binding, BindingInput, Role};
pub use claims::Claims;
pub use evidence::{Evidence, EvidenceTooLarge, MAX_EVIDENCE};
pub use kind::{Kind, UnknownKind, simulated};
pub use measurement::{InvalidMeasurement, Measurement};
pub use policy::Policy;
pub use verify::{Collateral, VerifyError, verify};
