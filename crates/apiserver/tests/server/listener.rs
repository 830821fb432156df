//! TLS, side routes, audit, panics, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apiserver::authn::UserInfo;
use apiserver::{Body, ConnectionInfo, Limits, SideRequest, SideResponse, SideRoutes};
use async_trait::async_trait;
use http_body_util::BodyExt;
use registry::admission::{Admission, Attributes, Operation};
use registry::{Registry, RegistryOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{limits, start, start_registry, start_with};

struct Side;

#[async_trait]
impl SideRoutes for Side {
    fn matches(&self, path: &str) -> bool {
        path.starts_with("/daas/")
    }
    async fn handle(&self, request: SideRequest) -> SideResponse {
        if request.uri().path() == "/daas/panic" {
            panic!("on purpose");
        }
        let connection = request
            .extensions()
            .get::<Arc<ConnectionInfo>>()
            .unwrap()
            .clone();
        let user = request
            .extensions()
            .get::<UserInfo>()
            .map(|u| u.name.clone());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = json!({
            "exporter": connection.exporter("EXPORTER-test").map(hex::encode),
            "unknown": connection.exporter("EXPORTER-other").is_some(),
            "spki": hex::encode(connection.server_spki()),
            "user": user,
            "body": String::from_utf8_lossy(&body),
        });
        http::Response::new(Body::full(answer.to_string()))
    }
}

async fn side_request(
    stream: &mut tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
) -> Value {
    stream
        .write_all(
            b"POST /daas/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn side_routes_see_the_session_and_certificates_are_replaced_while_serving() {
    let server = start_with(|b| b.side_routes(Arc::new(Side)).exporter("EXPORTER-test")).await;
    let mut stream = server.tls(Some(&server.admin), false).await.unwrap();
    let own = stream
        .get_ref()
        .1
        .export_keying_material([0u8; 32], b"EXPORTER-test", None)
        .unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let answer = side_request(&mut stream).await;
    assert_eq!(
        answer["exporter"],
        hex::encode(own),
        "both ends export the same"
    );
    assert_eq!(
        (&answer["unknown"], &answer["user"], &answer["body"]),
        (&json!(false), &json!("admin"), &json!("hi"))
    );
    let spki = |der: &[u8]| {
        hex::encode(
            x509_parser::parse_x509_certificate(der)
                .unwrap()
                .1
                .tbs_certificate
                .subject_pki
                .raw,
        )
    };
    assert_eq!(answer["spki"], spki(&shown));

    let next = server.ca.serving();
    server
        .server
        .tls()
        .replace_certificate(vec![next.certificate.clone()], next.key_der())
        .unwrap();
    let mut stream = server.tls(None, false).await.unwrap();
    assert_eq!(
        stream.get_ref().1.peer_certificates().unwrap()[0],
        next.certificate
    );
    let answer = side_request(&mut stream).await;
    assert_eq!(answer["spki"], spki(&next.certificate));
    assert_eq!(answer["user"], Value::Null);
    assert_ne!(
        answer["exporter"],
        hex::encode(own),
        "each session has its own"
    );

    let mut client = server.client(None).await;
    assert_eq!(client.get("/daas/panic").await.code, 500);
    assert_eq!(client.get("/livez").await.code, 200, "the server lives on");
}

#[tokio::test]
async fn only_tls_1_3_is_spoken() {
    let server = start().await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.ca.der.clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    assert!(
        connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .is_err()
    );
}

/// Holds or breaks creates of config maps.
struct Troublesome(Arc<AtomicBool>, Arc<tokio::sync::Notify>);

#[async_trait]
impl Admission for Troublesome {
    fn name(&self) -> &'static str {
        "Troublesome"
    }
    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }
    async fn validate(
        &self,
        _: &Registry,
        attributes: &Attributes<'_>,
        _: Option<&Value>,
    ) -> Result<(), registry::Status> {
        if attributes.name == "panic" {
            panic!("on purpose");
        }
        if attributes.name == "slow" {
            self.1.notify_one();
        }
        while attributes.name == "slow" && self.0.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn panics_and_deadlines_are_answered() {
    let held = Arc::new(AtomicBool::new(true));
    let entered = Arc::new(tokio::sync::Notify::new());
    let mut options = RegistryOptions::default();
    options
        .admission
        .push(Arc::new(Troublesome(held.clone(), entered.clone())));
    let few = Limits {
        request: Duration::from_secs(30),
        ..Limits::default()
    };
    let server = start_registry(options, limits(few)).await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let made = admin
        .post(path, json!({"metadata": {"name": "panic"}}))
        .await;
    assert_eq!(
        (made.code, made.json()["kind"].as_str()),
        (500, Some("Status"))
    );
    assert!(
        made.text()
            .contains("This request caused apiserver to panic")
    );

    let late = admin
        .post(
            &format!("{path}?timeout=100ms"),
            json!({"metadata": {"name": "slow"}}),
        )
        .await;
    assert_eq!(
        (late.code, late.json()["reason"].as_str()),
        (504, Some("Timeout"))
    );
    held.store(false, Ordering::Relaxed);
}
