//! The control plane's own records in the sealed log: authorities, signing keys, who joined.
//!
//! They lie beside the Kubernetes objects but under a prefix that no resource has, so that no
//! request reaches them, whatever rights it has. On disk they are ciphertext as all else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use registry::Stored;
use serde::{Deserialize, Serialize};
use store::{Record, Revision, Store};
use zeroize::Zeroizing;

/// Where the records lie in the store; no resource's prefix begins so.
const PREFIX: &str = "/internal.daas/";

/// A record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The record is there but is not what this version writes.
    #[error("the control plane's record {name:?} is not readable by this version")]
    Unreadable {
        /// Its name.
        name: String,
    },
    /// The write was not acknowledged.
    #[error("the control plane's record {name:?} could not be written")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: store::WriteError,
    },
}

/// A record's name and content.
pub(crate) type NamedRecord = (String, Zeroizing<Vec<u8>>);

/// Reads and writes records by name. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vault {
    store: Store<Stored>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    kind: String,
    api_version: String,
    metadata: Metadata,
    /// Base64; taken out and zeroed by who reads it.
    data: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

impl Vault {
    /// Over the control plane's store.
    #[must_use]
    pub(crate) fn new(store: Store<Stored>) -> Self {
        Self { store }
    }

    /// The record's content, or `None` when there is no such record.
    ///
    /// # Errors
    /// [`VaultError::Unreadable`].
    pub(crate) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let snapshot = self.store.snapshot();
        let entry = snapshot.get(&key(name));
        entry.map(|entry| open(name, &entry.value)).transpose()
    }

    /// Every record whose name begins with `prefix`, by name.
    ///
    /// # Errors
    /// [`VaultError::Unreadable`].
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<NamedRecord>, VaultError> {
        self.store
            .snapshot()
            .range(&key(prefix), None)
            .map(|entry| {
                let name = entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key);
                Ok((name.to_owned(), open(name, &entry.value)?))
            })
            .collect()
    }

    /// Writes a record unless there is one already; returns the content that is there in the end.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(crate) async fn get_or_put(
        &self,
        name: &str,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let put = |tx: &mut store::Transaction<'_, Stored>| -> Result<bool, VaultError> {
            if tx.get(&key(name)).is_some() {
                return Ok(false);
            }
            tx.put(&key(name), seal(name, data, tx.revision())?, None);
            Ok(true)
        };
        self.transact(name, put).await?;
        self.get(name)?
            .ok_or_else(|| VaultError::Unreadable { name: name.into() })
    }

    /// Writes a record in place of a former one.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(crate) async fn put(&self, name: &str, data: &[u8]) -> Result<(), VaultError> {
        self.transact(name, |tx| {
            tx.put(&key(name), seal(name, data, tx.revision())?, None);
            Ok(())
        })
        .await
    }

    async fn transact<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut store::Transaction<'_, Stored>) -> Result<T, VaultError> + Send,
    ) -> Result<T, VaultError> {
        match self.store.transact(change).await {
            Ok((value, _)) => Ok(value),
            Err(store::TransactError::Refused(error)) => Err(error),
            Err(store::TransactError::Unavailable(source)) => Err(VaultError::Write {
                name: name.to_owned(),
                source,
            }),
        }
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn seal(name: &str, data: &[u8], revision: Revision) -> Result<Stored, VaultError> {
    let unreadable = || VaultError::Unreadable { name: name.into() };
    let envelope = Envelope {
        kind: "Record".to_owned(),
        api_version: "internal.daas/v1".to_owned(),
        metadata: Metadata {
            resource_version: revision.0.to_string(),
        },
        data: STANDARD.encode(data),
    };
    let bytes = serde_json::to_vec(&envelope).map_err(|_| unreadable())?;
    drop(Zeroizing::new(envelope.data));
    Stored::decode(&key(name), revision, Bytes::from(bytes)).map_err(|_| unreadable())
}

fn open(name: &str, record: &Stored) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let unreadable = || VaultError::Unreadable { name: name.into() };
    let envelope: Envelope = serde_json::from_slice(record.json()).map_err(|_| unreadable())?;
    let text = Zeroizing::new(envelope.data);
    let data = STANDARD.decode(text.as_bytes());
    data.map(Zeroizing::new).map_err(|_| unreadable())
}
