//! Pods on a real containerd: the agent against a stand-in for the API server.
//!
//! The executable is its own image. As root with containerd, runc and the CNI plugins installed
//! it proves; otherwise it says what is missing and proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod client;
mod cluster;
mod machine;
mod program;

use std::time::{Duration, Instant};

use agent::NodeAgent;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::{Value, json};

use client::{exec, get};
use cluster::Cluster;
use machine::{IMAGE, Machine, traces, until};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The runtime starts this as /program; cargo gives its own arguments.
    if std::env::args()
        .next()
        .is_some_and(|name| name == "/program")
    {
        std::process::exit(program::run(&arguments));
    }
    if arguments.iter().any(|a| a == "--list") {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: pods need root");
        return;
    }
    for program in ["containerd", "ctr", "runc", "ip", "iptables"] {
        if !["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
            .iter()
            .any(|d| std::path::Path::new(d).join(program).exists())
        {
            println!("skipped: {program} is not installed (scripts/deps.sh installs it)");
            return;
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let limit = Duration::from_secs(180);
        let machine = std::sync::Arc::new(Machine::start().await);
        let cluster = Cluster::new();
        let test = tokio::spawn(tokio::time::timeout(
            limit,
            pods(machine.clone(), cluster.clone()),
        ));
        let failed = match test.await {
            Ok(Ok(())) => return,
            Ok(Err(_)) => "the test takes more than three minutes".to_owned(),
            Err(panic) => panic.to_string(),
        };
        cluster.dump();
        machine.dump();
        machine.agent(&cluster).stop_all().await;
        drop(machine);
        panic!("{failed}");
    });
    println!("pods: ok");
}

fn step(since: Instant, text: &str) {
    println!("{:6.2}s {text}", since.elapsed().as_secs_f64());
}

fn condition(pod: &Pod, kind: &str) -> bool {
    pod.status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
        .any(|c| c.type_ == kind && c.status == "True")
}

fn container(pod: &Pod) -> ContainerStatus {
    pod.status
        .as_ref()
        .unwrap()
        .container_statuses
        .as_ref()
        .unwrap()[0]
        .clone()
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|s| s.phase.as_deref())
        .unwrap_or_default()
}

fn simple(name: &str, policy: &str, args: &[&str]) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"restartPolicy": policy, "containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "args": args}]},
    })
}

/// Everything that a pod may have, in one.
fn rich() -> Value {
    json!({
        "metadata": {"name": "rich", "labels": {"app": "rich"}},
        "spec": {
            "terminationGracePeriodSeconds": 20,
            "hostname": "rich-host",
            "initContainers": [
                {"name": "first", "image": IMAGE, "args": ["write", "/work/note", "from init"], "volumeMounts": [{"name": "work", "mountPath": "/work"}]},
                {"name": "side", "image": IMAGE, "args": ["serve", "9090"], "restartPolicy": "Always"},
            ],
            "containers": [{
                "name": "main", "image": IMAGE, "args": ["serve", "$(PORT)"],
                "env": [
                    {"name": "PORT", "value": "8080"},
                    {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
                    {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}},
                    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                    {"name": "JOINED", "value": "$(NAME)-$(PORT)"},
                ],
                "ports": [{"name": "http", "containerPort": 8080, "hostPort": 18080}],
                "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
                "livenessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2},
                "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                "volumeMounts": [
                    {"name": "work", "mountPath": "/work"},
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "hidden", "mountPath": "/hidden"},
                    {"name": "all", "mountPath": "/all"},
                    {"name": "settings", "mountPath": "/one", "subPath": "color"},
                ],
            }],
            "volumes": [
                {"name": "work", "emptyDir": {}},
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "hidden", "secret": {"secretName": "hidden", "defaultMode": 256}},
                {"name": "all", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                    {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                ]}},
            ],
        },
    })
}

