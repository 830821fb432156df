//! Who asks, for a server that trusts the front proxy.
// upstream: client-go/transport/round_trippers.go#SetAuthProxyHeaders, #headerKeyEscape

use http::header::{HeaderMap, HeaderName, HeaderValue};
use registry::UserInfo;

const USER: &str = "x-remote-user";
const UID: &str = "x-remote-uid";
const GROUP: &str = "x-remote-group";
const EXTRA: &str = "x-remote-extra-";

/// Puts the user in, and takes out whatever the client said of users itself.
pub(super) fn set(headers: &mut HeaderMap, user: &UserInfo) {
    let theirs: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-remote-"))
        .cloned()
        .collect();
    for name in theirs {
        headers.remove(name);
    }
    let mut add = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.append(name, value);
        }
    };
    add(USER, &user.name);
    if !user.uid.is_empty() {
        add(UID, &user.uid);
    }
    for group in &user.groups {
        add(GROUP, group);
    }
    for (key, values) in &user.extra {
        for value in values {
            add(&format!("{EXTRA}{}", escape(key)), value);
        }
    }
}

/// A key as a header's name: what a name may not have, and `%`, percent-encoded.
fn escape(key: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        let legal = byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
        if legal {
            out.push(char::from(byte).to_ascii_lowercase());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    // Header names are compared without case; percent-encoding keeps its digits either way.
    out.to_ascii_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_users_does_not_pass() {
        let mut headers = HeaderMap::new();
        headers.insert("x-remote-user", HeaderValue::from_static("root"));
        headers.insert("x-remote-group", HeaderValue::from_static("system:masters"));
        headers.insert("x-remote-extra-scopes", HeaderValue::from_static("all"));
        headers.insert("x-remote-uid", HeaderValue::from_static("0"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let mut user = UserInfo {
            name: "jane".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            ..UserInfo::default()
        };
        user.extra.insert(
            "example.com/who".to_owned(),
            vec!["x".to_owned(), "y".to_owned()],
        );
        set(&mut headers, &user);
        let all = |name: &str| -> Vec<&str> {
            headers
                .get_all(name)
                .iter()
                .map(|v| v.to_str().unwrap())
                .collect()
        };
        assert_eq!(all("x-remote-user"), ["jane"]);
        assert_eq!(all("x-remote-group"), ["a", "b"]);
        assert_eq!(all("x-remote-extra-example.com%2fwho"), ["x", "y"]);
        assert!(all("x-remote-extra-scopes").is_empty() && all("x-remote-uid").is_empty());
        assert_eq!(all("accept"), ["*/*"]);
    }
}
