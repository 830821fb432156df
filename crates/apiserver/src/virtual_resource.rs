//! Resources and subresources without stored objects: reviews, tokens, and connections to pods and nodes.

mod access;
mod identity;
mod token;

use http::StatusCode;
use machinery::options::{FieldValidation, WriteOptions};
use machinery::{GroupResource, Status, typed};
use registry::{ObjectList, Target, Verb};
use serde_json::{Value, json};

use crate::chain::ApiRequest;
use crate::connect;
use crate::encoding;
use crate::negotiation::{For, Negotiated, negotiate, of_body};
use crate::output;
use crate::respond::{self, Handled};

pub(crate) async fn serve(request: ApiRequest, target: Target, verb: Verb) -> Handled {
    let row = target.resource.clone();
    if let Some(text) = &row.warning {
        request.context.warn(text.as_ref());
    }
    if matches!(
        target.subresource.as_str(),
        "exec" | "attach" | "portforward" | "proxy"
    ) {
        connect::admission::admit(&request, &target).await?;
    }
    match (row.plural.as_str(), target.subresource.as_str(), verb) {
        ("pods", "log", _) => connect::log::serve(request, &target).await,
        ("pods", "exec" | "attach" | "portforward", _) => {
            connect::stream::serve(request, &target).await
        }
        ("nodes" | "pods" | "services", "proxy", _) => {
            connect::proxy::serve(request, &target).await
        }
        ("serviceaccounts", "token", Verb::Create) => token::create(request, &target).await,
        ("tokenreviews", "", Verb::Create) => identity::token_review(request, &target).await,
        ("selfsubjectreviews", "", Verb::Create) => identity::self_review(request, &target).await,
        (
            "subjectaccessreviews" | "selfsubjectaccessreviews" | "localsubjectaccessreviews",
            "",
            Verb::Create,
        ) => access::review(request, &target).await,
        ("selfsubjectrulesreviews", "", Verb::Create) => {
            access::rules_review(request, &target).await
        }
        // The components upstream reports on (etcd, scheduler, controller-manager) are parts of this process.
        ("componentstatuses", "", Verb::List) => {
            let negotiated = negotiate(request.headers(), &request.query, For::List)?;
            let list = ObjectList {
                items: Vec::new(),
                resource_version: 0,
                continue_token: String::new(),
                remaining_item_count: None,
            };
            Ok(output::list(&request, &target, negotiated, list)?)
        }
        ("componentstatuses", "", Verb::Get) => Err(Status::not_found(
            &GroupResource::new("", "componentstatuses"),
            &target.name,
        )
        .into()),
        _ => Err(Status::method_not_allowed().into()),
    }
}

/// The body of a virtual create, checked to be of the right kind, and how to answer.
async fn body(request: &mut ApiRequest, kind: (&str, &str)) -> Result<(Value, Negotiated), Status> {
    let options = WriteOptions::create(&request.query)?;
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let encoding = of_body(request.header("content-type"))?;
    let bytes = request.body().await?;
    let value = encoding::decode_any(&bytes, encoding, kind)?;
    if !value.is_object() {
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {})",
            kind.1
        )));
    }
    for (key, wanted) in [("kind", kind.1), ("apiVersion", kind.0)] {
        let given = value.get(key).and_then(Value::as_str).unwrap_or_default();
        if !given.is_empty() && given != wanted {
            let gv = value
                .get("apiVersion")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let given_kind = value
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or_default();
            return Err(Status::bad_request(format!(
                "the API version in the data ({gv}, Kind={given_kind}) does not match the expected API version ({}, Kind={})",
                kind.0, kind.1
            )));
        }
    }
    let (group, version) = kind.0.split_once('/').unwrap_or(("", kind.0));
    let Some(ty) = schema::lookup(group, version, kind.1) else {
        return Ok((value, negotiated));
    };
    // upstream: apiserver/pkg/endpoints/handlers/create.go#transformDecodeError
    let refuse = |why: String| {
        Status::bad_request(format!(
            "{} in version {} cannot be handled as a {}: {why}",
            kind.1,
            machinery::go::quote(version),
            kind.1
        ))
    };
    let decoded = typed::decode(ty, value).map_err(|e| refuse(e.to_string()))?;
    match options.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            typed::warnings(&[], &decoded.unknown)
                .into_iter()
                .for_each(|w| request.context.warn(w));
        }
        FieldValidation::Strict if decoded.unknown.is_empty() => {}
        FieldValidation::Strict => return Err(refuse(typed::strict_error(&[], &decoded.unknown))),
    }
    let mut value = decoded.value;
    let gvk = machinery::Gvk::new(group, version, kind.1);
    registry::note_manager(&request.context, &gvk, &options, &mut value);
    Ok((value, negotiated))
}

/// 201 with a virtual object.
fn created(negotiated: Negotiated, value: &Value) -> Handled {
    let json = serde_json::to_vec(value).map_err(Status::internal)?.into();
    let bytes = encoding::encode_kind(&json, negotiated)?;
    Ok(respond::reply(
        StatusCode::CREATED,
        negotiated.encoding.media_type(),
        bytes,
    ))
}

/// The object with kind, version and its own metadata in upstream's order.
fn object(
    api_version: &str,
    kind: &str,
    metadata: Value,
    spec: Option<Value>,
    status: Value,
) -> Value {
    let mut out = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
    if let Value::Object(map) = &mut out {
        if let Some(spec) = spec {
            map.insert("spec".into(), spec);
        }
        map.insert("status".into(), status);
    }
    out
}

fn metadata(value: &Value) -> Value {
    value
        .get("metadata")
        .filter(|m| m.is_object())
        .cloned()
        .unwrap_or_else(|| json!({}))
}
