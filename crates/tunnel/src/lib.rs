//! The tunnel through which the control plane reaches a worker's node API.
//!
//! A worker may be behind NAT, so it is the worker that connects: it sends `GET` [`PATH`] with
//! `Upgrade:` [`PROTOCOL`] over its mutually authenticated TLS connection. From then on the
//! connection carries yamux streams which the *server* opens ([`Dialer::open`]) and the *worker*
//! answers ([`serve`]); each stream is one HTTP/1.1 connection to the node API.
//!
//! What a tunnel may carry is decided before it is built: this crate authenticates nobody.

mod dial;
mod serve;

pub use dial::{Dialer, Driver, TunnelError, TunnelStream, dialer};
pub use serve::serve;

/// The path on the control plane at which a worker opens its tunnel.
pub const PATH: &str = "/daas/v1/tunnel";

/// The protocol's name in the `Upgrade` header of request and answer.
pub const PROTOCOL: &str = "daas-tunnel";

/// Streams that one tunnel carries at once; more wait until one closes.
const MAX_STREAMS: usize = 512;

/// Receive window over all streams of one tunnel, in bytes.
const MAX_WINDOW: usize = 256 * 1024 * 1024;

fn config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config
        .set_max_num_streams(MAX_STREAMS)
        .set_max_connection_receive_window(Some(MAX_WINDOW));
    config
}
