//! Names. Each function gives the list of what is wrong, empty when nothing is.

use super::syntax::{
    EMPTY, dns1035_label, dns1123_label, dns1123_subdomain, max_len, qualified, regex_error,
};
use crate::field::{Error, ErrorList, Path};

const DNS1123_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS1123_SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const DNS1035_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const QUALIFIED_EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];

/// A check of a name; the flag says that it is the prefix of a generated one.
pub type NameCheck = fn(&str, bool) -> Vec<String>;

/// `name` or `prefix/name`, as label keys are.
// upstream: util/validation/validation.go#IsQualifiedName
pub fn is_qualified_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let mut parts = value.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                errors.push(format!("prefix part {EMPTY}"));
            } else {
                errors.extend(
                    is_dns1123_subdomain(prefix)
                        .into_iter()
                        .map(|e| format!("prefix part {e}")),
                );
            }
            name
        }
        _ => {
            let text = regex_error(QUALIFIED_TEXT, QUALIFIED, &QUALIFIED_EXAMPLES);
            errors.push(format!(
                "a qualified name {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return errors;
        }
    };
    if name.is_empty() {
        errors.push(format!("name part {EMPTY}"));
    } else if name.len() > 63 {
        errors.push(format!("name part {}", max_len(63)));
    }
    if !qualified(name) {
        errors.push(format!(
            "name part {}",
            regex_error(QUALIFIED_TEXT, QUALIFIED, &QUALIFIED_EXAMPLES)
        ));
    }
    errors
}

/// A label's value: empty or a name.
// upstream: #IsValidLabelValue
pub fn is_label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 63 {
        errors.push(max_len(63));
    }
    if !value.is_empty() && !qualified(value) {
        errors.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// RFC 1123 label, at most 63 bytes.
// upstream: #IsDNS1123Label
pub fn is_dns1123_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 63 {
        errors.push(max_len(63));
    }
    if !dns1123_label(value) {
        if dns1123_subdomain(value) {
            errors.push("must not contain dots".to_owned());
        } else {
            errors.push(regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                DNS1123_LABEL,
                &["my-name", "123-abc"],
            ));
        }
    }
    errors
}

/// RFC 1123 subdomain, at most 253 bytes.
// upstream: #IsDNS1123Subdomain
pub fn is_dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 253 {
        errors.push(max_len(253));
    }
    if !dns1123_subdomain(value) {
        errors.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            DNS1123_SUBDOMAIN,
            &["example.com"],
        ));
    }
    errors
}

/// `*.` and a subdomain.
// upstream: #IsWildcardDNS1123Subdomain
pub fn is_wildcard_dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 253 {
        errors.push(max_len(253));
    }
    if !value.strip_prefix("*.").is_some_and(dns1123_subdomain) {
        errors.push(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{DNS1123_SUBDOMAIN}"),
            &["*.example.com"],
        ));
    }
    errors
}

/// RFC 1035 label, at most 63 bytes.
// upstream: #IsDNS1035Label
pub fn is_dns1035_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 63 {
        errors.push(max_len(63));
    }
    if !dns1035_label(value) {
        errors.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            DNS1035_LABEL,
            &["my-name", "abc-123"],
        ));
    }
    errors
}

/// C identifier.
// upstream: #IsCIdentifier
pub fn is_c_identifier(value: &str) -> Vec<String> {
    let first = value
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Vec::new();
    }
    vec![regex_error(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

fn name_chars(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

// upstream: #hasChDirPrefix
fn chdir(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        v if v.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// Strict name of an environment variable.
// upstream: #IsEnvVarName
pub fn is_env_var_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if !name_chars(value) || value.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        errors.push(regex_error(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        ));
    }
    errors.extend(chdir(value));
    errors
}

/// Name of an environment variable as accepted today: printable ASCII but `=`.
// upstream: #IsRelaxedEnvVarName
pub fn is_relaxed_env_var_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec![format!("environment variable name {EMPTY}")];
    }
    if value.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
        return Vec::new();
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()]
}

