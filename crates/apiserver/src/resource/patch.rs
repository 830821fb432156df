//! Patch: JSON, merge, strategic merge, server-side apply.
// upstream: apiserver/pkg/endpoints/handlers/patch.go

use machinery::Status;
use machinery::options::PatchOptions;
use registry::{Patch, Target};
use serde_json::Value;

use super::write::{answered, check_escalation};
use crate::authz::escalation;
use crate::chain::ApiRequest;
use crate::encoding;
use crate::negotiation::{For, negotiate};
use crate::respond::Handled;

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_YAML: &str = "application/apply-patch+yaml";

pub(super) async fn patch(mut request: ApiRequest, target: Target) -> Handled {
    let content_type = request
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if ![JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_YAML].contains(&content_type.as_str()) {
        return Err(Status::unsupported_media_type(&[
            JSON_PATCH,
            MERGE_PATCH,
            STRATEGIC_PATCH,
            APPLY_YAML,
        ])
        .into());
    }
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let apply = content_type == APPLY_YAML;
    let options = PatchOptions::from_query(&request.query, apply)?;
    let bytes = request.body().await?;
    let json = || -> Result<Value, Status> {
        encoding::json_value(&bytes)
            .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))
    };
    let patch = match content_type.as_str() {
        JSON_PATCH => Patch::Json(json()?),
        MERGE_PATCH => Patch::Merge(json()?),
        STRATEGIC_PATCH => Patch::Strategic(json()?),
        _ => Patch::Apply(
            encoding::yaml_value(&bytes)
                .map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))?,
        ),
    };
    let registry = &request.handler.registry;
    let row = &target.resource;
    if target.subresource.is_empty() && escalation::concerns(&row.group, &row.plural) {
        // What the patch would make is checked before it is made.
        let dry = PatchOptions {
            write: machinery::options::WriteOptions {
                dry_run: true,
                ..options.write.clone()
            },
            ..options.clone()
        };
        let would_be = registry
            .patch(&request.context, &target, patch.clone(), &dry)
            .await?;
        if let Some(object) = would_be.object() {
            check_escalation(&request, &target, &object.value())?;
        }
    }
    let answer = registry
        .patch(&request.context, &target, patch, &options)
        .await?;
    answered(&request, &target, negotiated, &answer)
}
