//! Lines that only the server can read.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const OPEN: &[u8] = b"{\"sealed\":\"";
const CLOSE: &[u8] = b"\"}";

/// Seals lines with AES-256-GCM; the line's number is bound in.
#[derive(Clone)]
pub struct Cipher(std::sync::Arc<LessSafeKey>);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    /// A fresh key; `None` when there is no randomness.
    #[must_use]
    pub fn fresh_key() -> Option<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut()).ok()?;
        Some(key)
    }

    /// With a key that nobody else has. The same key must come again after a restart.
    #[must_use]
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(Self(std::sync::Arc::new(LessSafeKey::new(key))))
    }

    /// `{"sealed":"<base64 of nonce ‖ ciphertext>"}`; `None` when there is no randomness.
    pub(crate) fn seal(&self, sequence: u64, event: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut data = event.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(sequence.to_be_bytes()),
                &mut data,
            )
            .ok()?;
        let mut plain = nonce.to_vec();
        plain.append(&mut data);
        let mut out = OPEN.to_vec();
        out.extend_from_slice(STANDARD.encode(plain).as_bytes());
        out.extend_from_slice(CLOSE);
        Some(out)
    }

    /// The event of a sealed line; `None` when it was sealed with another key, for another place, or changed.
    pub(crate) fn open(&self, sequence: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let text = sealed.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        let plain = STANDARD.decode(text).ok()?;
        let (nonce, data) = plain.split_at_checked(NONCE_LEN)?;
        let mut data = data.to_vec();
        let opened = self
            .0
            .open_in_place(
                Nonce::try_assume_unique_for_key(nonce).ok()?,
                Aad::from(sequence.to_be_bytes()),
                &mut data,
            )
            .ok()?
            .len();
        data.truncate(opened);
        Some(data)
    }
}

/// Whether an event's bytes are a sealed line's.
pub(crate) fn is_sealed(event: &[u8]) -> bool {
    event.starts_with(OPEN)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_place_open_a_line() {
        let cipher = Cipher::new(&Zeroizing::new([1; 32])).unwrap();
        let other = Cipher::new(&Zeroizing::new([2; 32])).unwrap();
        let sealed = cipher.seal(7, b"{\"verb\":\"get\"}").unwrap();
        assert!(is_sealed(&sealed) && !sealed.windows(4).any(|w| w == b"verb"));
        assert_eq!(cipher.open(7, &sealed).unwrap(), b"{\"verb\":\"get\"}");
        assert!(cipher.open(8, &sealed).is_none() && other.open(7, &sealed).is_none());
    }
}
