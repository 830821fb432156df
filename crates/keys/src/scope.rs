//! Whose keys they are.

use std::fmt;

use serde::{Deserialize, Serialize};
use tee_verify::Kind;

use crate::KeyError;

/// Whether hardware stands behind the instances that have the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realm {
    /// Born in a simulated TEE: anyone on its host may have them.
    Simulated,
    /// Born in a real one.
    Production,
}

impl Realm {
    /// The realm of instances in this kind of TEE.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Simulated => Self::Simulated,
            Kind::Nitro | Kind::Snp | Kind::Tdx | Kind::Sgx | Kind::Tpm => Self::Production,
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Simulated => 0,
            Self::Production => 1,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Simulated),
            1 => Some(Self::Production),
            _ => None,
        }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulated => "simulated",
            Self::Production => "production",
        })
    }
}

/// A cluster in a realm. Every key and everything sealed is of exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The cluster object's id on the chain.
    pub cluster: [u8; 32],
    /// Simulated or not.
    pub realm: Realm,
}

impl Scope {
    /// Refuses what is of another scope, the realm first.
    pub(crate) fn expect(&self, found: &Self) -> Result<(), KeyError> {
        if found.realm != self.realm {
            return Err(KeyError::OtherRealm {
                found: found.realm,
                expected: self.realm,
            });
        }
        if found.cluster != self.cluster {
            return Err(KeyError::OtherCluster {
                found: format!("0x{}", hex::encode(found.cluster)),
                expected: format!("0x{}", hex::encode(self.cluster)),
            });
        }
        Ok(())
    }

    /// 33 bytes: realm, cluster.
    pub(crate) fn encode(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        let (realm, cluster) = bytes.split_at_mut(1);
        realm.copy_from_slice(&[self.realm.number()]);
        cluster.copy_from_slice(&self.cluster);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; 33]) -> Option<Self> {
        let (realm, cluster) = bytes.split_first()?;
        Some(Self {
            cluster: cluster.try_into().ok()?,
            realm: Realm::from_number(*realm)?,
        })
    }
}
