//! A ledger with the contracts, a cluster, and a worker's belongings.

use std::path::Path;
use std::time::Duration;

use chain::calls::{self, Approval};
use chain::keystore::Key;
use chain::objects::{StakingPool, TeeKind};
use chain::{Client, Deployment};
use ledger::{GenesisOptions, Handle, LedgerConfig};
use seal::{NodeId, NodeKey};
use tokio_util::sync::CancellationToken;

use crate::keys::SecretFile;
use crate::stake::Staking;
use crate::state::StateFile;

pub(super) const SUI: u64 = 1_000_000_000;

pub(super) struct World {
    pub(super) directory: tempfile::TempDir,
    pub(super) client: Client,
    pub(super) deployment: Deployment,
    pub(super) publisher: Key,
    pub(super) key: Key,
    pub(super) node_key: NodeKey,
    _handle: Handle,
    stop: CancellationToken,
}

/// A measurement for an allow-list.
pub(super) fn approval(kind: TeeKind, measurement: &[u8]) -> Approval {
    Approval {
        kind,
        measurement: measurement.to_vec(),
        source: "test".to_owned(),
        active_at_ms: 0,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// A cluster whose allow-list has this measurement.
    pub(super) async fn new(measurement: &[u8]) -> Self {
        Self::with(TeeKind::Simulated, measurement).await
    }

    /// A cluster whose allow-list has this measurement of this kind.
    pub(super) async fn with(kind: TeeKind, measurement: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (publisher, key) = (Key::generate().unwrap(), Key::generate().unwrap());
        let funds = vec![
            (publisher.address(), 1000 * SUI),
            (key.address(), 1000 * SUI),
        ];
        let ledger = directory.path().join("ledger");
        let genesis = GenesisOptions::development(publisher.address(), funds);
        let mut config = LedgerConfig::new(ledger.clone(), genesis);
        config.listen = "127.0.0.1:0".parse().unwrap();
        let stop = CancellationToken::new();
        let handle = ledger::serve(config, stop.clone()).await.unwrap();
        let client = Client::connect(&handle.url()).await.unwrap();
        let mut deployment = Deployment::load(&ledger.join("deployment.json")).unwrap();
        let approval = approval(kind, measurement);
        let call = calls::create_cluster(&deployment, "test", vec![approval]);
        let made = client.submit(&publisher, &call).await.unwrap();
        deployment.cluster = Some(made.created("enclave_registry::Cluster").unwrap());
        deployment.cluster_cap = Some(made.created("enclave_registry::ClusterCap").unwrap());
        Self {
            directory,
            client,
            deployment,
            publisher,
            key,
            node_key: NodeKey::generate(),
            _handle: handle,
            stop,
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What a worker that starts has.
    pub(super) fn staking(&self, name: &str) -> (Staking, StateFile) {
        let node: NodeId = name.parse().unwrap();
        let directory = self.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let state = StateFile::open(
            directory.join("state.json"),
            name,
            self.deployment.cluster().unwrap(),
        )
        .unwrap();
        let staking = Staking {
            client: self.client.clone(),
            deployment: self.deployment.clone(),
            key: self.key.clone(),
            node,
            node_key: self.node_key.clone(),
            secret: SecretFile::new(&directory),
            amount: None,
            token_ttl: Duration::from_secs(3600),
        };
        (staking, state)
    }

    pub(super) async fn pool(&self) -> StakingPool {
        let id = self.deployment.staking_pool.id;
        self.client
            .object::<StakingPool>(&self.deployment, id)
            .await
            .unwrap()
            .value
    }
}
