//! Negotiation, discovery, health, watch framing, draining: what a client sees beside the objects.

use std::io::Read;
use std::time::Duration;

use apiserver::{FnCheck, Limits};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::harness::{limits, root, start, start_with};

#[tokio::test]
async fn discovery_agrees_with_the_reference() {
    let server = start().await;
    let mut admin = server.admin().await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    let reference = root().join("../shared/k8s/reference");
    if !reference.exists() {
        eprintln!("skipped: ../shared absent");
    }
    for (path, file) in [
        ("/api", "discovery-api.json"),
        ("/apis", "discovery-apis.json"),
    ] {
        let answer = admin.send("GET", path, &[("accept", accept)], b"").await;
        assert_eq!(
            answer.header("content-type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        );
        let again = admin
            .send(
                "GET",
                path,
                &[("accept", accept), ("if-none-match", answer.header("etag"))],
                b"",
            )
            .await;
        assert_eq!((again.code, again.body.len()), (304, 0));
        let Ok(want) = std::fs::read(reference.join(file)) else {
            continue;
        };
        let want: Value = serde_json::from_slice(&want).unwrap();
        let got = answer.json();
        let resources = |v: &Value| {
            let mut all = std::collections::BTreeMap::new();
            for group in v["items"].as_array().unwrap() {
                for version in group["versions"].as_array().unwrap() {
                    for resource in version["resources"].as_array().unwrap() {
                        let key = format!(
                            "{}/{}/{}",
                            group["metadata"]["name"], version["version"], resource["resource"]
                        );
                        all.insert(key, resource.clone());
                    }
                }
            }
            all
        };
        let (want, got) = (resources(&want), resources(&got));
        for (key, resource) in &got {
            if let Some(want) = want.get(key) {
                assert_eq!(resource, want, "{key}");
            }
        }
        let missing: Vec<_> = want.keys().filter(|k| !got.contains_key(*k)).collect();
        let later = [
            "\"apiextensions.k8s.io\"/\"v1\"/\"customresourcedefinitions\"",
            "\"autoscaling\"/\"v1\"/\"horizontalpodautoscalers\"",
        ];
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|m| !later.contains(&m.as_str()))
            .collect();
        assert!(missing.is_empty(), "not served: {missing:?}");
    }
    let legacy = admin.get("/apis/apps/v1").await.json();
    assert_eq!(
        (&legacy["kind"], &legacy["groupVersion"]),
        (&json!("APIResourceList"), &json!("apps/v1"))
    );
    assert_eq!(admin.get("/apis").await.json()["kind"], "APIGroupList");
    assert_eq!(admin.get("/apis/nope").await.code, 404);
}

#[tokio::test]
async fn health_says_what_fails_and_what_is_to_be_known() {
    let server = start_with(|b| {
        b.check(FnCheck::with_notice(
            "tee-simulated",
            "evidence is simulated, it proves nothing",
            || Ok(()),
        ))
        .check(FnCheck::new("broken", || {
            Err(apiserver::CheckFailure("a secret reason".into()))
        }))
    })
    .await;
    let mut client = server.admin().await;
    assert_eq!(client.get("/livez").await.text(), "ok");
    let ready = client.get("/readyz?verbose").await;
    assert_eq!(ready.code, 500);
    assert_eq!(
        ready.text(),
        "[+]ping ok\n[+]tee-simulated ok: evidence is simulated, it proves nothing\n[-]broken failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n"
    );
    assert_eq!(client.get("/readyz?exclude=broken").await.text(), "ok");
    assert_eq!(client.get("/readyz/ping").await.text(), "ok");
    assert_eq!(client.get("/readyz/broken").await.code, 500);
    assert_eq!(client.get("/readyz/nope").await.code, 404);
}

#[tokio::test]
async fn every_answer_has_its_headers_and_errors_are_statuses() {
    let server = start().await;
    let mut admin = server.admin().await;
    let answer = admin
        .send(
            "GET",
            "/api/v1/namespaces/default/pods/nope",
            &[("audit-id", "mine")],
            b"",
        )
        .await;
    assert_eq!(answer.code, 404);
    assert_eq!(answer.header("audit-id"), "mine");
    assert_eq!(answer.header("cache-control"), "no-cache, private");
    assert_eq!(answer.json()["reason"], "NotFound");
    assert_eq!(admin.get("/nope").await.text(), "404 page not found\n");
    assert_eq!(
        admin.get("/apis/nope.example.com/v1/things").await.text(),
        "404 page not found\n"
    );
    assert_eq!(
        admin.get("/api/v1/things").await.json()["message"],
        "the server could not find the requested resource"
    );
    assert_eq!(
        admin
            .send("PUT", "/api/v1/namespaces/default/configmaps", &[], b"{}")
            .await
            .code,
        405
    );
    assert_eq!(
        admin
            .send("GET", "/api/v1/pods", &[("accept", "text/plain")], b"")
            .await
            .code,
        406
    );
    assert_eq!(
        admin
            .send(
                "POST",
                "/api/v1/namespaces/default/configmaps",
                &[("content-type", "text/plain")],
                b"x"
            )
            .await
            .code,
        415
    );
    let pretty = admin
        .get("/api/v1/namespaces/default?pretty=true")
        .await
        .text();
    assert!(pretty.starts_with("{\n  \""), "{pretty}");
    let metrics = admin.get("/metrics").await.text();
    assert!(
        metrics.contains("apiserver_request_total{verb=\"GET\"")
            && metrics.contains("apiserver_request_duration_seconds_bucket"),
        "{metrics}"
    );
}

#[tokio::test]
async fn lists_are_spliced_compressed_and_shown_as_metadata() {
    let server = start_with(limits(Limits {
        gzip_local: true,
        ..Limits::default()
    }))
    .await;
    let mut admin = server.admin().await;
    for i in 0..40 {
        let object =
            json!({"metadata": {"name": format!("c{i:02}")}, "data": {"a": "x".repeat(10_000)}});
        assert_eq!(
            admin
                .post("/api/v1/namespaces/default/configmaps", object)
                .await
                .code,
            201
        );
    }
    let path = "/api/v1/namespaces/default/configmaps";
    let plain = admin.get(path).await;
    let list = plain.json();
    assert_eq!(
        (
            list["kind"].as_str(),
            list["items"].as_array().unwrap().len()
        ),
        (Some("ConfigMapList"), 41)
    );
    let zipped = admin
        .send("GET", path, &[("accept-encoding", "gzip")], b"")
        .await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(&zipped.body[..])
        .read_to_end(&mut out)
        .unwrap();
    assert!(out == plain.body && zipped.body.len() < plain.body.len() / 10);
    let accept = [(
        "accept",
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    )];
    let metadata = admin.send("GET", path, &accept, b"").await.json();
    assert_eq!(
        (metadata["kind"].as_str(), metadata["apiVersion"].as_str()),
        (Some("PartialObjectMetadataList"), Some("meta.k8s.io/v1"))
    );
    assert_eq!(metadata["items"][0]["kind"], "PartialObjectMetadata");
    assert!(metadata["items"][0].get("data").is_none());
    let page = admin.get(&format!("{path}?limit=10")).await.json();
    let token = page["metadata"]["continue"].as_str().unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    let rest = admin
        .get(&format!("{path}?limit=100&continue={token}"))
        .await
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 31);
}

