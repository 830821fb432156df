//! Publishing the package, once.
//!
//! The same on every Sui network, the embedded ledger included: one transaction publishes the modules
//! (their `init` functions make the shared objects and hand out the capabilities), a second one hands
//! the upgrade capability to `upgrades::Upgrades`, from where no upgrade comes without the timelock.
//! The signed transaction is on disk before it is sent, so that a run that was cut off goes on where it
//! was and nothing is published twice.

use std::path::Path;

use crate::keystore::{Key, write_atomically};
use crate::objects::Upgrades;
use crate::{
    Address, ChainError, Client, Deployment, Executed, Settlement, SignedTransaction, calls,
};

/// What is published, and where it is written down.
#[derive(Clone, Debug)]
pub struct Publication<'a> {
    /// The compiled modules, those that others depend on first.
    pub modules: Vec<Vec<u8>>,
    /// The packages that they depend on.
    pub dependencies: Vec<Address>,
    /// Where the descriptor of the published package goes.
    pub deployment: &'a Path,
    /// Where the signed transaction is until all is done.
    pub pending: &'a Path,
    /// Whether the upgrade capability is handed in. Otherwise the sender keeps it.
    pub hold_upgrade_cap: bool,
}

/// Publishes, or goes on where an earlier run was cut off. Where the deployment's file is there
/// already, that package is the result, if it is on this chain.
///
/// # Errors
/// [`ChainError`]: the ledger's, or that of a file.
pub async fn publish(
    client: &Client,
    key: &Key,
    publication: &Publication<'_>,
) -> Result<Deployment, ChainError> {
    let pending = Pending(publication.pending);
    let call = calls::publish(
        publication.modules.clone(),
        publication.dependencies.clone(),
    );
    let deployment = if publication.deployment.exists() {
        let deployment = Deployment::load(publication.deployment)?;
        client.verify(&deployment).await?;
        deployment
    } else {
        let published = pending.once(client, key, &call).await?;
        let chain = client.chain_identifier().await?;
        let deployment = Deployment::of_published(&chain, &published)?;
        deployment.save(publication.deployment)?;
        deployment
    };
    // The file of the transaction stays until the capability is in its place.
    let Some(published) = pending.done(client).await? else {
        return Ok(deployment);
    };
    if publication.hold_upgrade_cap {
        let held = client
            .object::<Upgrades>(&deployment, deployment.upgrades()?)
            .await?;
        if held.value.cap.is_none() {
            let admin = deployment.admin_cap.ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: deployment.package.to_string(),
                reason: "it names no AdminCap".to_owned(),
            })?;
            let cap = published.created("package::UpgradeCap")?;
            let call = calls::hold_upgrade_cap(&deployment, admin, cap)?;
            client.submit(key, &call).await?;
        }
    }
    pending.settled()?;
    Ok(deployment)
}

struct Pending<'a>(&'a Path);

impl Pending<'_> {
    fn failed(&self, error: &dyn std::fmt::Display) -> ChainError {
        ChainError::Deployment {
            path: self.0.to_owned(),
            reason: error.to_string(),
        }
    }

    fn read(&self) -> Result<Option<SignedTransaction>, ChainError> {
        match std::fs::read(self.0) {
            Ok(bytes) => Ok(Some(SignedTransaction::from_bytes(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Sends the stored transaction, or a new one where it is void or there is none.
    async fn once(
        &self,
        client: &Client,
        key: &Key,
        call: &calls::Call,
    ) -> Result<Executed, ChainError> {
        if let Some(signed) = self.read()?
            && let Settlement::Executed(done) = client.settle(&signed).await?
        {
            return done.into_success();
        }
        let signed = client.prepare(key, call).await?;
        write_atomically(self.0, &signed.to_bytes()?, 0o600)
            .map_err(|error| self.failed(&error))?;
        client.send(&signed).await?.into_success()
    }

    /// What the stored transaction did, if there is one.
    async fn done(&self, client: &Client) -> Result<Option<Executed>, ChainError> {
        let Some(signed) = self.read()? else {
            return Ok(None);
        };
        match client.settle(&signed).await? {
            Settlement::Executed(done) => Ok(Some(done.into_success()?)),
            Settlement::Void { .. } => Ok(None),
        }
    }

    fn settled(&self) -> Result<(), ChainError> {
        std::fs::remove_file(self.0).map_err(|error| self.failed(&error))
    }
}
