//! Seal tokens and what a node or a user proves with its keys.
//!
//! A Seal token is a shared object on the chain. It names its stake, the cluster, the node and the
//! node's key, and carries a [`Commitment`] to a [`Secret`] that never goes on the chain. Whoever can
//! open the commitment *and* sign with the node key ([`JoinProof`]) may join as that node.
//!
//! Everything here is pure: no input or output, no clock. Randomness is the operating system's. No
//! type that holds a secret has a `Debug` or `Display` form; [`SealToken::expose`] and
//! [`Secret::expose`] are the only ways to write one out.
//!
//! What is signed is always `domain ‖ BCS(message)`: the domain separates the kinds of message, BCS is
//! canonical and length-prefixed, so no two different messages share an encoding.

mod commitment;
mod encoded;
mod heartbeat;
mod id;
mod join;
mod login;
mod node_key;
mod secret;
mod token;
pub mod wire;

pub use commitment::Commitment;
pub use encoded::{EncodedToken, InvalidEncodedToken};
pub use heartbeat::{Heartbeat, SignedHeartbeat};
pub use id::{Bytes32, InvalidNodeId, InvalidObjectId, NodeId, ObjectId};
pub use join::{JoinProof, ProofRejected, RenewProof};
pub use login::UserLogin;
pub use node_key::{InvalidKey, NodeKey, NodePublicKey, NodeSignature};
pub use secret::{InvalidSecret, Secret};
pub use token::{InvalidSealToken, SealToken};
