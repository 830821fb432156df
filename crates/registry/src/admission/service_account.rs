//! Every pod runs as a service account, and gets its token unless it declines.
//!
//! upstream: plugin/pkg/admission/serviceaccount/admission.go

use async_trait::async_trait;
use machinery::{ObjectExt, names};
use serde_json::{Value, json};

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

/// Where the token is mounted.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// An hour, and some for the clock's skew.
const TOKEN_SECONDS: i64 = 60 * 60 + 7;

/// The plug-in.
#[derive(Debug)]
pub struct ServiceAccount;

#[async_trait]
impl Admission for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let Some(pod) = object.filter(|_| attributes.is_for("", "pods")) else {
            return Ok(());
        };
        if pod.annotation(MIRROR).is_some() {
            return mirror(attributes, pod);
        }
        let Some(spec) = pod.ensure_object("spec") else {
            return Ok(());
        };
        spec.default_text("serviceAccountName", "default");
        let name = spec.text("serviceAccountName").to_owned();
        let resource = registry.table().find("", "v1", "serviceaccounts");
        let stored = resource.and_then(|r| registry.stored(r, Some(attributes.namespace), &name));
        let Some(stored) = stored else {
            let why = format!(
                "error looking up service account {}/{name}: serviceaccount {} not found",
                attributes.namespace,
                machinery::go::quote(&name)
            );
            return Err(attributes.forbidden(Some(pod), why));
        };
        let account = stored.value();
        let wanted = spec
            .member("automountServiceAccountToken")
            .and_then(Value::as_bool)
            .or_else(|| {
                account
                    .member("automountServiceAccountToken")
                    .and_then(Value::as_bool)
            });
        if wanted.unwrap_or(true) {
            mount_token(spec);
        }
        if spec.list("imagePullSecrets").is_empty() && !account.list("imagePullSecrets").is_empty()
        {
            spec.put(
                "imagePullSecrets",
                account.list("imagePullSecrets").to_vec(),
            );
        }
        Ok(())
    }
}

/// upstream: admission.go#Plugin.Validate
fn mirror(attributes: &Attributes<'_>, pod: &Value) -> Result<(), Status> {
    if !pod.text_at(&["spec", "serviceAccountName"]).is_empty() {
        return Err(
            attributes.forbidden(Some(pod), "a mirror pod may not reference service accounts")
        );
    }
    let volumes = pod.at(&["spec", "volumes"]).and_then(Value::as_array);
    for volume in volumes.into_iter().flatten() {
        if volume.has("secret") {
            return Err(attributes.forbidden(Some(pod), "a mirror pod may not reference secrets"));
        }
        let projects_token = volume.member("projected").is_some_and(|p| {
            p.list("sources")
                .iter()
                .any(|s| s.has("serviceAccountToken"))
        });
        if projects_token {
            return Err(attributes.forbidden(
                Some(pod),
                "a mirror pod may not use ServiceAccountToken volume projections",
            ));
        }
    }
    Ok(())
}

/// upstream: admission.go#Plugin.mountServiceAccountToken
fn mount_token(spec: &mut Value) {
    let present = spec
        .list("volumes")
        .iter()
        .map(|v| v.text("name"))
        .find(|n| n.starts_with(VOLUME_PREFIX))
        .map(str::to_owned);
    let volume = present
        .clone()
        .unwrap_or_else(|| names::generate(VOLUME_PREFIX));
    let mut needed = false;
    for list in ["initContainers", "containers"] {
        for container in spec.each(list) {
            let mounted = container
                .list("volumeMounts")
                .iter()
                .any(|m| m.text("mountPath") == MOUNT_PATH);
            if !mounted {
                let mut mounts = container.list("volumeMounts").to_vec();
                mounts.push(json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}));
                container.put("volumeMounts", mounts);
                needed = true;
            }
        }
    }
    if needed && present.is_none() {
        let mut volumes = spec.list("volumes").to_vec();
        volumes.push(json!({"name": volume, "projected": {"defaultMode": 0o644, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}));
        spec.put("volumes", volumes);
    }
}
