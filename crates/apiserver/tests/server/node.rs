//! Logs, exec, attach, port-forward and proxy through a node that is played by the test.

use std::net::SocketAddr;

use apiserver::DirectConnector;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Running, connector, start_with};
use crate::kubectl::{Kubectl, binaries, run};

/// A node API that echoes what it was asked.
async fn node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .with_upgrades(),
            );
        }
    });
    address
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let uri = request.uri().clone();
    assert!(
        !request.headers().contains_key("authorization"),
        "credentials stay at the server"
    );
    let text = |code, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = code;
        Ok(response)
    };
    let path = uri.path();
    if path.starts_with("/containerLogs/") {
        if path.ends_with("/waiting") {
            return text(
                StatusCode::BAD_REQUEST,
                "container \"waiting\" in pod \"p\" is waiting to start: ContainerCreating".into(),
            );
        }
        return text(StatusCode::OK, format!("log of {uri}\n"));
    }
    if path.starts_with("/exec/") || path.starts_with("/attach/") {
        let key = request.headers()["sec-websocket-key"].clone();
        let protocols = request.headers()["sec-websocket-protocol"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(protocols.contains("v5.channel.k8s.io"), "{protocols}");
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let io = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            let channel = |n: u8, data: &[u8]| {
                let mut frame = vec![n];
                frame.extend_from_slice(data);
                Message::Binary(frame.into())
            };
            let mut code = json!({"metadata": {}, "status": "Success"});
            let query = uri.query().unwrap_or_default().to_owned();
            if query.contains("input=1") {
                while let Some(Ok(message)) = socket.next().await {
                    let data = message.into_data();
                    match data.first() {
                        Some(0) => socket.send(channel(1, &data[1..])).await.unwrap(),
                        Some(255) => break,
                        _ => {}
                    }
                }
            } else {
                socket
                    .send(channel(1, format!("ran {query}\n").as_bytes()))
                    .await
                    .unwrap();
            }
            if query.contains("command=false") {
                code = json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with exit code 7",
                    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
            }
            socket
                .send(channel(3, code.to_string().as_bytes()))
                .await
                .unwrap();
            let normal = CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            };
            let _ = socket.close(Some(normal)).await;
            while let Some(Ok(_)) = socket.next().await {}
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "Upgrade".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert(
            "sec-websocket-accept",
            derive_accept_key(key.as_bytes()).parse().unwrap(),
        );
        headers.insert(
            "sec-websocket-protocol",
            "v5.channel.k8s.io".parse().unwrap(),
        );
        return Ok(response);
    }
    if path.starts_with("/portForward/") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut buffer = [0; 1024];
            while let Ok(n @ 1..) = io.read(&mut buffer).await {
                io.write_all(&buffer[..n]).await.unwrap();
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response
            .headers_mut()
            .insert("connection", "Upgrade".parse().unwrap());
        response
            .headers_mut()
            .insert("upgrade", "SPDY/3.1".parse().unwrap());
        return Ok(response);
    }
    if path == "/healthz" {
        return text(StatusCode::OK, "ok".into());
    }
    text(StatusCode::NOT_FOUND, "404 page not found\n".into())
}

async fn with_pod() -> Running {
    let server = start_with(connector(DirectConnector(node().await))).await;
    let mut admin = server.admin().await;
    assert_eq!(
        admin
            .post("/api/v1/nodes", json!({"metadata": {"name": "n1"}}))
            .await
            .code,
        201
    );
    let containers = json!([{"name": "c", "image": "i"}, {"name": "waiting", "image": "i"}]);
    for (name, node) in [("p", Some("n1")), ("unbound", None)] {
        let pod = json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": containers}});
        let made = admin.post("/api/v1/namespaces/default/pods", pod).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_logs_and_exec() {
    for binary in binaries() {
        let server = with_pod().await;
        let k = Kubectl::new(&server, &binary);
        let log = k
            .ok(&["logs", "p", "-c", "c", "--tail=5", "--timestamps"])
            .await;
        assert!(
            log.starts_with("log of /containerLogs/default/p/c?")
                && log.contains("tailLines=5")
                && log.contains("timestamps=true"),
            "{log}"
        );
        let error = k.fails(&["logs", "p", "-c", "waiting"]).await;
        assert!(
            error.contains(
                "container \"waiting\" in pod \"p\" is waiting to start: ContainerCreating"
            ),
            "{error}"
        );
        let ran = k.ok(&["exec", "p", "-c", "c", "--", "echo", "a b"]).await;
        assert!(
            ran.starts_with("ran ") && ran.contains("command=echo&command=a+b"),
            "{ran}"
        );
        assert_eq!(
            k.ok_with(
                Some("typed in\n"),
                &["exec", "-i", "p", "-c", "c", "--", "cat"]
            )
            .await,
            "typed in\n"
        );
        let failed = run(
            &binary,
            &k.config,
            None,
            &["exec", "p", "-c", "c", "--", "false"],
        )
        .await;
        assert!(
            !failed.ok && failed.err.contains("exit code 7"),
            "{}",
            failed.err
        );
        assert_eq!(
            k.ok(&["get", "--raw", "/api/v1/nodes/n1/proxy/healthz"])
                .await,
            "ok"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_connected_is_said_in_upstreams_words() {
    let server = with_pod().await;
    let mut admin = server.admin().await;
    let pod = "/api/v1/namespaces/default/pods";
    for (path, code, message) in [
        ("nope/log", 404, "pods \"nope\" not found"),
        (
            "p/log",
            400,
            "a container name must be specified for pod p, choose one of: [c waiting]",
        ),
        (
            "p/log?container=x",
            400,
            "container x is not valid for pod p",
        ),
        (
            "p/log?container=c&tailLines=-1",
            422,
            "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "unbound/exec?container=c&command=x&stdout=1",
            400,
            "pod unbound does not have a host assigned",
        ),
        (
            "p/exec?container=c&command=x",
            400,
            "you must specify at least 1 of stdin, stdout, stderr",
        ),
        (
            "p/exec?container=c&command=x&stdout=1",
            400,
            "Upgrade request required",
        ),
    ] {
        let answer = admin.get(&format!("{pod}/{path}")).await;
        assert_eq!(
            (answer.code, answer.json()["message"].as_str()),
            (code, Some(message)),
            "{path}"
        );
    }
    assert_eq!(
        admin
            .get(&format!("{pod}/unbound/log?container=c"))
            .await
            .code,
        204
    );
}

#[tokio::test]
async fn an_upgraded_connection_is_passed_byte_for_byte_and_ends_with_its_identity() {
    let server = with_pod().await;
    let user = server.ca.issue("0xdef", &["system:masters"], &[]);
    let mut stream = server.tls(Some(&user), false).await.unwrap();
    let request = "POST /api/v1/namespaces/default/pods/p/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: spdy/3.1"),
        "{head}"
    );
    let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let mut back = vec![0; sent.len()];
    stream.write_all(&sent).await.unwrap();
    stream.read_exact(&mut back).await.unwrap();
    assert!(back == sent);
    server.gate.refuse("0xdef");
    let mut rest = [0; 1];
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(2), stream.read(&mut rest)).await;
    assert!(matches!(ended.expect("it ends"), Ok(0) | Err(_)));
}
