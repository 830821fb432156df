//! Who am I, and whose token is this.
// upstream: pkg/registry/authentication/{selfsubjectreview,tokenreview}/storage.go

use machinery::{Status, time};
use registry::{Target, UserInfo};
use serde_json::{Map, Value, json};

use super::{body, created, metadata, object};
use crate::authn::AUTHENTICATED;
use crate::chain::ApiRequest;
use crate::respond::Handled;

fn user_info(user: &UserInfo) -> Value {
    let mut out = Map::new();
    out.insert("username".into(), json!(user.name));
    if !user.uid.is_empty() {
        out.insert("uid".into(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        out.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        out.insert("extra".into(), json!(user.extra));
    }
    Value::Object(out)
}

pub(super) async fn self_review(mut request: ApiRequest, target: &Target) -> Handled {
    let row = target.resource.clone();
    let (value, negotiated) = body(&mut request, (&row.api_version(), &row.kind)).await?;
    let mut metadata = metadata(&value);
    if let Value::Object(map) = &mut metadata {
        map.insert(
            "creationTimestamp".into(),
            json!(time::format(jiff::Timestamp::now())),
        );
    }
    let status = json!({"userInfo": user_info(request.context.user())});
    created(
        negotiated,
        &object(&row.api_version(), &row.kind, metadata, None, status),
    )
}

pub(super) async fn token_review(mut request: ApiRequest, target: &Target) -> Handled {
    let row = target.resource.clone();
    let (value, negotiated) = body(&mut request, (&row.api_version(), &row.kind)).await?;
    let token = value
        .pointer("/spec/token")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if token.is_empty() {
        return Err(
            Status::bad_request("token is required for TokenReview in authentication").into(),
        );
    }
    let audiences: Vec<String> = value
        .pointer("/spec/audiences")
        .and_then(Value::as_array)
        .map(|a| {
            a.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let status = match request.handler.authenticator.tokens() {
        None => json!({"user": {}, "error": "this server takes no bearer tokens"}),
        Some(tokens) => match tokens.authenticate(token, Some(&audiences)).await {
            Ok(mut found) => {
                found.user.groups.push(AUTHENTICATED.to_owned());
                json!({"authenticated": true, "user": user_info(&found.user), "audiences": found.audiences})
            }
            Err(error) => {
                tracing::debug!(%error, "a reviewed token is refused");
                json!({"user": {}, "error": format!("[invalid bearer token, {error}]")})
            }
        },
    };
    let spec = value.get("spec").cloned();
    created(
        negotiated,
        &object(
            &row.api_version(),
            &row.kind,
            metadata(&value),
            spec,
            status,
        ),
    )
}
