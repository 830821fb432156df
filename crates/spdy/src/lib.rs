//! SPDY/3.1 framing, as far as Kubernetes' streaming uses it: exec, attach and port-forward.
//!
//! [`Decoder`] turns bytes into frames and is safe against whatever comes: frames and header blocks are bounded.
//! [`Sender`] and [`Receiver`] are the two halves of a connection, as client or as server. Flow control is not done, as
//! the peers of this kind don't do it either.
// source: SPDY Protocol Draft 3.1; upstream: apimachinery/pkg/util/httpstream/spdy, github.com/moby/spdystream

mod connection;
mod dictionary;
mod frame;
mod headers;

pub use connection::{Receiver, Sender, client, server};
pub use frame::{Decoder, Frame, FrameError};
pub use headers::{HeaderError, Inflater};
