//! Formats of strings.
// upstream: kube-openapi/pkg/validation/strfmt, apiextensions-apiserver/pkg/apiserver/validation/formats.go

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

const KNOWN: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

fn normal(format: &str) -> String {
    format.replace('-', "")
}

/// Whether a format is one that is enforced for a type.
// upstream: #GetUnrecognizedFormats
pub fn is_known(format: &str, kind: &str) -> bool {
    match kind {
        "" | "string" => KNOWN.contains(&normal(format).as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

macro_rules! regexes {
    ($($name:ident = $text:expr;)*) => {
        $(
            // The expressions are constants that the tests compile.
            static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
        )*
    };
}

regexes! {
    UUID = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID3 = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID4 = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    UUID5 = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    BSON = "^[0-9a-fA-F]{24}$";
    CARD = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
    SSN = r"^\d{3}[- ]?\d{2}[- ]?\d{4}$";
    HEX_COLOR = "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOR = r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$";
    BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$";
    TIME = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    DURATION = r"(\d+)\s*([A-Za-zµ]+)";
    GO_DURATION = r"^[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    SCHEME = "^[A-Za-z][A-Za-z0-9+.-]*:";
    MAC = "^([0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}[:-]){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}[:-]){7}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}[:-]){19}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}|(?:[0-9A-Fa-f]{4}\\.){3}[0-9A-Fa-f]{4})$";
    EMAIL = r#"^[^\s@<>(),;:"\[\]\\]+@[^\s@<>(),;:"\[\]\\]+$"#;
}

fn is(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|r| r.is_match(text))
}

/// Whether a text has a format; unknown formats have no meaning.
pub fn matches(format: &str, text: &str) -> bool {
    match normal(format).as_str() {
        "bsonobjectid" => is(&BSON, text),
        "uri" => uri(text),
        "email" => email(text),
        "hostname" => hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => is(&MAC, text),
        "uuid" => is(&UUID, text),
        "uuid3" => is(&UUID3, text),
        "uuid4" => is(&UUID4, text),
        "uuid5" => is(&UUID5, text),
        "isbn" => isbn10(text) || isbn13(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "creditcard" => card(text),
        "ssn" => is(&SSN, text),
        "hexcolor" => is(&HEX_COLOR, text),
        "rgbcolor" => is(&RGB_COLOR, text),
        "byte" => is(&BASE64, text),
        "date" => date(text),
        "datetime" => date_time(text),
        "duration" => is(&GO_DURATION, text) || long_duration(text),
        "k8sshortname" => machinery::validation::is_dns1123_label(text).is_empty(),
        "k8slongname" => machinery::validation::is_dns1123_subdomain(text).is_empty(),
        _ => true,
    }
}

/// As Go's `url.ParseRequestURI` takes it: absolute, or an absolute path.
fn uri(text: &str) -> bool {
    let clean = !text.is_empty() && !text.chars().any(|c| c.is_ascii_control() || c == ' ');
    let bytes = text.as_bytes();
    let escapes = bytes.iter().enumerate().all(|(i, b)| {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        *b != b'%' || (hex(i + 1) && hex(i + 2))
    });
    clean && escapes && (text.starts_with('/') || is(&SCHEME, text))
}

/// An address, be it with a display name before it.
fn email(text: &str) -> bool {
    let text = text.trim();
    match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((_, address)) => is(&EMAIL, address),
        None => is(&EMAIL, text),
    }
}

fn hostname(text: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace());
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars().all(|c| good(c) || c == '-')
            && l.starts_with(good)
            && l.ends_with(good)
    };
    let labels: Vec<&str> = text.split('.').collect();
    let top = labels.last().copied().unwrap_or_default();
    let top_fits = labels.len() == 1 || (top.len() >= 2 && top.chars().all(char::is_alphabetic));
    text.len() <= 255 && labels.iter().all(|l| label(l)) && top_fits
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = if digits {
        bits.parse().unwrap_or(u8::MAX)
    } else {
        u8::MAX
    };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32)
        || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| c.to_digit(10).unwrap_or(99))
        .collect()
}

fn isbn10(text: &str) -> bool {
    let text = text.replace(['x', 'X'], "x");
    let mut all = digits(text.trim_end_matches('x'));
    if text.ends_with('x') {
        all.push(10);
    }
    let last_only = all.iter().take(9).all(|d| *d < 10);
    let sum: u32 = all.iter().zip((1..=10).rev()).map(|(d, w)| d * w).sum();
    all.len() == 10 && last_only && all.last().is_some_and(|d| *d <= 10) && sum.is_multiple_of(11)
}

fn isbn13(text: &str) -> bool {
    let all = digits(text);
    let sum: u32 = all
        .iter()
        .enumerate()
        .map(|(i, d)| d * if i % 2 == 0 { 1 } else { 3 })
        .sum();
    all.len() == 13 && all.iter().all(|d| *d < 10) && sum.is_multiple_of(10)
}

