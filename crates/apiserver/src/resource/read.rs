//! Get and list.

use http::StatusCode;
use machinery::options::ListOptions;
use registry::{GetOptions, Target};

use crate::chain::ApiRequest;
use crate::negotiation::{For, negotiate};
use crate::output;
use crate::respond::Handled;

pub(super) async fn get(request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Object)?;
    let options = GetOptions {
        resource_version: request.query.text("resourceVersion"),
    };
    let object = request
        .handler
        .registry
        .get(&request.context, &target, &options)
        .await?;
    Ok(output::object(
        &request,
        &target,
        negotiated,
        StatusCode::OK,
        &object,
    )?)
}

pub(super) async fn list(request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::List)?;
    let options = ListOptions::from_query(&request.query)?;
    let list = request
        .handler
        .registry
        .list(&request.context, &target, &options)
        .await?;
    Ok(output::list(&request, &target, negotiated, list)?)
}
