//! The audit log of the control plane: where it is, its key, and its head kept in the sealed state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::audit::{AuditLog, ChainHead, Cipher, LogOptions, Metrics, OpenError, Policy, PolicyError};
use apiserver::audit::Audit;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::vault::{Vault, VaultError};

/// The log below the data directory unless another place is named.
const LOG_FILE: &str = "audit/audit.log";
/// The records of the vault.
const KEY: &str = "audit/key";
const HEAD: &str = "audit/head";
/// How often the head is kept while lines are written. What a crash leaves after the kept head is still chained to it.
const KEEP: Duration = Duration::from_secs(5);

/// Why requests cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The policy file cannot be read.
    #[error("auditPolicyFile: {} can't be read", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The policy is none.
    #[error("auditPolicyFile")]
    Policy(#[from] PolicyError),
    /// The log.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The key or the head.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key is not one.
    #[error("the audit log's key is not usable")]
    Key,
}

/// Opens the log. In the data directory it is sealed line by line; where the operator names a place for it, it is in
/// clear, as log shippers want it. The chain is the same.
///
/// # Errors
/// [`AuditError`]; a server that cannot audit does not start.
pub(crate) async fn open(
    config: &Config,
    vault: &Vault,
    metrics: &mut prometheus_client::registry::Registry,
) -> Result<(Audit, AuditLog), AuditError> {
    let policy = match &config.audit_policy_file {
        None => Policy::standard()?,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| AuditError::PolicyFile {
                path: path.clone(),
                source,
            })?;
            Policy::parse(&text)?
        }
    };
    let (path, cipher) = match &config.audit_log_path {
        Some(path) => (path.clone(), None),
        None => (config.data_dir.join(LOG_FILE), Some(cipher(vault).await?)),
    };
    let mut options = LogOptions::new(&path);
    options.cipher.clone_from(&cipher);
    options.mode = config.audit_log_mode;
    options.max_size = u64::from(config.audit_log_maxsize) * 1024 * 1024;
    options.max_backups = config.audit_log_maxbackup;
    options.max_age = (config.audit_log_maxage > 0)
        .then(|| Duration::from_secs(u64::from(config.audit_log_maxage) * 86_400));
    let counted = Metrics::default();
    counted.register(metrics);
    let log = AuditLog::open(options, head(vault)?, counted.clone())?;
    let audit = Audit {
        policy: Arc::new(policy),
        backend: Arc::new(log.clone()),
        metrics: counted,
        log: Some((path, cipher)),
    };
    Ok((audit, log))
}

async fn cipher(vault: &Vault) -> Result<Cipher, AuditError> {
    let fresh = Cipher::fresh_key().ok_or(AuditError::Key)?;
    let kept = vault.get_or_put(KEY, fresh.as_ref()).await?;
    let mut key = Zeroizing::new([0; 32]);
    if kept.len() != key.len() {
        return Err(AuditError::Key);
    }
    key.copy_from_slice(&kept);
    Cipher::new(&key).ok_or(AuditError::Key)
}

/// The head that was kept last. What cannot be read counts as none: the log says so then by itself.
fn head(vault: &Vault) -> Result<Option<ChainHead>, AuditError> {
    let Some(kept) = vault.get(HEAD)? else {
        return Ok(None);
    };
    Ok(std::str::from_utf8(&kept).ok().and_then(|t| t.parse().ok()))
}

/// Keeps the head in the sealed state, where whoever has the disk cannot change it, until `stop`; then closes the log.
pub(crate) async fn keep_head(log: AuditLog, vault: Vault, stop: CancellationToken) {
    let mut heads = log.heads();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            changed = heads.changed() => if changed.is_err() { break },
        }
        let head = *heads.borrow_and_update();
        keep(&vault, head).await;
        // Lines come in crowds: one record for all of them.
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(KEEP) => {}
        }
    }
    match log.close().await {
        Ok(head) => keep(&vault, head).await,
        Err(error) => tracing::error!(%error, "the audit log was not closed"),
    }
}

async fn keep(vault: &Vault, head: ChainHead) {
    if let Err(error) = vault.put(HEAD, head.to_string().as_bytes()).await {
        tracing::warn!(%error, "the audit log's head was not kept");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::audit::{Event, Level, Stage};
    use serde_json::json;
    use store::memory::MemoryLog;
    use store::{SealingKeys, Store, SystemClock};

    use super::*;

    fn config(dir: &std::path::Path) -> Config {
        serde_json::from_value(json!({
            "dataDir": dir, "chainUrl": "http://127.0.0.1:9000", "deployment": "/d/deployment.json",
            "tee": "simulated", "simulatedTeeDir": "/d/tee",
        }))
        .unwrap()
    }

    async fn store(log: &MemoryLog) -> Store<registry::Stored> {
        let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
        Store::open(log.clone(), keys, SystemClock, store::Options::default())
            .await
            .unwrap()
    }

    /// One life of the server: some requests, then its end.
    async fn live(dir: &std::path::Path, state: &MemoryLog, requests: usize) -> bool {
        let store = store(state).await;
        let vault = Vault::new(store.clone());
        let mut metrics = prometheus_client::registry::Registry::default();
        let (audit, log) = open(&config(dir), &vault, &mut metrics).await.unwrap();
        let tampered = log.tampered();
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(keep_head(log, vault.clone(), stop.clone()));
        for i in 0..requests {
            let mut event = Event::new(
                Level::Metadata,
                Stage::ResponseComplete,
                format!("request-{i}"),
                jiff::Timestamp::now(),
            );
            event.request_uri = "/api/v1/namespaces/somewhere".into();
            audit.backend.process(event).await.unwrap();
        }
        stop.cancel();
        keeping.await.unwrap();
        assert_eq!(head(&vault).unwrap(), audit.backend.head());
        store.close().await;
        tampered
    }

    #[tokio::test]
    async fn a_log_that_was_cut_off_while_the_server_was_down_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let state = MemoryLog::new();
        assert!(!live(dir.path(), &state, 5).await);
        assert!(
            !live(dir.path(), &state, 5).await,
            "an untouched log goes on"
        );
        let path = dir.path().join(LOG_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("somewhere"), "it is sealed");
        assert!(
            ::audit::verify(std::slice::from_ref(&path), None, true)
                .unwrap()
                .is_intact()
        );
        let kept: Vec<&str> = text.lines().take(7).collect();
        std::fs::write(&path, kept.join("\n") + "\n").unwrap();
        assert!(live(dir.path(), &state, 1).await);
        let report = ::audit::verify(&[path], None, true).unwrap();
        assert_eq!(report.problem_count, 1, "{report:?}");
    }

    #[tokio::test]
    async fn a_policy_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(store(&MemoryLog::new()).await);
        let mut config = config(dir.path());
        config.audit_policy_file = Some(dir.path().join("policy.yaml"));
        let mut metrics = prometheus_client::registry::Registry::default();
        let missing = open(&config, &vault, &mut metrics).await;
        assert!(matches!(missing, Err(AuditError::PolicyFile { .. })));
        std::fs::write(dir.path().join("policy.yaml"), "kind: Policy").unwrap();
        let wrong = open(&config, &vault, &mut metrics).await;
        assert!(matches!(wrong, Err(AuditError::Policy(_))));
    }
}
