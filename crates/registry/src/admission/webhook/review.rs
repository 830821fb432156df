//! AdmissionReview both ways.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go

use base64::Engine as _;
use machinery::go::quote;
use serde_json::{Map, Value, json};

use super::hook::ReviewVersion;
use super::kind;
use crate::admission::Attributes;
use crate::resource::Resource;
use crate::value::Read;

/// What a webhook decided.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// The Status of a denial.
    pub(super) result: Option<Value>,
    /// Decoded operations of a JSON patch; `None` when there is nothing to do.
    pub(super) patch: Option<Value>,
    pub(super) annotations: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
}

/// An answer that cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// `received invalid webhook response: …`.
    Response(String),
    /// The patch is none; 500 as it is.
    Patch(String),
    /// Another kind of patch.
    PatchType(String),
}

/// `request` of an AdmissionReview. The objects are in the version of `resource`.
pub(super) fn request(
    attributes: &Attributes<'_>,
    resource: &Resource,
    object: Value,
    old: Value,
    uid: &str,
) -> Value {
    let own = attributes.resource;
    let sub = attributes.subresource;
    let of_kind = |resource: &Resource| {
        let gvk = kind(resource, sub);
        json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind})
    };
    let of_resource = |resource: &Resource| json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
    let mut out = Map::new();
    out.insert("uid".into(), uid.into());
    out.insert("kind".into(), of_kind(resource));
    out.insert("resource".into(), of_resource(resource));
    if !sub.is_empty() {
        out.insert("subResource".into(), sub.into());
    }
    out.insert("requestKind".into(), of_kind(own));
    out.insert("requestResource".into(), of_resource(own));
    if !sub.is_empty() {
        out.insert("requestSubResource".into(), sub.into());
    }
    for (name, text) in [
        ("name", attributes.name),
        ("namespace", attributes.namespace),
    ] {
        if !text.is_empty() {
            out.insert(name.into(), text.into());
        }
    }
    out.insert("operation".into(), attributes.operation.as_str().into());
    out.insert("userInfo".into(), user(attributes));
    out.insert("object".into(), object);
    out.insert("oldObject".into(), old);
    out.insert("dryRun".into(), attributes.dry_run.into());
    out.insert(
        "options".into(),
        attributes.options.object(attributes.operation),
    );
    Value::Object(out)
}

fn user(attributes: &Attributes<'_>) -> Value {
    let user = attributes.context.user();
    let mut out = Map::new();
    if !user.name.is_empty() {
        out.insert("username".into(), user.name.as_str().into());
    }
    if !user.uid.is_empty() {
        out.insert("uid".into(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        out.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        out.insert("extra".into(), json!(user.extra));
    }
    Value::Object(out)
}

/// The whole review.
pub(super) fn review(version: ReviewVersion, request: Value) -> Result<Value, String> {
    let api_version = match version {
        ReviewVersion::V1 => "admission.k8s.io/v1",
        ReviewVersion::V1Beta1 => "admission.k8s.io/v1beta1",
        ReviewVersion::None => {
            return Err(
                "webhook does not accept known AdmissionReview versions (v1, v1beta1)".into(),
            );
        }
    };
    Ok(json!({"kind": "AdmissionReview", "apiVersion": api_version, "request": request}))
}

/// Reads and checks an answer.
///
/// upstream: admissionreview.go#VerifyAdmissionResponse
pub(super) fn verdict(
    version: ReviewVersion,
    mutating: bool,
    uid: &str,
    body: &[u8],
) -> Result<Verdict, Unusable> {
    let invalid = |why: &str| Unusable::Response(why.to_owned());
    let review: Value = serde_json::from_slice(body).map_err(|e| {
        Unusable::Response(format!("couldn't get version/kind; json parse error: {e}"))
    })?;
    let response = review
        .member("response")
        .filter(|r| r.is_object())
        .ok_or_else(|| invalid("webhook response was absent"))?;
    let strict = version == ReviewVersion::V1;
    if strict {
        let given = response.text("uid");
        if given != uid {
            return Err(Unusable::Response(format!(
                "expected response.uid={}, got {}",
                quote(uid),
                quote(given)
            )));
        }
        let (api_version, kind) = (review.text("apiVersion"), review.text("kind"));
        if (api_version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
            return Err(Unusable::Response(format!(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {api_version}, Kind={kind}"
            )));
        }
    }
    let patch = response.text("patch");
    let patch_type = response.member("patchType").filter(|t| !t.is_null());
    if strict && mutating {
        match (patch.is_empty(), patch_type) {
            (false, None) => {
                return Err(invalid(
                    "webhook returned response.patch but not response.patchType",
                ));
            }
            (true, Some(_)) => {
                return Err(invalid(
                    "webhook returned response.patchType but not response.patch",
                ));
            }
            (_, Some(t)) if t.as_str().unwrap_or_default().is_empty() => {
                return Err(invalid(
                    "webhook returned invalid response.patchType of \"\"",
                ));
            }
            _ => {}
        }
    } else if strict {
        if !patch.is_empty() {
            return Err(invalid("validating webhook may not return response.patch"));
        }
        if patch_type.is_some() {
            return Err(invalid(
                "validating webhook may not return response.patchType",
            ));
        }
    }
    let allowed = response.flag("allowed");
    Ok(Verdict {
        allowed,
        result: response.member("status").filter(|s| s.is_object()).cloned(),
        patch: if mutating && allowed {
            decode_patch(strict, patch, patch_type)?
        } else {
            None
        },
        annotations: response
            .entries("auditAnnotations")
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect(),
        warnings: response
            .list("warnings")
            .iter()
            .filter_map(|w| w.as_str().map(str::to_owned))
            .collect(),
    })
}

fn decode_patch(
    strict: bool,
    patch: &str,
    patch_type: Option<&Value>,
) -> Result<Option<Value>, Unusable> {
    if patch.is_empty() {
        return Ok(None);
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(patch)
        .map_err(|e| Unusable::Response(format!("illegal base64 data: {e}")))?;
    let operations: Value =
        serde_json::from_slice(&bytes).map_err(|e| Unusable::Patch(e.to_string()))?;
    match operations.as_array() {
        None => {
            return Err(Unusable::Patch(
                "json: cannot unmarshal a value that is not an array into a patch".into(),
            ));
        }
        Some(list) if list.is_empty() => return Ok(None),
        Some(_) => {}
    }
    let kind = patch_type.and_then(Value::as_str).unwrap_or_default();
    if strict && kind != "JSONPatch" {
        return Err(Unusable::PatchType(format!(
            "unsupported patch type {}",
            quote(kind)
        )));
    }
    Ok(Some(operations))
}
