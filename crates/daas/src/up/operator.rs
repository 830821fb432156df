//! The operator of a system that `up` brings up: its keys, the cluster that it makes on the
//! chain, the stake that makes it an administrator.
//!
//! Every act on the chain is done once, whenever the process is killed: the signed transaction is
//! on disk before it is sent, and looked up by its digest before another one is made.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chain::calls::{self, Approval, Call};
use chain::keystore::{Key, Keystore};
use chain::objects::{Cluster, Stake, StakeStatus, StakingPool, TeeKind, Tier};
use chain::{Address, Client, Deployment, Executed, Settlement, SignedTransaction};
use serde::{Deserialize, Serialize};

use crate::commands::cluster::publish;

/// The name of the cluster on the chain.
const CLUSTER_NAME: &str = "daas-up";

/// The keystore's file in the operator's directory.
const KEYSTORE: &str = "sui.keystore";

/// What the operator has on the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Possessions {
    /// The stake in the admin tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_stake: Option<Address>,
}

/// The operator's keys and files, below one private directory.
pub(crate) struct Operator {
    directory: PathBuf,
    keystore: Keystore,
}

impl Operator {
    /// Opens the operator's directory; makes its key at the first time.
    ///
    /// # Errors
    /// When the keystore is unusable.
    pub(crate) fn open(directory: PathBuf) -> anyhow::Result<Self> {
        super::supervisor::private_dir(&directory)?;
        let keystore = Keystore::load_or_create(&directory.join(KEYSTORE))?;
        Ok(Self {
            directory,
            keystore,
        })
    }

    /// The operator's key.
    ///
    /// # Errors
    /// When the keystore holds several.
    pub(crate) fn key(&self) -> anyhow::Result<&Key> {
        Ok(self.keystore.choose(None)?)
    }

    /// The file that says where contracts and cluster are; configurations of the roles name it.
    pub(crate) fn deployment_file(&self) -> PathBuf {
        self.directory.join("deployment.json")
    }

    /// The contracts on the chain: published at the first time, as on any Sui network.
    ///
    /// # Errors
    /// What the chain says.
    pub(crate) async fn publish(&self, chain: &Client) -> anyhow::Result<Deployment> {
        let (file, pending) = (
            self.directory.join("published.json"),
            self.pending("publish"),
        );
        let publication = publish::publication(&file, &pending);
        publish::publish(chain, self.key()?, &publication).await
    }

    /// The operator's keystore.
    pub(crate) fn keystore_file(&self) -> PathBuf {
        self.directory.join(KEYSTORE)
    }

    fn possessions_file(&self) -> PathBuf {
        self.directory.join("possessions.json")
    }

    /// What the operator has on the chain.
    ///
    /// # Errors
    /// When the file is unreadable.
    pub(crate) fn possessions(&self) -> anyhow::Result<Possessions> {
        let path = self.possessions_file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not readable", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Possessions::default()),
            Err(e) => Err(e).with_context(|| format!("{} can't be read", path.display())),
        }
    }

    /// The cluster, made on the chain at the first time with `measurement` on its allow-list; a
    /// new measurement (another build) is approved.
    ///
    /// # Errors
    /// What the chain says.
    pub(crate) async fn cluster(
        &self,
        chain: &Client,
        published: Deployment,
        measurement: &[u8],
    ) -> anyhow::Result<Deployment> {
        let approval = Approval {
            kind: TeeKind::Simulated,
            measurement: measurement.to_vec(),
            source: format!("daas {}", env!("CARGO_PKG_VERSION")),
            active_at_ms: 0,
        };
        let file = self.deployment_file();
        if !file.exists() {
            let call = calls::create_cluster(&published, CLUSTER_NAME, vec![approval]);
            let made = self.once(chain, "create-cluster", &call).await?;
            let mut deployment = published;
            deployment.cluster = Some(made.created("enclave_registry::Cluster")?);
            deployment.cluster_cap = Some(made.created("enclave_registry::ClusterCap")?);
            deployment.save(&file)?;
            self.settled("create-cluster")?;
            return Ok(deployment);
        }
        let deployment = Deployment::load(&file)?;
        anyhow::ensure!(
            deployment.chain == published.chain,
            "{} belongs to another ledger ({}) than the one that runs ({}): use another --data-dir",
            file.display(),
            deployment.chain,
            published.chain
        );
        let id = deployment.cluster()?;
        let cluster = chain.object::<Cluster>(&deployment, id).await?.value;
        if !cluster.allows(TeeKind::Simulated, measurement) {
            let cap = cluster_cap(&deployment)?;
            let call = calls::approve_measurement(&deployment, cap, id, approval);
            chain.submit(self.key()?, &call).await?;
        }
        Ok(deployment)
    }

    /// The stake in the admin tier; made at the first time, and again when it was given back.
    ///
    /// # Errors
    /// What the chain says.
    pub(crate) async fn admin_stake(
        &self,
        chain: &Client,
        deployment: &Deployment,
    ) -> anyhow::Result<Address> {
        let mut possessions = self.possessions()?;
        if let Some(id) = possessions.admin_stake {
            let stake = chain.find::<Stake>(deployment, id).await?;
            if stake.is_some_and(|s| s.value.status == StakeStatus::Active) {
                return Ok(id);
            }
        }
        let pool = chain
            .object::<StakingPool>(deployment, deployment.staking_pool.id)
            .await?
            .value;
        let minimum = pool
            .tier(Tier::Admin)
            .context("the staking pool has no admin tier")?
            .minimum;
        let call = calls::stake(deployment, Tier::Admin, minimum);
        let made = self.once(chain, "admin-stake", &call).await?;
        let id = made.created("staking::Stake")?;
        possessions.admin_stake = Some(id);
        write(&self.possessions_file(), &serde_json::to_vec(&possessions)?)?;
        self.settled("admin-stake")?;
        Ok(id)
    }

    /// Does `call` exactly once: a transaction stored by a former run is settled first. The caller
    /// records the outcome and then calls [`Operator::settled`].
    async fn once(&self, chain: &Client, name: &str, call: &Call) -> anyhow::Result<Executed> {
        let path = self.pending(name);
        if let Ok(bytes) = fs::read(&path) {
            let signed = SignedTransaction::from_bytes(&bytes)?;
            if let Settlement::Executed(done) = chain.settle(&signed).await? {
                return done.into_success().map_err(Into::into);
            }
        }
        let signed = chain.prepare(self.key()?, call).await?;
        write(&path, &signed.to_bytes()?)?;
        Ok(chain.send(&signed).await?.into_success()?)
    }

    fn settled(&self, name: &str) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.pending(name))?)
    }

    fn pending(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.pending"))
    }
}

fn cluster_cap(deployment: &Deployment) -> anyhow::Result<Address> {
    deployment
        .cluster_cap
        .context("the deployment names no capability over its cluster")
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    chain::keystore::write_atomically(path, bytes, 0o600)
        .with_context(|| format!("{} can't be written", path.display()))
}
