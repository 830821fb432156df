//! Which requests are recorded, and how much of them.
// upstream: apiserver/pkg/audit/policy/checker.go, apiserver/pkg/apis/audit/validation/validation.go

use serde::Deserialize;

use crate::{Level, Stage};

/// The policy that holds unless a file says otherwise.
const DEFAULT: &str = include_str!("default-policy.yaml");

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is no YAML (or JSON), or has a key that no policy has.
    #[error("the audit policy cannot be read: {0}")]
    Decode(String),
    /// It is of another kind or version.
    #[error(
        "the audit policy has apiVersion {api_version:?} and kind {kind:?}: \"audit.k8s.io/v1\" and \"Policy\" are needed"
    )]
    Kind {
        /// What it says.
        api_version: String,
        /// What it says.
        kind: String,
    },
    /// It has no rules.
    #[error("the audit policy has no rules")]
    NoRules,
    /// A rule contradicts itself.
    #[error("{path}: {why}")]
    Invalid {
        /// The field.
        path: String,
        /// What is wrong, in upstream's words.
        why: &'static str,
    },
}

/// Rules, the first of which that matches a request says how much of it is recorded.
// upstream: apiserver/pkg/apis/audit/v1/types.go#Policy
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: serde::de::IgnoredAny,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The authenticated user's name; empty when nobody was authenticated.
    pub user: &'a str,
    /// That user's groups.
    pub groups: &'a [String],
    /// The verb.
    pub verb: &'a str,
    /// Whether it is for a resource of the API.
    pub is_resource: bool,
    /// API group.
    pub group: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// The path.
    pub path: &'a str,
}

/// What is recorded of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How much.
    pub level: Level,
    /// At which stages nothing.
    pub omit_stages: Vec<Stage>,
    /// Whether bodies go without `managedFields`.
    pub omit_managed_fields: bool,
}

impl Config {
    /// Whether an event is made at a stage.
    #[must_use]
    pub fn records(&self, stage: Stage) -> bool {
        self.level > Level::None && !self.omit_stages.contains(&stage)
    }
}

impl Policy {
    /// Reads a policy in YAML or JSON.
    ///
    /// # Errors
    /// [`PolicyError`]: keys that no policy has are refused, as upstream does.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let decoded =
            codec::yaml::decode(text.as_bytes()).map_err(|e| PolicyError::Decode(e.to_string()))?;
        let policy: Self = serde_json::from_value(decoded.value)
            .map_err(|e| PolicyError::Decode(e.to_string()))?;
        policy.validate()?;
        Ok(policy)
    }

    /// The policy that holds unless a file says otherwise: every request is recorded, with its answer's code; the bodies
    /// of what changes rights are recorded too; the bodies of what may hold a secret never are.
    ///
    /// # Errors
    /// None in a build that passed its tests.
    pub fn standard() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT)
    }

    fn validate(&self) -> Result<(), PolicyError> {
        if (self.api_version.as_str(), self.kind.as_str()) != ("audit.k8s.io/v1", "Policy") {
            return Err(PolicyError::Kind {
                api_version: self.api_version.clone(),
                kind: self.kind.clone(),
            });
        }
        if self.rules.is_empty() {
            return Err(PolicyError::NoRules);
        }
        for (i, rule) in self.rules.iter().enumerate() {
            rule.validate()
                .map_err(|(field, why)| PolicyError::Invalid {
                    path: format!("rules[{i}].{field}"),
                    why,
                })?;
        }
        Ok(())
    }

    /// What is recorded of a request.
    // upstream: checker.go#EvaluatePolicyRule
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Config {
        let Some(rule) = self.rules.iter().find(|r| r.matches(request)) else {
            return Config::default();
        };
        let mut omit_stages = self.omit_stages.clone();
        omit_stages.extend(&rule.omit_stages);
        Config {
            level: rule.level,
            omit_stages,
            omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
        }
    }
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == value)
}

