//! What a worker remembers: where it is in its life, its stake and token, and a transaction whose outcome isn't recorded
//! yet.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain::{Address, SignedTransaction};
use serde::{Deserialize, Serialize};

use crate::WorkerError;
use crate::files;

/// Where a worker is in its life. Each start goes through the phases anew; what was paid for is found, not paid again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It has its keys.
    Initialised,
    /// Its stake and token are on the chain.
    Staked,
    /// It has verified a control plane.
    ControlPlaneVerified,
    /// It has certificates.
    Joined,
    /// Its agent runs.
    Running,
    /// Its right is gone; its pods are being ended.
    Draining,
    /// Nothing of it runs any more, and its stake is gone.
    Unstaked,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Purpose {
    StakeAndMint,
    Mint,
    Renew,
}

/// A signed transaction that was stored before it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) purpose: Purpose,
    /// BCS in base64; holds no secret.
    transaction: String,
}

/// The state file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    version: u32,
    /// The node's name; the state is worth nothing for another.
    pub node_name: String,
    /// The cluster; likewise.
    pub cluster: Address,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its stake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stake: Option<Address>,
    /// Its Seal token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Address>,
    /// A transaction whose outcome isn't recorded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Pending>,
}

const WHAT: &str = "the worker's state";

impl State {
    /// The state in a file, if there is one.
    ///
    /// # Errors
    /// [`WorkerError::File`] or [`WorkerError::FileContent`].
    pub fn read(path: &Path) -> Result<Option<Self>, WorkerError> {
        let Some(bytes) = files::read_private(WHAT, path)? else {
            return Ok(None);
        };
        let unusable = |why: String| WorkerError::FileContent {
            what: WHAT,
            path: path.to_owned(),
            why,
        };
        let state: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if state.version != 1 {
            return Err(unusable(format!(
                "it is of version {}, this worker knows 1",
                state.version
            )));
        }
        Ok(Some(state))
    }
}

/// The state and its file: every change is on disk before it counts.
pub(crate) struct StateFile {
    path: PathBuf,
    state: State,
}

impl StateFile {
    /// Opens the state of this node in this cluster, or begins it.
    pub(crate) fn open(
        path: PathBuf,
        node_name: &str,
        cluster: Address,
    ) -> Result<Self, WorkerError> {
        let unusable = |why: String| WorkerError::FileContent {
            what: WHAT,
            path: path.clone(),
            why,
        };
        if let Some(state) = State::read(&path)? {
            if state.node_name != node_name {
                let why = format!(
                    "it is node {}'s: keep the name, or choose another dataDir",
                    state.node_name
                );
                return Err(unusable(why));
            }
            if state.cluster != cluster {
                let why = format!(
                    "it is for cluster {}: choose another dataDir",
                    state.cluster
                );
                return Err(unusable(why));
            }
            return Ok(Self { path, state });
        }
        let state = State {
            version: 1,
            node_name: node_name.to_owned(),
            cluster,
            phase: Phase::Initialised,
            stake: None,
            token: None,
            pending: None,
        };
        let file = Self { path, state };
        file.write(&file.state)?;
        Ok(file)
    }

    pub(crate) fn get(&self) -> &State {
        &self.state
    }

    /// Changes the state, durably.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut State)) -> Result<(), WorkerError> {
        let mut next = self.state.clone();
        change(&mut next);
        if next != self.state {
            self.write(&next)?;
            self.state = next;
        }
        Ok(())
    }

    pub(crate) fn phase(&mut self, phase: Phase) -> Result<(), WorkerError> {
        if self.state.phase != phase {
            tracing::info!(?phase, "worker");
        }
        self.update(|state| state.phase = phase)
    }

    /// Remembers a transaction before it is sent.
    pub(crate) fn set_pending(
        &mut self,
        purpose: Purpose,
        signed: &SignedTransaction,
    ) -> Result<(), WorkerError> {
        let transaction = STANDARD.encode(signed.to_bytes()?);
        self.update(|state| {
            state.pending = Some(Pending {
                purpose,
                transaction,
            })
        })
    }

    /// The transaction whose outcome isn't recorded yet.
    pub(crate) fn pending(&self) -> Result<Option<(Purpose, SignedTransaction)>, WorkerError> {
        let Some(pending) = &self.state.pending else {
            return Ok(None);
        };
        let bytes =
            STANDARD
                .decode(&pending.transaction)
                .map_err(|error| WorkerError::FileContent {
                    what: WHAT,
                    path: self.path.clone(),
                    why: error.to_string(),
                })?;
        Ok(Some((
            pending.purpose,
            SignedTransaction::from_bytes(&bytes)?,
        )))
    }

    fn write(&self, state: &State) -> Result<(), WorkerError> {
        let bytes = serde_json::to_vec_pretty(state).map_err(|error| WorkerError::FileContent {
            what: WHAT,
            path: self.path.clone(),
            why: error.to_string(),
        })?;
        files::write_private(WHAT, &self.path, &bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_survives_and_is_of_one_node_and_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let cluster = Address::new([1; 32]);
        let mut file = StateFile::open(path.clone(), "worker-0", cluster).unwrap();
        file.update(|state| state.stake = Some(Address::new([2; 32])))
            .unwrap();
        file.phase(Phase::Staked).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = StateFile::open(path.clone(), "worker-0", cluster).unwrap();
        assert_eq!(again.get(), file.get());
        assert!(StateFile::open(path.clone(), "worker-1", cluster).is_err());
        assert!(StateFile::open(path.clone(), "worker-0", Address::new([3; 32])).is_err());
        std::fs::write(&path, b"{\"version\":1}").unwrap();
        assert!(matches!(
            State::read(&path),
            Err(WorkerError::FileContent { .. })
        ));
    }
}
