//! What a sandbox is asked to be.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_sandbox.go#generatePodSandboxConfig

use k8s_openapi::api::core::v1::Pod;

use super::observe::keys;
use super::qos;
use super::spec::PodExt;
use super::{container_config, dns};
use crate::cri::v1::{
    Int64Value, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, PortMapping, Protocol,
};
use crate::native::Node;

/// Namespaces that the pod shares.
pub(crate) fn namespaces(pod: &Pod) -> NamespaceOption {
    let spec = pod.spec.as_ref();
    let host = |on: Option<bool>, mode: NamespaceMode| if on == Some(true) { NamespaceMode::Node } else { mode } as i32;
    let shared = spec.and_then(|s| s.share_process_namespace) == Some(true);
    NamespaceOption {
        network: host(spec.and_then(|s| s.host_network), NamespaceMode::Pod),
        pid: host(
            spec.and_then(|s| s.host_pid),
            if shared {
                NamespaceMode::Pod
            } else {
                NamespaceMode::Container
            },
        ),
        ipc: host(spec.and_then(|s| s.host_ipc), NamespaceMode::Pod),
        ..NamespaceOption::default()
    }
}

/// cgroup of the pod, under which its containers' are.
pub(crate) fn cgroup_parent(pod: &Pod, agent: &str) -> String {
    format!("/{agent}{}/pod{}", qos::class(pod).cgroup(), pod.uid())
}

/// The sandbox's configuration; the same for every container of the pod.
pub(crate) fn generate(pod: &Pod, attempt: u32, node: &Node) -> PodSandboxConfig {
    let mut labels = pod.metadata.labels.clone().unwrap_or_default();
    for (key, value) in [
        (keys::POD_NAME, pod.name()),
        (keys::POD_NAMESPACE, pod.namespace()),
        (keys::POD_UID, pod.uid()),
        (keys::AGENT, node.network.name()),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    let host_resolv = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let ports = if pod.host_network() {
        Vec::new()
    } else {
        port_mappings(pod)
    };
    let context = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    let id = |value: Option<i64>| value.map(|value| Int64Value { value });
    let privileged = pod.all_containers().any(container_config::privileged);
    let security = LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(pod)),
        run_as_user: id(context.and_then(|c| c.run_as_user)),
        run_as_group: id(context.and_then(|c| c.run_as_group)),
        supplemental_groups: container_config::supplemental_groups(pod),
        privileged,
        seccomp: Some(container_config::seccomp(
            context.and_then(|c| c.seccomp_profile.as_ref()),
        )),
        ..LinuxSandboxSecurityContext::default()
    };
    let sysctls = context
        .iter()
        .flat_map(|c| c.sysctls.iter().flatten())
        .map(|s| (s.name.clone(), s.value.clone()))
        .collect();
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: pod.name().to_owned(),
            uid: pod.uid().to_owned(),
            namespace: pod.namespace().to_owned(),
            attempt,
        }),
        hostname: if pod.host_network() {
            String::new()
        } else {
            pod.hostname()
        },
        log_directory: node.log_dir(pod).to_string_lossy().into_owned(),
        dns_config: Some(dns::config(
            pod,
            &node.config.cluster_dns,
            &node.config.cluster_domain,
            &host_resolv,
        )),
        port_mappings: ports,
        labels,
        annotations: pod.metadata.annotations.clone().unwrap_or_default(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent(pod, node.network.name()),
            security_context: Some(security),
            sysctls,
            ..LinuxPodSandboxConfig::default()
        }),
    }
}

fn port_mappings(pod: &Pod) -> Vec<PortMapping> {
    pod.all_containers()
        .flat_map(|c| c.ports.iter().flatten())
        .filter(|p| p.host_port.is_some_and(|h| h > 0))
        .map(|p| PortMapping {
            protocol: match p.protocol.as_deref() {
                Some("UDP") => Protocol::Udp,
                Some("SCTP") => Protocol::Sctp,
                _ => Protocol::Tcp,
            } as i32,
            container_port: p.container_port,
            host_port: p.host_port.unwrap_or(0),
            host_ip: p.host_ip.clone().unwrap_or_default(),
        })
        .collect()
}
