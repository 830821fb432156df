//! Admission webhooks, called by the running server over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use registry::RegistryOptions;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use webhook::{BackendStream, Backends, ClusterNetwork};

use crate::backend::{Hook, patched};
use crate::harness::{Answer, Client, start, start_registry};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

fn rule(operations: &[&str], group: &str, version: &str, resources: &[&str]) -> Value {
    json!({"operations": operations, "apiGroups": [group], "apiVersions": [version], "resources": resources})
}

/// A webhook on the creation of config maps, with more members.
fn hook(name: &str, client: Value, more: Value) -> Value {
    let mut hook = json!({
        "name": name, "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [rule(&["CREATE"], "", "v1", &["configmaps"])],
    });
    for (key, value) in more.as_object().unwrap() {
        hook[key] = value.clone();
    }
    hook
}

async fn configure(admin: &mut Client, mutating: bool, name: &str, hooks: Value) {
    let kind = if mutating { "Mutating" } else { "Validating" };
    let path = format!("{GROUP}/{}webhookconfigurations", kind.to_lowercase());
    let made = admin
        .post(
            &path,
            json!({"metadata": {"name": name}, "webhooks": hooks}),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.header("warning"), "");
}

pub(crate) async fn config_map(admin: &mut Client, name: &str) -> Answer {
    config_map_of(admin, json!({"metadata": {"name": name}})).await
}

pub(crate) async fn config_map_of(admin: &mut Client, object: Value) -> Answer {
    admin
        .post("/api/v1/namespaces/default/configmaps", object)
        .await
}

#[tokio::test]
async fn a_mutating_webhook_sees_the_request_and_changes_the_object() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|_, _| {
        let mut verdict = patched(&json!([{"op": "add", "path": "/data", "value": {"a": "b"}}]));
        verdict["warnings"] = json!(["be careful"]);
        verdict["auditAnnotations"] = json!({"seen": "yes"});
        verdict
    })
    .await;
    let hooks = json!([hook(
        "m.example.com",
        hook_server.backend.client_config("/m"),
        json!({})
    )]);
    configure(&mut admin, true, "m", hooks).await;
    let made = admin
        .post(
            "/api/v1/namespaces/default/configmaps?fieldManager=me",
            json!({"metadata": {"name": "one"}}),
        )
        .await;
    assert_eq!((made.code, &made.json()["data"]), (201, &json!({"a": "b"})));
    assert_eq!(made.header("warning"), "299 - \"be careful\"");
    let got = admin.get("/api/v1/namespaces/default/configmaps/one").await;
    assert_eq!(got.json()["data"], json!({"a": "b"}));
    let reviews = hook_server.take();
    assert_eq!(reviews.len(), 1);
    let mut request = reviews[0]["request"].clone();
    assert_eq!(reviews[0]["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(request["object"]["metadata"]["name"], "one");
    assert_eq!(request["object"]["kind"], "ConfigMap");
    for volatile in ["uid", "object"] {
        assert!(!request[volatile].is_null());
        request.as_object_mut().unwrap().shift_remove(volatile);
    }
    let extra = request["userInfo"]
        .as_object_mut()
        .unwrap()
        .shift_remove("extra");
    assert!(extra.is_some(), "how the user was authenticated");
    assert_eq!(
        request,
        json!({
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "requestKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
            "name": "one", "namespace": "default", "operation": "CREATE",
            "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
            "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"},
        })
    );
    // A dry run is called too, and said to be one.
    let dry = admin
        .post(
            "/api/v1/namespaces/default/configmaps?dryRun=All",
            json!({"metadata": {"name": "two"}}),
        )
        .await;
    assert_eq!((dry.code, &dry.json()["data"]), (201, &json!({"a": "b"})));
    let reviews = hook_server.take();
    assert_eq!(reviews[0]["request"]["dryRun"], true);
    assert_eq!(reviews[0]["request"]["options"]["dryRun"], json!(["All"]));
}

