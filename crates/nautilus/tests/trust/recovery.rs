//! A total outage: another device has the disk and nothing else, and custodians bring their shares.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use enclave::endpoint::Endpoint;
use enclave::log::LogHost;
use keys::PublicRing;
use keys::recovery::{Custodian, SealedShare};
use log_redb::RedbLog;
use nautilus::wire::{PLAN, RING, ROTATE, Rotated, SHARE, ShareRequest, ShareResponse, Shares};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::world::{SOON, World};

async fn submit(
    world: &World,
    address: &str,
    custodian: &Custodian,
    share: &SealedShare,
) -> Result<ShareResponse, String> {
    submit_with(world, address, custodian, share, None).await
}

async fn submit_with(
    world: &World,
    address: &str,
    custodian: &Custodian,
    share: &SealedShare,
    ring: Option<PublicRing>,
) -> Result<ShareResponse, String> {
    let open = custodian.open(share).map_err(|error| error.to_string())?;
    let request = ShareRequest {
        share: STANDARD.encode(&*open.to_bytes()),
        ring,
    };
    let body = Zeroizing::new(serde_json::to_vec(&request).unwrap());
    let given = world.attested(address).await.post(SHARE, body).await;
    given.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_shares_bring_the_keys_back_on_another_device() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    let instance = world.start("data", &tee, json!({})).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    admin.put("kept", "through the outage").await;
    let custodians: Vec<_> = (0..3).map(|_| Custodian::new().unwrap()).collect();
    let publics: Vec<_> = custodians.iter().map(|c| hex::encode(c.public())).collect();
    let issued: Shares = admin
        .post(PLAN, json!({"threshold": 2, "custodians": publics}))
        .await;
    // A rotation needs no new shares.
    let rotated: Rotated = admin.post(ROTATE, json!({})).await;
    assert_eq!(rotated.epoch, 2);
    instance.stop().await;

    // The same build on another device: it has the disk, but no way to the keys.
    let other = world.tee("a", "another-device");
    let waiting = world.start("data", &other, json!({}));
    let address = waiting.address.clone();
    let listening = async {
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, listening).await.unwrap();
    let first = submit(&world, &address, &custodians[0], &issued.shares[0])
        .await
        .unwrap();
    assert_eq!(first, ShareResponse { have: 1, need: 2 });
    // The same again is no second one; another's can't be opened.
    let again = submit(&world, &address, &custodians[0], &issued.shares[0])
        .await
        .unwrap();
    assert_eq!(again, ShareResponse { have: 1, need: 2 });
    assert!(
        submit(&world, &address, &custodians[0], &issued.shares[1])
            .await
            .is_err()
    );
    assert!(!waiting.is_over());
    let second = submit(&world, &address, &custodians[2], &issued.shares[2])
        .await
        .unwrap();
    assert_eq!(second, ShareResponse { have: 2, need: 2 });
    let recovered = waiting.ready().await;
    let admin = world.admin(&recovered).await;
    assert_eq!(admin.get("kept").await, "through the outage");
    recovered.stop().await;

    // From now on this device opens it by itself.
    let again = world.start("data", &other, json!({})).ready().await;
    again.stop().await;
}

/// An enclave: its host keeps the log, and nothing else survives it.
#[tokio::test(flavor = "multi_thread")]
async fn an_enclave_without_a_disk_is_recovered_with_shares_and_the_ring() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    let endpoint = format!("unix://{}", world.path("log.sock").display());
    let endpoint: Endpoint = endpoint.parse().unwrap();
    let log = RedbLog::open(world.path("host.log")).await.unwrap();
    let listener = endpoint.listen().await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(LogHost::new(Arc::new(log)).serve(listener, stop.clone()));
    let more = json!({"log": endpoint, "keyCache": "none"});

    let instance = world.start("memory", &tee, more.clone()).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    admin.put("kept", "by the host, sealed").await;
    let custodians: Vec<_> = (0..2).map(|_| Custodian::new().unwrap()).collect();
    let publics: Vec<_> = custodians.iter().map(|c| hex::encode(c.public())).collect();
    let issued: Shares = admin
        .post(PLAN, json!({"threshold": 2, "custodians": publics}))
        .await;
    let ring: PublicRing = admin.post(RING, json!({})).await;
    instance.stop().await;
    std::fs::remove_dir_all(world.path("memory")).unwrap();

    let waiting = world.start("memory", &tee, more);
    let address = waiting.address.clone();
    let listening = async {
        while !world.answers(&address).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, listening).await.unwrap();
    let without = submit(&world, &address, &custodians[0], &issued.shares[0]).await;
    assert!(without.unwrap_err().contains("no key ring"));
    let (first, second) = (&issued.shares[0], &issued.shares[1]);
    submit_with(&world, &address, &custodians[0], first, Some(ring))
        .await
        .unwrap();
    let done = submit(&world, &address, &custodians[1], second)
        .await
        .unwrap();
    assert_eq!(done, ShareResponse { have: 2, need: 2 });
    let recovered = waiting.ready().await;
    let admin = world.admin(&recovered).await;
    assert_eq!(admin.get("kept").await, "by the host, sealed");
    recovered.stop().await;
    stop.cancel();
}
