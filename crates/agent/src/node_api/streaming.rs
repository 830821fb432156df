//! exec, attach and port-forward: from the client's connection to the runtime's streaming server.
//!
//! A WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`) is translated into SPDY streams, so that
//! a standard input can end while output goes on. SPDY, and SPDY inside a WebSocket, is passed on
//! byte by byte.
// upstream: staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/{httpstream,websocket}.go,
// apimachinery/pkg/util/remotecommand/constants.go, KEP-4006

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::Body;
use super::routes::Refusal;
use crate::spdy::{self, Frame};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const PROTOCOL: &str = "x-stream-protocol-version";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// v5: the channel named by the next byte is closed.
const CLOSE: u8 = 255;

/// Which streams are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

impl Streams {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.stdin || self.stdout || self.stderr {
            Ok(())
        } else {
            Err((
                StatusCode::BAD_REQUEST,
                "you must specify at least 1 of stdin, stdout, stderr".to_owned(),
            ))
        }
    }
}

fn upgrade_to(headers: &HeaderMap, protocol: &str) -> bool {
    let has = |name: header::HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|w| w.trim().eq_ignore_ascii_case(word))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, protocol)
}

fn refused(error: impl std::fmt::Display) -> Refusal {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("the runtime's streaming server: {error}"),
    )
}

fn empty(code: StatusCode) -> Response<Body> {
    let mut answer = Response::new(
        Empty::<Bytes>::new()
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *answer.status_mut() = code;
    answer
}

/// Accepts a WebSocket with one of `known` subprotocols, the client's first choice of them.
fn accept(
    headers: &HeaderMap,
    known: &[&'static str],
) -> Result<(Response<Body>, &'static str), Refusal> {
    let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or_else(|| bad("Sec-WebSocket-Key is missing"))?;
    let offered = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim);
    let chosen = offered
        .into_iter()
        .find_map(|o| known.iter().find(|k| **k == o))
        .copied();
    let chosen = chosen.ok_or_else(|| bad("none of the subprotocols offered is supported"))?;
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let fields = answer.headers_mut();
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(chosen),
    );
    if let Ok(accepted) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    }
    Ok((answer, chosen))
}

/// Opens a SPDY connection to `url`, offering `protocols`; the answer's head and the connection.
async fn dial(
    url: &str,
    protocols: &[HeaderValue],
) -> Result<(HeaderMap, TokioIo<Upgraded>), Refusal> {
    let uri: Uri = url.parse().map_err(refused)?;
    let authority = uri
        .authority()
        .map(ToString::to_string)
        .ok_or_else(|| refused("its URL has no host"))?;
    let stream = TcpStream::connect(&authority).await.map_err(refused)?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(refused)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to the runtime's streaming server");
        }
    });
    let target = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::post(target)
        .body(Empty::<Bytes>::new())
        .map_err(refused)?;
    let headers = request.headers_mut();
    headers.insert(
        header::HOST,
        HeaderValue::try_from(authority).map_err(refused)?,
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    for protocol in protocols {
        headers.append(PROTOCOL, protocol.clone());
    }
    let answer = sender.send_request(request).await.map_err(refused)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let code = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        return Err((code, String::from_utf8_lossy(&body).into_owned()));
    }
    let head = answer.headers().clone();
    let upgraded = hyper::upgrade::on(answer).await.map_err(refused)?;
    Ok((head, TokioIo::new(upgraded)))
}

/// How long a pod may take to accept a connection.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);

/// Upgrades to a plain stream to `address`. A connection that cannot be had is 502 with the reason.
pub(super) async fn connect(
    mut request: Request<Incoming>,
    address: std::net::SocketAddr,
) -> Result<Response<Body>, Refusal> {
    if !upgrade_to(request.headers(), "tcp") {
        return Err((
            StatusCode::BAD_REQUEST,
            "Upgrade request required".to_owned(),
        ));
    }
    let failed = |error: String| (StatusCode::BAD_GATEWAY, error);
    let mut pod = tokio::time::timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| failed("connection timed out".to_owned()))?
        .map_err(|e| failed(e.to_string()))?;
    let client = hyper::upgrade::on(&mut request);
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let fields = answer.headers_mut();
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    tokio::spawn(async move {
        if let Ok(client) = client.await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut pod).await;
        }
    });
    Ok(answer)
}

