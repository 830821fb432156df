//! What requests leave in the audit log.

use std::sync::Arc;

use apiserver::audit::Audit;
use async_trait::async_trait;
use audit::{AuditLog, Backend, Cipher, Event, Level, LogOptions, Lost, Metrics, Policy, Stage};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::start_with;

/// Keeps the events in memory.
#[derive(Default)]
pub(crate) struct Events {
    all: Mutex<Vec<Event>>,
    more: Notify,
    strict: bool,
}

#[async_trait]
impl Backend for Events {
    async fn process(&self, event: Event) -> Result<(), Lost> {
        if self.strict && event.verb == "create" {
            return Err(Lost);
        }
        self.offer(event);
        Ok(())
    }
    fn offer(&self, event: Event) {
        self.all.lock().push(event);
        self.more.notify_waiters();
    }
    fn strict(&self) -> bool {
        self.strict
    }
}

impl Events {
    /// Waits for the event of a request at a stage.
    pub(crate) async fn of(&self, id: &str, stage: Stage) -> Event {
        loop {
            let more = self.more.notified();
            let found = self
                .all
                .lock()
                .iter()
                .find(|e| e.audit_id == id && e.stage == stage)
                .cloned();
            if let Some(event) = found {
                return event;
            }
            more.await;
        }
    }

    fn stages(&self, id: &str) -> Vec<Stage> {
        let all = self.all.lock();
        all.iter()
            .filter(|e| e.audit_id == id)
            .map(|e| e.stage)
            .collect()
    }
}

