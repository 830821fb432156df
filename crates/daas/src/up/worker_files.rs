//! A worker's files below the data directory, as `up` and the commands that follow use them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chain::Address;
use chain::keystore::Keystore;
use serde_json::{Value, json};

use super::layout::Layout;
use super::supervisor::private_dir;
use super::system::System;

/// What a worker of `up` stakes, in MIST.
pub(crate) const STAKE: u64 = 1_000_000_000;

/// A worker's node name.
pub(crate) fn node_name(number: usize) -> String {
    format!("worker-{number}")
}

/// A worker's keystore.
pub(crate) fn keystore(layout: &Layout, number: usize) -> PathBuf {
    layout.worker(number).join("sui.keystore")
}

/// Makes a worker's directory and wallet, so that the wallet can be funded before it runs.
///
/// # Errors
/// When they can't be made.
pub(crate) fn prepare(layout: &Layout, number: usize) -> anyhow::Result<()> {
    private_dir(&layout.worker(number))?;
    Keystore::load_or_create(&keystore(layout, number))?;
    Ok(())
}

/// The address of a worker's wallet.
///
/// # Errors
/// When the keystore is unusable.
pub(crate) fn key_address(layout: &Layout, number: usize) -> anyhow::Result<Address> {
    let keystore = Keystore::load(&keystore(layout, number))?;
    Ok(keystore.choose(None)?.address())
}

/// The configuration of a worker.
///
/// # Errors
/// When there are more workers than ports.
pub(crate) fn config(
    layout: &Layout,
    number: usize,
    system: &System,
    deployment: &Path,
) -> anyhow::Result<Value> {
    Ok(json!({
        "dataDir": layout.worker(number),
        "nodeName": node_name(number),
        "chainUrl": system.ledger_url(),
        "deployment": deployment,
        "keystore": keystore(layout, number),
        "stake": STAKE,
        "nodeApiPort": system.node_api_port(number)?,
        "allowSimulatedTee": true,
    }))
}

/// Every worker that `up` has configured, with its configuration file's content.
///
/// # Errors
/// When a configuration can't be read.
pub(crate) fn existing(layout: &Layout) -> anyhow::Result<Vec<(usize, worker::Config)>> {
    let mut found = Vec::new();
    for number in 0.. {
        let path = layout.config(&format!("worker-{number}"));
        if !path.exists() {
            break;
        }
        let config =
            crate::config::load(Some(&path), &()).with_context(|| format!("worker-{number}"))?;
        found.push((number, config));
    }
    Ok(found)
}

/// The stake of a worker, once it has one.
///
/// # Errors
/// When its state file can't be read.
pub(crate) fn stake(layout: &Layout, number: usize) -> anyhow::Result<Option<Address>> {
    Ok(state(layout, number)?.and_then(|s| s.stake))
}

/// The Seal token of a worker, once it has one.
///
/// # Errors
/// When its state file can't be read.
pub(crate) fn token(layout: &Layout, number: usize) -> anyhow::Result<Option<Address>> {
    Ok(state(layout, number)?.and_then(|s| s.token))
}

fn state(layout: &Layout, number: usize) -> anyhow::Result<Option<worker::State>> {
    let path = layout.worker(number).join("state.json");
    Ok(worker::State::read(&path)?)
}
