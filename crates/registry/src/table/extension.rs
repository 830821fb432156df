//! Groups that extend the API itself.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::table::row::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "apiregistration.k8s.io",
            "v1",
            "APIService",
            "apiservices",
            "apiservice",
        )
        .categories(&["api-extensions"])
        .status(),
        row(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "customresourcedefinition",
        )
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .status(),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "MutatingAdmissionPolicy",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicy",
        )
        .categories(&["api-extensions"]),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
            "mutatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"]),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
        )
        .categories(&["api-extensions"]),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            "validatingadmissionpolicy",
        )
        .categories(&["api-extensions"])
        .status(),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            "validatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"]),
        row(
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
        )
        .categories(&["api-extensions"]),
    ]
}
