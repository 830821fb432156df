//! Flow schemas and priority levels.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go

use serde_json::{Value, json};

fn metadata(name: &str) -> Value {
    json!({"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}})
}

/// Name, shares, per cent that may be lent, queues, hand size.
const LIMITED: &[(&str, i64, i64, i64, i64)] = &[
    ("system", 30, 33, 64, 6),
    ("node-high", 40, 25, 64, 6),
    ("leader-election", 10, 0, 16, 4),
    ("workload-high", 40, 50, 128, 6),
    ("workload-low", 100, 90, 128, 6),
    ("global-default", 20, 50, 128, 6),
];

pub(super) fn priority_levels() -> Vec<Value> {
    let mut all = vec![
        json!({"metadata": metadata("exempt"), "spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}}),
        json!({"metadata": metadata("catch-all"), "spec": {"type": "Limited",
            "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}, "lendablePercent": 0}}}),
    ];
    for (name, shares, lendable, queues, hand) in LIMITED {
        all.push(json!({"metadata": metadata(name), "spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": shares, "lendablePercent": lendable,
            "limitResponse": {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50}}}}}));
    }
    all
}

/// A subject from `group name`, `user name` or `sa name` (of kube-system).
fn subject(text: &str) -> Value {
    match text.split_once(' ') {
        Some(("group", name)) => json!({"kind": "Group", "group": {"name": name}}),
        Some(("user", name)) => json!({"kind": "User", "user": {"name": name}}),
        Some((_, name)) => {
            json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}})
        }
        None => Value::Null,
    }
}

fn schema(
    name: &str,
    level: &str,
    precedence: i64,
    by: &str,
    subjects: &[&str],
    resources: Value,
    urls: &[&str],
) -> Value {
    let subjects: Vec<Value> = subjects.iter().map(|s| subject(s)).collect();
    let mut rule = json!({"subjects": subjects});
    if let Some(rule) = rule.as_object_mut() {
        if resources.as_array().is_some_and(|r| !r.is_empty()) {
            rule.insert("resourceRules".to_owned(), resources);
        }
        match urls {
            [] => {}
            ["*"] => {
                rule.insert(
                    "nonResourceRules".to_owned(),
                    json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]),
                );
            }
            urls => {
                rule.insert(
                    "nonResourceRules".to_owned(),
                    json!([{"verbs": ["get"], "nonResourceURLs": urls}]),
                );
            }
        }
    }
    let mut spec = json!({"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": [rule]});
    if let Some(spec) = spec.as_object_mut().filter(|_| !by.is_empty()) {
        spec.insert("distinguisherMethod".to_owned(), json!({"type": by}));
    }
    json!({"metadata": metadata(name), "spec": spec})
}

pub(super) fn schemas() -> Vec<Value> {
    const EVERYONE: &[&str] = &["group system:unauthenticated", "group system:authenticated"];
    let all = || json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}]);
    let leases = |verbs: Value| json!({"verbs": verbs, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]});
    let nodes = json!([
        {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": true, "namespaces": ["*"]},
        leases(json!(["*"])),
    ]);
    let election = json!([leases(json!(["get", "create", "update"]))]);
    let (user, namespace) = ("ByUser", "ByNamespace");
    vec![
        schema(
            "exempt",
            "exempt",
            1,
            "",
            &["group system:masters"],
            all(),
            &["*"],
        ),
        schema(
            "probes",
            "exempt",
            2,
            "",
            EVERYONE,
            json!([]),
            &["/healthz", "/readyz", "/livez"],
        ),
        schema(
            "system-leader-election",
            "leader-election",
            100,
            user,
            &[
                "user system:kube-controller-manager",
                "user system:kube-scheduler",
                "sa *",
            ],
            election,
            &[],
        ),
        schema(
            "system-node-high",
            "node-high",
            400,
            user,
            &["group system:nodes"],
            nodes,
            &[],
        ),
        schema(
            "system-nodes",
            "system",
            500,
            user,
            &["group system:nodes"],
            all(),
            &["*"],
        ),
        schema(
            "kube-controller-manager",
            "workload-high",
            800,
            namespace,
            &["user system:kube-controller-manager"],
            all(),
            &["*"],
        ),
        schema(
            "kube-scheduler",
            "workload-high",
            800,
            namespace,
            &["user system:kube-scheduler"],
            all(),
            &["*"],
        ),
        schema(
            "kube-system-service-accounts",
            "workload-high",
            900,
            namespace,
            &["sa *"],
            all(),
            &["*"],
        ),
        schema(
            "service-accounts",
            "workload-low",
            9000,
            user,
            &["group system:serviceaccounts"],
            all(),
            &["*"],
        ),
        schema(
            "global-default",
            "global-default",
            9900,
            user,
            EVERYONE,
            all(),
            &["*"],
        ),
        schema(
            "catch-all",
            "catch-all",
            10000,
            user,
            EVERYONE,
            all(),
            &["*"],
        ),
    ]
}
