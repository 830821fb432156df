//! A pod's quality of service class.
//!
//! upstream: pkg/apis/core/v1/helper/qos/qos.go#ComputePodQOS

use machinery::ObjectExt;
use serde_json::Value;

use super::quantity;
use crate::value::Read;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(crate) fn class(pod: &Value) -> &'static str {
    let spec = pod.field("spec").unwrap_or(&Value::Null);
    let pod_level = spec
        .member("resources")
        .filter(|r| r.as_object().is_some_and(|m| !m.is_empty()));
    let own: Vec<&Value> = match pod_level {
        Some(resources) => vec![resources],
        None => spec
            .list("containers")
            .iter()
            .chain(spec.list("initContainers"))
            .map(|c| c.member("resources").unwrap_or(&Value::Null))
            .collect(),
    };
    let mut any = false;
    let mut guaranteed = !own.is_empty();
    for resources in own {
        let of = |kind: &str, name: &str| {
            resources
                .member(kind)
                .and_then(|l| l.member(name))
                .filter(|q| quantity::is_positive(q))
        };
        for name in ["cpu", "memory"] {
            let (request, limit) = (of("requests", name), of("limits", name));
            any |= request.is_some() || limit.is_some();
            let same = match (request, limit) {
                (Some(request), Some(limit)) => {
                    quantity::compare(request, limit) == Some(std::cmp::Ordering::Equal)
                }
                (None, Some(_)) => true,
                _ => false,
            };
            guaranteed &= same;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"name": "a", "resources": resources}]}});
        assert_eq!(class(&pod(json!({}))), "BestEffort");
        assert_eq!(class(&pod(json!({"requests": {"cpu": "1"}}))), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(
            class(&pod(
                json!({"requests": both, "limits": {"cpu": "1000m", "memory": "1Gi"}})
            )),
            "Guaranteed"
        );
        assert_eq!(
            class(&pod(
                json!({"requests": both, "limits": {"cpu": "2", "memory": "1Gi"}})
            )),
            "Burstable"
        );
    }
}
