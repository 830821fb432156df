//! Authentication, authorisation, RBAC and certificates.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::resource::{Served, Verb};
use crate::table::row::{READ_WRITE, Row, field, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview")
            .verbs(&[Verb::Create])
            .by_server(),
        row("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", "tokenreview")
            .verbs(&[Verb::Create])
            .by_server(),
        row("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview")
            .namespaced()
            .verbs(&[Verb::Create])
            .by_server(),
        row("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview")
            .verbs(&[Verb::Create])
            .by_server(),
        row("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview")
            .verbs(&[Verb::Create])
            .by_server(),
        row("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview")
            .verbs(&[Verb::Create])
            .by_server(),
        row("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", "certificatesigningrequest")
            .short(&["csr"])
            .fields(&[field("spec.signerName")], "field label not supported: %s")
            .sub("approval", "CertificateSigningRequest", None, READ_WRITE, Served::Registry)
            .status(),
        row("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding"),
        row("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "clusterrole"),
        row("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding")
            .namespaced(),
        row("rbac.authorization.k8s.io", "v1", "Role", "roles", "role")
            .namespaced(),
    ]
}
