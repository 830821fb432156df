//! What must not work.

use std::time::Duration;

use apiserver::Limits;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Ca, limits, start, start_with};

#[tokio::test]
async fn a_plain_http_client_is_told_so() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(
        answer,
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    );
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let server = start().await;
    let foreign = Ca::new().issue("admin", &["system:masters"], &[]);
    let refused = match server.tls(Some(&foreign), false).await {
        Err(_) => true,
        // With TLS 1.3 the client learns of it with the first read.
        Ok(mut stream) => {
            let _ = stream
                .write_all(b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n")
                .await;
            let mut buffer = [0; 16];
            !matches!(stream.read(&mut buffer).await, Ok(n) if n > 0)
        }
    };
    assert!(refused);
}

#[tokio::test]
async fn anonymous_reads_health_and_version_and_nothing_else() {
    let server = start().await;
    let mut nobody = server.client(None).await;
    for path in ["/livez", "/readyz", "/healthz", "/version"] {
        assert_eq!(nobody.get(path).await.code, 200, "{path}");
    }
    for path in [
        "/api",
        "/apis",
        "/api/v1/pods",
        "/metrics",
        "/openapi/v3",
        "/",
    ] {
        let answer = nobody.get(path).await;
        assert_eq!(answer.code, 401, "{path}");
        assert_eq!(
            answer.json(),
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "Unauthorized", "reason": "Unauthorized", "code": 401})
        );
    }
    for token in ["nope", "a.b.c", ""] {
        let answer = nobody
            .send(
                "GET",
                "/api/v1/pods",
                &[("authorization", &format!("Bearer {token}"))],
                b"",
            )
            .await;
        assert_eq!(answer.code, 401);
    }
}

#[tokio::test]
async fn a_refused_identity_gets_401_on_the_next_request_and_its_watches_end() {
    let server = start().await;
    let user = server
        .ca
        .issue("0xabc", &["system:masters"], &["daas://stake/0x1"]);
    let mut client = server.client(Some(&user)).await;
    assert_eq!(client.get("/api/v1/namespaces").await.code, 200);
    let mut watch = client
        .open("GET", "/api/v1/namespaces?watch=1", &[], b"")
        .await
        .into_body();
    assert!(watch.frame().await.is_some(), "the initial events");

    server.gate.refuse("0xabc");

    assert_eq!(
        client.get("/api/v1/namespaces").await.code,
        401,
        "the very next request"
    );
    let ended = async {
        while let Some(frame) = watch.frame().await {
            frame.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(2), ended)
        .await
        .expect("the open watch ends");
}

#[tokio::test]
async fn a_node_touches_only_its_own_objects() {
    let server = start().await;
    let mut admin = server.admin().await;
    for name in ["n1", "n2"] {
        let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}});
        assert_eq!(admin.post("/api/v1/nodes", node).await.code, 201);
        let pod = json!({"metadata": {"name": format!("p-{name}")}, "spec": {"nodeName": name,
            "volumes": [{"name": "v", "secret": {"secretName": format!("s-{name}")}}],
            "containers": [{"name": "c", "image": "i"}]}});
        let made = admin.post("/api/v1/namespaces/default/pods", pod).await;
        assert_eq!(made.code, 201, "{}", made.text());
        let secret = json!({"metadata": {"name": format!("s-{name}")}, "stringData": {"a": "b"}});
        assert_eq!(
            admin
                .post("/api/v1/namespaces/default/secrets", secret)
                .await
                .code,
            201
        );
    }
    let n1 = server
        .ca
        .issue("system:node:n1", &["system:nodes"], &["daas://token/0x1"]);
    let mut node = server.client(Some(&n1)).await;
    let mut eventually = 0;
    while node
        .get("/api/v1/namespaces/default/secrets/s-n1")
        .await
        .code
        != 200
    {
        eventually += 1;
        assert!(eventually < 100, "the secret of its own pod");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (path, code) in [
        ("/api/v1/nodes/n1", 200),
        ("/api/v1/nodes/n2", 403),
        ("/api/v1/nodes", 403),
        ("/api/v1/namespaces/default/pods/p-n1", 200),
        ("/api/v1/namespaces/default/pods/p-n2", 403),
        ("/api/v1/pods", 403),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", 403),
        ("/api/v1/namespaces/default/secrets/s-n2", 403),
        ("/api/v1/namespaces/default/secrets", 403),
        (
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2",
            403,
        ),
    ] {
        let answer = node.get(path).await;
        assert_eq!(answer.code, code, "{path}: {}", answer.text());
    }
    let answer = node.get("/api/v1/nodes/n2").await.json();
    assert_eq!(
        answer["message"],
        "nodes \"n2\" is forbidden: User \"system:node:n1\" cannot get resource \"nodes\" in API group \"\" at the cluster scope: node 'n1' cannot read 'n2', only its own Node object"
    );
    let uid = |name: &str| {
        let target = server
            .registry
            .target("", "v1", "pods", Some("default"), name)
            .unwrap();
        let registry = server.registry.clone();
        async move {
            let pod = registry
                .get(
                    &registry::RequestContext::system(),
                    &target,
                    &Default::default(),
                )
                .await
                .unwrap();
            pod.value()["metadata"]["uid"].clone()
        }
    };
    let token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    for (pod, uid, code) in [
        ("p-n1", uid("p-n1").await, 201),
        ("p-n2", uid("p-n2").await, 403),
        ("p-n1", json!("another"), 409),
        ("p-n1", json!(null), 403),
    ] {
        let body = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}}});
        let answer = node.post(token, body).await;
        assert_eq!(answer.code, code, "{pod}: {}", answer.text());
    }
    assert_eq!(
        node.post(token, json!({})).await.code,
        403,
        "bound to nothing"
    );
    let patch = json!({"status": {"phase": "Failed"}}).to_string();
    let merge = [("content-type", "application/merge-patch+json")];
    for (path, code) in [
        ("/api/v1/nodes/n1/status", 200),
        ("/api/v1/nodes/n2/status", 403),
        ("/api/v1/nodes/n2", 403),
        ("/api/v1/namespaces/default/pods/p-n1/status", 200),
        ("/api/v1/namespaces/default/pods/p-n2/status", 403),
        ("/api/v1/namespaces/default/pods/p-n1", 403),
    ] {
        let body = if path.contains("pods") {
            patch.clone()
        } else {
            "{}".to_owned()
        };
        let answer = node.send("PATCH", path, &merge, body.as_bytes()).await;
        assert_eq!(answer.code, code, "{path}: {}", answer.text());
    }
    assert_eq!(
        node.send("DELETE", "/api/v1/nodes/n2", &[], b"").await.code,
        403
    );
    assert_eq!(
        node.send("DELETE", "/api/v1/namespaces/default/pods/p-n2", &[], b"")
            .await
            .code,
        403
    );
}

