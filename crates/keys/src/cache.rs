//! The root sealed to a device: a local cache, where the hardware can seal. It spares a restarted instance the
//! hand-over; losing it loses nothing.

use zeroize::Zeroizing;

use crate::ring::{KeyRing, PublicRing};
use crate::{Guarded, KeyError, Scope, derive, wrap};

const MAGIC: &[u8; 5] = b"DaKc\x01";
const HEADER: usize = 5 + 33;

/// Seals the ring's root under a key that only the device (and, by its policy, only this measurement) derives.
///
/// # Errors
/// [`KeyError::System`].
pub fn seal(ring: &KeyRing, device_key: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
    let scope = ring.scope();
    let header = [MAGIC.as_slice(), &scope.encode()].concat();
    let sealed = wrap::seal(
        key(device_key, &scope)?.expose(),
        &header,
        &ring.root_bytes(),
    )?;
    Ok([header, sealed].concat())
}

/// The ring from its public part and the sealed root.
///
/// # Errors
/// [`KeyError::OtherRealm`] and [`KeyError::OtherCluster`] before anything is decrypted; [`KeyError::NotThisDevice`]
/// when it is not this device's; those of [`KeyRing::open`].
pub fn open(
    expected: &Scope,
    public: &PublicRing,
    sealed: &[u8],
    device_key: &[u8; 32],
) -> Result<KeyRing, KeyError> {
    let malformed = KeyError::Malformed("the sealed copy of the root key");
    let (header, ciphertext) = sealed
        .split_at_checked(HEADER)
        .ok_or_else(|| malformed.clone())?;
    let scope = header
        .strip_prefix(MAGIC)
        .and_then(|scope| Scope::decode(scope.try_into().ok()?))
        .ok_or(malformed)?;
    expected.expect(&scope)?;
    let root: Zeroizing<Vec<u8>> =
        wrap::open(key(device_key, &scope)?.expose(), header, ciphertext)
            .ok_or(KeyError::NotThisDevice)?;
    KeyRing::open(expected, public, &root)
}

fn key(device_key: &[u8; 32], scope: &Scope) -> Result<Guarded, KeyError> {
    Guarded::fill(|out| {
        derive::expand(
            b"k3s-daas/keys/cache/v1",
            device_key,
            &[&scope.encode()],
            out,
        )
    })
}
