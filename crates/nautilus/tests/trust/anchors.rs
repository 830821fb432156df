//! The state on the chain: what is covered, an older disk, a fork, a race for the lead.

use nautilus::wire::{ANCHOR, Anchored, INSTANCE, Instance};
use nautilus::{RollbackError, ServerError, StorageError};
use serde_json::json;
use zeroize::Zeroizing;

use crate::world::{SOON, World, copy};

fn rollback(error: ServerError) -> RollbackError {
    match error {
        ServerError::Storage(StorageError::Rollback(error)) => error,
        ServerError::Keys(nautilus::AcquireError::Rollback(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_is_refused_with_what_is_missing_and_what_to_do() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    let instance = world.start("data", &tee, json!({})).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    let first: Anchored = admin.post(ANCHOR, json!({})).await;
    instance.stop().await;
    copy(&world.path("data"), &world.path("older"));

    let instance = world.start("data", &tee, json!({})).ready().await;
    let admin = world.admin(&instance).await;
    admin.put("new", "value").await;
    let second: Anchored = admin.post(ANCHOR, json!({})).await;
    assert!(second.revision > first.revision && second.term == first.term + 1);
    instance.stop().await;

    let refused = rollback(world.start("older", &tee, json!({})).refused().await);
    let said = refused.to_string();
    assert!(matches!(refused, RollbackError::Older { .. }), "{said}");
    assert!(
        said.contains("revisions are missing") && said.contains("what you may do"),
        "{said}"
    );
    // Nothing at all is no way around it either.
    let refused = rollback(world.start("nothing", &tee, json!({})).refused().await);
    assert!(matches!(refused, RollbackError::Absent { .. }), "{refused}");
    // The true one opens.
    let instance = world.start("data", &tee, json!({})).ready().await;
    assert_eq!(world.admin(&instance).await.get("new").await, "value");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_are_asked_and_must_be_of_the_same_chain() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    // The same ledger under another name stands for another node of the chain.
    let witness = world.chain.url().replace("127.0.0.1", "localhost");
    let instance = world.start("data", &tee, json!({"chainWitnesses": [witness]}));
    let instance = instance.ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    let anchored: Anchored = admin.post(ANCHOR, json!({})).await;
    assert_eq!(world.anchor().await.unwrap().revision, anchored.revision);
    instance.stop().await;

    let elsewhere = World::new().await;
    let other = elsewhere.chain.url();
    let refused = world.start("data", &tee, json!({"chainWitnesses": [other]}));
    let refused = refused.refused().await;
    assert!(matches!(refused, ServerError::Chain(_)), "{refused}");
    // One that is gone is no majority.
    let gone = "http://127.0.0.1:1";
    let refused = world.start("data", &tee, json!({"chainWitnesses": [gone]}));
    assert!(matches!(refused.refused().await, ServerError::Chain(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_instances_on_copies_of_one_state_at_most_one_goes_on() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    let instance = world.start("one", &tee, json!({})).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    let _: Anchored = admin.post(ANCHOR, json!({})).await;
    instance.stop().await;
    copy(&world.path("one"), &world.path("two"));

    // Both begin where the anchor is; both want the next term.
    let one = world.start("one", &tee, json!({}));
    let two = world.start("two", &tee, json!({}));
    let fenced = async {
        while !one.is_over() && !two.is_over() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, fenced)
        .await
        .expect("the fork is noticed");
    let mut lasting = None;
    for instance in [one, two] {
        if instance.is_over() {
            let error = instance.refused().await;
            let said = error.to_string();
            assert!(
                matches!(error, ServerError::Fenced(_))
                    || matches!(error, ServerError::Storage(StorageError::Rollback(_))),
                "{said}"
            );
        } else {
            lasting = Some(instance);
        }
    }
    if let Some(instance) = lasting {
        let instance = instance.ready().await;
        let admin = world.admin(&instance).await;
        let anchored: Anchored = admin.post(ANCHOR, json!({})).await;
        assert_eq!(
            Some(anchored.revision),
            world.anchor().await.map(|a| a.revision)
        );
        instance.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_may_wait_for_the_anchor_and_the_exposure_shows() {
    let world = World::new().await;
    let tee = world.tee("a", "device");
    let instance = world.start("data", &tee, json!({})).ready().await;
    world.enroll(&instance).await;
    let admin = world.admin(&instance).await;
    let _: Anchored = admin.post(ANCHOR, json!({})).await;

    let request = |consistency: &str, name: &str| {
        let body = json!({"metadata": {"name": name}, "apiVersion": "v1", "kind": "ConfigMap"});
        http::Request::post("/api/v1/namespaces/default/configmaps")
            .header("content-type", "application/json")
            .header("daas-consistency", consistency)
            .body(kube::client::Body::from(serde_json::to_vec(&body).unwrap()))
            .unwrap()
    };
    let answer = admin
        .client
        .send(request("anchored", "covered"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let revision: u64 = answer.headers()["daas-anchored-revision"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let on_chain = world.anchor().await.unwrap();
    assert!(on_chain.revision >= revision);
    let answer = admin
        .client
        .send(request("linearizable", "other"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    // A read as well.
    let read =
        http::Request::get("/api/v1/namespaces/default/configmaps/covered?consistency=anchored");
    let read = read.body(kube::client::Body::empty()).unwrap();
    let answer = admin.client.send(read).await.unwrap();
    assert!(answer.headers().contains_key("daas-anchored-revision"));

    // What is not covered is exposed, and said.
    admin.put("exposed", "value").await;
    let mut connection = world.attested(&instance.address).await;
    let empty = Zeroizing::new(b"{}".to_vec());
    let said: Instance = connection.post(INSTANCE, empty).await.unwrap();
    assert!(said.exposed_revisions > 0);
    let metrics = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let metrics = admin.client.request_text(metrics).await.unwrap();
    for name in [
        "daas_anchor_exposed_revisions",
        "daas_anchor_exposed_seconds",
    ] {
        let line = metrics.lines().find(|line| line.starts_with(name));
        assert!(line.is_some(), "{name} is not in {metrics}");
    }
    // Only administrators make it anchor.
    let refused = connection
        .post::<serde_json::Value>(ANCHOR, Zeroizing::new(b"{}".to_vec()))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("Forbidden"), "{refused}");
    instance.stop().await;
}