#[tokio::test]
async fn a_watch_begins_with_the_state_and_flushes_each_event() {
    let server = start().await;
    let (mut admin, mut writer) = (server.admin().await, server.admin().await);
    let path = "/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=30";
    let response = admin.open("GET", path, &[], b"").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    let mut next = async || -> Value {
        loop {
            if let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = tokio::time::timeout(Duration::from_secs(5), body.frame())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    };
    assert_eq!(
        next().await["object"]["metadata"]["name"],
        "kube-root-ca.crt"
    );
    let bookmark = next().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let configmaps = "/api/v1/namespaces/default/configmaps";
    let made = writer
        .post(configmaps, json!({"metadata": {"name": "a"}}))
        .await
        .json();
    let added = next().await;
    assert_eq!(
        (added["type"].as_str(), &added["object"]),
        (Some("ADDED"), &made)
    );
    writer
        .send("DELETE", &format!("{configmaps}/a"), &[], b"")
        .await;
    assert_eq!(next().await["type"], "DELETED");
}

#[tokio::test]
async fn draining_fails_readiness_ends_watches_and_finishes_requests() {
    let server = start().await;
    let mut admin = server.admin().await;
    let mut watch = admin
        .open("GET", "/api/v1/pods?watch=1", &[], b"")
        .await
        .into_body();
    server.stop.cancel();
    let ended = async { while let Some(Ok(_)) = watch.frame().await {} };
    tokio::time::timeout(Duration::from_secs(2), ended)
        .await
        .expect("the watch ends");
    tokio::time::timeout(Duration::from_secs(5), server.served)
        .await
        .expect("the server ends")
        .unwrap()
        .unwrap();
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err(),
        "nobody listens"
    );
}

