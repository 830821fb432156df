//! `pods/log`.
// upstream: pkg/registry/core/pod/{rest/log.go,strategy.go#LogLocation}

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use machinery::field::{Error, ErrorList, Path};
use machinery::options::Query;
use machinery::{GroupKind, Status};
use registry::Target;

use super::{backend, pod};
use crate::Body;
use crate::chain::ApiRequest;
use crate::respond::Handled;

pub(crate) async fn serve(request: ApiRequest, target: &Target) -> Handled {
    let pod = pod::read(&request, target, &target.name).await?;
    let query = location_query(&request.query, &target.name)?;
    let container = pod.container(&request.query.text("container"))?;
    if pod.spec.node_name.is_empty() {
        // No host, no log.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let stream = request
        .handler
        .nodes
        .connect(&pod.spec.node_name)
        .await
        .map_err(|e| backend::unreachable(&e))?;
    let path = format!(
        "/containerLogs/{}/{}/{container}{query}",
        target.namespace(),
        target.name
    );
    let to_node = Request::builder()
        .method(Method::GET)
        .uri(path)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(Status::internal)?;
    let answer = backend::send(stream, to_node).await?;
    if !answer.status().is_success() {
        return Err(
            backend::failure(answer, &target.resource.group_resource(), &target.name)
                .await
                .into(),
        );
    }
    let mut response = backend::pass_while(answer, request.live);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// Validates PodLogOptions and makes the kubelet's query.
// upstream: pkg/apis/core/validation/validation.go#ValidatePodLogOptions
fn location_query(query: &Query, pod: &str) -> Result<String, Status> {
    let mut out = form_urlencoded::Serializer::new(String::new());
    let mut errors = ErrorList::new();
    for flag in ["follow", "previous", "timestamps"] {
        if query.flag(flag).unwrap_or_default() {
            out.append_pair(flag, "true");
        }
    }
    let since = query.int("sinceSeconds")?;
    if let Some(n) = since {
        if n < 1 {
            errors.push(Error::invalid(
                &Path::new("sinceSeconds"),
                n,
                "must be greater than 0",
            ));
        }
        out.append_pair("sinceSeconds", &n.to_string());
    }
    if let Some(time) = query.get("sinceTime").filter(|t| !t.is_empty()) {
        if since.is_some() {
            errors.push(Error::forbidden(
                &Path::new(""),
                "at most one of `sinceTime` or `sinceSeconds` may be specified",
            ));
        }
        if time.parse::<jiff::Timestamp>().is_err() {
            return Err(Status::bad_request(format!(
                "parsing time {} as RFC3339: cannot parse",
                machinery::go::quote(time)
            )));
        }
        out.append_pair("sinceTime", time);
    }
    if let Some(n) = query.int("tailLines")? {
        if n < 0 {
            errors.push(Error::invalid(
                &Path::new("tailLines"),
                n,
                "must be greater than or equal to 0",
            ));
        }
        out.append_pair("tailLines", &n.to_string());
    }
    if let Some(n) = query.int("limitBytes")? {
        if n < 1 {
            errors.push(Error::invalid(
                &Path::new("limitBytes"),
                n,
                "must be greater than 0",
            ));
        }
        out.append_pair("limitBytes", &n.to_string());
    }
    if let Some(stream) = query.get("stream").filter(|s| !s.is_empty()) {
        if !matches!(stream, "All" | "Stdout" | "Stderr") {
            errors.push(Error::not_supported(
                &Path::new("stream"),
                stream,
                &["All", "Stdout", "Stderr"],
            ));
        }
        out.append_pair("stream", stream);
    }
    if !errors.is_empty() {
        return Err(Status::invalid(
            &GroupKind::new("", "PodLogOptions"),
            pod,
            &errors,
        ));
    }
    let out = out.finish();
    Ok(if out.is_empty() {
        out
    } else {
        format!("?{out}")
    })
}
