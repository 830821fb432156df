//! In which order groups and versions are shown.
// upstream: pkg/controlplane/apiserver/aggregator.go#DefaultGenericAPIServicePriorities, cmd/kube-apiserver/app/aggregator.go

/// Group, version, priority of the group, priority of the version among the group's.
pub(super) const BUILT_IN: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18000, 1),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("admissionregistration.k8s.io", "v1beta1", 16700, 12),
    ("admissionregistration.k8s.io", "v1alpha1", 16700, 9),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("apps", "v1", 17800, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
    ("networking.k8s.io", "v1", 17200, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("resource.k8s.io", "v1", 16200, 20),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("storage.k8s.io", "v1", 16800, 15),
];

/// The priority of custom resources' groups and versions.
// upstream: pkg/controlplane/controller/crdregistration/crdregistration_controller.go
pub(super) const CUSTOM: (i64, i64) = (1000, 100);

/// The priority of a group that this server serves.
pub(super) fn of_group(group: &str) -> i64 {
    if group == "apiregistration.k8s.io" {
        return 20001;
    }
    BUILT_IN
        .iter()
        .find(|(name, ..)| *name == group)
        .map_or(CUSTOM.0, |(_, _, priority, _)| *priority)
}
