//! The secret behind a Seal token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 random bytes, known to the worker and, once it has joined, to the attested control plane.
///
/// Zeroed when dropped; no `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; Secret::LENGTH]);

/// The text is not a secret. It is not repeated in the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Seal secret: expected 43 characters of unpadded URL-safe base64 (32 bytes)")]
pub struct InvalidSecret;

impl Secret {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// A fresh secret from the operating system's generator.
    pub fn generate() -> Self {
        let mut secret = Self([0; Self::LENGTH]);
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut secret.0);
        secret
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        bytes.try_into().map(Self).map_err(|_| InvalidSecret)
    }

    /// From its text form (unpadded URL-safe base64).
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let mut buffer = Zeroizing::new([0; Self::LENGTH + 4]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(text, &mut *buffer)
            .map_err(|_| InvalidSecret)?;
        Self::from_bytes(buffer.get(..length).unwrap_or_default())
    }

    /// The text form, for where the secret has to be sent or kept.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_is_strict() {
        let secret = Secret::generate();
        let text = secret.expose();
        assert_eq!(text.len(), 43);
        assert!(Secret::parse(&text).unwrap() == secret);
        assert!(Secret::generate() != secret);
        for bad in [
            "",
            "a",
            &text[1..],
            &format!("{}=", *text),
            &format!("{}AA", *text),
        ] {
            assert!(Secret::parse(bad).is_err());
        }
    }
}
