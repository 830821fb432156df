//! Go's duration text (`1h2m3.5s`), as `metav1.Duration` is written.
// upstream: Go time#ParseDuration, time#Duration.String

use crate::go::quote;

/// A text that is no Go duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// Malformed.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A unit that isn't known.
    #[error("time: unknown unit {} in duration {}", quote(.0), quote(.1))]
    UnknownUnit(String, String),
}

/// Parses to nanoseconds.
pub fn parse(text: &str) -> Result<i64, ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(text.to_owned());
    let (negative, mut s) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if s == "0" {
        return Ok(0);
    }
    if s.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !s.is_empty() {
        let whole_len = s.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut rest) = s.split_at(whole_len);
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let n = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, rest) = after.split_at(n);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, next) = rest.split_at(unit_len);
        let scale: i128 = match unit {
            "" => return Err(ParseDurationError::MissingUnit(text.to_owned())),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            other => {
                return Err(ParseDurationError::UnknownUnit(
                    other.to_owned(),
                    text.to_owned(),
                ));
            }
        };
        if whole.len() > 19 {
            return Err(invalid());
        }
        total += whole.parse::<i128>().unwrap_or(0) * scale;
        let mut step = scale;
        for d in fraction.bytes().take(15) {
            step /= 10;
            total += i128::from(d - b'0') * step;
        }
        if total > i128::from(i64::MAX) + i128::from(negative) {
            return Err(invalid());
        }
        s = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Formats nanoseconds as Go does: `1h0m0s`, `1.5s`, `200ms`, `0s`.
pub fn format(nanos: i64) -> String {
    let negative = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |value: u64, unit: u64, name: &str| {
        let rest = value % unit;
        let digits = unit.ilog10() as usize;
        let tail = format!("{rest:0digits$}");
        let tail = tail.trim_end_matches('0');
        if rest == 0 {
            format!("{}{name}", value / unit)
        } else {
            format!("{}.{tail}{name}", value / unit)
        }
    };
    let text = match n {
        0 => return "0s".to_owned(),
        1..=999 => format!("{n}ns"),
        1_000..=999_999 => fraction(n, 1_000, "µs"),
        1_000_000..=999_999_999 => fraction(n, 1_000_000, "ms"),
        _ => {
            let seconds = fraction(n % 60_000_000_000, 1_000_000_000, "s");
            let minutes = n / 60_000_000_000;
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, m) => format!("{m}m{seconds}"),
                (h, m) => format!("{h}h{m}m{seconds}"),
            }
        }
    };
    format!("{negative}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_texts() {
        assert_eq!(parse("1h2m3.5s"), Ok(3_723_500_000_000));
        assert_eq!(parse("-1.5ms"), Ok(-1_500_000));
        assert_eq!(format(3_600_000_000_000), "1h0m0s");
        assert_eq!(format(1_500_000_000), "1.5s");
        assert_eq!(format(-200_000_000), "-200ms");
        assert_eq!(parse("5"), Err(ParseDurationError::MissingUnit("5".into())));
        assert!(parse("5y").is_err() && parse("").is_err() && parse(".s").is_err());
        assert!(parse("99999999999999999999h").is_err());
    }

    proptest! {
        #[test]
        fn round_trip(n in any::<i64>()) {
            prop_assert_eq!(parse(&format(n)), Ok(n));
        }
    }
}
