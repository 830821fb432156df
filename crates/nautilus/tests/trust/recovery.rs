//! A total outage: another device has the disk and nothing else, and custodians bring their shares.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::recovery::{Custodian, SealedShare};
use nautilus::wire::{PLAN, ROTATE, Rotated, SHARE, ShareRequest, ShareResponse, Shares};
use serde_json::json;
use zeroize::Zeroizing;

use crate::world::{SOON, World};

async fn submit(
    world: &World,
    address: &str,
    custodian: &Custodian,
    share: &SealedShare,
) -> Result<ShareResponse, String> {
    let open = custodian.open(share).map_err(|error| error.to_string())?;
    let request = ShareRequest {
        share: STANDARD.encode(&*open.to_bytes()),
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
