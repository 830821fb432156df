//! Withdraws and restores nodes through the registry.

use async_trait::async_trait;
use machinery::Reason;
use machinery::fields::FieldSelector;
use membership::stake::{NodeControl, NodeControlError, NotLive};
use registry::api::Api;
use registry::{DeleteOptions, ListOptions, Patch, Registry, Status, UserInfo};
use serde_json::{Value, json};

use crate::tunnels::Tunnels;

/// Annotation that says why a node was withdrawn. Present as long as it is.
const REVOKED_ANNOTATION: &str = "daas.io/stake-revoked";

/// Taint of a withdrawn node; its effect keeps and drives pods away.
const REVOKED_TAINT: &str = "daas.io/stake-revoked";

/// [`NodeControl`] on the API server's own objects.
pub(crate) struct RegistryControl {
    nodes: Api<Value>,
    pods: Api<Value>,
    tunnels: Tunnels,
}

impl RegistryControl {
    /// Acts as the system.
    ///
    /// # Errors
    /// When the registry has no nodes or pods.
    pub(crate) fn new(registry: &Registry, tunnels: Tunnels) -> Result<Self, Status> {
        Ok(Self {
            nodes: registry.api("", "v1", "nodes", UserInfo::system())?,
            pods: registry.api("", "v1", "pods", UserInfo::system())?,
            tunnels,
        })
    }

    async fn mark(
        &self,
        node: &str,
        change: impl Fn(&mut Value) -> bool + Send + Sync,
    ) -> Result<bool, Status> {
        loop {
            let Some(mut object) = self.nodes.get_opt(None, node).await? else {
                return Ok(false);
            };
            if !change(&mut object) {
                return Ok(true);
            }
            match self.nodes.update(None, node, &object).await {
                Ok(_) => return Ok(true),
                Err(status) if status.is(Reason::Conflict) => {}
                Err(status) if status.is(Reason::NotFound) => return Ok(false),
                Err(status) => return Err(status),
            }
        }
    }

    /// Removes every pod of the node at once: its agent can't confirm an orderly end any more.
    async fn evict(&self, node: &str) -> Result<usize, Status> {
        let field_selector = FieldSelector::parse(&format!("spec.nodeName={node}"))
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let options = ListOptions {
            field_selector,
            ..ListOptions::default()
        };
        let pods = self.pods.list(None, &options).await?.items;
        let mut removed = 0;
        for pod in pods {
            let text = |key: &str| {
                let value = pod.get("metadata").and_then(|metadata| metadata.get(key));
                value.and_then(Value::as_str).map(str::to_owned)
            };
            let (Some(namespace), Some(name), uid) = (text("namespace"), text("name"), text("uid"))
            else {
                continue;
            };
            let mut options = DeleteOptions {
                grace_period_seconds: Some(0),
                ..DeleteOptions::default()
            };
            options.preconditions.uid = uid;
            let gone = |status: &Status| status.is(Reason::NotFound) || status.is(Reason::Conflict);
            match self.pods.delete(Some(&namespace), &name, &options).await {
                Ok(()) => removed += 1,
                Err(status) if gone(&status) => {}
                Err(status) => return Err(status),
            }
        }
        Ok(removed)
    }

    /// The Ready condition becomes Unknown with the reason, so that everybody sees why.
    async fn explain(&self, node: &str, reason: &NotLive) -> Result<(), Status> {
        let now = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let patch = json!({"status": {"conditions": [{
            "type": "Ready", "status": "Unknown", "reason": reason.reason(),
            "message": format!("withdrawn from the cluster: {reason}"),
            "lastTransitionTime": now, "lastHeartbeatTime": now,
        }]}});
        match self
            .nodes
            .patch(None, node, "status", Patch::Strategic(patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(status) if status.is(Reason::NotFound) => Ok(()),
            Err(status) => Err(status),
        }
    }
}

fn entry<'a>(value: &'a mut Value, key: &str, empty: Value) -> Option<&'a mut Value> {
    let entry = value.as_object_mut()?.entry(key).or_insert(empty);
    Some(entry)
}

/// Cordons and marks; false when that is so already.
fn cordon(node: &mut Value, reason: &NotLive) -> bool {
    let before = node.clone();
    let mut annotate = || -> Option<()> {
        let metadata = entry(node, "metadata", json!({}))?;
        let annotations = entry(metadata, "annotations", json!({}))?;
        annotations
            .as_object_mut()?
            .insert(REVOKED_ANNOTATION.to_owned(), json!(reason.reason()));
        let spec = entry(node, "spec", json!({}))?;
        spec.as_object_mut()?
            .insert("unschedulable".to_owned(), json!(true));
        let taints = entry(spec, "taints", json!([]))?.as_array_mut()?;
        taints.retain(|taint| !is_ours(taint));
        taints.push(json!({"key": REVOKED_TAINT, "value": reason.reason(), "effect": "NoExecute"}));
        Some(())
    };
    // A node that is no object can hold no mark; the API server lets none in.
    let _ = annotate();
    *node != before
}

/// Undoes [`cordon`]; false when there is nothing of it.
fn uncordon(node: &mut Value) -> bool {
    let marked = node
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
        .and_then(Value::as_object_mut)
        .is_some_and(|annotations| annotations.shift_remove(REVOKED_ANNOTATION).is_some());
    if !marked {
        return false;
    }
    if let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove("unschedulable");
        if let Some(taints) = spec.get_mut("taints").and_then(Value::as_array_mut) {
            // The API server adds its own taint for an unschedulable node.
            taints
                .retain(|taint| !is_ours(taint) && taint.get("key") != Some(&json!(UNSCHEDULABLE)));
        }
    }
    true
}

/// upstream: staging/src/k8s.io/api/core/v1/well_known_taints.go#TaintNodeUnschedulable
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

fn is_ours(taint: &Value) -> bool {
    taint.get("key").and_then(Value::as_str) == Some(REVOKED_TAINT)
}

fn failed(action: &'static str, node: &str, status: &Status) -> NodeControlError {
    NodeControlError {
        action,
        node: node.to_owned(),
        reason: status.message.clone(),
    }
}

#[async_trait]
impl NodeControl for RegistryControl {
    async fn withdraw(&self, node: &str, reason: &NotLive) -> Result<usize, NodeControlError> {
        let failed = |status: Status| failed("withdraw", node, &status);
        // First the cordon: nothing new is placed while its pods are removed.
        self.mark(node, |object| cordon(object, reason))
            .await
            .map_err(failed)?;
        self.tunnels.drop_node(node);
        let removed = self.evict(node).await.map_err(failed)?;
        self.explain(node, reason).await.map_err(failed)?;
        Ok(removed)
    }

    async fn restore(&self, node: &str) -> Result<(), NodeControlError> {
        let restored = self.mark(node, uncordon).await;
        restored
            .map(drop)
            .map_err(|status| failed("restore", node, &status))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
