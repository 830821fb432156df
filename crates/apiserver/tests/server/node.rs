//! Logs, exec, attach, port-forward and proxy through a node that is played by the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use apiserver::DirectConnector;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use spdy::Frame;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

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
        if let Some(protocols) = request.headers().get("sec-websocket-protocol") {
            return text(
                StatusCode::BAD_REQUEST,
                format!("a kubelet does not speak {protocols:?}"),
            );
        }
        assert_eq!(request.headers()["upgrade"], "SPDY/3.1");
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            command(
                TokioIo::new(upgrade.await.unwrap()),
                uri.query().unwrap_or_default(),
            )
            .await
            .unwrap();
        });
        return Ok(spdy_reply("v4.channel.k8s.io"));
    }
    if path.starts_with("/portForward/") {
        let protocol = request.headers().get("x-stream-protocol-version").cloned();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            if protocol.is_some_and(|p| p == "portforward.k8s.io") {
                return ports(io).await.unwrap();
            }
            let mut buffer = [0; 1024];
            while let Ok(n @ 1..) = io.read(&mut buffer).await {
                io.write_all(&buffer[..n]).await.unwrap();
            }
        });
        return Ok(spdy_reply("portforward.k8s.io"));
    }
    if path == "/healthz" {
        return text(StatusCode::OK, "ok".into());
    }
    text(StatusCode::NOT_FOUND, "404 page not found\n".into())
}

fn spdy_reply(protocol: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "Upgrade".parse().unwrap());
    headers.insert("upgrade", "SPDY/3.1".parse().unwrap());
    headers.insert("x-stream-protocol-version", protocol.parse().unwrap());
    response
}

/// What a kubelet does with exec: standard input comes back as output, then the status.
async fn command(io: TokioIo<Upgraded>, query: &str) -> std::io::Result<()> {
    let (mut sender, mut receiver) = spdy::server(io);
    let mut headers = spdy::Inflater::default();
    let mut streams = HashMap::new();
    let wanted = 1 + ["input=1", "output=1", "error=1", "tty=1"]
        .iter()
        .filter(|w| query.contains(*w))
        .count();
    let mut typed = 0;
    while let Some(frame) = receiver.next().await? {
        match frame {
            Frame::Open {
                stream,
                headers: block,
                ..
            } => {
                let block = headers.block(&block).unwrap();
                let (_, kind) = block.iter().find(|(name, _)| name == "streamtype").unwrap();
                streams.insert(kind.clone(), stream);
                sender.reply(stream).await?;
            }
            Frame::Data { stream, data, last } if streams.get("stdin") == Some(&stream) => {
                sender.data(streams["stdout"], &data, false).await?;
                typed += data.len();
                if last {
                    break;
                }
            }
            Frame::Ping { id } => sender.pong(id).await?,
            _ => {}
        }
        if streams.len() == wanted && !streams.contains_key("stdin") {
            break;
        }
    }
    if !streams.contains_key("stdin") {
        assert_eq!(typed, 0);
        let text = format!("ran {query}\n");
        sender
            .data(streams["stdout"], text.as_bytes(), true)
            .await?;
    }
    let mut code = json!({"metadata": {}, "status": "Success"});
    if query.contains("command=false") {
        code = json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with exit code 7",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
    }
    sender
        .data(streams["error"], code.to_string().as_bytes(), true)
        .await?;
    for kind in ["stdout", "stderr"] {
        if let Some(stream) = streams.get(kind) {
            sender.data(*stream, &[], true).await?;
        }
    }
    while receiver.next().await?.is_some() {}
    Ok(())
}

/// What a kubelet does with port-forward: each connection is a stream for errors and one for data, which comes back.
async fn ports(io: TokioIo<Upgraded>) -> std::io::Result<()> {
    let (mut sender, mut receiver) = spdy::server(io);
    let mut headers = spdy::Inflater::default();
    let mut ports = HashMap::new();
    while let Some(frame) = receiver.next().await? {
        match frame {
            Frame::Open {
                stream,
                headers: block,
                ..
            } => {
                let block: HashMap<_, _> = headers.block(&block).unwrap().into_iter().collect();
                sender.reply(stream).await?;
                if block["streamtype"] == "data" {
                    ports.insert(stream, block["port"].clone());
                    let hello = format!("port {}\n", block["port"]);
                    sender.data(stream, hello.as_bytes(), false).await?;
                }
            }
            Frame::Data { stream, data, last } if ports.contains_key(&stream) => {
                sender.data(stream, &data, last).await?;
            }
            Frame::Ping { id } => sender.pong(id).await?,
            _ => {}
        }
    }
    Ok(())
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
    let running = admin
        .send(
            "PATCH",
            "/api/v1/namespaces/default/pods/p/status",
            &[("content-type", "application/merge-patch+json")],
            br#"{"status":{"phase":"Running"}}"#,
        )
        .await;
    assert_eq!(running.code, 200, "{}", running.text());
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

/// Old clients' SPDY and new clients' WebSockets come to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_execs_and_forwards_ports_by_spdy_and_by_websocket() {
    for binary in binaries() {
        let server = with_pod().await;
        let config = server.kubeconfig(&server.admin);
        for sockets in ["false", "true"] {
            let kubectl = || {
                let mut command = Command::new(&binary);
                command
                    .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", sockets)
                    .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", sockets)
                    .arg("--kubeconfig")
                    .arg(&config)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true);
                command
            };
            let what = format!("{} websockets={sockets}", binary.display());
            let mut exec = kubectl()
                .args(["exec", "-i", "p", "-c", "c", "--", "cat"])
                .spawn()
                .unwrap();
            let mut stdin = exec.stdin.take().unwrap();
            let typed = "typed in\n".repeat(20_000);
            let sent = typed.clone();
            tokio::spawn(async move { stdin.write_all(sent.as_bytes()).await });
            let output = tokio::time::timeout(Duration::from_secs(60), exec.wait_with_output())
                .await
                .unwrap()
                .unwrap();
            assert!(
                output.status.success() && output.stdout == typed.as_bytes(),
                "{what}: {} bytes, {}",
                output.stdout.len(),
                String::from_utf8_lossy(&output.stderr)
            );
            let failed = kubectl()
                .args(["exec", "p", "-c", "c", "--", "false"])
                .output()
                .await
                .unwrap();
            assert_eq!(failed.status.code(), Some(7), "{what}");

            let mut forward = kubectl()
                .args(["port-forward", "pod/p", ":8080"])
                .spawn()
                .unwrap();
            let mut said = BufReader::new(forward.stdout.take().unwrap()).lines();
            let line = said.next_line().await.unwrap().expect(&what);
            let local: u16 = line
                .strip_prefix("Forwarding from 127.0.0.1:")
                .and_then(|l| l.split(' ').next())
                .unwrap()
                .parse()
                .unwrap();
            for _ in 0..2 {
                let stream = TcpStream::connect(("127.0.0.1", local)).await.unwrap();
                let (read, mut write) = stream.into_split();
                write.write_all(b"hello\n").await.unwrap();
                let mut lines = BufReader::new(read).lines();
                let first = lines.next_line().await.unwrap().unwrap();
                let second = lines.next_line().await.unwrap().unwrap();
                assert_eq!(
                    (first.as_str(), second.as_str()),
                    ("port 8080", "hello"),
                    "{what}"
                );
            }
            forward.kill().await.unwrap();
        }
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
