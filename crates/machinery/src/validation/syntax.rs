//! Character classes of names, matched by hand, and the words that describe them.

/// Upstream's `RegexError`.
// upstream: #RegexError
pub(super) fn regex_error(text: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{text} (regex used for validation is '{regex}')");
    }
    let mut out = format!("{text} (e.g. ");
    for (i, example) in examples.iter().enumerate() {
        if i > 0 {
            out.push_str(" or ");
        }
        out.push_str(&format!("'{example}', "));
    }
    out.push_str(&format!("regex used for validation is '{regex}')"));
    out
}

// upstream: #MaxLenError
pub(super) fn max_len(n: usize) -> String {
    format!("must be no more than {n} characters")
}

pub(super) const EMPTY: &str = "must be non-empty";

fn lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// `first` and `last` at the ends, `inner` between; not empty.
pub(super) fn framed(
    s: &str,
    first: fn(u8) -> bool,
    inner: fn(u8) -> bool,
    last: fn(u8) -> bool,
) -> bool {
    match s.as_bytes() {
        [] => false,
        [one] => first(*one) && last(*one),
        [a, middle @ .., z] => first(*a) && last(*z) && middle.iter().all(|b| inner(*b)),
    }
}

pub(super) fn dns1123_label(s: &str) -> bool {
    framed(s, lower_alnum, |b| lower_alnum(b) || b == b'-', lower_alnum)
}

pub(super) fn dns1123_subdomain(s: &str) -> bool {
    s.split('.').all(dns1123_label)
}

pub(super) fn dns1035_label(s: &str) -> bool {
    framed(s, lower_alnum, |b| lower_alnum(b) || b == b'-', lower_alnum)
        && s.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
}

pub(super) fn qualified(s: &str) -> bool {
    framed(
        s,
        |b| b.is_ascii_alphanumeric(),
        |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
        |b| b.is_ascii_alphanumeric(),
    )
}
