//! Doing a thing many times, carefully at first.

use std::future::Future;

use machinery::Status;

/// Does `one` up to `count` times: 1, 2, 4, 8 … at once, ending after the first batch in which one fails. How many were
/// done, and the first failure.
// upstream: pkg/controller/replicaset/replica_set.go#slowStartBatch
pub(crate) async fn slow_start<W, F>(count: usize, one: W) -> (usize, Result<(), Status>)
where
    W: Fn() -> F,
    F: Future<Output = Result<(), Status>>,
{
    let mut left = count;
    let mut done = 0;
    let mut batch = left.min(1);
    while batch > 0 {
        let results = futures::future::join_all((0..batch).map(|_| one())).await;
        let mut failure = None;
        for result in results {
            match result {
                Ok(()) => done += 1,
                Err(status) => {
                    failure.get_or_insert(status);
                }
            }
        }
        if let Some(status) = failure {
            return (done, Err(status));
        }
        left -= batch;
        batch = left.min(2 * batch);
    }
    (done, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn it_doubles_and_ends_with_the_batch_that_fails() {
        let calls = AtomicUsize::new(0);
        let (done, result) = slow_start(20, || async {
            if calls.fetch_add(1, Ordering::Relaxed) == 4 {
                return Err(Status::internal("no"));
            }
            Ok(())
        })
        .await;
        // 1 + 2 + 4, of which one failed.
        assert_eq!((calls.load(Ordering::Relaxed), done), (7, 6));
        assert!(result.is_err());
        let (done, result) = slow_start(0, || async { Ok(()) }).await;
        assert!(done == 0 && result.is_ok());
    }
}
