//! The routes beside the Kubernetes API: joining and the tunnel.

use std::sync::Arc;

use apiserver::authn::UserInfo;
use apiserver::{Body, SideRequest, SideResponse, SideRoutes};
use async_trait::async_trait;
use http::StatusCode;
use http::header::{CONNECTION, UPGRADE};
use hyper_util::rt::TokioIo;

use crate::tunnels::Tunnels;

/// Everything that this server answers beside the Kubernetes API.
pub(crate) struct Routes {
    pub(crate) join: Arc<dyn SideRoutes>,
    pub(crate) operations: Arc<dyn SideRoutes>,
    pub(crate) tunnels: Tunnels,
}

#[async_trait]
impl SideRoutes for Routes {
    fn matches(&self, path: &str) -> bool {
        path == tunnel::PATH || self.join.matches(path) || self.operations.matches(path)
    }

    async fn handle(&self, request: SideRequest) -> SideResponse {
        if request.uri().path() == tunnel::PATH {
            self.open_tunnel(request)
        } else if self.operations.matches(request.uri().path()) {
            self.operations.handle(request).await
        } else {
            self.join.handle(request).await
        }
    }
}

impl Routes {
    fn open_tunnel(&self, request: SideRequest) -> SideResponse {
        let node = request.extensions().get::<UserInfo>().and_then(node_name);
        let Some(node) = node else {
            return answer(
                StatusCode::UNAUTHORIZED,
                "a tunnel needs a node's client certificate",
            );
        };
        let asked = request.headers().get(UPGRADE).is_some_and(|v| {
            v.as_bytes()
                .eq_ignore_ascii_case(tunnel::PROTOCOL.as_bytes())
        });
        if !asked {
            return answer(
                StatusCode::UPGRADE_REQUIRED,
                "send `Connection: Upgrade` and `Upgrade: daas-tunnel` over HTTP/1.1",
            );
        }
        let tunnels = self.tunnels.clone();
        tokio::spawn(async move {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => tunnels.carry(node, TokioIo::new(upgraded)).await,
                Err(error) => tracing::info!(node, %error, "the tunnel was not opened"),
            }
        });
        let mut response = answer(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(CONNECTION, http::HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, http::HeaderValue::from_static(tunnel::PROTOCOL));
        response
    }
}

/// The node that a certificate is of.
fn node_name(user: &UserInfo) -> Option<String> {
    if !user.in_group("system:nodes") {
        return None;
    }
    user.name.strip_prefix("system:node:").map(str::to_owned)
}

fn answer(status: StatusCode, text: &'static str) -> SideResponse {
    let mut response = SideResponse::new(Body::full(text));
    *response.status_mut() = status;
    response
}
