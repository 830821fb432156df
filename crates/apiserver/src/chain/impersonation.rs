//! Acting as somebody else, where that is allowed.
// upstream: apiserver/pkg/endpoints/filters/impersonation.go

use http::HeaderMap;
use machinery::Status;
use percent_encoding::percent_decode_str;
use registry::UserInfo;

use crate::authn::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use crate::authz::attributes::Attributes;
use crate::authz::{Authorizer, Decision, forbidden};

/// The user to act as, `None` when nothing is asked.
pub(super) fn impersonate(
    authorizer: &Authorizer,
    user: &UserInfo,
    headers: &HeaderMap,
) -> Result<Option<UserInfo>, Status> {
    let all = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let name = all("impersonate-user")
        .into_iter()
        .next()
        .unwrap_or_default();
    let groups = all("impersonate-group");
    let uid = all("impersonate-uid")
        .into_iter()
        .next()
        .unwrap_or_default();
    let mut extra = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (key, value) in headers {
        if let (Some(key), Ok(value)) = (
            key.as_str().strip_prefix("impersonate-extra-"),
            value.to_str(),
        ) {
            let key = percent_decode_str(key)
                .decode_utf8_lossy()
                .to_ascii_lowercase();
            extra.entry(key).or_default().push(value.to_owned());
        }
    }
    if name.is_empty() {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        // upstream answers 500 with this text.
        return Err(Status::internal(format_args!(
            "requested {} without impersonating a user",
            machinery::go::quote(&format!("{groups:?}"))
        )));
    }
    let check = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let mut a = Attributes::resource(user, "impersonate", group, resource);
        a.subresource = subresource;
        a.namespace = namespace;
        a.name = name;
        match authorizer.authorize(&a) {
            Decision::Allow(_) => Ok(()),
            Decision::NoOpinion(reason) => Err(forbidden(&a, &reason)),
        }
    };
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => check("", "serviceaccounts", "", namespace, account)?,
        None => check("", "users", "", "", &name)?,
    }
    for group in &groups {
        check("", "groups", "", "", group)?;
    }
    for (key, values) in &extra {
        for value in values {
            check("authentication.k8s.io", "userextras", key, "", value)?;
        }
    }
    if !uid.is_empty() {
        check("authentication.k8s.io", "uids", "", "", &uid)?;
    }
    let mut groups = groups;
    if let (true, Some((namespace, _))) = (groups.is_empty(), account) {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    if name == ANONYMOUS {
        if !groups.iter().any(|g| g == UNAUTHENTICATED) {
            groups.push(UNAUTHENTICATED.to_owned());
        }
    } else if !groups
        .iter()
        .any(|g| g == AUTHENTICATED || g == UNAUTHENTICATED)
    {
        groups.push(AUTHENTICATED.to_owned());
    }
    Ok(Some(UserInfo {
        name,
        uid,
        groups,
        extra,
    }))
}
