//! Real clients of other makers: helm, Python's and Node's libraries, kube-rs. Those of scripts/clients.sh; what is absent
//! is said.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use registry::{CreateOptions, RequestContext};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::{Running, root, start};

const STABLE: usize = 5_000;

fn client_file(name: &str) -> Option<PathBuf> {
    let path = root().join("target/clients").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is absent: run scripts/clients.sh",
        path.display()
    );
    None
}

/// Passes connections on to the server until they are cut.
struct Relay {
    port: u16,
    cuts: watch::Sender<u64>,
}

impl Relay {
    async fn start(server: &Running) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, _) = watch::channel(0);
        let (to, sender) = (server.address, cuts.clone());
        tokio::spawn(async move {
            while let Ok((mut inbound, _)) = listener.accept().await {
                let mut cut = sender.subscribe();
                tokio::spawn(async move {
                    let Ok(mut outbound) = TcpStream::connect(to).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cuts }
    }

    /// Ends every connection there is, without a word.
    fn cut(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    fn kubeconfig(&self, server: &Running) -> PathBuf {
        let direct = server.kubeconfig(&server.admin);
        let text = std::fs::read_to_string(&direct).unwrap().replace(
            &format!("https://{}", server.address),
            &format!("https://127.0.0.1:{}", self.port),
        );
        let path = direct.with_extension("relay");
        std::fs::write(&path, text).unwrap();
        path
    }
}

async fn create(server: &Running, namespace: &str, name: &str, labels: Value) {
    let target = server
        .registry
        .target("", "v1", "configmaps", Some(namespace), "")
        .unwrap();
    let object = json!({"metadata": {"name": name, "labels": labels}});
    server
        .registry
        .create(
            &RequestContext::system(),
            &target,
            object,
            &CreateOptions::default(),
        )
        .await
        .unwrap();
}

async fn namespace(server: &Running, name: &str) {
    let made = server
        .admin()
        .await
        .post("/api/v1/namespaces", json!({"metadata": {"name": name}}))
        .await;
    assert_eq!(made.code, 201);
}

/// A server with 5,000 objects, beside which others come and go all the time.
async fn busy() -> (Running, CancellationToken) {
    let server = start().await;
    namespace(&server, "bulk").await;
    namespace(&server, "live").await;
    futures::stream::iter(0..STABLE)
        .for_each_concurrent(64, |i| {
            let server = &server;
            async move {
                create(
                    server,
                    "bulk",
                    &format!("stable-{i:04}"),
                    json!({"stable": "yes"}),
                )
                .await;
            }
        })
        .await;
    let stop = CancellationToken::new();
    let registry = server.registry.clone();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let context = RequestContext::system();
        for i in 0u64.. {
            if stopped.is_cancelled() {
                return;
            }
            let target = registry
                .target("", "v1", "configmaps", Some("bulk"), "")
                .unwrap();
            let object = json!({"metadata": {"name": format!("passing-{i}")}});
            registry
                .create(&context, &target, object, &CreateOptions::default())
                .await
                .unwrap();
            let name = format!("stable-{:04}", i as usize * 7 % STABLE);
            let target = registry
                .target("", "v1", "configmaps", Some("bulk"), &name)
                .unwrap();
            let change = registry::Patch::Merge(json!({"data": {"round": i.to_string()}}));
            registry
                .patch(
                    &context,
                    &target,
                    change,
                    &registry::PatchOptions::default(),
                )
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    (server, stop)
}

/// Runs a client's script against a busy server: it lists, writes, conflicts, applies, pages and watches.
async fn drive(server: &Running, mut command: Command, prefix: &str) {
    let relay = Relay::start(server).await;
    let config = relay.kubeconfig(server);
    let mut child = command
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = None;
    let name = |i: usize| format!("{prefix}-{i}");
    let talk = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            match said["do"].as_str() {
                Some("begin") => {
                    for i in 0..3 {
                        create(server, "live", &name(i), json!({})).await;
                    }
                }
                Some("cut") => {
                    relay.cut();
                    for i in 3..20 {
                        create(server, "live", &name(i), json!({})).await;
                    }
                    create(server, "live", "end", json!({})).await;
                }
                _ => {
                    if !said["seen"].is_null() {
                        seen = Some(said["seen"].clone());
                    }
                    eprintln!("{line}");
                    continue;
                }
            }
            stdin.write_all(b"ok\n").await.unwrap();
        }
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(Duration::from_secs(120), talk)
        .await
        .expect("the client does not end");
    assert!(status.success(), "{status}");
    let mut want: Vec<String> = (0..20).map(name).collect();
    want.push("end".to_owned());
    assert_eq!(
        seen.unwrap(),
        json!(want),
        "no event is lost, doubled or out of order"
    );
    let target = server
        .registry
        .target("", "v1", "configmaps", Some("live"), "end")
        .unwrap();
    server
        .registry
        .delete(&RequestContext::system(), &target, &Default::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_node_kubectl_and_kube_rs_on_a_busy_server() {
    let (server, stop) = busy().await;
    let scripts = root().join("crates/apiserver/tests/server/clients");
    if let Some(packages) = client_file("python") {
        let mut python = Command::new("python3");
        python
            .env("PYTHONPATH", packages)
            .arg(scripts.join("client.py"));
        drive(&server, python, "py").await;
    }
    if let Some(library) = client_file("node/node_modules/@kubernetes/client-node/dist/index.js") {
        let mut node = Command::new("node");
        node.arg(scripts.join("client.mjs")).arg(library);
        drive(&server, node, "js").await;
    }
    for binary in crate::kubectl::binaries() {
        let k = crate::kubectl::Kubectl::new(&server, &binary);
        let names = k
            .ok(&[
                "get",
                "configmaps",
                "-n",
                "bulk",
                "-l",
                "stable",
                "--chunk-size=500",
                "-o",
                "name",
            ])
            .await;
        let mut names: Vec<&str> = names.lines().collect();
        names.dedup();
        assert_eq!(names.len(), STABLE);
    }
    kube_rs(&server).await;
    stop.cancel();
}

async fn kube_client(config: &Path) -> Client {
    let config = kube::config::Kubeconfig::read_from(config).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

async fn kube_rs(server: &Running) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let relay = Relay::start(server).await;
    let client = kube_client(&relay.kubeconfig(server)).await;
    let bulk: Api<ConfigMap> = Api::namespaced(client.clone(), "bulk");
    let (mut names, mut versions) = (Vec::new(), Vec::new());
    let mut page = ListParams::default().limit(500).labels("stable");
    loop {
        let list = bulk.list(&page).await.unwrap();
        names.extend(list.items.iter().map(ResourceExt::name_any));
        versions.push(list.metadata.resource_version.clone().unwrap());
        match list.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    names.dedup();
    versions.dedup();
    assert_eq!((names.len(), versions.len()), (STABLE, 1));

    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let made: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "rs"}})).unwrap();
    let made = api.create(&PostParams::default(), &made).await.unwrap();
    let mut changed = made.clone();
    changed.data = Some([("a".to_owned(), "1".to_owned())].into());
    api.replace("rs", &PostParams::default(), &changed)
        .await
        .unwrap();
    let stale = api.replace("rs", &PostParams::default(), &changed).await;
    assert!(matches!(stale, Err(kube::Error::Api(e)) if e.code == 409 && e.reason == "Conflict"));
    let apply = |manager: &'static str, value: &str| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rs-applied"}, "data": {"k": value}});
        let api = api.clone();
        async move {
            api.patch(
                "rs-applied",
                &PatchParams::apply(manager),
                &Patch::Apply(object),
            )
            .await
        }
    };
    apply("one", "a").await.unwrap();
    assert!(matches!(apply("two", "b").await, Err(kube::Error::Api(e)) if e.code == 409));

    // The watcher in both modes, over a connection that is cut.
    let live: Api<ConfigMap> = Api::namespaced(client.clone(), "live");
    for (mode, config) in [
        ("list", watcher::Config::default()),
        ("stream", watcher::Config::default().streaming_lists()),
    ] {
        let mut events = watcher(live.clone(), config)
            .default_backoff()
            .applied_objects()
            .boxed();
        let before = live.list(&ListParams::default()).await.unwrap().items.len();
        for _ in 0..before {
            events.try_next().await.unwrap();
        }
        let wait_for = async |events: &mut futures::stream::BoxStream<
            '_,
            Result<ConfigMap, watcher::Error>,
        >,
                              name: &str| {
            let waiting = async {
                loop {
                    // What the cut connection says is no event.
                    if let Some(Ok(object)) = events.next().await
                        && object.name_any() == name
                    {
                        return;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(60), waiting)
                .await
                .expect(name);
        };
        create(server, "live", &format!("{mode}-before"), json!({})).await;
        wait_for(&mut events, &format!("{mode}-before")).await;
        relay.cut();
        create(server, "live", &format!("{mode}-after"), json!({})).await;
        wait_for(&mut events, &format!("{mode}-after")).await;
    }
    controller(client).await;
}

/// A controller: what it is to do is done, also for what was there before it.
async fn controller(client: Client) {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let running = Controller::new(api.clone(), watcher::Config::default().labels("controlled"))
        .run(
            |object, api| async move {
                let annotation = json!({"metadata": {"annotations": {"seen": object.name_any()}}});
                api.patch(
                    &object.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(annotation),
                )
                .await?;
                Ok::<_, kube::Error>(Action::await_change())
            },
            |_, _, _| Action::requeue(Duration::from_millis(100)),
            std::sync::Arc::new(api.clone()),
        )
        .for_each(|_| futures::future::ready(()));
    let driving = async {
        for i in 0..5 {
            let object: ConfigMap = serde_json::from_value(
                json!({"metadata": {"name": format!("c-{i}"), "labels": {"controlled": ""}}}),
            )
            .unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
        }
        let mut events = watcher(api.clone(), watcher::Config::default().labels("controlled"))
            .applied_objects()
            .boxed();
        let mut done = std::collections::HashSet::new();
        while done.len() < 5 {
            let object = events.try_next().await.unwrap().unwrap();
            if object.annotations().get("seen") == Some(&object.name_any()) {
                done.insert(object.name_any());
            }
        }
    };
    tokio::select! {
        () = running => panic!("the controller ended"),
        done = tokio::time::timeout(Duration::from_secs(60), driving) => done.expect("the controller does its work"),
    }
}

const CHART: &[(&str, &str)] = &[
    (
        "Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: '1'\n",
    ),
    ("values.yaml", "replicas: 1\ncolour: blue\n"),
    (
        "templates/all.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-config", labels: {app: shop}}
data: {colour: "{{ .Values.colour }}"}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}", labels: {app: shop}}
spec:
  selector: {app: shop}
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}", labels: {app: shop}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:1"}]}
"#,
    ),
    ("templates/NOTES.txt", "The shop is {{ .Values.colour }}.\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_installs_upgrades_rolls_back_and_uninstalls() {
    let Some(helm) = client_file("helm") else {
        return;
    };
    let server = start().await;
    let config = server.kubeconfig(&server.admin);
    let chart = server.dir.path().join("shop");
    for (name, text) in CHART {
        let path = chart.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let helm = async |arguments: &[&str]| {
        let run = Command::new(&helm)
            .env("HELM_CACHE_HOME", server.dir.path().join("cache"))
            .env("HELM_CONFIG_HOME", server.dir.path().join("config"))
            .env("HELM_DATA_HOME", server.dir.path().join("data"))
            .arg("--kubeconfig")
            .arg(&config)
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), run)
            .await
            .unwrap()
            .unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "helm {arguments:?}: {text}");
        text
    };
    let mut admin = server.admin().await;
    let mut state = async || {
        let map = admin
            .get("/api/v1/namespaces/default/configmaps/my-config")
            .await
            .json();
        let deployment = admin
            .get("/apis/apps/v1/namespaces/default/deployments/my")
            .await
            .json();
        (
            map["data"]["colour"].as_str().unwrap_or("none").to_owned(),
            deployment["spec"]["replicas"].as_i64().unwrap_or(-1),
        )
    };
    let chart = chart.to_str().unwrap();
    let out = helm(&["install", "my", chart]).await;
    assert!(out.contains("The shop is blue."), "{out}");
    assert_eq!(state().await, ("blue".to_owned(), 1));
    helm(&["upgrade", "my", chart, "--set", "colour=red,replicas=3"]).await;
    assert_eq!(state().await, ("red".to_owned(), 3));
    let history = helm(&["history", "my", "-o", "json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(&history)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    helm(&["rollback", "my", "1"]).await;
    assert_eq!(state().await, ("blue".to_owned(), 1));
    assert!(
        helm(&["get", "manifest", "my"])
            .await
            .contains("kind: Deployment")
    );
    helm(&["uninstall", "my"]).await;
    assert_eq!(state().await, ("none".to_owned(), -1));
    assert!(!helm(&["list"]).await.contains("shop-0.1.0"));
}
