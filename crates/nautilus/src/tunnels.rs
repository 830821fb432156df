//! The tunnels that workers hold open, by node; the API server reaches node APIs through them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use apiserver::{NodeConnectError, NodeConnector, NodeStream};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tunnel::Dialer;

use crate::pod_network::{self, Places};

/// Every node's tunnel. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tunnels {
    by_node: Arc<Mutex<HashMap<String, Dialer>>>,
    places: Places,
}

impl Tunnels {
    /// Uses an upgraded connection of `node` until it ends. A newer one takes the place of an
    /// older one: a worker that lost its connection is back before the server notices.
    ///
    /// The caller has authenticated the connection as `node`'s.
    pub async fn carry<T>(&self, node: String, io: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (dialer, driver) = tunnel::dialer(io);
        self.by_node.lock().insert(node.clone(), dialer);
        tracing::info!(node, "the tunnel is open");
        let ended = driver.await;
        // The entry may be a newer tunnel's by now: that one stays.
        self.by_node
            .lock()
            .retain(|name, dialer| *name != node || !dialer.is_closed());
        match ended {
            Ok(()) => tracing::info!(node, "the tunnel is closed"),
            Err(error) => tracing::info!(node, %error, "the tunnel broke"),
        }
    }

    /// Finds pods in this store: from now on they are reached through their node's tunnel.
    pub(crate) fn find_pods_in(&self, store: store::Store<registry::Stored>) {
        self.places.look_into(store);
    }

    /// Ends a node's tunnel, for instance because its stake is gone.
    pub fn drop_node(&self, node: &str) {
        self.by_node.lock().remove(node);
    }

    /// How many nodes are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_node.lock().len()
    }

    /// Whether no node is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl NodeConnector for Tunnels {
    async fn connect(&self, node: &str) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        let not_connected = || NodeConnectError::NotConnected(node.to_owned());
        let dialer = self.by_node.lock().get(node).cloned();
        let stream = dialer
            .ok_or_else(not_connected)?
            .open()
            .await
            .map_err(|_| not_connected())?;
        Ok(Box::new(stream))
    }

    /// A pod is reached through its node's tunnel; what is no pod, or on a node whose agent cannot do that, from here.
    async fn dial(&self, address: SocketAddr) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        if let Some(place) = self.places.find(address.ip()) {
            let node = self.connect(&place.node).await?;
            if let Some(stream) = pod_network::connect(node, &place, address).await? {
                return Ok(stream);
            }
        }
        Ok(Box::new(tokio::net::TcpStream::connect(address).await?))
    }
}

/// Webhooks and aggregated API servers are reached as everything in pods is.
#[async_trait]
impl webhook::ClusterNetwork for Tunnels {
    async fn dial(&self, address: SocketAddr) -> std::io::Result<Box<dyn webhook::BackendStream>> {
        match NodeConnector::dial(self, address).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(NodeConnectError::Io(error)) => Err(error),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio_util::sync::CancellationToken;

    fn connect_worker(tunnels: &Tunnels, node: &'static str) -> CancellationToken {
        let (server, worker) = tokio::io::duplex(64 * 1024);
        let shutdown = CancellationToken::new();
        let service = service_fn(move |_request: Request<hyper::body::Incoming>| async move {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(node)))
        });
        tokio::spawn(tunnel::serve(worker, service, shutdown.clone()));
        let tunnels = tunnels.clone();
        tokio::spawn(async move { tunnels.carry(node.to_owned(), server).await });
        shutdown
    }

    async fn ask(tunnels: &Tunnels, node: &str) -> Result<Bytes, NodeConnectError> {
        let stream = tunnels.connect(node).await?;
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::new(Empty::<Bytes>::new());
        let answer = send.send_request(request).await.unwrap();
        Ok(answer.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn each_node_is_reached_through_its_own_tunnel_and_none_after_it_closed() {
        let tunnels = Tunnels::default();
        let a = connect_worker(&tunnels, "a");
        let _b = connect_worker(&tunnels, "b");
        while tunnels.len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&tunnels, "a").await.unwrap(), "a");
        assert_eq!(ask(&tunnels, "b").await.unwrap(), "b");
        a.cancel();
        while tunnels.len() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(
            ask(&tunnels, "a").await,
            Err(NodeConnectError::NotConnected(_))
        ));
        tunnels.drop_node("b");
        assert!(ask(&tunnels, "b").await.is_err());
    }
}
