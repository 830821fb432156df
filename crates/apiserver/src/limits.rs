//! The bounds that keep a hostile or broken client from taking the server with it.

use std::time::Duration;

/// Sizes, counts and times. `Default` is what the server runs with.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once; more are closed at once. Default 20,000.
    pub connections: usize,
    /// TCP accept to the end of the TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// Start of a request to the end of its headers (HTTP/1.1). Default 32 s.
    pub headers: Duration,
    /// A request but watch, exec, attach, port-forward, proxy and followed logs. Default 60 s.
    pub request: Duration,
    /// Bytes of a request body. Default 3 MiB, as upstream.
    pub body: usize,
    /// Seats for reads; priority and fairness shares out these and those for writes together. Default 400, as upstream.
    pub reads_in_flight: usize,
    /// Seats for writes. Default 200, as upstream.
    pub writes_in_flight: usize,
    /// HTTP/2 streams per connection. Default 250.
    pub streams: u32,
    /// How often an HTTP/2 connection is pinged, and how long a TCP connection is at rest before it is probed.
    /// Default 30 s.
    pub ping: Duration,
    /// How long an HTTP/2 ping may be unanswered; then the connection is closed. Default 20 s.
    pub pong: Duration,
    /// How long a peer may leave data or probes unacknowledged, or its window closed, before its TCP connection is
    /// closed. Default 2 min.
    pub unacknowledged: Duration,
    /// How long open requests may go on after shutdown began. Default 10 s.
    pub drain: Duration,
    /// The least time after which a watch without `timeoutSeconds` is ended; the real one is random
    /// between it and its double. Default 30 min, as upstream.
    pub min_watch: Duration,
    /// How often a watch that allows bookmarks gets one. Default 1 min.
    pub bookmark: Duration,
    /// Uncompressed bytes from which on an answer is gzipped when the client takes it. Default 128 KiB.
    pub gzip_from: usize,
    /// Whether clients on this machine get gzip too: there is no wire to spare. Default no.
    pub gzip_local: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(32),
            request: Duration::from_secs(60),
            body: 3 * 1024 * 1024,
            reads_in_flight: 400,
            writes_in_flight: 200,
            streams: 250,
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
            unacknowledged: Duration::from_secs(120),
            drain: Duration::from_secs(10),
            min_watch: Duration::from_secs(1800),
            bookmark: Duration::from_secs(60),
            gzip_from: 128 * 1024,
            gzip_local: false,
        }
    }
}
