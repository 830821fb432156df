//! Roles and bindings.
//!
//! upstream: pkg/registry/rbac/*/strategy.go, pkg/apis/rbac/{v1/defaults,validation/validation}.go

use machinery::field::{Error, ErrorList, Path};
use machinery::labels::validate_label_selector;
use machinery::validation::{NameCheck, path_segment_name};
use serde_json::Value;

use super::{Strategy, StrategyContext};
use crate::value::{Read, Write};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Role and ClusterRole (`cluster`).
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) cluster: bool,
}

impl Strategy for Role {
    fn name_check(&self) -> NameCheck {
        path_segment_name
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, _context: &StrategyContext<'_>, role: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (i, rule) in role.list("rules").iter().enumerate() {
            self::rule(
                rule,
                self.cluster,
                &Path::new("rules").index(i),
                &mut errors,
            );
        }
        if let Some(aggregation) = role.member("aggregationRule").filter(|a| !a.is_null()) {
            let path = Path::new("aggregationRule").child("clusterRoleSelectors");
            let selectors = aggregation.list("clusterRoleSelectors");
            if selectors.is_empty() {
                errors.push(Error::required(
                    &path,
                    "at least one clusterRoleSelector required if aggregationRule is non-nil",
                ));
            }
            for (i, selector) in selectors.iter().enumerate() {
                errors.extend(validate_label_selector(
                    Some(selector),
                    false,
                    &path.index(i),
                ));
            }
        }
        errors
    }
}

/// upstream: validation.go#ValidatePolicyRule
fn rule(rule: &Value, cluster: bool, path: &Path, errors: &mut ErrorList) {
    if rule.list("verbs").is_empty() {
        errors.push(Error::required(
            &path.child("verbs"),
            "verbs must contain at least one value",
        ));
    }
    let resources = !rule.list("resources").is_empty();
    let groups = !rule.list("apiGroups").is_empty();
    let names = !rule.list("resourceNames").is_empty();
    let urls = rule.list("nonResourceURLs");
    if !urls.is_empty() {
        let path = path.child("nonResourceURLs");
        if !cluster {
            errors.push(Error::invalid(
                &path,
                urls.to_vec(),
                "namespaced rules cannot apply to non-resource URLs",
            ));
        }
        if groups || resources || names {
            let text = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(Error::invalid(&path, urls.to_vec(), text));
        }
        return;
    }
    if !groups {
        errors.push(Error::required(
            &path.child("apiGroups"),
            "resource rules must supply at least one api group",
        ));
    }
    if !resources {
        errors.push(Error::required(
            &path.child("resources"),
            "resource rules must supply at least one resource",
        ));
    }
}

/// RoleBinding and ClusterRoleBinding (`cluster`).
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) cluster: bool,
}

impl Strategy for Binding {
    fn default(&self, binding: &mut Value) {
        if let Some(role) = binding.member_mut("roleRef").filter(|r| r.is_object()) {
            role.default_text("apiGroup", GROUP);
        }
        for subject in binding.each("subjects") {
            if matches!(subject.text("kind"), "User" | "Group") {
                subject.default_text("apiGroup", GROUP);
            }
        }
    }

    fn name_check(&self) -> NameCheck {
        path_segment_name
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, _context: &StrategyContext<'_>, binding: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("roleRef");
        let role = binding.member("roleRef").unwrap_or(&Value::Null);
        if role.text("apiGroup") != GROUP {
            errors.push(Error::not_supported(
                &path.child("apiGroup"),
                role.text("apiGroup"),
                &[GROUP],
            ));
        }
        let kinds: &[&str] = if self.cluster {
            &["ClusterRole"]
        } else {
            &["ClusterRole", "Role"]
        };
        if !kinds.contains(&role.text("kind")) {
            errors.push(Error::not_supported(
                &path.child("kind"),
                role.text("kind"),
                kinds,
            ));
        }
        match role.text("name") {
            "" => errors.push(Error::required(&path.child("name"), "")),
            name => super::checks::problems(
                &mut errors,
                &path.child("name"),
                &name.into(),
                path_segment_name(name, false),
            ),
        }
        for (i, subject) in binding.list("subjects").iter().enumerate() {
            self::subject(
                subject,
                !self.cluster,
                &Path::new("subjects").index(i),
                &mut errors,
            );
        }
        errors
    }

    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        binding: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, binding);
        if !machinery::equality::semantic_opt(binding.member("roleRef"), old.member("roleRef")) {
            let value = binding.member("roleRef").cloned().unwrap_or_default();
            errors.push(Error::invalid(
                &Path::new("roleRef"),
                value,
                "cannot change roleRef",
            ));
        }
        errors
    }
}

/// upstream: validation.go#ValidateRoleBindingSubject
fn subject(subject: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let name = subject.text("name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    let group = subject.text("apiGroup");
    match subject.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                let found = machinery::validation::name_is_dns_subdomain(name, false);
                super::checks::problems(errors, &path.child("name"), &name.into(), found);
            }
            if !group.is_empty() {
                errors.push(Error::not_supported(&path.child("apiGroup"), group, &[""]));
            }
            if !namespaced && subject.text("namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.push(Error::not_supported(
                    &path.child("apiGroup"),
                    group,
                    &[GROUP],
                ));
            }
        }
        other => errors.push(Error::not_supported(
            &path.child("kind"),
            other,
            &["ServiceAccount", "User", "Group"],
        )),
    }
}
