//! Keys in Sui's own keystore format, and signing with them.
//!
//! A `sui.keystore` file is a JSON array of strings, each base64 of `flag ‖ private key`, as the
//! `sui` command line writes it. The file may be shared with that tool: entries of schemes that
//! this client does not sign with are kept as they are.
//!
//! Guarantees: files are written atomically with mode 0600; a file that others can read is
//! refused; private keys are wiped from memory on drop, have no `Debug`, and appear in no error.
//!
//! Upstream: `sui-keys`, `crates/sui-keys/src/keystore.rs#FileBasedKeystore`.

mod file;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sui_crypto::SuiSigner as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{
    Address, Ed25519PublicKey, PersonalMessage, SignatureScheme, Transaction, UserSignature,
};
use zeroize::Zeroizing;

pub use file::write_atomically;

use crate::{ChainError, SignedTransaction};

/// What can be wrong with a keystore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The file is not there.
    #[error("there is no keystore at {}: create one, or point the configuration at an existing sui.keystore", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A new keystore was to be made, but the file is there already.
    #[error("{} exists already; it is left as it is", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot {action} the keystore {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("the keystore {} has mode {mode:04o}, so others on this machine can read its private keys: chmod 600 it (and consider the keys known)", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a JSON array of strings.
    #[error("{} is not a Sui keystore: it should be a JSON array of base64 strings, each flag ‖ 32-byte private key ({reason})", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said; it quotes nothing of the file.
        reason: String,
    },
    /// One entry is not a private key.
    #[error("entry {index} of the keystore {} is not a private key: {reason}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Position in the array, from 0.
        index: usize,
        /// What is wrong and what would be right.
        reason: &'static str,
    },
    /// No key for the wanted address.
    #[error("the keystore {} has no ed25519 key for {address}; it has {available}", .path.display())]
    UnknownAddress {
        /// The file.
        path: PathBuf,
        /// The wanted address.
        address: Address,
        /// The addresses that it has.
        available: String,
    },
    /// The file has several keys and none was chosen.
    #[error("the keystore {} has {count} ed25519 keys: say which address to use, one of {available}", .path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The addresses.
        available: String,
    },
    /// A `suiprivkey1…` string is not one, or of an unsupported scheme.
    #[error("this is not an ed25519 `suiprivkey1…` string as `sui keytool export` prints it")]
    Bech32,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a new key")]
    Randomness,
}

/// An ed25519 key of one address. Wiped from memory on drop.
#[derive(Clone)]
pub struct Key {
    private: Ed25519PrivateKey,
    address: Address,
}

