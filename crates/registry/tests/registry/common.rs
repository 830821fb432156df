use registry::{
    Answer, CreateOptions, GetOptions, ListOptions, Registry, RegistryOptions, RequestContext,
    Status, Stored, Target,
};
use serde_json::{Value, json};
use store::memory::MemoryLog;
use store::{Options, SealingKeys, Store, SystemClock};
use zeroize::Zeroizing;

pub(crate) async fn store() -> Store<Stored> {
    let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
    Store::open(MemoryLog::new(), keys, SystemClock, Options::default())
        .await
        .unwrap()
}

/// A registry with the namespaces and service accounts that requests need.
pub(crate) async fn registry() -> Registry {
    let registry = Registry::new(store().await, RegistryOptions::default());
    for name in ["default", "kube-system", "kube-node-lease"] {
        create(
            &registry,
            "v1/namespaces",
            None,
            json!({"metadata": {"name": name}}),
        )
        .await
        .unwrap();
        create(
            &registry,
            "v1/serviceaccounts",
            Some(name),
            json!({"metadata": {"name": "default"}}),
        )
        .await
        .unwrap();
    }
    registry
}

/// `v1/pods` or `apps/v1/deployments`, perhaps with a subresource: `v1/pods/status`.
pub(crate) fn target(
    registry: &Registry,
    path: &str,
    namespace: Option<&str>,
    name: &str,
) -> Target {
    let parts: Vec<&str> = path.split('/').collect();
    let (group, version, plural, sub) = match parts.as_slice() {
        [version, plural] => ("", *version, *plural, ""),
        [version, plural, sub] if version.starts_with('v') => ("", *version, *plural, *sub),
        [group, version, plural] => (*group, *version, *plural, ""),
        [group, version, plural, sub] => (*group, *version, *plural, *sub),
        _ => panic!("{path}"),
    };
    registry
        .target(group, version, plural, namespace, name)
        .unwrap()
        .subresource(sub)
}

pub(crate) fn context() -> RequestContext {
    RequestContext::system()
}

pub(crate) async fn create(
    registry: &Registry,
    path: &str,
    namespace: Option<&str>,
    body: Value,
) -> Result<Value, Status> {
    let target = target(registry, path, namespace, "");
    registry
        .create(&context(), &target, body, &CreateOptions::default())
        .await
        .map(value)
}

pub(crate) fn value(answer: Answer) -> Value {
    serde_json::from_slice(&answer.json()).unwrap()
}

pub(crate) async fn get(
    registry: &Registry,
    path: &str,
    namespace: Option<&str>,
    name: &str,
) -> Result<Value, Status> {
    let target = target(registry, path, namespace, name);
    registry
        .get(&context(), &target, &GetOptions::default())
        .await
        .map(|o| o.value())
}

pub(crate) async fn update(
    registry: &Registry,
    path: &str,
    namespace: Option<&str>,
    name: &str,
    body: Value,
) -> Result<Value, Status> {
    let target = target(registry, path, namespace, name);
    registry
        .update(&context(), &target, body, &CreateOptions::default())
        .await
        .map(value)
}

pub(crate) async fn names(
    registry: &Registry,
    path: &str,
    namespace: Option<&str>,
    options: &ListOptions,
) -> Vec<String> {
    let target = target(registry, path, namespace, "");
    let list = registry.list(&context(), &target, options).await.unwrap();
    list.items
        .iter()
        .map(|o| o.value()["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "x"}]}})
}
