//! Deployments, replica sets, replication controllers, stateful sets, daemon sets, controller revisions, pod templates.

mod daemon_set;
mod deployment;
mod replica_set;
mod replication_controller;
mod stateful_set;
mod template;

pub(crate) use daemon_set::DaemonSet;
pub(crate) use deployment::Deployment;
pub(crate) use replica_set::ReplicaSet;
pub(crate) use replication_controller::ReplicationController;
pub(crate) use stateful_set::StatefulSet;
pub(crate) use template::{ControllerRevision, PodTemplate};

use machinery::field::{Error, ErrorList, Path};
use machinery::labels::{Selector, from_label_selector, validate_label_selector};
use serde_json::Value;

use crate::value::Read;

/// A workload's selector: must be there, not empty, valid.
///
/// upstream: pkg/apis/apps/validation/validation.go#ValidateDeploymentSpec and the like
fn selector(spec: &Value, path: &Path, what: &str, errors: &mut ErrorList) -> Option<Selector> {
    let path = path.child("selector");
    match spec.member("selector").filter(|s| !s.is_null()) {
        None => errors.push(Error::required(&path, "")),
        Some(selector) => {
            errors.extend(validate_label_selector(Some(selector), false, &path));
            if selector.list("matchExpressions").is_empty()
                && selector.entries("matchLabels").next().is_none()
            {
                let text = if what == "deployment"
                    || what == "replicaset"
                    || what == "statefulset"
                    || what == "daemonset"
                {
                    format!("empty selector is invalid for {what}")
                } else {
                    "empty selector is invalid".to_owned()
                };
                errors.push(Error::invalid(&path, selector.clone(), text));
            }
        }
    }
    match from_label_selector(spec.member("selector")) {
        Ok(selector) => Some(selector),
        Err(_) => {
            errors.push(Error::invalid(
                &path,
                spec.member("selector").cloned().unwrap_or_default(),
                "invalid label selector",
            ));
            None
        }
    }
}
