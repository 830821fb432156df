//! An aggregated API server: a sample extension made in the test, which believes nobody but the front proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiserver::FrontProxy;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use parking_lot::Mutex;
use registry::RegistryOptions;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use webhook::{BackendStream, Backends, ClientIdentity, ClusterNetwork};

use crate::backend::{Backend, Got, reply};
use crate::harness::{Ca, Client, Running, start_registry};

const POD: &str = "10.7.7.7:9443";

/// Leads the pod's address to wherever the test's server is.
#[derive(Default, Clone)]
struct Network(Arc<Mutex<Option<SocketAddr>>>);

#[async_trait::async_trait]
impl ClusterNetwork for Network {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>> {
        assert_eq!(address.to_string(), POD);
        let to = *self.0.lock();
        let to = to.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(TcpStream::connect(to).await?))
    }
}

fn header<'a>(got: &'a Got, name: &str) -> Vec<&'a str> {
    got.parts
        .headers
        .get_all(name)
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect()
}

/// The sample extension: `/apis/sample.example.com/v1/flunders`, which shows who asks.
fn extension(got: &Got) -> Option<Response<Full<Bytes>>> {
    // Request-header authentication, as the library for extension servers does it.
    let trusted = got.peer.as_ref().is_some_and(|certificate| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        let name = parsed.subject().iter_common_name().next();
        name.and_then(|n| n.as_str().ok()) == Some("front-proxy-client")
    });
    if !trusted {
        return reply(
            401,
            &json!({"kind": "Status", "code": 401, "message": "Unauthorized"}),
        );
    }
    let path = got.parts.uri.path();
    let resource = json!({"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
        "verbs": ["get", "list", "watch"], "shortNames": ["fl"]});
    match path {
        "/apis/sample.example.com/v1" => reply(
            200,
            &json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "sample.example.com/v1", "resources": [resource]}),
        ),
        "/openapi/v3" => reply(
            200,
            &json!({"paths": {"apis/sample.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/sample.example.com/v1?hash=1"},
                "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=evil"}}}),
        ),
        "/openapi/v3/apis/sample.example.com/v1" => {
            reply(200, &json!({"openapi": "3.0.0", "paths": {}}))
        }
        "/apis/sample.example.com/v1/namespaces/default/flunders" => {
            let item = json!({"apiVersion": "sample.example.com/v1", "kind": "Flunder", "metadata": {"name": "f", "namespace": "default"}});
            reply(
                200,
                &json!({"kind": "FlunderList", "apiVersion": "sample.example.com/v1", "metadata": {"resourceVersion": "1"}, "items": [item]}),
            )
        }
        "/apis/sample.example.com/v1/namespaces/default/flunders/who" => reply(
            200,
            &json!({
                "kind": "Flunder", "apiVersion": "sample.example.com/v1", "metadata": {"name": "who"},
                "user": header(got, "x-remote-user"), "groups": header(got, "x-remote-group"),
                "extra": header(got, "x-remote-extra-scopes"), "authorization": header(got, "authorization"),
                "query": got.parts.uri.query(), "method": got.parts.method.as_str(),
                "body": String::from_utf8_lossy(&got.body),
            }),
        ),
        "/apis/sample.example.com/v1/namespaces/default/flunders/moved" => Some(
            Response::builder()
                .status(302)
                .header("location", "https://127.0.0.1/")
                .body(Full::default())
                .unwrap(),
        ),
        _ => reply(
            404,
            &json!({"kind": "Status", "code": 404, "message": "no"}),
        ),
    }
}

struct Sample {
    server: Running,
    network: Network,
    extension: Backend,
    front_ca: Ca,
}

async fn sample() -> Sample {
    let front_ca = Ca::new();
    let identity = front_ca.issue(FrontProxy::NAME, &[], &[]);
    let proxy = FrontProxy::new(
        ClientIdentity::new(vec![identity.certificate.clone()], identity.key_der()),
        front_ca.pem().to_owned(),
        "the client CA".to_owned(),
    );
    let network = Network::default();
    let options = RegistryOptions {
        backends: Backends::new(Arc::new(network.clone())),
        ..RegistryOptions::default()
    };
    let server = start_registry(options, |b| b.front_proxy(proxy)).await;
    let extension =
        Backend::start(&["api.sample.svc"], Some(front_ca.der.clone()), extension).await;
    *network.0.lock() = Some(extension.address);
    Sample {
        server,
        network,
        extension,
        front_ca,
    }
}

