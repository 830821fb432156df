//! Reading of Kubernetes quantities as integers, rounded up as the kubelet does.
// upstream: apimachinery/pkg/api/resource/quantity.go#ParseQuantity, #Value, #MilliValue

/// The quantity in units of 10⁻⁹, rounded up; `None` when it is malformed or too large.
fn nano(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 30 || fraction.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let nanos: i128 = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        "k" => 10_i128.pow(12),
        "M" => 10_i128.pow(15),
        "G" => 10_i128.pow(18),
        "T" => 10_i128.pow(21),
        "P" => 10_i128.pow(24),
        "E" => 10_i128.pow(27),
        "Ki" => 1_000_000_000 << 10,
        "Mi" => 1_000_000_000 << 20,
        "Gi" => 1_000_000_000 << 30,
        "Ti" => 1_000_000_000 << 40,
        "Pi" => 1_000_000_000 << 50,
        "Ei" => 1_000_000_000 << 60,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_i128.checked_pow(u32::try_from(power.checked_add(9)?).ok()?)?
        }
    };
    let product = digits.checked_mul(nanos)?;
    let value = product.div_euclid(scale) + i128::from(product.rem_euclid(scale) != 0);
    Some(if negative { -value } else { value })
}

fn scaled(text: &str, unit: i128) -> Option<i64> {
    let nano = nano(text)?;
    i64::try_from(nano.div_euclid(unit) + i128::from(nano.rem_euclid(unit) != 0)).ok()
}

/// Whole units, rounded up.
pub(crate) fn value(text: &str) -> Option<i64> {
    scaled(text, 1_000_000_000)
}

/// Thousandths, rounded up.
pub(crate) fn milli(text: &str) -> Option<i64> {
    scaled(text, 1_000_000)
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
            ("-1500m", -1),
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
        for bad in ["", "x", "1x", "1.2.3", "Mi", "1e99999"] {
            assert_eq!(value(bad), None, "{bad}");
        }
    }
}
