//! Cluster roles of the controllers.
//!
//! upstream: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go

use super::rbac::{Role, n, r, role};

pub(super) const CONTROLLERS: &[Role] = &[
    role(
        "system:controller:attachdetach-controller",
        "",
        &[
            r(
                "list watch",
                "core",
                "persistentvolumeclaims persistentvolumes",
            ),
            r("get list watch", "core", "nodes"),
            r("patch update", "core", "nodes/status"),
            r("list watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
            r(
                "create delete get list watch",
                "storage.k8s.io",
                "volumeattachments",
            ),
            r("get list watch", "storage.k8s.io", "csidrivers"),
            r("get list watch", "storage.k8s.io", "csinodes"),
        ],
    ),
    role(
        "system:controller:certificate-controller",
        "",
        &[
            r(
                "delete get list watch",
                "certificates.k8s.io",
                "certificatesigningrequests",
            ),
            r(
                "update",
                "certificates.k8s.io",
                "certificatesigningrequests/approval certificatesigningrequests/status",
            ),
            n(
                "approve",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/kube-apiserver-client-kubelet",
            ),
            n(
                "sign",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
            ),
            r("create", "authorization.k8s.io", "subjectaccessreviews"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:clusterrole-aggregation-controller",
        "",
        &[r(
            "escalate get list patch update watch",
            "rbac.authorization.k8s.io",
            "clusterroles",
        )],
    ),
    role(
        "system:controller:cronjob-controller",
        "",
        &[
            r("get list update watch", "batch", "cronjobs"),
            r("create delete get list patch update watch", "batch", "jobs"),
            r("update", "batch", "cronjobs/status"),
            r("update", "batch", "cronjobs/finalizers"),
            r("delete list watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:daemon-set-controller",
        "",
        &[
            r("get list watch", "apps extensions", "daemonsets"),
            r("update", "apps extensions", "daemonsets/status"),
            r("update", "apps extensions", "daemonsets/finalizers"),
            r("list watch", "core", "nodes"),
            r("create delete list patch watch", "core", "pods"),
            r("create", "core", "pods/binding"),
            r(
                "create delete get list patch update watch",
                "apps",
                "controllerrevisions",
            ),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:deployment-controller",
        "",
        &[
            r("get list update watch", "apps extensions", "deployments"),
            r("update", "apps extensions", "deployments/status"),
            r("update", "apps extensions", "deployments/finalizers"),
            r(
                "create delete get list patch update watch",
                "apps extensions",
                "replicasets",
            ),
            r("get list update watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:device-taint-eviction-controller",
        "",
        &[
            r("delete get list watch", "core", "pods"),
            r("patch update", "core", "pods/status"),
            r("get list watch", "resource.k8s.io", "resourceclaims"),
            r("get list watch", "resource.k8s.io", "resourceslices"),
            r("get list watch", "resource.k8s.io", "deviceclasses"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:disruption-controller",
        "",
        &[
            r("get list watch", "apps extensions", "deployments"),
            r("get list watch", "apps extensions", "replicasets"),
            r("get list watch", "core", "replicationcontrollers"),
            r("get list watch", "policy", "poddisruptionbudgets"),
            r("get list watch", "apps", "statefulsets"),
            r("update", "policy", "poddisruptionbudgets/status"),
            r("patch update", "core", "pods/status"),
            r("get", "*", "*/scale"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:endpoint-controller",
        "",
        &[
            r("get list watch", "core", "pods services"),
            r("create delete get list update watch", "core", "endpoints"),
            r("create", "core", "endpoints/restricted"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:endpointslice-controller",
        "",
        &[
            r("get list watch", "core", "nodes pods services"),
            r("update", "core", "services/finalizers"),
            r(
                "create delete get list update watch",
                "discovery.k8s.io",
                "endpointslices",
            ),
            r("create", "discovery.k8s.io", "endpointslices/restricted"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:endpointslicemirroring-controller",
        "",
        &[
            r("get list watch", "core", "endpoints services"),
            r("update", "core", "services/finalizers"),
            r("update", "core", "endpoints/finalizers"),
            r(
                "create delete get list update watch",
                "discovery.k8s.io",
                "endpointslices",
            ),
            r("create", "discovery.k8s.io", "endpointslices/restricted"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:ephemeral-volume-controller",
        "",
        &[
            r("get list watch", "core", "pods"),
            r("update", "core", "pods/finalizers"),
            r("create get list watch", "core", "persistentvolumeclaims"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:expand-controller",
        "",
        &[
            r("get list patch update watch", "core", "persistentvolumes"),
            r("patch update", "core", "persistentvolumeclaims/status"),
            r("get list watch", "core", "persistentvolumeclaims"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:generic-garbage-collector",
        "",
        &[
            r("delete get list patch update watch", "*", "*"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:horizontal-pod-autoscaler",
        "",
        &[
            r("get list watch", "autoscaling", "horizontalpodautoscalers"),
            r("update", "autoscaling", "horizontalpodautoscalers/status"),
            r("get update", "*", "*/scale"),
            r("list watch", "core", "pods"),
            r("list watch", "metrics.k8s.io", "pods"),
            r("get list watch", "custom.metrics.k8s.io", "*"),
            r("get list watch", "external.metrics.k8s.io", "*"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:job-controller",
        "",
        &[
            r("get list patch update watch", "batch", "jobs"),
            r("update", "batch", "jobs/status"),
            r("update", "batch", "jobs/finalizers"),
            r("create delete list patch watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:legacy-service-account-token-cleaner",
        "",
        &[
            n(
                "get",
                "core",
                "configmaps",
                "kube-apiserver-legacy-service-account-token-tracking",
            ),
            r("delete patch", "core", "secrets"),
        ],
    ),
    role(
        "system:controller:namespace-controller",
        "",
        &[
            r("delete get list watch", "core", "namespaces"),
            r("update", "core", "namespaces/finalize namespaces/status"),
            r("delete deletecollection get list watch", "*", "*"),
        ],
    ),
    role(
        "system:controller:node-controller",
        "",
        &[
            r("delete get list patch update watch", "core", "nodes"),
            r("patch update", "core", "nodes/status"),
            r("patch update", "core", "pods/status"),
            r("delete get list watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:persistent-volume-binder",
        "",
        &[
            r(
                "create delete get list update watch",
                "core",
                "persistentvolumes",
            ),
            r("update", "core", "persistentvolumes/status"),
            r("get list update watch", "core", "persistentvolumeclaims"),
            r("update", "core", "persistentvolumeclaims/status"),
            r("create delete get list watch", "core", "pods"),
            r("get list watch", "storage.k8s.io", "storageclasses"),
            r("list watch", "core", "nodes"),
            r("create patch update", "core events.k8s.io", "events"),
            r("watch", "core", "events"),
        ],
    ),
    role(
        "system:controller:pod-garbage-collector",
        "",
        &[
            r("delete list watch", "core", "pods"),
            r("get list watch", "core", "nodes"),
            r("patch", "core", "pods/status"),
        ],
    ),
    role(
        "system:controller:pv-protection-controller",
        "",
        &[
            r("get list update watch", "core", "persistentvolumes"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:pvc-protection-controller",
        "",
        &[
            r("get list update watch", "core", "persistentvolumeclaims"),
            r("update", "core", "persistentvolumeclaims/status"),
            r("get list watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:replicaset-controller",
        "",
        &[
            r("get list update watch", "apps extensions", "replicasets"),
            r("update", "apps extensions", "replicasets/status"),
            r("update", "apps extensions", "replicasets/finalizers"),
            r("create delete list patch watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:replication-controller",
        "",
        &[
            r("get list update watch", "core", "replicationcontrollers"),
            r("update", "core", "replicationcontrollers/status"),
            r("update", "core", "replicationcontrollers/finalizers"),
            r("create delete list patch watch", "core", "pods"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:resource-claim-controller",
        "",
        &[
            r("get list watch", "core", "pods"),
            r("update", "core", "pods/finalizers"),
            r(
                "create delete get list watch",
                "resource.k8s.io",
                "resourceclaims",
            ),
            r(
                "patch update",
                "resource.k8s.io",
                "resourceclaims resourceclaims/status",
            ),
            r("patch update", "core", "pods/status"),
            r("create patch update", "core events.k8s.io", "events"),
            r("patch update", "resource.k8s.io", "resourceclaims/binding"),
        ],
    ),
    role(
        "system:controller:resourcequota-controller",
        "",
        &[
            r("list watch", "*", "*"),
            r("update", "core", "resourcequotas/status"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:root-ca-cert-publisher",
        "",
        &[
            r("create update", "core", "configmaps"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:route-controller",
        "",
        &[
            r("list watch", "core", "nodes"),
            r("patch", "core", "nodes/status"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:selinux-warning-controller",
        "",
        &[
            r("create patch update", "core events.k8s.io", "events"),
            r("get list watch", "core", "persistentvolumes"),
            r("get list watch", "core", "persistentvolumeclaims"),
            r("get list watch", "core", "pods"),
            r("get list watch", "storage.k8s.io", "csidrivers"),
        ],
    ),
    role(
        "system:controller:service-account-controller",
        "",
        &[
            r("create", "core", "serviceaccounts"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:service-ca-cert-publisher",
        "",
        &[
            r("create update", "core", "configmaps"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:service-cidrs-controller",
        "",
        &[
            r(
                "get list patch update watch",
                "networking.k8s.io",
                "servicecidrs",
            ),
            r(
                "patch update",
                "networking.k8s.io",
                "servicecidrs/finalizers",
            ),
            r("patch update", "networking.k8s.io", "servicecidrs/status"),
            r("get list watch", "networking.k8s.io", "ipaddresses"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:service-controller",
        "",
        &[
            r("get list watch", "core", "services"),
            r("patch update", "core", "services/status"),
            r("list watch", "core", "nodes"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:statefulset-controller",
        "",
        &[
            r("list watch", "core", "pods"),
            r("get list watch", "apps", "statefulsets"),
            r("update", "apps", "statefulsets/status"),
            r("update", "apps", "statefulsets/finalizers"),
            r("create delete get patch update", "core", "pods"),
            r(
                "create delete get list patch update watch",
                "apps",
                "controllerrevisions",
            ),
            r("create get list watch", "core", "persistentvolumeclaims"),
            r("delete update", "core", "persistentvolumeclaims"),
            r("update", "core", "pods/finalizers"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:ttl-after-finished-controller",
        "",
        &[
            r("delete get list watch", "batch", "jobs"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:ttl-controller",
        "",
        &[
            r("list patch update watch", "core", "nodes"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:validatingadmissionpolicy-status-controller",
        "",
        &[
            r(
                "get list watch",
                "admissionregistration.k8s.io",
                "validatingadmissionpolicies",
            ),
            r(
                "get patch update",
                "admissionregistration.k8s.io",
                "validatingadmissionpolicies/status",
            ),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:controller:volumeattributesclass-protection-controller",
        "",
        &[
            r("get list watch", "core", "persistentvolumeclaims"),
            r("get list watch", "core", "persistentvolumes"),
            r(
                "get list update watch",
                "storage.k8s.io",
                "volumeattributesclasses",
            ),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
];
