//! The `token` subresource of ServiceAccounts.
// upstream: pkg/registry/core/serviceaccount/storage/token.go

use machinery::field::{Error, ErrorList, Path};
use machinery::{GroupKind, GroupResource, Status, time};
use registry::{GetOptions, RequestContext, Target};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, created, metadata, object};
use crate::authn::service_account::{Claims, KubernetesClaims, Ref};
use crate::chain::ApiRequest;
use crate::respond::Handled;

const KIND: (&str, &str) = ("authentication.k8s.io/v1", "TokenRequest");
const LEAST: i64 = 600;
const MOST: i64 = 1 << 32;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    audiences: Option<Vec<String>>,
    expiration_seconds: Option<i64>,
    bound_object_ref: Option<BoundRef>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BoundRef {
    kind: String,
    api_version: String,
    name: String,
    uid: String,
}

pub(super) async fn create(mut request: ApiRequest, target: &Target) -> Handled {
    let handler = request.handler.clone();
    let Some(tokens) = handler.authenticator.tokens() else {
        return Err(Status::unknown_resource().into());
    };
    let (value, negotiated) = body(&mut request, KIND).await?;
    let spec: Spec = match value.get("spec") {
        None | Some(Value::Null) => Spec::default(),
        Some(spec) => Spec::deserialize(spec).map_err(|e| Status::bad_request(e.to_string()))?,
    };
    let seconds = spec.expiration_seconds.unwrap_or(3600);
    validate(seconds, &target.name)?;
    let account = read(
        &request,
        "serviceaccounts",
        target.namespace(),
        &target.name,
    )
    .await?;
    let audiences = match spec.audiences {
        Some(audiences) if !audiences.is_empty() => audiences,
        _ => tokens.keys().audiences().to_vec(),
    };
    let mut claims = KubernetesClaims {
        namespace: target.namespace().to_owned(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: reference(&account),
    };
    // upstream: plugin/pkg/admission/noderestriction/admission.go#admitServiceAccount
    let node = request.context.user().node().map(str::to_owned);
    let refuse = |text: &str| {
        Status::forbidden(
            &GroupResource::new("", "serviceaccounts"),
            &target.name,
            text,
        )
    };
    if node.is_some() {
        match &spec.bound_object_ref {
            Some(r) if r.kind == "Pod" && !r.name.is_empty() => {
                if r.uid.is_empty() {
                    return Err(
                        refuse("node requested token with a pod binding without a uid").into(),
                    );
                }
            }
            _ => return Err(refuse("node requested token not bound to a pod").into()),
        }
    }
    if let Some(bound) = &spec.bound_object_ref {
        let resource = match (bound.api_version.as_str(), bound.kind.as_str()) {
            ("v1" | "", "Pod") => "pods",
            ("v1" | "", "Secret") => "secrets",
            ("v1" | "", "Node") => "nodes",
            _ => {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount to object of type {}, Kind={}",
                    bound.api_version, bound.kind
                ))
                .into());
            }
        };
        let namespace = if resource == "nodes" {
            ""
        } else {
            target.namespace()
        };
        let object = read(&request, resource, namespace, &bound.name).await?;
        let found = reference(&object);
        if !bound.uid.is_empty() && bound.uid != found.uid {
            return Err(Status::conflict(
                &GroupResource::new("", resource),
                &bound.name,
                format_args!(
                    "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
                    bound.uid
                ),
            )
            .into());
        }
        match resource {
            "pods" => {
                let text = |pointer: &str| {
                    object
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                if text("/spec/serviceAccountName") != target.name {
                    return Err(Status::bad_request(format!(
                        "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                        machinery::go::quote(&target.name)
                    ))
                    .into());
                }
                let on = text("/spec/nodeName");
                if node.as_deref().is_some_and(|n| n != on) {
                    return Err(refuse(
                        "node requested token bound to a pod scheduled on a different node",
                    )
                    .into());
                }
                if !on.is_empty() {
                    claims.node = Some(match read(&request, "nodes", "", on).await {
                        Ok(node) => reference(&node),
                        Err(_) => Ref {
                            name: on.to_owned(),
                            uid: String::new(),
                        },
                    });
                }
                claims.pod = Some(found);
            }
            "secrets" => claims.secret = Some(found),
            _ => claims.node = Some(found),
        }
    }
    let now = jiff::Timestamp::now();
    let iat = now.as_second();
    let claims = Claims {
        aud: audiences.clone(),
        exp: iat + seconds,
        iat,
        iss: tokens.keys().issuer().to_owned(),
        jti: uuid::Uuid::new_v4().to_string(),
        sub: format!(
            "system:serviceaccount:{}:{}",
            target.namespace(),
            target.name
        ),
        nbf: iat,
        kubernetes: claims,
    };
    let token = tokens.keys().sign(&claims).map_err(Status::internal)?;
    let expires = jiff::Timestamp::from_second(claims.exp).map_err(Status::internal)?;
    let mut metadata = metadata(&value);
    if let Value::Object(map) = &mut metadata {
        map.insert("name".into(), json!(target.name));
        map.insert("namespace".into(), json!(target.namespace()));
        map.insert("creationTimestamp".into(), json!(time::format(now)));
    }
    let bound = value
        .pointer("/spec/boundObjectRef")
        .cloned()
        .unwrap_or(Value::Null);
    let spec =
        json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound});
    let status = json!({"token": token, "expirationTimestamp": time::format(expires)});
    created(
        negotiated,
        &object(KIND.0, KIND.1, metadata, Some(spec), status),
    )
}

// upstream: pkg/apis/authentication/validation/validation.go#ValidateTokenRequest
fn validate(seconds: i64, name: &str) -> Result<(), Status> {
    let path = Path::new("spec").child("expirationSeconds");
    let mut errors = ErrorList::new();
    if seconds < LEAST {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration less than 10 minutes",
        ));
    }
    if seconds > MOST {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(
        &GroupKind::new("authentication.k8s.io", "TokenRequest"),
        name,
        &errors,
    ))
}

async fn read(
    request: &ApiRequest,
    resource: &str,
    namespace: &str,
    name: &str,
) -> Result<Value, Status> {
    let registry = &request.handler.registry;
    let target = registry
        .target(
            "",
            "v1",
            resource,
            Some(namespace).filter(|n| !n.is_empty()),
            name,
        )
        .ok_or_else(Status::unknown_resource)?;
    Ok(registry
        .get(&RequestContext::system(), &target, &GetOptions::default())
        .await?
        .value())
}

fn reference(object: &Value) -> Ref {
    let text = |key: &str| {
        object
            .get("metadata")
            .and_then(|m| m.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Ref {
        name: text("name"),
        uid: text("uid"),
    }
}
