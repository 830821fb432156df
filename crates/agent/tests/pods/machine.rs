//! A containerd of the test's own, and an agent on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::containerd::ContainerdLayout;
use agent::cri::CriClient;
use agent::cri::v1::{ListPodSandboxRequest, PodSandboxStatusRequest};
use agent::image::{ImageFile, OciImage, import};
use agent::native::NativeAgent;
use agent::{AgentConfig, AgentError, NodeAgent};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;

pub const IMAGE: &str = "localhost/daas-test/program:1";

/// Removed when the test ends; a containerd that runs is ended by its id.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub layout: ContainerdLayout,
    containerd: Child,
}

pub async fn until<T>(what: &str, seconds: u64, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Machine {
    pub async fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("daas-agent")
            .tempdir()
            .unwrap();
        let at = dir.path().join("c");
        std::fs::create_dir(&at).unwrap();
        let layout = ContainerdLayout::under(&at, &dir.path().join("cni"), IMAGE);
        std::fs::create_dir(dir.path().join("cni")).unwrap();
        let config = at.join("config.toml");
        std::fs::write(&config, layout.config_toml()).unwrap();
        let log = std::fs::File::create(at.join("log")).unwrap();
        let containerd = Command::new("containerd")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let machine = Self {
            dir,
            layout,
            containerd,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while CriClient::connect(&machine.layout.socket).await.is_err() {
            assert!(
                Instant::now() < deadline,
                "containerd does not start: {}",
                machine.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        machine.load_image().await;
        machine
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("c/log")).unwrap_or_default()
    }

    /// For whoever has to find out why the test failed.
    pub fn dump(&self) {
        for line in self
            .log()
            .lines()
            .filter(|l| l.contains("level=error") || l.contains("level=fatal"))
        {
            eprintln!("{line}");
        }
    }

    /// One image for pause and pods alike: this executable.
    async fn load_image(&self) {
        let program = self.dir.path().join("program");
        let own = std::env::current_exe().unwrap();
        // Without its debugging information it is a quarter of the size; with it, it works as well.
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(&program)
            .arg(&own)
            .status()
            .is_ok_and(|s| s.success());
        let image = OciImage {
            reference: IMAGE.into(),
            files: vec![ImageFile {
                source: if stripped { program } else { own },
                path: "program".into(),
                mode: 0o755,
            }],
            entrypoint: vec!["/program".into()],
            cmd: vec!["pause".into()],
            ..OciImage::default()
        };
        let archive = self.dir.path().join("image.tar");
        image.write(&archive).unwrap();
        import(&self.layout.socket, &archive, IMAGE).await.unwrap();
    }

    pub fn agent_dir(&self) -> PathBuf {
        self.dir.path().join("agent")
    }

    pub fn agent(&self, cluster: &Cluster) -> RunningAgent {
        let mut config = AgentConfig::new(
            "node-a",
            self.agent_dir(),
            &self.layout.socket,
            "127.0.0.1".parse().unwrap(),
        );
        config.cni_conf_dir.clone_from(&self.layout.cni_conf_dir);
        config.pause_image = IMAGE.into();
        config.labels.insert("daas.io/test".into(), "yes".into());
        config.api_endpoint = Some(("10.0.0.1".into(), 6443));
        let agent = NativeAgent::new(config, Arc::new(cluster.clone())).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let (agent, shutdown) = (agent.clone(), shutdown.clone());
            async move { agent.run(shutdown).await }
        });
        RunningAgent {
            agent,
            shutdown: shutdown.drop_guard(),
            task,
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.containerd.id() as i32),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.containerd.wait();
    }
}

pub struct RunningAgent {
    pub agent: NativeAgent,
    /// Dropped, it ends the agent, so that a failed test's agent starts nothing more.
    shutdown: tokio_util::sync::DropGuard,
    task: JoinHandle<Result<(), AgentError>>,
}

impl RunningAgent {
    pub async fn stop(self) {
        drop(self.shutdown);
        self.task.await.unwrap().unwrap();
    }

    pub async fn stop_all(self) {
        self.agent.stop_all().await.unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// What an agent can leave behind: mounts, interfaces, network namespaces, rules, processes, cgroups.
/// Only its own: other agents may be at work on the same machine.
pub fn traces(machine: &Machine, namespaces: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let dir = machine.agent_dir().to_string_lossy().into_owned();
    let network = agent::network::PodNetwork::new(
        &machine.agent_dir(),
        &machine.layout.cni_conf_dir,
        &machine.layout.cni_bin_dir,
    );
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let runtime = machine.layout.state.to_string_lossy().into_owned();
    found.extend(
        mounts
            .lines()
            .filter(|l| l.contains(&dir) || l.contains(&runtime))
            .map(|l| format!("mount {l}")),
    );
    found.extend(
        names("/sys/class/net")
            .into_iter()
            .filter(|n| n == network.bridge())
            .map(|n| format!("interface {n}")),
    );
    found.extend(
        namespaces
            .iter()
            .filter(|n| Path::new(n).exists())
            .map(|n| format!("namespace {n}")),
    );
    for process in names("/proc")
        .into_iter()
        .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
    {
        let read =
            |file: &str| std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let (command, cgroup) = (read("cmdline"), read("cgroup"));
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let shim = command.contains("containerd-shim")
            && command.contains(&*machine.layout.socket.to_string_lossy());
        if shim || String::from_utf8_lossy(&cgroup).contains(network.name()) {
            found.push(format!("process {process} {command}"));
        }
    }
    if let Ok(rules) = Command::new("iptables-save").args(["-t", "nat"]).output() {
        found.extend(
            String::from_utf8_lossy(&rules.stdout)
                .lines()
                .filter(|l| l.contains(network.name()))
                .map(|l| format!("rule {l}")),
        );
    }
    for hierarchy in names("/sys/fs/cgroup") {
        let group = Path::new("/sys/fs/cgroup")
            .join(hierarchy)
            .join(network.name());
        if group.exists() {
            found.push(format!("cgroup {}", group.display()));
        }
    }
    found
}

/// The network namespaces of all sandboxes of this containerd.
pub async fn network_namespaces(machine: &Machine) -> Vec<String> {
    let client = CriClient::connect(&machine.layout.socket).await.unwrap();
    let mut found = Vec::new();
    for sandbox in client
        .list_pod_sandbox(ListPodSandboxRequest::default())
        .await
        .unwrap()
        .items
    {
        let request = PodSandboxStatusRequest {
            pod_sandbox_id: sandbox.id,
            verbose: true,
        };
        let info = client.pod_sandbox_status(request).await.unwrap().info;
        let info: serde_json::Value = serde_json::from_str(&info["info"]).unwrap();
        let list = info["runtimeSpec"]["linux"]["namespaces"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        found.extend(
            list.iter()
                .filter(|n| n["type"] == "network")
                .filter_map(|n| n["path"].as_str())
                .map(str::to_owned),
        );
    }
    found
}

fn names(dir: &str) -> Vec<String> {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}
