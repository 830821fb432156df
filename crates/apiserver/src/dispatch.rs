//! From an authorised request to the handler of its path.

use http::Method;
use machinery::Status;
use registry::{Served, Target, Verb};

use crate::chain::ApiRequest;
use crate::respond::{self, Reply};
use crate::{aggregation, custom, health, openapi, resource, server_info};

/// Answers a request.
pub(crate) async fn dispatch(request: ApiRequest) -> Reply {
    if let Some(remote) = request.handler.aggregator.find(&request.info.path) {
        return aggregation::serve(request, &remote).await;
    }
    if request.info.is_resource {
        resource_request(request).await
    } else {
        other(request).await
    }
}

/// Paths beside the resources.
async fn other(request: ApiRequest) -> Reply {
    let handler = request.handler.clone();
    let path = request.info.path.clone();
    if path.starts_with("//") {
        return respond::page_not_found();
    }
    let trimmed = match path.as_str() {
        "/" => "/",
        p => p.trim_end_matches('/'),
    };
    if let Some(reply) = health::serve(&handler, trimmed, &request.query) {
        return reply;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return match trimmed {
            "/api" | "/apis" | "/version" => respond::status(&Status::method_not_allowed()),
            _ => respond::page_not_found(),
        };
    }
    let own = |headers: &http::HeaderMap| handler.discovery.serve(&handler, trimmed, headers);
    if let Some(reply) =
        aggregation::discovery(&handler.aggregator, trimmed, request.headers(), own)
    {
        return reply;
    }
    match trimmed {
        "/version" => server_info::version(),
        "/metrics" => handler.metrics.serve(),
        "/audit/head" | "/audit/log" => {
            let Some(audit) = &handler.audit else {
                return respond::page_not_found();
            };
            let answer = if trimmed == "/audit/head" {
                audit.head()
            } else {
                audit.lines(&request.query).await
            };
            answer.unwrap_or_else(|status| respond::status(&status))
        }
        "/" => server_info::root(&handler),
        "/openid/v1/jwks" => server_info::jwks(&handler),
        "/.well-known/openid-configuration" => server_info::openid_configuration(&handler),
        p if p == "/openapi/v2" || p.starts_with("/openapi/v3") => {
            let own = openapi::serve(&handler, p, &request).await;
            if p == "/openapi/v3" {
                aggregation::openapi_index(&handler.aggregator, own)
            } else {
                own
            }
        }
        p if p.starts_with("/version/") => respond::status(&Status::unknown_resource()),
        _ => respond::page_not_found(),
    }
}

/// Requests on resources: the row, the subresource and the verb must be there.
async fn resource_request(request: ApiRequest) -> Reply {
    let handler = request.handler.clone();
    let info = &request.info;
    if request.request.uri().path().starts_with("//") {
        return respond::page_not_found();
    }
    let registry = &handler.registry;
    let Some(row) = registry.find(&info.group, &info.version, &info.resource) else {
        let known = registry
            .resources()
            .told()
            .any(|r| r.group == info.group && r.version == info.version);
        return if known {
            respond::status(&Status::unknown_resource())
        } else {
            respond::page_not_found()
        };
    };
    let of_namespace = row.group.is_empty() && row.plural == "namespaces";
    let namespace = if of_namespace {
        ""
    } else {
        info.namespace.as_str()
    };
    if !row.namespaced && !namespace.is_empty() || info.path.contains("//") {
        return respond::status(&Status::unknown_resource());
    }
    let name = if info.named_in_path {
        info.name.as_str()
    } else {
        ""
    };
    // A namespaced object without its namespace is no route.
    if row.namespaced && namespace.is_empty() && !name.is_empty() {
        return respond::status(&Status::unknown_resource());
    }
    let mut target = Target::object(&row, Some(namespace), name);
    let (verbs, served): (&[Verb], Served) = if info.subresource.is_empty() {
        (&row.verbs, row.served)
    } else {
        let Some(subresource) = row.subresource(&info.subresource) else {
            return respond::status(&Status::unknown_resource());
        };
        if !info.rest.is_empty() && info.subresource != "proxy" {
            return respond::status(&Status::unknown_resource());
        }
        target.subresource.clone_from(&info.subresource);
        (subresource.verbs, subresource.served)
    };
    let verb = verb(&info.verb, &target, request.method());
    let Some(verb) = verb.filter(|v| verbs.contains(v)) else {
        return respond::status(&Status::method_not_allowed());
    };
    let connects = matches!(
        target.subresource.as_str(),
        "proxy" | "exec" | "attach" | "portforward"
    );
    // All of a resource's objects cannot be created, or deleted, in all namespaces at once.
    if row.namespaced
        && namespace.is_empty()
        && !connects
        && matches!(verb, Verb::Create | Verb::DeleteCollection)
        && served == Served::Registry
    {
        return respond::status(&Status::method_not_allowed());
    }
    let mut request = request;
    if target.resource.custom.is_some()
        && target.subresource != "scale"
        && let Err(status) = custom::prepare(&mut request, verb)
    {
        return respond::status(&status);
    }
    match resource::serve(request, target, verb, served).await {
        Ok(reply) => reply,
        Err(status) => respond::status(&status),
    }
}

/// The verb by what is addressed; `None` where the method means nothing there.
fn verb(name: &str, target: &Target, method: &Method) -> Option<Verb> {
    let collection = target.name.is_empty();
    Some(match name {
        "create" if collection || !target.subresource.is_empty() => Verb::Create,
        "get" | "list" | "watch" if *method == Method::GET || *method == Method::HEAD => match name
        {
            "get" => Verb::Get,
            "list" => Verb::List,
            _ => Verb::Watch,
        },
        "update" if !collection => Verb::Update,
        "patch" if !collection => Verb::Patch,
        "delete" if !collection => Verb::Delete,
        "deletecollection" if collection => Verb::DeleteCollection,
        _ => return None,
    })
}
