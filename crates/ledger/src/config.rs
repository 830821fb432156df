//! How a ledger runs, and how it begins.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use contract_model::Parameters;
use sui_sdk_types::Address;

/// How a ledger runs.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// Where its log and `deployment.json` are. Made where it is not there.
    pub data_dir: PathBuf,
    /// Where it listens: plain gRPC (HTTP/2 without TLS). Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether an address that other machines reach is accepted. Whoever reaches the ledger can use
    /// it like any Sui node; there is no TLS.
    pub allow_remote: bool,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Price of a unit of gas, MIST.
    pub reference_gas_price: u64,
    /// How it begins; read when the data directory is empty only.
    pub genesis: GenesisOptions,
}

/// How a ledger begins.
#[derive(Clone, Debug)]
pub struct GenesisOptions {
    /// Who gets the capabilities where genesis publishes the package. Without, nothing is published:
    /// a transaction does that, as on any Sui network.
    pub publisher: Option<Address>,
    /// SUI coins to hand out: owner and MIST.
    pub funds: Vec<(Address, u64)>,
    /// MIST that [`crate::Handle::fund`] can hand out later.
    pub reserve: u64,
    /// Parameters of the contracts.
    pub parameters: Parameters,
    /// Time of genesis, milliseconds since 1970; now where it is not given. Everything about
    /// genesis, its digest included, follows from these options and this time.
    pub timestamp_ms: Option<u64>,
}

impl LedgerConfig {
    /// Defaults for a data directory: 127.0.0.1:9000, epochs of a minute.
    #[must_use]
    pub fn new(data_dir: PathBuf, genesis: GenesisOptions) -> Self {
        Self {
            data_dir,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            allow_remote: false,
            epoch: Duration::from_secs(60),
            reference_gas_price: 1000,
            genesis,
        }
    }
}

impl GenesisOptions {
    /// The package published for a publisher, parameters for development and a reserve of a billion
    /// SUI.
    #[must_use]
    pub fn development(publisher: Address, funds: Vec<(Address, u64)>) -> Self {
        Self {
            publisher: Some(publisher),
            ..Self::unpublished(funds)
        }
    }

    /// The same without the package.
    #[must_use]
    pub fn unpublished(funds: Vec<(Address, u64)>) -> Self {
        Self {
            publisher: None,
            funds,
            reserve: 1_000_000_000_000_000_000,
            parameters: Parameters::development(),
            timestamp_ms: None,
        }
    }
}
