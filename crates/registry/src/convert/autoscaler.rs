//! autoscaling/v1 HorizontalPodAutoscaler, stored as autoscaling/v2: what version 1 has no fields for is in annotations.
//!
//! upstream: pkg/apis/autoscaling/v1/conversion.go

use machinery::ObjectExt;
use serde_json::{Map, Value, json};

use super::{Conversion, set_version};
use crate::value::{Read, Write};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// (kind, member)
const SOURCES: &[(&str, &str)] = &[
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("External", "external"),
];

#[derive(Debug)]
pub(crate) struct AutoscalerV1;

fn put_some(to: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|v| !v.is_null()) {
        to.insert(name.to_owned(), value.clone());
    }
}

fn source(metric: &Value) -> Option<(&'static str, &'static str, &Value)> {
    let (kind, member) = SOURCES.iter().find(|(k, _)| *k == metric.text("type"))?;
    Some((kind, member, metric.member(member)?))
}

/// Names of amounts in version 1, by whether they are asked for or observed.
struct Names {
    part: &'static str,
    value: &'static str,
    average: &'static str,
    utilization: &'static str,
}

const TARGET: Names = Names {
    part: "target",
    value: "targetValue",
    average: "targetAverageValue",
    utilization: "targetAverageUtilization",
};
const OBSERVED: Names = Names {
    part: "current",
    value: "currentValue",
    average: "currentAverageValue",
    utilization: "currentAverageUtilization",
};

/// A metric of version 2 as version 1 writes it in an annotation.
fn to_v1(metric: &Value, names: &Names) -> Option<Value> {
    let (kind, member, from) = source(metric)?;
    let amounts = from.member(names.part).unwrap_or(&Value::Null);
    let identity = from.member("metric").unwrap_or(&Value::Null);
    let mut out = Map::new();
    put_some(&mut out, "name", from.member("name"));
    put_some(&mut out, "container", from.member("container"));
    put_some(&mut out, "target", from.member("describedObject"));
    put_some(&mut out, "metricName", identity.member("name"));
    let selector = if kind == "External" {
        "metricSelector"
    } else {
        "selector"
    };
    put_some(&mut out, selector, identity.member("selector"));
    put_some(&mut out, names.value, amounts.member("value"));
    let average = if kind == "Object" {
        "averageValue"
    } else {
        names.average
    };
    put_some(&mut out, average, amounts.member("averageValue"));
    put_some(
        &mut out,
        names.utilization,
        amounts.member("averageUtilization"),
    );
    Some(json!({"type": kind, member: out}))
}

/// The reverse.
fn to_v2(metric: &Value, names: &Names) -> Option<Value> {
    let (kind, member, from) = source(metric)?;
    let mut amounts = Map::new();
    put_some(&mut amounts, "value", from.member(names.value));
    let average = if kind == "Object" {
        "averageValue"
    } else {
        names.average
    };
    put_some(&mut amounts, "averageValue", from.member(average));
    put_some(
        &mut amounts,
        "averageUtilization",
        from.member(names.utilization),
    );
    if names.part == "target" {
        let kind = if amounts.contains_key("averageUtilization") {
            "Utilization"
        } else if amounts.contains_key("averageValue") {
            "AverageValue"
        } else {
            "Value"
        };
        amounts.insert("type".to_owned(), kind.into());
    }
    let mut out = Map::new();
    put_some(&mut out, "name", from.member("name"));
    put_some(&mut out, "container", from.member("container"));
    put_some(&mut out, "describedObject", from.member("target"));
    if let Some(name) = from.member("metricName") {
        let mut identity = Map::new();
        identity.insert("name".to_owned(), name.clone());
        let selector = from
            .member("metricSelector")
            .or_else(|| from.member("selector"));
        put_some(&mut identity, "selector", selector);
        out.insert("metric".to_owned(), Value::Object(identity));
    }
    out.insert(names.part.to_owned(), Value::Object(amounts));
    Some(json!({"type": kind, member: out}))
}

/// The CPU's utilisation of a resource metric.
fn cpu<'a>(metric: &'a Value, names: &Names) -> Option<&'a Value> {
    let resource = metric
        .member("resource")
        .filter(|r| metric.text("type") == "Resource" && r.text("name") == "cpu")?;
    resource
        .member(names.part)?
        .member("averageUtilization")
        .filter(|v| !v.is_null())
}

fn annotate(object: &mut Value, name: &str, value: &Value) {
    let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !empty {
        let text = value.to_string();
        object.set_at(&["metadata", "annotations", name], text.into());
    }
}

