//! What a request's path and method say: resource or not, verb, group, version, namespace, name.
// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go

use percent_encoding::percent_decode_str;

use machinery::options::Query;

/// The parsed request line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestInfo {
    /// Whether the path is one of `/api/<version>/...` or `/apis/<group>/<version>/...` with a resource.
    pub(crate) is_resource: bool,
    /// The decoded path.
    pub(crate) path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; off the API the
    /// lower-case method.
    pub(crate) verb: String,
    /// API group, empty for core.
    pub(crate) group: String,
    /// API version.
    pub(crate) version: String,
    /// Namespace, empty for none or all.
    pub(crate) namespace: String,
    /// Plural resource.
    pub(crate) resource: String,
    /// Subresource.
    pub(crate) subresource: String,
    /// Object name.
    pub(crate) name: String,
    /// Whether the name stands in the path (a `list` may have one from its field selector).
    pub(crate) named_in_path: bool,
    /// What follows the subresource (`proxy/<path>`), with its leading slash when anything follows.
    pub(crate) rest: String,
}

impl RequestInfo {
    /// Parses a request. `query` decides between list and watch.
    pub(crate) fn parse(method: &http::Method, raw_path: &str, query: &Query) -> Self {
        let path = percent_decode_str(raw_path)
            .decode_utf8_lossy()
            .into_owned();
        let mut info = Self {
            verb: method.as_str().to_ascii_lowercase(),
            ..Self::default()
        };
        // Split before decoding would keep an encoded slash in a segment; upstream splits the decoded path.
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let core = parts.first() == Some(&"api");
        let api = core || parts.first() == Some(&"apis");
        if parts.len() < 3 || !api {
            info.path = path;
            return info;
        }
        parts.remove(0);
        if !core {
            if parts.len() < 3 {
                info.path = path;
                return info;
            }
            info.group = parts.remove(0).to_owned();
        }
        info.version = parts.remove(0).to_owned();
        info.is_resource = true;
        info.verb = match *method {
            http::Method::POST => "create",
            http::Method::GET | http::Method::HEAD => "get",
            http::Method::PUT => "update",
            http::Method::PATCH => "patch",
            http::Method::DELETE => "delete",
            _ => "",
        }
        .to_owned();
        // The deprecated `/watch/` prefix.
        if parts.first() == Some(&"watch") && parts.len() > 1 {
            parts.remove(0);
            info.verb = "watch".to_owned();
        }
        if parts.first() == Some(&"namespaces")
            && let Some(namespace) = parts.get(1)
        {
            info.namespace = (*namespace).to_owned();
            if parts
                .get(2)
                .is_some_and(|s| !matches!(*s, "status" | "finalize"))
            {
                parts.drain(..2);
            }
        }
        let mut parts = parts.into_iter();
        info.resource = parts.next().unwrap_or_default().to_owned();
        info.name = parts.next().unwrap_or_default().to_owned();
        info.subresource = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            info.rest.push('/');
            info.rest.push_str(part);
        }
        if !info.rest.is_empty() || !info.subresource.is_empty() {
            // A trailing slash matters to what is proxied.
            if path.ends_with('/') && info.subresource == "proxy" {
                info.rest.push('/');
            }
        }
        info.named_in_path = !info.name.is_empty();
        if info.name.is_empty() && (info.verb == "get" || info.verb == "watch") {
            let watch = info.verb == "watch" || query.flag("watch").unwrap_or_default();
            info.verb = if watch { "watch" } else { "list" }.to_owned();
            // A list or watch of one name is authorised as one of that name.
            if let Some(name) = query.get("fieldSelector").and_then(single_name) {
                info.name = name;
            }
        } else if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".to_owned();
        } else if info.verb == "get"
            && info.subresource.is_empty()
            && query.flag("watch").unwrap_or_default()
        {
            // Kept a get, as upstream: `watch` on one object's path has no effect.
        }
        info.path = path;
        info
    }

    /// Whether the deadline and the in-flight limits do not apply.
    // upstream: cmd/kube-apiserver/app/options.go#BasicLongRunningRequestCheck
    pub(crate) fn is_long_running(&self, query: &Query) -> bool {
        self.is_resource
            && (self.verb == "watch"
                || matches!(
                    self.subresource.as_str(),
                    "exec" | "attach" | "portforward" | "proxy"
                )
                || (self.subresource == "log" && query.flag("follow").unwrap_or_default()))
    }
}

