//! Paths and their parameters.
// upstream: pkg/kubelet/server/server.go

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Body, Handler, streaming};
use crate::cri::v1::{
    AttachRequest, ContainerStatusRequest, ExecRequest, ListContainerStatsRequest,
    PortForwardRequest,
};
use crate::logs::{LogOptions, Reader};
use crate::native::{Node, memory_kib};
use crate::pod::observe::{Observed, RunState, keys, observe};
use crate::pod::spec::PodExt;
use crate::pod::supervisor::Supervisor;

/// A refusal: code and text.
pub(super) type Refusal = (StatusCode, String);

/// The node API's handler.
pub(super) struct Routes {
    node: Arc<Node>,
    supervisor: Supervisor,
}

pub(super) fn text(code: StatusCode, text: impl Into<String>) -> Response<Body> {
    let body = Full::new(Bytes::from(text.into()))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

fn json_body(value: &serde_json::Value) -> Response<Body> {
    let mut answer = text(StatusCode::OK, value.to_string());
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    answer
}

/// Query parameters; names may repeat.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request<Incoming>) -> Self {
        let raw = request.uri().query().unwrap_or_default();
        Self(
            form_urlencoded::parse(raw.as_bytes())
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .collect()
    }

    /// `1` and `true`, under the kubelet's name or the API server's.
    fn flag(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|n| matches!(self.get(n), Some("1" | "true")))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.get(name)
            .map(|v| {
                v.parse().map_err(|_| {
                    (
                        StatusCode::UNPROCESSABLE_ENTITY,
                        format!("{name}: invalid value {v:?}"),
                    )
                })
            })
            .transpose()
    }
}

impl Handler for Routes {
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        let this = Self {
            node: self.node.clone(),
            supervisor: self.supervisor.clone(),
        };
        Box::pin(async move {
            this.route(request)
                .await
                .unwrap_or_else(|(code, message)| text(code, message))
        })
    }
}

