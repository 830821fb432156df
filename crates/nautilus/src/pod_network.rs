//! Reaching pods: through their node's tunnel, for only the node is sure to reach them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use apiserver::{NodeConnectError, NodeStream};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use machinery::ObjectExt;
use registry::Stored;
use store::Store;

/// What of a refusal is read.
const MAX_REASON: usize = 4096;

/// A pod that has an address.
pub(crate) struct Place {
    pub(crate) node: String,
    namespace: String,
    name: String,
}

/// Which pod has an address, by the newest state.
#[derive(Clone, Default)]
pub(crate) struct Places {
    store: Arc<OnceLock<Store<Stored>>>,
}

impl Places {
    /// Looks into this store from now on; the first one stays.
    pub(crate) fn look_into(&self, store: Store<Stored>) {
        let _ = self.store.set(store);
    }

    /// The pod with an address, on a node and not over.
    pub(crate) fn find(&self, address: IpAddr) -> Option<Place> {
        let store = self.store.get()?;
        let mark = format!("\"{address}\"");
        let snapshot = store.snapshot();
        snapshot
            .range("/pods/", None)
            // Only what holds the text is parsed.
            .filter(|entry| holds(entry.value.json(), mark.as_bytes()))
            .map(|entry| entry.value.value())
            .find(|pod| {
                let status = |name: &str| pod.text_at(&["status", name]);
                let has = status("podIP").parse() == Ok(address)
                    || pod
                        .at(&["status", "podIPs"])
                        .and_then(|ips| ips.as_array())
                        .into_iter()
                        .flatten()
                        .any(|ip| ip.text_at(&["ip"]).parse() == Ok(address));
                has && !["Succeeded", "Failed"].contains(&status("phase"))
                    && !pod.text_at(&["spec", "nodeName"]).is_empty()
                    && pod.at(&["spec", "hostNetwork"]).and_then(|h| h.as_bool()) != Some(true)
            })
            .map(|pod| Place {
                node: pod.text_at(&["spec", "nodeName"]).to_owned(),
                namespace: pod.namespace().to_owned(),
                name: pod.name().to_owned(),
            })
    }
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    let Some(first) = mark.first() else {
        return false;
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| b == first) {
        let Some(tail) = rest.get(at..) else {
            return false;
        };
        if tail.starts_with(mark) {
            return true;
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    false
}

/// Over a stream to the node's API: a plain stream to a port of the pod. `None` when the node's agent has no such thing
/// (it is another one's than the built-in).
pub(crate) async fn connect(
    node: Box<dyn NodeStream>,
    place: &Place,
    address: SocketAddr,
) -> Result<Option<Box<dyn NodeStream>>, NodeConnectError> {
    let broken = |e: hyper::Error| NodeConnectError::Io(io::Error::other(e));
    let path = format!(
        "/podConnect/{}/{}/{}",
        place.namespace,
        place.name,
        address.port()
    );
    let request = Request::get(path)
        .header(HOST, "node")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "tcp")
        .body(Empty::<Bytes>::new())
        .map_err(|e| NodeConnectError::Io(io::Error::other(e)))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(node))
        .await
        .map_err(broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a pod ended");
        }
    });
    let answer = sender.send_request(request).await.map_err(broken)?;
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            let stream = hyper::upgrade::on(answer).await.map_err(broken)?;
            Ok(Some(Box::new(TokioIo::new(stream))))
        }
        StatusCode::NOT_FOUND => Ok(None),
        code => {
            let body = Limited::new(answer.into_body(), MAX_REASON)
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default();
            let why = String::from_utf8_lossy(&body);
            Err(NodeConnectError::Io(io::Error::other(format!(
                "dial tcp {address}: the node answers {}: {}",
                code.as_u16(),
                why.trim()
            ))))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use apiserver::NodeConnector as _;
    use hyper::Response;
    use hyper::service::service_fn;
    use registry::admission::Chain;
    use registry::{Registry, RegistryOptions, UserInfo};
    use serde_json::json;
    use store::memory::MemoryLog;
    use store::{SealingKeys, SystemClock};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::tunnels::Tunnels;

    /// A node whose pods answer with what they are sent, after their own path.
    async fn node(
        mut request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/1") {
            return Ok(Response::builder().status(502).body(Empty::new()).unwrap());
        }
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgraded.await.unwrap());
            stream.write_all(path.as_bytes()).await.unwrap();
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        Ok(Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "tcp")
            .body(Empty::new())
            .unwrap())
    }

    #[tokio::test]
    async fn a_pod_is_reached_through_its_nodes_tunnel() {
        let keys = SealingKeys::new("test", 1, &zeroize::Zeroizing::new([7; 32]));
        let store = Store::open(
            MemoryLog::new(),
            keys,
            SystemClock,
            store::Options::default(),
        )
        .await
        .unwrap();
        let registry = Registry::new(
            store.clone(),
            RegistryOptions {
                admission: Chain::default(),
                ..RegistryOptions::default()
            },
        );
        let pods = registry
            .api::<serde_json::Value>("", "v1", "pods", UserInfo::system())
            .unwrap();
        for (name, ip, phase) in [
            ("done", "10.42.0.7", "Succeeded"),
            ("p", "10.42.0.7", "Running"),
        ] {
            let pod = json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"nodeName": "a",
                "containers": [{"name": "c", "image": "i"}]}});
            pods.create(Some("ns"), &pod).await.unwrap();
            let status = json!({"status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}]}});
            pods.patch(Some("ns"), name, "status", registry::Patch::Merge(status))
                .await
                .unwrap();
        }
        let tunnels = Tunnels::default();
        tunnels.find_pods_in(store);
        let address: SocketAddr = "10.42.0.7:8443".parse().unwrap();
        assert!(matches!(
            tunnels.dial(address).await,
            Err(NodeConnectError::NotConnected(_))
        ));
        let (server, worker) = tokio::io::duplex(64 * 1024);
        let stop = CancellationToken::new();
        tokio::spawn(tunnel::serve(worker, service_fn(node), stop.clone()));
        tokio::spawn({
            let tunnels = tunnels.clone();
            async move { tunnels.carry("a".to_owned(), server).await }
        });
        while tunnels.is_empty() {
            tokio::task::yield_now().await;
        }
        let mut stream = tunnels.dial(address).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut got = vec![0; "/podConnect/ns/p/8443hello".len()];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(got, b"/podConnect/ns/p/8443hello");
        let refused = tunnels.dial("10.42.0.7:1".parse().unwrap()).await;
        let why = refused.err().unwrap().to_string();
        assert_eq!(why, "dial tcp 10.42.0.7:1: the node answers 502: ");
        stop.cancel();
    }
}