/// Takes an annotation; one that can't be read is dropped, as upstream drops it.
fn take(object: &mut Value, name: &str) -> Option<Value> {
    let text = object.remove_at(&["metadata", "annotations", name])?;
    serde_json::from_str(text.as_str()?).ok()
}

fn list(value: Option<Value>, names: &Names) -> Vec<Value> {
    value
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| to_v2(m, names))
        .collect()
}

impl Conversion for AutoscalerV1 {
    fn to_storage(&self, object: &mut Value) {
        let mut metrics = list(take(object, METRICS), &TARGET);
        let mut current = list(take(object, CURRENT), &OBSERVED);
        let conditions = take(object, CONDITIONS);
        let behavior = take(object, BEHAVIOR);
        let no_annotations = object.annotations().is_some_and(serde_json::Map::is_empty);
        if no_annotations {
            object.remove_at(&["metadata", "annotations"]);
        }
        if let Some(spec) = object.member_mut("spec") {
            if let Some(percent) = spec.take_member("targetCPUUtilizationPercentage") {
                metrics.insert(
                    0,
                    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}}),
                );
            }
            if !metrics.is_empty() {
                spec.put("metrics", metrics);
            }
            if let Some(behavior) = behavior.filter(Value::is_object) {
                spec.put("behavior", behavior);
            }
        }
        if let Some(status) = object.member_mut("status") {
            if let Some(percent) = status.take_member("currentCPUUtilizationPercentage") {
                current.insert(
                    0,
                    json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}}),
                );
            }
            if !current.is_empty() {
                status.put("currentMetrics", current);
            }
            if let Some(conditions) = conditions.filter(Value::is_array) {
                status.put("conditions", conditions);
            }
        }
        set_version(object, "autoscaling/v2");
    }

    fn to_served(&self, object: &mut Value) {
        let mut notes: Vec<(&str, Value)> = Vec::new();
        let mut split = |part: Option<&mut Value>, from: &str, to: &str, names: &Names, note| {
            let Some(part) = part else { return };
            let metrics = part.take_member(from);
            let metrics = metrics.as_ref().and_then(Value::as_array);
            let all: Vec<&Value> = metrics.into_iter().flatten().collect();
            if let Some(percent) = all.iter().find_map(|m| cpu(m, names)) {
                part.put(to, percent.clone());
            }
            let others: Vec<Value> = all
                .iter()
                .filter(|m| cpu(m, names).is_none())
                .filter_map(|m| to_v1(m, names))
                .collect();
            notes.push((note, Value::Array(others)));
        };
        let spec = object.member_mut("spec");
        split(
            spec,
            "metrics",
            "targetCPUUtilizationPercentage",
            &TARGET,
            METRICS,
        );
        let status = object.member_mut("status");
        split(
            status,
            "currentMetrics",
            "currentCPUUtilizationPercentage",
            &OBSERVED,
            CURRENT,
        );
        for (part, member, note) in [
            ("status", "conditions", CONDITIONS),
            ("spec", "behavior", BEHAVIOR),
        ] {
            let taken = object.member_mut(part).and_then(|p| p.take_member(member));
            notes.extend(taken.map(|value| (note, value)));
        }
        for (note, value) in notes {
            annotate(object, note, &value);
        }
        set_version(object, "autoscaling/v1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let stored = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
                {"type": "Pods", "pods": {"metric": {"name": "m", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
                {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "2"}}}],
                "behavior": {"scaleUp": {"stabilizationWindowSeconds": 5}}},
            "status": {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}],
                "conditions": [{"type": "AbleToScale", "status": "True"}]}});
        let mut served = stored.clone();
        AutoscalerV1.to_served(&mut served);
        assert_eq!(
            served["spec"],
            json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "targetCPUUtilizationPercentage": 80})
        );
        assert_eq!(
            served["status"],
            json!({"currentCPUUtilizationPercentage": 7})
        );
        let metrics = &served["metadata"]["annotations"][METRICS];
        assert_eq!(
            serde_json::from_str::<Value>(metrics.as_str().unwrap_or_default()).ok(),
            Some(
                json!([{"type": "Pods", "pods": {"metricName": "m", "selector": {"matchLabels": {"a": "b"}}, "targetAverageValue": "1k"}},
                {"type": "External", "external": {"metricName": "e", "targetValue": "2"}}])
            )
        );
        AutoscalerV1.to_storage(&mut served);
        assert_eq!(served, stored);
    }
}