/// The name in `metadata.name=<name>` when the selector asks for exactly one.
fn single_name(selector: &str) -> Option<String> {
    let mut found = None;
    for part in selector.split(',') {
        let (key, value) = match part.split_once("==") {
            Some(pair) => pair,
            None => part.split_once('=')?,
        };
        if key.ends_with('!') {
            continue;
        }
        if key == "metadata.name" {
            found = Some(value.to_owned());
        }
    }
    // upstream: apimachinery/pkg/api/validation/path#IsValidPathSegmentName
    found.filter(|n| !n.is_empty() && n != "." && n != ".." && !n.contains(['/', '%', '\\']))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn parse(method: &str, uri: &str) -> RequestInfo {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        RequestInfo::parse(&method.parse().unwrap(), path, &Query::parse(query))
    }

    // upstream: requestinfo_test.go#TestGetAPIRequestInfo
    #[test]
    fn api_requests() {
        // method, uri, verb, group, namespace, resource, subresource, name
        let cases = [
            (
                "GET",
                "/api/v1/namespaces",
                "list",
                "",
                "",
                "namespaces",
                "",
                "",
            ),
            (
                "GET",
                "/api/v1/namespaces/other",
                "get",
                "",
                "other",
                "namespaces",
                "",
                "other",
            ),
            (
                "PUT",
                "/api/v1/namespaces/other/finalize",
                "update",
                "",
                "other",
                "namespaces",
                "finalize",
                "other",
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods",
                "list",
                "",
                "other",
                "pods",
                "",
                "",
            ),
            (
                "GET",
                "/api/v1/namespaces/other/pods/foo",
                "get",
                "",
                "other",
                "pods",
                "",
                "foo",
            ),
            (
                "HEAD",
                "/api/v1/namespaces/other/pods/foo",
                "get",
                "",
                "other",
                "pods",
                "",
                "foo",
            ),
            (
                "GET",
                "/api/v1/pods?watch=true",
                "watch",
                "",
                "",
                "pods",
                "",
                "",
            ),
            (
                "GET",
                "/api/v1/pods?watch=false",
                "list",
                "",
                "",
                "pods",
                "",
                "",
            ),
            (
                "GET",
                "/api/v1/watch/namespaces/other/pods",
                "watch",
                "",
                "other",
                "pods",
                "",
                "",
            ),
            (
                "DELETE",
                "/api/v1/namespaces/other/pods",
                "deletecollection",
                "",
                "other",
                "pods",
                "",
                "",
            ),
            (
                "DELETE",
                "/api/v1/namespaces/other/pods/foo",
                "delete",
                "",
                "other",
                "pods",
                "",
                "foo",
            ),
            (
                "POST",
                "/apis/apps/v1/namespaces/a/deployments",
                "create",
                "apps",
                "a",
                "deployments",
                "",
                "",
            ),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "patch",
                "apps",
                "a",
                "deployments",
                "scale",
                "d",
            ),
            (
                "GET",
                "/api/v1/nodes?fieldSelector=metadata.name%3Dn1",
                "list",
                "",
                "",
                "nodes",
                "",
                "n1",
            ),
            (
                "GET",
                "/api/v1/nodes/n1/proxy/a/b",
                "get",
                "",
                "",
                "nodes",
                "proxy",
                "n1",
            ),
        ];
        for (method, uri, verb, group, namespace, resource, subresource, name) in cases {
            let info = parse(method, uri);
            assert!(info.is_resource, "{uri}");
            assert_eq!(
                (
                    &*info.verb,
                    &*info.group,
                    &*info.namespace,
                    &*info.resource,
                    &*info.subresource,
                    &*info.name
                ),
                (verb, group, namespace, resource, subresource, name),
                "{uri}"
            );
        }
        assert_eq!(parse("GET", "/api/v1/nodes/n1/proxy/a/b/").rest, "/a/b/");
    }

    #[test]
    fn other_requests() {
        for uri in [
            "/",
            "/api",
            "/api/v1",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/healthz",
            "/version",
        ] {
            let info = parse("GET", uri);
            assert!(!info.is_resource, "{uri}");
            assert_eq!(info.verb, "get");
        }
    }
}