impl Key {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`KeystoreError::Randomness`] when the system has none.
    pub fn generate() -> Result<Self, KeystoreError> {
        use rand::TryRngCore as _;
        let mut seed = Zeroizing::new([0_u8; 32]);
        rand::rngs::OsRng
            .try_fill_bytes(seed.as_mut_slice())
            .map_err(|_| KeystoreError::Randomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key with this 32-byte private key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let private = Ed25519PrivateKey::new(*seed);
        let address = private.public_key().derive_address();
        Self { private, address }
    }

    /// Imports what `sui keytool export` prints (`suiprivkey1…`).
    ///
    /// # Errors
    /// [`KeystoreError::Bech32`] when it is something else; the text is not repeated.
    pub fn from_suiprivkey(text: &str) -> Result<Self, KeystoreError> {
        let private =
            Ed25519PrivateKey::from_suiprivkey(text.trim()).map_err(|_| KeystoreError::Bech32)?;
        let address = private.public_key().derive_address();
        Ok(Self { private, address })
    }

    /// Address of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Public half.
    #[must_use]
    pub fn public_key(&self) -> Ed25519PublicKey {
        self.private.public_key()
    }

    /// Signs a transaction of this address.
    ///
    /// # Errors
    /// [`ChainError::Signature`] when another address is its sender.
    pub fn sign(&self, transaction: Transaction) -> Result<SignedTransaction, ChainError> {
        let refused = |reason: String| ChainError::Signature {
            address: transaction.sender,
            reason,
        };
        if transaction.sender != self.address {
            return Err(refused(format!("the key is that of {}", self.address)));
        }
        let signature = self
            .private
            .sign_transaction(&transaction)
            .map_err(|error| refused(error.to_string()))?;
        Ok(SignedTransaction {
            transaction,
            signature,
        })
    }

    /// Signs a personal message, as a wallet does for a login.
    ///
    /// # Errors
    /// [`ChainError::Signature`] if the signer refuses (ed25519 does not).
    pub fn sign_personal_message(&self, message: &[u8]) -> Result<UserSignature, ChainError> {
        self.private
            .sign_personal_message(&PersonalMessage(message.into()))
            .map_err(|error| ChainError::Signature {
                address: self.address,
                reason: error.to_string(),
            })
    }

    fn to_entry(&self) -> Zeroizing<String> {
        Zeroizing::new(self.private.to_base64())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

enum Entry {
    Ed25519(Box<Key>),
    /// Of another scheme: kept verbatim, not signed with.
    Other(Zeroizing<String>),
}

/// The keys of one `sui.keystore` file.
pub struct Keystore {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystore")
            .field("path", &self.path)
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

impl Keystore {
    /// Reads a keystore.
    ///
    /// # Errors
    /// [`KeystoreError`] that names the file and says what would be right.
    pub fn load(path: &Path) -> Result<Self, KeystoreError> {
        let text = file::read_private(path)?;
        let strings: Vec<Zeroizing<String>> = serde_json::from_str::<Vec<String>>(&text)
            .map(|strings| strings.into_iter().map(Zeroizing::new).collect())
            .map_err(|error| KeystoreError::Format {
                path: path.to_owned(),
                reason: format!("line {}, column {}", error.line(), error.column()),
            })?;
        let entries = strings
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                parse_entry(text).map_err(|reason| KeystoreError::Entry {
                    path: path.to_owned(),
                    index,
                    reason,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            entries,
        })
    }

    /// Makes a keystore with one new key. Never overwrites a file.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] when there is a file already, or what the file system said.
    pub fn create(path: &Path) -> Result<Self, KeystoreError> {
        let keystore = Self {
            path: path.to_owned(),
            entries: vec![Entry::Ed25519(Box::new(Key::generate()?))],
        };
        let text = keystore.render();
        file::create_private(path, text.as_bytes())?;
        Ok(keystore)
    }

    /// Reads the keystore, or makes one with a new key where there is none.
    ///
    /// # Errors
    /// As [`Keystore::load`] and [`Keystore::create`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeystoreError> {
        match Self::create(path) {
            Err(KeystoreError::Exists { .. }) => Self::load(path),
            other => other,
        }
    }

    /// Adds a key and saves the file.
    ///
    /// # Errors
    /// What the file system said; the key is then not in the keystore.
    pub fn add(&mut self, key: Key) -> Result<Address, KeystoreError> {
        let address = key.address();
        if self.keys().all(|known| known.address() != address) {
            self.entries.push(Entry::Ed25519(Box::new(key)));
            let text = self.render();
            if let Err(source) = write_atomically(&self.path, text.as_bytes(), 0o600) {
                self.entries.pop();
                return Err(KeystoreError::Io {
                    path: self.path.clone(),
                    action: "write",
                    source,
                });
            }
        }
        Ok(address)
    }

    /// Addresses of the keys that can sign, in the file's order.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.keys().map(Key::address).collect()
    }

    /// The key of an address.
    ///
    /// # Errors
    /// [`KeystoreError::UnknownAddress`], with the addresses that there are.
    pub fn key(&self, address: &Address) -> Result<&Key, KeystoreError> {
        self.keys()
            .find(|key| key.address() == *address)
            .ok_or_else(|| KeystoreError::UnknownAddress {
                path: self.path.clone(),
                address: *address,
                available: self.describe(),
            })
    }

    /// The key of `address` or, where none is named, the only one.
    ///
    /// # Errors
    /// [`KeystoreError::UnknownAddress`] or [`KeystoreError::Ambiguous`].
    pub fn choose(&self, address: Option<&Address>) -> Result<&Key, KeystoreError> {
        if let Some(address) = address {
            return self.key(address);
        }
        let mut keys = self.keys();
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(KeystoreError::Ambiguous {
                path: self.path.clone(),
                count: self.keys().count(),
                available: self.describe(),
            }),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Ed25519(key) => Some(key.as_ref()),
            Entry::Other(_) => None,
        })
    }

    fn describe(&self) -> String {
        let all: Vec<String> = self.addresses().iter().map(Address::to_string).collect();
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.join(", ")
        }
    }

    fn render(&self) -> Zeroizing<String> {
        // Base64 needs no escaping in JSON.
        let mut text = Zeroizing::new(String::with_capacity(64 * self.entries.len() + 8));
        text.push('[');
        for (index, entry) in self.entries.iter().enumerate() {
            text.push_str(if index == 0 { "\n  \"" } else { ",\n  \"" });
            match entry {
                Entry::Ed25519(key) => text.push_str(&key.to_entry()),
                Entry::Other(kept) => text.push_str(kept),
            }
            text.push('"');
        }
        text.push_str("\n]\n");
        text
    }
}

fn parse_entry(text: Zeroizing<String>) -> Result<Entry, &'static str> {
    let bytes = Zeroizing::new(
        STANDARD
            .decode(text.as_bytes())
            .map_err(|_| "it is not base64")?,
    );
    let Some((flag, private)) = bytes.split_first() else {
        return Err("it is empty; it should be 33 bytes, flag ‖ 32-byte private key");
    };
    match SignatureScheme::from_byte(*flag) {
        Ok(SignatureScheme::Ed25519) => {
            let seed: Zeroizing<[u8; 32]> = Zeroizing::new(private.try_into().map_err(
                |_| "an ed25519 entry should be 33 bytes, flag 0 ‖ 32-byte private key",
            )?);
            Ok(Entry::Ed25519(Box::new(Key::from_seed(&seed))))
        }
        Ok(SignatureScheme::Secp256k1 | SignatureScheme::Secp256r1) if private.len() == 32 => {
            Ok(Entry::Other(text))
        }
        Ok(_) => Err("its flag names a scheme that has no private key of 32 bytes"),
        Err(_) => Err("its first byte is not the flag of a Sui signature scheme (0, 1 or 2)"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
