//! The package is published by a transaction, as on any Sui network.

use std::path::Path;

use chain::calls;
use chain::keystore::Key;
use chain::objects::{StakingPool, Tier, Upgrades};
use chain::publish::{Publication, publish};
use chain::{Address, Client, Deployment};
use contract_model::bytecode;
use ledger::{GenesisOptions, Handle, LedgerConfig, LedgerError};
use tokio_util::sync::CancellationToken;

const SUI: u64 = 1_000_000_000;

async fn start(
    directory: &Path,
    funds: Vec<(Address, u64)>,
) -> (Handle, CancellationToken, Client) {
    let shutdown = CancellationToken::new();
    let mut config = LedgerConfig::new(directory.to_owned(), GenesisOptions::unpublished(funds));
    config.listen = "127.0.0.1:0".parse().unwrap();
    let handle = ledger::serve(config, shutdown.clone()).await.unwrap();
    let client = Client::connect(&handle.url()).await.unwrap();
    (handle, shutdown, client)
}

fn modules() -> Vec<Vec<u8>> {
    let modules = bytecode::modules().iter();
    modules.map(|module| module.bytes.clone()).collect()
}

fn publication<'a>(deployment: &'a Path, pending: &'a Path) -> Publication<'a> {
    Publication {
        modules: modules(),
        dependencies: bytecode::DEPENDENCIES.to_vec(),
        deployment,
        pending,
        hold_upgrade_cap: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_publishes_the_package_once() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let data = directory.path().join("ledger");
    let (handle, shutdown, client) = start(&data, vec![(publisher.address(), 100 * SUI)]).await;
    assert!(handle.deployment().is_none());
    assert!(!data.join("deployment.json").exists());
    let supply = handle.supply().total();
    let (file, pending) = (
        directory.path().join("d.json"),
        directory.path().join("d.pending"),
    );
    let wanted = publication(&file, &pending);
    let on = publish(&client, &publisher, &wanted).await.unwrap();
    client.verify(&on).await.unwrap();
    assert_eq!(Deployment::load(&file).unwrap(), on);
    assert!(!pending.exists());

    // What `init` made is there and works; the upgrade capability is in its place.
    let pool: StakingPool = client.object(&on, on.staking_pool.id).await.unwrap().value;
    assert_eq!(pool.version, 1);
    let upgrades: Upgrades = client
        .object(&on, on.upgrades().unwrap())
        .await
        .unwrap()
        .value;
    assert_eq!(upgrades.cap.unwrap().package, on.package);
    let stake = calls::stake(&on, Tier::Node, SUI);
    client.submit(&publisher, &stake).await.unwrap();
    let cluster = calls::create_cluster(&on, "main", Vec::new());
    client.submit(&publisher, &cluster).await.unwrap();
    let proposed = calls::propose_upgrade(&on, on.admin_cap.unwrap(), [7; 32]).unwrap();
    client.submit(&publisher, &proposed).await.unwrap();
    assert_eq!(handle.supply().total(), supply);

    // Again: nothing happens. Without the file: this ledger has the package already.
    let height = handle.height();
    assert_eq!(publish(&client, &publisher, &wanted).await.unwrap(), on);
    assert_eq!(handle.height(), height);
    let other = directory.path().join("other.json");
    let again = publication(&other, &pending);
    let error = publish(&client, &publisher, &again).await.unwrap_err();
    assert!(error.to_string().contains("second package"), "{error}");

    // Contracts and ledger agree on all of it.
    crate::replay_in_move(&handle);
    shutdown.cancel();
    drop(client);
    handle.stopped().await.unwrap();

    // What was published is there after a restart.
    let (handle, shutdown, client) = start(&data, Vec::new()).await;
    let pool: StakingPool = client.object(&on, on.staking_pool.id).await.unwrap().value;
    assert_eq!(pool.total_active, SUI);
    shutdown.cancel();
    drop(client);
    handle.stopped().await.unwrap();
}

/// Killed after each step, the next run goes on: one package, its capability held.
#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_where_it_was_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let data = directory.path().join("ledger");
    let (handle, shutdown, client) = start(&data, vec![(publisher.address(), 100 * SUI)]).await;
    let (file, pending) = (
        directory.path().join("d.json"),
        directory.path().join("d.pending"),
    );
    let wanted = publication(&file, &pending);
    // Signed and stored, not sent.
    let call = calls::publish(wanted.modules.clone(), wanted.dependencies.clone());
    let signed = client.prepare(&publisher, &call).await.unwrap();
    std::fs::write(&pending, signed.to_bytes().unwrap()).unwrap();
    let keep = Publication {
        hold_upgrade_cap: false,
        ..wanted.clone()
    };
    let on = publish(&client, &publisher, &keep).await.unwrap();
    // Sent, and the file with the result lost.
    std::fs::write(&pending, signed.to_bytes().unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(publish(&client, &publisher, &wanted).await.unwrap(), on);
    let upgrades: Upgrades = client
        .object(&on, on.upgrades().unwrap())
        .await
        .unwrap()
        .value;
    assert!(upgrades.cap.is_some());
    // Held, and the transaction's file still there.
    std::fs::write(&pending, signed.to_bytes().unwrap()).unwrap();
    assert_eq!(publish(&client, &publisher, &wanted).await.unwrap(), on);
    assert!(!pending.exists());
    shutdown.cancel();
    drop(client);
    handle.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_this_build_s_package_can_be_published() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let data = directory.path().join("ledger");
    let (handle, shutdown, client) = start(&data, vec![(publisher.address(), 100 * SUI)]).await;
    let (file, pending) = (
        directory.path().join("d.json"),
        directory.path().join("d.pending"),
    );
    let mut changed = publication(&file, &pending);
    *changed.modules[0].last_mut().unwrap() ^= 1;
    let error = publish(&client, &publisher, &changed).await.unwrap_err();
    assert!(error.to_string().contains("not bytecode"), "{error}");
    let mut unlinked = publication(&file, &pending);
    unlinked.dependencies.pop();
    publish(&client, &publisher, &unlinked).await.unwrap_err();
    let mut foreign = publication(&file, &pending);
    foreign.dependencies.push(Address::from_static("0x77"));
    publish(&client, &publisher, &foreign).await.unwrap_err();
    assert!(!file.exists());
    shutdown.cancel();
    drop(client);
    handle.stopped().await.unwrap();

    // A directory of a build whose contracts were others says what to do. The log begins with the
    // format's name; what follows it is of that format.
    let log = data.join("ledger.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[..16].copy_from_slice(b"daas-ledger-v2\r\n");
    std::fs::write(&log, &bytes).unwrap();
    let config = LedgerConfig::new(data, GenesisOptions::unpublished(Vec::new()));
    let mut config = config;
    config.listen = "127.0.0.1:0".parse().unwrap();
    let refused = ledger::serve(config, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, LedgerError::OtherFormat { .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("empty data directory"),
        "{refused}"
    );
}
