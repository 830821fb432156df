//! The client's end of attested TLS: a connection to a control plane whose evidence was verified
//! before anything was said on it.
//!
//! [`Connection::open`] connects with TLS 1.3, sends a fresh nonce, and verifies the evidence that
//! comes back against the allow-list, bound to *this* connection: to the TLS key that it was
//! served with and to its exporter. Only a connection that passed all of that can be asked
//! anything ([`Connection::post`]). Workers join and users log in over it.
//!
//! No certificate authority is needed to begin with: the evidence vouches for the TLS key. Left to
//! the caller: reading cluster, measurements and registered TLS keys from the chain.

mod connection;
mod error;
mod root;
mod tcb;
mod tls;

pub use connection::{Connection, Expectation};
pub use error::AttestedError;
pub use root::{TeeRoot, TeeRootError};
pub use tcb::{TcbFileError, with_tcb_file};
