//! What every node may do besides: the rules of `system:node` that need no relation.
// upstream: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go#NodeRules

use std::sync::LazyLock;

use super::attributes::Attributes;
use super::rules::Rule;

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let r = Rule::resources;
    vec![
        r(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
        r(
            &["create"],
            &["authorization.k8s.io"],
            &["subjectaccessreviews", "localsubjectaccessreviews"],
        ),
        r(&["get", "list", "watch"], &[""], &["services"]),
        r(
            &["create", "update", "patch"],
            &["", "events.k8s.io"],
            &["events"],
        ),
        r(
            &["create", "get", "list", "watch"],
            &["certificates.k8s.io"],
            &["certificatesigningrequests"],
        ),
        r(
            &["get", "list", "watch"],
            &["storage.k8s.io"],
            &["csidrivers"],
        ),
        r(
            &["get", "list", "watch"],
            &["node.k8s.io"],
            &["runtimeclasses"],
        ),
    ]
});

pub(super) fn allows(a: &Attributes<'_>) -> bool {
    RULES.iter().any(|r| r.allows(a))
}
