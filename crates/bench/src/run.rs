//! A whole benchmark.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::load::{self, Load};
use crate::observer::Observer;
use crate::options::{Encoding, Kind, Operation, Options};
use crate::statistics::{Measurement, Samples};
use crate::target::Target;
use crate::workspace::Workspace;
use crate::{BenchError, fan_out};

/// Clients that make the objects to be read.
const SEEDERS: usize = 8;

/// What came out of a benchmark.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The server's host and port.
    pub server: String,
    /// The server's version.
    pub version: String,
    /// What objects were used.
    pub kind: Kind,
    /// How answers were encoded.
    pub encoding: Encoding,
    /// How many objects there were to read.
    pub objects: usize,
    /// The size of the JSON list of them, in bytes.
    pub list_bytes: usize,
    /// The measurements in their order.
    pub measurements: Vec<Measurement>,
}

/// Runs a benchmark in a namespace of its own, which is removed again whatever happens, when `stop` is cancelled too.
///
/// # Errors
/// [`BenchError`]. A request that fails while it is measured is counted, and no error.
pub async fn run(
    target: &Target,
    options: &Options,
    observer: &dyn Observer,
    stop: &CancellationToken,
) -> Result<Outcome, BenchError> {
    options.validate()?;
    let mut admin = Connection::open(target, Encoding::Json).await?;
    let version = admin.must(Method::GET, "/version", Bytes::new()).await?;
    let version: serde_json::Value = serde_json::from_slice(&version.body).unwrap_or_default();
    let version = version.get("gitVersion").and_then(|v| v.as_str());
    let mut outcome = Outcome {
        server: target.host.clone(),
        version: version.unwrap_or("unknown").to_owned(),
        kind: options.kind,
        encoding: options.encoding,
        objects: options.objects,
        list_bytes: 0,
        measurements: Vec::new(),
    };
    let workspace = Arc::new(Workspace::create(&mut admin, options.kind).await?);
    let bench = Bench {
        target,
        options,
        observer,
        stop,
        workspace: workspace.clone(),
    };
    let measured = bench.measure(&mut admin, &mut outcome).await;
    observer.note(&format!("removing namespace {}", workspace.namespace));
    // The first connection may be what failed.
    let removed = match Connection::open(target, Encoding::Json).await {
        Ok(mut admin) => workspace.remove(&mut admin).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &removed {
        let namespace = &workspace.namespace;
        observer.note(&format!("namespace {namespace} is left behind: {error}"));
    }
    measured?;
    removed?;
    Ok(outcome)
}

struct Bench<'a> {
    target: &'a Target,
    options: &'a Options,
    observer: &'a dyn Observer,
    stop: &'a CancellationToken,
    workspace: Arc<Workspace>,
}

impl Bench<'_> {
    async fn measure(
        &self,
        admin: &mut Connection,
        outcome: &mut Outcome,
    ) -> Result<(), BenchError> {
        self.seed().await?;
        let list = admin
            .must(Method::GET, &self.workspace.path, Bytes::new())
            .await?;
        outcome.list_bytes = list.body.len();
        drop(list);
        let mut number = 0;
        for &operation in &self.options.operations {
            if operation == Operation::Watch {
                let measurement = self.fan_out().await?;
                self.observer.measured(&measurement);
                outcome.measurements.push(measurement);
                continue;
            }
            for &clients in &self.options.clients {
                number += 1;
                let run = format!("run{number}");
                let measured = self.load(operation, clients, &run).await?;
                for measurement in measured {
                    self.observer.measured(&measurement);
                    outcome.measurements.push(measurement);
                }
                if matches!(operation, Operation::Create | Operation::Mixed) {
                    self.workspace.clear(admin, Some(&run)).await?;
                }
                if self.stop.is_cancelled() {
                    return Err(BenchError::Stopped);
                }
            }
        }
        Ok(())
    }

    /// Makes the objects to be read.
    async fn seed(&self) -> Result<(), BenchError> {
        let done = Arc::new(AtomicU64::new(0));
        let objects = self.options.objects as u64;
        self.observer
            .begins("making objects", objects, done.clone());
        let load = Load {
            operation: Operation::Create,
            clients: SEEDERS,
            encoding: Encoding::Json,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(3600),
            count: objects,
            objects,
            run: "seed".to_owned(),
        };
        let (samples, _) = load::run(self.target, &self.workspace, load, done, self.stop).await?;
        if self.stop.is_cancelled() {
            return Err(BenchError::Stopped);
        }
        for samples in samples.into_values() {
            if let Some(message) = samples.failure {
                return Err(BenchError::Refused {
                    what: "making the objects to be read".to_owned(),
                    code: 0,
                    message,
                });
            }
        }
        Ok(())
    }

    async fn load(
        &self,
        operation: Operation,
        clients: usize,
        run: &str,
    ) -> Result<Vec<Measurement>, BenchError> {
        let name = name(operation);
        let done = Arc::new(AtomicU64::new(0));
        self.observer.begins(
            &format!("{name}, {clients} clients"),
            self.options.count,
            done.clone(),
        );
        let load = Load {
            operation,
            clients,
            encoding: self.options.encoding,
            warm_up: self.options.warm_up,
            duration: self.options.duration,
            count: self.options.count,
            objects: self.options.objects as u64,
            run: run.to_owned(),
        };
        let (samples, took) =
            load::run(self.target, &self.workspace, load, done, self.stop).await?;
        let single =
            |(_, samples): (&str, Samples)| samples.summary(name.to_owned(), clients, took);
        if operation != Operation::Mixed {
            return Ok(samples.into_iter().map(single).collect());
        }
        let verb = |(verb, samples): (&str, Samples)| {
            samples.summary(format!("{name} {verb}"), clients, took)
        };
        Ok(samples.into_iter().map(verb).collect())
    }

    async fn fan_out(&self) -> Result<Measurement, BenchError> {
        let (watchers, changes) = (self.options.watchers, self.options.changes);
        let done = Arc::new(AtomicU64::new(0));
        let of = watchers as u64 * u64::from(changes);
        self.observer
            .begins(&format!("watch, {watchers} watchers"), of, done.clone());
        let (samples, took) = fan_out::run(
            self.target,
            &self.workspace,
            watchers,
            changes,
            done,
            self.stop,
        )
        .await?;
        Ok(samples.summary("watch".to_owned(), watchers, took))
    }
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Get => "get",
        Operation::List => "list",
        Operation::Patch => "patch",
        Operation::Watch => "watch",
        Operation::Mixed => "mixed",
    }
}
