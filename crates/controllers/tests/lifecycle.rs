//! Controllers over a registry whose log is in memory, with time that is moved on by hand: what becomes of dependents,
//! of namespaces, of nodes that fall silent and of the pods on them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use controllers::{Clock, Options};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use machinery::Reason;
use registry::api::{Api, TypedEvent};
use registry::{
    DeleteOptions, DeletionPropagation, ListOptions, Patch, Registry, RegistryOptions, UserInfo,
};
use serde_json::{Value, json};
use store::memory::MemoryLog;
use store::{SealingKeys, Store, SystemClock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

struct Cluster {
    registry: Registry,
    stop: CancellationToken,
    /// A time of day, and Tokio's time then.
    base: (Timestamp, Instant),
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Cluster {
    async fn start() -> Self {
        let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
        let store = Store::open(
            MemoryLog::new(),
            keys,
            SystemClock,
            store::Options::default(),
        )
        .await
        .unwrap();
        let registry = Registry::new(store, RegistryOptions::default());
        let bootstrap = registry::bootstrap::BootstrapOptions {
            addresses: Vec::new(),
            port: 6443,
        };
        registry::bootstrap::reconcile(&registry, &bootstrap)
            .await
            .unwrap();
        let cluster = Self {
            registry,
            stop: CancellationToken::new(),
            base: (wall(), Instant::now()),
        };
        cluster.run(cluster.stop.clone());
        cluster
    }

    fn run(&self, stop: CancellationToken) {
        let options = Options {
            pod_cidr: "10.42.0.0/16".parse().unwrap(),
            node_cidr_mask: 24,
            root_ca_pem: "pem".to_owned(),
            signers: None,
            extension_apis: controllers::ExtensionApis::default(),
        };
        let registry = self.registry.clone();
        tokio::spawn(async move {
            controllers::run_with_clock(registry, options, Clock::tokio(), stop)
                .await
                .unwrap();
        });
    }

    fn api(&self, group: &str, plural: &str) -> Api<Value> {
        self.registry
            .api(group, "v1", plural, UserInfo::system())
            .unwrap()
    }

    fn pods(&self) -> Api<Value> {
        self.api("", "pods")
    }

    fn config_maps(&self) -> Api<Value> {
        self.api("", "configmaps")
    }

    async fn config_map(&self, namespace: &str, name: &str, meta: Value) -> Value {
        let mut metadata = json!({"name": name});
        for (key, value) in meta.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        let api = self.config_maps();
        api.create(Some(namespace), &object).await.unwrap()
    }

    async fn node(&self, name: &str) {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": name, "labels": {"kubernetes.io/os": "linux"},
        }});
        self.api("", "nodes").create(None, &node).await.unwrap();
        self.report(name, "True").await;
    }

    /// The node posts its status.
    async fn report(&self, name: &str, ready: &str) {
        let now = at(self.base);
        let status = json!({"status": {"conditions": [{
            "type": "Ready", "status": ready, "reason": "r", "message": "m",
            "lastHeartbeatTime": now.to_string(), "lastTransitionTime": now.to_string(),
        }]}});
        self.api("", "nodes")
            .patch(None, name, "status", Patch::Strategic(status))
            .await
            .unwrap();
    }

    /// The node renews its Lease every ten seconds.
    fn renew(&self, name: &str) {
        let (leases, stop) = (self.api("coordination.k8s.io", "leases"), self.stop.clone());
        let (name, base) = (name.to_owned(), self.base);
        tokio::spawn(async move {
            let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name}, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}});
            leases
                .create(Some("kube-node-lease"), &lease)
                .await
                .unwrap();
            while !stop.is_cancelled() {
                let renewal = json!({"spec": {"renewTime": format!("{:.6}", at(base))}});
                let patch = Patch::Merge(renewal);
                leases
                    .patch(Some("kube-node-lease"), &name, "", patch)
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        });
    }

    async fn pod(&self, name: &str, node: &str, spec: Value) {
        let mut full = json!({"containers": [{"name": "c", "image": "i"}], "nodeName": node});
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": full});
        self.pods().create(Some("default"), &pod).await.unwrap();
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        self.pods()
            .patch(Some("default"), name, "status", Patch::Strategic(ready))
            .await
            .unwrap();
    }
}

/// The time of day.
fn wall() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Timestamp::from_second(i64::try_from(since).unwrap()).unwrap()
}

