//! Authenticated encryption of small things under a 32-byte key: AES-256-GCM with a random nonce in front.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::KeyError;

const FAILED: KeyError = KeyError::System("encrypting a key");

/// Encrypts and authenticates `plaintext`, authenticates `associated` with it.
pub(crate) fn seal(
    key: &[u8; 32],
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| FAILED)?;
    let mut buffer = plaintext.to_vec();
    let sealed = cipher.seal_in_place_append_tag(Aad::from(associated), &mut buffer);
    let nonce = sealed.map_err(|_| FAILED)?;
    Ok([nonce.as_ref().as_slice(), &buffer].concat())
}

/// What [`seal`] made; `None` when the key, the associated data or a bit of it is not the same.
pub(crate) fn open(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher
        .open_in_place(nonce, Aad::from(associated), &mut buffer)
        .ok()?
        .len();
    buffer.truncate(length);
    Some(buffer)
}
