//! The resource metrics of pods, read of whoever serves them.
// upstream: pkg/controller/podautoscaler/metrics/client.go

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use machinery::ObjectExt;
use machinery::quantity::Quantity;
use serde_json::Value;

/// Reads of aggregated API servers; implemented by the API server.
#[async_trait]
pub trait ExtensionApi: Send + Sync + 'static {
    /// The JSON at a path with its query, or the HTTP code of the failure (404 where nobody serves the group).
    ///
    /// # Errors
    /// The code.
    async fn get(&self, path: &str) -> Result<Value, u16>;
}

/// The aggregated API servers, if there is a way to them.
#[derive(Clone, Default)]
pub struct ExtensionApis(pub Option<Arc<dyn ExtensionApi>>);

/// What a pod uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// In thousandths.
    pub(super) milli: i64,
    pub(super) at: Timestamp,
    pub(super) window: Duration,
}

/// What the pods of a selector use of a resource, by their names; pods whose metrics lack it are left out.
pub(super) async fn of_resource(
    apis: &ExtensionApis,
    namespace: &str,
    selector: &str,
    resource: &str,
    container: Option<&str>,
) -> Result<BTreeMap<String, Sample>, String> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("labelSelector", selector)
        .finish();
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?{query}");
    let answer = match &apis.0 {
        Some(api) => api.get(&path).await,
        None => Err(404),
    };
    let list = answer.map_err(|code| {
        let what = match code {
            404 => "the server could not find the requested resource".to_owned(),
            503 => "the server is currently unable to handle the request".to_owned(),
            403 => "pods.metrics.k8s.io is forbidden".to_owned(),
            code => {
                format!("an error on the server ({code}) has prevented the request from succeeding")
            }
        };
        format!(
            "unable to fetch metrics from resource metrics API: {what} (get pods.metrics.k8s.io)"
        )
    })?;
    let items = list
        .at(&["items"])
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if items.is_empty() {
        return Err("no metrics returned from resource metrics API".to_owned());
    }
    let mut samples = BTreeMap::new();
    for item in items {
        let Some(milli) = used(&item, resource, container)? else {
            continue;
        };
        let at = item
            .text_at(&["timestamp"])
            .parse()
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let window = machinery::duration::parse(item.text_at(&["window"]))
            .ok()
            .and_then(|nanos| u64::try_from(nanos).ok())
            .map(Duration::from_nanos)
            .unwrap_or_default();
        samples.insert(item.name().to_owned(), Sample { milli, at, window });
    }
    if samples.is_empty() {
        return Err("no metrics returned from resource metrics API".to_owned());
    }
    Ok(samples)
}

/// The use of a pod, or of one container; `None` when a container's is missing.
fn used(item: &Value, resource: &str, container: Option<&str>) -> Result<Option<i64>, String> {
    let containers = item
        .at(&["containers"])
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let of = |c: &Value| {
        Quantity::parse(c.text_at(&["usage", resource]))
            .ok()
            .map(|q| q.milli_value())
    };
    match container {
        None => Ok(containers
            .iter()
            .map(of)
            .sum::<Option<i64>>()
            .filter(|_| !containers.is_empty())),
        Some(name) => containers
            .iter()
            .find(|c| c.text_at(&["name"]) == name)
            .map(of)
            .ok_or_else(|| {
                format!(
                    "container {name} not present in metrics for pod {}/{}",
                    item.namespace(),
                    item.name()
                )
            }),
    }
}