#[tokio::test]
async fn what_a_patch_makes_is_decoded_defaulted_and_validated() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|path, request| {
        if request["resource"]["resource"] == "services" {
            return patched(&json!([{"op": "add", "path": "/spec/ports/-", "value": {"name": "b", "port": 81}}]));
        }
        match path {
            "/bad" => patched(&json!([{"op": "remove", "path": "/nope"}])),
            "/type" => json!({"allowed": true, "patchType": "Merge", "patch": "W3t9XQ=="}),
            "/only" => json!({"allowed": true, "patchType": "JSONPatch"}),
            "/uid" => json!({"allowed": true, "uid": "another"}),
            _ => patched(&json!([{"op": "replace", "path": "/metadata/name", "value": "Not A Name"}])),
        }
    })
    .await;
    let services = json!([hook(
        "s.example.com",
        hook_server.backend.client_config("/"),
        json!({"rules": [rule(&["CREATE"], "", "v1", &["services"])]})
    )]);
    configure(&mut admin, true, "services", services).await;
    let made = admin
        .post(
            "/api/v1/namespaces/default/services",
            json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}]}}),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    let port = &made.json()["spec"]["ports"][1];
    assert_eq!(
        *port,
        json!({"name": "b", "port": 81, "protocol": "TCP", "targetPort": 81})
    );
    for (path, code, text) in [
        ("/bad", 500, "Internal error occurred: "),
        (
            "/type",
            500,
            "Internal error occurred: failed calling webhook \"p.example.com\": unsupported patch type \"Merge\"",
        ),
        (
            "/only",
            500,
            "Internal error occurred: failed calling webhook \"p.example.com\": received invalid webhook response: \
             webhook returned response.patchType but not response.patch",
        ),
        (
            "/uid",
            500,
            "Internal error occurred: failed calling webhook \"p.example.com\": received invalid webhook response: \
             expected response.uid=",
        ),
        ("/name", 422, "ConfigMap \"Not A Name\" is invalid: "),
    ] {
        let hooks = json!([hook(
            "p.example.com",
            hook_server.backend.client_config(path),
            json!({})
        )]);
        configure(&mut admin, true, "p", hooks).await;
        let refused = config_map(&mut admin, "x").await;
        assert_eq!(refused.code, code, "{path}: {}", refused.text());
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(text), "{path}: {message}");
        let gone = admin
            .send(
                "DELETE",
                &format!("{GROUP}/mutatingwebhookconfigurations/p"),
                &[],
                b"",
            )
            .await;
        assert_eq!(gone.code, 200);
    }
}

#[tokio::test]
async fn a_validating_webhook_refuses_with_its_own_words() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|path, _| match path {
        "/allow" => json!({"allowed": true}),
        "/patch" => patched(&json!([{"op": "remove", "path": "/x"}])),
        _ => json!({"allowed": false, "status": {"message": "not on a Monday", "code": 418, "reason": "Conflict",
            "details": {"causes": [{"field": "f", "message": "m"}]}}}),
    })
    .await;
    let client = |path| hook_server.backend.client_config(path);
    let selected = json!({"objectSelector": {"matchLabels": {"deny": "yes"}},
        "rules": [rule(&["CREATE", "UPDATE", "DELETE"], "", "v1", &["configmaps"])]});
    let hooks = json!([
        hook("allow.example.com", client("/allow"), selected.clone()),
        hook("deny.example.com", client("/deny"), selected),
        hook(
            "patch.example.com",
            client("/patch"),
            json!({"objectSelector": {"matchLabels": {"patch": "yes"}}})
        ),
    ]);
    configure(&mut admin, false, "v", hooks).await;
    assert_eq!(config_map(&mut admin, "plain").await.code, 201);
    assert!(hook_server.take().is_empty(), "no webhook selects it");
    let refused = config_map_of(
        &mut admin,
        json!({"metadata": {"name": "x", "labels": {"deny": "yes"}}}),
    )
    .await;
    let status = refused.json();
    assert_eq!(
        (refused.code, &status["message"], &status["reason"]),
        (
            418,
            &json!("admission webhook \"deny.example.com\" denied the request: not on a Monday"),
            &json!("Conflict")
        )
    );
    assert_eq!(status["details"]["causes"][0]["field"], "f");
    assert_eq!(hook_server.take().len(), 2, "both were asked");
    let patch = config_map_of(
        &mut admin,
        json!({"metadata": {"name": "x", "labels": {"patch": "yes"}}}),
    )
    .await;
    assert_eq!(
        patch.json()["message"],
        "Internal error occurred: failed calling webhook \"patch.example.com\": received invalid webhook response: \
         validating webhook may not return response.patch"
    );
    hook_server.take();
    // Of an update either state's labels count; a deletion shows the old object alone.
    let labelled = admin
        .send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/plain",
            &[("content-type", "application/merge-patch+json")],
            br#"{"metadata":{"labels":{"deny":"yes"}}}"#,
        )
        .await;
    assert_eq!(labelled.code, 418);
    let reviews = hook_server.take();
    let request = &reviews.iter().find(|r| !r["request"].is_null()).unwrap()["request"];
    assert_eq!(
        (
            &request["operation"],
            &request["oldObject"]["metadata"]["labels"]
        ),
        (&json!("UPDATE"), &Value::Null)
    );
    assert_eq!(request["options"]["kind"], "UpdateOptions");
    let gone = admin
        .send(
            "DELETE",
            &format!("{GROUP}/validatingwebhookconfigurations/v"),
            &[],
            b"",
        )
        .await;
    assert_eq!(gone.code, 200);
    let hooks = json!([hook(
        "deny.example.com",
        client("/deny"),
        json!({"rules": [rule(&["DELETE"], "", "*", &["configmaps"])]})
    )]);
    configure(&mut admin, false, "v", hooks).await;
    let kept = admin
        .send(
            "DELETE",
            "/api/v1/namespaces/default/configmaps/plain?gracePeriodSeconds=0",
            &[],
            b"",
        )
        .await;
    assert_eq!(kept.code, 418);
    let request = hook_server.take()[0]["request"].clone();
    assert_eq!(
        (
            &request["object"],
            &request["oldObject"]["metadata"]["name"]
        ),
        (&Value::Null, &json!("plain"))
    );
    assert_eq!(
        request["options"],
        json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0})
    );
    assert_eq!(
        admin
            .get("/api/v1/namespaces/default/configmaps/plain")
            .await
            .code,
        200
    );
}

