//! Nodes.
//!
//! upstream: pkg/registry/core/node/strategy.go, pkg/apis/core/validation/validation.go#ValidateNode

use std::collections::BTreeSet;

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::validate_label_name;
use serde_json::{Value, json};

use super::{Strategy, StrategyContext, checks, defaults};
use crate::value::{Read, Write};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Nodes.
#[derive(Debug)]
pub(crate) struct Node;

impl Strategy for Node {
    /// upstream: pkg/apis/core/v1/defaults.go#SetDefaults_NodeStatus
    fn default(&self, node: &mut Value) {
        node.default_to("spec", json!({}));
        let Some(status) = node.ensure_object("status") else {
            return;
        };
        for name in ["capacity", "allocatable"] {
            if let Some(list) = status.member_mut(name) {
                defaults::resource_list(list);
            }
        }
        if !status.has("allocatable")
            && let Some(capacity) = status.member("capacity").cloned()
        {
            status.put("allocatable", capacity);
        }
        if let Some(endpoints) = status.ensure_object("daemonEndpoints")
            && let Some(kubelet) = endpoints.ensure_object("kubeletEndpoint")
        {
            kubelet.default_to("Port", 0);
        }
        if let Some(info) = status.ensure_object("nodeInfo") {
            for name in [
                "machineID",
                "systemUUID",
                "bootID",
                "kernelVersion",
                "osImage",
                "containerRuntimeVersion",
                "kubeletVersion",
                "kubeProxyVersion",
                "operatingSystem",
                "architecture",
            ] {
                info.default_to(name, "");
            }
        }
    }

    fn has_status(&self) -> bool {
        true
    }

    /// A node may say its status when it registers. It is tainted until it is ready.
    ///
    /// upstream: plugin/pkg/admission/nodetaint/admission.go
    fn prepare_for_create(&self, _context: &StrategyContext<'_>, node: &mut Value) {
        if let Some(spec) = node.ensure_object("spec") {
            let mut taints = spec.list("taints").to_vec();
            let tainted = taints
                .iter()
                .any(|t| t.text("key") == NOT_READY && t.text("effect") == "NoSchedule");
            if !tainted {
                taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
                spec.put("taints", taints);
            }
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, node: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        // Upstream puts the taints of a node below metadata.
        taints(node, &Path::new("metadata").child("taints"), &mut errors);
        resources(node, &mut errors);
        errors
    }

    /// upstream: #ValidateNodeUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        node: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, node);
        let of = |v: &Value| v.text_at(&["spec", "podCIDR"]).to_owned();
        if !of(old).is_empty() && of(node) != of(old) {
            errors.push(Error::forbidden(
                &Path::new("spec").child("podCIDRs"),
                "node updates may not change podCIDR except from \"\" to valid",
            ));
        }
        let of = |v: &Value| v.text_at(&["spec", "providerID"]).to_owned();
        if !of(old).is_empty() && of(node) != of(old) {
            errors.push(Error::forbidden(
                &Path::new("spec").child("providerID"),
                "node updates may not change providerID except from \"\" to valid",
            ));
        }
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        node: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        resources(node, &mut errors);
        errors
    }
}

/// upstream: #validateNodeTaints
fn taints(node: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (i, taint) in node
        .at(&["spec", "taints"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let path = path.index(i);
        let (key, effect) = (taint.text("key"), taint.text("effect"));
        errors.extend(validate_label_name(key, &path.child("key")));
        let value = taint.text("value");
        if let Some(problem) = machinery::validation::is_label_value(value)
            .into_iter()
            .reduce(|a, b| format!("{a};{b}"))
        {
            errors.push(Error::invalid(&path.child("value"), value, problem));
        }
        checks::one_of(errors, &path.child("effect"), effect, EFFECTS);
        if !seen.insert((key.to_owned(), effect.to_owned())) {
            let mut error = Error::duplicate(&path, taint.clone());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn resources(node: &Value, errors: &mut ErrorList) {
    for name in ["capacity", "allocatable"] {
        let list = node.at(&["status", name]).and_then(Value::as_object);
        for (resource, amount) in list.into_iter().flatten() {
            if super::quantity::is_negative(amount) {
                let path = Path::new("status").child(name).key(resource.as_str());
                let text = super::quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(
                    &path,
                    text,
                    "must be greater than or equal to 0",
                ));
            }
        }
    }
}
