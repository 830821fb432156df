//! The join endpoints on this server's listener, and its record of who joined.

mod records;

use std::sync::Arc;

use apiserver::{Body, ConnectionInfo, SideRequest, SideResponse, SideRoutes};
use async_trait::async_trait;
use membership::join::{Channel, JoinService};
use seal::Bytes32;
use seal::wire::{self, EXPORTER_LABEL, Refusal, RefusalCode};
use sha2::{Digest as _, Sha256};

pub(crate) use records::VaultRecords;

/// The `POST /daas/v1/…` endpoints of [`JoinService`]. The server must export [`EXPORTER_LABEL`] from every
/// session (`ServerBuilder::exporter`).
pub(crate) struct JoinRoutes {
    service: JoinService,
}

impl JoinRoutes {
    /// Routes to the service.
    #[must_use]
    pub(crate) fn new(service: JoinService) -> Self {
        Self { service }
    }
}

#[async_trait]
impl SideRoutes for JoinRoutes {
    fn matches(&self, path: &str) -> bool {
        path == wire::PUBLIC_ATTESTATION || JoinService::matches(path)
    }

    async fn handle(&self, request: SideRequest) -> SideResponse {
        if JoinService::attests_publicly(request.method(), request.uri().path()) {
            return self.attest_publicly(&request).await;
        }
        let Some(channel) = channel(&request) else {
            let refusal = Refusal {
                code: RefusalCode::Channel,
                message: "this needs a TLS 1.3 connection of its own, with HTTP/1.1".to_owned(),
            };
            return refused(&refusal);
        };
        self.service.handle(channel, request).await.map(Body::wrap)
    }
}

impl JoinRoutes {
    /// Evidence for anybody, over HTTP/1.1 or HTTP/2: it is bound to the TLS key alone.
    async fn attest_publicly(&self, request: &SideRequest) -> SideResponse {
        let refuse = |code, message: &str| {
            refused(&Refusal {
                code,
                message: message.to_owned(),
            })
        };
        if request.method() != http::Method::GET {
            return refuse(RefusalCode::MethodNotAllowed, "use GET");
        }
        let Some(connection) = request.extensions().get::<Arc<ConnectionInfo>>() else {
            return refuse(RefusalCode::Channel, "this needs a TLS 1.3 connection");
        };
        let tls_key = Sha256::digest(connection.server_spki()).into();
        let answer = self
            .service
            .attest_publicly(tls_key, request.uri().query())
            .await;
        answer.map(Body::wrap)
    }
}

/// What the request's connection is known by. HTTP/2 would let a proxy put several clients' requests on one
/// connection, so it isn't taken.
fn channel(request: &SideRequest) -> Option<Channel> {
    let connection = request.extensions().get::<Arc<ConnectionInfo>>()?;
    if connection.is_http2() {
        return None;
    }
    Some(Channel {
        exporter: Bytes32(*connection.exporter(EXPORTER_LABEL)?),
        tls_key: Sha256::digest(connection.server_spki()).into(),
    })
}

fn refused(refusal: &Refusal) -> SideResponse {
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    let mut response = SideResponse::new(Body::full(body));
    *response.status_mut() = http::StatusCode::from_u16(refusal.code.status())
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
