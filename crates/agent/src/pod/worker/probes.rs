//! The probes of the pod's running containers.
// upstream: pkg/kubelet/prober/prober_manager.go

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};

use super::Worker;
use crate::pod::actions::Verdict;
use crate::pod::observe::{Observed, ObservedContainer, time};
use crate::pod::probe::run::Prober;
use crate::pod::probe::{Board, Kind};
use crate::pod::spec::{PodExt, is_sidecar};

fn of(container: &Container, kind: Kind) -> Option<&Probe> {
    match kind {
        Kind::Liveness => container.liveness_probe.as_ref(),
        Kind::Readiness => container.readiness_probe.as_ref(),
        Kind::Startup => container.startup_probe.as_ref(),
    }
}

fn started(board: &Board, container: &Container, id: &str) -> bool {
    container.startup_probe.is_none() || board.get(id, Kind::Startup) == Some(true)
}

impl Worker {
    /// What the probes say, as a function that owns what it needs.
    pub(super) fn verdicts(
        &self,
        pod: &Arc<Pod>,
    ) -> impl Fn(&ObservedContainer) -> Verdict + Send + Sync + 'static {
        let (board, pod) = (self.board.clone(), pod.clone());
        move |observed| {
            let Some(container) = pod.container(&observed.name) else {
                return Verdict::Healthy;
            };
            if container.startup_probe.is_some() {
                match board.get(&observed.id, Kind::Startup) {
                    None => return Verdict::Starting,
                    Some(false) => return Verdict::StartupFailed,
                    Some(true) => {}
                }
            }
            if board.get(&observed.id, Kind::Liveness) == Some(false) {
                Verdict::LivenessFailed
            } else {
                Verdict::Healthy
            }
        }
    }

    pub(super) fn is_started(&self, pod: &Pod, observed: &ObservedContainer) -> bool {
        pod.container(&observed.name)
            .is_some_and(|c| started(&self.board, c, &observed.id))
    }

    pub(super) fn is_ready(&self, pod: &Pod, observed: &ObservedContainer) -> bool {
        pod.container(&observed.name).is_some_and(|c| {
            c.readiness_probe.is_none()
                || self.board.get(&observed.id, Kind::Readiness) == Some(true)
        })
    }

    /// Takes over what an earlier run of the agent reported, so that nothing flaps.
    pub(super) fn adopt(&self, pod: &Pod, observed: &Observed) {
        let Some(status) = &pod.status else { return };
        for status in status
            .container_statuses
            .iter()
            .flatten()
            .chain(status.init_container_statuses.iter().flatten())
        {
            let id = status
                .container_id
                .as_deref()
                .and_then(|id| id.strip_prefix("containerd://"))
                .unwrap_or_default();
            if observed.running().any(|c| c.id == id) {
                if status.started == Some(true) {
                    self.board.set(id, Kind::Startup, true);
                }
                if status.ready {
                    self.board.set(id, Kind::Readiness, true);
                }
            }
        }
    }

    pub(super) fn stop_probes(&mut self) {
        self.probes.clear();
    }

    /// Starts the probes that are due and ends those whose container is gone.
    pub(super) fn probe(&mut self, pod: &Arc<Pod>, observed: &Observed) {
        let running: Vec<&ObservedContainer> = observed.running().collect();
        self.probes
            .retain(|(id, _), _| running.iter().any(|c| c.id == *id));
        let known: Vec<String> = observed.containers.iter().map(|c| c.id.clone()).collect();
        self.board.forget_except(|id| known.iter().any(|k| k == id));
        let ip = if pod.host_network() {
            self.node.config.node_ip.to_string()
        } else {
            observed.ips().first().cloned().unwrap_or_default()
        };
        for observed in running {
            let Some(container) = pod.container(&observed.name) else {
                continue;
            };
            // An ordinary init container has no probes.
            if pod
                .init_containers()
                .iter()
                .any(|c| c.name == container.name)
                && !is_sidecar(container)
            {
                continue;
            }
            let kinds: &[Kind] = if started(&self.board, container, &observed.id) {
                &[Kind::Liveness, Kind::Readiness]
            } else {
                &[Kind::Startup]
            };
            for kind in kinds {
                let key = (observed.id.clone(), *kind);
                let Some(probe) = of(container, *kind) else {
                    continue;
                };
                if self.probes.contains_key(&key) {
                    continue;
                }
                let prober = Prober {
                    kind: *kind,
                    probe: probe.clone(),
                    pod: pod.clone(),
                    container: container.clone(),
                    container_id: observed.id.clone(),
                    started_at: time(observed.started_at),
                    pod_ip: ip.clone(),
                    cri: self.node.cri.clone(),
                    board: self.board.clone(),
                    recorder: self.node.recorder.clone(),
                    changed: self.changed.clone(),
                };
                let task = tokio::spawn(prober.run());
                self.probes
                    .insert(key, tokio_util::task::AbortOnDropHandle::new(task));
            }
        }
    }
}
