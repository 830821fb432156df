//! Texts that cells are made of.

use jiff::Timestamp;
use machinery::labels::{Selector, from_label_selector};
use machinery::{ObjectExt, time};
use serde_json::Value;

use crate::value::Read;

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";
pub(super) const UNSET: &str = "<unset>";

/// `3d4h`, as short as it is long ago.
///
/// upstream: staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go#HumanDuration
pub(super) fn human(seconds: i64) -> String {
    let pair = |big: i64, unit: char, small: i64, sub: char| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{sub}")
        }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..=119 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => pair(hours / 24, 'd', hours % 24, 'h'),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => pair(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// How long ago a timestamp is.
pub(super) fn since(timestamp: &str, now: Timestamp) -> String {
    time::parse(timestamp).map_or_else(
        || UNKNOWN.to_owned(),
        |t| human(now.as_second() - t.as_second()),
    )
}

/// The object's age.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(object.creation_timestamp(), now).into()
}

/// A text, or `<none>`.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() {
        NONE.into()
    } else {
        text.into()
    }
}

/// A number, 0 when absent.
pub(super) fn number(object: &Value, path: &[&str]) -> i64 {
    object.at(path).and_then(Value::as_i64).unwrap_or_default()
}

/// A label selector's text, as `kubectl` shows it.
///
/// upstream: staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go#FormatLabelSelector
pub(super) fn selector(selector: Option<&Value>) -> String {
    match from_label_selector(selector) {
        Ok(selector) if selector.is_everything() => NONE.to_owned(),
        Ok(selector) => selector.to_string(),
        Err(_) => "<error>".to_owned(),
    }
}

/// A map of labels as a selector's text.
pub(super) fn set(labels: Option<&Value>) -> String {
    match labels.and_then(Value::as_object).filter(|m| !m.is_empty()) {
        Some(map) => Selector::from_set(map).to_string(),
        None => NONE.to_owned(),
    }
}

/// Names and images of a pod spec's containers.
pub(super) fn containers(spec: Option<&Value>) -> (String, String) {
    let list = spec.map(|s| s.list("containers")).unwrap_or_default();
    let of = |name: &str| {
        list.iter()
            .map(|c| c.text(name))
            .collect::<Vec<_>>()
            .join(",")
    };
    (of("name"), of("image"))
}

/// Access modes as `RWO,ROX`.
pub(super) fn access_modes(modes: &[Value]) -> String {
    let mut short: Vec<&str> = Vec::new();
    for (mode, text) in [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ] {
        if modes.iter().any(|m| m.as_str() == Some(mode)) {
            short.push(text);
        }
    }
    short.join(",")
}

/// Int-or-percent as text.
pub(super) fn scalar(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (10799, "179m"),
            (10800, "3h"),
            (11000, "3h3m"),
            (8 * 3600, "8h"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (8 * 86400, "8d"),
            (729 * 86400, "729d"),
            (730 * 86400, "2y"),
            (731 * 86400, "2y1d"),
            (8 * 365 * 86400, "8y"),
            (-1, "0s"),
            (-5, "<invalid>"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }
}
