//! WebSocket clients and nodes that speak SPDY: exec and attach over `v5.channel.k8s.io` become SPDY streams, and the
//! SPDY that port-forward has inside of a WebSocket is taken out of it.
// upstream: apiserver/pkg/util/proxy/{streamtranslator,translatinghandler,streamtunnel}.go

use std::io;

use bytes::Bytes;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use machinery::Status;
use spdy::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::backend;
use crate::Body;
use crate::chain::Live;
use crate::node_connector::NodeStream;
use crate::respond::{Handled, Reply};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const PORT_FORWARD: &str = "portforward.k8s.io";
const SPDY: &str = "SPDY/3.1";
const SOCKET_PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;
/// A message of a client. Larger ones end the connection.
const MOST: usize = 16 * 1024 * 1024;

/// The streams of exec and attach that a client wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streams {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// What is translated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Exec and attach.
    Command(Streams),
    /// Port-forward.
    Ports,
}

impl Wanted {
    fn protocol(self) -> &'static str {
        match self {
            Self::Command(_) => V5,
            Self::Ports => TUNNEL,
        }
    }

    /// Whether a request is of a client whose protocol nodes don't speak.
    // upstream: apimachinery/pkg/util/httpstream/wsstream/conn.go#IsWebSocketRequestWithStreamCloseProtocol
    pub(super) fn applies(self, headers: &HeaderMap) -> bool {
        let is_socket = headers
            .get_all(UPGRADE)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .any(|v| v.eq_ignore_ascii_case("websocket"));
        is_socket
            && headers
                .get_all(SOCKET_PROTOCOL)
                .iter()
                .filter_map(|v| v.to_str().ok())
                .flat_map(|v| v.split(','))
                .any(|p| p.trim() == self.protocol())
    }
}

/// Asks the node for SPDY and, when it agrees, the client for its WebSocket; then translates.
pub(super) async fn serve(
    mut client: Request<Incoming>,
    node: Box<dyn NodeStream>,
    path: String,
    wanted: Wanted,
    live: Live,
) -> Handled {
    let Some(key) = client.headers().get("sec-websocket-key").cloned() else {
        return Err(Status::bad_request("missing Sec-WebSocket-Key").into());
    };
    let mut to_node = Request::builder()
        .method(Method::POST)
        .uri(path)
        .body(Empty::<Bytes>::new())
        .map_err(Status::internal)?;
    let headers = to_node.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
    headers.insert(
        STREAM_PROTOCOL,
        HeaderValue::from_static(match wanted {
            Wanted::Command(_) => V4,
            Wanted::Ports => PORT_FORWARD,
        }),
    );
    let answer = backend::send(node, to_node).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(backend::pass(answer));
    }
    let reply = switch(&key, wanted.protocol())?;
    let on_client = hyper::upgrade::on(&mut client);
    tokio::spawn(run(on_client, answer, wanted, live));
    Ok(reply)
}

fn switch(key: &HeaderValue, protocol: &'static str) -> Result<Reply, Status> {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accepted =
        HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Status::internal)?;
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accepted);
    headers.insert(SOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    Ok(reply)
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn run(
    client: hyper::upgrade::OnUpgrade,
    node: Response<Incoming>,
    wanted: Wanted,
    mut live: Live,
) {
    let (client, node) = match tokio::try_join!(client, hyper::upgrade::on(node)) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not complete");
            return;
        }
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST));
    let socket =
        WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
    let translated = async {
        match wanted {
            Wanted::Command(streams) => command(socket, TokioIo::new(node), streams).await,
            Wanted::Ports => tunnel(socket, TokioIo::new(node)).await,
        }
    };
    tokio::select! {
        ended = translated => if let Err(error) = ended {
            tracing::debug!(%error, "a translated connection ended");
        },
        () = live.ended() => {}
    }
}

fn socket_error(error: tokio_tungstenite::tungstenite::Error) -> io::Error {
    io::Error::other(error)
}

