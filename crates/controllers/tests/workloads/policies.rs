use registry::Patch;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition, deployment, number};

async fn evict(cluster: &Cluster, pod: &str) -> Result<(), machinery::Status> {
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    cluster
        .api("pods")
        .create_subresource(Some("default"), pod, "eviction", eviction)
        .await
}

#[tokio::test]
async fn a_budget_allows_what_it_can_spare() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 3, "a"))
        .await;
    cluster
        .create(
            "poddisruptionbudgets",
            json!({"metadata": {"name": "web"}, "spec": {"maxUnavailable": 1,
                "selector": {"matchLabels": {"app": "web"}}}}),
        )
        .await;
    let allows = |n: i64| {
        move |b: Option<&Value>| {
            b.is_some_and(|b| {
                number(b, "/status/disruptionsAllowed") == n
                    && number(b, "/status/expectedPods") == 3
                    && number(b, "/status/desiredHealthy") == 2
            })
        }
    };
    let budget = cluster
        .until("poddisruptionbudgets", "default", "web", allows(1))
        .await
        .unwrap();
    assert_eq!(number(&budget, "/status/currentHealthy"), 3);
    assert_eq!(condition(&budget, "DisruptionAllowed")["status"], "True");
    // While a pod is not ready, no other may be evicted.
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 3).await;
    let name = |i: usize| pods[i]["metadata"]["name"].as_str().unwrap();
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    cluster
        .api("pods")
        .patch(
            Some("default"),
            name(0),
            "status",
            Patch::Strategic(unready),
        )
        .await
        .unwrap();
    cluster
        .until("poddisruptionbudgets", "default", "web", allows(0))
        .await;
    let refused = evict(&cluster, name(1)).await.unwrap_err();
    assert_eq!(refused.code, 429);
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    cluster
        .api("pods")
        .patch(Some("default"), name(0), "status", Patch::Strategic(ready))
        .await
        .unwrap();
    cluster
        .until("poddisruptionbudgets", "default", "web", allows(1))
        .await;
    evict(&cluster, name(1)).await.unwrap();
    // It is made anew, and then another may go.
    cluster
        .until("poddisruptionbudgets", "default", "web", |b| {
            allows(1)(b) && b.is_some_and(|b| at(b, "/status/disruptedPods").is_null())
        })
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn a_quota_says_what_is_used() {
    let cluster = Cluster::start().await;
    cluster
        .create(
            "resourcequotas",
            json!({"metadata": {"name": "all"}, "spec": {"hard": {"pods": "10", "count/deployments.apps": "2"}}}),
        )
        .await;
    cluster
        .create("deployments", deployment("web", 3, "a"))
        .await;
    let used = |pods: &'static str, deployments: &'static str| {
        move |q: Option<&Value>| {
            q.is_some_and(|q| {
                at(q, "/status/used/pods") == pods
                    && at(q, "/status/used/count~1deployments.apps") == deployments
            })
        }
    };
    cluster
        .until("resourcequotas", "default", "all", used("3", "1"))
        .await;
    cluster
        .delete(
            "deployments",
            "web",
            registry::DeletionPropagation::Background,
        )
        .await;
    cluster
        .until("resourcequotas", "default", "all", used("0", "0"))
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn an_aggregated_role_has_the_rules_of_its_parts() {
    let cluster = Cluster::start().await;
    let roles = cluster
        .registry
        .api::<Value>(
            "rbac.authorization.k8s.io",
            "v1",
            "clusterroles",
            registry::UserInfo::system(),
        )
        .unwrap();
    let part = |name: &str, verb: &str| {
        json!({"metadata": {"name": name, "labels": {"part-of": "all"}}, "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]})
    };
    let whole = json!({"metadata": {"name": "whole"}, "aggregationRule": {"clusterRoleSelectors": [
        {"matchLabels": {"part-of": "all"}}]}, "rules": []});
    roles.create(None, &part("one", "get")).await.unwrap();
    roles.create(None, &whole).await.unwrap();
    let verbs = |role: &Value| -> Vec<String> {
        role["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|r| at(r, "/verbs/0").as_str().unwrap().to_owned())
            .collect()
    };
    let wait = |wanted: &'static [&'static str]| {
        let roles = roles.clone();
        async move {
            for _ in 0..200 {
                if verbs(&roles.get(None, "whole").await.unwrap()) == wanted {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            }
            panic!("{:?}", roles.get(None, "whole").await);
        }
    };
    wait(&["get"]).await;
    roles.create(None, &part("two", "list")).await.unwrap();
    wait(&["get", "list"]).await;
    roles
        .delete(None, "one", &registry::DeleteOptions::default())
        .await
        .unwrap();
    wait(&["list"]).await;
    cluster.settle().await;
}

#[tokio::test]
async fn a_policys_status_warns_of_faulty_expressions() {
    let cluster = Cluster::start().await;
    let made = cluster
        .create(
            "validatingadmissionpolicies",
            json!({"metadata": {"name": "replicas"}, "spec": {
                "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["deployments"]}]},
                "validations": [{"expression": "object.replicas > 1"}]}}),
        )
        .await;
    assert_eq!(made["metadata"]["generation"], 1);
    let checked = |generation: i64| {
        move |p: Option<&Value>| {
            p.is_some_and(|p| p.pointer("/status/observedGeneration") == Some(&generation.into()))
        }
    };
    let policy = cluster
        .until("validatingadmissionpolicies", "", "replicas", checked(1))
        .await
        .unwrap();
    assert_eq!(
        at(&policy, "/status/typeChecking/expressionWarnings"),
        &json!([{"fieldRef": "spec.validations[0].expression",
            "warning": "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n"}])
    );
    let fixed = json!({"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}});
    cluster
        .api("validatingadmissionpolicies")
        .patch(None, "replicas", "", Patch::Merge(fixed))
        .await
        .unwrap();
    let policy = cluster
        .until("validatingadmissionpolicies", "", "replicas", checked(2))
        .await
        .unwrap();
    assert_eq!(at(&policy, "/status/typeChecking"), &json!({}));
}
