//! The server's end: opens streams on demand.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

/// A stream of the tunnel: bytes both ways.
pub type TunnelStream = Compat<yamux::Stream>;

/// Moves the tunnel's frames; the tunnel lives while this is polled, and ends with its result.
pub type Driver = Pin<Box<dyn Future<Output = Result<(), TunnelError>> + Send>>;

/// Why a tunnel could not carry a stream, or ended.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The worker's connection is gone.
    #[error("the tunnel to the worker is closed")]
    Closed,
    /// The peer broke the framing, or the connection failed.
    #[error("the tunnel failed")]
    Connection(#[source] yamux::ConnectionError),
    /// Accepting work on the worker's side failed.
    #[error("the tunnel's input failed")]
    Io(#[source] io::Error),
}

type Open = oneshot::Sender<Result<TunnelStream, TunnelError>>;

/// Opens streams to the worker at the other end. Cheap to clone; closing the last clone ends
/// the tunnel.
#[derive(Clone, Debug)]
pub struct Dialer {
    open: mpsc::Sender<Open>,
}

impl Dialer {
    /// Opens a stream.
    ///
    /// # Errors
    /// [`TunnelError`] when the tunnel has ended.
    pub async fn open(&self) -> Result<TunnelStream, TunnelError> {
        let (send, receive) = oneshot::channel();
        self.open
            .send(send)
            .await
            .map_err(|_| TunnelError::Closed)?;
        receive.await.map_err(|_| TunnelError::Closed)?
    }

    /// Whether the tunnel has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.open.is_closed()
    }
}

/// Turns an upgraded connection into a [`Dialer`] and the [`Driver`] that must be polled.
pub fn dialer<T>(io: T) -> (Dialer, Driver)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (open, mut requests) = mpsc::channel::<Open>(64);
    let mut connection = yamux::Connection::new(io.compat(), crate::config(), yamux::Mode::Client);
    let driver = async move {
        let mut waiting: VecDeque<Open> = VecDeque::new();
        let mut asked_to_close = false;
        poll_fn(move |cx| {
            loop {
                if asked_to_close {
                    return connection
                        .poll_close(cx)
                        .map(|r| r.map_err(TunnelError::Connection));
                }
                while let Poll::Ready(request) = requests.poll_recv(cx) {
                    match request {
                        Some(request) => waiting.push_back(request),
                        None => {
                            asked_to_close = true;
                            break;
                        }
                    }
                }
                if asked_to_close {
                    continue;
                }
                while !waiting.is_empty() {
                    match connection.poll_new_outbound(cx) {
                        Poll::Ready(Ok(stream)) => {
                            if let Some(request) = waiting.pop_front() {
                                // A caller that has gone away drops its stream.
                                let _ = request.send(Ok(stream.compat()));
                            }
                        }
                        Poll::Ready(Err(e)) => return Poll::Ready(Err(TunnelError::Connection(e))),
                        Poll::Pending => break,
                    }
                }
                match connection.poll_next_inbound(cx) {
                    // The worker has no business opening streams: dropping one resets it.
                    Poll::Ready(Some(Ok(unasked))) => drop(unasked),
                    Poll::Ready(Some(Err(e))) => {
                        return Poll::Ready(Err(TunnelError::Connection(e)));
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    };
    (Dialer { open }, Box::pin(driver))
}
