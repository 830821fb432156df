//! What an aggregated API server needs to believe the front proxy, where it looks for it:
//! `kube-system/extension-apiserver-authentication`.
// upstream: pkg/controlplane/controller/clusterauthenticationtrust/cluster_authentication_trust_controller.go

use std::sync::Arc;
use std::time::Duration;

use machinery::{ObjectExt, Reason, Status};
use registry::{CreateOptions, Registry, RequestContext, Target, UpdateOptions};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::FrontProxy;
use crate::authz::follow::follow;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Keeps the config map, whoever changes it.
pub(super) async fn publish(registry: Registry, proxy: Arc<FrontProxy>, stop: CancellationToken) {
    let woken = Arc::new(Notify::new());
    let wake = woken.clone();
    let followed = follow(&registry, ("", "v1", "configmaps"), &stop, move |change| {
        use crate::authz::follow::Change;
        match change {
            Change::Put(o) | Change::Delete(o) => {
                // Cheap first: most config maps are others.
                if memchr(o.json(), NAME.as_bytes()) {
                    wake.notify_one();
                }
            }
            Change::Replace(_) => wake.notify_one(),
        }
    })
    .await;
    if followed.is_err() {
        return;
    }
    let mut pause = Duration::from_millis(100);
    loop {
        match ensure(&registry, &proxy).await {
            Ok(()) => pause = Duration::from_millis(100),
            Err(status) => {
                tracing::debug!(%status, "the front proxy's authority is published again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(30));
                continue;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken.notified() => {}
        }
    }
}

fn memchr(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|w| w == text)
}

fn data(proxy: &FrontProxy) -> Value {
    let list = |text: &str| json!([text]).to_string();
    json!({
        "client-ca-file": proxy.client_ca_pem,
        "requestheader-allowed-names": list(FrontProxy::NAME),
        "requestheader-client-ca-file": proxy.ca_pem,
        "requestheader-extra-headers-prefix": list("X-Remote-Extra-"),
        "requestheader-group-headers": list("X-Remote-Group"),
        "requestheader-uid-headers": list("X-Remote-Uid"),
        "requestheader-username-headers": list("X-Remote-User"),
    })
}

async fn ensure(registry: &Registry, proxy: &FrontProxy) -> Result<(), Status> {
    let row = registry
        .table()
        .find("", "v1", "configmaps")
        .ok_or_else(Status::unknown_resource)?
        .clone();
    let context = RequestContext::system();
    let data = data(proxy);
    let Some(stored) = registry.stored(&row, Some(NAMESPACE), NAME) else {
        let object = json!({"metadata": {"name": NAME, "namespace": NAMESPACE}, "data": data});
        let target = Target::collection(&row, Some(NAMESPACE));
        return match registry
            .create(&context, &target, object, &CreateOptions::default())
            .await
        {
            Err(status) if status.is(Reason::AlreadyExists) => Ok(()),
            other => other.map(drop),
        };
    };
    let mut present = stored.value();
    if present.field("data") == Some(&data) {
        return Ok(());
    }
    present.set_at(&["data"], data);
    let target = Target::object(&row, Some(NAMESPACE), NAME);
    registry
        .update(&context, &target, present, &UpdateOptions::default())
        .await
        .map(drop)
}
