//! The objects that are made.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::options::Kind;

/// Label of what one measurement made, so that it can be removed again.
pub(crate) const RUN: &str = "daas.bench/run";
/// Annotation that patches change.
pub(crate) const CHANGE: &str = "daas.bench/change";

impl Kind {
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Kind::Pod => "pods",
            Kind::ConfigMap => "configmaps",
        }
    }

    /// A body to create: a pod of the size that a Deployment's usually has. No change is the one that it is made with: that would
    /// be no change.
    pub(crate) fn body(self, name: &str, run: &str) -> Bytes {
        let metadata = json!({
            "name": name,
            "labels": {"app": "daas-bench", "pod-template-hash": "5d8f6c9b7", RUN: run},
            "annotations": {CHANGE: "none", "daas.bench/text": "x".repeat(160)},
        });
        let object = match self {
            Kind::ConfigMap => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                "data": {"text": "x".repeat(1024)}})
            }
            Kind::Pod => pod(&metadata),
        };
        object.to_string().into()
    }

    /// A merge patch.
    pub(crate) fn change(number: u64) -> Bytes {
        json!({"metadata": {"annotations": {CHANGE: number.to_string()}}})
            .to_string()
            .into()
    }
}

fn pod(metadata: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {
            // Nobody places it, so it never runs.
            "schedulerName": "daas-bench-none",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "registry.invalid/daas-bench:1",
                "args": ["--listen", "0.0.0.0:8080"],
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "MODE", "value": "bench"}],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
            }],
        },
    })
}
