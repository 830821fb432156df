//! The worker of one pod: a task that brings the runtime to what is wanted and reports it.
//!
//! It is woken by a change of the pod, by an event of the runtime, by a probe's verdict, by the
//! end of a pause, and once a minute in any case. It is the only one that touches its pod.
// upstream: pkg/kubelet/pod_workers.go, pkg/kubelet/kubelet.go#SyncPod

mod containers;
mod kill;
mod probes;
mod report;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::actions;
use super::backoff::Backoff;
use super::env::Facts;
use super::observe::{Observed, RunState, observe};
use super::probe::{Board, Kind};
use super::pull::StartError;
use super::sandbox_config;
use super::spec::PodExt;
use crate::cri::v1::{PodSandboxConfig, RunPodSandboxRequest};
use crate::native::Node;
use crate::volume::Volumes;

/// What is wanted of a pod.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) pod: Arc<Pod>,
    /// It is no longer in the API.
    pub(crate) gone: bool,
    /// It is to end though the API still wants it: at most so many seconds.
    pub(crate) evict: Option<i64>,
}

impl Desired {
    /// Seconds left to it, when it is to end.
    fn ending(&self) -> Option<i64> {
        let own = (self.gone || self.pod.deletion().is_some()).then(|| self.pod.grace_seconds());
        match (own, self.evict) {
            (Some(own), Some(evict)) => Some(own.min(evict)),
            (None, Some(evict)) => Some(self.pod.grace_seconds().min(evict)),
            (own, None) => own,
        }
    }
}

/// What others may do with a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerHandle {
    pub(crate) desired: watch::Sender<Desired>,
    pub(crate) changed: Arc<Notify>,
    /// Containers that the runtime says have ended, until the worker has seen it.
    pub(crate) exited: Arc<Mutex<HashSet<String>>>,
}

/// What follows a round.
enum Next {
    /// Another round, at the latest after this time.
    After(Duration),
    /// The pod is over and nothing of it is left.
    Done,
}

/// Everything is looked at once a minute.
// upstream: syncFrequency 1m
const RESYNC: Duration = Duration::from_secs(60);

pub(crate) struct Worker {
    node: Arc<Node>,
    uid: String,
    desired: watch::Receiver<Desired>,
    changed: Arc<Notify>,
    exited: Arc<Mutex<HashSet<String>>>,
    volumes: Volumes,
    backoff: Backoff,
    board: Board,
    probes: HashMap<(String, Kind), tokio_util::task::AbortOnDropHandle<()>>,
    /// Why containers don't start.
    reasons: HashMap<String, (String, String)>,
    /// The status that the API has, as far as this worker wrote it.
    acknowledged: Option<PodStatus>,
    adopted: bool,
    failures: u32,
    report_failed: bool,
    /// The pod failed for good, with reason and message.
    failed: Option<(String, String)>,
    /// The earliest time at which something is due.
    due: Option<Duration>,
}

impl Worker {
    /// A worker and the handle to it.
    pub(crate) fn new(node: Arc<Node>, pod: Arc<Pod>) -> (Self, WorkerHandle) {
        let uid = pod.uid().to_owned();
        let (sender, desired) = watch::channel(Desired {
            pod,
            gone: false,
            evict: None,
        });
        let handle = WorkerHandle {
            desired: sender,
            changed: Arc::default(),
            exited: Arc::default(),
        };
        let worker = Self {
            node,
            uid,
            desired,
            changed: handle.changed.clone(),
            exited: handle.exited.clone(),
            volumes: Volumes::default(),
            backoff: Backoff::default(),
            board: Board::default(),
            probes: HashMap::new(),
            reasons: HashMap::new(),
            acknowledged: None,
            adopted: false,
            failures: 0,
            report_failed: false,
            failed: None,
            due: None,
        };
        (worker, handle)
    }

