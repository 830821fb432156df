//! What must hold of a definition's status, its annotations and what it once was.

use machinery::field::{Error, ErrorList, Path};
use serde_json::json;

use super::{Definition, checks};

const APPROVED: &str = "api-approved.kubernetes.io";

// upstream: #ValidateCustomResourceDefinitionStatus
pub(super) fn validate(definition: &Definition) -> ErrorList {
    let path = Path::new("status").child("acceptedNames");
    checks::names(&definition.status.accepted_names, &path)
}

// upstream: #ValidateCustomResourceDefinitionStoredVersions
pub(super) fn stored_versions(definition: &Definition) -> ErrorList {
    let path = Path::new("status").child("storedVersions");
    let stored = &definition.status.stored_versions;
    let mut errors = ErrorList::new();
    if stored.is_empty() {
        let text = "must have at least one stored version";
        errors.push(Error::invalid(&path, json!([]), text));
        return errors;
    }
    for version in &definition.spec.versions {
        if version.storage && !stored.contains(&version.name) {
            let text = format!("must have the storage version {}", version.name);
            errors.push(Error::invalid(&path, json!(stored), text));
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if definition.version(name).is_none() {
            errors.push(Error::invalid(
                &path.index(i),
                name.as_str(),
                format!(
                    "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
                ),
            ));
        }
    }
    errors
}

#[derive(PartialEq)]
enum Approval {
    Invalid,
    Approved,
    Bypassed,
    Missing,
}

/// Whether a group is one that only the community may extend.
// upstream: apihelpers/helpers.go#IsProtectedCommunityGroup
fn is_protected(group: &str) -> bool {
    group == "k8s.io"
        || group.ends_with(".k8s.io")
        || group == "kubernetes.io"
        || group.ends_with(".kubernetes.io")
}

// upstream: apihelpers/helpers.go#GetAPIApprovalState
fn approval_state(definition: &Definition) -> (Approval, String) {
    let annotation = definition
        .metadata
        .annotations
        .get(APPROVED)
        .map_or("", String::as_str);
    let url = annotation.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/')
    });
    let more = "see https://github.com/kubernetes/enhancements/pull/1111";
    match annotation {
        "" => (
            Approval::Missing,
            format!("protected groups must have approval annotation \"{APPROVED}\", {more}"),
        ),
        text if text.starts_with("unapproved") => (
            Approval::Bypassed,
            format!("not approved: {}", machinery::go::quote(text)),
        ),
        _ if url => (Approval::Approved, format!("approved in {annotation}")),
        _ => (
            Approval::Invalid,
            format!(
                "protected groups must have approval annotation \"{APPROVED}\" with either a URL or a reason starting with \"unapproved\", {more}"
            ),
        ),
    }
}

/// Status, reason and message of the condition about approval.
pub(crate) fn approval_condition(
    definition: &Definition,
) -> Option<(&'static str, &'static str, String)> {
    if !is_protected(&definition.spec.group) {
        return None;
    }
    let (state, message) = approval_state(definition);
    let (status, reason) = match state {
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
    };
    Some((status, reason, message))
}

// upstream: #validateAPIApproval
pub(super) fn approval(definition: &Definition, old: Option<&Definition>) -> ErrorList {
    let mut errors = ErrorList::new();
    if !is_protected(&definition.spec.group) {
        return errors;
    }
    let (state, reason) = approval_state(definition);
    if old.is_some_and(|old| approval_state(old).0 == state) {
        return errors;
    }
    let path = Path::new("metadata").child("annotations").key(APPROVED);
    let given = definition.metadata.annotations.get(APPROVED);
    match state {
        Approval::Missing => errors.push(Error::required(&path, reason)),
        Approval::Invalid => errors.push(Error::invalid(
            &path,
            given.map_or("", String::as_str),
            reason,
        )),
        Approval::Approved | Approval::Bypassed => {}
    }
    errors
}

// upstream: #validatePreserveUnknownFields
pub(super) fn preserve(definition: &Definition, old: Option<&Definition>) -> ErrorList {
    let mut errors = ErrorList::new();
    let before = old.is_some_and(|o| o.spec.preserve_unknown_fields);
    if definition.spec.preserve_unknown_fields && !before {
        errors.push(Error::invalid(
            &Path::new("spec").child("preserveUnknownFields"),
            true,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ));
    }
    errors
}
