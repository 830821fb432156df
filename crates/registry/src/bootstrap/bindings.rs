//! Bindings, and roles of namespaces. The controllers' own bindings follow from their roles.
//!
//! upstream: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/{policy,namespace_policy}.go

use super::rbac::{Role, n, r, role};

/// Name, cluster role, subjects (`group name`, `user name`, `serviceaccount namespace/name`).
pub(super) const CLUSTER_BINDINGS: &[(&str, &str, &[&str])] = &[
    ("cluster-admin", "cluster-admin", &["group system:masters"]),
    (
        "system:basic-user",
        "system:basic-user",
        &["group system:authenticated"],
    ),
    (
        "system:discovery",
        "system:discovery",
        &["group system:authenticated"],
    ),
    (
        "system:kube-controller-manager",
        "system:kube-controller-manager",
        &["user system:kube-controller-manager"],
    ),
    (
        "system:kube-dns",
        "system:kube-dns",
        &["sa kube-system/kube-dns"],
    ),
    (
        "system:kube-scheduler",
        "system:kube-scheduler",
        &["user system:kube-scheduler"],
    ),
    (
        "system:monitoring",
        "system:monitoring",
        &["group system:monitoring"],
    ),
    ("system:node", "system:node", &[]),
    (
        "system:node-proxier",
        "system:node-proxier",
        &["user system:kube-proxy"],
    ),
    (
        "system:public-info-viewer",
        "system:public-info-viewer",
        &["group system:authenticated", "group system:unauthenticated"],
    ),
    (
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        &["group system:serviceaccounts"],
    ),
    (
        "system:volume-scheduler",
        "system:volume-scheduler",
        &["user system:kube-scheduler"],
    ),
];

/// Namespace and role.
pub(super) const ROLES: &[(&str, Role)] = &[
    (
        "kube-public",
        role(
            "system:controller:bootstrap-signer",
            "",
            &[
                r("get list watch", "core", "configmaps"),
                n("update", "core", "configmaps", "cluster-info"),
                r("create patch update", "core events.k8s.io", "events"),
            ],
        ),
    ),
    (
        "kube-system",
        role(
            "extension-apiserver-authentication-reader",
            "",
            &[n(
                "get list watch",
                "core",
                "configmaps",
                "extension-apiserver-authentication",
            )],
        ),
    ),
    (
        "kube-system",
        role(
            "system::leader-locking-kube-controller-manager",
            "",
            &[
                r(
                    "create get list update watch",
                    "coordination.k8s.io",
                    "leases",
                ),
                r(
                    "create get list update watch",
                    "coordination.k8s.io",
                    "leasecandidates",
                ),
            ],
        ),
    ),
    (
        "kube-system",
        role(
            "system::leader-locking-kube-scheduler",
            "",
            &[
                r(
                    "create get list update watch",
                    "coordination.k8s.io",
                    "leases",
                ),
                r(
                    "create get list update watch",
                    "coordination.k8s.io",
                    "leasecandidates",
                ),
            ],
        ),
    ),
    (
        "kube-system",
        role(
            "system:controller:bootstrap-signer",
            "",
            &[r("get list watch", "core", "secrets")],
        ),
    ),
    (
        "kube-system",
        role(
            "system:controller:cloud-provider",
            "",
            &[r("create get list watch", "core", "configmaps")],
        ),
    ),
    (
        "kube-system",
        role(
            "system:controller:token-cleaner",
            "",
            &[
                r("delete get list watch", "core", "secrets"),
                r("create patch update", "core events.k8s.io", "events"),
            ],
        ),
    ),
];

/// Namespace, name, role, subjects.
pub(super) const BINDINGS: &[(&str, &str, &str, &[&str])] = &[
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &["sa kube-system/bootstrap-signer"],
    ),
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        &[
            "user system:kube-controller-manager",
            "user system:kube-scheduler",
        ],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        &[
            "user system:kube-controller-manager",
            "sa kube-system/kube-controller-manager",
            "sa kube-system/leader-election-controller",
        ],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        &[
            "user system:kube-scheduler",
            "sa kube-system/kube-scheduler",
        ],
    ),
    (
        "kube-system",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &["sa kube-system/bootstrap-signer"],
    ),
    (
        "kube-system",
        "system:controller:cloud-provider",
        "system:controller:cloud-provider",
        &["sa kube-system/cloud-provider"],
    ),
    (
        "kube-system",
        "system:controller:token-cleaner",
        "system:controller:token-cleaner",
        &["sa kube-system/token-cleaner"],
    ),
];
