//! What a user's wallet signs to get a short-lived certificate.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bytes32, ObjectId};

/// The login message. Its `Display` form is the text that is signed as a *personal message* (Sui's
/// intent scope 3), so a wallet shows the user what is being signed and no transaction can be made of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserLogin {
    /// The cluster object's id.
    pub cluster: ObjectId,
    /// The address that signs, owner of the stake.
    pub address: ObjectId,
    /// The stake that backs the rights.
    pub stake: ObjectId,
    /// The server's challenge: single use.
    pub challenge: Bytes32,
    /// TLS exporter of the connection.
    pub channel: Bytes32,
    /// SHA-256 of the certificate request (DER).
    pub csr: Bytes32,
}

impl UserLogin {
    /// The bytes that the wallet signs as a personal message.
    pub fn message(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for UserLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "K3s-DaaS login v1\n\
             cluster: {}\n\
             address: {}\n\
             stake: {}\n\
             challenge: {}\n\
             channel: {}\n\
             request: {}\n",
            self.cluster, self.address, self.stake, self.challenge, self.channel, self.csr
        )
    }
}
