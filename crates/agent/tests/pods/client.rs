//! What an API server asks of the node API, over a connection in memory.

use agent::node_api::NodeApi;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

type Connection = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn connect(api: &NodeApi) -> Connection {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let api = api.clone();
    tokio::spawn(async move { api.serve_io(theirs).await });
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

pub async fn get(api: &NodeApi, path: &str) -> (StatusCode, String) {
    let request = Request::get(path)
        .header(header::HOST, "node")
        .body(Empty::new())
        .unwrap();
    let answer = connect(api).await.send_request(request).await.unwrap();
    let code = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8_lossy(&body).into_owned())
}

/// What a command printed, and its status.
#[derive(Debug, Default)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub status: serde_json::Value,
}

/// Upgrades to a WebSocket.
pub async fn socket(
    api: &NodeApi,
    path: &str,
    protocol: &str,
) -> WebSocketStream<TokioIo<hyper::upgrade::Upgraded>> {
    let request = Request::get(path)
        .header(header::HOST, "node")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
        .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
        .body(Empty::new())
        .unwrap();
    let answer = connect(api).await.send_request(request).await.unwrap();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let code = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        panic!("{code}: {}", String::from_utf8_lossy(&body));
    }
    assert_eq!(
        answer.headers()[header::SEC_WEBSOCKET_ACCEPT],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    let upgraded = hyper::upgrade::on(answer).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

pub async fn exec(
    api: &NodeApi,
    pod: &str,
    container: &str,
    command: &[&str],
    stdin: Option<&[u8]>,
    tty: bool,
) -> Outcome {
    let query = {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for word in command {
            query.append_pair("command", word);
        }
        query
            .append_pair("output", "1")
            .append_pair(if tty { "tty" } else { "error" }, "1");
        if stdin.is_some() {
            query.append_pair("input", "1");
        }
        query.finish()
    };
    remote(
        api,
        &format!("/exec/default/{pod}/{container}?{query}"),
        stdin,
    )
    .await
}

/// The streams of an exec or attach, to their end.
pub async fn remote(api: &NodeApi, path: &str, stdin: Option<&[u8]>) -> Outcome {
    let mut socket = socket(api, path, "v5.channel.k8s.io").await;
    if let Some(stdin) = stdin {
        for chunk in stdin.chunks(40_000) {
            let message: Vec<u8> = std::iter::once(0).chain(chunk.iter().copied()).collect();
            socket.send(Message::binary(message)).await.unwrap();
        }
        socket.send(Message::binary(vec![255, 0])).await.unwrap();
    }
    let mut outcome = Outcome::default();
    while let Some(message) = socket.next().await {
        let Ok(Message::Binary(data)) = message else {
            continue;
        };
        let text = String::from_utf8_lossy(&data[1..]).into_owned();
        match data[0] {
            1 => outcome.stdout.push_str(&text),
            2 => outcome.stderr.push_str(&text),
            3 => outcome.status = serde_json::from_str(&text).unwrap(),
            other => panic!("channel {other}"),
        }
    }
    outcome
}