fn card(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = plain
        .chars()
        .rev()
        .enumerate()
        .filter_map(|(i, c)| Some((i, c.to_digit(10)?)))
        .map(|(i, d)| match (i % 2, d * 2) {
            (0, _) => d,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    is(&CARD, &plain) && sum.is_multiple_of(10)
}

fn date(text: &str) -> bool {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    shape && text.parse::<jiff::civil::Date>().is_ok()
}

fn date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let Some((day, time)) = text.split_once('t') else {
        return false;
    };
    let Some(parts) = TIME.as_ref().and_then(|r| r.captures(time)) else {
        return false;
    };
    let part = |i: usize| parts.get(i).map_or("", |m| m.as_str());
    date(day) && part(1) <= "23" && part(2) <= "59" && part(3) <= "59"
}

/// `3 hours`, `22 ns` and the like.
fn long_duration(text: &str) -> bool {
    const UNITS: &[&str] = &[
        "ns", "nano", "us", "µs", "micro", "ms", "milli", "s", "sec", "m", "min", "h", "hr",
        "hour", "d", "day", "w", "wk", "week",
    ];
    const LONG: &[&str] = &[
        "nano", "micro", "milli", "sec", "min", "hour", "day", "week",
    ];
    let Some(regex) = DURATION.as_ref() else {
        return false;
    };
    regex.captures_iter(text).any(|found| {
        let unit = found
            .get(2)
            .map(|m| m.as_str().to_lowercase())
            .unwrap_or_default();
        UNITS.contains(&unit.as_str()) || LONG.iter().any(|l| unit.starts_with(l))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for regex in [
            &UUID,
            &UUID3,
            &UUID4,
            &UUID5,
            &BSON,
            &CARD,
            &SSN,
            &HEX_COLOR,
            &RGB_COLOR,
            &BASE64,
            &TIME,
            &DURATION,
            &GO_DURATION,
            &SCHEME,
            &MAC,
            &EMAIL,
        ] {
            assert!(regex.is_some());
        }
        let good = [
            ("bsonobjectid", "507f1f77bcf86cd799439011"),
            ("uri", "https://example.com/a?b=c"),
            ("uri", "/path"),
            ("email", "a@example.com"),
            ("email", "A B <a@example.com>"),
            ("hostname", "a-b.example.com"),
            ("ipv4", "10.0.0.1"),
            ("ipv6", "::1"),
            ("cidr", "10.0.0.0/8"),
            ("mac", "01:02:03:04:05:ab"),
            ("uuid", "a8098c1a-f86e-11da-bd1a-00112444be1e"),
            ("uuid4", "025b0d74-00a2-4048-bf57-227c5111bb34"),
            ("isbn", "0321751043"),
            ("isbn13", "978-0321751041"),
            ("creditcard", "4111-1111-1111-1111"),
            ("ssn", "111-11-1111"),
            ("hexcolor", "#FFFFFF"),
            ("rgbcolor", "rgb(100,100,100)"),
            ("byte", "aGVsbG8="),
            ("password", "anything"),
            ("date", "2006-01-02"),
            ("date-time", "2014-12-15T19:30:20.000Z"),
            ("datetime", "2014-12-15t19:30:20+02:00"),
            ("duration", "22 ns"),
            ("duration", "1h3m"),
            ("duration", "3 hours"),
            ("k8s-short-name", "a-b"),
            ("k8s-long-name", "a.b"),
            ("nonsense", "x"),
        ];
        for (format, text) in good {
            assert!(matches(format, text), "{format}: {text}");
        }
        let bad = [
            ("bsonobjectid", "507"),
            ("uri", "a b"),
            ("uri", "relative"),
            ("email", "a.example.com"),
            ("hostname", "-a.example.com"),
            ("ipv4", "::1"),
            ("ipv6", "10.0.0.1"),
            ("cidr", "10.0.0.0/33"),
            ("mac", "01:02"),
            ("uuid", "x"),
            ("uuid3", "025b0d74-00a2-4048-bf57-227c5111bb34"),
            ("isbn10", "0321751044"),
            ("isbn13", "978-0321751042"),
            ("creditcard", "4111-1111-1111-1112"),
            ("ssn", "1"),
            ("hexcolor", "#GG"),
            ("rgbcolor", "rgb(1,2)"),
            ("byte", "?"),
            ("date", "2006-13-02"),
            ("date", "2006-1-2"),
            ("date-time", "2014-12-15 19:30:20Z"),
            ("date-time", "2014-12-15T25:30:20Z"),
            ("duration", "x"),
            ("k8s-short-name", "A.b"),
        ];
        for (format, text) in bad {
            assert!(!matches(format, text), "{format}: {text}");
        }
        assert!(is_known("date-time", "string") && !is_known("odd", "string"));
        assert!(is_known("int32", "integer") && !is_known("int32", "string"));
    }
}