impl Sample {
    fn service(&self) -> Value {
        json!({"metadata": {"name": "v1.sample.example.com"}, "spec": {"group": "sample.example.com", "version": "v1",
            "groupPriorityMinimum": 17550, "versionPriority": 15, "caBundle": self.extension.ca_bundle(),
            "service": {"namespace": "sample", "name": "api", "port": 443}}})
    }
}

async fn condition(admin: &mut Client, reason: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..400 {
        let object = admin
            .get("/apis/apiregistration.k8s.io/v1/apiservices/v1.sample.example.com")
            .await
            .json();
        last = object["status"]["conditions"][0].clone();
        if last["reason"] == reason {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no condition {reason}: {last}");
}

async fn made(admin: &mut Client, path: &str, object: Value) {
    let answer = admin.post(path, object).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
}

#[tokio::test]
async fn an_extension_server_is_found_asked_as_the_user_and_missed_when_it_is_gone() {
    let sample = sample().await;
    let mut admin = sample.server.admin().await;
    made(
        &mut admin,
        "/api/v1/namespaces",
        json!({"metadata": {"name": "sample"}}),
    )
    .await;
    let services = "/apis/apiregistration.k8s.io/v1/apiservices";
    made(&mut admin, services, sample.service()).await;

    // Availability, step by step.
    let none = condition(&mut admin, "ServiceNotFound").await;
    assert_eq!(
        (&none["status"], &none["message"]),
        (
            &json!("False"),
            &json!("service/api in \"sample\" is not present")
        )
    );
    let flunders = "/apis/sample.example.com/v1/namespaces/default/flunders";
    let missed = admin.get(flunders).await;
    assert_eq!(
        (missed.code, missed.text().as_str()),
        (503, "service unavailable\n")
    );
    let service = json!({"metadata": {"name": "api"}, "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 9443}]}});
    made(&mut admin, "/api/v1/namespaces/sample/services", service).await;
    let none = condition(&mut admin, "EndpointsNotFound").await;
    assert_eq!(
        none["message"],
        "cannot find endpointslices for service/api in \"sample\""
    );
    let mut slice = json!({"metadata": {"name": "api-1", "labels": {"kubernetes.io/service-name": "api"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.7.7.7"], "conditions": {"ready": false}}], "ports": [{"name": "https", "port": 9443}]});
    let slices = "/apis/discovery.k8s.io/v1/namespaces/sample/endpointslices";
    made(&mut admin, slices, slice.clone()).await;
    condition(&mut admin, "MissingEndpoints").await;
    slice["endpoints"][0]["conditions"]["ready"] = json!(true);
    let ready = admin
        .send(
            "PUT",
            &format!("{slices}/api-1"),
            &[("content-type", "application/json")],
            slice.to_string().as_bytes(),
        )
        .await;
    assert_eq!(ready.code, 200, "{}", ready.text());
    let passed = condition(&mut admin, "Passed").await;
    assert_eq!(
        (&passed["status"], &passed["message"]),
        (&json!("True"), &json!("all checks passed"))
    );

    // Requests, as whoever asks; what the client itself says of users does not pass.
    let jane = sample.server.ca.issue("jane", &["devs"], &[]);
    let mut client = sample.server.client(Some(&jane)).await;
    let forbidden = client.get(&format!("{flunders}/who")).await;
    assert_eq!(forbidden.code, 403, "this server authorises first");
    made(
        &mut admin,
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        json!({"metadata": {"name": "flunders"}, "rules": [{"apiGroups": ["sample.example.com"], "resources": ["*"], "verbs": ["*"]}]}),
    )
    .await;
    made(
        &mut admin,
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        json!({"metadata": {"name": "flunders"}, "subjects": [{"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flunders"}}),
    )
    .await;
    let mut who = Value::Null;
    for _ in 0..100 {
        let answer = client
            .send(
                "POST",
                &format!("{flunders}/who?a=b%2Fc"),
                &[
                    ("x-remote-user", "root"),
                    ("x-remote-group", "system:masters"),
                    ("x-remote-extra-scopes", "all"),
                ],
                b"hello",
            )
            .await;
        if answer.code == 200 {
            who = answer.json();
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        who,
        json!({"kind": "Flunder", "apiVersion": "sample.example.com/v1", "metadata": {"name": "who"}, "user": ["jane"],
            "groups": ["devs", "system:authenticated"], "extra": [], "authorization": [], "query": "a=b%2Fc", "method": "POST",
            "body": "hello"})
    );
    let moved = admin.get(&format!("{flunders}/moved")).await;
    assert_eq!(
        (moved.code, moved.text().as_str()),
        (
            502,
            "the backend attempted to redirect this request, which is not permitted"
        )
    );

    // It is shown beside what this server serves.
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let discovery = admin.send("GET", "/apis", &[("accept", accept)], b"").await;
    let document = discovery.json();
    let groups: Vec<&str> = document["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["metadata"]["name"].as_str().unwrap())
        .collect();
    let at = |name: &str| groups.iter().position(|g| *g == name).unwrap();
    assert!(
        at("authorization.k8s.io") < at("sample.example.com"),
        "{groups:?}"
    );
    assert!(at("sample.example.com") < at("autoscaling"), "{groups:?}");
    let shown = &document["items"][at("sample.example.com")]["versions"];
    assert_eq!(
        *shown,
        json!([{"version": "v1", "freshness": "Current", "resources": [{"resource": "flunders",
            "responseKind": {"group": "sample.example.com", "version": "v1", "kind": "Flunder"}, "scope": "Namespaced",
            "singularResource": "flunder", "verbs": ["get", "list", "watch"], "shortNames": ["fl"]}]}])
    );
    let again = admin
        .send(
            "GET",
            "/apis",
            &[
                ("accept", accept),
                ("if-none-match", discovery.header("etag")),
            ],
            b"",
        )
        .await;
    assert_eq!(again.code, 304);
    let group = admin.get("/apis/sample.example.com").await.json();
    let entry = json!({"groupVersion": "sample.example.com/v1", "version": "v1"});
    assert_eq!(
        group,
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": "sample.example.com", "versions": [entry], "preferredVersion": entry})
    );
    let list = admin.get("/apis").await.json();
    assert!(
        list["groups"]
            .as_array()
            .unwrap()
            .iter()
            .any(|g| g["name"] == "sample.example.com")
    );
    let index = admin.get("/openapi/v3").await.json();
    assert_eq!(
        index["paths"]["apis/sample.example.com/v1"]["serverRelativeURL"],
        "/openapi/v3/apis/sample.example.com/v1?hash=1"
    );
    assert_ne!(
        index["paths"]["api/v1"]["serverRelativeURL"],
        "/openapi/v3/api/v1?hash=evil"
    );
    let schema = admin.get("/openapi/v3/apis/sample.example.com/v1").await;
    assert_eq!(schema.json()["openapi"], "3.0.0");
    for binary in crate::kubectl::binaries() {
        let kubectl = crate::kubectl::Kubectl::new(&sample.server, &binary);
        let out = kubectl.ok(&["get", "fl", "-o", "name"]).await;
        assert_eq!(out.trim(), "flunder.sample.example.com/f");
    }

    // The control plane's own controllers read of it too.
    let user = registry::UserInfo::controller("horizontal-pod-autoscaler");
    let read = sample
        .server
        .server
        .read_aggregated(&format!("{flunders}/who?x=y"), &user)
        .await
        .unwrap();
    assert_eq!(
        (&read["user"], &read["query"]),
        (
            &json!(["system:serviceaccount:kube-system:horizontal-pod-autoscaler"]),
            &json!("x=y")
        )
    );
    assert_eq!(
        sample
            .server
            .server
            .read_aggregated("/apis/metrics.k8s.io/v1beta1/pods", &user)
            .await,
        Err(404)
    );
    assert_eq!(
        sample
            .server
            .server
            .read_aggregated("/api/v1/pods", &user)
            .await,
        Err(404)
    );

    // Gone: 503 again, and discovery says that it is stale.
    *sample.network.0.lock() = None;
    let gone = json!({"metadata": {"name": "api-1", "labels": {"kubernetes.io/service-name": "api", "touched": "yes"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.7.7.7"], "conditions": {"ready": false}}], "ports": [{"name": "https", "port": 9443}]});
    admin
        .send(
            "PUT",
            &format!("{slices}/api-1"),
            &[("content-type", "application/json")],
            gone.to_string().as_bytes(),
        )
        .await;
    condition(&mut admin, "MissingEndpoints").await;
    let mut code = 0;
    for _ in 0..100 {
        code = admin.get(flunders).await.code;
        if code == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code, 503);
    let document = admin
        .send("GET", "/apis", &[("accept", accept)], b"")
        .await
        .json();
    let stale = document["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["metadata"]["name"] == "sample.example.com")
        .unwrap();
    assert_eq!(stale["versions"][0]["freshness"], "Stale");
    let deleted = admin
        .send(
            "DELETE",
            &format!("{services}/v1.sample.example.com"),
            &[],
            b"",
        )
        .await;
    assert_eq!(deleted.code, 200);
    for _ in 0..100 {
        code = admin.get(flunders).await.code;
        if code == 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code, 404);
}

#[tokio::test]
async fn what_an_extension_server_needs_is_published_and_what_is_served_is_registered() {
    let sample = sample().await;
    let mut admin = sample.server.admin().await;
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let mut published = Value::Null;
    for _ in 0..200 {
        published = admin.get(path).await.json();
        if published["data"].is_object() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        published["data"],
        json!({"client-ca-file": "the client CA", "requestheader-allowed-names": "[\"front-proxy-client\"]",
            "requestheader-client-ca-file": sample.front_ca.pem(), "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            "requestheader-group-headers": "[\"X-Remote-Group\"]", "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]"})
    );
    // Whoever spoils it: it is put right.
    let spoilt = admin
        .send(
            "PATCH",
            path,
            &[("content-type", "application/merge-patch+json")],
            br#"{"data":{"requestheader-client-ca-file":"mine"}}"#,
        )
        .await;
    assert_eq!(spoilt.code, 200);
    for _ in 0..200 {
        published = admin.get(path).await.json();
        if published["data"]["requestheader-client-ca-file"] == sample.front_ca.pem() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        published["data"]["requestheader-client-ca-file"],
        sample.front_ca.pem()
    );
    let services = "/apis/apiregistration.k8s.io/v1/apiservices";
    let mut apps = Value::Null;
    for _ in 0..200 {
        apps = admin.get(&format!("{services}/v1.apps")).await.json();
        if apps["kind"] == "APIService" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (
            &apps["spec"],
            &apps["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"]
        ),
        (
            &json!({"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}),
            &json!("onstart")
        )
    );
    assert_eq!(
        (
            &apps["status"]["conditions"][0]["reason"],
            &apps["status"]["conditions"][0]["status"]
        ),
        (&json!("Local"), &json!("True"))
    );
    let bad = json!({"metadata": {"name": "v1.x"}, "spec": {"group": "other.example.com", "version": "v1",
        "groupPriorityMinimum": 0, "versionPriority": 1, "insecureSkipTLSVerify": true}});
    let refused = admin.post(services, bad).await;
    assert_eq!(refused.code, 422);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    for part in [
        "metadata.name: Invalid value: \"v1.x\": must be `spec.version+\".\"+spec.group`: \"v1.other.example.com\"",
        "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_backend_delegates_authentication_and_authorisation() {
    let sample = sample().await;
    let mut admin = sample.server.admin().await;
    let binding = json!({"metadata": {"name": "sample:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"}});
    made(
        &mut admin,
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        binding,
    )
    .await;
    let reader = json!({"metadata": {"name": "sample:reader", "namespace": "kube-system"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader"}});
    made(
        &mut admin,
        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
        reader,
    )
    .await;
    let token = admin
        .post(
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
        )
        .await
        .json()["status"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut client = sample.server.client(None).await;
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "jane", "groups": ["system:masters"], "resourceAttributes": {"group": "sample.example.com", "resource": "flunders", "verb": "get"}}});
    let mut answer = Value::Null;
    for _ in 0..100 {
        let reviewed = client
            .send(
                "POST",
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                &headers,
                review.to_string().as_bytes(),
            )
            .await;
        answer = reviewed.json();
        if reviewed.code == 201 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(answer["status"]["allowed"], true);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let reviewed = client
        .send(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &headers,
            review.to_string().as_bytes(),
        )
        .await
        .json();
    assert_eq!(
        (
            &reviewed["status"]["authenticated"],
            &reviewed["status"]["user"]["username"]
        ),
        (
            &json!(true),
            &json!("system:serviceaccount:default:default")
        )
    );
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let mut code = 0;
    for _ in 0..100 {
        code = client.send("GET", path, &headers, b"").await.code;
        if code == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code, 200);
}
