use membership::join::{JoinRecord, JoinRecords as _};
use registry::{RegistryOptions, Stored};
use store::memory::MemoryLog;
use store::{Options, SealingKeys, Store, SystemClock};
use zeroize::Zeroizing;

use super::*;
use crate::join::VaultRecords;
use crate::vault::Vault;

#[test]
fn uncordon_undoes_cordon_and_nothing_else() {
    let original = json!({
        "metadata": {"name": "n", "annotations": {"a": "b"}},
        "spec": {"taints": [{"key": "other", "effect": "NoSchedule"}]},
    });
    let mut node = original.clone();
    assert!(cordon(&mut node, &NotLive::Revoked));
    assert!(!cordon(&mut node, &NotLive::Revoked));
    assert_eq!(node["spec"]["unschedulable"], json!(true));
    assert_eq!(node["spec"]["taints"][1]["value"], json!("TokenRevoked"));
    assert!(uncordon(&mut node));
    assert_eq!(node, original);

    // What an administrator cordoned stays so.
    let mut drained = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true}});
    assert!(!uncordon(&mut drained));
}

async fn store() -> Store<Stored> {
    let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
    Store::open(MemoryLog::new(), keys, SystemClock, Options::default())
        .await
        .unwrap()
}

/// Two nodes; two pods on the first and one on the second.
async fn cluster() -> Registry {
    let registry = Registry::new(store().await, RegistryOptions::default());
    let api = |plural| {
        registry
            .api::<Value>("", "v1", plural, UserInfo::system())
            .unwrap()
    };
    let named = |name: &str| json!({"metadata": {"name": name}});
    api("namespaces")
        .create(None, &named("default"))
        .await
        .unwrap();
    api("serviceaccounts")
        .create(Some("default"), &named("default"))
        .await
        .unwrap();
    for node in ["worker-0", "worker-1"] {
        api("nodes").create(None, &named(node)).await.unwrap();
    }
    for (pod, node) in [("a", "worker-0"), ("b", "worker-0"), ("c", "worker-1")] {
        let object = json!({
            "metadata": {"name": pod},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
        });
        api("pods").create(Some("default"), &object).await.unwrap();
    }
    registry
}

#[tokio::test]
async fn a_withdrawn_node_is_cordoned_marked_and_empty_and_the_others_are_not() {
    let registry = cluster().await;
    let control = RegistryControl::new(&registry, Tunnels::default()).unwrap();
    let reason = NotLive::Slashed {
        balance: 1,
        minimum: 2,
    };
    assert_eq!(control.withdraw("worker-0", &reason).await.unwrap(), 2);
    let node = control.nodes.get(None, "worker-0").await.unwrap();
    assert_eq!(node["spec"]["unschedulable"], json!(true));
    assert_eq!(
        node["metadata"]["annotations"][REVOKED_ANNOTATION],
        json!("StakeSlashed")
    );
    let ready = &node["status"]["conditions"][0];
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("Unknown"), &json!("StakeSlashed"))
    );
    let pods = control
        .pods
        .list(None, &ListOptions::default())
        .await
        .unwrap()
        .items;
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["spec"]["nodeName"], json!("worker-1"));
    let other = control.nodes.get(None, "worker-1").await.unwrap();
    assert!(other["spec"].get("unschedulable").is_none());

    // It may be done again, and to a node that isn't there.
    assert_eq!(control.withdraw("worker-0", &reason).await.unwrap(), 0);
    assert_eq!(control.withdraw("nobody", &reason).await.unwrap(), 0);

    control.restore("worker-0").await.unwrap();
    let node = control.nodes.get(None, "worker-0").await.unwrap();
    assert!(node["spec"].get("unschedulable").is_none());
    assert!(
        node["metadata"]["annotations"]
            .get(REVOKED_ANNOTATION)
            .is_none()
    );
    control.restore("nobody").await.unwrap();
}

#[tokio::test]
async fn the_record_of_joins_is_in_the_sealed_log_and_out_of_reach() {
    let store = store().await;
    let records = VaultRecords::new(Vault::new(store.clone()));
    assert_eq!(records.get("worker-0").await.unwrap(), None);
    let mut record = JoinRecord {
        node: "worker-0".parse().unwrap(),
        token: seal::ObjectId([1; 32]),
        node_key: seal::NodeKey::generate().public(),
        joined_at_ms: 1,
        certified_at_ms: 1,
    };
    records.put(record.clone()).await.unwrap();
    record.certified_at_ms = 2;
    records.put(record.clone()).await.unwrap();
    assert_eq!(records.get("worker-0").await.unwrap(), Some(record.clone()));
    assert_eq!(records.all().await.unwrap(), [record]);
    // No kind of the API lists it.
    let registry = Registry::new(store, RegistryOptions::default());
    let secrets = registry
        .api::<Value>("", "v1", "secrets", UserInfo::system())
        .unwrap();
    let listed = secrets.list(None, &ListOptions::default()).await.unwrap();
    assert!(listed.items.is_empty());
}
