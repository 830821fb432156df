//! Where a relay listens or connects: TCP, a Unix socket or a vsock.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener, VsockStream};

/// The host's number on the vsock, as an enclave sees it.
// Source: AWS Nitro Enclaves user guide, "the parent instance's CID is always 3"
pub const HOST_CID: u32 = 3;

/// `tcp://host:port`, `unix:///path` or `vsock://cid:port`. To listen on a vsock the number may be `any`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
    /// Context identifier and port.
    Vsock {
        /// Who.
        cid: u32,
        /// Where.
        port: u32,
    },
}

/// Not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an endpoint: it is tcp://HOST:PORT, unix:///PATH or vsock://CID:PORT")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(error)?;
        match scheme {
            "tcp" => {
                let (host, port) = rest.rsplit_once(':').ok_or_else(error)?;
                let bracketed = host.starts_with('[') && host.ends_with(']');
                let fine = !host.is_empty() && (bracketed || !host.contains([':', '/', '@']));
                if !fine || port.parse::<u16>().is_err() {
                    return Err(error());
                }
                Ok(Self::Tcp(rest.to_owned()))
            }
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "vsock" => {
                let (cid, port) = rest.split_once(':').ok_or_else(error)?;
                let cid = match cid {
                    "any" => VMADDR_CID_ANY,
                    cid => cid.parse().map_err(|_| error())?,
                };
                let port = port.parse().map_err(|_| error())?;
                Ok(Self::Vsock { cid, port })
            }
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Vsock { cid, port } if *cid == VMADDR_CID_ANY => write!(f, "vsock://any:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock://{cid}:{port}"),
        }
    }
}

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Endpoint {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Vsock { cid, port } => {
                Box::new(VsockStream::connect(VsockAddr::new(*cid, *port)).await?)
            }
        })
    }

    /// Listens.
    ///
    /// # Errors
    /// The system's.
    pub async fn listen(&self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            Self::Unix(path) => Listener::Unix(UnixListener::bind(path)?),
            Self::Vsock { cid, port } => {
                Listener::Vsock(VsockListener::bind(VsockAddr::new(*cid, *port))?)
            }
        })
    }
}

/// Accepts connections of one kind.
#[derive(Debug)]
pub enum Listener {
    /// From the network.
    Tcp(TcpListener),
    /// From this machine.
    Unix(UnixListener),
    /// From the host, or from an enclave.
    Vsock(VsockListener),
}

impl Listener {
    /// The next connection.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Vsock(listener) => Box::new(listener.accept().await?.0),
        })
    }

    /// The port that the system chose for a TCP listener.
    ///
    /// # Errors
    /// The system's; on other listeners "unsupported".
    pub fn local_port(&self) -> io::Result<u16> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.port()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for good in [
            "tcp://127.0.0.1:6443",
            "tcp://[::1]:80",
            "tcp://fullnode.example:443",
            "unix:///run/x.sock",
            "vsock://3:9000",
            "vsock://any:9000",
        ] {
            assert_eq!(good.parse::<Endpoint>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "127.0.0.1:80",
            "tcp://:80",
            "tcp://host",
            "tcp://host:70000",
            "tcp://::1:80",
            "tcp://a@b:80",
            "unix://relative",
            "vsock://3",
            "vsock://x:1",
            "vsock://3:4294967296",
            "udp://a:1",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
