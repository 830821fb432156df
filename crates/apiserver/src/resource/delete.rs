//! Delete and deletecollection.
// upstream: apiserver/pkg/endpoints/handlers/delete.go

use machinery::Status;
use machinery::options::{DeleteOptions, ListOptions};
use registry::Target;

use super::write::answered;
use crate::chain::ApiRequest;
use crate::negotiation::{For, negotiate, of_body};
use crate::respond::Handled;
use crate::{encoding, output};

pub(super) async fn delete(mut request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let options = options(&mut request).await?;
    let answer = request
        .handler
        .registry
        .delete(&request.context, &target, &options)
        .await?;
    answered(&request, &target, negotiated, &answer)
}

pub(super) async fn delete_collection(mut request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let list = ListOptions::from_query(&request.query)?;
    let options = options(&mut request).await?;
    let deleted = request
        .handler
        .registry
        .delete_collection(&request.context, &target, &options, &list)
        .await?;
    Ok(output::list(&request, &target, negotiated, deleted)?)
}

/// From the body when there is one, else from the query.
async fn options(request: &mut ApiRequest) -> Result<DeleteOptions, Status> {
    let content_type = request.header("content-type").to_owned();
    let bytes = request.body().await?;
    if bytes.is_empty() {
        return DeleteOptions::from_query(&request.query);
    }
    let value = encoding::delete_options(&bytes, of_body(&content_type)?)?;
    if let Some(kind) = value.get("kind").and_then(serde_json::Value::as_str)
        && !kind.is_empty()
        && kind != "DeleteOptions"
    {
        return Err(Status::bad_request(format!(
            "expected DeleteOptions, got {kind}"
        )));
    }
    DeleteOptions::from_value(&value)
}