/// Key of a ConfigMap or Secret.
// upstream: #IsConfigMapKey
pub fn is_config_map_key(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 253 {
        errors.push(max_len(253));
    }
    if !name_chars(value) {
        errors.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    errors.extend(chdir(value));
    errors
}

/// Name of an HTTP header.
// upstream: #IsHTTPHeaderName
pub fn is_http_header_name(value: &str) -> Vec<String> {
    if !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Vec::new();
    }
    vec![regex_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// A domain of three or more segments.
// upstream: #IsFullyQualifiedName
pub fn is_fully_qualified_name(path: &Path, name: &str) -> ErrorList {
    domain(
        path,
        name,
        name,
        3,
        "should be a domain with at least three segments separated by dots",
    )
}

/// A domain of two or more segments, a trailing dot allowed.
// upstream: #IsFullyQualifiedDomainName
pub fn is_fully_qualified_domain_name(path: &Path, name: &str) -> ErrorList {
    let bare = name.strip_suffix('.').unwrap_or(name);
    domain(
        path,
        name,
        bare,
        2,
        "should be a domain with at least two segments separated by dots",
    )
}

fn domain(path: &Path, name: &str, bare: &str, segments: usize, text: &str) -> ErrorList {
    if name.is_empty() {
        return vec![Error::required(path, "")].into();
    }
    let errors: Vec<Error> = is_dns1123_subdomain(bare)
        .into_iter()
        .map(|e| Error::invalid(path, bare, e))
        .collect();
    if !errors.is_empty() {
        return errors.into();
    }
    if bare.split('.').count() < segments {
        return vec![Error::invalid(path, bare, text)].into();
    }
    ErrorList::new()
}

fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(head) if !head.is_empty() => format!("{head}a"),
        _ => name.to_owned(),
    }
}

fn masked(name: &str, prefix: bool, check: fn(&str) -> Vec<String>) -> Vec<String> {
    if prefix {
        check(&mask_trailing_dash(name))
    } else {
        check(name)
    }
}

/// [`is_dns1123_subdomain`] for names and prefixes.
// upstream: apimachinery/pkg/api/validation/generic.go#NameIsDNSSubdomain
pub fn name_is_dns_subdomain(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1123_subdomain)
}

/// [`is_dns1123_label`] for names and prefixes.
// upstream: apimachinery/pkg/api/validation/generic.go#NameIsDNSLabel
pub fn name_is_dns_label(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1123_label)
}

/// [`is_dns1035_label`] for names and prefixes.
// upstream: apimachinery/pkg/api/validation/generic.go#NameIsDNS1035Label
pub fn name_is_dns1035_label(name: &str, prefix: bool) -> Vec<String> {
    masked(name, prefix, is_dns1035_label)
}

/// Whether a name can be one segment of a URL's path.
// upstream: apimachinery/pkg/api/validation/path/name.go#IsValidPathSegmentName
pub fn is_path_segment_name(name: &str) -> Vec<String> {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => path_segment_name(name, true),
    }
}

/// As [`is_path_segment_name`], with `.` and `..` allowed at the start of a prefix.
// upstream: apimachinery/pkg/api/validation/path/name.go#ValidatePathSegmentName
pub fn path_segment_name(name: &str, prefix: bool) -> Vec<String> {
    if !prefix {
        return is_path_segment_name(name);
    }
    ["/", "%"]
        .iter()
        .filter(|c| name.contains(**c))
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(
            is_dns1123_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(is_dns1123_label("a.b"), ["must not contain dots"]);
        assert!(is_dns1123_subdomain("a.b-c.9").is_empty());
        assert!(!is_dns1123_subdomain("a..b").is_empty());
        assert!(is_qualified_name("example.com/My_name").is_empty());
        assert_eq!(is_qualified_name("/x"), ["prefix part must be non-empty"]);
        assert_eq!(is_qualified_name("a/b/c").len(), 1);
        assert_eq!(is_qualified_name("").len(), 2);
        assert!(is_label_value("").is_empty() && is_label_value("a_b").is_empty());
        assert!(!is_dns1035_label("1a").is_empty());
        assert_eq!(
            is_config_map_key("..").first().map(String::as_str),
            Some("must not be '..'")
        );
        assert!(
            is_relaxed_env_var_name("a b").is_empty() && !is_relaxed_env_var_name("a=b").is_empty()
        );
    }

    #[test]
    fn prefixes() {
        assert!(name_is_dns_label("web-", true).is_empty());
        assert!(!name_is_dns_label("web-", false).is_empty());
        assert_eq!(
            is_path_segment_name("a/b%"),
            ["may not contain '/'", "may not contain '%'"]
        );
    }
}
