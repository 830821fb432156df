//! Watchers that are slow, stuck or gone.

use std::time::Duration;

use apiserver::Limits;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use registry::RegistryOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::harness::{Client, Running, limits, start, start_store, start_with};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

async fn create(client: &mut Client, name: &str, size: usize) {
    let object = json!({"metadata": {"name": name}, "data": {"text": "x".repeat(size)}});
    assert_eq!(client.post(PATH, object).await.code, 201);
}

/// The watches of config maps that clients have open, as the server counts them.
async fn watches(server: &Running) -> usize {
    let metrics = server.admin().await.get("/metrics").await.text();
    let line = metrics
        .lines()
        .find(|l| l.starts_with("apiserver_longrunning_requests{") && l.contains("ConfigMap"));
    line.map_or(0, |l| l.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Waits until no client has a watch of config maps.
async fn none_left(server: &Running) -> bool {
    for _ in 0..200 {
        if watches(server).await == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_slow_watcher_is_cut_off_and_resumes() {
    const BUFFER: usize = 16;
    const WRITES: usize = 200;
    let options = store::Options {
        watch_buffer: BUFFER,
        ..store::Options::default()
    };
    let server = start_store(options, RegistryOptions::default(), |b| b).await;
    // A client that lets 8 KiB in and then reads nothing.
    let stream = server.tls(Some(&server.admin), true).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(8 * 1024)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://localhost{PATH}?watch=1"))
        .body(Empty::new())
        .unwrap();
    let mut slow = sender.send_request(request).await.unwrap().into_body();
    let open = server.registry.store().stats().watches;
    let mut writer = server.admin().await;
    for i in 0..WRITES {
        create(&mut writer, &format!("c{i:03}"), 1024).await;
    }
    assert!(
        server.registry.store().stats().watches < open,
        "it gets no more events while it reads nothing"
    );
    let mut seen = Vec::new();
    let reading = async {
        while let Some(frame) = slow.frame().await {
            seen.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .expect("the stream ends");
    let events: Vec<Value> = seen
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("whole events only"))
        .collect();
    let kept = events.len();
    assert!(
        (2..BUFFER + 24).contains(&kept),
        "{kept} events were kept for it"
    );
    // It goes on where it was, without a gap.
    let last = events[kept - 1]["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap();
    let mut client = server.admin().await;
    let rest = client
        .get(&format!(
            "{PATH}?watch=1&timeoutSeconds=1&resourceVersion={last}"
        ))
        .await;
    let mut names: Vec<String> = events
        .iter()
        .map(|e| e["object"]["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    names.extend(rest.text().lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["object"]["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    }));
    names.retain(|n| n.starts_with('c'));
    let want: Vec<String> = (0..WRITES).map(|i| format!("c{i:03}")).collect();
    assert_eq!(names, want);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_gone() {
    let server = start_with(limits(Limits {
        ping: Duration::from_millis(200),
        pong: Duration::from_millis(300),
        ..Limits::default()
    }))
    .await;
    // Between the two stands a wire that can be cut without either end seeing it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = listener.local_addr().unwrap();
    let (cut, address) = (CancellationToken::new(), server.address);
    let carrier = tokio::spawn({
        let cut = cut.clone();
        async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(address).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = cut.cancelled() => {}
            }
            (client, server)
        }
    });
    let stream = server
        .tls_to(wire, Some(&server.admin), true)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://localhost{PATH}?watch=1"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(watches(&server).await, 1, "while it answers it stays");
    cut.cancel();
    let _open = carrier.await.unwrap();
    assert!(none_left(&server).await, "its watch is closed");
    drop((sender, response));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_any_more_is_gone() {
    let server = start_with(limits(Limits {
        unacknowledged: Duration::from_secs(1),
        ..Limits::default()
    }))
    .await;
    let mut stuck = server.tls(Some(&server.admin), false).await.unwrap();
    stuck
        .write_all(format!("GET {PATH}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut first = [0; 1];
    stuck.read_exact(&mut first).await.unwrap();
    assert_eq!(watches(&server).await, 1);
    let mut writer = server.admin().await;
    for i in 0..16 {
        create(&mut writer, &format!("big{i}"), 900_000).await;
    }
    assert!(
        none_left(&server).await,
        "the kernel gives the connection up, and its watch with it"
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_watch() {
    let server = start().await;
    for http2 in [false, true] {
        let stream = server.tls(Some(&server.admin), http2).await.unwrap();
        let request = http::Request::get(format!("https://localhost{PATH}?watch=1"))
            .header("host", "localhost")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let io = TokioIo::new(stream);
        if http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .unwrap();
            let driver = tokio::spawn(connection);
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(watches(&server).await, 1);
            drop(answer);
            driver.abort();
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let driver = tokio::spawn(connection);
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(watches(&server).await, 1);
            drop(answer);
            driver.abort();
        }
        assert!(none_left(&server).await, "HTTP/2: {http2}");
    }
}

/// This process's resident memory in bytes: server and clients are both in it.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_watches_cost_little_and_all_get_an_event() {
    const WATCHES: usize = 10_000;
    const CONNECTIONS: usize = 10;
    /// Of one watch, both ends of it: a stream's buffers, a request's state, a subscription.
    const EACH: usize = 24 * 1024;
    let server = start_with(limits(Limits {
        streams: 2_000,
        ..Limits::default()
    }))
    .await;
    let mut admin = server.admin().await;
    let version = admin.get(PATH).await.json()["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = resident();
    let mut open = Vec::with_capacity(WATCHES);
    for _ in 0..CONNECTIONS {
        let mut client = server.admin().await;
        for _ in 0..WATCHES / CONNECTIONS {
            let path = format!("{PATH}?watch=1&resourceVersion={version}");
            let watch = client.open("GET", &path, &[], b"").await;
            assert_eq!(watch.status(), 200);
            open.push(watch.into_body());
        }
    }
    assert_eq!(watches(&server).await, WATCHES);
    let cost = resident().saturating_sub(before);
    println!("{} bytes for each of {WATCHES} watches", cost / WATCHES);
    assert!(cost <= WATCHES * EACH, "{} bytes each", cost / WATCHES);

    create(&mut admin, "seen-by-all", 1).await;
    for watch in &mut open {
        let frame = watch.frame().await.unwrap().unwrap().into_data().unwrap();
        let event: Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(event["object"]["metadata"]["name"], "seen-by-all");
    }
    drop(open);
    assert!(none_left(&server).await, "they leave nothing behind");
}
