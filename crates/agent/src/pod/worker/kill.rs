//! Ending containers and pods.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#killContainer, #killContainersWithSyncResult,
// pkg/kubelet/kubelet.go#SyncTerminatingPod, #SyncTerminatedPod

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;

use super::{Desired, Next, Worker};
use crate::cri::CriError;
use crate::cri::v1::{RemoveContainerRequest, RemovePodSandboxRequest, StopPodSandboxRequest};
use crate::native::remove_cgroup;
use crate::pod::actions::{Kill, Verdict};
use crate::pod::observe::{Observed, ObservedContainer, RunState};
use crate::pod::spec::{PodExt, is_sidecar};
use crate::pod::{hooks, sandbox_config};
use crate::volume::remove_tree;

/// What a container gets at least, however short the time.
const MINIMUM_GRACE: i64 = 2;

impl Worker {
    pub(super) async fn kill_container(
        &self,
        pod: &Pod,
        container: &ObservedContainer,
        kill: Option<&Kill>,
        grace: i64,
    ) {
        let spec = pod.container(&container.name);
        let message = kill.map_or_else(
            || format!("Stopping container {}", container.name),
            |k| k.message.clone(),
        );
        self.node
            .recorder
            .normal(pod, &container.name, "Killing", message);
        // A failed probe may bring its own grace period.
        let probe = match kill.map(|k| k.because) {
            Some(Verdict::LivenessFailed) => spec.and_then(|s| s.liveness_probe.as_ref()),
            Some(Verdict::StartupFailed) => spec.and_then(|s| s.startup_probe.as_ref()),
            _ => None,
        };
        let mut grace = probe
            .and_then(|p| p.termination_grace_period_seconds)
            .unwrap_or(grace);
        let hook = spec
            .and_then(|s| s.lifecycle.as_ref())
            .and_then(|l| l.pre_stop.as_ref());
        if let (Some(hook), Some(spec), true) = (hook, spec, grace > 0) {
            let started = Instant::now();
            let limit = Duration::from_secs(grace.unsigned_abs());
            let ip = self.status_of(pod).pod_ip.unwrap_or_default();
            if let Err(error) =
                hooks::run(&self.node.cri, spec, &container.id, &ip, hook, limit).await
            {
                self.node.recorder.warning(
                    pod,
                    &container.name,
                    "FailedPreStopHook",
                    format!("PreStopHook failed: {error}"),
                );
            }
            grace -= i64::try_from(started.elapsed().as_secs()).unwrap_or(grace);
            grace = grace.max(MINIMUM_GRACE);
        }
        if let Err(error) = self
            .node
            .cri
            .stop_container(&container.id, grace.max(0))
            .await
            && !error.is_not_found()
        {
            tracing::warn!(pod = pod.full_name(), container = container.name, %error, "container not stopped");
        }
    }

    /// Ends all containers, sidecars last and in reverse order, then the sandboxes.
    pub(super) async fn kill(
        &self,
        pod: &Pod,
        observed: &Observed,
        grace: i64,
        message: Option<&str>,
    ) {
        let started = Instant::now();
        let alive =
            |c: &&ObservedContainer| matches!(c.state, RunState::Running | RunState::Unknown);
        let sidecar = |c: &ObservedContainer| pod.container(&c.name).is_some_and(is_sidecar);
        let because = |c: &ObservedContainer| {
            message.map(|m| Kill {
                id: c.id.clone(),
                name: c.name.clone(),
                message: m.to_owned(),
                because: Verdict::Healthy,
            })
        };
        let regular = observed
            .containers
            .iter()
            .filter(alive)
            .filter(|c| !sidecar(c));
        futures::future::join_all(regular.map(|c| async move {
            let kill = because(c);
            self.kill_container(pod, c, kill.as_ref(), grace).await;
        }))
        .await;
        for declared in pod.init_containers().iter().rev().filter(|c| is_sidecar(c)) {
            for container in observed
                .containers
                .iter()
                .filter(alive)
                .filter(|c| c.name == declared.name)
            {
                let left = (grace - i64::try_from(started.elapsed().as_secs()).unwrap_or(grace))
                    .max(MINIMUM_GRACE.min(grace));
                self.kill_container(pod, container, None, left).await;
            }
        }
        for sandbox in &observed.sandboxes {
            let request = StopPodSandboxRequest {
                pod_sandbox_id: sandbox.id.clone(),
            };
            if let Err(error) = self.node.cri.stop_pod_sandbox(request).await
                && !error.is_not_found()
            {
                tracing::warn!(pod = pod.full_name(), sandbox = sandbox.id, %error, "sandbox not stopped");
            }
        }
    }

