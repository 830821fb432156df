//! Verification of what a wallet signed.
//!
//! [`sui_crypto`]'s verifier answers whether *some* key signed these bytes: the public key comes
//! with the signature. Whether that key is the claimed address's is a second question, and the
//! functions here always ask both.
//!
//! Schemes: ed25519, secp256k1, secp256r1, passkey and multisig of these. zkLogin needs the chain's
//! current JWKs and is refused.

use sui_crypto::{SuiVerifier as _, UserSignatureVerifier};
use sui_sdk_types::{Address, PersonalMessage, Transaction, UserSignature};

use crate::ChainError;

/// Verifies that `address` signed `message` as a Sui personal message (what wallets offer as
/// `signPersonalMessage`). `signature` is base64 of `flag ‖ signature ‖ public key`.
///
/// Freshness is the caller's: the message has to hold a challenge that is used once.
///
/// # Errors
/// [`ChainError::Signature`] when it is not such a signature, not over this message, or not by
/// that address.
pub fn verify_personal_message(
    address: &Address,
    message: &[u8],
    signature: &str,
) -> Result<(), ChainError> {
    let refused = |reason: String| ChainError::Signature {
        address: *address,
        reason,
    };
    let signature = UserSignature::from_base64(signature.trim())
        .map_err(|_| refused("it is not a Sui signature in base64".to_owned()))?;
    check_address(address, &signature)?;
    UserSignatureVerifier::new()
        .verify_personal_message(&PersonalMessage(message.into()), &signature)
        .map_err(|error| refused(error.to_string()))
}

/// Verifies that a transaction's sender signed it.
///
/// # Errors
/// [`ChainError::Signature`] when another key did, or the transaction is another one.
pub fn verify_transaction(
    transaction: &Transaction,
    signature: &UserSignature,
) -> Result<(), ChainError> {
    check_address(&transaction.sender, signature)?;
    UserSignatureVerifier::new()
        .verify_transaction(transaction, signature)
        .map_err(|error| ChainError::Signature {
            address: transaction.sender,
            reason: error.to_string(),
        })
}

fn check_address(address: &Address, signature: &UserSignature) -> Result<(), ChainError> {
    if signature
        .derive_addresses()
        .any(|derived| derived == *address)
    {
        Ok(())
    } else {
        Err(ChainError::Signature {
            address: *address,
            reason: format!("its key is that of {}", signature.derive_address()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::keystore::Key;

    #[test]
    fn only_the_address_that_signed_passes() {
        let key = Key::generate().unwrap();
        let other = Key::generate().unwrap();
        let message = b"log in to cluster 0x1, challenge 42";
        let signature = key.sign_personal_message(message).unwrap().to_base64();
        verify_personal_message(&key.address(), message, &signature).unwrap();
        for (address, message, signature) in [
            (key.address(), b"another".as_slice(), signature.clone()),
            (other.address(), message.as_slice(), signature.clone()),
            (
                key.address(),
                message.as_slice(),
                other.sign_personal_message(message).unwrap().to_base64(),
            ),
            (key.address(), message.as_slice(), "AAAA".to_owned()),
            (key.address(), message.as_slice(), String::new()),
        ] {
            assert!(matches!(
                verify_personal_message(&address, message, &signature),
                Err(ChainError::Signature { .. })
            ));
        }
    }
}
