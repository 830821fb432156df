//! Claims and volumes in use.

use registry::DeletionPropagation;
use serde_json::{Value, json};

use crate::harness::{Cluster, at};

fn marked(object: Option<&Value>) -> bool {
    object.is_some_and(|o| at(o, "/metadata/deletionTimestamp").is_string())
}

#[tokio::test]
async fn what_is_in_use_goes_when_it_no_longer_is() {
    let cluster = Cluster::start().await;
    let claim = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}}}})
    };
    for name in ["free", "used"] {
        let made = cluster.create("persistentvolumeclaims", claim(name)).await;
        assert_eq!(
            made["metadata"]["finalizers"],
            json!(["kubernetes.io/pvc-protection"])
        );
    }
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "elsewhere", "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}]}});
    cluster.create("pods", pod).await;
    for name in ["free", "used"] {
        cluster
            .delete(
                "persistentvolumeclaims",
                name,
                DeletionPropagation::Background,
            )
            .await;
    }
    cluster
        .until("persistentvolumeclaims", "default", "free", |c| c.is_none())
        .await;
    cluster
        .until("persistentvolumeclaims", "default", "used", marked)
        .await;
    cluster
        .api("pods")
        .delete(
            Some("default"),
            "p",
            &registry::DeleteOptions {
                grace_period_seconds: Some(0),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    cluster
        .until("persistentvolumeclaims", "default", "used", |c| c.is_none())
        .await;

    let volume = json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/tmp/v"}}});
    cluster.create("persistentvolumes", volume).await;
    let phase = |phase: &str| registry::Patch::Merge(json!({"status": {"phase": phase}}));
    let volumes = cluster.api("persistentvolumes");
    volumes
        .patch(None, "v", "status", phase("Bound"))
        .await
        .unwrap();
    volumes
        .delete(None, "v", &registry::DeleteOptions::default())
        .await
        .unwrap();
    cluster.settle().await;
    let held = volumes.get_opt(None, "v").await.unwrap();
    assert!(marked(held.as_ref()));
    volumes
        .patch(None, "v", "status", phase("Released"))
        .await
        .unwrap();
    cluster
        .until("persistentvolumes", "", "v", |v| v.is_none())
        .await;
    cluster.settle().await;
}
