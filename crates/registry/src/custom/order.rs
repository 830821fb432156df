//! The order of versions.

use std::cmp::Ordering;

/// `v1` and so on before betas before alphas, newer ones first; whatever isn't such a version last, by its text.
///
/// upstream: apimachinery/pkg/version/helpers.go#CompareKubeAwareVersionStrings
pub(super) fn newest_first(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// (stability, major, minor)
fn parse(text: &str) -> Option<(u8, u64, u64)> {
    let number = |text: &str| {
        let plain = !text.is_empty() && !text.starts_with('0');
        plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    let rest = text.strip_prefix('v')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (major, rest) = rest.split_at(digits);
    let major = number(major)?;
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = rest
        .strip_prefix("beta")
        .map(|m| (1, m))
        .or_else(|| rest.strip_prefix("alpha").map(|m| (0, m)))?;
    Some((stability, major, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let mut all = [
            "v1alpha1",
            "foo10",
            "v2",
            "v1",
            "v11beta2",
            "v10beta3",
            "v3beta1",
            "foo1",
            "v12alpha1",
            "v10",
        ];
        all.sort_by(|a, b| newest_first(a, b));
        assert_eq!(
            all,
            [
                "v10",
                "v2",
                "v1",
                "v11beta2",
                "v10beta3",
                "v3beta1",
                "v12alpha1",
                "v1alpha1",
                "foo1",
                "foo10"
            ]
        );
    }
}
