//! A containerd of the test's own, and an agent on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::containerd::ContainerdLayout;
use agent::cri::CriClient;
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
            shutdown,
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
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl RunningAgent {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub async fn stop_all(self) {
        self.agent.stop_all().await.unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// What of the machine could be left behind: mounts, interfaces, namespaces, rules, processes.
pub fn traces(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let dir = dir.to_string_lossy();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(
        mounts
            .lines()
            .filter(|l| l.contains(&*dir))
            .map(|l| format!("mount {l}")),
    );
    found.extend(
        names("/sys/class/net")
            .into_iter()
            .filter(|n| n.starts_with("daas") || n.starts_with("veth"))
            .map(|n| format!("interface {n}")),
    );
    found.extend(
        names("/var/run/netns")
            .into_iter()
            .filter(|n| n.starts_with("cni-"))
            .map(|n| format!("namespace {n}")),
    );
    for process in names("/proc")
        .into_iter()
        .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
    {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.starts_with("/program ")
            || (command.contains("containerd-shim") && command.contains(&*dir))
        {
            found.push(format!("process {process} {command}"));
        }
    }
    if let Ok(rules) = Command::new("iptables-save").args(["-t", "nat"]).output() {
        found.extend(
            String::from_utf8_lossy(&rules.stdout)
                .lines()
                .filter(|l| l.contains("daas-"))
                .map(|l| format!("rule {l}")),
        );
    }
    found.extend(
        names("/sys/fs/cgroup/memory")
            .into_iter()
            .filter(|n| n.starts_with("daas-"))
            .map(|n| format!("cgroup {n}")),
    );
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
