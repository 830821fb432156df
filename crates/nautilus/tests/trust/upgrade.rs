//! A measured upgrade: two builds, the keys handed from one to the other, the old one refused after.

use keys::handover::{Grant, Recipient, binding_key};
use nautilus::ServerError;
use nautilus::wire::{ANCHOR, Anchored, HANDOVER, HandoverRequest, ROTATE, Rotated};
use serde_json::json;
use tee::{Provider as _, Simulated};
use tee_verify::{Binding, BindingInput, Collateral, Evidence, Kind, Role};
use zeroize::Zeroizing;

use crate::world::{World, copy};

/// Asks for the keys as an instance does; `channel` overrides the connection that the evidence is bound to, `bound` the
/// key.
async fn ask(
    world: &World,
    address: &str,
    tee: &Simulated,
    channel: Option<[u8; 32]>,
    bound: Option<&[u8]>,
) -> Result<Grant, String> {
    let mut connection = world.attested(address).await;
    let recipient = Recipient::new().unwrap();
    let channel = channel.unwrap_or(connection.channel().0);
    let evidence = tee
        .attest(&Binding::of(&BindingInput {
            cluster: world.cluster().into_inner(),
            role: Role::Peer,
            tls_key: binding_key(bound.unwrap_or(recipient.public())),
            channel: &channel,
            nonce: channel,
        }))
        .unwrap();
    let request = HandoverRequest {
        public_key: hex::encode(recipient.public()),
        evidence,
        collateral: Collateral::default(),
    };
    let body = Zeroizing::new(serde_json::to_vec(&request).unwrap());
    let granted = connection.post(HANDOVER, body).await;
    granted.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_hands_the_keys_over_and_shuts_the_old_build_out() {
    let world = World::new().await;
    let (old_tee, new_tee) = (world.tee("a", "device"), world.tee("b", "device"));
    let old = world.start("data", &old_tee, json!({})).ready().await;
    world.enroll(&old).await;
    let admin = world.admin(&old).await;
    admin.put("before", "the upgrade").await;
    let anchored: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!((anchored.epoch, anchored.term), (1, 1));

    // A build that the chain does not allow: it does not start, and is given nothing.
    let early = world.start(
        "elsewhere",
        &new_tee,
        json!({"handoverFrom": [old.address]}),
    );
    assert!(matches!(early.refused().await, ServerError::NotAllowed(_)));
    let refused = ask(&world, &old.address, &new_tee, None, None)
        .await
        .unwrap_err();
    assert!(refused.contains("not on the allow-list"), "{refused}");

    // The window: both count.
    world.approve(&new_tee).await;
    ask(&world, &old.address, &new_tee, None, None)
        .await
        .unwrap();
    // The same evidence under another name.
    let recipient = Recipient::new().unwrap();
    let mut connection = world.attested(&old.address).await;
    let channel = connection.channel().0;
    let bound = Binding::of(&BindingInput {
        cluster: world.cluster().into_inner(),
        role: Role::Peer,
        tls_key: binding_key(recipient.public()),
        channel: &channel,
        nonce: channel,
    });
    let simulated = new_tee.attest(&bound).unwrap();
    let request = HandoverRequest {
        public_key: hex::encode(recipient.public()),
        evidence: Evidence::new(Kind::Nitro, simulated.body().to_vec()).unwrap(),
        collateral: Collateral::default(),
    };
    let body = Zeroizing::new(serde_json::to_vec(&request).unwrap());
    let refused = connection.post::<Grant>(HANDOVER, body).await.unwrap_err();
    assert!(
        refused.to_string().contains("EvidenceRejected"),
        "{refused}"
    );
    // Evidence for another connection (relayed), or for another key.
    for (channel, key) in [(Some([7; 32]), None), (None, Some(&[7; 32][..]))] {
        let refused = ask(&world, &old.address, &new_tee, channel, key)
            .await
            .unwrap_err();
        assert!(refused.contains("EvidenceRejected"), "{refused}");
    }
    copy(&world.path("data"), &world.path("copy"));

    // The new build gets the keys while the old one runs, and takes over when it stops.
    let new = world.start("data", &new_tee, json!({"handoverFrom": [old.address]}));
    let keys_came = async {
        while std::fs::read_dir(world.path("data").join("keys"))
            .unwrap()
            .count()
            < 2
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::world::SOON, keys_came)
        .await
        .unwrap();
    assert!(!new.is_over());
    old.stop().await;
    let new = new.ready().await;
    world.enroll(&new).await;
    let admin = world.admin(&new).await;
    assert_eq!(admin.get("before").await, "the upgrade");
    let anchored: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!((anchored.epoch, anchored.term), (1, 2));

    // The old one is retired, and a new key epoch begins, without a restart.
    world.retire(&old_tee).await;
    let rotated: Rotated = admin.post(ROTATE, json!({})).await;
    assert_eq!(rotated.epoch, 2);
    admin.put("after", "the rotation").await;
    assert_eq!(admin.get("before").await, "the upgrade");
    let anchored: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!(anchored.epoch, 2);
    let refused = ask(&world, &new.address, &old_tee, None, None)
        .await
        .unwrap_err();
    assert!(refused.contains("not on the allow-list"), "{refused}");
    new.stop().await;

    // What the old build had of the keys is gone, and what it has of the disk does not help it.
    for data in ["data", "copy"] {
        let refused = world.start(data, &old_tee, json!({})).refused().await;
        assert!(matches!(refused, ServerError::NotAllowed(_)), "{refused}");
    }
    // The new build opens its own again, without anybody's help.
    let again = world.start("data", &new_tee, json!({})).ready().await;
    let admin = world.admin(&again).await;
    assert_eq!(admin.get("after").await, "the rotation");
    again.stop().await;
    // And even it refuses the copy from before.
    let refused = world.start("copy", &new_tee, json!({})).refused().await;
    assert!(
        refused
            .to_string()
            .contains("root key can't be opened here"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_measurement_ends_the_key_epoch_whoever_retired_it() {
    let world = World::new().await;
    let (other, tee) = (world.tee("a", "device"), world.tee("b", "device"));
    world.approve(&tee).await;
    let instance = world.start("data", &tee, json!({})).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    let first: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!(first.epoch, 1);
    world.retire(&other).await;
    admin.put("after", "the retirement").await;
    let next: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!(next.epoch, 2);
    // Once.
    admin.put("later", "value").await;
    let next: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!(next.epoch, 2);
    instance.stop().await;
}
