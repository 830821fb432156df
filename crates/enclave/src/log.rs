//! The sealed log's way out of an enclave: the host keeps it, over the vsock.
//!
//! What passes is what a disk would see, sealed batches and chunks; the host is trusted with durability and nothing
//! else, exactly as a disk is: whatever it gives back is verified by the store, and rolled back state is found by
//! the anchor on the chain.
//!
//! The protocol: frames of a length (4 bytes, big-endian, not counting itself), a number that pairs answer and
//! question (8 bytes), and a protobuf message. Questions are answered in any order. The host serves one connection
//! at a time, the newest: what comes over an older one is answered "fenced".

mod client;
mod frame;
mod server;

pub use client::RemoteLog;
pub use server::LogHost;

/// Version of the protocol; both sides must have the same.
const VERSION: u32 = 1;
/// A batch or a chunk is far smaller.
const MAX_FRAME: usize = 64 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
