//! Priority and fairness over the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apiserver::Limits;
use async_trait::async_trait;
use registry::Registry;
use registry::RegistryOptions;
use registry::admission::{Admission, Attributes, Operation};
use serde_json::{Value, json};

use crate::harness::{Running, limits, start, start_registry};

const API: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

async fn uid(server: &Running, path: &str) -> String {
    let object = server.admin().await.get(path).await.json();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn schema(name: &str, level: &str, group: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "matchingPrecedence": 50, "priorityLevelConfiguration": {"name": level}, "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": group}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}]}]}})
}

fn level(name: &str, length: usize) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 100, "lendablePercent": 0,
        "limitResponse": {"type": "Queue", "queuing": {"queues": 32, "handSize": 2, "queueLengthLimit": length}}}}})
}

async fn allow(server: &Running, group: &str) {
    let mut admin = server.admin().await;
    for (kind, object) in [
        (
            "clusterroles",
            json!({"metadata": {"name": group}, "rules": [{"verbs": ["*"], "apiGroups": [""], "resources": ["configmaps"]}]}),
        ),
        (
            "clusterrolebindings",
            json!({"metadata": {"name": group}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}]}),
        ),
    ] {
        let made = admin
            .post(
                &format!("/apis/rbac.authorization.k8s.io/v1/{kind}"),
                object,
            )
            .await;
        assert_eq!(made.code, 201);
    }
}

/// Waits for a flow schema's `Dangling` condition.
async fn dangling(server: &Running, name: &str, want: &str) -> Value {
    let mut admin = server.admin().await;
    loop {
        let schema = admin.get(&format!("{API}/flowschemas/{name}")).await.json();
        let condition = schema["status"]["conditions"][0].clone();
        if condition["type"] == "Dangling" && condition["status"] == want {
            return condition;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn answers_name_their_flow_schema_and_changes_count_at_once() {
    let server = start().await;
    allow(&server, "tenants").await;
    let user = server.ca.issue("alice", &["tenants"], &[]);
    let mut alice = server.client(Some(&user)).await;
    let path = "/api/v1/namespaces/default/configmaps";
    let marks = |answer: &crate::harness::Answer| {
        (
            answer.header("x-kubernetes-pf-flowschema-uid").to_owned(),
            answer
                .header("x-kubernetes-pf-prioritylevel-uid")
                .to_owned(),
        )
    };
    let want = (
        uid(&server, &format!("{API}/flowschemas/global-default")).await,
        uid(
            &server,
            &format!("{API}/prioritylevelconfigurations/global-default"),
        )
        .await,
    );
    assert_eq!(marks(&alice.get(path).await), want);
    let condition = dangling(&server, "global-default", "False").await;
    assert_eq!(
        condition["message"],
        "This FlowSchema references the PriorityLevelConfiguration object named \"global-default\" and it exists"
    );

    let mut admin = server.admin().await;
    let exempt = uid(&server, &format!("{API}/flowschemas/exempt")).await;
    assert_eq!(marks(&admin.get(path).await).0, exempt);
    // A schema without its level counts for nothing, and says so.
    let made = admin
        .post(
            &format!("{API}/flowschemas"),
            schema("tenants", "tenants", "tenants"),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    let condition = dangling(&server, "tenants", "True").await;
    assert_eq!(condition["reason"], "NotFound");
    assert_eq!(marks(&alice.get(path).await), want);
    let made = admin
        .post(
            &format!("{API}/prioritylevelconfigurations"),
            level("tenants", 50),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    dangling(&server, "tenants", "False").await;
    let tenants = uid(&server, &format!("{API}/flowschemas/tenants")).await;
    assert_eq!(marks(&alice.get(path).await).0, tenants);
    let metrics = admin.get("/metrics").await.text();
    for name in [
        "apiserver_flowcontrol_dispatched_requests_total{priority_level=\"tenants\",flow_schema=\"tenants\"}",
        "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"tenants\"}",
        "apiserver_flowcontrol_current_executing_requests",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
}

/// Creates take a while.
struct Slow(Arc<AtomicUsize>);

#[async_trait]
impl Admission for Slow {
    fn name(&self) -> &'static str {
        "Slow"
    }
    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }
    async fn validate(
        &self,
        _: &Registry,
        attributes: &Attributes<'_>,
        _: Option<&Value>,
    ) -> Result<(), registry::Status> {
        if attributes.name.starts_with("flood") {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn one_users_flood_does_not_starve_another_nor_administrators() {
    let slow = Arc::new(AtomicUsize::new(0));
    let mut options = RegistryOptions::default();
    options.admission.push(Arc::new(Slow(slow.clone())));
    let few = Limits {
        reads_in_flight: 10,
        writes_in_flight: 4,
        ..Limits::default()
    };
    let server = start_registry(options, limits(few)).await;
    allow(&server, "tenants").await;
    let mut admin = server.admin().await;
    for (plural, object) in [
        ("prioritylevelconfigurations", level("tenants", 8)),
        ("flowschemas", schema("tenants", "tenants", "tenants")),
    ] {
        assert_eq!(
            admin.post(&format!("{API}/{plural}"), object).await.code,
            201
        );
    }
    dangling(&server, "tenants", "False").await;
    let path = "/api/v1/namespaces/default/configmaps";
    let flooder = server.ca.issue("flooder", &["tenants"], &[]);
    let mouse = server.ca.issue("mouse", &["tenants"], &[]);
    let mut floods = Vec::new();
    for connection in 0..4 {
        for stream in 0..40 {
            let mut client = if stream == 0 {
                server.client(Some(&flooder)).await
            } else {
                let Some((client, _)) = floods.last() else {
                    unreachable!()
                };
                crate::harness::Client::clone(client)
            };
            let again = client.clone();
            let task = tokio::spawn(async move {
                client
                    .post(
                        path,
                        json!({"metadata": {"name": format!("flood-{connection}-{stream}")}}),
                    )
                    .await
            });
            floods.push((again, task));
        }
    }
    // The flood is on: what is not served waits or has been refused.
    while slow.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut mouse = server.client(Some(&mouse)).await;
    for i in 0..10 {
        let made = mouse
            .post(path, json!({"metadata": {"name": format!("mouse-{i}")}}))
            .await;
        assert_eq!(made.code, 201, "{}", made.text());
        assert_eq!(admin.get(path).await.code, 200, "administrators are exempt");
    }
    let (mut made, mut refused) = (0, 0);
    for (_, task) in floods {
        let answer = task.await.unwrap();
        match answer.code {
            201 => made += 1,
            429 => {
                assert_eq!(answer.header("retry-after"), "1");
                assert_eq!(
                    answer.text(),
                    "Too many requests, please try again later.\n"
                );
                refused += 1;
            }
            code => panic!("{code}: {}", answer.text()),
        }
    }
    assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
    let metrics = admin.get("/metrics").await.text();
    assert!(metrics.contains("apiserver_flowcontrol_rejected_requests_total{priority_level=\"tenants\",flow_schema=\"tenants\",reason=\"queue-full\"}"));
}