#[tokio::test]
async fn a_failing_webhook_counts_by_its_failure_policy() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|_, _| Value::Null).await;
    let dead = json!({"url": "https://127.0.0.1:1/x", "caBundle": hook_server.backend.ca_bundle()});
    let other = Hook::start(|_, _| json!({"allowed": true})).await;
    let mut wrong_ca = hook_server.backend.client_config("/");
    wrong_ca["caBundle"] = other.backend.ca_bundle().into();
    let slow = hook_server.backend.client_config("/slow");
    let port = hook_server.backend.address.port();
    let cases = [
        (dead, "Post \"https://127.0.0.1:1/x?timeout=1s\": dial tcp 127.0.0.1:1: connect: connection refused".to_owned()),
        (wrong_ca, format!("Post \"https://127.0.0.1:{port}/?timeout=1s\": tls: failed to verify certificate: x509: certificate signed by unknown authority")),
        (slow, format!("Post \"https://127.0.0.1:{port}/slow?timeout=1s\": context deadline exceeded")),
    ];
    for mutating in [true, false] {
        for (client, text) in &cases {
            let path = format!(
                "{GROUP}/{}webhookconfigurations/f",
                if mutating { "mutating" } else { "validating" }
            );
            for policy in ["Fail", "Ignore"] {
                let hooks = json!([hook(
                    "f.example.com",
                    client.clone(),
                    json!({"failurePolicy": policy, "timeoutSeconds": 1})
                )]);
                configure(&mut admin, mutating, "f", hooks).await;
                let answer =
                    config_map_of(&mut admin, json!({"metadata": {"generateName": "x-"}})).await;
                if policy == "Ignore" {
                    assert_eq!(answer.code, 201, "{}", answer.text());
                } else {
                    assert_eq!(answer.code, 500);
                    let message = answer.json()["message"].as_str().unwrap().to_owned();
                    assert_eq!(
                        message,
                        format!(
                            "Internal error occurred: failed calling webhook \"f.example.com\": failed to call webhook: {text}"
                        )
                    );
                }
                assert_eq!(admin.send("DELETE", &path, &[], b"").await.code, 200);
            }
        }
    }
}

