//! networking.k8s.io and discovery.k8s.io.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::table::row::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "networking.k8s.io",
            "v1",
            "IngressClass",
            "ingressclasses",
            "ingressclass",
        ),
        row("networking.k8s.io", "v1", "Ingress", "ingresses", "ingress")
            .namespaced()
            .short(&["ing"])
            .status(),
        row(
            "networking.k8s.io",
            "v1",
            "IPAddress",
            "ipaddresses",
            "ipaddress",
        )
        .short(&["ip"]),
        row(
            "networking.k8s.io",
            "v1",
            "NetworkPolicy",
            "networkpolicies",
            "networkpolicy",
        )
        .namespaced()
        .short(&["netpol"]),
        row(
            "networking.k8s.io",
            "v1",
            "ServiceCIDR",
            "servicecidrs",
            "servicecidr",
        )
        .status(),
        row(
            "discovery.k8s.io",
            "v1",
            "EndpointSlice",
            "endpointslices",
            "endpointslice",
        )
        .namespaced(),
    ]
}