/// Passes a SPDY client through, byte by byte.
async fn pass_through(
    mut request: Request<Incoming>,
    url: &str,
) -> Result<Response<Body>, Refusal> {
    let protocols: Vec<HeaderValue> = request
        .headers()
        .get_all(PROTOCOL)
        .iter()
        .cloned()
        .collect();
    let (head, mut runtime) = dial(url, &protocols).await?;
    let client = hyper::upgrade::on(&mut request);
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let fields = answer.headers_mut();
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    for value in head.get_all(PROTOCOL) {
        fields.append(PROTOCOL, value.clone());
    }
    tokio::spawn(async move {
        if let Ok(client) = client.await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut runtime).await;
        }
    });
    Ok(answer)
}

fn web_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(16 << 20))
        .max_frame_size(Some(16 << 20))
}

/// exec and attach.
pub(super) async fn remote_command(
    mut request: Request<Incoming>,
    url: &str,
    streams: Streams,
) -> Result<Response<Body>, Refusal> {
    if upgrade_to(request.headers(), "SPDY/3.1") {
        return pass_through(request, url).await;
    }
    if !upgrade_to(request.headers(), "websocket") {
        return Err((
            StatusCode::BAD_REQUEST,
            "Upgrade request required".to_owned(),
        ));
    }
    let (answer, _) = accept(request.headers(), &[V5, V4])?;
    let (_, runtime) = dial(url, &[HeaderValue::from_static(V4)]).await?;
    let client = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(client) = client.await else { return };
        let socket = WebSocketStream::from_raw_socket(
            TokioIo::new(client),
            Role::Server,
            Some(web_socket_config()),
        )
        .await;
        if let Err(error) = bridge(socket, runtime, streams).await {
            tracing::debug!(%error, "remote command ended");
        }
    });
    Ok(answer)
}

fn tungstenite(error: tokio_tungstenite::tungstenite::Error) -> io::Error {
    io::Error::other(error)
}

fn channel(number: u8, data: &[u8]) -> Message {
    let mut message = Vec::with_capacity(1 + data.len());
    message.push(number);
    message.extend_from_slice(data);
    Message::binary(message)
}

/// Moves data between the channels of a WebSocket and the streams of a SPDY connection until the
/// command's status has been delivered, or either side is gone.
async fn bridge(
    socket: WebSocketStream<TokioIo<Upgraded>>,
    runtime: TokioIo<Upgraded>,
    streams: Streams,
) -> io::Result<()> {
    let (mut sender, mut receiver) = spdy::split(runtime);
    let error = sender.open(&[("streamtype", "error")]).await?;
    let stdin = if streams.stdin {
        Some(sender.open(&[("streamtype", "stdin")]).await?)
    } else {
        None
    };
    let stdout = if streams.stdout {
        Some(sender.open(&[("streamtype", "stdout")]).await?)
    } else {
        None
    };
    let stderr = if streams.stderr {
        Some(sender.open(&[("streamtype", "stderr")]).await?)
    } else {
        None
    };
    let resize = if streams.tty {
        Some(sender.open(&[("streamtype", "resize")]).await?)
    } else {
        None
    };
    let (mut to_client, mut from_client) = socket.split();
    // upstream: an empty message tells the client that the streams are there
    let first = if streams.stdout {
        STDOUT
    } else if streams.stderr {
        STDERR
    } else {
        ERROR
    };
    to_client
        .send(channel(first, &[]))
        .await
        .map_err(tungstenite)?;
    let (pings, mut pinged) = tokio::sync::mpsc::channel(8);
    let output = async {
        let mut status = Vec::new();
        let mut delivered = false;
        while let Some(frame) = receiver.next().await? {
            match frame {
                Frame::Data { stream, data, last } if stream == error => {
                    status.extend_from_slice(&data);
                    if last || serde_json::from_slice::<serde_json::Value>(&status).is_ok() {
                        break;
                    }
                }
                Frame::Data { stream, data, .. } => {
                    let number = if Some(stream) == stdout {
                        STDOUT
                    } else if Some(stream) == stderr {
                        STDERR
                    } else {
                        continue;
                    };
                    if !data.is_empty() {
                        to_client
                            .send(channel(number, &data))
                            .await
                            .map_err(tungstenite)?;
                    }
                }
                Frame::Ping { id } => {
                    let _ = pings.try_send(id);
                }
                Frame::Reset { stream } if stream == error => break,
                Frame::Reset { .. } | Frame::GoAway => {}
            }
        }
        if !status.is_empty() {
            to_client
                .send(channel(ERROR, &status))
                .await
                .map_err(tungstenite)?;
            delivered = true;
        }
        if !delivered {
            let failure = json!({
                "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
                "message": "the connection to the container runtime ended before the command's status came",
            });
            to_client
                .send(channel(ERROR, failure.to_string().as_bytes()))
                .await
                .map_err(tungstenite)?;
        }
        to_client.send(normal_close()).await.map_err(tungstenite)?;
        Ok::<_, io::Error>(())
    };
    let input = async {
        loop {
            let message = tokio::select! {
                Some(id) = pinged.recv() => {
                    sender.pong(id).await?;
                    continue;
                }
                message = from_client.next() => message,
            };
            let data = match message {
                Some(Ok(Message::Binary(data))) => data,
                Some(Ok(Message::Text(text))) => Bytes::from(text.as_bytes().to_vec()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok::<_, io::Error>(()),
                Some(Ok(_)) => continue,
            };
            match (data.split_first(), stdin, resize) {
                (Some((&STDIN, bytes)), Some(stdin), _) if !bytes.is_empty() => {
                    sender.data(stdin, bytes, false).await?
                }
                (Some((&RESIZE, bytes)), _, Some(resize)) if !bytes.is_empty() => {
                    sender.data(resize, bytes, false).await?
                }
                (Some((&CLOSE, [STDIN, ..])), Some(stdin), _) => {
                    sender.data(stdin, &[], true).await?
                }
                _ => {}
            }
        }
    };
    tokio::pin!(output);
    tokio::select! {
        done = &mut output => done?,
        // The client is gone: dropping the runtime's connection ends the command's streams.
        gone = input => return gone,
    }
    // Its answer to the close is waited for, so that nothing that was sent is lost to a reset.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        while let Some(Ok(_)) = from_client.next().await {}
    })
    .await;
    Ok(())
}