#[tokio::test]
async fn nobody_impersonates_or_escalates_without_the_right() {
    let server = start().await;
    let mut admin = server.admin().await;
    let role = |name: &str, verbs: &[&str], group: &str, resource: &str| json!({"metadata": {"name": name}, "rules": [{"verbs": verbs, "apiGroups": [group], "resources": [resource]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    assert_eq!(
        admin
            .post(
                &format!("{rbac}/roles"),
                role(
                    "writer",
                    &["create", "patch"],
                    "rbac.authorization.k8s.io",
                    "*"
                )
            )
            .await
            .code,
        201
    );
    let bind = json!({"metadata": {"name": "writer"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}]});
    assert_eq!(
        admin.post(&format!("{rbac}/rolebindings"), bind).await.code,
        201
    );
    let eve = server.ca.issue("eve", &[], &[]);
    let mut eve = server.client(Some(&eve)).await;
    let mut eventually = 0;
    loop {
        let answer = eve
            .post(
                &format!("{rbac}/roles"),
                role("more", &["get"], "", "secrets"),
            )
            .await;
        assert_eq!(answer.code, 403);
        if answer
            .text()
            .contains("attempting to grant RBAC permissions not currently held")
        {
            assert!(
                answer
                    .text()
                    .contains(r#"{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}"#),
                "{}",
                answer.text()
            );
            break;
        }
        eventually += 1;
        assert!(eventually < 100, "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let grab = json!({"metadata": {"name": "grab"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}]});
    assert_eq!(
        eve.post(&format!("{rbac}/rolebindings"), grab).await.code,
        403
    );
    let patch = json!([{"op": "add", "path": "/rules/-", "value": {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}}]).to_string();
    let answer = eve
        .send(
            "PATCH",
            &format!("{rbac}/roles/writer"),
            &[("content-type", "application/json-patch+json")],
            patch.as_bytes(),
        )
        .await;
    assert_eq!(answer.code, 403, "{}", answer.text());
    let answer = eve
        .send(
            "GET",
            "/api/v1/secrets",
            &[
                ("impersonate-user", "admin"),
                ("impersonate-group", "system:masters"),
            ],
            b"",
        )
        .await;
    assert_eq!(answer.code, 403);
    assert_eq!(
        answer.json()["message"],
        "users \"admin\" is forbidden: User \"eve\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
    );
}

#[tokio::test]
async fn bodies_and_slow_clients_are_bounded() {
    let server = start_with(limits(Limits {
        handshake: Duration::from_millis(300),
        headers: Duration::from_millis(300),
        connections: 8,
        ..Limits::default()
    }))
    .await;
    let mut admin = server.admin().await;
    let big = vec![b' '; 3 * 1024 * 1024 + 1];
    let answer = admin
        .send(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            &[("content-type", "application/json")],
            &big,
        )
        .await;
    assert_eq!(answer.code, 413);
    assert_eq!(
        answer.json()["message"],
        "Request entity too large: limit is 3145728"
    );

    // Neither a client that never starts TLS nor one that never ends its headers is kept.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut slow = server.tls(Some(&server.admin), false).await.unwrap();
    slow.write_all(b"GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    let mut buffer = [0; 256];
    let closed = async {
        assert_eq!(silent.read(&mut buffer).await.unwrap_or(0), 0);
        while !matches!(slow.read(&mut buffer).await, Ok(0) | Err(_)) {}
    };
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .expect("both are closed");

    // More connections than allowed are closed at once.
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut closed = 0;
    for stream in &mut held {
        let one = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await;
        closed += usize::from(matches!(one, Ok(Ok(0) | Err(_))));
    }
    assert!(closed >= 12, "{closed}");
}
