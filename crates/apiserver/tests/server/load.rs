//! The load generator against a running server: no request fails, and nothing is left behind.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bench::{BenchError, Kind, Measurement, Observer, Operation, Options, Target};
use registry::{ListOptions, RequestContext, UpdateOptions, WatchEvent};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::{Running, start};

/// Stands in for the namespace controller: what is to be removed holds nothing any more.
async fn finalize(registry: registry::Registry) {
    let context = RequestContext::system();
    let all = registry.target("", "v1", "namespaces", None, "").unwrap();
    let options = ListOptions {
        watch: true,
        ..ListOptions::default()
    };
    let mut events = registry.watch(&context, &all, &options).await.unwrap();
    while let Some(event) = events.next().await {
        let WatchEvent::Modified(namespace) = event else {
            continue;
        };
        let mut namespace = namespace.value();
        if namespace.pointer("/metadata/deletionTimestamp").is_none() {
            continue;
        }
        let name = namespace["metadata"]["name"].as_str().unwrap().to_owned();
        namespace["spec"]["finalizers"] = json!([]);
        let target = registry
            .target("", "v1", "namespaces", None, &name)
            .unwrap()
            .subresource("finalize");
        let _ = registry
            .update(&context, &target, namespace, &UpdateOptions::default())
            .await;
    }
}

async fn open(server: &Running) -> Target {
    let kubeconfig = server.kubeconfig(&server.admin);
    Target::open(Some(&kubeconfig), None, false).await.unwrap()
}

/// Neither a namespace nor an object of a load is there.
async fn nothing_left(server: &Running) {
    let mut admin = server.admin().await;
    let namespaces = admin.get("/api/v1/namespaces").await.text();
    assert!(!namespaces.contains("\"daas-bench"), "{namespaces}");
    for path in ["/api/v1/pods", "/api/v1/configmaps"] {
        let objects = admin.get(path).await.text();
        assert!(!objects.contains("daas.bench/run"), "{path}");
    }
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn begins(&self, phase: &str, _: u64, _: Arc<AtomicU64>) {
        self.0.lock().unwrap().push(phase.to_owned());
    }
    fn measured(&self, _: &Measurement) {}
    fn note(&self, _: &str) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_measured_and_nothing_is_left() {
    let server = start().await;
    tokio::spawn(finalize(server.registry.clone()));
    let target = open(&server).await;
    for kind in [Kind::Pod, Kind::ConfigMap] {
        let options = Options {
            kind,
            clients: vec![1, 3],
            objects: 30,
            duration: Duration::from_secs(20),
            count: 60,
            warm_up: Duration::ZERO,
            watchers: 120,
            changes: 20,
            ..Options::default()
        };
        let seen = Seen::default();
        let outcome = bench::run(&target, &options, &seen, &CancellationToken::new())
            .await
            .unwrap();
        for m in &outcome.measurements {
            assert_eq!((m.failed, &m.failure), (0, &None), "{m:?}");
            assert!(m.succeeded > 0 && m.latency.p50 <= m.latency.p99, "{m:?}");
        }
        let of = |name: &str| -> Vec<u64> {
            let all = outcome.measurements.iter();
            all.filter(|m| m.operation == name)
                .map(|m| m.succeeded)
                .collect()
        };
        for name in ["get", "list", "create", "patch"] {
            assert_eq!(of(name), [60, 60], "{name}");
        }
        assert_eq!(of("watch"), [120 * 20]);
        assert_eq!(of("mixed get"), [48, 48]);
        assert!(outcome.list_bytes > 30 * 500);
        assert!(
            seen.0
                .lock()
                .unwrap()
                .contains(&"watch, 120 watchers".to_owned())
        );
        nothing_left(&server).await;
    }
}

/// The first change is one too: what was never patched before is changed by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_alone_delivers_every_change() {
    let server = start().await;
    tokio::spawn(finalize(server.registry.clone()));
    let target = open(&server).await;
    let options = Options {
        operations: vec![Operation::Watch],
        objects: 1,
        watchers: 20,
        changes: 5,
        ..Options::default()
    };
    let outcome = bench::run(&target, &options, &bench::Silent, &CancellationToken::new())
        .await
        .unwrap();
    let all = outcome.measurements.iter();
    let counts: Vec<_> = all.map(|m| (m.succeeded, m.failed)).collect();
    assert_eq!(counts, [(100, 0)]);
}

#[tokio::test]
async fn a_stopped_load_cleans_up() {
    let server = start().await;
    tokio::spawn(finalize(server.registry.clone()));
    let target = open(&server).await;
    let options = Options {
        operations: vec![Operation::Create],
        kind: Kind::ConfigMap,
        clients: vec![2],
        objects: 5,
        duration: Duration::from_secs(600),
        count: 1_000_000,
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let later = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        later.cancel();
    });
    let outcome = bench::run(&target, &options, &bench::Silent, &stop).await;
    assert!(matches!(outcome, Err(BenchError::Stopped)), "{outcome:?}");
    nothing_left(&server).await;
}