    /// Runs until the pod is over, or until `stop`: then the pod is left as it is.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = self.round() => next,
            };
            let wait = match next {
                Next::Done => return,
                Next::After(wait) => wait,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                changed = self.desired.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn round(&mut self) -> Next {
        let desired = self.desired.borrow_and_update().clone();
        if let Some(grace) = desired.ending() {
            return self.end(&desired, grace).await;
        }
        // The end of a pod does not wait for a pull or a start.
        let mut watcher = self.desired.clone();
        let ending = async move {
            loop {
                if watcher.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if watcher.borrow_and_update().ending().is_some() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = ending => Next::After(Duration::ZERO),
            next = self.sync(desired.pod) => next,
        }
    }

    /// Something is to be looked at after this time.
    fn due_in(&mut self, after: Duration) {
        self.due = Some(self.due.map_or(after, |due| due.min(after)));
    }

    fn pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(500)
            .saturating_mul(1 << self.failures.min(5))
            .min(Duration::from_secs(10))
    }

    async fn sync(&mut self, pod: Arc<Pod>) -> Next {
        self.due = None;
        let outcome = self.steps(&pod).await;
        let mut wait = match outcome {
            Ok(()) => {
                self.failures = 0;
                let spread = rand::random_range(0..10_000);
                RESYNC + Duration::from_millis(spread)
            }
            Err(error) => {
                tracing::warn!(pod = pod.full_name(), %error, "pod not brought to what is wanted; trying again");
                self.pause()
            }
        };
        if let Some(due) = self.due {
            wait = wait.min(due);
        }
        if self.report_failed {
            wait = wait.min(Duration::from_secs(2));
        }
        Next::After(wait)
    }

    /// Reads the runtime's state; what events announced is waited for.
    async fn observe(&self) -> Result<Observed, crate::cri::CriError> {
        let mut pause = Duration::from_millis(10);
        loop {
            let announced: HashSet<String> = self.exited.lock().clone();
            let observed = observe(&self.node.cri, self.node.network.name(), &self.uid).await?;
            let late = observed.running().any(|c| announced.contains(&c.id))
                || observed
                    .sandboxes
                    .iter()
                    .any(|s| s.ready && announced.contains(&s.id));
            if !late || pause > Duration::from_secs(1) {
                self.exited.lock().retain(|id| !announced.contains(id));
                self.node.known_containers(&self.uid, &observed);
                return Ok(observed);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn steps(
        &mut self,
        pod: &Arc<Pod>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let observed = self.observe().await?;
        if !self.adopted {
            self.adopted = true;
            self.adopt(pod, &observed);
        }
        if pod.is_terminal() || self.failed.is_some() {
            self.stop_probes();
            if observed.running().next().is_some() || observed.sandboxes.iter().any(|s| s.ready) {
                self.kill(pod, &observed, pod.grace_seconds(), None).await;
            }
            if self.failed.is_some() {
                let observed = self.observe().await?;
                self.report(pod, &observed, true).await;
            }
            return Ok(());
        }
        if let Some((reason, message)) = self.past_deadline(pod) {
            self.node
                .recorder
                .pod_warning(pod, &reason, message.clone());
            self.failed = Some((reason, message));
            return Box::pin(self.steps(pod)).await;
        }
        self.probe(pod, &observed);
        self.report(pod, &observed, false).await;
        let verdict = self.verdicts(pod);
        let actions = actions::compute(pod, &observed, &verdict);
        let facts = self.facts(pod, &observed);
        if !actions.kill_pod || actions.create_sandbox.is_some() {
            self.prepare(pod, &facts).await?;
        }
        if actions.kill_pod {
            self.kill(pod, &observed, pod.grace_seconds(), None).await;
        }
        futures::future::join_all(actions.kill.iter().filter_map(|kill| {
            let container = observed.containers.iter().find(|c| c.id == kill.id)?;
            Some(self.kill_container(pod, container, Some(kill), pod.grace_seconds()))
        }))
        .await;
        let config;
        let sandbox;
        if let Some(attempt) = actions.create_sandbox {
            config = sandbox_config::generate(pod, attempt, &self.node);
            sandbox = self.create_sandbox(pod, &config).await?;
        } else if let Some(newest) = observed.sandboxes.first() {
            config = sandbox_config::generate(pod, newest.attempt, &self.node);
            sandbox = newest.id.clone();
        } else {
            return Ok(());
        }
        if !actions.start_init.is_empty() || !actions.start.is_empty() {
            let observed = self.observe().await?;
            let facts = self.facts(pod, &observed);
            self.write_hosts(pod, &facts)?;
            for name in actions.start_init.iter().chain(&actions.start) {
                let Some(container) = pod.container(name) else {
                    continue;
                };
                if let Err(error) = self
                    .start(pod, container, &sandbox, &config, &observed, &facts)
                    .await
                {
                    self.not_started(name, error);
                } else {
                    self.reasons.remove(name);
                }
            }
        }
        let observed = self.observe().await?;
        self.probe(pod, &observed);
        self.report(pod, &observed, false).await;
        self.collect(pod, &observed).await;
        // What was started may be over before anything was watching for it.
        let verdict = self.verdicts(pod);
        let more = actions::compute(pod, &observed, &verdict);
        let waits = |name: &String| self.reasons.contains_key(name);
        let idle = more.kill.is_empty()
            && more.create_sandbox.is_none()
            && more.start.iter().chain(&more.start_init).all(waits);
        let finished = more.kill_pod && observed.sandboxes.iter().all(|s| !s.ready);
        if !idle || (more.kill_pod && !finished) {
            self.due_in(Duration::from_millis(20));
        }
        Ok(())
    }

    fn not_started(&mut self, name: &str, error: StartError) {
        let wait = error.retry.unwrap_or(Duration::from_secs(10));
        self.due_in(wait.max(Duration::from_millis(100)));
        self.reasons
            .insert(name.to_owned(), (error.reason.to_owned(), error.message));
    }

    // upstream: pkg/kubelet/active_deadline.go
    fn past_deadline(&mut self, pod: &Pod) -> Option<(String, String)> {
        let limit = pod.spec.as_ref()?.active_deadline_seconds?;
        let started = self.status_of(pod).start_time?;
        let left = limit - Timestamp::now().duration_since(started.0).as_secs();
        if left > 0 {
            self.due_in(Duration::from_secs(left.unsigned_abs()));
            return None;
        }
        Some((
            "DeadlineExceeded".to_owned(),
            "Pod was active on the node longer than the specified deadline".to_owned(),
        ))
    }

    /// Directories and volumes, before anything runs.
    async fn prepare(
        &mut self,
        pod: &Pod,
        facts: &Facts,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let dir = self.node.pod_dir(&self.uid);
        let logs = self.node.log_dir(pod);
        for dir in [&dir, &logs] {
            std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        if !self.node.network.is_configured() && !pod.host_network() {
            let message = "network is not ready: container runtime network not ready: the node has no pod CIDR yet".to_owned();
            self.node
                .recorder
                .pod_warning(pod, "NetworkNotReady", message.clone());
            return Err(message.into());
        }
        if let Err((volume, error)) = self
            .volumes
            .sync(&dir, self.node.api.as_ref(), pod, facts)
            .await
        {
            let message = format!("MountVolume.SetUp failed for volume {volume:?} : {error}");
            self.node
                .recorder
                .pod_warning(pod, "FailedMount", message.clone());
            return Err(message.into());
        }
        Ok(())
    }

    fn facts(&self, pod: &Pod, observed: &Observed) -> Facts {
        let host_ips = self.node.host_ips();
        let pod_ips = if pod.host_network() {
            host_ips.clone()
        } else {
            observed.ips().to_vec()
        };
        Facts {
            host_ips,
            pod_ips,
            cpu_milli: self.node.capacity.cpu_milli,
            memory: self.node.capacity.memory,
            ephemeral: self.node.capacity.ephemeral,
        }
    }

    async fn create_sandbox(
        &mut self,
        pod: &Pod,
        config: &PodSandboxConfig,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
            runtime_handler: String::new(),
        };
        match self.node.cri.run_pod_sandbox(request).await {
            Ok(answer) => Ok(answer.pod_sandbox_id),
            Err(error) => {
                let message = format!("Failed to create pod sandbox: {error}");
                self.node
                    .recorder
                    .pod_warning(pod, "FailedCreatePodSandBox", message.clone());
                Err(message.into())
            }
        }
    }

    /// Removes dead containers beyond the last of each name, and sandboxes that hold none.
    // upstream: pkg/kubelet/kuberuntime/kuberuntime_gc.go, MaxPerPodContainer 1
    async fn collect(&self, pod: &Pod, observed: &Observed) {
        let mut left: Vec<&str> = Vec::new();
        for container in pod.all_containers() {
            for (index, old) in observed
                .containers
                .iter()
                .filter(|c| c.name == container.name)
                .enumerate()
            {
                if index < 2 || old.state == RunState::Running {
                    left.push(&old.sandbox);
                    continue;
                }
                if let Err(error) = self.remove_container(&old.id).await {
                    tracing::debug!(container = old.id, %error, "dead container not removed");
                    left.push(&old.sandbox);
                }
            }
        }
        for sandbox in observed
            .sandboxes
            .iter()
            .skip(1)
            .filter(|s| !s.ready && !left.contains(&s.id.as_str()))
        {
            if let Err(error) = self.remove_sandbox(&sandbox.id).await {
                tracing::debug!(sandbox = sandbox.id, %error, "dead sandbox not removed");
            }
        }
    }
}
