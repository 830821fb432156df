//! Real kubectl, the machine's 1.32 and 1.37 of scripts/clients.sh.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{Running, root, start};

/// The kubectl binaries there are.
pub(crate) fn binaries() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in [
        PathBuf::from("/usr/bin/kubectl"),
        root().join("target/clients/kubectl-1.37"),
    ] {
        if path.exists() {
            found.push(path);
        } else {
            eprintln!("skipped: {} is absent", path.display());
        }
    }
    found
}

pub(crate) struct Output {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) async fn run(
    binary: &Path,
    config: &Path,
    input: Option<&str>,
    arguments: &[&str],
) -> Output {
    let mut child = Command::new(binary)
        .arg("--kubeconfig")
        .arg(config)
        .arg("--cache-dir")
        .arg(config.with_extension("cache"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Some(input) = input {
        stdin.write_all(input.as_bytes()).await.unwrap();
    }
    drop(stdin);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    Output {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) struct Kubectl<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) config: PathBuf,
}

impl<'a> Kubectl<'a> {
    pub(crate) fn new(server: &Running, binary: &'a Path) -> Self {
        Self {
            binary,
            config: server.kubeconfig(&server.admin),
        }
    }

    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(None, arguments).await
    }

    pub(crate) async fn ok_with(&self, input: Option<&str>, arguments: &[&str]) -> String {
        let output = run(self.binary, &self.config, input, arguments).await;
        assert!(
            output.ok,
            "{} {arguments:?}: {}{}",
            self.binary.display(),
            output.out,
            output.err
        );
        output.out
    }

    pub(crate) async fn fails(&self, arguments: &[&str]) -> String {
        let output = run(self.binary, &self.config, None, arguments).await;
        assert!(!output.ok, "{arguments:?} succeeded: {}", output.out);
        output.err
    }
}

