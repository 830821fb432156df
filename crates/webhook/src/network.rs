//! How Services are found and reached.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a backend.
pub trait BackendStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> BackendStream for T {}

/// Why a Service leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such Service.
    #[error("service {} not found", machinery::go::quote(.0))]
    NotFound(String),
    /// Its type has no endpoints of its own.
    #[error("unsupported service type {}", machinery::go::quote(.0))]
    Type(String),
    /// It has no such port.
    #[error("no service port {port} found for service {}", machinery::go::quote(.service))]
    Port {
        /// The Service.
        service: String,
        /// The port asked for.
        port: u16,
    },
    /// Nothing ready is behind it.
    #[error("no endpoints available for service {}", machinery::go::quote(.0))]
    NoEndpoints(String),
}

/// Finds where a Service's traffic goes.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/util/proxy/proxy.go#ResolveEndpoint
pub trait ServiceResolver: Send + Sync {
    /// The address of a ready endpoint of a Service's port; of several any.
    fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<SocketAddr, ResolveError>;
}

/// Opens connections into the cluster's network.
#[async_trait]
pub trait ClusterNetwork: Send + Sync + 'static {
    /// A stream to an address of a pod.
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>>;
}

/// The cluster's network is reached from this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectNetwork;

#[async_trait]
impl ClusterNetwork for DirectNetwork {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

/// No pod is reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

#[async_trait]
impl ClusterNetwork for NoNetwork {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>> {
        Err(io::Error::new(
            io::ErrorKind::NetworkUnreachable,
            format!("this server cannot reach {address}"),
        ))
    }
}
