//! Pods tolerate a node's failure for five minutes unless they say otherwise.
//!
//! upstream: plugin/pkg/admission/defaulttolerationseconds/admission.go

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

const TAINTS: &[&str] = &[
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];
const SECONDS: i64 = 300;

/// The plug-in.
#[derive(Debug)]
pub struct DefaultTolerationSeconds;

#[async_trait]
impl Admission for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn mutate(
        &self,
        _registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let Some(pod) = object.filter(|_| attributes.is_for("", "pods")) else {
            return Ok(());
        };
        let Some(spec) = pod.ensure_object("spec") else {
            return Ok(());
        };
        let mut tolerations = spec.list("tolerations").to_vec();
        for taint in TAINTS {
            let tolerated = tolerations.iter().any(|t| {
                let (key, effect) = (t.text("key"), t.text("effect"));
                (key == *taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
            });
            if !tolerated {
                let own = json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS});
                tolerations.push(own);
            }
        }
        if tolerations.len() != spec.list("tolerations").len() {
            spec.put("tolerations", tolerations);
        }
        Ok(())
    }
}
