//! `daas recovery`: shares of a recovery key, and giving them to an instance that has lost its keys.
//!
//! A custodian makes a key (`custodian`) and tells its public half. An administrator has a running control plane make a plan
//! (`plan`): each custodian's share comes back encrypted to it. After a total outage each custodian gives its share to
//! the waiting instance (`submit`), which is verified against the chain before a byte of the share is sent.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use attested::Connection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use keys::PublicRing;
use keys::recovery::{Custodian, SealedShare};
use nautilus::wire::{PLAN, PlanRequest, RING, SHARE, ShareRequest, ShareResponse, Shares};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::admin::AdminArgs;
use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;
use crate::up::system::System;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Arguments of `daas recovery`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoveryArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a custodian's key, and show the public half for whoever makes the plan
    Custodian {
        /// The file to write (0600: it opens the share)
        #[arg(long)]
        out: PathBuf,
    },
    /// Have the control plane make a plan, and write each custodian's encrypted share
    Plan {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        admin: AdminArgs,
        /// How many shares are to be needed
        #[arg(long)]
        threshold: usize,
        /// A custodian's public key; repeat it for each
        #[arg(long = "custodian", required = true)]
        custodians: Vec<String>,
        /// The directory to write `share-N.json` to
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Write the public part of the key ring: an enclave, which has no disk, is recovered with it
    Ring {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        admin: AdminArgs,
        /// The file to write; write it again after each new key epoch
        #[arg(long)]
        out: PathBuf,
    },
    /// Give a share to an instance that waits for them, once it is verified
    Submit {
        #[command(flatten)]
        chain: ChainArgs,
        /// The custodian's key
        #[arg(long)]
        custodian: PathBuf,
        /// The share that the plan gave it
        #[arg(long)]
        share: PathBuf,
        /// The key ring, for an instance that has no disk
        #[arg(long)]
        ring: Option<PathBuf>,
        /// `host:port` of the instance [default: the system's]
        endpoint: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CustodianFile {
    public_key: String,
    /// Both keys, base64. Zeroed by who reads it.
    keys: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    public_key: String,
    file: String,
}

#[derive(Debug, Serialize)]
struct Written {
    custodian: String,
    share: String,
}

/// Does it.
pub(crate) async fn run(args: RecoveryArgs, output: Output) -> anyhow::Result<ExitCode> {
    match args.act {
        Act::Custodian { out } => custodian(&out, output)?,
        Act::Plan {
            chain,
            admin,
            threshold,
            custodians,
            out,
        } => {
            let request = PlanRequest {
                threshold,
                custodians,
            };
            let made: Shares = admin.post(&chain, PLAN, &request).await?;
            let mut written = Vec::new();
            for (share, custodian) in made.shares.iter().zip(&request.custodians) {
                let path = out.join(format!("share-{}.json", share.number));
                write(&path, &serde_json::to_vec_pretty(share)?)?;
                written.push(Written {
                    custodian: custodian.clone(),
                    share: path.display().to_string(),
                });
            }
            render::rows(output, &written, ["CUSTODIAN", "SHARE"], |written| {
                [written.custodian.clone(), written.share.clone()]
            })?;
        }
        Act::Ring { chain, admin, out } => {
            let ring: PublicRing = admin.post(&chain, RING, &serde_json::json!({})).await?;
            write(&out, &serde_json::to_vec_pretty(&ring)?)?;
        }
        Act::Submit {
            chain,
            custodian,
            share,
            ring,
            endpoint,
        } => {
            let ring = ring.map(|ring| read(&ring)).transpose()?;
            let ring = ring.map(|ring| serde_json::from_slice(&ring)).transpose();
            let ring = ring.context("--ring: not a key ring")?;
            submit(&chain, &custodian, (&share, ring), endpoint, output).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn custodian(out: &Path, output: Output) -> anyhow::Result<()> {
    anyhow::ensure!(
        !out.exists(),
        "{} exists already: a custodian's key is never written over",
        out.display()
    );
    let custodian = Custodian::new()?;
    let public_key = hex::encode(custodian.public());
    let keys = Zeroizing::new(STANDARD.encode(&*custodian.to_bytes()));
    let mut file = CustodianFile {
        public_key: public_key.clone(),
        keys: keys.to_string(),
    };
    let json = Zeroizing::new(serde_json::to_vec_pretty(&file)?);
    drop(Zeroizing::new(std::mem::take(&mut file.keys)));
    write(out, &json)?;
    render::one(
        output,
        &PublicKey {
            public_key,
            file: out.display().to_string(),
        },
    )
}

async fn submit(
    chain: &ChainArgs,
    custodian: &Path,
    (share, ring): (&Path, Option<PublicRing>),
    endpoint: Option<String>,
    output: Output,
) -> anyhow::Result<()> {
    let file: CustodianFile = serde_json::from_slice(&read(custodian)?)
        .with_context(|| format!("{} is no custodian's key", custodian.display()))?;
    let text = Zeroizing::new(file.keys);
    let bytes = Zeroizing::new(STANDARD.decode(text.as_bytes())?);
    let custodian = Custodian::from_bytes(&bytes)?;
    let sealed: SealedShare = serde_json::from_slice(&read(share)?)
        .with_context(|| format!("{} is no share", share.display()))?;
    let open = custodian.open(&sealed)?;

    let (client, deployment) = chain.connect().await?;
    let address = match endpoint {
        Some(endpoint) => endpoint,
        None => System::load(&chain.layout()?)?.api_address().to_string(),
    };
    // Its TLS key was made for the recovery, so the chain can't know it: the evidence alone decides.
    let expected = nautilus::expectation(&client, &deployment, false).await?;
    let mut connection = Connection::open(&address, &expected).await?;
    let claims = connection.claims();
    eprintln!(
        "the instance at {address} runs {} ({}), which the chain allows",
        claims.measurement, claims.kind
    );
    let encoded = Zeroizing::new(STANDARD.encode(&*open.to_bytes()));
    let mut request = ShareRequest {
        share: encoded.to_string(),
        ring,
    };
    let body = Zeroizing::new(serde_json::to_vec(&request)?);
    drop(Zeroizing::new(std::mem::take(&mut request.share)));
    let progress: ShareResponse = connection.post(SHARE, body).await?;
    render::one(output, &progress)
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("{} can't be read", path.display()))?
        .len();
    anyhow::ensure!(size <= LARGEST, "{} is too large", path.display());
    Ok(Zeroizing::new(std::fs::read(path)?))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    chain::keystore::write_atomically(path, bytes, 0o600)
        .with_context(|| format!("{} can't be written", path.display()))
}
