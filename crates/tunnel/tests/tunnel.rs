//! Requests through a tunnel, both ends in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::convert::Infallible;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("upgrade") {
        tokio::spawn(async move {
            let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut word = [0; 5];
            io.read_exact(&mut word).await.unwrap();
            word.reverse();
            io.write_all(&word).await.unwrap();
            io.shutdown().await.unwrap();
        });
        return Ok(Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Full::default())
            .unwrap());
    }
    Ok(Response::new(Full::from(request.uri().path().to_owned())))
}

fn pair() -> (tunnel::Dialer, CancellationToken) {
    let (server, worker) = tokio::io::duplex(64 * 1024);
    let shutdown = CancellationToken::new();
    tokio::spawn(tunnel::serve(worker, service_fn(echo), shutdown.clone()));
    let (dialer, driver) = tunnel::dialer(server);
    tokio::spawn(driver);
    (dialer, shutdown)
}

async fn get(dialer: &tunnel::Dialer, path: &str) -> String {
    let stream = dialer.open().await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
    let answer = send.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn many_requests_at_once_each_get_their_own_answer() {
    let (dialer, _shutdown) = pair();
    let answers = (0..100).map(|n| {
        let dialer = dialer.clone();
        async move { get(&dialer, &format!("/{n}")).await }
    });
    let answers = futures::future::join_all(answers).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, format!("/{n}"));
    }
}

#[tokio::test]
async fn an_upgraded_request_carries_bytes_both_ways() {
    let (dialer, _shutdown) = pair();
    let stream = dialer.open().await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get("/exec")
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = send.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 101);
    let mut io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    io.write_all(b"hello").await.unwrap();
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"olleh");
}

#[tokio::test]
async fn when_the_worker_stops_the_dialer_says_closed() {
    let (dialer, shutdown) = pair();
    assert_eq!(get(&dialer, "/once").await, "/once");
    shutdown.cancel();
    let mut opened = dialer.open().await;
    for _ in 0..100 {
        if opened.is_err() {
            break;
        }
        tokio::task::yield_now().await;
        opened = dialer.open().await;
    }
    assert!(opened.is_err());
    assert!(dialer.is_closed());
}
