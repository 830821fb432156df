//! The loop of every controller: take a key, work on it, try again when it failed.

use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::WorkQueue;

/// What came of the work on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be until something changes.
    Done,
    /// To be looked at again after this time.
    Again(Duration),
}

/// Runs `workers` loops over `queue` until `stop`. A key whose work fails comes again with
/// back-off; the error is logged under `name`.
pub async fn run_workers<K, W, F, E>(
    name: &'static str,
    queue: WorkQueue<K>,
    workers: usize,
    stop: CancellationToken,
    work: W,
) where
    K: Clone + Eq + Hash + Display + Send + Sync + 'static,
    W: Fn(K) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, E>> + Send,
    E: Display + Send,
{
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (queue, stop, work) = (queue.clone(), stop.clone(), work.clone());
        tasks.spawn(async move {
            loop {
                let key = tokio::select! {
                    () = stop.cancelled() => return,
                    key = queue.next() => key,
                };
                match work(key.clone()).await {
                    Ok(outcome) => {
                        queue.forget(&key);
                        if let Outcome::Again(delay) = outcome {
                            queue.add_after(key.clone(), delay);
                        }
                    }
                    Err(error) => {
                        let failures = queue.failures(&key);
                        tracing::debug!(controller = name, %key, %error, failures, "will be tried again");
                        queue.add_rate_limited(key.clone());
                    }
                }
                queue.done(&key);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
