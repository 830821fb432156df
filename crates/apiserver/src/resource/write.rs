//! Create and update.

use http::StatusCode;
use machinery::Status;
use machinery::options::WriteOptions;
use registry::{Answer, Target};
use serde_json::Value;

use crate::authz::escalation;
use crate::chain::ApiRequest;
use crate::negotiation::{For, Negotiated, negotiate, of_body};
use crate::respond::{self, Handled};
use crate::{encoding, output};

pub(super) async fn create(mut request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let options = WriteOptions::create(&request.query)?;
    let value = body(&mut request, &target, &options).await?;
    check_escalation(&request, &target, &value)?;
    let answer = request
        .handler
        .registry
        .create(&request.context, &target, value, &options)
        .await?;
    answered(&request, &target, negotiated, &answer)
}

pub(super) async fn update(mut request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let options = WriteOptions::update(&request.query)?;
    let value = body(&mut request, &target, &options).await?;
    check_escalation(&request, &target, &value)?;
    let answer = request
        .handler
        .registry
        .update(&request.context, &target, value, &options)
        .await?;
    answered(&request, &target, negotiated, &answer)
}

/// The request's body as a tree.
async fn body(
    request: &mut ApiRequest,
    target: &Target,
    options: &WriteOptions,
) -> Result<Value, Status> {
    let encoding = of_body(request.header("content-type"))?;
    let bytes = request.body().await?;
    let value = encoding::decode(
        &request.context,
        target,
        &bytes,
        encoding,
        options.field_validation,
    )?;
    request.captured.object(&value);
    Ok(value)
}

/// Roles and bindings must not give more than their writer has.
pub(super) fn check_escalation(
    request: &ApiRequest,
    target: &Target,
    value: &Value,
) -> Result<(), Status> {
    let row = &target.resource;
    if !target.subresource.is_empty() || !escalation::concerns(&row.group, &row.plural) {
        return Ok(());
    }
    let user = request.context.user();
    escalation::check(
        &request.handler.authorizer,
        user,
        &row.plural,
        target.namespace(),
        value,
    )
}

/// The answer to a write in the form the client asked for.
pub(super) fn answered(
    request: &ApiRequest,
    target: &Target,
    negotiated: Negotiated,
    answer: &Answer,
) -> Handled {
    let code = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::OK);
    match answer.object() {
        Some(object) => Ok(output::object(request, target, negotiated, code, object)?),
        None => {
            let mut reply = respond::reply(code, respond::JSON, answer.json());
            *reply.status_mut() = code;
            Ok(reply)
        }
    }
}
