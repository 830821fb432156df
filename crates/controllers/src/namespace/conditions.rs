//! What a namespace in deletion says about how far that is.
// upstream: pkg/controller/namespace/deletion/status_condition_utils.go

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};

use super::Remains;
use crate::clock::Clock;

/// Sets the conditions; whether that changed any.
pub(super) fn set(namespace: &mut Namespace, remains: &Remains, clock: &Clock) -> bool {
    let counted = |of: &std::collections::BTreeMap<String, usize>, what: &str| -> Vec<String> {
        of.iter()
            .map(|(name, n)| format!("{name} {what} {n} resource instances"))
            .collect()
    };
    let content = counted(&remains.objects, "has");
    let finalizers = counted(&remains.finalizers, "in");
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            None,
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            (!remains.failures.is_empty()).then(|| {
                (
                    "ContentDeletionFailed",
                    format!(
                        "Failed to delete all resource types, {} remaining: {}",
                        remains.failures.len(),
                        remains.failures.join(", ")
                    ),
                )
            }),
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            (!content.is_empty()).then(|| {
                (
                    "SomeResourcesRemain",
                    format!("Some resources are remaining: {}", content.join(", ")),
                )
            }),
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            (!finalizers.is_empty()).then(|| {
                (
                    "SomeFinalizersRemain",
                    format!(
                        "Some content in the namespace has finalizers remaining: {}",
                        finalizers.join(", ")
                    ),
                )
            }),
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    let conditions = namespace
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let mut changed = false;
    for (kind, problem, good_reason, good_text) in wanted {
        let (status, reason, message) = match problem {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", good_reason, good_text.to_owned()),
        };
        let old = conditions.iter().position(|c| c.type_ == kind);
        let old = old.and_then(|i| conditions.get_mut(i));
        let same = old.as_ref().is_some_and(|c| {
            c.status == status
                && c.reason.as_deref() == Some(reason)
                && c.message.as_deref() == Some(&*message)
        });
        if same {
            continue;
        }
        changed = true;
        let since = old
            .as_ref()
            .filter(|c| c.status == status)
            .and_then(|c| c.last_transition_time.clone());
        let new = NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(since.unwrap_or_else(|| clock.time())),
        };
        match old {
            Some(old) => *old = new,
            None => conditions.push(new),
        }
    }
    changed
}
