//! A rolling update keeps its promises at every moment.

use std::collections::BTreeMap;

use proptest::prelude::*;
use registry::ListOptions;
use registry::api::TypedEvent;
use serde_json::{Value, json};

use crate::harness::{Cluster, deployment, image, is_ready};

#[derive(Clone, Debug)]
struct Case {
    replicas: i64,
    surge: (i64, bool),
    unavailable: (i64, bool),
    updates: u8,
    restart: bool,
}

fn value((n, percent): (i64, bool)) -> Value {
    if percent {
        format!("{}%", n * 20).into()
    } else {
        n.into()
    }
}

impl Case {
    /// The most pods, and the fewest available ones.
    fn bounds(&self) -> (i64, i64) {
        let of = |(n, percent): (i64, bool), up: bool| {
            let scaled = n * 20 * self.replicas;
            match (percent, up) {
                (false, _) => n,
                (true, true) => (scaled + 99) / 100,
                (true, false) => scaled / 100,
            }
        };
        let (surge, mut unavailable) = (of(self.surge, true), of(self.unavailable, false));
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        (self.replicas + surge, (self.replicas - unavailable).max(0))
    }
}

fn cases() -> impl Strategy<Value = Case> {
    (
        1..9_i64,
        (0..4_i64, any::<bool>()),
        (0..4_i64, any::<bool>()),
        1..4_u8,
        any::<bool>(),
    )
        .prop_map(|(replicas, surge, unavailable, updates, restart)| Case {
            replicas,
            // Both zero is refused.
            surge: if surge.0 == 0 && unavailable.0 == 0 {
                (1, surge.1)
            } else {
                surge
            },
            unavailable,
            updates,
            restart,
        })
}

async fn check(case: Case) {
    let cluster = Cluster::start().await;
    let mut d = deployment("web", case.replicas, "v0");
    d["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {
        "maxSurge": value(case.surge), "maxUnavailable": value(case.unavailable)}});
    cluster.create("deployments", d).await;
    cluster.rolled_out("web", case.replicas).await;
    let options = ListOptions {
        watch: true,
        ..ListOptions::default()
    };
    let pods = cluster.api("pods");
    let mut watch = pods.watch(Some("default"), &options).await.unwrap();
    let change = async {
        for update in 1..=case.updates {
            cluster
                .merge("deployments", "web", image(&format!("v{update}")))
                .await;
            if case.restart {
                cluster
                    .until_all("replicasets", |_| true, |s| s.len() > usize::from(update))
                    .await;
                cluster.stop_controllers().await;
                cluster.start_controllers();
            }
        }
        cluster.rolled_out("web", case.replicas).await;
    };
    let (most, fewest) = case.bounds();
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    let mut began = false;
    let observe = async {
        loop {
            match watch.next().await.unwrap() {
                TypedEvent::Added(pod) | TypedEvent::Modified(pod) => {
                    let stays = pod["metadata"]["deletionTimestamp"].is_null();
                    seen.insert(
                        pod["metadata"]["name"].to_string(),
                        (stays, stays && is_ready(&pod)),
                    );
                }
                TypedEvent::Deleted(pod) => {
                    seen.remove(&pod["metadata"]["name"].to_string());
                }
                TypedEvent::Error(status) => panic!("{status}"),
                TypedEvent::Bookmark(..) => {}
            }
            let count = |of: fn(&(bool, bool)) -> bool| {
                i64::try_from(seen.values().filter(|s| of(s)).count()).unwrap()
            };
            let (total, available) = (count(|s| s.0), count(|s| s.1));
            // The watch begins with the pods that there are, one by one.
            began |= available == case.replicas;
            assert!(
                total <= most,
                "{total} pods, at most {most} may be: {case:?}"
            );
            assert!(
                !began || available >= fewest,
                "{available} available, at least {fewest} must be: {case:?}"
            );
        }
    };
    tokio::select! {
        () = change => {}
        () = observe => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 8, ..ProptestConfig::default() })]
    #[test]
    fn a_rolling_update_stays_within_its_bounds(case in cases()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(check(case));
    }
}
