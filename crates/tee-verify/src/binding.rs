//! What evidence is about.

use std::fmt;

use sha2::{Digest, Sha256};

/// The role of the instance that is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A control plane, attested to a client on a connection.
    Server,
    /// A control plane, attested to another instance to be given keys.
    Peer,
    /// A worker.
    Worker,
}

/// Everything that evidence is bound to. All of it is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingInput<'a> {
    /// The cluster object's id on the chain.
    pub cluster: [u8; 32],
    /// What the instance is.
    pub role: Role,
    /// SHA-256 of the DER of the `SubjectPublicKeyInfo` of the instance's TLS certificate.
    pub tls_key: [u8; 32],
    /// A key inside the instance, or a TLS exporter of the connection: what an attacker who relays the
    /// evidence cannot have. Empty where there is none (offline evidence).
    pub channel: &'a [u8],
    /// The verifier's nonce.
    pub nonce: [u8; 32],
}

/// `SHA-256(domain ‖ version ‖ length-prefixed fields)`: 32 bytes, which fit into the report data of
/// every kind of hardware (TPM's qualifying data is the smallest).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 32]);

const DOMAIN: &[u8] = b"k3s-daas/tee/binding";
const VERSION: u16 = 1;

impl Binding {
    /// Hashes the fields.
    pub fn of(input: &BindingInput<'_>) -> Self {
        let role = match input.role {
            Role::Server => 0u8,
            Role::Peer => 1,
            Role::Worker => 2,
        };
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(VERSION.to_le_bytes());
        let fields: [&[u8]; 5] = [
            &input.cluster,
            &[role],
            &input.tls_key,
            input.channel,
            &input.nonce,
        ];
        for field in fields {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        Self(hash.finalize().into())
    }

    /// The bytes that the hardware signs.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts() {
        let base = BindingInput {
            cluster: [1; 32],
            role: Role::Server,
            tls_key: [2; 32],
            channel: &[3; 32],
            nonce: [4; 32],
        };
        let variants = [
            base.clone(),
            BindingInput {
                cluster: [9; 32],
                ..base.clone()
            },
            BindingInput {
                role: Role::Worker,
                ..base.clone()
            },
            BindingInput {
                role: Role::Peer,
                ..base.clone()
            },
            BindingInput {
                tls_key: [9; 32],
                ..base.clone()
            },
            BindingInput {
                channel: &[9; 32],
                ..base.clone()
            },
            BindingInput {
                channel: &[],
                ..base.clone()
            },
            BindingInput {
                nonce: [9; 32],
                ..base
            },
        ];
        let distinct: std::collections::HashSet<_> = variants.iter().map(Binding::of).collect();
        assert_eq!(distinct.len(), variants.len());
    }
}
