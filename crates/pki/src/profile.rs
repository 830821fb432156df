//! The kinds of certificates.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What on the chain backs an identity, as a URI in its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backing {
    /// A Seal token object: `daas://token/<id>`.
    Token([u8; 32]),
    /// A stake object: `daas://stake/<id>`.
    Stake([u8; 32]),
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "daas://token/0x{}", hex::encode(id)),
            Self::Stake(id) => write!(f, "daas://stake/0x{}", hex::encode(id)),
        }
    }
}

impl FromStr for Backing {
    type Err = ();

    /// Exactly what `Display` writes; anything else is not a backing.
    fn from_str(uri: &str) -> Result<Self, ()> {
        let (kind, digits) = uri
            .strip_prefix("daas://")
            .and_then(|rest| rest.split_once("/0x"))
            .ok_or(())?;
        let mut id = [0; 32];
        hex::decode_to_slice(digits, &mut id).map_err(|_| ())?;
        let backing = match kind {
            "token" => Self::Token(id),
            "stake" => Self::Stake(id),
            _ => return Err(()),
        };
        if backing.to_string() == uri {
            Ok(backing)
        } else {
            Err(())
        }
    }
}

/// A user's rights, as an organisation in the certificate (a Kubernetes group).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserRole {
    /// `daas:user`
    User,
    /// `daas:operator`
    Operator,
    /// `daas:admin`, bound to cluster-admin.
    Admin,
}

impl UserRole {
    /// The group.
    pub fn group(self) -> &'static str {
        match self {
            Self::User => "daas:user",
            Self::Operator => "daas:operator",
            Self::Admin => "daas:admin",
        }
    }
}

/// Subject, names and usages of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// A node as a client: CN `system:node:<name>`, O `system:nodes`, URI `daas://token/<id>`.
    NodeClient {
        /// The node's name.
        node: String,
        /// Its Seal token.
        token: [u8; 32],
    },
    /// A node's own API as a server: CN `system:node:<name>`, its name and addresses.
    NodeServing {
        /// The node's name.
        node: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// A user: CN the address, O the role's group, URI `daas://stake/<id>`.
    User {
        /// The address on the chain, `0x…`.
        address: String,
        /// The rights.
        role: UserRole,
        /// The stake behind them.
        stake: [u8; 32],
    },
    /// A client that nothing on the chain backs: the administrator of a development cluster, and the
    /// control plane's own parts.
    Local {
        /// Common name.
        name: String,
        /// Organisation (a Kubernetes group).
        group: Option<String>,
    },
    /// The API server.
    Server {
        /// Common name.
        name: String,
        /// DNS names.
        dns: Vec<String>,
        /// Addresses.
        addresses: Vec<IpAddr>,
    },
}
