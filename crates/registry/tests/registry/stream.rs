//! Watches under random writes: nothing is lost, doubled or out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use machinery::labels::Selector;
use proptest::prelude::*;
use registry::{DeleteOptions, ListOptions, Registry, Watch, WatchEvent};
use serde_json::{Value, json};

use super::common::*;

#[derive(Clone, Debug)]
enum Act {
    Put { name: u8, label: u8, value: u8 },
    Delete { name: u8 },
    Watch { selected: bool },
    Resume { at: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..5u8, 0..2u8, 0..4u8).prop_map(|(name, label, value)| Act::Put { name, label, value }),
        2 => (0..5u8).prop_map(|name| Act::Delete { name }),
        1 => any::<bool>().prop_map(|selected| Act::Watch { selected }),
        1 => (0..30usize).prop_map(|at| Act::Resume { at }),
    ]
}

const KIND: &str = "v1/configmaps";

fn options(selected: bool) -> ListOptions {
    let label_selector = if selected {
        Selector::parse("l=1").unwrap()
    } else {
        Selector::everything()
    };
    ListOptions {
        watch: true,
        label_selector,
        ..ListOptions::default()
    }
}

/// What a client that follows the watch holds; panics on anything that can't be. `last` begins as the revision at which the
/// watch was opened: the state as of then comes first, in the order of names.
fn follow(state: &mut BTreeMap<String, Value>, last: &mut u64, opened: u64, event: &WatchEvent) {
    let object = event.object().expect("no errors").value();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let version: u64 = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    match event {
        WatchEvent::Added(_) => assert!(state.insert(name, object).is_none(), "added twice"),
        WatchEvent::Modified(_) => assert!(
            state.insert(name, object).is_some(),
            "modified before it was added"
        ),
        WatchEvent::Deleted(_) => {
            assert!(state.remove(&name).is_some(), "deleted before it was added")
        }
        other => panic!("{other:?}"),
    }
    if version <= opened {
        assert!(
            matches!(event, WatchEvent::Added(_)) && *last == opened,
            "old state after a change"
        );
    } else {
        assert!(version > *last, "{version} after {last}");
        *last = version;
    }
}

async fn drain(watch: &mut Watch) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), watch.next()).await
    {
        events.push(event);
    }
    events
}

async fn present(r: &Registry, selected: bool) -> BTreeMap<String, Value> {
    let list = r
        .list(
            &context(),
            &target(r, KIND, Some("default"), ""),
            &options(selected),
        )
        .await
        .unwrap();
    list.items
        .iter()
        .map(|o| {
            (
                o.value()["metadata"]["name"].as_str().unwrap().to_owned(),
                o.value(),
            )
        })
        .collect()
}

async fn run(acts: Vec<Act>) {
    let r = registry().await;
    let t = target(&r, KIND, Some("default"), "");
    let start = r.store().revision().0;
    let mut open: Vec<(bool, Watch, BTreeMap<String, Value>, u64)> = Vec::new();
    let mut versions = vec![start];
    for act in acts {
        match act {
            Act::Put { name, label, value } => {
                let name = format!("c{name}");
                let body = json!({"metadata": {"name": name, "labels": {"l": label.to_string()}}, "data": {"v": value.to_string()}});
                if update(&r, KIND, Some("default"), &name, body.clone())
                    .await
                    .is_err()
                {
                    create(&r, KIND, Some("default"), body).await.unwrap();
                }
            }
            Act::Delete { name } => {
                let t = target(&r, KIND, Some("default"), &format!("c{name}"));
                let _ = r.delete(&context(), &t, &DeleteOptions::default()).await;
            }
            Act::Watch { selected } => {
                let watch = r.watch(&context(), &t, &options(selected)).await.unwrap();
                open.push((selected, watch, BTreeMap::new(), r.store().revision().0));
            }
            Act::Resume { at } => {
                // From any revision of the past, every later change comes once and in order.
                let from = versions[at % versions.len()];
                let resumed = ListOptions {
                    resource_version: from.to_string(),
                    ..options(false)
                };
                let mut watch = r.watch(&context(), &t, &resumed).await.unwrap();
                let seen: Vec<u64> = drain(&mut watch)
                    .await
                    .iter()
                    .map(|e| {
                        e.object().unwrap().value()["metadata"]["resourceVersion"]
                            .as_str()
                            .unwrap()
                            .parse()
                            .unwrap()
                    })
                    .collect();
                let want: Vec<u64> = versions.iter().copied().filter(|v| *v > from).collect();
                assert_eq!(seen, want);
            }
        }
        let now = r.store().revision().0;
        if versions.last() != Some(&now) {
            versions.push(now);
        }
    }
    for (selected, mut watch, mut state, opened) in open {
        let mut last = opened;
        for event in drain(&mut watch).await {
            follow(&mut state, &mut last, opened, &event);
        }
        assert_eq!(state, present(&r, selected).await);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn watches_tell_what_happened(acts in prop::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(acts));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_race_lose_no_update() {
    let r = registry().await;
    create(
        &r,
        KIND,
        Some("default"),
        json!({"metadata": {"name": "n"}, "data": {"n": "0"}}),
    )
    .await
    .unwrap();
    let t = target(&r, KIND, Some("default"), "");
    let mut watch = r.watch(&context(), &t, &options(false)).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let r = r.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    loop {
                        let mut object = get(&r, KIND, Some("default"), "n").await.unwrap();
                        let n: u32 = object["data"]["n"].as_str().unwrap().parse().unwrap();
                        object["data"]["n"] = (n + 1).to_string().into();
                        match update(&r, KIND, Some("default"), "n", object).await {
                            Ok(_) => break,
                            Err(status) => assert_eq!(status.code, 409, "{status}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let seen: Vec<String> = drain(&mut watch)
        .await
        .iter()
        .map(|e| {
            e.object().unwrap().value()["data"]["n"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(seen, (0..=40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_services_never_share_an_address() {
    let r = registry().await;
    let makers: Vec<_> = (0..30)
        .map(|i| {
            let r = r.clone();
            tokio::spawn(async move {
                let body = json!({"metadata": {"name": format!("s{i}")}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
                create(&r, "v1/services", Some("default"), body).await.unwrap()
            })
        })
        .collect();
    let (mut addresses, mut ports) = (
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    );
    for maker in makers {
        let made = maker.await.unwrap();
        assert!(addresses.insert(made["spec"]["clusterIP"].as_str().unwrap().to_owned()));
        assert!(ports.insert(made["spec"]["ports"][0]["nodePort"].as_i64().unwrap()));
    }
    // Rebuilt from the store, the allocator still knows them.
    let again = Registry::new(r.store().clone(), registry::RegistryOptions::default());
    let taken = addresses.first().unwrap();
    let body =
        json!({"metadata": {"name": "x"}, "spec": {"clusterIP": taken, "ports": [{"port": 80}]}});
    let error = create(&again, "v1/services", Some("default"), body)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("provided IP is already allocated"),
        "{error}"
    );
}