impl Rule {
    // upstream: validation.go#validatePolicyRule
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        if !self.non_resource_urls.is_empty() {
            if !self.resources.is_empty() || !self.namespaces.is_empty() {
                return Err((
                    "nonResourceURLs",
                    "rules cannot apply to both regular resources and non-resource URLs",
                ));
            }
            for url in self.non_resource_urls.iter().filter(|u| *u != "*") {
                if !url.starts_with('/') {
                    return Err((
                        "nonResourceURLs",
                        "non-resource URL rules must begin with a '/' character",
                    ));
                }
                if url.strip_suffix('*').unwrap_or(url).contains('*') {
                    return Err((
                        "nonResourceURLs",
                        "non-resource URL wildcards '*' must be the final character of the rule",
                    ));
                }
            }
        }
        for of_group in &self.resources {
            if of_group.group.contains('/') {
                return Err(("resources", "group names must not have a version"));
            }
            if !of_group.resource_names.is_empty() && of_group.resources.is_empty() {
                return Err((
                    "resources",
                    "using resourceNames requires at least one resource",
                ));
            }
        }
        Ok(())
    }

    // upstream: checker.go#ruleMatches
    fn matches(&self, request: &Request<'_>) -> bool {
        if !self.users.is_empty() && !has(&self.users, request.user) {
            return false;
        }
        if !self.user_groups.is_empty() && !request.groups.iter().any(|g| has(&self.user_groups, g))
        {
            return false;
        }
        if !self.verbs.is_empty() && !has(&self.verbs, request.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return request.is_resource
                && (self.namespaces.is_empty() || has(&self.namespaces, request.namespace))
                && (self.resources.is_empty()
                    || self.resources.iter().any(|r| r.matches(request)));
        }
        if !self.non_resource_urls.is_empty() {
            return !request.is_resource
                && self
                    .non_resource_urls
                    .iter()
                    .any(|url| path_matches(url, request.path));
        }
        true
    }
}

// upstream: checker.go#pathMatches
fn path_matches(spec: &str, path: &str) -> bool {
    spec == "*"
        || spec == path
        || spec
            .strip_suffix('*')
            .is_some_and(|prefix| path.starts_with(prefix))
}