#[tokio::test]
async fn the_configuration_of_admission_cannot_be_locked() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|_, _| json!({"allowed": false})).await;
    let all = json!({"rules": [rule(&["*"], "*", "*", &["*/*"])]});
    let hooks = json!([hook(
        "all.example.com",
        hook_server.backend.client_config("/"),
        all
    )]);
    configure(&mut admin, false, "all", hooks).await;
    let refused = config_map(&mut admin, "x").await;
    assert_eq!(
        (refused.code, refused.json()["message"].as_str().unwrap()),
        (
            400,
            "admission webhook \"all.example.com\" denied the request without explanation"
        )
    );
    // A connection is asked for too.
    let exec = admin
        .send(
            "POST",
            "/api/v1/namespaces/default/pods/p/exec?command=sh&stdin=true&stdout=true",
            &[],
            b"",
        )
        .await;
    assert_eq!(exec.code, 400, "{}", exec.text());
    let connect = hook_server
        .take()
        .into_iter()
        .map(|r| r["request"].clone())
        .find(|r| r["operation"] == "CONNECT")
        .unwrap();
    assert_eq!(
        connect["object"],
        json!({"kind": "PodExecOptions", "apiVersion": "v1", "stdin": true, "stdout": true, "command": ["sh"]})
    );
    assert_eq!(
        (
            &connect["kind"]["kind"],
            &connect["subResource"],
            &connect["name"]
        ),
        (&json!("PodExecOptions"), &json!("exec"), &json!("p"))
    );
    let path = format!("{GROUP}/validatingwebhookconfigurations/all");
    assert_eq!(admin.send("DELETE", &path, &[], b"").await.code, 200);
    assert_eq!(config_map(&mut admin, "x").await.code, 201);
}

