//! The verifier of attestation evidence.
//!
//! [`verify`] is pure: no input or output, no clock, roots compiled in. It turns [`Evidence`] into
//! [`Claims`] only if every check that the [`Policy`] asks for holds; each check that fails has its own
//! [`VerifyError`]. Each kind of hardware has one file under `kind/`: Nitro, SEV-SNP, SGX and TDX (which share
//! `kind/dcap.rs`), TPM 2.0, and `simulated`. What a verifier trusts is decided by
//! the policy alone: a kind that it doesn't name is refused before the evidence is parsed.
//!
//! Evidence is bound to its purpose by a [`Binding`], which covers the TLS key, the TLS exporter of the
//! connection and the verifier's nonce; that makes it fresh and useless on any other connection.
//!
//! [`offline`] judges evidence from anywhere, without a connection.

mod binding;
mod cbor;
mod claims;
mod collateral;
mod der;
mod details;
mod error;
mod evidence;
mod input;
mod kind;
mod measurement;
pub mod offline;
mod pem;
mod policy;
mod tcb;
mod verify;
mod x509;

pub use binding::{Binding, BindingInput, Role};
pub use claims::Claims;
pub use collateral::{Collateral, CollateralError, DcapCollateral, MAX_COLLATERAL};
pub use details::{
    BootEvent, DcapTcb, Details, NitroDetails, SgxDetails, SnpDetails, SnpTcb, TcbStatus,
    TdxDetails, TpmDetails, TpmEventLog,
};
pub use error::VerifyError;
pub use evidence::{Evidence, EvidenceTooLarge, MAX_EVIDENCE};
pub use input::{InputError, detect, read_collateral, read_evidence, read_root};
pub use kind::tpm::TpmQuote;
pub use kind::{Kind, UnknownKind, simulated};
pub use measurement::{InvalidMeasurement, Measurement};
pub use policy::Policy;
pub use tcb::TcbPolicy;
pub use verify::verify;
