//! Times as the API writes them.
// upstream: apimachinery/pkg/apis/meta/v1/time.go, micro_time.go

use jiff::Timestamp;

/// `metav1.Time`: RFC 3339 in UTC, whole seconds.
pub fn format(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`: RFC 3339 in UTC, six digits of a second.
pub fn format_micro(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Parses RFC 3339 as Go's `time.RFC3339` does: date, `T`, time with optional fraction, and an
/// offset or `Z`. `None` for anything else.
pub fn parse(s: &str) -> Option<Timestamp> {
    let b = s.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        b.get(range)
            .is_some_and(|d| d.iter().all(u8::is_ascii_digit))
    };
    let at = |i: usize, c: u8| b.get(i) == Some(&c);
    let shape = digits(0..4)
        && at(4, b'-')
        && digits(5..7)
        && at(7, b'-')
        && digits(8..10)
        && at(10, b'T')
        && digits(11..13)
        && at(13, b':')
        && digits(14..16)
        && at(16, b':')
        && digits(17..19);
    if !shape {
        return None;
    }
    let mut rest = s.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let n = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if n == 0 {
            return None;
        }
        rest = fraction.get(n..)?;
    }
    let offset = rest.as_bytes();
    let zone = match offset {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|c| c.is_ascii_digit()),
        _ => false,
    };
    if !zone {
        return None;
    }
    s.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let t = parse("2024-02-29T12:30:45.123456789+02:00").unwrap();
        assert_eq!(format(t), "2024-02-29T10:30:45Z");
        assert_eq!(format_micro(t), "2024-02-29T10:30:45.123456Z");
        for bad in [
            "2024-02-30T00:00:00Z",
            "2024-02-29 12:30:45Z",
            "2024-02-29T12:30:45",
            "x",
            "2024-02-29T12:30:45.Z",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
