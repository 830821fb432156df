//! Keys from a root: one for each purpose and epoch.

use aws_lc_rs::{hkdf, rand};

use crate::{Guarded, KeyError, Scope};

/// What a key is for. The labels never change: they are part of what is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The sealed log.
    Log,
    /// Wraps the roots of older epochs.
    Wrap,
    /// Authenticates the public part of the ring.
    Ring,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Log, Self::Wrap, Self::Ring];

    fn label(self) -> &'static [u8] {
        match self {
            Self::Log => b"log",
            Self::Wrap => b"wrap",
            Self::Ring => b"ring",
        }
    }
}

/// A derived key. Wiped when dropped; no `Debug`.
pub struct Key(Guarded);

impl Key {
    /// The key's bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

struct Bytes(usize);

impl hkdf::KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// `HKDF-SHA-256(salt, root, info)` with length-prefixed parts of info.
pub(crate) fn expand(
    salt: &[u8],
    root: &[u8],
    info: &[&[u8]],
    out: &mut [u8],
) -> Result<(), KeyError> {
    let mut encoded = Vec::new();
    for part in info {
        encoded.extend((part.len() as u64).to_be_bytes());
        encoded.extend(*part);
    }
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(root);
    prk.expand(&[&encoded], Bytes(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| KeyError::System("deriving a key"))
}

pub(crate) fn key(
    root: &Guarded,
    scope: &Scope,
    epoch: u32,
    purpose: Purpose,
) -> Result<Key, KeyError> {
    let (scope, epoch) = (scope.encode(), epoch.to_be_bytes());
    let info: [&[u8]; 3] = [purpose.label(), &scope, &epoch];
    Guarded::fill(|out| expand(b"k3s-daas/keys/root/v1", root.expose(), &info, out)).map(Key)
}

/// A one-way image of a root, by which a wrong one is told from an altered ring.
pub(crate) fn check(root: &Guarded, scope: &Scope, epoch: u32) -> Result<[u8; 16], KeyError> {
    let (scope, epoch) = (scope.encode(), epoch.to_be_bytes());
    let mut check = [0; 16];
    expand(
        b"k3s-daas/keys/check/v1",
        root.expose(),
        &[&scope, &epoch],
        &mut check,
    )?;
    Ok(check)
}

/// A fresh root.
pub(crate) fn generate() -> Result<Guarded, KeyError> {
    Guarded::fill(|out| rand::fill(out).map_err(|_| KeyError::System("getting randomness")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Realm;

    /// One root, as if it were used everywhere: still no two keys are the same.
    #[test]
    fn purpose_epoch_cluster_and_realm_each_make_another_key_of_one_root() {
        let root = Guarded::of(&[3; 32]).unwrap();
        let mut seen = std::collections::HashSet::new();
        for realm in [Realm::Simulated, Realm::Production] {
            for cluster in [[1; 32], [2; 32]] {
                let scope = Scope { cluster, realm };
                for epoch in [1, 2, 256] {
                    for purpose in Purpose::ALL {
                        let key = key(&root, &scope, epoch, purpose).unwrap();
                        assert!(seen.insert(*key.expose()));
                    }
                    let check = check(&root, &scope, epoch).unwrap();
                    assert!(!seen.iter().any(|key| key.starts_with(&check)));
                }
            }
        }
        assert_eq!(seen.len(), 2 * 2 * 3 * Purpose::ALL.len());
    }
}
