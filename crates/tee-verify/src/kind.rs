//! The kinds of trusted execution, one file each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) mod dcap;
pub(crate) mod nitro;
pub(crate) mod sgx;
pub mod simulated;
pub(crate) mod snp;
pub(crate) mod tdx;
pub(crate) mod tpm;

/// A kind of trusted execution environment.
///
/// The numbers are those of `enclave_registry` on the chain and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Kind {
    /// No hardware at all: anybody can forge it. For development and tests.
    Simulated = 0,
    /// AWS Nitro Enclaves.
    Nitro = 1,
    /// AMD SEV-SNP.
    Snp = 2,
    /// Intel TDX.
    Tdx = 3,
    /// Intel SGX.
    Sgx = 4,
    /// TPM 2.0 with measured boot.
    Tpm = 5,
}

/// A number or name that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of trusted execution {0:?}; known: simulated, nitro, sgx, tdx, snp, tpm")]
pub struct UnknownKind(pub String);

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Simulated,
        Self::Nitro,
        Self::Snp,
        Self::Tdx,
        Self::Sgx,
        Self::Tpm,
    ];

    /// The number on the chain.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in configuration and in evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Nitro => "nitro",
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
            Self::Tpm => "tpm",
        }
    }
}

impl TryFrom<u8> for Kind {
    type Error = UnknownKind;

    fn try_from(number: u8) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.number() == number)
            .ok_or_else(|| UnknownKind(number.to_string()))
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownKind(name.chars().take(40).collect()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
