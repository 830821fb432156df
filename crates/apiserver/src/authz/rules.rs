//! Policy rules and what they allow.
// upstream: pkg/apis/rbac/v1/evaluation_helpers.go

use serde::{Deserialize, Serialize};

use super::attributes::Attributes;

/// upstream: rbac/v1#PolicyRule
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) non_resource_urls: Vec<String>,
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|x| x == "*" || x == wanted)
}

impl Rule {
    /// A rule on resources.
    pub(crate) fn resources(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Self {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            verbs: own(verbs),
            api_groups: own(groups),
            resources: own(resources),
            ..Self::default()
        }
    }

    pub(crate) fn allows(&self, a: &Attributes<'_>) -> bool {
        if a.is_resource {
            has(&self.verbs, a.verb)
                && has(&self.api_groups, a.group)
                && self.resource_matches(a.resource, a.subresource)
                && (self.resource_names.is_empty()
                    || self.resource_names.iter().any(|n| n == a.name))
        } else {
            has(&self.verbs, a.verb) && self.url_matches(a.path)
        }
    }

    fn resource_matches(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|rule| {
            if rule == "*" {
                return true;
            }
            if subresource.is_empty() {
                return rule == resource;
            }
            match rule.split_once('/') {
                Some((r, s)) => s == subresource && (r == "*" || r == resource),
                None => false,
            }
        })
    }

    fn url_matches(&self, path: &str) -> bool {
        self.non_resource_urls.iter().any(|rule| {
            rule == "*"
                || rule == path
                || rule
                    .strip_suffix('*')
                    .is_some_and(|p| path.starts_with(p.trim_end_matches('*')))
        })
    }

    /// Whether this rule grants all that a rule of one verb, group, resource and name (or URL) asks.
    // upstream: pkg/registry/rbac/validation/policy_compact.go / pkg/apis/rbac validation#ruleCovers
    pub(crate) fn covers(&self, sub: &Rule) -> bool {
        let all = |own: &[String], sub: &[String]| {
            own.iter().any(|x| x == "*") || sub.iter().all(|s| own.contains(s))
        };
        if !all(&self.verbs, &sub.verbs) {
            return false;
        }
        if !sub.non_resource_urls.is_empty() {
            return sub.non_resource_urls.iter().all(|url| {
                self.non_resource_urls.iter().any(|own| {
                    own == "*"
                        || own == url
                        || own.strip_suffix('*').is_some_and(|p| url.starts_with(p))
                })
            });
        }
        let resources = sub.resources.iter().all(|wanted| {
            self.resources.iter().any(|own| {
                own == "*"
                    || own == wanted
                    || (own.starts_with("*/")
                        && wanted
                            .split_once('/')
                            .is_some_and(|(_, s)| own.get(2..) == Some(s)))
            })
        });
        let names = self.resource_names.is_empty()
            || (!sub.resource_names.is_empty()
                && sub
                    .resource_names
                    .iter()
                    .all(|n| self.resource_names.contains(n)));
        all(&self.api_groups, &sub.api_groups) && resources && names
    }

    /// The rule as rules of one verb, group, resource and name each.
    // upstream: component-helpers/auth/rbac/validation/rulevalidation.go#BreakdownRule
    pub(crate) fn breakdown(&self) -> Vec<Rule> {
        let mut out = Vec::new();
        for verb in &self.verbs {
            for group in &self.api_groups {
                for resource in &self.resources {
                    let base = Rule {
                        verbs: vec![verb.clone()],
                        api_groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        ..Rule::default()
                    };
                    if self.resource_names.is_empty() {
                        out.push(base);
                    } else {
                        out.extend(self.resource_names.iter().map(|n| Rule {
                            resource_names: vec![n.clone()],
                            ..base.clone()
                        }));
                    }
                }
            }
            out.extend(self.non_resource_urls.iter().map(|url| Rule {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![url.clone()],
                ..Rule::default()
            }));
        }
        out
    }
}

/// The rules of cluster-admin.
pub(crate) fn everything() -> Vec<Rule> {
    let url = Rule {
        verbs: vec!["*".to_owned()],
        non_resource_urls: vec!["*".to_owned()],
        ..Rule::default()
    };
    vec![Rule::resources(&["*"], &["*"], &["*"]), url]
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry::UserInfo;

    #[test]
    fn resources_names_and_urls() {
        let user = UserInfo::default();
        let rule = Rule::resources(&["get", "list"], &[""], &["pods", "*/scale", "nodes/proxy"]);
        let check = |verb, group, resource, subresource| {
            let mut a = Attributes::resource(&user, verb, group, resource);
            a.subresource = subresource;
            rule.allows(&a)
        };
        assert!(check("get", "", "pods", ""));
        assert!(!check("get", "", "pods", "log"));
        assert!(!check("get", "apps", "pods", ""));
        assert!(!check("delete", "", "pods", ""));
        assert!(check("get", "", "anything", "scale"));
        assert!(check("get", "", "nodes", "proxy"));
        assert!(!check("get", "", "nodes", ""));

        let named = Rule {
            resource_names: vec!["a".into()],
            ..rule
        };
        let mut a = Attributes::resource(&user, "get", "", "pods");
        assert!(!named.allows(&a), "no name");
        a.name = "a";
        assert!(named.allows(&a));

        let urls = Rule {
            verbs: vec!["get".into()],
            non_resource_urls: vec!["/healthz/*".into(), "/version".into()],
            ..Rule::default()
        };
        assert!(urls.allows(&Attributes::path(&user, "get", "/healthz/ping")));
        assert!(urls.allows(&Attributes::path(&user, "get", "/version")));
        assert!(!urls.allows(&Attributes::path(&user, "get", "/version/")));
        assert!(!urls.allows(&Attributes::path(&user, "post", "/version")));
    }

    #[test]
    fn covering() {
        let admin = &everything();
        let rule = Rule::resources(&["get", "delete"], &["", "apps"], &["pods", "pods/log"]);
        assert_eq!(rule.breakdown().len(), 8);
        assert!(
            rule.breakdown()
                .iter()
                .all(|s| admin.iter().any(|r| r.covers(s)))
        );
        let reader = Rule::resources(&["get"], &[""], &["pods"]);
        let uncovered: Vec<_> = rule
            .breakdown()
            .into_iter()
            .filter(|s| !reader.covers(s))
            .collect();
        assert_eq!(uncovered.len(), 7);
        let named = Rule {
            resource_names: vec!["a".into()],
            ..reader.clone()
        };
        assert!(reader.covers(&named));
        assert!(!named.covers(&reader));
    }
}
