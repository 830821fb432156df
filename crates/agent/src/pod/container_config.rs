//! What a container is asked to be.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#generateContainerConfig, security_context.go

use k8s_openapi::api::core::v1::{Container, Pod, SeccompProfile};

use super::env::expand;
use super::observe::keys;
use super::pull::StartError;
use super::qos;
use super::sandbox_config::namespaces;
use super::spec::{PodExt, container_hash};
use crate::cri::v1::{
    Capability, ContainerConfig, ContainerMetadata, Image, ImageSpec, Int64Value, KeyValue,
    LinuxContainerConfig, LinuxContainerSecurityContext, Mount, ProfileType, SecurityProfile,
};
use crate::native::Node;

/// Paths hidden and made read-only in `/proc`.
// upstream: pkg/securitycontext/util.go
const MASKED: [&str; 9] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/scsi",
];
const MASKED_MORE: [&str; 3] = [
    "/proc/sched_debug",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(crate) fn privileged(container: &Container) -> bool {
    container
        .security_context
        .as_ref()
        .and_then(|s| s.privileged)
        == Some(true)
}

/// fsGroup and supplementalGroups.
pub(crate) fn supplemental_groups(pod: &Pod) -> Vec<i64> {
    let context = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    context
        .iter()
        .flat_map(|c| {
            c.supplemental_groups
                .iter()
                .flatten()
                .copied()
                .chain(c.fs_group)
        })
        .collect()
}

/// The runtime's default profile unless another is asked for.
pub(crate) fn seccomp(wanted: Option<&SeccompProfile>) -> SecurityProfile {
    match wanted.map(|p| p.type_.as_str()) {
        Some("Unconfined") => SecurityProfile {
            profile_type: ProfileType::Unconfined as i32,
            localhost_ref: String::new(),
        },
        Some("Localhost") => {
            let file = wanted
                .and_then(|p| p.localhost_profile.as_deref())
                .unwrap_or_default();
            SecurityProfile {
                profile_type: ProfileType::Localhost as i32,
                localhost_ref: format!("/var/lib/kubelet/seccomp/{file}"),
            }
        }
        _ => SecurityProfile {
            profile_type: ProfileType::RuntimeDefault as i32,
            localhost_ref: String::new(),
        },
    }
}

/// Refuses root where `runAsNonRoot` forbids it.
// upstream: pkg/kubelet/kuberuntime/security_context_others.go#verifyRunAsNonRoot
fn verify_non_root(pod: &Pod, container: &Container, image: &Image) -> Result<(), StartError> {
    let own = container.security_context.as_ref();
    let common = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    if own
        .and_then(|s| s.run_as_non_root)
        .or_else(|| common.and_then(|s| s.run_as_non_root))
        != Some(true)
    {
        return Ok(());
    }
    let user = own
        .and_then(|s| s.run_as_user)
        .or_else(|| common.and_then(|s| s.run_as_user));
    let name = pod.full_name();
    let fail = |text: String| {
        Err(StartError::new(
            "CreateContainerConfigError",
            format!("{text} (pod: {name:?}, container: {})", container.name),
        ))
    };
    match (
        user,
        image.uid.as_ref().map(|u| u.value),
        image.username.as_str(),
    ) {
        (Some(0), _, _) => fail("container's runAsUser breaks non-root policy".to_owned()),
        (Some(_), _, _) => Ok(()),
        (None, Some(0), _) | (None, None, "") => {
            fail("container has runAsNonRoot and image will run as root".to_owned())
        }
        (None, Some(_), _) => Ok(()),
        (None, None, user) => fail(format!(
            "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root"
        )),
    }
}

fn security(pod: &Pod, container: &Container, image: &Image) -> LinuxContainerSecurityContext {
    let own = container.security_context.as_ref();
    let common = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    let user = own
        .and_then(|s| s.run_as_user)
        .or_else(|| common.and_then(|s| s.run_as_user))
        .or_else(|| image.uid.as_ref().map(|u| u.value));
    let group = own
        .and_then(|s| s.run_as_group)
        .or_else(|| common.and_then(|s| s.run_as_group));
    let id = |value: Option<i64>| value.map(|value| Int64Value { value });
    let capabilities = own
        .and_then(|s| s.capabilities.as_ref())
        .map(|c| Capability {
            add_capabilities: c.add.clone().unwrap_or_default(),
            drop_capabilities: c.drop.clone().unwrap_or_default(),
            ..Capability::default()
        });
    let unmasked =
        privileged(container) || own.and_then(|s| s.proc_mount.as_deref()) == Some("Unmasked");
    let paths = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let wanted = own
        .and_then(|s| s.seccomp_profile.as_ref())
        .or_else(|| common.and_then(|s| s.seccomp_profile.as_ref()));
    LinuxContainerSecurityContext {
        capabilities,
        privileged: privileged(container),
        namespace_options: Some(namespaces(pod)),
        run_as_user: id(user),
        run_as_group: id(group.filter(|_| user.is_some() || !image.username.is_empty())),
        run_as_username: if user.is_none() {
            image.username.clone()
        } else {
            String::new()
        },
        readonly_rootfs: own.and_then(|s| s.read_only_root_filesystem) == Some(true),
        supplemental_groups: supplemental_groups(pod),
        no_new_privs: own.and_then(|s| s.allow_privilege_escalation) == Some(false),
        masked_paths: if unmasked {
            Vec::new()
        } else {
            paths(&MASKED)
                .into_iter()
                .chain(paths(&MASKED_MORE))
                .collect()
        },
        readonly_paths: if unmasked {
            Vec::new()
        } else {
            paths(&READ_ONLY)
        },
        seccomp: Some(if privileged(container) && wanted.is_none() {
            SecurityProfile {
                profile_type: ProfileType::Unconfined as i32,
                localhost_ref: String::new(),
            }
        } else {
            seccomp(wanted)
        }),
        ..LinuxContainerSecurityContext::default()
    }
}

/// The configuration for the `attempt`-th start of a container.
pub(crate) fn generate(
    pod: &Pod,
    container: &Container,
    attempt: i32,
    image: &Image,
    environment: &[(String, String)],
    mounts: Vec<Mount>,
    node: &Node,
) -> Result<ContainerConfig, StartError> {
    verify_non_root(pod, container, image)?;
    let known = |name: &str| {
        environment
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    };
    let expanded = |list: &Option<Vec<String>>| {
        list.iter()
            .flatten()
            .map(|text| expand(text, &known))
            .collect()
    };
    let grace = pod
        .spec
        .as_ref()
        .and_then(|s| s.termination_grace_period_seconds)
        .unwrap_or(30);
    let labels = [
        (keys::POD_NAME, pod.name()),
        (keys::POD_NAMESPACE, pod.namespace()),
        (keys::POD_UID, pod.uid()),
        (keys::CONTAINER_NAME, &container.name),
        (keys::AGENT, node.network.name()),
    ];
    let annotations = [
        (keys::HASH, container_hash(container)),
        (keys::RESTART_COUNT, attempt.to_string()),
        (
            keys::TERMINATION_PATH,
            termination_path(container).to_owned(),
        ),
        (
            keys::TERMINATION_POLICY,
            container
                .termination_message_policy
                .clone()
                .unwrap_or_else(|| "File".to_owned()),
        ),
        (keys::GRACE, grace.to_string()),
    ];
    Ok(ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: container.name.clone(),
            attempt: u32::try_from(attempt).unwrap_or(0),
        }),
        image: Some(ImageSpec {
            image: image.id.clone(),
            user_specified_image: container.image.clone().unwrap_or_default(),
            ..ImageSpec::default()
        }),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: environment
            .iter()
            .map(|(key, value)| KeyValue {
                key: key.clone(),
                value: value.clone().into_bytes(),
            })
            .collect(),
        mounts,
        labels: labels
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        annotations: annotations
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
        log_path: format!("{}/{attempt}.log", container.name),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        linux: Some(LinuxContainerConfig {
            resources: Some(qos::linux_resources(pod, container, node.capacity.memory)),
            security_context: Some(security(pod, container, image)),
        }),
    })
}

pub(crate) fn termination_path(container: &Container) -> &str {
    container
        .termination_message_path
        .as_deref()
        .filter(|p| !p.is_empty())
        .unwrap_or("/dev/termination-log")
}
