//! OpenAPI documents of what is served: v3 per group version, the v3 index, and v2.
//!
//! Documents are made when asked for; the caller keeps the bytes (with [`fingerprint`] as their
//! ETag) until what is served changes.
// upstream: k8s.io/kube-openapi, apiserver/pkg/endpoints/installer.go

mod definitions;
mod gnostic;
mod operations;
mod parameters;
mod served;
#[cfg(test)]
mod tests;
mod v2;
mod v3;

pub use served::{Served, ServedSubresource};
pub use v2::{v2, v2_protobuf};
pub use v3::{v3, v3_index};

/// A short hash of a document, for ETags and the index (FNV-1a of 128 bits, in hexadecimal).
pub fn fingerprint(document: &[u8]) -> String {
    const PRIME: u128 = 0x0000000001000000000000000000013B;
    let mut hash: u128 = 0x6c62272e07bb014262b821756295c58d;
    for byte in document {
        hash ^= u128::from(*byte);
        hash = hash.wrapping_mul(PRIME);
    }
    format!("{hash:032X}")
}
