//! The configuration objects, as far as they are used here.
// upstream: staging/src/k8s.io/api/flowcontrol/v1/types.go

use serde::Deserialize;

/// An object that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the configuration object cannot be read")]
pub struct ConfigError(#[from] serde_json::Error);

/// A FlowSchema.
#[derive(Clone, Debug, Deserialize)]
pub struct FlowSchema {
    pub(crate) metadata: Meta,
    #[serde(default)]
    pub(crate) spec: SchemaSpec,
    #[serde(default)]
    status: SchemaStatus,
}

/// What a FlowSchema's `Dangling` condition has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dangling {
    /// Whether its priority level is missing.
    pub dangling: bool,
    /// `Found` or `NotFound`.
    pub reason: &'static str,
    /// The text.
    pub message: String,
}

impl FlowSchema {
    /// Reads an object's JSON.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The condition it should have when its level `exists` or not; `None` when it has that already.
    // upstream: apf_controller.go#presyncFlowSchemaStatus
    #[must_use]
    pub fn needed_condition(&self, exists: bool) -> Option<Dangling> {
        let level = &self.spec.priority_level_configuration.name;
        let (reason, message) = if exists {
            (
                "Found",
                format!(
                    "This FlowSchema references the PriorityLevelConfiguration object named {level:?} and it exists"
                ),
            )
        } else {
            (
                "NotFound",
                format!(
                    "This FlowSchema references the PriorityLevelConfiguration object named {level:?} but there is no such object"
                ),
            )
        };
        let wanted = if exists { "False" } else { "True" };
        let has = self.status.conditions.iter().any(|c| {
            c.kind == "Dangling" && c.status == wanted && c.reason == reason && c.message == message
        });
        (!has).then_some(Dangling {
            dangling: !exists,
            reason,
            message,
        })
    }

    /// The name of the priority level it refers to.
    #[must_use]
    pub fn level(&self) -> &str {
        &self.spec.priority_level_configuration.name
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SchemaSpec {
    pub(crate) priority_level_configuration: Meta,
    pub(crate) matching_precedence: i32,
    pub(crate) distinguisher_method: Option<Kinded>,
    pub(crate) rules: Vec<PolicyRules>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Kinded {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct SchemaStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicyRules {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) resource_rules: Vec<ResourceRule>,
    pub(crate) non_resource_rules: Vec<NonResourceRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Subject {
    pub(crate) kind: String,
    pub(crate) user: Option<Meta>,
    pub(crate) group: Option<Meta>,
    pub(crate) service_account: Option<Account>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ResourceRule {
    pub(crate) verbs: Vec<String>,
    pub(crate) api_groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) cluster_scope: bool,
    pub(crate) namespaces: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NonResourceRule {
    pub(crate) verbs: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    pub(crate) urls: Vec<String>,
}

/// A PriorityLevelConfiguration.
#[derive(Clone, Debug, Deserialize)]
pub struct PriorityLevel {
    pub(crate) metadata: Meta,
    #[serde(default)]
    pub(crate) spec: LevelSpec,
}

impl PriorityLevel {
    /// Reads an object's JSON.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LevelSpec {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) limited: Option<Limited>,
    pub(crate) exempt: Option<Exempt>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Limited {
    pub(crate) nominal_concurrency_shares: Option<u32>,
    pub(crate) limit_response: LimitResponse,
    pub(crate) lendable_percent: Option<u32>,
    pub(crate) borrowing_limit_percent: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Exempt {
    pub(crate) nominal_concurrency_shares: Option<u32>,
    pub(crate) lendable_percent: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LimitResponse {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) queuing: Option<Queuing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Queuing {
    pub(crate) queues: usize,
    pub(crate) hand_size: usize,
    pub(crate) queue_length_limit: usize,
}

impl Default for Queuing {
    // upstream: pkg/apis/flowcontrol/v1/defaults.go
    fn default() -> Self {
        Self {
            queues: 64,
            hand_size: 8,
            queue_length_limit: 50,
        }
    }
}

impl LevelSpec {
    pub(crate) fn is_exempt(&self) -> bool {
        self.kind == "Exempt"
    }

    /// Shares of the server's seats.
    pub(crate) fn shares(&self) -> f64 {
        let shares = if self.is_exempt() {
            self.exempt
                .as_ref()
                .and_then(|e| e.nominal_concurrency_shares)
                .unwrap_or(0)
        } else {
            self.limited
                .as_ref()
                .and_then(|l| l.nominal_concurrency_shares)
                .unwrap_or(30)
        };
        f64::from(shares)
    }

    pub(crate) fn lendable(&self) -> f64 {
        let percent = if self.is_exempt() {
            self.exempt.as_ref().and_then(|e| e.lendable_percent)
        } else {
            self.limited.as_ref().and_then(|l| l.lendable_percent)
        };
        f64::from(percent.unwrap_or(0).min(100))
    }

    pub(crate) fn borrowing(&self) -> Option<f64> {
        self.limited
            .as_ref()
            .and_then(|l| l.borrowing_limit_percent)
            .map(f64::from)
    }

    /// The queues; `None` when what does not fit is rejected at once.
    pub(crate) fn queuing(&self) -> Option<Queuing> {
        let response = &self.limited.as_ref()?.limit_response;
        (response.kind == "Queue").then(|| response.queuing.unwrap_or_default())
    }
}
