//! Environment of a container, and `$(VAR)` in commands.
// upstream: pkg/kubelet/kubelet_pods.go#makeEnvironmentVariables, third_party/forked/golang/expansion

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};

use super::quantity;
use super::spec::PodExt;
use crate::cluster_api::{ClusterApi, ClusterApiError};

/// Why an environment can't be made; the message is shown in the container's status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("{0}")]
    Missing(String),
    #[error("{0}")]
    Api(#[from] ClusterApiError),
}

/// What is known of the node and the pod's network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) host_ips: Vec<String>,
    pub(crate) pod_ips: Vec<String>,
    pub(crate) cpu_milli: i64,
    pub(crate) memory: i64,
    pub(crate) ephemeral: i64,
}

/// Expands `$(NAME)`; `$$` is a `$`, an unknown name stays as it is written.
pub(crate) fn expand(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, from) = rest.split_at(dollar);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match known(name) {
                Some(value) => out.push_str(&value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Value of a field of the pod (downward API).
pub(crate) fn field(
    pod: &Pod,
    selector: &ObjectFieldSelector,
    facts: &Facts,
) -> Result<String, EnvError> {
    let path = selector.field_path.as_str();
    let subscript = |map: &Option<BTreeMap<String, String>>, key: &str| {
        let key = key.strip_suffix("']").unwrap_or(key);
        map.as_ref()
            .and_then(|m| m.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let lines = |map: &Option<BTreeMap<String, String>>| {
        map.iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", serde_json::Value::from(v.as_str())))
            .collect::<Vec<_>>()
            .join("\n")
    };
    if let Some(key) = path.strip_prefix("metadata.labels['") {
        return Ok(subscript(&pod.metadata.labels, key));
    }
    if let Some(key) = path.strip_prefix("metadata.annotations['") {
        return Ok(subscript(&pod.metadata.annotations, key));
    }
    Ok(match path {
        "metadata.name" => pod.name().to_owned(),
        "metadata.namespace" => pod.namespace().to_owned(),
        "metadata.uid" => pod.uid().to_owned(),
        "metadata.labels" => lines(&pod.metadata.labels),
        "metadata.annotations" => lines(&pod.metadata.annotations),
        "spec.nodeName" => pod
            .spec
            .as_ref()
            .and_then(|s| s.node_name.clone())
            .unwrap_or_default(),
        "spec.serviceAccountName" => pod
            .spec
            .as_ref()
            .and_then(|s| s.service_account_name.clone())
            .unwrap_or_default(),
        "status.hostIP" => facts.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => facts.host_ips.join(","),
        "status.podIP" => facts.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => facts.pod_ips.join(","),
        other => return Err(EnvError::Missing(format!("unsupported fieldPath: {other}"))),
    })
}

/// Value of a resource of a container (downward API); the node's where the container has no limit.
// upstream: pkg/api/v1/resource/helpers.go#ExtractContainerResourceValue
pub(crate) fn resource(
    container: &Container,
    selector: &ResourceFieldSelector,
    facts: &Facts,
) -> Result<String, EnvError> {
    let bad = || {
        EnvError::Missing(format!(
            "unsupported container resource : {}",
            selector.resource
        ))
    };
    let (kind, name) = selector.resource.split_once('.').ok_or_else(bad)?;
    let declared = |kind: &str| {
        let resources = container.resources.as_ref()?;
        let map = if kind == "limits" {
            resources.limits.as_ref()
        } else {
            resources.requests.as_ref()
        };
        map?.get(name).map(|q| q.0.clone())
    };
    let own = match kind {
        "limits" => declared("limits"),
        "requests" => declared("requests").or_else(|| declared("limits")),
        _ => return Err(bad()),
    };
    let divisor = selector
        .divisor
        .as_ref()
        .map(|q| q.0.as_str())
        .filter(|d| !matches!(*d, "" | "0"))
        .unwrap_or("1");
    let divide = |amount: i64, divisor: i64| amount / divisor + i64::from(amount % divisor != 0);
    Ok(if name == "cpu" {
        let amount = own
            .and_then(|q| quantity::milli(&q))
            .unwrap_or(if kind == "limits" { facts.cpu_milli } else { 0 });
        divide(
            amount,
            quantity::milli(divisor).filter(|d| *d > 0).unwrap_or(1000),
        )
        .to_string()
    } else {
        let node = match (kind, name) {
            ("limits", "memory") => facts.memory,
            ("limits", "ephemeral-storage") => facts.ephemeral,
            _ => 0,
        };
        let amount = own.and_then(|q| quantity::value(&q)).unwrap_or(node);
        divide(
            amount,
            quantity::value(divisor).filter(|d| *d > 0).unwrap_or(1),
        )
        .to_string()
    })
}

/// ConfigMaps and Secrets as read once for one container.
#[derive(Default)]
struct Sources {
    config_maps: HashMap<String, Option<BTreeMap<String, String>>>,
    secrets: HashMap<String, Option<BTreeMap<String, Vec<u8>>>>,
}

impl Sources {
    async fn config_map(
        &mut self,
        api: &dyn ClusterApi,
        namespace: &str,
        name: &str,
    ) -> Result<Option<&BTreeMap<String, String>>, ClusterApiError> {
        if !self.config_maps.contains_key(name) {
            let data = match api.config_map(namespace, name).await {
                Ok(map) => Some(map.data.unwrap_or_default()),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
            self.config_maps.insert(name.to_owned(), data);
        }
        Ok(self.config_maps.get(name).and_then(Option::as_ref))
    }

    async fn secret(
        &mut self,
        api: &dyn ClusterApi,
        namespace: &str,
        name: &str,
    ) -> Result<Option<&BTreeMap<String, Vec<u8>>>, ClusterApiError> {
        if !self.secrets.contains_key(name) {
            let data = match api.secret(namespace, name).await {
                Ok(secret) => Some(
                    secret
                        .data
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(k, v)| (k, v.0))
                        .collect(),
                ),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
            self.secrets.insert(name.to_owned(), data);
        }
        Ok(self.secrets.get(name).and_then(Option::as_ref))
    }
}

/// The whole environment of a container, in the order that the specification has.
pub(crate) async fn environment(
    api: &dyn ClusterApi,
    pod: &Pod,
    container: &Container,
    facts: &Facts,
    services: &[(String, String)],
) -> Result<Vec<(String, String)>, EnvError> {
    let namespace = pod.namespace();
    let mut sources = Sources::default();
    let mut result: Vec<(String, String)> = Vec::new();
    let set = |result: &mut Vec<(String, String)>, name: String, value: String| match result
        .iter_mut()
        .find(|(n, _)| *n == name)
    {
        Some(slot) => slot.1 = value,
        None => result.push((name, value)),
    };
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            match sources.config_map(api, namespace, &reference.name).await? {
                Some(data) => {
                    for (key, value) in data {
                        set(&mut result, format!("{prefix}{key}"), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(EnvError::Missing(format!(
                        "configmap {:?} not found",
                        reference.name
                    )));
                }
            }
        }
        if let Some(reference) = &from.secret_ref {
            match sources.secret(api, namespace, &reference.name).await? {
                Some(data) => {
                    for (key, value) in data {
                        set(
                            &mut result,
                            format!("{prefix}{key}"),
                            String::from_utf8_lossy(value).into_owned(),
                        );
                    }
                }
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(EnvError::Missing(format!(
                        "secret {:?} not found",
                        reference.name
                    )));
                }
            }
        }
    }
    let lookup = |result: &[(String, String)], name: &str| {
        result
            .iter()
            .chain(services)
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    };
    for variable in container.env.iter().flatten() {
        let source = variable.value_from.as_ref();
        let value = if let Some(selector) = source.and_then(|s| s.field_ref.as_ref()) {
            field(pod, selector, facts)?
        } else if let Some(selector) = source.and_then(|s| s.resource_field_ref.as_ref()) {
            let of = selector
                .container_name
                .as_deref()
                .and_then(|n| pod.container(n))
                .unwrap_or(container);
            resource(of, selector, facts)?
        } else if let Some(selector) = source.and_then(|s| s.config_map_key_ref.as_ref()) {
            let optional = selector.optional == Some(true);
            let data = sources.config_map(api, namespace, &selector.name).await?;
            match (data.map(|d| d.get(&selector.key).cloned()), optional) {
                (Some(Some(value)), _) => value,
                (_, true) => continue,
                (Some(None), _) => {
                    return Err(EnvError::Missing(format!(
                        "couldn't find key {} in ConfigMap {namespace}/{}",
                        selector.key, selector.name
                    )));
                }
                (None, _) => {
                    return Err(EnvError::Missing(format!(
                        "configmap {:?} not found",
                        selector.name
                    )));
                }
            }
        } else if let Some(selector) = source.and_then(|s| s.secret_key_ref.as_ref()) {
            let optional = selector.optional == Some(true);
            let data = sources.secret(api, namespace, &selector.name).await?;
            match (data.map(|d| d.get(&selector.key).cloned()), optional) {
                (Some(Some(value)), _) => String::from_utf8_lossy(&value).into_owned(),
                (_, true) => continue,
                (Some(None), _) => {
                    return Err(EnvError::Missing(format!(
                        "couldn't find key {} in Secret {namespace}/{}",
                        selector.key, selector.name
                    )));
                }
                (None, _) => {
                    return Err(EnvError::Missing(format!(
                        "secret {:?} not found",
                        selector.name
                    )));
                }
            }
        } else {
            expand(variable.value.as_deref().unwrap_or_default(), &|name| {
                lookup(&result, name)
            })
        };
        set(&mut result, variable.name.clone(), value);
    }
    for (name, value) in services {
        if !result.iter().any(|(n, _)| n == name) {
            result.push((name.clone(), value.clone()));
        }
    }
    Ok(result)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expansion_as_upstream_documents_it() {
        let known = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expected) in [
            ("$(A)", "1"),
            ("x-$(A)-$(B)", "x-1-$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A", "$A"),
            ("$", "$"),
            ("$(A", "$(A"),
            ("", ""),
            ("ä$(A)ö", "ä1ö"),
        ] {
            assert_eq!(expand(text, &known), expected, "{text}");
        }
    }

    #[test]
    fn resources_divide_and_round_up() {
        let container: Container = serde_json::from_value(
            json!({"name": "c", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}),
        )
        .unwrap();
        let facts = Facts {
            cpu_milli: 2_000,
            memory: 1 << 30,
            ..Facts::default()
        };
        let read = |name: &str, divisor: &str| {
            let selector =
                serde_json::from_value(json!({"resource": name, "divisor": divisor})).unwrap();
            resource(&container, &selector, &facts).unwrap()
        };
        assert_eq!(read("limits.cpu", "1"), "2");
        assert_eq!(read("limits.cpu", "1m"), "1500");
        assert_eq!(read("limits.memory", "1Mi"), "64");
        assert_eq!(read("requests.memory", "0"), "67108864");
        assert_eq!(read("limits.ephemeral-storage", "1"), "0");
    }
}
