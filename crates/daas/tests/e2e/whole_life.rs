//! From the first `up` to the last `down`.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::system::{System, Traces, text, within};

const KUBECTL_NEW: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/clients/kubectl-1.37"
);

fn items(list: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(list).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn ready_pods(system: &System, selector: &str) -> usize {
    let pods = system.kubectl(&["get", "pods", "-l", selector, "-o", "json"]);
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned();
        conditions
            .unwrap_or_default()
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    items(&pods).iter().filter(|pod| ready(pod)).count()
}

#[test]
fn up_workloads_crashes_unstaking_down() {
    let system = System::new("life");
    let before = Traces::of(system.path());

    let up = system.up(&[]);
    assert!(up.status.success(), "{}", text(&up));
    let said = text(&up);
    assert!(said.contains("Hello from pod hello-"), "{said}");
    assert!(said.contains("simulated"), "the TEE is named: {said}");
    assert!(said.contains("Try next"), "{said}");
    let status = system.daas(&["status"], &[]);
    assert!(status.status.success(), "{}", text(&status));
    secrets_are_private(&system);
    crate::trust::check(&system);

    workloads(&system);
    let stakes = system.json(&["stake"]);
    let pod = |system: &System| {
        let pods = system.kubectl(&["get", "pods", "-l", "app=hello", "-o", "json"]);
        let mut names: Vec<_> = items(&pods)
            .iter()
            .map(|p| {
                (
                    p["metadata"]["name"].to_string(),
                    p["status"]["containerStatuses"][0]["containerID"].to_string(),
                )
            })
            .collect();
        names.sort();
        names
    };
    let pods = pod(&system);

    crashes(&system);
    assert_eq!(pod(&system), pods, "the same containers run on");

    let again = system.up(&[]);
    assert!(!again.status.success());
    assert!(text(&again).contains("already runs"), "{}", text(&again));

    // Down and up again: the same stake, the same objects, nothing paid twice.
    let down = system.daas(&["down"], &[]);
    assert!(down.status.success(), "{}", text(&down));
    assert_eq!(
        before.left(system.path()),
        Vec::<String>::new(),
        "nothing stays"
    );
    let up = system.up(&[]);
    assert!(up.status.success(), "{}", text(&up));
    assert_eq!(system.json(&["stake"]), stakes);
    system.kubectl(&["get", "configmap", "kept"]);

    the_supervisor_is_killed(&system);
    unstaking(&system);

    let down = system.daas(&["down"], &[]);
    assert!(down.status.success(), "{}", text(&down));
    assert_eq!(
        before.left(system.path()),
        Vec::<String>::new(),
        "nothing stays"
    );
}

/// Files that hold a secret are their owner's alone, and the control plane's directory holds
/// nothing that can be read.
fn secrets_are_private(system: &System) {
    use std::os::unix::fs::PermissionsExt;
    for file in [
        "kubeconfig",
        "operator/sui.keystore",
        "worker-0/sui.keystore",
        "worker-0/node.key",
        "simulated-tee/device.key",
    ] {
        let path = system.path().join(file);
        let mode = fs::metadata(&path)
            .unwrap_or_else(|e| panic!("{file}: {e}"))
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    system.kubectl(&[
        "create",
        "secret",
        "generic",
        "canary-secret",
        "--from-literal=key=canary-content-4711",
    ]);
    system.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]);
    for path in crate::trust::files(&system.path().join("server")) {
        let bytes = fs::read(&path).unwrap();
        let encoded = "Y2FuYXJ5LWNvbnRlbnQtNDcxMQ";
        for needle in [
            "canary",
            encoded,
            "hello",
            "kube-system",
            "BEGIN",
            "daas-client-ca",
            "worker-0",
        ] {
            let found = bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
            assert!(!found, "{needle:?} in {}", path.display());
        }
    }
}

