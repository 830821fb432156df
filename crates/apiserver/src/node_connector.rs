//! How the API server reaches a node's own API (logs, exec, attach, port-forward, proxy).

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a node.
pub trait NodeStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> NodeStream for T {}

/// Why a node could not be reached. The text goes to the client after
/// `error dialing backend: `, as upstream's does.
#[derive(Debug, thiserror::Error)]
pub enum NodeConnectError {
    /// The node has no live connection to this server.
    #[error("no tunnel from node {0:?}: the node's agent is not connected")]
    NotConnected(String),
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// This connector does not reach pods and services.
    #[error("this server cannot reach {0}")]
    Unreachable(SocketAddr),
}

/// Opens connections to node APIs.
#[async_trait]
pub trait NodeConnector: Send + Sync + 'static {
    /// A stream on which HTTP/1.1 with the kubelet's paths (`/containerLogs/...`, `/exec/...`) is
    /// spoken to `node`. TLS and authentication are the connector's: what comes back is ready for a
    /// request in clear. Each call opens a stream of its own.
    async fn connect(&self, node: &str) -> Result<Box<dyn NodeStream>, NodeConnectError>;

    /// A stream to an address in the cluster network (pods, services), for `proxy` subresources.
    /// The default opens a TCP connection from this machine.
    async fn dial(&self, address: SocketAddr) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

#[async_trait]
impl<T: NodeConnector + ?Sized> NodeConnector for Arc<T> {
    async fn connect(&self, node: &str) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        (**self).connect(node).await
    }
    async fn dial(&self, address: SocketAddr) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        (**self).dial(address).await
    }
}

/// Reaches no node. What a server has before it is given another connector.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoNodes;

#[async_trait]
impl NodeConnector for NoNodes {
    async fn connect(&self, node: &str) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        Err(NodeConnectError::NotConnected(node.to_owned()))
    }
    async fn dial(&self, address: SocketAddr) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        Err(NodeConnectError::Unreachable(address))
    }
}

/// Reaches every node at one plain TCP address. For tests and single-machine development.
#[derive(Debug, Clone, Copy)]
pub struct DirectConnector(pub SocketAddr);

#[async_trait]
impl NodeConnector for DirectConnector {
    async fn connect(&self, _node: &str) -> Result<Box<dyn NodeStream>, NodeConnectError> {
        Ok(Box::new(TcpStream::connect(self.0).await?))
    }
}
