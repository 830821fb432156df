//! Sealing keys from what the hardware derives.

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::SealKey;

/// HKDF-SHA-256 with length-prefixed info. `domain` is the kind's own.
pub(crate) fn derive(secret: &[u8], domain: &[u8], info: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, domain);
    let mut encoded = Vec::new();
    for part in info {
        encoded.extend((part.len() as u64).to_le_bytes());
        encoded.extend(*part);
    }
    let mut key = Zeroizing::new([0; 32]);
    let info = [encoded.as_slice()];
    let prk = salt.extract(secret);
    let okm = prk.expand(&info, hkdf::HKDF_SHA256).ok()?;
    okm.fill(&mut *key).ok()?;
    Some(key)
}

/// As [`derive`], as a sealing key.
pub(crate) fn seal_key(secret: &[u8], domain: &[u8], info: &[&[u8]]) -> Option<SealKey> {
    derive(secret, domain, info).map(|key| SealKey::new(*key))
}
