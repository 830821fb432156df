//! Roots that somebody names besides the vendors'.

use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tee_verify::{Kind, Policy, UnknownKind, read_root};

/// The largest file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// A root to trust for a kind, written `kind=file`: a certificate or, for a TPM, an attestation key; PEM or DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeeRoot {
    /// The kind of evidence that may end at it.
    pub kind: Kind,
    /// The file.
    pub file: PathBuf,
}

/// Not a root.
#[derive(Debug, thiserror::Error)]
pub enum TeeRootError {
    /// Not `kind=file`.
    #[error("a root is written kind=file, such as nitro=root.der")]
    Syntax,
    /// An unknown kind.
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    /// `simulated` has no root that anybody could trust.
    #[error("simulated evidence has no root to be trusted")]
    Simulated,
    /// The file can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} holds no certificate or public key (PEM or DER)", .0.display())]
    Content(PathBuf),
}

impl TeeRoot {
    /// The policy, with this root trusted.
    ///
    /// # Errors
    /// When the file can't be read or holds no root.
    pub fn trust(&self, policy: Policy) -> Result<Policy, TeeRootError> {
        let mut content = Vec::new();
        std::fs::File::open(&self.file)
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut content))
            .map_err(|source| TeeRootError::Read {
                path: self.file.clone(),
                source,
            })?;
        let root = read_root(&content).ok_or_else(|| TeeRootError::Content(self.file.clone()))?;
        Ok(policy.trust_root(self.kind, root))
    }
}

impl FromStr for TeeRoot {
    type Err = TeeRootError;

    fn from_str(text: &str) -> Result<Self, TeeRootError> {
        let (kind, file) = text.split_once('=').ok_or(TeeRootError::Syntax)?;
        let kind = kind.parse()?;
        if kind == Kind::Simulated {
            return Err(TeeRootError::Simulated);
        }
        if file.is_empty() {
            return Err(TeeRootError::Syntax);
        }
        Ok(Self {
            kind,
            file: file.into(),
        })
    }
}

impl fmt::Display for TeeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.file.display())
    }
}

impl Serialize for TeeRoot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TeeRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_file() {
        let root: TeeRoot = "nitro=/a=b.der".parse().unwrap();
        assert_eq!(
            (root.kind, root.file.to_str()),
            (Kind::Nitro, Some("/a=b.der"))
        );
        assert_eq!(root.to_string(), "nitro=/a=b.der");
        for wrong in ["nitro", "nitro=", "sev=x", "simulated=x"] {
            assert!(wrong.parse::<TeeRoot>().is_err(), "{wrong}");
        }
        assert!(matches!(
            root.trust(Policy::new()),
            Err(TeeRootError::Read { .. })
        ));
    }
}
