//! Relays: bytes in both directions between a listener and the one destination that belongs to it.
//!
//! On the host they connect the network with the enclave's vsock, inside they connect vsock and loopback. Each relay
//! has its destination from configuration, never from what is relayed: the list of relays *is* the egress allow-list,
//! on both sides. In the image it is measured; the host's copy can only be narrower in effect.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint::{Endpoint, Listener};

/// One relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relay {
    /// For logs: `api`, `chain`…
    pub name: String,
    /// Where connections come from.
    pub listen: Endpoint,
    /// Where they go.
    pub connect: Endpoint,
    /// How many there may be at once.
    #[serde(default = "default_limit")]
    pub limit: NonZeroUsize,
}

/// A loop of 16 GiB of workers' tunnels and clients is far below it.
pub fn default_limit() -> NonZeroUsize {
    NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN)
}

/// Which relay could not listen.
#[derive(Debug, thiserror::Error)]
#[error("relay {name} can't listen on {listen}")]
pub struct RelayError {
    /// The relay.
    pub name: String,
    /// Where.
    pub listen: Endpoint,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// How long the far end may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// After an error that more connections would meet as well, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const BUFFER: usize = 64 * 1024;

impl Relay {
    /// Listens, and then relays in the background until `shutdown`.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start(
        self,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Result<(), RelayError> {
        let listener = self.listen.listen().await.map_err(|source| RelayError {
            name: self.name.clone(),
            listen: self.listen.clone(),
            source,
        })?;
        tracing::info!(relay = self.name, listen = %self.listen, connect = %self.connect, "relaying");
        tasks.spawn(self.serve(listener, tasks.clone(), shutdown));
        Ok(())
    }

    /// Relays what `listener` accepts until `shutdown`.
    pub async fn serve(self, listener: Listener, tasks: TaskTracker, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.limit.get()));
        loop {
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                () = shutdown.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            let mut from = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(relay = self.name, %error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (name, connect, shutdown) =
                (self.name.clone(), self.connect.clone(), shutdown.clone());
            tasks.spawn(async move {
                let _slot = slot;
                let relayed = async {
                    let mut to = tokio::time::timeout(CONNECT, connect.connect()).await??;
                    tokio::io::copy_bidirectional_with_sizes(&mut from, &mut to, BUFFER, BUFFER)
                        .await
                };
                tokio::select! {
                    ended = relayed => if let Err(error) = ended {
                        tracing::debug!(relay = name, %connect, %error, "a connection broke");
                    },
                    () = shutdown.cancelled() => {}
                }
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Answers each connection with what it got, in capitals, once the other side has ended.
    async fn shouting(listen: &Endpoint) -> Listener {
        listen.listen().await.unwrap()
    }

    async fn answer_one(listener: &Listener) {
        let mut stream = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        stream
            .write_all(text.to_uppercase().as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
    }

    async fn ask(endpoint: &Endpoint, text: &str) -> io::Result<String> {
        let mut stream = endpoint.connect().await?;
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn unix(dir: &tempfile::TempDir, name: &str) -> Endpoint {
        Endpoint::Unix(dir.path().join(name))
    }

    #[tokio::test]
    async fn bytes_pass_in_both_directions_through_two_relays_with_half_close() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, inner, server) = (
            unix(&dir, "outer"),
            unix(&dir, "inner"),
            unix(&dir, "server"),
        );
        let far = shouting(&server).await;
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();
        for (name, listen, connect) in [("host", &outer, &inner), ("enclave", &inner, &server)] {
            let relay = Relay {
                name: name.to_owned(),
                listen: listen.clone(),
                connect: connect.clone(),
                limit: default_limit(),
            };
            relay.start(&tasks, shutdown.clone()).await.unwrap();
        }
        let (answer, ()) = tokio::join!(ask(&outer, "hello enclave"), answer_one(&far));
        assert_eq!(answer.unwrap(), "HELLO ENCLAVE");
        shutdown.cancel();
        tasks.close();
        tasks.wait().await;
        assert!(ask(&outer, "closed").await.is_err());
    }

    #[tokio::test]
    async fn no_more_than_the_limit_at_once_and_a_dead_destination_ends_the_connection() {
        let dir = tempfile::tempdir().unwrap();
        let (listen, server) = (unix(&dir, "listen"), unix(&dir, "server"));
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let relay = Relay {
            name: "one".to_owned(),
            listen: listen.clone(),
            connect: server.clone(),
            limit: NonZeroUsize::MIN,
        };
        relay.start(&tasks, shutdown.clone()).await.unwrap();
        assert_eq!(ask(&listen, "nobody there").await.unwrap_or_default(), "");

        let far = shouting(&server).await;
        let first = listen.connect().await.unwrap();
        let held = far.accept().await.unwrap();
        let mut second = listen.connect().await.unwrap();
        second.write_all(b"second").await.unwrap();
        second.shutdown().await.unwrap();
        // The second one is relayed only when the first one ends.
        drop((first, held));
        answer_one(&far).await;
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "SECOND");
        shutdown.cancel();
    }
}