    pub(super) async fn remove_container(&self, id: &str) -> Result<(), CriError> {
        self.node
            .cri
            .remove_container(RemoveContainerRequest {
                container_id: id.to_owned(),
            })
            .await
            .map(drop)
    }

    pub(super) async fn remove_sandbox(&self, id: &str) -> Result<(), CriError> {
        self.node
            .cri
            .stop_pod_sandbox(StopPodSandboxRequest {
                pod_sandbox_id: id.to_owned(),
            })
            .await?;
        self.node
            .cri
            .remove_pod_sandbox(RemovePodSandboxRequest {
                pod_sandbox_id: id.to_owned(),
            })
            .await
            .map(drop)
    }

    /// Ends the pod for good: kill, report, free everything, and take it out of the API.
    pub(super) async fn end(&mut self, desired: &Desired, grace: i64) -> Next {
        self.stop_probes();
        let pod = desired.pod.clone();
        let mut watcher = self.desired.clone();
        // A shorter time, or the pod's forced removal, begins the end anew.
        let hastened = async move {
            loop {
                if watcher.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if watcher
                    .borrow_and_update()
                    .ending()
                    .is_some_and(|now| now < grace)
                {
                    return;
                }
            }
        };
        if desired.evict.is_some()
            && desired.pod.deletion().is_none()
            && !desired.gone
            && !pod.is_terminal()
        {
            let message = "Pod was terminated in response to imminent node shutdown.".to_owned();
            self.failed
                .get_or_insert(("Terminated".to_owned(), message));
        }
        let outcome = tokio::select! {
            biased;
            () = hastened => return Next::After(Duration::ZERO),
            outcome = self.finish(&pod, desired.gone, grace) => outcome,
        };
        match outcome {
            Ok(()) => self.leave_api(desired).await,
            Err(error) => {
                tracing::warn!(pod = pod.full_name(), %error, "pod not ended; trying again");
                Next::After(self.pause())
            }
        }
    }

    async fn finish(
        &mut self,
        pod: &Arc<Pod>,
        gone: bool,
        grace: i64,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let observed = self.observe().await?;
        if observed.running().next().is_some() || observed.sandboxes.iter().any(|s| s.ready) {
            self.kill(pod, &observed, grace, None).await;
        }
        let observed = self.observe().await?;
        if let Some(left) = observed.running().next() {
            return Err(format!("container {} still runs", left.name).into());
        }
        if !gone
            && (!observed.containers.is_empty()
                || self.failed.is_some()
                || self.acknowledged.is_some())
        {
            self.report(pod, &observed, true).await;
        }
        for container in &observed.containers {
            self.remove_container(&container.id).await?;
        }
        for sandbox in &observed.sandboxes {
            self.remove_sandbox(&sandbox.id).await?;
        }
        let (dir, logs) = (self.node.pod_dir(&self.uid), self.node.log_dir(pod));
        tokio::task::spawn_blocking(move || remove_tree(&dir).and_then(|()| remove_tree(&logs)))
            .await??;
        remove_cgroup(&sandbox_config::cgroup_parent(
            pod,
            self.node.network.name(),
        ));
        self.volumes = crate::volume::Volumes::default();
        Ok(())
    }

    async fn leave_api(&mut self, desired: &Desired) -> Next {
        // While draining, an API server that refuses this node (its stake is gone) or is away holds
        // nothing up for long.
        let give_up = desired.evict.is_some() && self.failures >= 3;
        // A drained pod stays in the API, as failed, for its controller to see.
        if desired.gone || desired.pod.deletion().is_none() {
            let again = self.report_failed && !desired.gone && !give_up;
            return if again {
                Next::After(self.pause().min(Duration::from_secs(1)))
            } else {
                Next::Done
            };
        }
        match self
            .node
            .api
            .delete_pod(desired.pod.namespace(), desired.pod.name(), &self.uid)
            .await
        {
            Ok(()) => Next::Done,
            Err(error) if error.is_not_found() || error.is_conflict() || give_up => Next::Done,
            Err(error) => {
                tracing::debug!(pod = desired.pod.full_name(), %error, "pod not yet removed from the API");
                Next::After(self.pause())
            }
        }
    }
}
