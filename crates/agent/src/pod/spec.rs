//! Short ways into a pod's specification.

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What is asked of a pod again and again.
pub(crate) trait PodExt {
    fn uid(&self) -> &str;
    fn name(&self) -> &str;
    fn namespace(&self) -> &str;
    fn containers(&self) -> &[Container];
    fn init_containers(&self) -> &[Container];
    fn all_containers(&self) -> impl Iterator<Item = &Container>;
    fn container(&self, name: &str) -> Option<&Container>;
    fn restart_policy(&self) -> &str;
    fn host_network(&self) -> bool;
    fn deletion(&self) -> Option<Timestamp>;
    fn grace_seconds(&self) -> i64;
    fn phase(&self) -> &str;
    fn is_terminal(&self) -> bool;
    /// `name_namespace(uid)`, as upstream names a pod in messages.
    fn full_name(&self) -> String;
    fn hostname(&self) -> String;
}

impl PodExt for Pod {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or("default")
    }

    fn containers(&self) -> &[Container] {
        self.spec.as_ref().map_or(&[], |s| s.containers.as_slice())
    }

    fn init_containers(&self) -> &[Container] {
        self.spec
            .as_ref()
            .and_then(|s| s.init_containers.as_deref())
            .unwrap_or_default()
    }

    fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers().iter().chain(self.containers())
    }

    fn container(&self, name: &str) -> Option<&Container> {
        self.all_containers().find(|c| c.name == name)
    }

    fn restart_policy(&self) -> &str {
        self.spec
            .as_ref()
            .and_then(|s| s.restart_policy.as_deref())
            .unwrap_or("Always")
    }

    fn host_network(&self) -> bool {
        self.spec
            .as_ref()
            .and_then(|s| s.host_network)
            .unwrap_or(false)
    }

    fn deletion(&self) -> Option<Timestamp> {
        self.metadata.deletion_timestamp.as_ref().map(|t| t.0)
    }

    fn grace_seconds(&self) -> i64 {
        self.metadata
            .deletion_grace_period_seconds
            .or_else(|| {
                self.spec
                    .as_ref()
                    .and_then(|s| s.termination_grace_period_seconds)
            })
            .unwrap_or(30)
    }

    fn phase(&self) -> &str {
        self.status
            .as_ref()
            .and_then(|s| s.phase.as_deref())
            .unwrap_or_default()
    }

    fn is_terminal(&self) -> bool {
        matches!(self.phase(), "Succeeded" | "Failed")
    }

    fn full_name(&self) -> String {
        format!("{}_{}({})", self.name(), self.namespace(), self.uid())
    }

    // upstream: pkg/kubelet/kubelet_pods.go#GeneratePodHostNameAndDomain
    fn hostname(&self) -> String {
        let spec = self.spec.as_ref();
        if let Some(name) = spec.and_then(|s| s.hostname_override.as_deref()) {
            return name.to_owned();
        }
        let name = spec
            .and_then(|s| s.hostname.as_deref())
            .filter(|h| !h.is_empty())
            .unwrap_or_else(|| self.name());
        name.chars()
            .take(63)
            .collect::<String>()
            .trim_end_matches(['-', '.'])
            .to_owned()
    }
}

/// An init container that runs beside the others (a sidecar).
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Changes when what a restart would be needed for changes: name and image.
// upstream: pkg/kubelet/container/helpers.go#HashContainer picks name and image
pub(crate) fn container_hash(container: &Container) -> String {
    let mut hash = Sha256::new();
    hash.update(container.name.as_bytes());
    hash.update([0]);
    hash.update(container.image.as_deref().unwrap_or_default().as_bytes());
    hex::encode(hash.finalize()).chars().take(16).collect()
}
