//! Nobody grants by RBAC what they don't have themselves, unless they may `escalate` or `bind`.
// upstream: pkg/registry/rbac/{clusterrole,role,clusterrolebinding,rolebinding}/policybased/storage.go

use machinery::{GroupResource, Status};
use registry::UserInfo;
use serde::Deserialize;
use serde_json::Value;

use super::Authorizer;
use super::attributes::Attributes;
use super::rules::Rule;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether writes of this resource are checked.
pub(crate) fn concerns(group: &str, resource: &str) -> bool {
    group == GROUP
        && matches!(
            resource,
            "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings"
        )
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

/// Checks a role or binding as it would be stored.
pub(crate) fn check(
    authorizer: &Authorizer,
    user: &UserInfo,
    resource: &str,
    namespace: &str,
    object: &Value,
) -> Result<(), Status> {
    if user.in_group("system:masters") {
        return Ok(());
    }
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let may = |verb: &str, resource: &str, namespace: &str, name: &str| {
        let mut a = Attributes::resource(user, verb, GROUP, resource);
        a.namespace = namespace;
        a.name = name;
        authorizer.authorize(&a).allowed()
    };
    let rules: Vec<Rule> = if resource.ends_with("bindings") {
        let role: RoleRef = object
            .get("roleRef")
            .and_then(|r| serde_json::from_value(r.clone()).ok())
            .unwrap_or_default();
        let cluster = role.kind == "ClusterRole";
        let plural = if cluster { "clusterroles" } else { "roles" };
        if may("bind", plural, namespace, &role.name) {
            return Ok(());
        }
        let role_namespace = if cluster { "" } else { namespace };
        let rules = authorizer
            .rbac()
            .role_rules(&role.kind, role_namespace, &role.name)
            .ok_or_else(|| Status::not_found(&GroupResource::new(GROUP, plural), &role.name))?;
        rules.as_ref().clone()
    } else {
        if may("escalate", resource, namespace, name) {
            return Ok(());
        }
        let aggregated = object.get("aggregationRule").is_some_and(|a| !a.is_null());
        if aggregated && !may("*", "*", "", "") {
            return Err(Status::forbidden(
                &GroupResource::new(GROUP, resource),
                name,
                "must have cluster-admin privileges to use the aggregationRule",
            ));
        }
        object
            .get("rules")
            .and_then(|r| serde_json::from_value(r.clone()).ok())
            .unwrap_or_default()
    };
    let (own, errors) = authorizer.rules_for(user, namespace);
    let missing: Vec<Rule> = rules
        .iter()
        .flat_map(Rule::breakdown)
        .filter(|wanted| !own.iter().any(|o| o.covers(wanted)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Status::forbidden(
        &GroupResource::new(GROUP, resource),
        name,
        text(user, &missing, &errors),
    ))
}

// upstream: pkg/registry/rbac/validation/rule.go#ConfirmNoEscalation
fn text(user: &UserInfo, missing: &[Rule], errors: &[String]) -> String {
    let compact: Vec<String> = compact(missing).iter().map(go_syntax).collect();
    let groups: Vec<String> = user
        .groups
        .iter()
        .map(|g| machinery::go::quote(g))
        .collect();
    let mut out = format!(
        "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        machinery::go::quote(&user.name),
        groups.join(" "),
        compact.join("\n")
    );
    if !errors.is_empty() {
        out.push_str(&format!("; resolution errors: [{}]", errors.join(", ")));
    }
    out
}

/// Joins rules that differ in their verbs only.
fn compact(rules: &[Rule]) -> Vec<Rule> {
    let mut out: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = out.iter_mut().find(|r| {
            Rule {
                verbs: Vec::new(),
                ..(*r).clone()
            } == Rule {
                verbs: Vec::new(),
                ..rule.clone()
            }
        });
        match same {
            Some(r) => r.verbs.extend(rule.verbs.iter().cloned()),
            None => out.push(rule.clone()),
        }
    }
    out.sort_by(|a, b| {
        (&a.api_groups, &a.resources, &a.non_resource_urls).cmp(&(
            &b.api_groups,
            &b.resources,
            &b.non_resource_urls,
        ))
    });
    out
}

/// upstream: pkg/apis/rbac/v1/helpers.go#CompactString
fn go_syntax(rule: &Rule) -> String {
    let list = |l: &[String]| {
        l.iter()
            .map(|s| machinery::go::quote(s))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut out = String::from("{");
    let mut part = |name: &str, l: &[String]| {
        if !l.is_empty() {
            if out.len() > 1 {
                out.push_str(", ");
            }
            out.push_str(&format!("{name}:[{}]", list(l)));
        }
    };
    part("APIGroups", &rule.api_groups);
    part("Resources", &rule.resources);
    part("NonResourceURLs", &rule.non_resource_urls);
    part("ResourceNames", &rule.resource_names);
    part("Verbs", &rule.verbs);
    out.push('}');
    out
}
