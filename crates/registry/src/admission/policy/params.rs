//! The parameters that a binding uses.
//!
//! upstream: plugin/policy/generic/policy_dispatcher.go#CollectParams

use machinery::ObjectExt;
use machinery::labels::from_label_selector;
use serde_json::Value;

use super::compiled::{ParamKind, ParamRef};
use crate::ops::write;
use crate::registry::Registry;

/// Why a policy's paramKind can't be used; `None` when it can.
///
/// upstream: plugin/policy/generic/policy_source.go#calculatePolicyData
pub(super) fn unknown(registry: &Registry, kind: Option<&ParamKind>) -> Option<String> {
    let kind = kind?;
    let (group, version) = split(kind);
    let resources = registry.resources();
    if resources.find_kind(group, version, &kind.kind).is_some() {
        return None;
    }
    Some(format!(
        "failed to find resource referenced by paramKind: '{group}/{version}, Kind={}'",
        kind.kind
    ))
}

fn split(kind: &ParamKind) -> (&str, &str) {
    kind.api_version
        .split_once('/')
        .unwrap_or(("", &kind.api_version))
}

/// The objects, in the version of the kind; one `None` when the policy is evaluated without parameters.
///
/// # Errors
/// The configuration is faulty, or there are no parameters where there must be.
pub(super) async fn collect(
    registry: &Registry,
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
    namespace: &str,
) -> Result<Vec<Option<Value>>, String> {
    let (Some(kind), Some(reference)) = (kind, reference) else {
        return Ok(vec![None]);
    };
    let (group, version) = split(kind);
    let resources = registry.resources();
    let resource = resources
        .find_kind(group, version, &kind.kind)
        .ok_or_else(|| {
            format!(
                "paramKind kind `&ParamKind{{APIVersion:{},Kind:{},}}` not known",
                kind.api_version, kind.kind
            )
        })?;
    let within = if resource.namespaced {
        let given = reference.namespace.as_str();
        let within = if given.is_empty() { namespace } else { given };
        if within.is_empty() {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into(),
            );
        }
        Some(within)
    } else if reference.namespace.is_empty() {
        None
    } else {
        return Err(
            "paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into(),
        );
    };
    let mut found = Vec::new();
    if !reference.name.is_empty() {
        if reference.selector.is_some() {
            return Err("paramRef.name and paramRef.selector are mutually exclusive".into());
        }
        found.extend(registry.stored(resource, within, &reference.name));
    } else if let Some(selector) = &reference.selector {
        let selector = from_label_selector(Some(selector)).map_err(|e| e.to_string())?;
        let snapshot = registry.store().snapshot();
        found.extend(
            snapshot
                .range(&resource.range(within), None)
                .map(|e| std::sync::Arc::clone(&e.value))
                .filter(|stored| {
                    selector.is_everything() || selector.matches_object(&stored.value())
                }),
        );
    } else {
        return Err("one of name or selector must be provided".into());
    }
    if found.is_empty() && reference.deny {
        return Err(
            "no params found for policy binding with `Deny` parameterNotFoundAction".into(),
        );
    }
    let mut params = Vec::with_capacity(found.len());
    for stored in found {
        let mut object = registry
            .load(resource, &stored)
            .await
            .map_err(|status| status.message)?;
        write::from_storage(resource, &mut object);
        if object.kind().is_empty() {
            object.set_at(&["kind"], resource.kind.clone().into());
            object.set_at(&["apiVersion"], resource.api_version().into());
        }
        params.push(Some(object));
    }
    Ok(params)
}