pub(crate) fn recorded(policy: Policy, events: &Arc<Events>) -> Audit {
    Audit {
        policy: Arc::new(policy),
        backend: events.clone(),
        metrics: Metrics::default(),
        log: None,
    }
}

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {rules}"
    ))
    .unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_request_is_recorded_with_its_decision() {
    let events = Arc::new(Events::default());
    let audit = recorded(Policy::standard().unwrap(), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    admin
        .send(
            "GET",
            "/api/v1/namespaces/default/secrets/x",
            &[
                ("impersonate-user", "bob"),
                ("audit-id", "one"),
                ("x-forwarded-for", "192.0.2.7, nonsense"),
            ],
            b"",
        )
        .await;
    let one = events.of("one", Stage::ResponseComplete).await;
    let status = one.response_status.unwrap();
    assert_eq!(
        (status.code, one.verb.as_str(), status.reason.as_str()),
        (403, "get", "Forbidden")
    );
    assert_eq!(
        (
            one.user.username.as_str(),
            one.impersonated_user.unwrap().username.as_str()
        ),
        ("admin", "bob")
    );
    assert_eq!(one.source_ips, ["192.0.2.7", "127.0.0.1"]);
    assert_eq!(one.annotations["authorization.k8s.io/decision"], "forbid");
    let object = one.object_ref.unwrap();
    assert_eq!(
        (object.resource.as_str(), object.name.as_str()),
        ("secrets", "x")
    );

    let mut stranger = server.client(None).await;
    stranger
        .send("GET", "/api/v1/pods", &[("audit-id", "two")], b"")
        .await;
    stranger
        .send(
            "GET",
            "/api/v1/pods",
            &[
                ("audit-id", "three"),
                ("authorization", "Bearer nothing-good"),
            ],
            b"",
        )
        .await;
    let of = |event: Event| {
        let status = event.response_status.unwrap();
        (status.code, status.message)
    };
    assert_eq!(
        of(events.of("two", Stage::ResponseStarted).await),
        (
            401,
            "Authentication failed, no credentials provided".to_owned()
        )
    );
    assert_eq!(
        of(events.of("three", Stage::ResponseStarted).await),
        (401, "Authentication failed, attempted: bearer".to_owned())
    );
    // A name that stands only in the body is recorded too.
    admin
        .send(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            &[JSON, ("audit-id", "four")],
            br#"{"metadata":{"name":"four"}}"#,
        )
        .await;
    let four = events.of("four", Stage::ResponseComplete).await;
    assert_eq!(four.object_ref.unwrap().name, "four");
    assert_eq!(four.annotations["authorization.k8s.io/decision"], "allow");
    assert!(four.request_object.is_none() && four.level == Level::Metadata);
    // Before anybody is authenticated. upstream: request_deadline.go
    let bad = stranger
        .send(
            "GET",
            "/api/v1/pods?timeout=never",
            &[("audit-id", "five")],
            b"",
        )
        .await;
    assert_eq!(bad.code, 400);
    events.of("five", Stage::ResponseComplete).await;
}

#[tokio::test]
async fn bodies_are_recorded_where_the_policy_says_so() {
    let events = Arc::new(Events::default());
    let rules = "[{level: RequestResponse, resources: [{resources: [configmaps]}], omitManagedFields: true, omitStages: [RequestReceived]}, {level: Request}]";
    let audit = recorded(policy(rules), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/default/configmaps";
    admin
        .send(
            "POST",
            path,
            &[("content-type", "application/yaml"), ("audit-id", "made")],
            b"metadata: {name: a}\ndata: {k: v}",
        )
        .await;
    let made = events.of("made", Stage::ResponseComplete).await;
    assert_eq!(made.request_object.unwrap()["data"]["k"], "v");
    let answer = made.response_object.unwrap();
    assert_eq!(answer["data"]["k"], "v");
    assert!(answer["metadata"]["uid"].is_string() && answer["metadata"]["managedFields"].is_null());
    assert_eq!(events.stages("made"), [Stage::ResponseComplete]);

    for (id, accept) in [
        ("json", "application/json"),
        ("protobuf", "application/vnd.kubernetes.protobuf"),
    ] {
        admin
            .send(
                "GET",
                path,
                &[
                    ("accept", accept),
                    ("accept-encoding", "gzip"),
                    ("audit-id", id),
                ],
                b"",
            )
            .await;
        let listed = events
            .of(id, Stage::ResponseComplete)
            .await
            .response_object
            .unwrap();
        let names: Vec<&Value> = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| &i["metadata"]["name"])
            .collect();
        assert!(names.contains(&&json!("a")), "{id}: {listed}");
    }
    admin
        .send(
            "PATCH",
            "/api/v1/namespaces/default",
            &[
                ("content-type", "application/merge-patch+json"),
                ("audit-id", "patched"),
            ],
            br#"{"metadata":{"labels":{"a":"b"}}}"#,
        )
        .await;
    let patched = events.of("patched", Stage::ResponseComplete).await;
    assert_eq!(
        patched.request_object.unwrap()["metadata"]["labels"]["a"],
        "b"
    );
    assert!(patched.response_object.is_none());
    assert_eq!(
        events.stages("patched"),
        [Stage::RequestReceived, Stage::ResponseComplete]
    );
}

#[tokio::test]
async fn a_watch_is_recorded_when_it_begins_and_when_it_ends() {
    let events = Arc::new(Events::default());
    let audit = recorded(Policy::standard().unwrap(), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    let mut answer = admin
        .open(
            "GET",
            "/api/v1/namespaces?watch=1",
            &[("audit-id", "watch")],
            b"",
        )
        .await;
    answer.frame().await.unwrap().unwrap();
    events.of("watch", Stage::ResponseStarted).await;
    assert_eq!(events.stages("watch"), [Stage::ResponseStarted]);
    drop(answer);
    let end = events.of("watch", Stage::ResponseComplete).await;
    assert_eq!(end.response_status.unwrap().code, 200);
}

#[tokio::test]
async fn a_strict_backend_refuses_what_it_cannot_record() {
    let events = Arc::new(Events {
        strict: true,
        ..Events::default()
    });
    let audit = recorded(policy("[{level: Metadata}]"), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let refused = admin.post(path, json!({"metadata": {"name": "a"}})).await;
    assert_eq!(refused.code, 500, "{}", refused.text());
    assert!(refused.text().contains("failed to store audit event"));
    assert_eq!(admin.get(&format!("{path}/a")).await.code, 404);
}

#[tokio::test]
async fn pod_security_tells_the_audit_what_it_found() {
    let events = Arc::new(Events::default());
    let audit = recorded(Policy::standard().unwrap(), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    let labels = json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/audit": "restricted"});
    admin
        .send(
            "PATCH",
            "/api/v1/namespaces/default",
            &[("content-type", "application/merge-patch+json")],
            json!({"metadata": {"labels": labels}})
                .to_string()
                .as_bytes(),
        )
        .await;
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let made = admin
        .send(
            "POST",
            "/api/v1/namespaces/default/pods",
            &[JSON, ("audit-id", "pod")],
            pod.to_string().as_bytes(),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    let annotations = events.of("pod", Stage::ResponseComplete).await.annotations;
    assert_eq!(
        annotations["pod-security.kubernetes.io/enforce-policy"],
        "baseline:latest"
    );
    let found = &annotations["pod-security.kubernetes.io/audit-violations"];
    assert!(
        found.starts_with(
            "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"
        ),
        "{found}"
    );
}

/// The whole way: a sealed log on disk, read over the API, verified offline, without a secret in it.
#[tokio::test]
async fn the_log_is_sealed_verified_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let cipher = Cipher::new(&[9; 32].into()).unwrap();
    let mut options = LogOptions::new(&path);
    options.cipher = Some(cipher.clone());
    let log = AuditLog::open(options, None, Metrics::default()).unwrap();
    let audit = Audit {
        policy: Arc::new(Policy::standard().unwrap()),
        backend: Arc::new(log.clone()),
        metrics: Metrics::default(),
        log: Some((path.clone(), Some(cipher))),
    };
    let server = start_with(|b| b.audit(audit)).await;
    let mut admin = server.admin().await;
    let secret = "c3VwZXItc2VjcmV0LXZhbHVl";
    admin
        .post(
            "/api/v1/namespaces/default/secrets",
            json!({"metadata": {"name": "hidden"}, "data": {"password": secret}}),
        )
        .await;
    let token = "eyJhbGciOiJFUzI1NiJ9.secret-token.x";
    admin
        .post(
            "/apis/authentication.k8s.io/v1/tokenreviews",
            json!({"spec": {"token": token}}),
        )
        .await;
    admin
        .post(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        )
        .await;
    log.flush().await.unwrap();
    let lines = admin.get("/audit/log?limit=1000").await;
    assert_eq!(lines.code, 200);
    let text = lines.text();
    assert!(text.contains("\"name\":\"hidden\"") && text.contains("tokenreviews"));
    assert!(!text.contains(secret) && !text.contains(token));
    assert!(text.lines().any(|l| {
        let event: Value = serde_json::from_str(l).unwrap();
        event["requestObject"]["metadata"]["name"] == "r" && event["responseStatus"]["code"] == 201
    }));
    let on_disk = std::fs::read_to_string(&path).unwrap();
    assert!(!on_disk.contains("hidden") && !on_disk.contains("secrets"));

    let nobody = server.ca.issue("eve", &[], &[]);
    let mut eve = server.client(Some(&nobody)).await;
    for path in ["/audit/log", "/audit/head"] {
        assert_eq!(eve.get(path).await.code, 403, "{path}");
    }
    log.flush().await.unwrap();
    let head = admin.get("/audit/head").await.json()["head"]
        .as_str()
        .unwrap()
        .to_owned();
    log.flush().await.unwrap();
    let report = audit::verify(&[path], Some(head.parse().unwrap()), true).unwrap();
    assert!(report.is_intact(), "{report:?}");
}
