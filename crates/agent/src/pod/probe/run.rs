//! One probe of one running container, as a task.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use k8s_openapi::jiff::Timestamp;
use tokio::net::TcpStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use super::http::{authority, errno_text, get, port};
use super::{Board, Counter, Kind};
use crate::cri::CriClient;
use crate::pod::recorder::Recorder;

/// What one probe needs.
pub(crate) struct Prober {
    pub(crate) kind: Kind,
    pub(crate) probe: Probe,
    pub(crate) pod: std::sync::Arc<Pod>,
    pub(crate) container: Container,
    pub(crate) container_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) pod_ip: String,
    pub(crate) cri: CriClient,
    pub(crate) board: Board,
    pub(crate) recorder: Recorder,
    pub(crate) changed: std::sync::Arc<tokio::sync::Notify>,
}

/// Success, with what it said, or failure with what it said.
type Outcome = Result<String, String>;

impl Prober {
    /// Probes until the task is aborted, or until the container's fate is decided.
    pub(crate) async fn run(self) {
        let positive = |value: Option<i32>, default: u64| {
            value
                .and_then(|v| u64::try_from(v).ok())
                .filter(|v| *v > 0)
                .unwrap_or(default)
        };
        let period = Duration::from_secs(positive(self.probe.period_seconds, 10));
        let limit = Duration::from_secs(positive(self.probe.timeout_seconds, 1));
        let delay = Duration::from_secs(positive(self.probe.initial_delay_seconds, 0));
        let age = Duration::try_from(Timestamp::now().duration_since(self.started_at))
            .unwrap_or_default();
        if let Some(wait) = delay.checked_sub(age) {
            tokio::time::sleep(wait).await;
        }
        let mut counter = Counter::new(&self.probe);
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let outcome = self.once(limit).await;
            if let Err(text) = &outcome {
                let text = text.chars().take(10 * 1024).collect::<String>();
                self.recorder.warning(
                    &self.pod,
                    &self.container.name,
                    "Unhealthy",
                    format!("{} probe failed: {text}", self.kind.name()),
                );
            }
            let Some(verdict) = counter.record(outcome.is_ok()) else {
                continue;
            };
            if self.board.set(&self.container_id, self.kind, verdict) {
                self.changed.notify_one();
            }
            // upstream: a container that will be restarted, or has started, is probed so no more
            if (self.kind == Kind::Startup) || (self.kind == Kind::Liveness && !verdict) {
                return;
            }
        }
    }

    async fn once(&self, limit: Duration) -> Outcome {
        let timed_out = || "context deadline exceeded".to_owned();
        if let Some(exec) = &self.probe.exec {
            let command = exec.command.clone().unwrap_or_default();
            return match tokio::time::timeout(
                limit + Duration::from_secs(1),
                self.cri.exec_sync(&self.container_id, command, limit),
            )
            .await
            {
                Ok(Ok(answer)) => {
                    let text = [answer.stdout, answer.stderr].concat();
                    let text = String::from_utf8_lossy(&text).into_owned();
                    if answer.exit_code == 0 {
                        Ok(text)
                    } else {
                        Err(text)
                    }
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("command timed out after {}s", limit.as_secs())),
            };
        }
        if let Some(action) = &self.probe.http_get {
            let (code, body) = get(
                action,
                &self.container,
                &self.pod_ip,
                "kube-probe/1.36",
                limit,
            )
            .await?;
            return if (200..400).contains(&code) {
                Ok(body)
            } else {
                Err(format!("HTTP probe failed with statuscode: {code}"))
            };
        }
        if let Some(action) = &self.probe.tcp_socket {
            let port = port(&action.port, &self.container)?;
            let target = authority(
                action
                    .host
                    .as_deref()
                    .filter(|h| !h.is_empty())
                    .unwrap_or(&self.pod_ip),
                port,
            );
            return match tokio::time::timeout(limit, TcpStream::connect(&target)).await {
                Ok(Ok(_)) => Ok(String::new()),
                Ok(Err(error)) => Err(format!(
                    "dial tcp {target}: connect: {}",
                    errno_text(&error)
                )),
                Err(_) => Err(format!("dial tcp {target}: i/o timeout")),
            };
        }
        if let Some(action) = &self.probe.grpc {
            let port = u16::try_from(action.port)
                .map_err(|_| format!("invalid port number: {}", action.port))?;
            let check = grpc_health(
                authority(&self.pod_ip, port),
                action.service.clone().unwrap_or_default(),
            );
            return tokio::time::timeout(limit, check)
                .await
                .unwrap_or_else(|_| Err(timed_out()));
        }
        Err("missing probe handler".to_owned())
    }
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

// source: grpc/health/v1/health.proto
async fn grpc_health(target: String, service: String) -> Outcome {
    const SERVING: i32 = 1;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{target}"))
        .map_err(|e| e.to_string())?;
    let unreachable =
        |e: &dyn std::fmt::Display| format!("failed to connect grpc service {target:?}: {e}");
    let channel = endpoint.connect().await.map_err(|e| unreachable(&e))?;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|e| unreachable(&e))?;
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = tonic::Request::new(HealthCheckRequest { service });
    let answer = grpc
        .unary(
            request,
            PathAndQuery::from_static("/grpc.health.v1.Health/Check"),
            codec,
        )
        .await
        .map_err(|e| e.to_string())?;
    match answer.into_inner().status {
        SERVING => Ok(String::new()),
        other => Err(format!("service unhealthy (responded with {other:?})")),
    }
}
