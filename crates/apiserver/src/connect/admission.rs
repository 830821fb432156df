//! Admission of connections: the options of the request are the object, the operation is CONNECT.
// upstream: apiserver/pkg/endpoints/handlers/rest.go#ConnectResource

use machinery::Status;
use machinery::options::Query;
use registry::Target;
use registry::admission::{Operation, RequestOptions};
use serde_json::{Map, Value, json};

use crate::chain::ApiRequest;

/// Has a connection admitted.
pub(crate) async fn admit(request: &ApiRequest, target: &Target) -> Result<(), Status> {
    let options = options(target, &request.query, &request.info.rest);
    let mut admitted = options.clone();
    request
        .handler
        .registry
        .admit(
            &request.context,
            target,
            Operation::Connect,
            RequestOptions::None,
            &mut admitted,
        )
        .await?;
    if admitted != options {
        // Upstream connects with the changed options; refusing is the honest thing where that is not done.
        return Err(Status::internal(
            "a mutating webhook changed the options of a connection, which this server does not support",
        ));
    }
    Ok(())
}

/// upstream: k8s.io/api/core/v1#PodExecOptions and the like
fn options(target: &Target, query: &Query, rest: &str) -> Value {
    let kind = target
        .resource
        .subresource(&target.subresource)
        .map_or("", |s| &*s.kind);
    let mut out = Map::new();
    out.insert("kind".into(), kind.into());
    out.insert("apiVersion".into(), "v1".into());
    match target.subresource.as_str() {
        "exec" | "attach" => {
            for name in ["stdin", "stdout", "stderr", "tty"] {
                if query.flag(name).unwrap_or(false) {
                    out.insert(name.into(), true.into());
                }
            }
            let container = query.text("container");
            if !container.is_empty() {
                out.insert("container".into(), container.into());
            }
            if target.subresource == "exec" {
                out.insert("command".into(), json!(query.all("command")));
            }
        }
        "portforward" => {
            let ports: Vec<i64> = query
                .all("ports")
                .iter()
                .flat_map(|p| p.split(','))
                .filter_map(|p| p.parse().ok())
                .collect();
            if !ports.is_empty() {
                out.insert("ports".into(), json!(ports));
            }
        }
        _ => {
            if !rest.is_empty() {
                out.insert("path".into(), rest.into());
            }
        }
    }
    Value::Object(out)
}