const DEPLOYMENT: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'web:1', ports: [{containerPort: 80}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_everyday_commands() {
    for binary in binaries() {
        let server = start().await;
        let k = Kubectl::new(&server, &binary);
        assert!(k.ok(&["version"]).await.contains("Server Version: v1.36"));
        assert!(k.ok(&["api-resources"]).await.contains("deployments"));
        assert!(
            k.ok(&["api-versions"])
                .await
                .contains("rbac.authorization.k8s.io/v1")
        );
        assert!(k.ok(&["auth", "whoami"]).await.contains("admin"));
        assert_eq!(
            k.ok(&["auth", "can-i", "delete", "nodes"]).await.trim(),
            "yes"
        );
        let namespaces = k.ok(&["get", "namespaces"]).await;
        assert!(
            namespaces.contains("NAME")
                && namespaces.contains("STATUS")
                && namespaces.contains("kube-system"),
            "{namespaces}"
        );

        k.ok(&["create", "namespace", "shop"]).await;
        k.ok(&[
            "-n",
            "shop",
            "create",
            "configmap",
            "settings",
            "--from-literal=a=1",
        ])
        .await;
        assert_eq!(
            k.ok(&[
                "-n",
                "shop",
                "get",
                "cm",
                "settings",
                "-o",
                "jsonpath={.data.a}"
            ])
            .await,
            "1"
        );
        assert!(
            k.ok(&["-n", "shop", "get", "cm", "settings", "-o", "yaml"])
                .await
                .contains("a: \"1\"")
        );

        assert!(
            k.ok_with(Some(DEPLOYMENT), &["-n", "shop", "apply", "-f", "-"])
                .await
                .contains("deployment.apps/web created")
        );
        assert!(
            k.ok_with(Some(DEPLOYMENT), &["-n", "shop", "apply", "-f", "-"])
                .await
                .contains("unchanged")
        );
        let changed = DEPLOYMENT.replace("web:1", "web:2");
        assert!(
            k.ok_with(Some(&changed), &["-n", "shop", "apply", "-f", "-"])
                .await
                .contains("configured")
        );
        let image = [
            "-n",
            "shop",
            "get",
            "deploy",
            "web",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}",
        ];
        assert_eq!(k.ok(&image).await, "web:2");
        k.ok(&["-n", "shop", "scale", "deploy/web", "--replicas=5"])
            .await;
        k.ok(&["-n", "shop", "set", "image", "deploy/web", "web=web:3"])
            .await;
        assert_eq!(k.ok(&image).await, "web:3");
        k.ok(&["-n", "shop", "label", "deploy/web", "tier=front"])
            .await;
        k.ok(&["-n", "shop", "annotate", "deploy/web", "note=x"])
            .await;
        assert!(
            k.ok(&["-n", "shop", "get", "deploy", "-l", "tier=front"])
                .await
                .contains("web")
        );
        k.ok(&[
            "-n",
            "shop",
            "patch",
            "deploy",
            "web",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/spec/replicas","value":1}]"#,
        ])
        .await;
        assert!(
            k.ok(&["-n", "shop", "describe", "deploy", "web"])
                .await
                .contains("web:3")
        );
        assert!(
            k.ok(&["-n", "shop", "describe", "cm", "settings"])
                .await
                .contains("Data")
        );

        let error = k.fails(&["-n", "shop", "get", "pod", "nope"]).await;
        assert!(
            error.contains(r#"Error from server (NotFound): pods "nope" not found"#),
            "{error}"
        );
        let error = k
            .fails(&["-n", "shop", "create", "configmap", "settings"])
            .await;
        assert!(
            error.contains(r#"configmaps "settings" already exists"#),
            "{error}"
        );

        assert!(
            k.ok(&["create", "token", "default"])
                .await
                .split('.')
                .count()
                == 3
        );
        k.ok(&["-n", "shop", "delete", "deploy", "web", "--wait=false"])
            .await;
        k.ok(&["-n", "shop", "delete", "cm", "settings"]).await;
        let error = k.fails(&["-n", "shop", "get", "cm", "settings"]).await;
        assert!(error.contains("NotFound"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_and_waits() {
    for binary in binaries() {
        let server = start().await;
        let k = Kubectl::new(&server, &binary);
        let watching = [
            "get",
            "configmaps",
            "-w",
            "--request-timeout=3s",
            "-o",
            "name",
        ];
        let (seen, ()) = tokio::join!(run(&binary, &k.config, None, &watching), async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            k.ok(&["create", "configmap", "first"]).await;
            k.ok(&["delete", "configmap", "first"]).await;
        });
        assert!(
            seen.out.contains("configmap/kube-root-ca.crt")
                && seen.out.matches("configmap/first").count() >= 2,
            "{}{}",
            seen.out,
            seen.err
        );
        k.ok(&["create", "configmap", "gone"]).await;
        let (waited, ()) = tokio::join!(
            k.ok(&["wait", "--for=delete", "configmap/gone", "--timeout=20s"]),
            async {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                k.ok(&["delete", "configmap", "gone"]).await;
            }
        );
        assert!(waited.contains("condition met"), "{waited}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_token_is_an_identity_until_its_account_is_gone() {
    for binary in binaries().into_iter().take(1) {
        let server = start().await;
        let k = Kubectl::new(&server, &binary);
        k.ok(&["create", "serviceaccount", "robot"]).await;
        k.ok(&[
            "create",
            "rolebinding",
            "robot",
            "--clusterrole=view",
            "--serviceaccount=default:robot",
        ])
        .await;
        let token = k.ok(&["create", "token", "robot"]).await.trim().to_owned();
        let config = server.kubeconfig_user("robot", serde_json::json!({"token": token}));
        let robot = Kubectl {
            binary: &binary,
            config,
        };
        assert!(
            robot
                .ok(&["auth", "whoami"])
                .await
                .contains("system:serviceaccount:default:robot")
        );
        robot.ok(&["get", "configmaps"]).await;
        let error = robot.fails(&["get", "secrets"]).await;
        assert!(
            error.contains(r#"secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "default""#),
            "{error}"
        );
        assert!(
            robot
                .ok(&["auth", "can-i", "--list"])
                .await
                .contains("configmaps")
        );
        k.ok(&["delete", "serviceaccount", "robot"]).await;
        let error = robot.fails(&["get", "configmaps"]).await;
        assert!(
            error.contains("Unauthorized") || error.contains("logged in"),
            "{error}"
        );
    }
}
