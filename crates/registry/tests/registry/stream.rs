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

#[derive(Clone, Debug)]
enum Turn {
    Put {
        name: u8,
        label: u8,
        value: u8,
    },
    Delete {
        name: u8,
    },
    Watch {
        selected: bool,
    },
    /// The connection of one client ends; it goes on from what it saw last.
    Reconnect {
        who: usize,
    },
    /// The server ends and begins again on what is durable.
    Restart,
    /// History up to some revision goes.
    Compact {
        at: usize,
    },
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (0..5u8, 0..2u8, 0..4u8).prop_map(|(name, label, value)| Turn::Put { name, label, value }),
        3 => (0..5u8).prop_map(|name| Turn::Delete { name }),
        2 => any::<bool>().prop_map(|selected| Turn::Watch { selected }),
        2 => (0..8usize).prop_map(|who| Turn::Reconnect { who }),
        1 => Just(Turn::Restart),
        1 => (0..40usize).prop_map(|at| Turn::Compact { at }),
    ]
}

/// A client that lists, watches, and resumes; it lists again only when it is told that its past is gone.
struct Client {
    selected: bool,
    watch: Watch,
    state: BTreeMap<String, Value>,
    opened: u64,
    last: u64,
}

impl Client {
    async fn new(r: &Registry, selected: bool) -> Self {
        let state = present(r, selected).await;
        let version = r.store().revision().0;
        Self {
            selected,
            watch: Self::open(r, selected, version).await.unwrap(),
            state,
            opened: version,
            last: version,
        }
    }

    async fn open(r: &Registry, selected: bool, from: u64) -> Result<Watch, registry::Status> {
        let from = ListOptions {
            resource_version: from.to_string(),
            ..options(selected)
        };
        let t = target(r, KIND, Some("default"), "");
        r.watch(&context(), &t, &from).await
    }

    /// Takes what has come. What was compacted before it was read is gone, which an event says: never a gap.
    async fn read(&mut self, r: &Registry) {
        for event in drain(&mut self.watch).await {
            if let WatchEvent::Error(status) = &event {
                self.gone(status, r.store().compacted().0);
                *self = Self::new(r, self.selected).await;
                return;
            }
            follow(&mut self.state, &mut self.last, self.opened, &event);
        }
    }

    fn gone(&self, status: &registry::Status, compacted: u64) {
        assert_eq!(
            (status.code, status.reason),
            (410, machinery::Reason::Expired),
            "{status}"
        );
        assert!(
            self.last < compacted,
            "{} is not gone: {compacted}",
            self.last
        );
    }

    async fn reconnect(&mut self, r: &Registry, compacted: u64) {
        match Self::open(r, self.selected, self.last).await {
            Ok(watch) => {
                self.watch = watch;
                self.opened = self.last;
            }
            Err(status) => {
                self.gone(&status, compacted);
                *self = Self::new(r, self.selected).await;
            }
        }
    }
}

async fn live(turns: Vec<Turn>) {
    let log = store::memory::MemoryLog::new();
    let begin = async || {
        let keys = store::SealingKeys::new("test", 1, &zeroize::Zeroizing::new([7; 32]));
        let store = store::Store::open(
            log.clone(),
            keys,
            store::SystemClock,
            store::Options::default(),
        )
        .await
        .unwrap();
        Registry::new(store, registry::RegistryOptions::default())
    };
    let mut r = begin().await;
    let namespace = json!({"metadata": {"name": "default"}});
    create(&r, "v1/namespaces", None, namespace).await.unwrap();
    let mut clients: Vec<Client> = Vec::new();
    let mut versions = vec![r.store().revision().0];
    for turn in turns {
        match turn {
            Turn::Put { name, label, value } => {
                let name = format!("c{name}");
                let body = json!({"metadata": {"name": name, "labels": {"l": label.to_string()}}, "data": {"v": value.to_string()}});
                if update(&r, KIND, Some("default"), &name, body.clone())
                    .await
                    .is_err()
                {
                    create(&r, KIND, Some("default"), body).await.unwrap();
                }
            }
            Turn::Delete { name } => {
                let t = target(&r, KIND, Some("default"), &format!("c{name}"));
                let _ = r.delete(&context(), &t, &DeleteOptions::default()).await;
            }
            Turn::Watch { selected } => clients.push(Client::new(&r, selected).await),
            Turn::Reconnect { who } => {
                let compacted = r.store().compacted().0;
                if let Some(count) = clients.len().checked_sub(1) {
                    clients[who % (count + 1)].reconnect(&r, compacted).await;
                }
            }
            Turn::Restart => {
                for client in &mut clients {
                    client.read(&r).await;
                }
                r.store().close().await;
                let compacted = r.store().compacted().0;
                r = begin().await;
                for client in &mut clients {
                    client
                        .reconnect(&r, compacted.max(r.store().compacted().0))
                        .await;
                }
            }
            Turn::Compact { at } => {
                // What is open already loses nothing by it.
                let to = versions[at % versions.len()];
                let _ = r.store().compact(store::Revision(to)).await;
            }
        }
        versions.push(r.store().revision().0);
    }
    for client in &mut clients {
        client.read(&r).await;
        assert_eq!(client.state, present(&r, client.selected).await);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    /// Clients that resume across broken connections, restarts and compaction end with the state that is, each event seen
    /// once and in order.
    #[test]
    fn watches_go_on_across_restarts_and_compaction(turns in prop::collection::vec(turn(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(turns));
    }
}