#[tokio::test]
async fn rules_name_equivalent_resources_subresources_scopes_and_namespaces() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|path, request| {
        if path == "/scale" {
            let replicas = request["object"]["spec"]["replicas"]
                .as_i64()
                .unwrap_or_default();
            return patched(
                &json!([{"op": "replace", "path": "/spec/replicas", "value": replicas.min(3)}]),
            );
        }
        json!({"allowed": true})
    })
    .await;
    let client = |path| hook_server.backend.client_config(path);
    let events = rule(&["CREATE"], "events.k8s.io", "v1", &["events"]);
    let hooks = json!([
        hook(
            "events.example.com",
            client("/events"),
            json!({"rules": [events]})
        ),
        hook(
            "exact.example.com",
            client("/exact"),
            json!({"rules": [events], "matchPolicy": "Exact"})
        ),
        hook(
            "scale.example.com",
            client("/scale"),
            json!({"rules": [rule(&["UPDATE"], "apps", "v1", &["deployments/scale"])]})
        ),
        hook(
            "cluster.example.com",
            client("/cluster"),
            json!({"rules": [
            {"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["namespaces", "secrets"], "scope": "Cluster"}]})
        ),
        hook(
            "labelled.example.com",
            client("/labelled"),
            json!({"namespaceSelector": {"matchLabels": {"team": "a"}}})
        ),
    ]);
    configure(&mut admin, true, "rules", hooks).await;
    let event = json!({"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "hello", "reason": "R", "type": "Normal"});
    let made = admin.post("/api/v1/namespaces/default/events", event).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let reviews = hook_server.take();
    assert_eq!(reviews.len(), 1);
    let request = &reviews[0]["request"];
    assert_eq!(
        request["kind"],
        json!({"group": "events.k8s.io", "version": "v1", "kind": "Event"})
    );
    assert_eq!(
        request["requestKind"],
        json!({"group": "", "version": "v1", "kind": "Event"})
    );
    assert_eq!(
        (&request["object"]["note"], &request["object"]["apiVersion"]),
        (&json!("hello"), &json!("events.k8s.io/v1"))
    );

    let labels = json!({"app": "a"});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let path = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(admin.post(path, deployment).await.code, 201);
    assert!(hook_server.take().is_empty());
    let scaled = admin
        .send(
            "PATCH",
            &format!("{path}/d/scale"),
            &[("content-type", "application/merge-patch+json")],
            br#"{"spec":{"replicas":9}}"#,
        )
        .await;
    assert_eq!(
        (scaled.code, &scaled.json()["spec"]["replicas"]),
        (200, &json!(3))
    );
    let request = hook_server.take()[0]["request"].clone();
    assert_eq!(
        request["kind"],
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    );
    assert_eq!(
        (
            &request["object"]["kind"],
            &request["oldObject"]["kind"],
            &request["subResource"]
        ),
        (&json!("Scale"), &json!("Scale"), &json!("scale"))
    );

    let secret = json!({"metadata": {"name": "s"}});
    assert_eq!(
        admin
            .post("/api/v1/namespaces/default/secrets", secret)
            .await
            .code,
        201
    );
    assert!(hook_server.take().is_empty(), "a secret is namespaced");
    let namespace = json!({"metadata": {"name": "team-a", "labels": {"team": "a"}}});
    assert_eq!(admin.post("/api/v1/namespaces", namespace).await.code, 201);
    let request = hook_server.take()[0]["request"].clone();
    assert_eq!(
        (&request["name"], &request["namespace"]),
        (&json!("team-a"), &json!("team-a"))
    );
    let made = admin
        .post(
            "/api/v1/namespaces/team-a/configmaps",
            json!({"metadata": {"name": "x"}}),
        )
        .await;
    assert_eq!(made.code, 201);
    assert!(
        hook_server
            .take()
            .iter()
            .any(|r| r["request"]["name"] == "x"),
        "the namespace's labels select it"
    );
    assert_eq!(config_map(&mut admin, "x").await.code, 201);
    assert!(hook_server.take().is_empty());
}

#[tokio::test]
async fn a_webhook_that_asks_for_it_is_called_again_after_a_later_one_changed_the_object() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|path, request| {
        let data = request["object"]["data"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let key = path.trim_start_matches('/');
        if data.contains_key(key) {
            return json!({"allowed": true});
        }
        if data.is_empty() {
            return patched(&json!([{"op": "add", "path": "/data", "value": {key: "1"}}]));
        }
        patched(&json!([{"op": "add", "path": format!("/data/{key}"), "value": "1"}]))
    })
    .await;
    let client = |path| hook_server.backend.client_config(path);
    let hooks = json!([
        hook(
            "a.example.com",
            client("/a"),
            json!({"reinvocationPolicy": "IfNeeded"})
        ),
        hook("b.example.com", client("/b"), json!({})),
        hook(
            "c.example.com",
            client("/c"),
            json!({"reinvocationPolicy": "IfNeeded"})
        ),
    ]);
    configure(&mut admin, true, "again", hooks).await;
    let made = config_map(&mut admin, "x").await;
    assert_eq!(
        (made.code, &made.json()["data"]),
        (201, &json!({"a": "1", "b": "1", "c": "1"}))
    );
    // a, b and c in the first round; of the second only a: nothing has changed since c.
    let data: Vec<Value> = hook_server
        .take()
        .iter()
        .map(|r| r["request"]["object"]["data"].clone())
        .collect();
    assert_eq!(
        data,
        [
            Value::Null,
            json!({"a": "1"}),
            json!({"a": "1", "b": "1"}),
            json!({"a": "1", "b": "1", "c": "1"})
        ]
    );
}

/// Leads an address of the cluster's network to a server of the test.
struct To(&'static str, SocketAddr);

#[async_trait::async_trait]
impl ClusterNetwork for To {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>> {
        assert_eq!(address.to_string(), self.0);
        Ok(Box::new(TcpStream::connect(self.1).await?))
    }
}

#[tokio::test]
async fn a_webhook_behind_a_service_is_reached_at_a_ready_endpoint() {
    let hook_server = Hook::named(
        &["hook.tools.svc"],
        |path, _| json!({"allowed": false, "status": {"message": path}}),
    )
    .await;
    let options = RegistryOptions {
        backends: Backends::new(Arc::new(To("10.1.2.3:8443", hook_server.backend.address))),
        ..RegistryOptions::default()
    };
    let server = start_registry(options, |b| b).await;
    let mut admin = server.admin().await;
    let namespace = json!({"metadata": {"name": "tools"}});
    assert_eq!(admin.post("/api/v1/namespaces", namespace).await.code, 201);
    let client = json!({"caBundle": hook_server.backend.ca_bundle(),
        "service": {"namespace": "tools", "name": "hook", "path": "/check", "port": 443}});
    configure(
        &mut admin,
        false,
        "s",
        json!([hook("s.example.com", client, json!({}))]),
    )
    .await;
    let message = async |admin: &mut Client| {
        config_map(admin, "x").await.json()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let failed = "Internal error occurred: failed calling webhook \"s.example.com\": failed to call webhook: Post \
                  \"https://hook.tools.svc:443/check?timeout=10s\": ";
    assert_eq!(
        message(&mut admin).await,
        format!("{failed}service \"hook\" not found")
    );
    let service = json!({"metadata": {"name": "hook"}, "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]}});
    let made = admin
        .post("/api/v1/namespaces/tools/services", service)
        .await;
    assert_eq!(made.code, 201);
    assert_eq!(
        message(&mut admin).await,
        format!("{failed}no endpoints available for service \"hook\"")
    );
    let slice = json!({
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}}, "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["10.1.2.4"], "conditions": {"ready": false}},
            {"addresses": ["10.1.2.3"], "conditions": {"ready": true}},
        ],
        "ports": [{"name": "https", "port": 8443}, {"name": "other", "port": 1}],
    });
    let made = admin
        .post(
            "/apis/discovery.k8s.io/v1/namespaces/tools/endpointslices",
            slice,
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(
        message(&mut admin).await,
        "admission webhook \"s.example.com\" denied the request: /check"
    );
}

#[tokio::test]
async fn match_conditions_decide_before_a_webhook_is_called() {
    let server = start().await;
    let mut admin = server.admin().await;
    let hook_server = Hook::start(|_, _| json!({"allowed": false})).await;
    let client = hook_server.backend.client_config("/");
    let conditions = json!({"matchConditions": [
        {"name": "not-mine", "expression": "object.metadata.name != 'mine'"},
        {"name": "not-free", "expression": "!('free' in object.metadata.?labels.orValue({}))"},
    ]});
    configure(
        &mut admin,
        false,
        "c",
        json!([hook("c.example.com", client.clone(), conditions)]),
    )
    .await;
    assert_eq!(config_map(&mut admin, "mine").await.code, 201);
    let free = json!({"metadata": {"name": "x", "labels": {"free": "yes"}}});
    assert_eq!(config_map_of(&mut admin, free).await.code, 201);
    assert!(hook_server.take().is_empty());
    assert_eq!(config_map(&mut admin, "theirs").await.code, 400);
    assert_eq!(hook_server.take().len(), 1);
    // An error of a condition counts by the failure policy; the webhook is not called either way.
    for (policy, code) in [("Fail", 403), ("Ignore", 201)] {
        let broken = json!({"failurePolicy": policy, "matchConditions": [
            {"name": "broken", "expression": "object.data.absent == 'x'"}]});
        let path = format!("{GROUP}/validatingwebhookconfigurations/c");
        assert_eq!(admin.send("DELETE", &path, &[], b"").await.code, 200);
        configure(
            &mut admin,
            false,
            "c",
            json!([hook("c.example.com", client.clone(), broken)]),
        )
        .await;
        let answer = config_map_of(&mut admin, json!({"metadata": {"generateName": "y-"}})).await;
        assert_eq!(answer.code, code, "{}", answer.text());
        assert!(hook_server.take().is_empty());
    }
}

#[tokio::test]
async fn custom_resources_are_shown_in_the_version_that_a_rule_names() {
    let server = start().await;
    let _controllers = crate::custom::controllers(&server);
    let mut admin = server.admin().await;
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer"}}}}}});
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": schema});
    let definition = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [version("v1", true), version("v2", false)]}});
    let made = admin
        .post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            definition,
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    let hook_server = Hook::start(|_, request| {
        let size = request["object"]["spec"]["size"]
            .as_i64()
            .unwrap_or_default();
        patched(&json!([{"op": "replace", "path": "/spec/size", "value": size + 1}]))
    })
    .await;
    let rules = json!({"rules": [rule(&["CREATE"], "example.com", "v2", &["widgets"])]});
    let hooks = json!([hook(
        "w.example.com",
        hook_server.backend.client_config("/"),
        rules
    )]);
    configure(&mut admin, true, "w", hooks).await;
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}});
    let path = "/apis/example.com/v1/namespaces/default/widgets";
    let mut answer = admin.post(path, widget.clone()).await;
    for _ in 0..200 {
        if answer.code != 404 {
            break;
        }
        // Its definition is not established yet.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = admin.post(path, widget.clone()).await;
    }
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert_eq!(
        (&answer.json()["apiVersion"], &answer.json()["spec"]["size"]),
        (&json!("example.com/v1"), &json!(2))
    );
    let request = hook_server.take()[0]["request"].clone();
    assert_eq!(
        (
            &request["object"]["apiVersion"],
            &request["kind"]["version"],
            &request["requestKind"]["version"]
        ),
        (&json!("example.com/v2"), &json!("v2"), &json!("v1"))
    );
    // Its group is registered while the definition is there.
    let service = "/apis/apiregistration.k8s.io/v1/apiservices/v2.example.com";
    let until = async |admin: &mut Client, code: u16| {
        for _ in 0..400 {
            let got = admin.get(service).await;
            if got.code == code {
                return got;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{service} did not become {code}");
    };
    let registered = until(&mut admin, 200).await.json();
    assert_eq!(
        (
            &registered["spec"],
            &registered["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"]
        ),
        (
            &json!({"group": "example.com", "version": "v2", "groupPriorityMinimum": 1000, "versionPriority": 100}),
            &json!("true")
        )
    );
    let gone = admin
        .send(
            "DELETE",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com",
            &[],
            b"",
        )
        .await;
    assert_eq!(gone.code, 200);
    until(&mut admin, 404).await;
}