async fn pods(machine: std::sync::Arc<Machine>, cluster: Cluster) {
    let since = Instant::now();
    cluster.config_maps.lock().insert(
        "settings".into(),
        [("color".to_owned(), "green".to_owned())].into(),
    );
    cluster.secrets.lock().insert(
        "hidden".into(),
        [("word".to_owned(), "needle-in-secret".to_owned())].into(),
    );

    let running = machine.agent(&cluster);
    node_is_registered(&cluster).await;
    step(since, "the node is registered and ready");

    cluster.create(rich());
    cluster.create(simple("once", "Never", &["exit", "0"]));
    cluster.create(simple("broken", "Always", &["exit", "3"]));
    cluster.create(
        json!({"metadata": {"name": "nowhere"}, "spec": {"containers": [
        {"name": "main", "image": "localhost/daas-test/absent:1", "imagePullPolicy": "Never"}]}}),
    );

    let ready = until("rich is Ready", 40, || {
        cluster.pod("rich").filter(|p| condition(p, "Ready"))
    })
    .await;
    step(since, "a pod with everything is Ready");
    status_is_complete(&ready);
    what_the_container_sees(&running.agent, &ready).await;
    step(
        since,
        "environment, volumes, network, exec and logs are right",
    );

    let once = until("once has succeeded", 20, || {
        cluster.pod("once").filter(|p| phase(p) == "Succeeded")
    })
    .await;
    let ended = container(&once).state.unwrap().terminated.unwrap();
    assert_eq!(
        (
            ended.exit_code,
            ended.message.as_deref(),
            ended.reason.as_deref()
        ),
        (0, Some("last words"), Some("Completed"))
    );
    let broken = until("broken backs off", 20, || {
        cluster.pod("broken").filter(|p| {
            let status = p
                .status
                .as_ref()
                .and_then(|s| s.container_statuses.as_ref())
                .is_some()
                .then(|| container(p));
            status.is_some_and(|s| {
                s.restart_count >= 1
                    && s.state.is_some_and(|s| {
                        s.waiting
                            .is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff"))
                    })
            })
        })
    })
    .await;
    assert_eq!(
        container(&broken)
            .last_state
            .unwrap()
            .terminated
            .unwrap()
            .exit_code,
        3
    );
    assert_eq!(phase(&broken), "Running");
    let (_, previous) = get(
        &running.agent.node_api(),
        "/containerLogs/default/broken/main?previous=true",
    )
    .await;
    assert_eq!(previous, "about to exit\n");
    let nowhere = until("nowhere waits", 10, || {
        cluster.pod("nowhere").filter(|p| {
            p.status
                .as_ref()
                .is_some_and(|s| s.container_statuses.is_some())
                && container(p)
                    .state
                    .unwrap()
                    .waiting
                    .unwrap()
                    .reason
                    .as_deref()
                    == Some("ErrImageNeverPull")
        })
    })
    .await;
    assert_eq!(phase(&nowhere), "Pending");
    step(since, "exits, back-off and missing images are told");

    // Attach: what goes in comes out, and the end of the input is the end of the container.
    let mut attached = simple("attached", "Never", &["cat"]);
    attached["spec"]["containers"][0]["stdin"] = json!(true);
    attached["spec"]["containers"][0]["stdinOnce"] = json!(true);
    cluster.create(attached);
    let mut hungry = simple("hungry", "Never", &["eat"]);
    hungry["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "32Mi"}});
    cluster.create(hungry);
    until("attached runs", 20, || {
        cluster.pod("attached").filter(|p| condition(p, "Ready"))
    })
    .await;
    let path = "/attach/default/attached/main?input=1&output=1&error=1";
    let seen = client::remote(&running.agent.node_api(), path, Some(b"through attach\n")).await;
    assert_eq!(seen.stdout, "through attach\n<end of input>\n");
    until("attached is over", 20, || {
        cluster.pod("attached").filter(|p| phase(p) == "Succeeded")
    })
    .await;
    let hungry = until("hungry is killed", 30, || {
        cluster.pod("hungry").filter(|p| phase(p) == "Failed")
    })
    .await;
    let ended = container(&hungry).state.unwrap().terminated.unwrap();
    assert_eq!(
        (ended.exit_code, ended.reason.as_deref()),
        (137, Some("OOMKilled"))
    );
    step(since, "attach works, and a memory limit holds");

    config_changes_arrive(&machine, &cluster).await;
    step(since, "a changed ConfigMap reaches the volume");

    liveness_restarts(&running.agent, &cluster).await;
    step(since, "a failed liveness probe restarts the container");

    // Nobody answers while the agent is replaced: the pod goes on, and is adopted.
    let before = cluster.pod("rich").unwrap();
    cluster
        .down
        .store(true, std::sync::atomic::Ordering::Relaxed);
    running.stop().await;
    let running = machine.agent(&cluster);
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster
        .down
        .store(false, std::sync::atomic::Ordering::Relaxed);
    until("the pod is known again", 20, || {
        (running.agent.health().pods == 6).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = cluster.pod("rich").unwrap();
    assert_eq!(
        container(&before).container_id,
        container(&after).container_id
    );
    assert!(condition(&after, "Ready"));
    assert_eq!(
        exec(
            &running.agent.node_api(),
            "rich",
            "main",
            &["/program", "env", "NAME"],
            None,
            false
        )
        .await
        .stdout,
        "rich\n"
    );
    step(since, "a new agent adopts what runs");

    graceful_end(&running.agent, &machine, &cluster).await;
    step(since, "a deleted pod ends gracefully and leaves nothing");

    cluster.create(simple("drained", "Always", &["serve", "8081"]));
    until("drained runs", 20, || {
        cluster.pod("drained").filter(|p| condition(p, "Ready"))
    })
    .await;
    let mut namespaces = machine::network_namespaces(&machine).await;
    assert!(namespaces.len() >= 2, "{namespaces:?}");
    running.agent.drain(Duration::from_secs(10)).await.unwrap();
    let drained = cluster.pod("drained").unwrap();
    assert_eq!(
        (
            phase(&drained),
            drained.status.as_ref().unwrap().reason.as_deref()
        ),
        ("Failed", Some("Terminated"))
    );
    step(since, "drain ends the pods and says so");

    running.stop().await;

    // With pods that run, and an API server that refuses.
    let running = machine.agent(&cluster);
    cluster.create(simple("refused", "Always", &["serve", "8082"]));
    cluster.create(simple("stubborn", "Always", &["pause"]));
    for name in ["refused", "stubborn"] {
        until("it runs", 20, || {
            cluster.pod(name).filter(|p| condition(p, "Ready"))
        })
        .await;
    }
    namespaces.extend(machine::network_namespaces(&machine).await);
    cluster
        .down
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let started = Instant::now();
    running.agent.drain(Duration::from_secs(10)).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "drain does not wait for an API server that is away"
    );
    step(since, "drain works without the API server");
    cluster
        .down
        .store(false, std::sync::atomic::Ordering::Relaxed);
    running.stop().await;
    let running = machine.agent(&cluster);
    until("they run again", 20, || {
        (running.agent.health().running_containers >= 2).then_some(())
    })
    .await;
    namespaces.extend(machine::network_namespaces(&machine).await);
    running.stop_all().await;
    let left = traces(&machine, &namespaces);
    assert!(left.is_empty(), "left behind: {left:#?}");
    step(since, "nothing is left");
}

async fn node_is_registered(cluster: &Cluster) {
    until("the node is there", 10, || cluster.node.lock().clone()).await;
    let ready = |cluster: &Cluster| {
        let node = cluster.node.lock().clone()?;
        let list = node["status"]["conditions"].as_array()?.clone();
        list.into_iter().find(|c| c["type"] == "Ready")
    };
    assert_eq!(
        ready(cluster).unwrap()["status"],
        "False",
        "without a pod CIDR it is not ready"
    );
    cluster.give_pod_cidr("10.213.7.0/24");
    until("the node is ready", 30, || {
        ready(cluster).filter(|c| c["status"] == "True")
    })
    .await;
    let node = cluster.node.lock().clone().unwrap();
    assert_eq!(
        node["metadata"]["labels"]["kubernetes.io/hostname"],
        "node-a"
    );
    assert_eq!(node["metadata"]["labels"]["daas.io/test"], "yes");
    assert!(
        node["status"]["nodeInfo"]["containerRuntimeVersion"]
            .as_str()
            .unwrap()
            .starts_with("containerd://")
    );
    assert!(
        node["status"]["capacity"]["memory"]
            .as_str()
            .unwrap()
            .ends_with("Ki")
    );
    assert!(
        cluster
            .lease
            .lock()
            .as_ref()
            .unwrap()
            .spec
            .as_ref()
            .unwrap()
            .renew_time
            .is_some()
    );
}

fn status_is_complete(pod: &Pod) {
    let status = pod.status.as_ref().unwrap();
    for kind in [
        "PodReadyToStartContainers",
        "Initialized",
        "ContainersReady",
        "PodScheduled",
    ] {
        assert!(condition(pod, kind), "{kind}");
    }
    assert_eq!(
        (status.phase.as_deref(), status.qos_class.as_deref()),
        (Some("Running"), Some("Burstable"))
    );
    assert!(status.pod_ip.as_ref().unwrap().starts_with("10.213.7."));
    assert_eq!(status.host_ip.as_deref(), Some("127.0.0.1"));
    assert!(status.start_time.is_some());
    let main = container(pod);
    assert!(main.ready && main.started == Some(true) && main.restart_count == 0);
    assert!(main.container_id.unwrap().starts_with("containerd://") && !main.image_id.is_empty());
    let init = status.init_container_statuses.as_ref().unwrap();
    assert_eq!(
        init[0]
            .state
            .as_ref()
            .unwrap()
            .terminated
            .as_ref()
            .unwrap()
            .exit_code,
        0
    );
    assert!(init[1].state.as_ref().unwrap().running.is_some());
}

async fn what_the_container_sees(agent: &agent::native::NativeAgent, pod: &Pod) {
    let api = agent.node_api();
    let ip = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    for (name, value) in [
        ("FROM_MAP", "green"),
        ("FROM_SECRET", "needle-in-secret"),
        ("IP", &ip),
        ("LIMIT", "64"),
        ("JOINED", "rich-8080"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ] {
        let seen = exec(
            &api,
            "rich",
            "main",
            &["/program", "env", name],
            None,
            false,
        )
        .await;
        assert_eq!(seen.stdout, format!("{value}\n"), "{name}: {seen:?}");
    }
    for (path, text) in [
        ("/work/note", "from init"),
        ("/settings/color", "green"),
        ("/one", "green"),
        ("/hidden/word", "needle-in-secret"),
        ("/all/token", "token of default for rich"),
        ("/all/labels", "app=\"rich\""),
    ] {
        let seen = exec(
            &api,
            "rich",
            "main",
            &["/program", "read", path],
            None,
            false,
        )
        .await;
        assert_eq!(seen.stdout, format!("{text}\n"), "{path}: {seen:?}");
    }
    let hosts = exec(
        &api,
        "rich",
        "main",
        &["/program", "read", "/etc/hosts"],
        None,
        false,
    )
    .await
    .stdout;
    assert!(hosts.contains(&format!("{ip}\trich-host")), "{hosts}");

    // Input that ends, exit codes, errors, terminals.
    let big = "x".repeat(300_000);
    let cat = exec(
        &api,
        "rich",
        "main",
        &["/program", "cat"],
        Some(big.as_bytes()),
        false,
    )
    .await;
    assert_eq!(cat.stdout.len(), big.len() + "<end of input>\n".len());
    assert_eq!(cat.status["status"], "Success");
    let failed = exec(
        &api,
        "rich",
        "main",
        &["/program", "fail", "oh no", "7"],
        None,
        false,
    )
    .await;
    assert_eq!(failed.stderr, "oh no\n");
    assert_eq!(
        (&failed.status["status"], &failed.status["reason"]),
        (&json!("Failure"), &json!("NonZeroExitCode"))
    );
    assert_eq!(
        failed.status["details"]["causes"][0],
        json!({"reason": "ExitCode", "message": "7"})
    );
    let terminal = exec(&api, "rich", "main", &["/program", "terminal"], None, true).await;
    assert!(terminal.stdout.contains("terminal: true"), "{terminal:?}");
    let absent = get(&api, "/containerLogs/default/none/main").await;
    assert_eq!(
        (absent.0.as_u16(), absent.1.as_str()),
        (404, "pod does not exist")
    );

    // The pod's own address, and the host's port.
    for target in [format!("{ip}:8080"), "127.0.0.1:18080".to_owned()] {
        let answer = fetch(&target).await;
        assert!(answer.ends_with("rich-host"), "{target}: {answer}");
    }
    let logs = get(&api, "/containerLogs/default/rich/main?tailLines=1")
        .await
        .1;
    assert_eq!(logs, "serving on 8080\n");
    port_forward(&api).await;
}

async fn fetch(target: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let connect = tokio::time::timeout(
        Duration::from_secs(5),
        tokio::net::TcpStream::connect(target),
    )
    .await;
    let mut stream = connect
        .unwrap_or_else(|_| panic!("{target}: no connection"))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// SPDY in a WebSocket: the streams of a forwarded port, framed by hand.
async fn port_forward(api: &agent::node_api::NodeApi) {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let mut socket = client::socket(
        api,
        "/portForward/default/rich",
        "SPDY/3.1+portforward.k8s.io",
    )
    .await;
    let open = |id: u32, kind: &str, first: bool| {
        let headers = [("streamtype", kind), ("port", "8080"), ("requestid", "0")];
        let mut block = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(n, v)| [*n, *v]) {
            block.extend((text.len() as u32).to_be_bytes());
            block.extend(text.as_bytes());
        }
        let mut payload = id.to_be_bytes().to_vec();
        payload.extend([0; 6]);
        if first {
            payload.extend([0x78, 0x01]);
        }
        payload.push(0);
        payload.extend((block.len() as u16).to_le_bytes());
        payload.extend((!(block.len() as u16)).to_le_bytes());
        payload.extend(&block);
        payload.extend([0, 0, 0, 0xff, 0xff]);
        let mut frame = vec![0x80, 3, 0, 1];
        frame.extend((payload.len() as u32).to_be_bytes());
        frame.extend(payload);
        frame
    };
    socket
        .send(Message::binary(open(1, "error", true)))
        .await
        .unwrap();
    socket
        .send(Message::binary(open(3, "data", false)))
        .await
        .unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n";
    let mut frame = vec![0, 0, 0, 3, 0, 0, 0, request.len() as u8];
    frame.extend(request);
    socket.send(Message::binary(frame)).await.unwrap();
    let mut seen = Vec::new();
    let answer = async {
        while let Some(Ok(message)) = socket.next().await {
            seen.extend_from_slice(&message.into_data());
            if String::from_utf8_lossy(&seen).contains("rich-host") {
                return true;
            }
        }
        false
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(5), answer)
            .await
            .unwrap_or(false),
        "port-forward: {}",
        String::from_utf8_lossy(&seen)
    );
}

/// The kubelet looks once a minute; a change of the pod is looked at at once.
async fn config_changes_arrive(machine: &Machine, cluster: &Cluster) {
    cluster.config_maps.lock().insert(
        "settings".into(),
        [("color".to_owned(), "blue".to_owned())].into(),
    );
    cluster.annotate("rich", "touched", "yes");
    let file = machine
        .agent_dir()
        .join("pods/uid-rich/volumes/config-map/settings/color");
    until("the file changes", 10, || {
        std::fs::read_to_string(&file).ok().filter(|t| t == "blue")
    })
    .await;
    // What is secret lies on tmpfs alone.
    let secret = machine
        .agent_dir()
        .join("pods/uid-rich/volumes/secret/hidden");
    assert_eq!(
        nix::sys::statfs::statfs(&secret).unwrap().filesystem_type(),
        nix::sys::statfs::TMPFS_MAGIC
    );
}

async fn liveness_restarts(agent: &agent::native::NativeAgent, cluster: &Cluster) {
    let api = agent.node_api();
    let before = container(&cluster.pod("rich").unwrap()).container_id;
    exec(
        &api,
        "rich",
        "main",
        &["/program", "write", "/tmp/sick", "1"],
        None,
        false,
    )
    .await;
    let pod = until("the container is restarted", 30, || {
        cluster
            .pod("rich")
            .filter(|p| container(p).restart_count == 1 && condition(p, "Ready"))
    })
    .await;
    assert_ne!(container(&pod).container_id, before);
    assert!(container(&pod).last_state.unwrap().terminated.is_some());
    let reasons = cluster.reasons("rich");
    for expected in ["Pulled", "Created", "Started", "Unhealthy", "Killing"] {
        assert!(
            reasons.iter().any(|r| r == expected),
            "{expected} in {reasons:?}"
        );
    }
}

async fn graceful_end(agent: &agent::native::NativeAgent, machine: &Machine, cluster: &Cluster) {
    let api = agent.node_api();
    let follow = tokio::spawn(async move {
        get(
            &api,
            "/containerLogs/default/rich/main?follow=true&tailLines=0",
        )
        .await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.delete("rich", 20);
    let started = Instant::now();
    until("rich is gone", 15, || {
        cluster.pod("rich").is_none().then_some(())
    })
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "it ends by itself, not by force"
    );
    let (_, log) = tokio::time::timeout(Duration::from_secs(10), follow)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(log, "got SIGTERM\ngoodbye\n");
    assert!(!machine.agent_dir().join("pods/uid-rich").exists());
    let left = traces(machine, &[]);
    assert!(
        !left
            .iter()
            .any(|l| l.starts_with("mount") && l.contains("uid-rich")),
        "{left:?}"
    );
}
