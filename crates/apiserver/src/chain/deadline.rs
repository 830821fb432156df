//! How long a request may take.

use std::time::Duration;

use machinery::Status;
use machinery::options::Query;

/// The client's `timeout`, not longer than the server's.
// upstream: apiserver/pkg/endpoints/filters/request_deadline.go#withRequestDeadline
pub(super) fn of(query: &Query, most: Duration) -> Result<Duration, Status> {
    let Some(asked) = query.get("timeout").filter(|t| !t.is_empty()) else {
        return Ok(most);
    };
    let invalid = || {
        Status::bad_request(format!(
            "invalid timeout specified in the request URL - time: invalid duration {}",
            machinery::go::quote(asked)
        ))
    };
    let duration = go_duration(asked).ok_or_else(invalid)?;
    Ok(if duration.is_zero() {
        most
    } else {
        duration.min(most)
    })
}

/// Go's `time.ParseDuration` for what is not negative.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match rest.get(..unit)? {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(go_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(go_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(go_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(go_duration("0"), Some(Duration::ZERO));
        for bad in ["5", "-1s", "s", "1x", "1e9999s"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
