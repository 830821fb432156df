//! What a request is classified by, and whether a flow schema's rules match it.
// upstream: apiserver/pkg/util/flowcontrol/rule.go

use crate::config::{FlowSchema, NonResourceRule, PolicyRules, ResourceRule, Subject};

/// What a request is classified by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest<'a> {
    /// The user.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// The verb.
    pub verb: &'a str,
    /// Whether it is for a resource.
    pub is_resource: bool,
    /// API group.
    pub group: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// The path.
    pub path: &'a str,
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == "*" || item == value)
}

impl FlowSchema {
    pub(crate) fn matches(&self, digest: &Digest<'_>) -> bool {
        self.spec.rules.iter().any(|r| r.matches(digest))
    }

    /// What tells this schema's flows apart.
    // upstream: formatting.go, apf_controller.go#computeFlowDistinguisher
    pub(crate) fn flow<'a>(&self, digest: &Digest<'a>) -> &'a str {
        match self
            .spec
            .distinguisher_method
            .as_ref()
            .map(|m| m.kind.as_str())
        {
            Some("ByUser") => digest.user,
            Some("ByNamespace") => digest.namespace,
            _ => "",
        }
    }
}

impl PolicyRules {
    fn matches(&self, digest: &Digest<'_>) -> bool {
        if !self.subjects.iter().any(|s| s.matches(digest)) {
            return false;
        }
        if digest.is_resource {
            self.resource_rules.iter().any(|r| r.matches(digest))
        } else {
            self.non_resource_rules.iter().any(|r| r.matches(digest))
        }
    }
}

impl Subject {
    fn matches(&self, digest: &Digest<'_>) -> bool {
        match self.kind.as_str() {
            "User" => self
                .user
                .as_ref()
                .is_some_and(|u| u.name == "*" || u.name == digest.user),
            "Group" => self
                .group
                .as_ref()
                .is_some_and(|g| g.name == "*" || digest.groups.contains(&g.name)),
            "ServiceAccount" => self.service_account.as_ref().is_some_and(|account| {
                let of = digest
                    .user
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.split_once(':'));
                of.is_some_and(|(namespace, name)| {
                    namespace == account.namespace && (account.name == "*" || name == account.name)
                })
            }),
            _ => false,
        }
    }
}

impl ResourceRule {
    fn matches(&self, digest: &Digest<'_>) -> bool {
        has(&self.verbs, digest.verb)
            && has(&self.api_groups, digest.group)
            && self.resources.iter().any(|r| {
                r == "*"
                    || if digest.subresource.is_empty() {
                        r == digest.resource
                    } else {
                        r.split_once('/') == Some((digest.resource, digest.subresource))
                    }
            })
            && if digest.namespace.is_empty() {
                self.cluster_scope
            } else {
                has(&self.namespaces, digest.namespace)
            }
    }
}

impl NonResourceRule {
    fn matches(&self, digest: &Digest<'_>) -> bool {
        has(&self.verbs, digest.verb)
            && self.urls.iter().any(|url| {
                url == "*"
                    || url == digest.path
                    || url.strip_suffix("/*").is_some_and(|prefix| {
                        digest
                            .path
                            .strip_prefix(prefix)
                            .is_some_and(|rest| rest.starts_with('/'))
                    })
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(rule: serde_json::Value) -> FlowSchema {
        let object = json!({"metadata": {"name": "s"}, "spec": {"rules": [rule], "distinguisherMethod": {"type": "ByUser"}}});
        FlowSchema::parse(object.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn rules_match_as_upstream() {
        let groups = ["dev".to_owned()];
        let list = Digest {
            user: "system:serviceaccount:ns:bot",
            groups: &groups,
            verb: "list",
            is_resource: true,
            group: "apps",
            resource: "deployments",
            namespace: "a",
            ..Digest::default()
        };
        let everything =
            json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]);
        let by = |subject: serde_json::Value| {
            schema(json!({"subjects": [subject], "resourceRules": everything}))
        };
        for (subject, matches) in [
            (json!({"kind": "User", "user": {"name": "*"}}), true),
            (json!({"kind": "User", "user": {"name": "bob"}}), false),
            (json!({"kind": "Group", "group": {"name": "dev"}}), true),
            (json!({"kind": "Group", "group": {"name": "ops"}}), false),
            (
                json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "ns", "name": "*"}}),
                true,
            ),
            (
                json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "ns", "name": "bot"}}),
                true,
            ),
            (
                json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "other", "name": "*"}}),
                false,
            ),
        ] {
            assert_eq!(by(subject.clone()).matches(&list), matches, "{subject}");
        }
        let all = by(json!({"kind": "User", "user": {"name": "*"}}));
        // Without clusterScope nothing outside of namespaces matches.
        assert!(!all.matches(&Digest {
            namespace: "",
            ..list
        }));
        assert_eq!(all.flow(&list), "system:serviceaccount:ns:bot");
        let sub = schema(
            json!({"subjects": [{"kind": "Group", "group": {"name": "dev"}}],
            "resourceRules": [{"verbs": ["list"], "apiGroups": ["apps"], "resources": ["deployments/status"], "namespaces": ["a"]}]}),
        );
        assert!(!sub.matches(&list));
        assert!(sub.matches(&Digest {
            subresource: "status",
            ..list
        }));
        let path = schema(
            json!({"subjects": [{"kind": "Group", "group": {"name": "dev"}}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/a/*"]}]}),
        );
        for (at, matches) in [
            ("/healthz", true),
            ("/healthz/x", false),
            ("/a/b/c", true),
            ("/a", false),
        ] {
            let digest = Digest {
                groups: &groups,
                verb: "get",
                path: at,
                ..Digest::default()
            };
            assert_eq!(path.matches(&digest), matches, "{at}");
        }
    }

    #[test]
    fn the_condition_is_asked_for_once() {
        let object = json!({"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "p"}}});
        let schema = FlowSchema::parse(object.to_string().as_bytes()).unwrap();
        let needed = schema.needed_condition(true).unwrap();
        assert_eq!(
            needed.message,
            "This FlowSchema references the PriorityLevelConfiguration object named \"p\" and it exists"
        );
        let mut object = object;
        object["status"] = json!({"conditions": [{"type": "Dangling", "status": "False", "reason": "Found", "message": needed.message}]});
        let schema = FlowSchema::parse(object.to_string().as_bytes()).unwrap();
        assert_eq!(schema.needed_condition(true), None);
        assert!(schema.needed_condition(false).unwrap().dangling);
    }
}
