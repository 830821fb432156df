//! Lists of one node's pods come from an index; they show what a scan of all pods would.

use machinery::options::Query;
use registry::{DeleteOptions, ListOptions};
use serde_json::json;

use super::common::*;

const NODES: [&str; 3] = ["", "n1", "n2"];

#[tokio::test]
async fn the_index_agrees_with_a_scan() {
    let r = registry().await;
    // A walk without chance: names come back, on another node too.
    let mut seed = 7_u64;
    let mut next = |n: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for step in 0..200 {
        let name = format!("p{}", next(8));
        let node = NODES[usize::try_from(next(3)).unwrap()];
        match next(3) {
            0 => {
                let mut body = pod(&name);
                body["spec"]["nodeName"] = json!(node);
                let _ = create(&r, "v1/pods", Some("default"), body).await;
            }
            1 => {
                let options = DeleteOptions {
                    grace_period_seconds: Some(0),
                    ..DeleteOptions::default()
                };
                let target = target(&r, "v1/pods", Some("default"), &name);
                let _ = r.delete(&context(), &target, &options).await;
            }
            _ => {
                let body =
                    json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}});
                let target = target(&r, "v1/pods/binding", Some("default"), &name);
                let _ = r
                    .create(&context(), &target, body, &Default::default())
                    .await;
            }
        }
        for node in NODES {
            let query = format!("fieldSelector=spec.nodeName%3D{node}");
            let options = ListOptions::from_query(&Query::parse(&query)).unwrap();
            let found = names(&r, "v1/pods", None, &options).await;
            let all = target(&r, "v1/pods", None, "");
            let all = r
                .list(&context(), &all, &ListOptions::default())
                .await
                .unwrap();
            let want: Vec<String> = all
                .items
                .iter()
                .map(|o| o.value())
                .filter(|p| p["spec"]["nodeName"].as_str().unwrap_or_default() == node)
                .map(|p| p["metadata"]["name"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(found, want, "step {step}, node {node:?}");
        }
    }
}