impl Routes {
    pub(super) fn new(node: Arc<Node>, supervisor: Supervisor) -> Self {
        Self { node, supervisor }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let decode = |part: &str| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        };
        let path: Vec<String> = request
            .uri()
            .path()
            .trim_matches('/')
            .split('/')
            .map(decode)
            .collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query = Query::of(&request);
        match (request.method(), path.as_slice()) {
            (&Method::GET, ["healthz"]) => Ok(text(StatusCode::OK, "ok")),
            (&Method::GET, ["pods"] | ["runningpods"]) => {
                let pods: Vec<_> = self.supervisor.pods().iter().map(|p| json!(**p)).collect();
                Ok(json_body(
                    &json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}),
                ))
            }
            (&Method::GET, ["stats", "summary"]) => self.summary().await,
            (&Method::GET, ["containerLogs", namespace, pod, container]) => {
                self.logs(namespace, pod, container, &query).await
            }
            (
                &Method::GET | &Method::POST,
                ["exec", namespace, pod, container] | ["exec", namespace, pod, _, container],
            ) => {
                let id = self.running(namespace, pod, container).await?;
                let streams = streaming::Streams::of(&query);
                streams.check()?;
                let asked = ExecRequest {
                    container_id: id,
                    cmd: query.all("command"),
                    tty: streams.tty,
                    stdin: streams.stdin,
                    stdout: streams.stdout,
                    stderr: streams.stderr,
                };
                let url = self.node.cri.exec(asked).await.map_err(unavailable)?.url;
                streaming::remote_command(request, &url, streams).await
            }
            (
                &Method::GET | &Method::POST,
                ["attach", namespace, pod, container] | ["attach", namespace, pod, _, container],
            ) => {
                let id = self.running(namespace, pod, container).await?;
                let mut streams = streaming::Streams::of(&query);
                let declared = self
                    .pod(namespace, pod)?
                    .container(container)
                    .and_then(|c| c.tty)
                    == Some(true);
                streams.tty = declared;
                streams.stderr &= !declared;
                streams.check()?;
                let asked = AttachRequest {
                    container_id: id,
                    stdin: streams.stdin,
                    tty: streams.tty,
                    stdout: streams.stdout,
                    stderr: streams.stderr,
                };
                let url = self.node.cri.attach(asked).await.map_err(unavailable)?.url;
                streaming::remote_command(request, &url, streams).await
            }
            (
                &Method::GET | &Method::POST,
                ["portForward", namespace, pod] | ["portForward", namespace, pod, _],
            ) => {
                let pod = self.pod(namespace, pod)?;
                let observed = self.observed(&pod).await?;
                let sandbox = observed.sandboxes.first().filter(|s| s.ready);
                let sandbox = sandbox.ok_or_else(|| {
                    (
                        StatusCode::NOT_FOUND,
                        format!("pod not found ({:?})", pod.full_name()),
                    )
                })?;
                let port = query
                    .all("port")
                    .iter()
                    .filter_map(|p| p.parse().ok())
                    .collect();
                let asked = PortForwardRequest {
                    pod_sandbox_id: sandbox.id.clone(),
                    port,
                };
                let url = self
                    .node
                    .cri
                    .port_forward(asked)
                    .await
                    .map_err(unavailable)?
                    .url;
                streaming::port_forward(request, &url).await
            }
            // Not of the kubelet's: a plain TCP stream to a pod of this node, for what the control plane calls there.
            (&Method::GET, ["podConnect", namespace, pod, port]) => {
                let port: u16 = port.parse().map_err(|_| {
                    (
                        StatusCode::BAD_REQUEST,
                        format!("port: invalid value {port:?}"),
                    )
                })?;
                let pod = self.pod(namespace, pod)?;
                let ip = if pod.host_network() {
                    self.node.host_ips().first().cloned()
                } else {
                    self.observed(&pod).await?.ips().first().cloned()
                };
                let address = ip
                    .and_then(|ip| ip.parse().ok())
                    .map(|ip| std::net::SocketAddr::new(ip, port))
                    .ok_or_else(|| (StatusCode::CONFLICT, "the pod has no address".to_owned()))?;
                streaming::connect(request, address).await
            }
            (_, ["healthz" | "pods" | "containerLogs", ..]) => Err((
                StatusCode::METHOD_NOT_ALLOWED,
                "405: Method Not Allowed".to_owned(),
            )),
            _ => Err((StatusCode::NOT_FOUND, "404 page not found".to_owned())),
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Result<Arc<Pod>, Refusal> {
        self.supervisor
            .pod(namespace, name)
            .ok_or_else(|| (StatusCode::NOT_FOUND, "pod does not exist".to_owned()))
    }

    async fn observed(&self, pod: &Pod) -> Result<Observed, Refusal> {
        observe(&self.node.cri, self.node.network.name(), pod.uid())
            .await
            .map_err(unavailable)
    }

    /// Id of the container, if it runs.
    async fn running(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<String, Refusal> {
        let pod = self.pod(namespace, pod)?;
        let observed = self.observed(&pod).await?;
        match observed.latest(container) {
            Some(found) if found.state == RunState::Running => Ok(found.id.clone()),
            Some(_) => Err((
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("container {container:?} is not running"),
            )),
            None => Err((
                StatusCode::NOT_FOUND,
                format!("container not found ({container:?})"),
            )),
        }
    }

    // upstream: pkg/kubelet/kubelet_pods.go#GetKubeletContainerLogs, #validateContainerLogStatus
    async fn logs(
        &self,
        namespace: &str,
        name: &str,
        container: &str,
        query: &Query,
    ) -> Result<Response<Body>, Refusal> {
        let pod = self.pod(namespace, name)?;
        if pod.container(container).is_none() {
            return Err((
                StatusCode::NOT_FOUND,
                format!("container {container:?} not found in pod {name:?}"),
            ));
        }
        let previous = query.flag(&["previous"]);
        let since = match (query.number("sinceSeconds")?, query.get("sinceTime")) {
            (Some(_), Some(_)) => {
                return Err((
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned(),
                ));
            }
            (Some(seconds), None) => Timestamp::now()
                .checked_sub(k8s_openapi::jiff::SignedDuration::from_secs(
                    i64::try_from(seconds).unwrap_or(i64::MAX),
                ))
                .ok(),
            (None, Some(time)) => Some(time.parse().map_err(|_| {
                (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("sinceTime: invalid value {time:?}"),
                )
            })?),
            (None, None) => None,
        };
        let only_stderr = match query.get("stream") {
            None | Some("" | "All") => None,
            Some("Stdout") => Some(false),
            Some("Stderr") => Some(true),
            Some(other) => {
                return Err((
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("stream: unsupported value {other:?}"),
                ));
            }
        };
        let options = LogOptions {
            follow: query.flag(&["follow"]) && !previous,
            tail: query.number("tailLines")?,
            since,
            timestamps: query.flag(&["timestamps"]),
            limit_bytes: query.number("limitBytes")?,
            only_stderr,
        };
        let mut exits = self.node.exits();
        let observed = self.observed(&pod).await?;
        let found = if previous {
            observed.previous(container)
        } else {
            observed.latest(container)
        };
        let Some(found) = found else {
            let message = if previous {
                format!("previous terminated container {container:?} in pod {name:?} not found")
            } else {
                format!(
                    "container {container:?} in pod {name:?} is waiting to start: {}",
                    waiting_reason(&pod, container)
                )
            };
            return Err((StatusCode::BAD_REQUEST, message));
        };
        let path = self
            .node
            .log_dir(&pod)
            .join(container)
            .join(format!("{}.log", found.restart_count));
        let ended = CancellationToken::new();
        let done = CancellationToken::new();
        if found.state == RunState::Exited {
            ended.cancel();
        } else if options.follow {
            let (id, node, ended, done) = (
                found.id.clone(),
                self.node.clone(),
                ended.clone(),
                done.clone(),
            );
            tokio::spawn(async move {
                let exited = async {
                    loop {
                        match exits.recv().await {
                            Ok(exited) if exited == id => break,
                            Ok(_) => continue,
                            // Events were missed, or there will be none: look.
                            Err(_) => {}
                        }
                        if !still_runs(&node, &id).await {
                            break;
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    // The runtime writes the end of the log after it has announced the exit.
                    for _ in 0..20 {
                        if !still_runs(&node, &id).await {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                };
                tokio::select! {
                    () = exited => ended.cancel(),
                    () = done.cancelled() => {}
                }
            });
        }
        let (output, input) = mpsc::channel::<Bytes>(8);
        let reader = Reader {
            path,
            options,
            ended,
            output,
        };
        tokio::spawn(async move {
            let _done = done.drop_guard();
            if let Err(error) = reader.run().await
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(%error, "log not read to its end");
            }
        });
        let stream = tokio_stream(input).map(|chunk| Ok::<_, io::Error>(Frame::data(chunk)));
        let mut answer = Response::new(StreamBody::new(stream).boxed_unsync());
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        Ok(answer)
    }

    /// Use of cpu and memory per container, in the shape of the summary API.
    async fn summary(&self) -> Result<Response<Body>, Refusal> {
        let stats = self
            .node
            .cri
            .list_container_stats(ListContainerStatsRequest::default())
            .await
            .map_err(unavailable)?
            .stats;
        let now = Timestamp::now().to_string();
        let mut pods: HashMap<String, serde_json::Value> = HashMap::new();
        for stat in stats {
            let attributes = stat.attributes.unwrap_or_default();
            let label = |key: &str| attributes.labels.get(key).cloned().unwrap_or_default();
            if label(keys::AGENT) != self.node.network.name() {
                continue;
            }
            let entry = pods.entry(label(keys::POD_UID)).or_insert_with(|| {
                json!({"podRef": {"name": label(keys::POD_NAME), "namespace": label(keys::POD_NAMESPACE), "uid": label(keys::POD_UID)}, "containers": []})
            });
            let cpu = stat
                .cpu
                .and_then(|c| c.usage_core_nano_seconds)
                .map_or(0, |v| v.value);
            let memory = stat
                .memory
                .and_then(|m| m.working_set_bytes)
                .map_or(0, |v| v.value);
            if let Some(list) = entry
                .get_mut("containers")
                .and_then(serde_json::Value::as_array_mut)
            {
                list.push(json!({
                    "name": label(keys::CONTAINER_NAME),
                    "cpu": {"time": now, "usageCoreNanoSeconds": cpu}, "memory": {"time": now, "workingSetBytes": memory},
                }));
            }
        }
        let used = memory_kib("MemTotal:") - memory_kib("MemAvailable:");
        let node = json!({"nodeName": self.node.config.node_name, "memory": {
            "time": now, "workingSetBytes": used * 1024, "availableBytes": memory_kib("MemAvailable:") * 1024,
        }});
        Ok(json_body(
            &json!({"node": node, "pods": pods.into_values().collect::<Vec<_>>()}),
        ))
    }
}

fn tokio_stream(mut input: mpsc::Receiver<Bytes>) -> impl futures::Stream<Item = Bytes> + Send {
    futures::stream::poll_fn(move |context| input.poll_recv(context))
}

async fn still_runs(node: &Node, id: &str) -> bool {
    let request = ContainerStatusRequest {
        container_id: id.to_owned(),
        verbose: false,
    };
    let status = node
        .cri
        .container_status(request)
        .await
        .ok()
        .and_then(|a| a.status);
    status.is_some_and(|s| s.state == crate::cri::v1::ContainerState::Running as i32)
}

fn waiting_reason(pod: &Pod, container: &str) -> String {
    let status = pod.status.as_ref();
    let all = status.iter().flat_map(|s| {
        s.container_statuses
            .iter()
            .flatten()
            .chain(s.init_container_statuses.iter().flatten())
    });
    let state = all
        .filter(|s| s.name == container)
        .find_map(|s| s.state.as_ref()?.waiting.as_ref()?.reason.clone());
    state.unwrap_or_else(|| "ContainerCreating".to_owned())
}

fn unavailable(error: crate::cri::CriError) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, error.message())
}

impl streaming::Streams {
    fn of(query: &Query) -> Self {
        Self {
            stdin: query.flag(&["input", "stdin"]),
            stdout: query.flag(&["output", "stdout"]),
            stderr: query.flag(&["error", "stderr"]) && !query.flag(&["tty"]),
            tty: query.flag(&["tty"]),
        }
    }
}
