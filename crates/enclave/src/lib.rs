//! Everything about running the control plane inside a Nitro enclave that is not evidence: the image and its
//! measurement ([`image`]), the first process in it ([`init`]), the relays that are its only way in and out
//! ([`relay`]), and the sealed log that the host keeps for it ([`log`]).
//!
//! An enclave has no disk, no network and no arguments: only memory, processors and a vsock to its host. So what the
//! server needs to know is in the image, and thereby measured; connections are relayed byte by byte by the host,
//! which sees nothing but TLS.

pub mod endpoint;
pub mod image;
pub mod init;
pub mod log;
pub mod relay;
