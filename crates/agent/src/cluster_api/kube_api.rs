//! [`ClusterApi`] by a kube client.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::watcher::{self, watcher};
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::{BoundToken, ClusterApi, ClusterApiError, PodChange};

/// Namespace of the node Leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// [`ClusterApi`] over HTTP. The client can be replaced when the node's certificate is renewed.
#[derive(Clone)]
pub struct KubeClusterApi {
    client: Arc<RwLock<kube::Client>>,
}

impl KubeClusterApi {
    /// Uses `client` for everything.
    pub fn new(client: kube::Client) -> Self {
        Self {
            client: Arc::new(RwLock::new(client)),
        }
    }

    /// Uses another client from now on; watches that are open go on until they break.
    pub fn replace(&self, client: kube::Client) {
        *self.client.write() = client;
    }

    fn client(&self) -> kube::Client {
        self.client.read().clone()
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client(), namespace)
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client())
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client(), LEASE_NAMESPACE)
    }
}

impl From<kube::Error> for ClusterApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status {
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
            },
            other => Self::Unreachable(chain(&other)),
        }
    }
}

impl From<watcher::Error> for ClusterApiError {
    fn from(error: watcher::Error) -> Self {
        Self::Unreachable(chain(&error))
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

/// Watches for as long as one client serves; a fresh one is taken after every break.
fn restarting<T: Send + 'static>(
    open: impl Fn() -> BoxStream<'static, Result<T, watcher::Error>> + Send + 'static,
) -> BoxStream<'static, Result<T, watcher::Error>> {
    // kube's watcher keeps its client; errors end the inner stream here so that a renewed
    // certificate is used, after the pause that its own back-off would have made.
    struct State<T, F> {
        open: F,
        inner: Option<BoxStream<'static, Result<T, watcher::Error>>>,
        failures: u32,
    }
    let state = State {
        open,
        inner: None,
        failures: 0,
    };
    futures::stream::unfold(state, |mut state| async move {
        let mut inner = match state.inner.take() {
            Some(inner) => inner,
            None => {
                if state.failures > 0 {
                    let millis = 200_u64
                        .saturating_mul(1 << state.failures.min(6))
                        .min(5_000);
                    let jitter = rand::random_range(0..=millis / 4);
                    tokio::time::sleep(std::time::Duration::from_millis(millis + jitter)).await;
                }
                (state.open)()
            }
        };
        match inner.next().await {
            Some(Ok(item)) => {
                state.failures = 0;
                state.inner = Some(inner);
                Some((Some(Ok(item)), state))
            }
            Some(Err(error)) => {
                state.failures = state.failures.saturating_add(1);
                Some((Some(Err(error)), state))
            }
            None => {
                state.failures = state.failures.saturating_add(1);
                Some((None, state))
            }
        }
    })
    .filter_map(|item| async move { item })
    .boxed()
}

#[async_trait]
impl ClusterApi for KubeClusterApi {
    fn watch_pods(&self, node: &str) -> BoxStream<'static, Result<PodChange, ClusterApiError>> {
        let this = self.clone();
        let selector = format!("spec.nodeName={node}");
        let open = move || {
            let config = watcher::Config::default().fields(&selector).any_semantic();
            watcher(Api::<Pod>::all(this.client()), config).boxed()
        };
        let mut list: Option<Vec<Pod>> = None;
        restarting(open)
            .filter_map(move |item| {
                let change = match item {
                    Ok(watcher::Event::Init) => {
                        list = Some(Vec::new());
                        None
                    }
                    Ok(watcher::Event::InitApply(pod)) => {
                        list.get_or_insert_default().push(pod);
                        None
                    }
                    Ok(watcher::Event::InitDone) => {
                        Some(Ok(PodChange::Restarted(list.take().unwrap_or_default())))
                    }
                    Ok(watcher::Event::Apply(pod)) => Some(Ok(PodChange::Applied(Box::new(pod)))),
                    Ok(watcher::Event::Delete(pod)) => Some(Ok(PodChange::Deleted(Box::new(pod)))),
                    Err(error) => Some(Err(error.into())),
                };
                async move { change }
            })
            .boxed()
    }

    async fn patch_pod_status(
        &self,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Pod, ClusterApiError> {
        Ok(self
            .pods(namespace)
            .patch_status(name, &PatchParams::default(), &Patch::Strategic(patch))
            .await?)
    }

    async fn delete_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterApiError> {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        self.pods(namespace).delete(name, &params).await?;
        Ok(())
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, ClusterApiError> {
        Ok(Api::namespaced(self.client(), namespace).get(name).await?)
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, ClusterApiError> {
        Ok(Api::namespaced(self.client(), namespace).get(name).await?)
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[String],
        expiration_seconds: i64,
        pod_name: &str,
        pod_uid: &str,
    ) -> Result<BoundToken, ClusterApiError> {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": expiration_seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid},
            },
        });
        let api: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let answer: TokenRequest = api
            .create_subresource("token", account, &PostParams::default(), &request)
            .await?;
        let status = answer.status.unwrap_or_default();
        match (status.token, status.expiration_timestamp) {
            (Some(token), Some(expires)) => Ok(BoundToken {
                token,
                expires_at: expires.0.as_second(),
            }),
            _ => Err(ClusterApiError::Unreachable(
                "the answer to TokenRequest has no token".to_owned(),
            )),
        }
    }

    async fn create_event(&self, event: &Event) -> Result<(), ClusterApiError> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        Api::<Event>::namespaced(self.client(), namespace)
            .create(&PostParams::default(), event)
            .await?;
        Ok(())
    }

    async fn patch_event(
        &self,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<(), ClusterApiError> {
        Api::<Event>::namespaced(self.client(), namespace)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    async fn node(&self, name: &str) -> Result<Node, ClusterApiError> {
        Ok(self.nodes().get(name).await?)
    }

    fn watch_node(&self, name: &str) -> BoxStream<'static, Result<Option<Node>, ClusterApiError>> {
        let this = self.clone();
        let name = name.to_owned();
        let open = move || watcher::watch_object(this.nodes(), &name).boxed();
        restarting(open)
            .map(|item| item.map_err(Into::into))
            .boxed()
    }

    async fn create_node(&self, node: &Node) -> Result<Node, ClusterApiError> {
        Ok(self.nodes().create(&PostParams::default(), node).await?)
    }

    async fn patch_node(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError> {
        Ok(self
            .nodes()
            .patch(name, &PatchParams::default(), &Patch::Strategic(patch))
            .await?)
    }

    async fn patch_node_status(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError> {
        Ok(self
            .nodes()
            .patch_status(name, &PatchParams::default(), &Patch::Strategic(patch))
            .await?)
    }

    async fn lease(&self, name: &str) -> Result<Lease, ClusterApiError> {
        Ok(self.leases().get(name).await?)
    }

    async fn create_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError> {
        Ok(self.leases().create(&PostParams::default(), lease).await?)
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        Ok(self
            .leases()
            .replace(name, &PostParams::default(), lease)
            .await?)
    }
}
