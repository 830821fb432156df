//! Starting, serving and stopping.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract_model::LogEntry;
use contract_model::replay::MoveTest;
use serde::{Deserialize, Serialize};
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::LedgerServiceServer;
use sui_rpc::proto::sui::rpc::v2::signature_verification_service_server::SignatureVerificationServiceServer;
use sui_rpc::proto::sui::rpc::v2::state_service_server::StateServiceServer;
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::SubscriptionServiceServer;
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::TransactionExecutionServiceServer;
use sui_sdk_types::{
    Address, Argument, Command, ExecutionError, ExecutionStatus, GasPayment, Input,
    ObjectReference, ProgrammableTransaction, SignedTransaction, SplitCoins, Transaction,
    TransactionExpiration, TransactionKind, TransferObjects,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::executor::{Executor, Request, wall_clock_ms};
use crate::gas::{Supply, coin_balance};
use crate::genesis::{self, GenesisRecord, RESERVE};
use crate::headers::HeadersLayer;
use crate::log::Log;
use crate::record::CheckpointRecord;
use crate::service::Services;
use crate::state::State;
use crate::{Deployment, LedgerConfig, LedgerError};

/// Requests that may wait for the executor.
const QUEUE: usize = 1024;

/// How long requests under way may take when the ledger stops.
const GRACE: Duration = Duration::from_secs(3);

/// First record of a log.
#[derive(Clone, Serialize, Deserialize)]
struct Opening {
    deployment: Option<Deployment>,
    genesis: GenesisRecord,
}

/// A running ledger. Dropping it does not stop it; the shutdown token does.
pub struct Handle {
    address: SocketAddr,
    opening: Opening,
    services: Services,
    tasks: TaskTracker,
    executor: Option<std::thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Opens or makes the ledger of a data directory, and serves it until `shutdown`. Returns when it
/// accepts connections.
///
/// # Errors
/// [`LedgerError`], before anything is served; a data directory that was empty may have a genesis
/// in it then, which the next start continues.
pub async fn serve(
    config: LedgerConfig,
    shutdown: CancellationToken,
) -> Result<Handle, LedgerError> {
    if !config.listen.ip().is_loopback() && !config.allow_remote {
        return Err(LedgerError::Remote {
            address: config.listen,
        });
    }
    // The port first: where it is taken, nothing is made.
    let listener =
        TcpListener::bind(config.listen)
            .await
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::AddrInUse => LedgerError::PortInUse {
                    address: config.listen,
                },
                _ => LedgerError::Listen {
                    address: config.listen,
                    source,
                },
            })?;
    let address = listener
        .local_addr()
        .map_err(|source| LedgerError::Listen {
            address: config.listen,
            source,
        })?;
    let opened = tokio::task::spawn_blocking({
        let config = config.clone();
        move || open(&config)
    })
    .await
    .map_err(|error| LedgerError::Stopped {
        reason: error.to_string(),
    })?;
    let (log, state, opening) = opened?;

    let (publish, state) = watch::channel(Arc::new(state));
    let (requests, queue) = mpsc::channel(QUEUE);
    let executor = Executor {
        log,
        state: publish,
        epoch: config.epoch,
        price: config.reference_gas_price,
    };
    let executor = std::thread::Builder::new()
        .name("ledger-executor".to_owned())
        .spawn(move || executor.run(queue))
        .map_err(|error| LedgerError::Stopped {
            reason: error.to_string(),
        })?;
    let services = Services {
        state,
        requests: requests.clone(),
        price: config.reference_gas_price,
        shutdown: shutdown.clone(),
    };

    let tasks = TaskTracker::new();
    let ticking = shutdown.clone();
    let period = (config.epoch / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = ticking.cancelled() => return,
                _ = ticks.tick() => {
                    if requests.send(Request::Tick).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    let served = services.clone();
    tasks.spawn(async move {
        let incoming =
            tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        let stopped = shutdown.clone();
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .layer(HeadersLayer(served.clone()))
            .add_service(LedgerServiceServer::new(served.clone()))
            .add_service(StateServiceServer::new(served.clone()))
            .add_service(TransactionExecutionServiceServer::new(served.clone()))
            .add_service(SubscriptionServiceServer::new(served.clone()))
            .add_service(SignatureVerificationServiceServer::new(served))
            .serve_with_incoming_shutdown(incoming, async move { stopped.cancelled().await });
        // Requests under way are answered; a client that keeps its connection does not hold it up.
        let late = shutdown.clone();
        let result = tokio::select! {
            result = serving => result,
            () = async { late.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
        };
        if let Err(error) = result {
            tracing::error!(%error, "the ledger stopped serving");
            shutdown.cancel();
        }
    });
    tasks.close();
    Ok(Handle {
        address,
        opening,
        services,
        tasks,
        executor: Some(executor),
    })
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io {
        path,
        action,
        source,
    }
}

/// Reads the log back, or begins one.
fn open(config: &LedgerConfig) -> Result<(Log, State, Opening), LedgerError> {
    std::fs::create_dir_all(&config.data_dir).map_err(io(&config.data_dir, "make"))?;
    let path = config.data_dir.join("ledger.log");
    let (mut log, records) = Log::open(&path)?;
    let corrupt = |offset: u64, reason: String| LedgerError::Corrupt {
        path: path.clone(),
        offset,
        reason,
    };
    let mut records = records.into_iter();
    let (opening, state) = match records.next() {
        None => {
            let timestamp_ms = config.genesis.timestamp_ms.unwrap_or_else(wall_clock_ms);
            let beginning = genesis::begin(&config.genesis, timestamp_ms)?;
            let opening = Opening {
                deployment: beginning.deployment,
                genesis: beginning.genesis,
            };
            // Both in one append: a log has a genesis, or it has nothing.
            log.append(&[bcs::to_bytes(&opening)?, bcs::to_bytes(&beginning.record)?])?;
            let mut state = State::empty(opening.genesis.parameters());
            state
                .apply(beginning.record)
                .map_err(|reason| LedgerError::Genesis { reason })?;
            (opening, state)
        }
        Some((offset, body)) => {
            let opening: Opening =
                bcs::from_bytes(&body).map_err(|error| corrupt(offset, error.to_string()))?;
            if opening.genesis.publisher != config.genesis.publisher {
                let named = |publisher: Option<Address>| {
                    publisher.map_or_else(|| "nobody at genesis".to_owned(), |id| id.to_string())
                };
                return Err(LedgerError::OtherPublisher {
                    path,
                    expected: named(config.genesis.publisher),
                    actual: named(opening.genesis.publisher),
                });
            }
            let mut state = State::empty(opening.genesis.parameters());
            for (offset, body) in records {
                let record: CheckpointRecord =
                    bcs::from_bytes(&body).map_err(|error| corrupt(offset, error.to_string()))?;
                record
                    .verify()
                    .and_then(|()| state.apply(record))
                    .map_err(|reason| corrupt(offset, reason))?;
            }
            (opening, state)
        }
    };
    if state.world.has_other_package() {
        return Err(LedgerError::OtherContracts { path });
    }
    if let Some(deployment) = &opening.deployment {
        if state.chain().to_string() != deployment.chain {
            return Err(corrupt(0, "its genesis is another one's".to_owned()));
        }
        let mut json =
            serde_json::to_vec_pretty(deployment).map_err(|error| LedgerError::Encoding {
                what: "the deployment",
                reason: error.to_string(),
            })?;
        json.push(b'\n');
        let file = config.data_dir.join("deployment.json");
        let temporary = config.data_dir.join("deployment.json.tmp");
        std::fs::write(&temporary, json).map_err(io(&temporary, "write"))?;
        std::fs::rename(&temporary, &file).map_err(io(&file, "write"))?;
    }
    Ok((log, state, opening))
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the contracts are, if genesis published them. The same is in `deployment.json` in the
    /// data directory then.
    #[must_use]
    pub fn deployment(&self) -> Option<&Deployment> {
        self.opening.deployment.as_ref()
    }

    /// Where all SUI is now.
    #[must_use]
    pub fn supply(&self) -> Supply {
        Supply::of(&self.services.now())
    }

    /// Sequence number of the latest checkpoint.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.services.now().height()
    }

    /// Gives an address SUI from the reserve, as a transaction that is on the ledger like any
    /// other. There is no network service for this: only the process that runs the ledger can.
    ///
    /// # Errors
    /// [`LedgerError::Fund`] when the reserve has too little, or the ledger is stopping.
    pub async fn fund(&self, address: Address, amount: u64) -> Result<(), LedgerError> {
        let failed = |reason: String| LedgerError::Fund { address, reason };
        // Another transfer may take the reserve's coin first: then take it as it is after that.
        for _ in 0..64 {
            let state = self.services.now();
            let transaction = transfer(&state, address, amount, self.services.price)
                .ok_or_else(|| failed("the reserve has too little".to_owned()))?;
            let signed = SignedTransaction {
                transaction,
                signatures: Vec::new(),
            };
            match self.services.execute(signed).await {
                Ok(executed) => {
                    return match executed.record.effects.status() {
                        ExecutionStatus::Success => Ok(()),
                        ExecutionStatus::Failure { error, .. } => Err(failed(format!("{error:?}"))),
                    };
                }
                Err(crate::execute::Refusal::Stale { .. }) => {}
                Err(refusal) => return Err(failed(refusal.to_string())),
            }
        }
        Err(failed("the reserve is too busy".to_owned()))
    }

    /// The executed transactions in the form that the Move replay reads, one JSON object a line.
    /// Those that ran out of gas are left out: they did nothing that a contract could see.
    ///
    /// # Errors
    /// [`LedgerError::Encoding`] when one cannot be written down.
    pub fn export_log(&self) -> Result<Vec<LogEntry>, LedgerError> {
        let state = self.services.now();
        let mut entries = Vec::new();
        for transaction in state
            .checkpoints
            .iter()
            .flat_map(|checkpoint| &checkpoint.transactions)
        {
            let record = &transaction.record;
            let TransactionKind::ProgrammableTransaction(programmable) =
                &record.signed.transaction.kind
            else {
                continue;
            };
            if let ExecutionStatus::Failure {
                error: ExecutionError::InsufficientGas,
                ..
            } = record.effects.status()
            {
                continue;
            }
            let sent = &record.signed.transaction;
            let balance = |reference: &ObjectReference| {
                let object = state.object_at(*reference.object_id(), reference.version())?;
                Some((*reference.object_id(), coin_balance(object)?))
            };
            let mut coins: BTreeMap<Address, u64> = programmable
                .inputs
                .iter()
                .filter_map(|input| match input {
                    Input::ImmutableOrOwned(reference) => balance(reference),
                    _ => None,
                })
                .collect();
            let gas_coin = sent
                .gas_payment
                .objects
                .first()
                .map(|reference| *reference.object_id());
            if let Some(id) = gas_coin {
                let total = sent
                    .gas_payment
                    .objects
                    .iter()
                    .filter_map(balance)
                    .map(|(_, balance)| balance)
                    .fold(0, u64::saturating_add);
                coins.insert(id, total.saturating_sub(sent.gas_payment.budget));
            }
            let entry = LogEntry {
                sender: transaction.sender(),
                digest: transaction.digest,
                epoch: record.effects.epoch(),
                epoch_timestamp_ms: transaction.epoch_start_ms,
                timestamp_ms: transaction.timestamp_ms,
                gas_coin,
                coins,
                transaction: hex::encode(bcs::to_bytes(programmable)?),
            };
            entries.push(entry);
        }
        Ok(entries)
    }

    /// A Move test that replays everything that the ledger executed and expects the ledger's own
    /// events and final state: run with the package's tests, it shows that contracts and ledger
    /// agree.
    ///
    /// # Errors
    /// [`LedgerError::Encoding`] when the log has something that has no form in a Move test.
    pub fn move_test(&self) -> Result<MoveTest, LedgerError> {
        let log = self.export_log()?;
        let state = self.services.now();
        contract_model::replay::move_test(&self.opening.genesis.config(), &log, Some(&state.world))
            .map_err(|error| LedgerError::Encoding {
                what: "the log as a Move test",
                reason: error.to_string(),
            })
    }

    /// Waits until everything is stopped after the shutdown token was cancelled: requests that were
    /// accepted are answered, the log is closed.
    ///
    /// # Errors
    /// [`LedgerError::Stopped`] when the executor panicked.
    pub async fn stopped(mut self) -> Result<(), LedgerError> {
        self.tasks.wait().await;
        // The executor answers what it was asked before this. If it is gone already, so be it.
        let _ = self.services.requests.send(Request::Stop).await;
        if let Some(executor) = self.executor.take() {
            tokio::task::spawn_blocking(move || executor.join())
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or_else(|| LedgerError::Stopped {
                    reason: "its executor panicked".to_owned(),
                })?;
        }
        Ok(())
    }
}

/// A transfer out of the reserve, with one of its coins.
fn transfer(state: &State, to: Address, amount: u64, price: u64) -> Option<Transaction> {
    const BUDGET: u64 = 50_000_000;
    let (_, coin) = state.coins_of(RESERVE).into_iter().find(|(balance, _)| {
        *balance >= amount.saturating_add(BUDGET.saturating_mul(price / 1000 + 1))
    })?;
    Some(Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs: vec![
                Input::Pure(bcs::to_bytes(&amount).ok()?),
                Input::Pure(bcs::to_bytes(&to).ok()?),
            ],
            commands: vec![
                Command::SplitCoins(SplitCoins {
                    coin: Argument::Gas,
                    amounts: vec![Argument::Input(0)],
                }),
                Command::TransferObjects(TransferObjects {
                    objects: vec![Argument::NestedResult(0, 0)],
                    address: Argument::Input(1),
                }),
            ],
        }),
        sender: RESERVE,
        gas_payment: GasPayment {
            objects: vec![ObjectReference::new(
                coin.object_id(),
                coin.version(),
                coin.digest(),
            )],
            owner: RESERVE,
            price,
            budget: BUDGET.saturating_mul(price / 1000 + 1),
        },
        expiration: TransactionExpiration::None,
    })
}