async fn say(to: &mut SplitSink<Socket, Message>, channel: u8, data: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(1 + data.len());
    message.push(channel);
    message.extend_from_slice(data);
    to.send(Message::binary(message))
        .await
        .map_err(socket_error)
}

/// The normal end: a client takes any other one for an error.
async fn close(to: &mut SplitSink<Socket, Message>) -> io::Result<()> {
    let normal = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    to.send(Message::Close(Some(normal)))
        .await
        .map_err(socket_error)
}

/// Exec and attach, until the command's status is delivered or either side is gone.
async fn command(socket: Socket, node: TokioIo<Upgraded>, streams: Streams) -> io::Result<()> {
    let (mut to_node, mut from_node) = spdy::client(node);
    // In upstream's order. upstream: client-go/tools/remotecommand/v2.go#createStreams
    let error = to_node.open(&[("streamtype", "error")]).await?;
    let mut opened = [None; 4];
    for (place, wanted, kind) in [
        (0, streams.stdin, "stdin"),
        (1, streams.stdout, "stdout"),
        (2, streams.stderr && !streams.tty, "stderr"),
        (3, streams.tty, "resize"),
    ] {
        if wanted && let Some(slot) = opened.get_mut(place) {
            *slot = Some(to_node.open(&[("streamtype", kind)]).await?);
        }
    }
    let [stdin, stdout, stderr, resize] = opened;
    let (mut to_client, mut from_client) = socket.split();
    let mut status = Vec::new();
    loop {
        tokio::select! {
            frame = from_node.next() => match frame? {
                Some(Frame::Data { stream, data, last }) if stream == error => {
                    status.extend_from_slice(&data);
                    if last {
                        break;
                    }
                    if status.len() > MOST {
                        return Err(io::Error::other("the node's status is too large"));
                    }
                }
                Some(Frame::Data { stream, data, .. }) => {
                    let channel = if Some(stream) == stdout {
                        STDOUT
                    } else if Some(stream) == stderr {
                        STDERR
                    } else {
                        continue;
                    };
                    if !data.is_empty() {
                        say(&mut to_client, channel, &data).await?;
                    }
                }
                Some(Frame::Ping { id }) => to_node.pong(id).await?,
                Some(Frame::Reset { stream, .. }) if stream == error => break,
                Some(_) => {}
                None => break,
            },
            message = from_client.next() => match message {
                Some(Ok(Message::Binary(data))) => match data.split_first() {
                    Some((&STDIN, data)) => if let Some(stdin) = stdin {
                        to_node.data(stdin, data, false).await?;
                    },
                    Some((&RESIZE, data)) => if let Some(resize) = resize {
                        to_node.data(resize, data, false).await?;
                    },
                    Some((&CLOSE, [STDIN, ..])) => if let Some(stdin) = stdin {
                        to_node.data(stdin, &[], true).await?;
                    },
                    _ => {}
                },
                Some(Ok(Message::Close(_))) | None => return to_node.shutdown().await,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(socket_error(error)),
            },
        }
    }
    if status.is_empty() {
        // Nothing on the error stream is a success. upstream: remotecommand/v4.go#errorDecoderV4
        status.extend_from_slice(br#"{"metadata":{},"status":"Success"}"#);
    }
    say(&mut to_client, ERROR, &status).await?;
    close(&mut to_client).await?;
    to_node.shutdown().await
}

/// Port-forward: the bytes of SPDY are the messages' content, both ways.
async fn tunnel(socket: Socket, node: TokioIo<Upgraded>) -> io::Result<()> {
    let (mut to_client, mut from_client) = socket.split();
    let (mut from_node, mut to_node) = tokio::io::split(node);
    let up = async {
        while let Some(message) = from_client.next().await {
            match message.map_err(socket_error)? {
                Message::Binary(data) => to_node.write_all(&data).await?,
                Message::Close(_) => break,
                _ => {}
            }
        }
        to_node.shutdown().await
    };
    let down = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let read = from_node.read(&mut buffer).await?;
            if read == 0 {
                return close(&mut to_client).await;
            }
            let data = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
            to_client
                .send(Message::Binary(data))
                .await
                .map_err(socket_error)?;
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}