/// The time of day by Tokio's clock.
fn at((base, since): (Timestamp, Instant)) -> Timestamp {
    base + SignedDuration::try_from(since.elapsed()).unwrap()
}

fn by(propagation: DeletionPropagation) -> DeleteOptions {
    DeleteOptions {
        propagation: Some(propagation),
        ..DeleteOptions::default()
    }
}

fn owner(object: &Value, blocks: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "blockOwnerDeletion": blocks,
    })
}

/// Waits until the object is as asked; `None` is that it isn't there.
async fn until(
    api: &Api<Value>,
    namespace: Option<&str>,
    name: &str,
    what: impl Fn(Option<&Value>) -> bool,
) -> Option<Value> {
    let mut last = None;
    let wait = async {
        loop {
            let options = ListOptions {
                watch: true,
                ..ListOptions::default()
            };
            let mut watch = api.watch(namespace, &options).await.unwrap();
            let mut now = api.get_opt(namespace, name).await.unwrap();
            loop {
                if what(now.as_ref()) {
                    return now;
                }
                last.clone_from(&now);
                match watch.next().await {
                    None | Some(TypedEvent::Error(_)) => break,
                    Some(_) => now = api.get_opt(namespace, name).await.unwrap(),
                }
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(1000), wait).await {
        Ok(object) => object,
        Err(_) => panic!("{name} did not become as asked: {last:#?}"),
    }
}

async fn gone(api: &Api<Value>, namespace: Option<&str>, name: &str) {
    until(api, namespace, name, |o| o.is_none()).await;
}

async fn names(api: &Api<Value>, namespace: &str) -> Vec<String> {
    let list = api.list(Some(namespace), &ListOptions::default()).await;
    list.unwrap()
        .items
        .iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object["status"]["conditions"].as_array()?;
    all.iter().find(|c| c["type"] == kind)
}

fn has_taint(node: &Value, key: &str, effect: &str) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints.is_some_and(|t| t.iter().any(|t| t["key"] == key && t["effect"] == effect))
}

#[tokio::test(start_paused = true)]
async fn a_deleted_deployment_takes_its_replica_sets_and_pods_with_it() {
    let cluster = Cluster::start().await;
    let deployments = cluster.api("apps", "deployments");
    let sets = cluster.api("apps", "replicasets");
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
    }}});
    for propagation in [
        DeletionPropagation::Background,
        DeletionPropagation::Foreground,
    ] {
        deployments
            .create(Some("default"), &deployment)
            .await
            .unwrap();
        let all_there = |d: Option<&Value>| d.is_some_and(|d| d["status"]["replicas"] == 3);
        until(&deployments, Some("default"), "web", all_there).await;
        let pods = names(&cluster.pods(), "default").await;
        assert_eq!(pods.len(), 3);
        deployments
            .delete(Some("default"), "web", &by(propagation))
            .await
            .unwrap();
        gone(&deployments, Some("default"), "web").await;
        for set in names(&sets, "default").await {
            gone(&sets, Some("default"), &set).await;
        }
        for pod in pods {
            gone(&cluster.pods(), Some("default"), &pod).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_foreground_the_owner_waits_for_dependents_that_block_it_and_for_no_others() {
    let cluster = Cluster::start().await;
    let api = cluster.config_maps();
    let root = cluster.config_map("default", "root", json!({})).await;
    let hold = json!(["example.com/hold"]);
    let blocking = json!({"ownerReferences": [owner(&root, true)], "finalizers": hold});
    cluster.config_map("default", "blocking", blocking).await;
    let free = json!({"ownerReferences": [owner(&root, false)], "finalizers": hold});
    cluster.config_map("default", "free", free).await;
    api.delete(
        Some("default"),
        "root",
        &by(DeletionPropagation::Foreground),
    )
    .await
    .unwrap();
    let going =
        |o: Option<&Value>| o.is_some_and(|o| o["metadata"]["deletionTimestamp"].is_string());
    for name in ["blocking", "free"] {
        until(&api, Some("default"), name, going).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let root = api.get(Some("default"), "root").await.unwrap();
    assert_eq!(
        root["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(Some("default"), "blocking", "", release)
        .await
        .unwrap();
    gone(&api, Some("default"), "root").await;
    assert!(api.get(Some("default"), "free").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_without_their_owner() {
    let cluster = Cluster::start().await;
    let api = cluster.config_maps();
    let root = cluster.config_map("default", "root", json!({})).await;
    let other = cluster.config_map("default", "other", json!({})).await;
    let owners = json!({"ownerReferences": [owner(&root, true), owner(&other, false)]});
    cluster.config_map("default", "child", owners).await;
    api.delete(Some("default"), "root", &by(DeletionPropagation::Orphan))
        .await
        .unwrap();
    gone(&api, Some("default"), "root").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let child = api.get(Some("default"), "child").await.unwrap();
    let left = child["metadata"]["ownerReferences"].as_array().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["name"], "other");
}

#[tokio::test(start_paused = true)]
async fn who_names_an_owner_that_is_not_there_goes_unless_another_owner_is() {
    let cluster = Cluster::start().await;
    let api = cluster.config_maps();
    let real = cluster.config_map("default", "real", json!({})).await;
    let absent =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "no-such-uid"});
    let mut impostor = owner(&real, false);
    impostor["uid"] = json!("some-other-uid");
    let one = json!({"ownerReferences": [absent]});
    cluster.config_map("default", "of-absent", one).await;
    let two = json!({"ownerReferences": [impostor]});
    cluster.config_map("default", "of-impostor", two).await;
    let both = json!({"ownerReferences": [absent, owner(&real, false)]});
    cluster.config_map("default", "of-both", both).await;
    gone(&api, Some("default"), "of-absent").await;
    gone(&api, Some("default"), "of-impostor").await;
    let only_real = |o: Option<&Value>| {
        let owners = o.and_then(|o| o["metadata"]["ownerReferences"].as_array());
        owners.is_some_and(|o| o.len() == 1 && o[0]["name"] == "real")
    };
    until(&api, Some("default"), "of-both", only_real).await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_no_controller_ran_is_caught_up_with() {
    let mut cluster = Cluster::start().await;
    let (nodes, api) = (cluster.api("", "nodes"), cluster.config_maps());
    let root = cluster.config_map("default", "root", json!({})).await;
    let owned = json!({"ownerReferences": [owner(&root, true)]});
    cluster.config_map("default", "child", owned).await;
    cluster.node("a").await;
    let clean = |n: Option<&Value>| n.is_some_and(|n| n["spec"]["taints"].is_null());
    until(&nodes, None, "a", clean).await;
    cluster.pod("lost", "a", json!({})).await;
    cluster.stop.cancel();
    tokio::time::sleep(Duration::from_secs(100)).await;
    api.delete(
        Some("default"),
        "root",
        &by(DeletionPropagation::Background),
    )
    .await
    .unwrap();
    nodes
        .delete(None, "a", &DeleteOptions::default())
        .await
        .unwrap();
    let team = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    let namespaces = cluster.api("", "namespaces");
    namespaces.create(None, &team).await.unwrap();
    cluster.config_map("team", "content", json!({})).await;
    namespaces
        .delete(None, "team", &DeleteOptions::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(api.get(Some("default"), "child").await.is_ok());
    assert!(namespaces.get(None, "team").await.is_ok());

    cluster.stop = CancellationToken::new();
    cluster.run(cluster.stop.clone());
    gone(&api, Some("default"), "child").await;
    gone(&cluster.pods(), Some("default"), "lost").await;
    gone(&namespaces, None, "team").await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_when_the_last_finalizer_in_it_does() {
    let cluster = Cluster::start().await;
    let namespaces = cluster.api("", "namespaces");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    namespaces.create(None, &namespace).await.unwrap();
    let api = cluster.config_maps();
    cluster.config_map("team", "plain", json!({})).await;
    let held = json!({"finalizers": ["example.com/hold"]});
    cluster.config_map("team", "held", held).await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []});
    let roles = cluster.api("rbac.authorization.k8s.io", "roles");
    roles.create(Some("team"), &role).await.unwrap();
    namespaces
        .delete(None, "team", &DeleteOptions::default())
        .await
        .unwrap();
    let left = until(&namespaces, None, "team", |n| {
        let finalizers = n.and_then(|n| condition(n, "NamespaceFinalizersRemaining"));
        finalizers.is_some_and(|c| c["status"] == "True")
    })
    .await
    .unwrap();
    assert_eq!(left["status"]["phase"], "Terminating");
    let message = &condition(&left, "NamespaceFinalizersRemaining").unwrap()["message"];
    assert_eq!(
        message,
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    );
    let content = condition(&left, "NamespaceContentRemaining").unwrap();
    assert_eq!(content["reason"], "SomeResourcesRemain");
    assert_eq!(names(&api, "team").await, ["held"]);
    assert!(names(&roles, "team").await.is_empty());
    let late = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}});
    let refused = api.create(Some("team"), &late).await.unwrap_err();
    assert!(refused.is(Reason::Forbidden));
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(Some("team"), "held", "", release).await.unwrap();
    gone(&namespaces, None, "team").await;
}

#[tokio::test(start_paused = true)]
async fn a_ready_node_loses_the_taint_of_registration_and_a_cordoned_one_is_tainted() {
    let cluster = Cluster::start().await;
    let nodes = cluster.api("", "nodes");
    cluster.node("a").await;
    let clean = |n: Option<&Value>| n.is_some_and(|n| n["spec"]["taints"].is_null());
    let node = until(&nodes, None, "a", clean).await.unwrap();
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/os"], "linux");
    let cordon = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    nodes.patch(None, "a", "", cordon).await.unwrap();
    until(&nodes, None, "a", |n| {
        n.is_some_and(|n| has_taint(n, "node.kubernetes.io/unschedulable", "NoSchedule"))
    })
    .await;
    let uncordon = Patch::Merge(json!({"spec": {"unschedulable": null}}));
    nodes.patch(None, "a", "", uncordon).await.unwrap();
    until(&nodes, None, "a", clean).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_tainted_and_its_pods_go_when_their_tolerance_ends() {
    let cluster = Cluster::start().await;
    let nodes = cluster.api("", "nodes");
    for name in ["silent", "well"] {
        cluster.node(name).await;
    }
    cluster.renew("well");
    let start = Instant::now();
    let tolerating = |seconds: u32| {
        json!({"tolerations": [
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds},
        ]})
    };
    cluster.pod("soon", "silent", tolerating(5)).await;
    cluster.pod("later", "silent", tolerating(100)).await;
    let all = json!({"tolerations": [{"operator": "Exists"}]});
    cluster.pod("never", "silent", all).await;
    cluster.pod("elsewhere", "well", tolerating(5)).await;

    let silent = until(&nodes, None, "silent", |n| {
        n.is_some_and(|n| has_taint(n, "node.kubernetes.io/unreachable", "NoExecute"))
    })
    .await
    .unwrap();
    let after = start.elapsed().as_secs();
    assert!((39..=41).contains(&after), "{after} s");
    let ready = condition(&silent, "Ready").unwrap();
    assert_eq!(ready["status"], "Unknown");
    assert_eq!(ready["reason"], "NodeStatusUnknown");
    assert_eq!(ready["message"], "Kubelet stopped posting node status.");
    assert!(has_taint(
        &silent,
        "node.kubernetes.io/unreachable",
        "NoSchedule"
    ));

    let going =
        |p: Option<&Value>| p.is_some_and(|p| p["metadata"]["deletionTimestamp"].is_string());
    let pods = cluster.pods();
    let soon = until(&pods, Some("default"), "soon", going).await.unwrap();
    let after = start.elapsed().as_secs();
    assert!((44..=46).contains(&after), "{after} s");
    let target = condition(&soon, "DisruptionTarget").unwrap();
    assert_eq!(target["reason"], "DeletionByTaintManager");
    assert_eq!(condition(&soon, "Ready").unwrap()["status"], "False");

    // The node is back in time for the other pod.
    cluster.report("silent", "True").await;
    cluster.renew("silent");
    let clean = |n: Option<&Value>| n.is_some_and(|n| n["spec"]["taints"].is_null());
    until(&nodes, None, "silent", clean).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    for name in ["later", "never", "elsewhere"] {
        let pod = pods.get(Some("default"), name).await.unwrap();
        assert!(!going(Some(&pod)), "{name}");
    }
    until(&nodes, None, "well", clean).await;
}

#[tokio::test(start_paused = true)]
async fn when_no_node_reports_the_fault_is_here_and_pods_stay() {
    let cluster = Cluster::start().await;
    let nodes = cluster.api("", "nodes");
    cluster.node("only").await;
    cluster.pod("p", "only", json!({})).await;
    until(&nodes, None, "only", |n| {
        n.is_some_and(|n| has_taint(n, "node.kubernetes.io/unreachable", "NoSchedule"))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let only = nodes.get(None, "only").await.unwrap();
    assert!(!has_taint(
        &only,
        "node.kubernetes.io/unreachable",
        "NoExecute"
    ));
    let pod = cluster.pods().get(Some("default"), "p").await.unwrap();
    assert!(pod["metadata"]["deletionTimestamp"].is_null());
}

#[tokio::test(start_paused = true)]
async fn once_a_node_reports_again_those_still_silent_are_given_up_one_by_one() {
    let cluster = Cluster::start().await;
    let nodes = cluster.api("", "nodes");
    for name in ["a", "b", "c"] {
        cluster.node(name).await;
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    let driven = |n: &Value| has_taint(n, "node.kubernetes.io/unreachable", "NoExecute");
    for name in ["a", "b", "c"] {
        let node = nodes.get(None, name).await.unwrap();
        assert_eq!(condition(&node, "Ready").unwrap()["status"], "Unknown");
        assert!(!driven(&node), "{name}");
    }
    let start = Instant::now();
    cluster.report("a", "True").await;
    cluster.renew("a");
    for name in ["b", "c"] {
        until(&nodes, None, name, |n| n.is_some_and(driven)).await;
    }
    let after = start.elapsed().as_secs();
    assert!((10..=11).contains(&after), "{after} s");
    let a = nodes.get(None, "a").await.unwrap();
    assert!(a["spec"]["taints"].is_null(), "{a:#}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_reports_stays_tainted_and_is_unknown_after_a_minute() {
    let cluster = Cluster::start().await;
    let nodes = cluster.api("", "nodes");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mute"}});
    nodes.create(None, &node).await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    let node = nodes.get(None, "mute").await.unwrap();
    assert!(has_taint(
        &node,
        "node.kubernetes.io/not-ready",
        "NoSchedule"
    ));
    assert!(condition(&node, "Ready").is_none());
    let node = until(&nodes, None, "mute", |n| {
        n.is_some_and(|n| has_taint(n, "node.kubernetes.io/unreachable", "NoSchedule"))
    })
    .await
    .unwrap();
    let ready = condition(&node, "Ready").unwrap();
    assert_eq!(ready["reason"], "NodeStatusNeverUpdated");
    assert_eq!(ready["message"], "Kubelet never posted node status.");
}

#[tokio::test(start_paused = true)]
async fn any_no_execute_taint_drives_off_what_does_not_tolerate_it() {
    let cluster = Cluster::start().await;
    cluster.node("a").await;
    cluster.renew("a");
    cluster.pod("p", "a", json!({})).await;
    let tainted = Patch::Merge(json!({"spec": {"taints": [
        {"key": "daas.io/stake-revoked", "effect": "NoExecute"},
    ]}}));
    let nodes = cluster.api("", "nodes");
    nodes.patch(None, "a", "", tainted).await.unwrap();
    until(&cluster.pods(), Some("default"), "p", |p| {
        p.is_none_or(|p| p["metadata"]["deletionTimestamp"].is_string())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let node = nodes.get(None, "a").await.unwrap();
    assert!(has_taint(&node, "daas.io/stake-revoked", "NoExecute"));
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_deleted_node_are_collected_after_a_while_and_no_others() {
    let cluster = Cluster::start().await;
    let (nodes, pods) = (cluster.api("", "nodes"), cluster.pods());
    for name in ["gone", "stays"] {
        cluster.node(name).await;
        cluster.renew(name);
    }
    cluster.pod("lost", "gone", json!({})).await;
    cluster.pod("kept", "stays", json!({})).await;
    nodes
        .delete(None, "gone", &DeleteOptions::default())
        .await
        .unwrap();
    let start = Instant::now();
    gone(&pods, Some("default"), "lost").await;
    let after = start.elapsed().as_secs();
    assert!((39..=42).contains(&after), "{after} s");
    assert!(pods.get(Some("default"), "kept").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn pods_that_end_on_a_node_that_is_out_of_service_are_removed() {
    let cluster = Cluster::start().await;
    let (nodes, pods) = (cluster.api("", "nodes"), cluster.pods());
    for name in ["down", "well"] {
        cluster.node(name).await;
    }
    cluster.renew("well");
    cluster.pod("stuck", "down", json!({})).await;
    pods.delete(Some("default"), "stuck", &DeleteOptions::default())
        .await
        .unwrap();
    until(&nodes, None, "down", |n| {
        n.is_some_and(|n| has_taint(n, "node.kubernetes.io/unreachable", "NoSchedule"))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert!(pods.get(Some("default"), "stuck").await.is_ok());
    let node = nodes.get(None, "down").await.unwrap();
    let mut taints = node["spec"]["taints"].as_array().unwrap().clone();
    taints.push(json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}));
    let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
    nodes.patch(None, "down", "", patch).await.unwrap();
    gone(&pods, Some("default"), "stuck").await;
}
