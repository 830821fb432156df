//! What is to be decided.

use registry::UserInfo;

use crate::request_info::RequestInfo;
use machinery::options::Query;

/// upstream: apiserver/pkg/authorization/authorizer#Attributes
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) user: &'a UserInfo,
    pub(crate) verb: &'a str,
    pub(crate) is_resource: bool,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    /// `key=value` requirements of the request's field selector.
    pub(crate) fields: Vec<(String, String)>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn of_request(user: &'a UserInfo, info: &'a RequestInfo, query: &Query) -> Self {
        let fields = match info.verb.as_str() {
            "list" | "watch" | "deletecollection" if info.is_resource => query
                .get("fieldSelector")
                .map(equalities)
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        Self {
            user,
            verb: &info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
            fields,
        }
    }

    /// A resource request of somebody.
    pub(crate) fn resource(
        user: &'a UserInfo,
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
    ) -> Self {
        Self {
            user,
            verb,
            is_resource: true,
            group,
            version: "",
            resource,
            subresource: "",
            namespace: "",
            name: "",
            path: "",
            fields: Vec::new(),
        }
    }

    /// A request for a path off the API.
    pub(crate) fn path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Self {
            is_resource: false,
            path,
            ..Self::resource(user, verb, "", "")
        }
    }
}

/// The `=` and `==` requirements of a field selector.
pub(crate) fn equalities(selector: &str) -> Vec<(String, String)> {
    selector
        .split(',')
        .filter_map(|part| part.split_once("==").or_else(|| part.split_once('=')))
        .filter(|(key, _)| !key.ends_with('!'))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}