#[tokio::test]
async fn kube_rs_lists_creates_and_watches() {
    use futures::StreamExt;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{DeleteParams, PostParams};
    use kube::runtime::{WatchStreamExt, watcher};
    let server = start().await;
    let config = kube::config::Kubeconfig::read_from(server.kubeconfig(&server.admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
    let api: kube::Api<ConfigMap> = kube::Api::namespaced(client, "default");
    for mode in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut events = Box::pin(
            watcher(api.clone(), mode)
                .default_backoff()
                .applied_objects(),
        );
        let first = tokio::time::timeout(Duration::from_secs(5), events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(first.metadata.name.as_deref(), Some("kube-root-ca.crt"));
        let mut object = ConfigMap::default();
        object.metadata.name = Some("from-kube".into());
        api.create(&PostParams::default(), &object).await.unwrap();
        let seen = tokio::time::timeout(Duration::from_secs(5), events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(seen.metadata.name.as_deref(), Some("from-kube"));
        api.delete("from-kube", &DeleteParams::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn protobuf_says_the_same_as_json() {
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    let server = start().await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "pb", "labels": {"a": "b"}}, "data": {"k": "v"}});
    let body = codec::protobuf::encode(&object).unwrap();
    let headers = [("content-type", PROTOBUF), ("accept", PROTOBUF)];
    let made = admin.send("POST", path, &headers, &body).await;
    assert_eq!((made.code, made.header("content-type")), (201, PROTOBUF));
    let json = admin.get(&format!("{path}/pb")).await.json();
    assert_eq!(codec::protobuf::decode(&made.body, None).unwrap(), json);
    let list = admin.send("GET", path, &[("accept", PROTOBUF)], b"").await;
    let list = codec::protobuf::decode(&list.body, None).unwrap();
    let want = admin.get(path).await.json();
    assert_eq!(
        (&list["kind"], &list["metadata"]),
        (&json!("ConfigMapList"), &want["metadata"])
    );
    // Items of a list carry no kind of their own in protobuf.
    let names = |l: &Value| {
        l["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| (i["metadata"].clone(), i["data"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&list), names(&want));

    let watch = format!("{path}?watch=1&fieldSelector=metadata.name%3Dpb");
    let response = admin
        .open("GET", &watch, &[("accept", PROTOBUF)], b"")
        .await;
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.kubernetes.protobuf;stream=watch"
    );
    let frame = response
        .into_body()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    let length = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
    assert_eq!(length, frame.len() - 4);
    assert!(
        frame.windows(5).any(|w| w == b"ADDED")
            && frame.windows(4).any(|w| w == codec::protobuf::MAGIC)
    );

    let options = codec::protobuf::encode(
        &json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}),
    )
    .unwrap();
    let deleted = admin
        .send(
            "DELETE",
            &format!("{path}/pb"),
            &[("content-type", PROTOBUF)],
            &options,
        )
        .await;
    assert_eq!(deleted.code, 200, "{}", deleted.text());
    for broken in [
        &b"k8s\0\xff\xff\xff\xff\xff"[..],
        b"nope",
        &body[..body.len() / 2],
    ] {
        assert_eq!(admin.send("POST", path, &headers, broken).await.code, 400);
    }
}

#[tokio::test]
async fn tables_are_printed_for_lists_objects_and_watches() {
    let server = start().await;
    let mut admin = server.admin().await;
    let table = [(
        "accept",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    )];
    let list = admin
        .send("GET", "/api/v1/namespaces/default/configmaps", &table, b"")
        .await
        .json();
    assert_eq!(
        (list["kind"].as_str(), list["apiVersion"].as_str()),
        (Some("Table"), Some("meta.k8s.io/v1"))
    );
    assert_eq!(list["columnDefinitions"][1]["name"], "Data");
    assert_eq!(list["rows"][0]["cells"][0], "kube-root-ca.crt");
    assert_eq!(list["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let bare = admin
        .send(
            "GET",
            "/api/v1/namespaces/default/configmaps?includeObject=None",
            &table,
            b"",
        )
        .await
        .json();
    assert!(bare["rows"][0].get("object").is_none());
    assert_eq!(
        admin
            .send("GET", "/api/v1/namespaces/default", &table, b"")
            .await
            .json()["rows"][0]["cells"][1],
        "Active"
    );
    let mut body = admin
        .open("GET", "/api/v1/namespaces?watch=1", &table, b"")
        .await
        .into_body();
    let mut events = Vec::new();
    while events.len() < 2 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        events.extend(
            frame
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .map(|l| serde_json::from_slice::<Value>(l).unwrap()),
        );
    }
    assert!(
        !events[0]["object"]["columnDefinitions"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(
        events[1]["object"]["columnDefinitions"]
            .as_array()
            .unwrap()
            .is_empty(),
        "said once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_every_one_of_many_watchers() {
    let server = start().await;
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let mut client = server.admin().await;
        for _ in 0..100 {
            bodies.push(
                client
                    .open(
                        "GET",
                        "/api/v1/namespaces/default/configmaps?watch=1",
                        &[],
                        b"",
                    )
                    .await
                    .into_body(),
            );
        }
        // The connection lives as long as its streams.
    }
    let mut writer = server.admin().await;
    for name in ["one", "two", "three"] {
        let made = writer
            .post(
                "/api/v1/namespaces/default/configmaps",
                json!({"metadata": {"name": name}}),
            )
            .await;
        assert_eq!(made.code, 201);
    }
    let started = std::time::Instant::now();
    for mut body in bodies {
        let mut seen = String::new();
        while seen.matches("\"type\":\"ADDED\"").count() < 4 {
            let frame = tokio::time::timeout(Duration::from_secs(10), body.frame())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        let at = |name: &str| seen.find(&format!("\"name\":\"{name}\"")).unwrap();
        assert!(at("one") < at("two") && at("two") < at("three"));
    }
    eprintln!("400 watchers read 3 events within {:?}", started.elapsed());
}