/// What a user does, with an old and a new kubectl.
fn workloads(system: &System) {
    let nodes = system.kubectl(&["get", "nodes"]);
    assert!(
        nodes.contains("worker-0") && nodes.contains("Ready"),
        "{nodes}"
    );
    assert!(
        system
            .kubectl(&["get", "nodes,pods", "-A"])
            .contains("hello-")
    );
    let image = "--image=daas.local/sample:v1";
    system.kubectl(&["create", "deployment", "web", image, "--replicas=3"]);
    system.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(ready_pods(system, "app=web"), 3);
    let logs = system.kubectl(&["logs", "deployment/web"]);
    assert!(logs.contains("listens on"), "{logs}");
    let said = system.kubectl(&["exec", "deployment/web", "--", "/bin/daas", "--version"]);
    assert!(said.starts_with("daas "), "{said}");
    let described = system.kubectl(&["describe", "pods", "-l", "app=web"]);
    assert!(
        described.contains("Successfully assigned") && described.contains("Started"),
        "{described}"
    );
    system.kubectl(&["scale", "deployment/web", "--replicas=1"]);
    within(Duration::from_secs(60), "scaled down", || {
        let pods = system.kubectl(&["get", "pods", "-l", "app=web", "-o", "json"]);
        items(&pods).len() == 1
    });
    let manifest = system.path().join("web.yaml");
    fs::write(&manifest, WEB).unwrap();
    system.kubectl(&["apply", "-f", manifest.to_str().unwrap()]);
    system.kubectl(&[
        "wait",
        "--for=condition=Available",
        "deployment/applied",
        "--timeout=60s",
    ]);
    system.kubectl(&["delete", "deployment", "web", "applied", "--timeout=60s"]);
    within(Duration::from_secs(60), "their pods are gone", || {
        system
            .kubectl(&["get", "pods", "-l", "app in (web, applied)", "-o", "name"])
            .is_empty()
    });
    if std::path::Path::new(KUBECTL_NEW).exists() {
        let new = |args: &[&str]| system.kubectl_of(KUBECTL_NEW, args);
        assert!(new(&["version"]).contains("Server Version: v1.36"));
        new(&["create", "deployment", "newer", image, "--replicas=1"]);
        new(&["rollout", "status", "deployment/newer", "--timeout=60s"]);
        assert!(new(&["logs", "deployment/newer"]).contains("listens on"));
        let said = new(&["exec", "deployment/newer", "--", "/bin/daas", "--version"]);
        assert!(said.starts_with("daas "), "{said}");
        new(&["delete", "deployment", "newer", "--timeout=60s"]);
    } else {
        eprintln!("skipped: no kubectl 1.37 at {KUBECTL_NEW} (scripts/clients.sh fetches it)");
    }
}

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: applied
spec:
  replicas: 1
  selector: { matchLabels: { app: applied } }
  template:
    metadata: { labels: { app: applied } }
    spec:
      initContainers:
      - { name: first, image: "daas.local/sample:v1", command: ["/bin/daas", "--version"] }
      containers:
      - name: server
        image: daas.local/sample:v1
        env: [{ name: GREETING, valueFrom: { configMapKeyRef: { name: kept, key: a } } }]
        ports: [{ containerPort: 8080, name: http }]
        livenessProbe: { httpGet: { path: /healthz, port: http } }
        readinessProbe: { tcpSocket: { port: http } }
        volumeMounts: [{ name: config, mountPath: /config }]
      volumes:
      - { name: config, configMap: { name: kept } }
"#;

/// `kill -9` of each part: the supervisor starts it again, and nothing acknowledged is lost.
fn crashes(system: &System) {
    for part in ["server", "ledger", "worker-0"] {
        let pid = system.pid(part);
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        within(Duration::from_secs(60), part, || {
            let parts = system.json(&["status"]);
            let all = parts.as_array().unwrap();
            let back = all.iter().any(|p| {
                p["name"] == part
                    && p["state"] == "running"
                    && p["pid"] != pid
                    && p["restarts"] == 1
            });
            let kept = system.try_kubectl("kubectl", &["get", "configmap", "kept"]);
            back && kept.status.success()
        });
    }
    within(Duration::from_secs(60), "the node is Ready", || {
        let nodes = system.kubectl(&["get", "nodes", "--no-headers"]);
        nodes.contains(" Ready ")
    });
    // Logs come through the worker's new tunnel.
    within(Duration::from_secs(30), "logs", || {
        system
            .try_kubectl("kubectl", &["logs", "deployment/hello"])
            .status
            .success()
    });
}

/// The supervisor itself is killed: `up` ends what it left and resumes.
fn the_supervisor_is_killed(system: &System) {
    kill(Pid::from_raw(system.pid("supervisor")), Signal::SIGKILL).unwrap();
    let up = system.up(&[]);
    assert!(up.status.success(), "{}", text(&up));
    system.kubectl(&["get", "configmap", "kept"]);
}

/// Within seconds the node is out of scheduling and has no pods; its certificate is refused.
fn unstaking(system: &System) {
    let unstaked = system.daas(&["unstake"], &[]);
    assert!(unstaked.status.success(), "{}", text(&unstaked));
    let took = within(Duration::from_secs(5), "the node is withdrawn", || {
        let node = system.kubectl(&["get", "node", "worker-0", "-o", "json"]);
        let node: Value = serde_json::from_str(&node).unwrap();
        let pods = system.kubectl(&[
            "get",
            "pods",
            "-A",
            "--field-selector=spec.nodeName=worker-0",
            "-o",
            "name",
        ]);
        node["spec"]["unschedulable"] == true && pods.is_empty()
    });
    eprintln!("withdrawn {took:?} after the transaction");
    let pods = system.kubectl(&["get", "pods", "-l", "app=hello", "-o", "json"]);
    assert!(
        items(&pods).iter().all(|p| p["spec"]["nodeName"].is_null()),
        "nothing goes there"
    );
    within(
        Duration::from_secs(60),
        "nothing of the tenants is left",
        || {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let agent = system.path().join("worker-0");
            !mounts.contains(agent.to_str().unwrap())
        },
    );
}
