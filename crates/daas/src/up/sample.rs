//! The sample Deployment: two pods of the product's own binary as an HTTP server.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;
use tokio::net::TcpStream;

/// The image's reference in the node's image store.
pub(crate) const IMAGE: &str = "daas.local/sample:v1";
/// Name of the Deployment.
pub(crate) const NAME: &str = "hello";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "default";
const REPLICAS: i32 = 2;
const PORT: u16 = 8080;

/// Makes the Deployment unless it is there already.
///
/// # Errors
/// When the API server refuses it.
pub(crate) async fn apply(client: &Client) -> anyhow::Result<()> {
    Api::<Namespace>::all(client.clone())
        .get(NAMESPACE)
        .await
        .context("the default namespace is not there")?;
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    if deployments.get_opt(NAME).await?.is_some() {
        return Ok(());
    }
    let deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME, "labels": { "app": NAME } },
        "spec": {
            "replicas": REPLICAS,
            "selector": { "matchLabels": { "app": NAME } },
            "template": {
                "metadata": { "labels": { "app": NAME } },
                "spec": { "containers": [{
                    "name": "server",
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{ "containerPort": PORT, "name": "http" }],
                    "readinessProbe": { "httpGet": { "path": "/healthz", "port": "http" }, "periodSeconds": 2 },
                    "resources": {
                        "requests": { "cpu": "10m", "memory": "16Mi" },
                        "limits": { "memory": "128Mi" }
                    }
                }]}
            }
        }
    }))?;
    deployments
        .create(&PostParams::default(), &deployment)
        .await?;
    Ok(())
}

/// Waits until as many pods as the Deployment wants are Ready; returns name and address of each.
///
/// # Errors
/// When they are not within `limit`: with what the pods say.
pub(crate) async fn wait_ready(
    client: &Client,
    limit: Duration,
    mut say: impl FnMut(&str),
) -> anyhow::Result<Vec<(String, String)>> {
    let deployment = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .get(NAME)
        .await?;
    let wanted = deployment
        .spec
        .and_then(|s| s.replicas)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(1);
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let of_sample = format!("app={NAME}");
    let changes = watcher(pods.clone(), watcher::Config::default().labels(&of_sample))
        .default_backoff()
        .touched_objects();
    let until_ready = async {
        futures::pin_mut!(changes);
        while let Some(change) = futures::StreamExt::next(&mut changes).await {
            if let Err(error) = change {
                tracing::debug!(%error, "watching the sample's pods");
                continue;
            }
            let all = pods.list(&ListParams::default().labels(&of_sample)).await?;
            let ready: Vec<_> = all.items.iter().filter_map(ready_address).collect();
            say(&format!("{} of {wanted} pods are Ready", ready.len()));
            if ready.len() >= wanted {
                return Ok(ready);
            }
        }
        bail!("the watch on the sample's pods ended")
    };
    match tokio::time::timeout(limit, until_ready).await {
        Ok(ready) => ready,
        Err(_) => {
            let all = pods.list(&ListParams::default().labels(&of_sample)).await?;
            let why: Vec<_> = all.items.iter().map(describe).collect();
            bail!(
                "the sample's pods were not Ready within {} s: {}",
                limit.as_secs(),
                why.join("; ")
            )
        }
    }
}

fn ready_address(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    if !ready || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some((pod.metadata.name.clone()?, status.pod_ip.clone()?))
}

/// What a pod says of why it is not Ready.
fn describe(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or("?");
    let Some(status) = &pod.status else {
        return format!("{name}: no status yet");
    };
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .filter_map(|c| c.state.as_ref()?.waiting.as_ref())
        .find_map(|w| {
            Some(format!(
                "{} {}",
                w.reason.as_deref()?,
                w.message.as_deref().unwrap_or_default()
            ))
        });
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.status != "True" && c.message.is_some())
        .and_then(|c| c.message.clone());
    let phase = status.phase.as_deref().unwrap_or("no phase");
    match waiting.or(condition) {
        Some(why) => format!("{name}: {phase}: {why}"),
        None => format!("{name}: {phase}"),
    }
}

/// Fetches `/` from a pod.
///
/// # Errors
/// When it does not answer with 200 within `limit`.
pub(crate) async fn fetch(address: &str, limit: Duration) -> anyhow::Result<String> {
    let ask = async {
        let stream = TcpStream::connect((address, PORT)).await?;
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get("/")
            .header(hyper::header::HOST, address)
            .body(Empty::<Bytes>::new())?;
        let response = send.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("http://{address}:{PORT}/ answered {status}");
        }
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    };
    tokio::time::timeout(limit, ask)
        .await
        .with_context(|| format!("http://{address}:{PORT}/ did not answer"))?
}
