//! Closed loops: each client sends, waits for the whole answer, sends again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::BenchError;
use crate::connection::{Connection, JSON, MERGE_PATCH};
use crate::options::{Encoding, Kind, Operation};
use crate::statistics::Samples;
use crate::target::Target;
use crate::workspace::Workspace;

/// One measurement to be made.
pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) clients: usize,
    pub(crate) encoding: Encoding,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) count: u64,
    /// How many objects there are to read.
    pub(crate) objects: u64,
    /// Label and name prefix of what is created.
    pub(crate) run: String,
}

/// What all clients of a load share.
struct Shared {
    load: Load,
    workspace: Arc<Workspace>,
    tickets: AtomicU64,
    names: AtomicU64,
    done: Arc<AtomicU64>,
    stop: CancellationToken,
    start: Barrier,
}

/// Runs a load; samples by verb, and how long it took.
pub(crate) async fn run(
    target: &Target,
    workspace: &Arc<Workspace>,
    load: Load,
    done: Arc<AtomicU64>,
    stop: &CancellationToken,
) -> Result<(BTreeMap<&'static str, Samples>, Duration), BenchError> {
    let clients = load.clients;
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        connections.push(Connection::open(target, load.encoding).await?);
    }
    let shared = Arc::new(Shared {
        load,
        workspace: workspace.clone(),
        tickets: AtomicU64::new(0),
        names: AtomicU64::new(0),
        done,
        stop: stop.clone(),
        start: Barrier::new(clients),
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn(client(shared.clone(), connection));
    }
    let mut all = BTreeMap::<&'static str, Samples>::new();
    let mut span: Option<(Instant, Instant)> = None;
    while let Some(joined) = tasks.join_next().await {
        let Ok((samples, began, ended)) = joined else {
            continue;
        };
        for (verb, samples) in samples {
            all.entry(verb).or_default().merge(samples);
        }
        span = Some(span.map_or((began, ended), |(b, e)| (b.min(began), e.max(ended))));
    }
    let took = span.map_or(Duration::ZERO, |(began, ended)| ended - began);
    Ok((all, took))
}

async fn client(
    shared: Arc<Shared>,
    mut connection: Connection,
) -> (BTreeMap<&'static str, Samples>, Instant, Instant) {
    let load = &shared.load;
    let warm = Instant::now() + load.warm_up;
    let mut ticket = 0;
    while Instant::now() < warm && !shared.stop.is_cancelled() {
        ticket += 1;
        if request(&shared, &mut connection, ticket).await.1.is_err() {
            break;
        }
    }
    shared.start.wait().await;
    let began = Instant::now();
    let end = began + load.duration;
    let mut samples = BTreeMap::<&'static str, Samples>::new();
    while Instant::now() < end && !shared.stop.is_cancelled() {
        let ticket = shared.tickets.fetch_add(1, Ordering::Relaxed);
        if ticket >= load.count {
            break;
        }
        let sent = Instant::now();
        let (verb, answer) = request(&shared, &mut connection, ticket).await;
        let of = samples.entry(verb).or_default();
        match answer {
            Ok(bytes) => of.succeeded(sent.elapsed(), bytes),
            Err(Failure::Refused(why)) => of.failed(why),
            Err(Failure::Lost(why)) => {
                of.failed(why);
                break;
            }
        }
        shared.done.fetch_add(1, Ordering::Relaxed);
    }
    (samples, began, Instant::now())
}

enum Failure {
    /// An answer that is not a success.
    Refused(String),
    /// The connection is of no use any more.
    Lost(String),
}

async fn request(
    shared: &Shared,
    connection: &mut Connection,
    ticket: u64,
) -> (&'static str, Result<usize, Failure>) {
    let (load, workspace) = (&shared.load, &shared.workspace);
    let verb = match (load.operation, ticket % 20) {
        (Operation::Create, _) | (Operation::Mixed, 19) => "create",
        (Operation::List, _) | (Operation::Mixed, 18) => "list",
        (Operation::Patch, _) | (Operation::Mixed, 16 | 17) => "patch",
        _ => "get",
    };
    // Spread over the objects without order, the same in each run.
    let index = ticket.wrapping_mul(2_654_435_761) % load.objects.max(1);
    let seeded = || format!("{}/{}", workspace.path, Workspace::seeded(index));
    let answer = match verb {
        "create" => {
            let number = shared.names.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}", load.run);
            let body = workspace.kind.body(&name, &load.run);
            connection
                .ask(Method::POST, &workspace.path, JSON, body)
                .await
        }
        "list" => {
            let path = workspace.list(load.operation);
            connection.ask(Method::GET, &path, JSON, Bytes::new()).await
        }
        "patch" => {
            let body = Kind::change(ticket);
            connection
                .ask(Method::PATCH, &seeded(), MERGE_PATCH, body)
                .await
        }
        _ => {
            connection
                .ask(Method::GET, &seeded(), JSON, Bytes::new())
                .await
        }
    };
    let outcome = match answer {
        Ok(answer) if answer.succeeded() => Ok(answer.body.len()),
        Ok(answer) => Err(Failure::Refused(format!(
            "{verb}: {} {}",
            answer.code,
            answer.message()
        ))),
        Err(error) => Err(Failure::Lost(format!("{verb}: {error}"))),
    };
    (verb, outcome)
}
