//! One change, many watchers: the time from sending the change to each watcher's having its event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::BenchError;
use crate::connection::{Connection, JSON, MERGE_PATCH};
use crate::object::CHANGE;
use crate::options::{Encoding, Kind};
use crate::statistics::Samples;
use crate::target::Target;
use crate::workspace::{Workspace, resource_version};

/// Streams on one connection.
const STREAMS: usize = 100;
/// Changes that may be under way: more would measure the watchers' buffers.
const WINDOW: usize = 16;
/// How long a watcher may be without an event that it is owed.
const PATIENCE: Duration = Duration::from_secs(30);

struct Shared {
    began: Instant,
    /// When each change was sent, in nanoseconds after `began`.
    sent: Vec<AtomicU64>,
    /// One permit for each delivery that may be outstanding.
    window: Semaphore,
    done: Arc<AtomicU64>,
}

/// Delivers `changes` changes to `watchers` watchers.
pub(crate) async fn run(
    target: &Target,
    workspace: &Workspace,
    watchers: usize,
    changes: u32,
    done: Arc<AtomicU64>,
    stop: &CancellationToken,
) -> Result<(Samples, Duration), BenchError> {
    let mut writer = Connection::open(target, Encoding::Json).await?;
    let path = format!("{}?limit=1", workspace.path);
    let list = writer.must(Method::GET, &path, Bytes::new()).await?;
    let path = format!(
        "{}?watch=1&resourceVersion={}",
        workspace.path,
        resource_version(&list.body)
    );
    let mut connections = Vec::new();
    let mut bodies = Vec::with_capacity(watchers);
    while bodies.len() < watchers {
        if stop.is_cancelled() {
            return Err(BenchError::Stopped);
        }
        let mut connection = Connection::open(target, Encoding::Json).await?;
        for _ in 0..STREAMS.min(watchers - bodies.len()) {
            let response = connection
                .send(Method::GET, &path, JSON, Bytes::new())
                .await?;
            if !response.status().is_success() {
                return Err(BenchError::Refused {
                    what: "watch".to_owned(),
                    code: response.status().as_u16(),
                    message: String::new(),
                });
            }
            bodies.push(response.into_body());
        }
        connections.push(connection);
    }
    let shared = Arc::new(Shared {
        began: Instant::now(),
        sent: (0..changes).map(|_| AtomicU64::new(0)).collect(),
        window: Semaphore::new(WINDOW * watchers),
        done,
    });
    let mut tasks = JoinSet::new();
    for body in bodies {
        tasks.spawn(watcher(shared.clone(), body, changes));
    }
    let written = write(&shared, &mut writer, workspace, watchers, stop).await;
    let mut samples = Samples::default();
    while let Some(joined) = tasks.join_next().await {
        if let Ok(one) = joined {
            samples.merge(one);
        }
    }
    let took = shared.began.elapsed();
    drop(connections);
    written?;
    Ok((samples, took))
}

async fn write(
    shared: &Shared,
    writer: &mut Connection,
    workspace: &Workspace,
    watchers: usize,
    stop: &CancellationToken,
) -> Result<(), BenchError> {
    let object = format!("{}/{}", workspace.path, Workspace::seeded(0));
    let outstanding = u32::try_from(watchers).unwrap_or(u32::MAX);
    for (number, sent) in (0u64..).zip(&shared.sent) {
        let room = tokio::time::timeout(PATIENCE, shared.window.acquire_many(outstanding)).await;
        match room {
            Ok(Ok(permits)) => permits.forget(),
            _ => return Err(BenchError::Late("the delivery of events")),
        }
        if stop.is_cancelled() {
            return Err(BenchError::Stopped);
        }
        let now = u64::try_from(shared.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        sent.store(now, Ordering::Release);
        let answer = writer
            .ask(Method::PATCH, &object, MERGE_PATCH, Kind::change(number))
            .await?;
        if !answer.succeeded() {
            return Err(BenchError::Refused {
                what: "the change".to_owned(),
                code: answer.code,
                message: answer.message(),
            });
        }
    }
    Ok(())
}

/// Reads one watch until it has every change, or gets nothing for too long.
async fn watcher(shared: Arc<Shared>, mut body: Incoming, changes: u32) -> Samples {
    let mark = format!("\"{CHANGE}\":\"");
    let mut samples = Samples::default();
    let mut buffer = Vec::new();
    let mut missing = u64::from(changes);
    while missing > 0 {
        let Ok(Some(Ok(frame))) = tokio::time::timeout(PATIENCE, body.frame()).await else {
            break;
        };
        buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(number) = number_after(&line, mark.as_bytes()) else {
                continue;
            };
            let Some(sent) = shared.sent.get(number) else {
                continue;
            };
            let sent = Duration::from_nanos(sent.load(Ordering::Acquire));
            samples.succeeded(shared.began.elapsed().saturating_sub(sent), line.len());
            missing -= 1;
            shared.window.add_permits(1);
            shared.done.fetch_add(1, Ordering::Relaxed);
            if missing == 0 {
                break;
            }
        }
    }
    for _ in 0..missing {
        samples.failed("an event did not come".to_owned());
    }
    samples
}

fn number_after(line: &[u8], mark: &[u8]) -> Option<usize> {
    let start = line.windows(mark.len()).position(|w| w == mark)? + mark.len();
    let digits: Vec<u8> = line
        .get(start..)?
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_is_found_in_a_frame() {
        let mark = format!("\"{CHANGE}\":\"");
        let line = br#"{"type":"MODIFIED","object":{"metadata":{"annotations":{"a":"1","daas.bench/change":"42"}}}}"#;
        assert_eq!(number_after(line, mark.as_bytes()), Some(42));
        assert_eq!(number_after(b"{}\n", mark.as_bytes()), None);
    }
}
