//! Kubernetes quantities as integers, rounded up as the kubelet does.

use machinery::quantity::Quantity;

/// Whole units, rounded up; `None` when it is malformed.
pub(crate) fn value(text: &str) -> Option<i64> {
    Quantity::parse(text).ok().map(|q| q.value())
}

/// Thousandths, rounded up; `None` when it is malformed.
pub(crate) fn milli(text: &str) -> Option<i64> {
    Quantity::parse(text).ok().map(|q| q.milli_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        for (text, expected) in [
            ("128Mi", 134_217_728),
            ("1", 1),
            ("1500m", 2),
            ("0.5Gi", 536_870_912),
            ("1e3", 1_000),
            ("1k", 1_000),
            ("-1500m", -2),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for (text, expected) in [
            ("100m", 100),
            ("1", 1_000),
            ("0.1", 100),
            ("1u", 1),
            ("2.5", 2_500),
        ] {
            assert_eq!(milli(text), Some(expected), "{text}");
        }
        for bad in ["", "x", "1x", "1.2.3"] {
            assert_eq!(value(bad), None, "{bad}");
        }
    }
}
