//! Options of delete, in the query or the body.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Query, validate_dry_run};
use crate::field::{Error, ErrorList, Path};
use crate::owner::DeletionPropagation;
use crate::{GroupKind, Status};

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// The stored object's UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The stored object's resource version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// `metav1.DeleteOptions`, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds of grace asked for.
    pub grace_period_seconds: Option<i64>,
    /// What must hold.
    pub preconditions: Preconditions,
    /// What happens to dependents; the deprecated `orphanDependents` is folded in.
    pub propagation: Option<DeletionPropagation>,
    /// Nothing is deleted.
    pub dry_run: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    grace_period_seconds: Option<i64>,
    preconditions: Option<Preconditions>,
    orphan_dependents: Option<bool>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

impl DeleteOptions {
    /// Those of the query (used when there is no body).
    pub fn from_query(query: &Query) -> Result<Self, Status> {
        Self::check(Wire {
            grace_period_seconds: query.int("gracePeriodSeconds")?,
            preconditions: None,
            orphan_dependents: query.flag("orphanDependents"),
            propagation_policy: query.get("propagationPolicy").map(str::to_owned),
            dry_run: Some(query.all("dryRun").into_iter().map(str::to_owned).collect()),
        })
    }

    /// Those of a decoded body.
    pub fn from_value(body: &Value) -> Result<Self, Status> {
        let wire = Wire::deserialize(body).map_err(|e| Status::bad_request(e.to_string()))?;
        Self::check(wire)
    }

    // upstream: apimachinery/pkg/apis/meta/v1/validation/validation.go#ValidateDeleteOptions
    fn check(wire: Wire) -> Result<Self, Status> {
        let mut errors = ErrorList::new();
        let path = Path::new("propagationPolicy");
        let policy = wire.propagation_policy.as_deref();
        if let (Some(policy), Some(_)) = (policy, wire.orphan_dependents) {
            errors.push(Error::invalid(
                &path,
                policy,
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        let mut propagation = policy.and_then(DeletionPropagation::parse);
        if let (Some(policy), None) = (policy, propagation) {
            errors.push(Error::not_supported(
                &path,
                policy,
                &["Foreground", "Background", "Orphan", "nil"],
            ));
        }
        if propagation.is_none() {
            propagation = wire.orphan_dependents.map(|orphan| {
                if orphan {
                    DeletionPropagation::Orphan
                } else {
                    DeletionPropagation::Background
                }
            });
        }
        let dry_run = wire.dry_run.unwrap_or_default();
        validate_dry_run(&dry_run, &mut errors);
        if !errors.is_empty() {
            return Err(Status::invalid(
                &GroupKind::new("meta.k8s.io", "DeleteOptions"),
                "",
                &errors,
            ));
        }
        Ok(Self {
            grace_period_seconds: wire.grace_period_seconds,
            preconditions: wire.preconditions.unwrap_or_default(),
            propagation,
            dry_run: !dry_run.is_empty(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn body_and_query() {
        let o = DeleteOptions::from_value(
            &json!({"kind": "DeleteOptions", "propagationPolicy": "Foreground",
            "gracePeriodSeconds": 0, "preconditions": {"uid": "u"}}),
        )
        .unwrap();
        assert_eq!(o.propagation, Some(DeletionPropagation::Foreground));
        assert_eq!(o.preconditions.uid.as_deref(), Some("u"));
        let o = DeleteOptions::from_query(&Query::parse("propagationPolicy=Orphan&dryRun=All"))
            .unwrap();
        assert!(o.dry_run);
        let e = DeleteOptions::from_value(&json!({"propagationPolicy": "X"})).unwrap_err();
        assert_eq!(
            e.message,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"X\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
        );
    }
}
