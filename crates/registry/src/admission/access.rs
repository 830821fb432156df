//! What plug-ins ask the authoriser.

use crate::context::UserInfo;

/// May a user do this?
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Who.
    pub user: &'a UserInfo,
    /// The verb.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// API version; `*` for any.
    pub version: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// Object name, empty for any.
    pub name: &'a str,
    /// The path, when it is not about a resource: the other fields but `user` and `verb` are then of no account.
    pub path: Option<&'a str>,
}

impl<'a> AccessRequest<'a> {
    /// About a cluster-scoped resource.
    pub fn new(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Self {
            user,
            verb,
            group,
            version: "*",
            resource,
            subresource: "",
            namespace: "",
            name: "",
            path: None,
        }
    }
}

/// Decides; implemented by the API server's authoriser.
pub trait AccessCheck: Send + Sync + 'static {
    /// Whether it is allowed. Never blocks.
    fn allows(&self, request: &AccessRequest<'_>) -> bool;
}