impl GroupResources {
    // upstream: checker.go#ruleMatchesResource
    fn matches(&self, request: &Request<'_>) -> bool {
        if self.group != request.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        if !self.resource_names.is_empty() && !has(&self.resource_names, request.name) {
            return false;
        }
        self.resources.iter().any(|resource| {
            if resource == "*" {
                return true;
            }
            match resource.split_once('/') {
                None => request.subresource.is_empty() && resource == request.resource,
                Some(("*", sub)) => !request.subresource.is_empty() && sub == request.subresource,
                Some((resource, "*")) => resource == request.resource,
                Some((resource, sub)) => resource == request.resource && sub == request.subresource,
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pods<'a>(verb: &'a str, subresource: &'a str) -> Request<'a> {
        Request {
            user: "alice",
            verb,
            is_resource: true,
            resource: "pods",
            subresource,
            namespace: "a",
            name: "p",
            path: "/api/v1/namespaces/a/pods/p",
            ..Request::default()
        }
    }

    fn level(rules: &str, request: &Request<'_>) -> Level {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {rules}");
        Policy::parse(&text).unwrap().evaluate(request).level
    }

    // upstream: checker_test.go#testAuditLevel, cases of the same names in effect
    #[test]
    fn rules_match_as_upstream() {
        let groups = ["humans".to_owned()];
        let request = Request {
            groups: &groups,
            ..pods("get", "")
        };
        let log = pods("get", "log");
        let path = Request {
            verb: "get",
            path: "/logs/kubelet.log",
            user: "alice",
            ..Request::default()
        };
        let cluster = Request {
            namespace: "",
            resource: "nodes",
            ..request
        };
        for (rules, request, want) in [
            ("[{level: Request}]", &request, Level::Request),
            ("[{level: Request, users: [bob]}]", &request, Level::None),
            (
                "[{level: Request, users: [bob, alice]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, userGroups: [humans]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, userGroups: [robots]}]",
                &request,
                Level::None,
            ),
            (
                "[{level: Request, verbs: [list]}, {level: Metadata}]",
                &request,
                Level::Metadata,
            ),
            ("[{level: Request, namespaces: [b]}]", &request, Level::None),
            (
                "[{level: Request, namespaces: [a]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, namespaces: [\"\"]}]",
                &cluster,
                Level::Request,
            ),
            ("[{level: Request, namespaces: [a]}]", &path, Level::None),
            (
                "[{level: Request, resources: [{group: \"\"}]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{group: apps}]}]",
                &request,
                Level::None,
            ),
            (
                "[{level: Request, resources: [{resources: [pods]}]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [pods]}]}]",
                &log,
                Level::None,
            ),
            (
                "[{level: Request, resources: [{resources: [pods/log]}]}]",
                &log,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [\"pods/*\"]}]}]",
                &log,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [\"*/log\"]}]}]",
                &log,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [\"*/log\"]}]}]",
                &request,
                Level::None,
            ),
            (
                "[{level: Request, resources: [{resources: [\"*\"]}]}]",
                &log,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [pods], resourceNames: [p]}]}]",
                &request,
                Level::Request,
            ),
            (
                "[{level: Request, resources: [{resources: [pods], resourceNames: [q]}]}]",
                &request,
                Level::None,
            ),
            (
                "[{level: Request, nonResourceURLs: [\"/logs*\"]}]",
                &path,
                Level::Request,
            ),
            (
                "[{level: Request, nonResourceURLs: [\"*\"]}]",
                &path,
                Level::Request,
            ),
            (
                "[{level: Request, nonResourceURLs: [\"/logs\"]}]",
                &path,
                Level::None,
            ),
            (
                "[{level: Request, nonResourceURLs: [\"*\"]}]",
                &request,
                Level::None,
            ),
        ] {
            assert_eq!(level(rules, request), want, "{rules}");
        }
    }

    #[test]
    fn stages_and_managed_fields_are_of_policy_and_rule() {
        let policy = Policy::parse(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\n\
             rules: [{level: Request, verbs: [get], omitStages: [Panic], omitManagedFields: false}, {level: Metadata}]",
        )
        .unwrap();
        let config = policy.evaluate(&pods("get", ""));
        assert!(!config.records(Stage::RequestReceived) && !config.records(Stage::Panic));
        assert!(config.records(Stage::ResponseComplete) && !config.omit_managed_fields);
        let config = policy.evaluate(&pods("list", ""));
        assert!(config.records(Stage::Panic) && config.omit_managed_fields);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for rules in [
            "[]",
            "[{level: Everything}]",
            "[{}]",
            "[{level: Request, nonResourceURLs: [logs]}]",
            "[{level: Request, nonResourceURLs: [\"/a*/b\"]}]",
            "[{level: Request, nonResourceURLs: [\"/a\"], namespaces: [a]}]",
            "[{level: Request, resources: [{resourceNames: [a]}]}]",
            "[{level: Request, resources: [{group: apps/v1}]}]",
            "[{level: Request, user: [a]}]",
        ] {
            let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {rules}");
            assert!(Policy::parse(&text).is_err(), "{rules}");
        }
        assert!(Policy::parse("kind: Policy\nrules: [{level: None}]").is_err());
    }

    /// No body that may hold a secret, and no request without a trace.
    #[test]
    fn the_standard_policy() {
        let policy = Policy::standard().unwrap();
        let of = |group, resource, subresource, verb| {
            policy
                .evaluate(&Request {
                    is_resource: true,
                    group,
                    resource,
                    subresource,
                    verb,
                    ..Request::default()
                })
                .level
        };
        for verb in ["create", "update", "patch", "get", "list", "delete"] {
            for (group, resource, subresource) in [
                ("", "secrets", ""),
                ("", "configmaps", ""),
                ("", "serviceaccounts", "token"),
                ("authentication.k8s.io", "tokenreviews", ""),
                ("", "pods", ""),
                ("", "pods", "exec"),
                ("apps", "deployments", ""),
                ("example.com", "widgets", ""),
            ] {
                assert_eq!(
                    of(group, resource, subresource, verb),
                    Level::Metadata,
                    "{resource}"
                );
            }
        }
        assert_eq!(
            of("rbac.authorization.k8s.io", "roles", "", "create"),
            Level::RequestResponse
        );
        let probe = Request {
            verb: "get",
            path: "/readyz",
            ..Request::default()
        };
        assert_eq!(policy.evaluate(&probe).level, Level::Metadata);
    }
}