/// port-forward.
pub(super) async fn port_forward(
    mut request: Request<Incoming>,
    url: &str,
) -> Result<Response<Body>, Refusal> {
    if upgrade_to(request.headers(), "SPDY/3.1") {
        return pass_through(request, url).await;
    }
    if !upgrade_to(request.headers(), "websocket") {
        return Err((
            StatusCode::BAD_REQUEST,
            "Upgrade request required".to_owned(),
        ));
    }
    let (answer, _) = accept(request.headers(), &[TUNNEL])?;
    let (_, runtime) = dial(url, &[HeaderValue::from_static("portforward.k8s.io")]).await?;
    let client = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(client) = client.await else { return };
        let socket = WebSocketStream::from_raw_socket(
            TokioIo::new(client),
            Role::Server,
            Some(web_socket_config()),
        )
        .await;
        if let Err(error) = tunnel(socket, runtime).await {
            tracing::debug!(%error, "port-forward ended");
        }
    });
    Ok(answer)
}

/// A byte stream inside the binary messages of a WebSocket.
async fn tunnel(
    socket: WebSocketStream<TokioIo<Upgraded>>,
    runtime: TokioIo<Upgraded>,
) -> io::Result<()> {
    let (mut to_client, mut from_client) = socket.split();
    let (mut read, mut write) = tokio::io::split(runtime);
    let inward = async {
        while let Some(message) = from_client.next().await {
            match message.map_err(tungstenite)? {
                Message::Binary(data) => {
                    write.write_all(&data).await?;
                    write.flush().await?;
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
        Ok::<_, io::Error>(())
    };
    let outward = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let n = read.read(&mut buffer).await?;
            if n == 0 {
                break;
            }
            to_client
                .send(Message::binary(
                    buffer.get(..n).unwrap_or_default().to_vec(),
                ))
                .await
                .map_err(tungstenite)?;
        }
        to_client.send(normal_close()).await.map_err(tungstenite)
    };
    tokio::select! {
        done = inward => done,
        done = outward => done,
    }
}

/// The end as clients expect it: without a code they take it for a broken connection.
// upstream: staging/src/k8s.io/client-go/tools/remotecommand/websocket.go#streamCreator
fn normal_close() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}
