//! Quantities: fixed-point numbers with a suffix (`500m`, `1Gi`, `1e3`).
// upstream: apimachinery/pkg/api/resource/quantity.go, suffix.go

use std::cmp::Ordering;
use std::fmt;

/// How a quantity was written, and is written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Powers of ten by letter.
    #[default]
    DecimalSi,
    /// Powers of 1024 by letter.
    BinarySi,
    /// Powers of ten by number.
    DecimalExponent,
}

/// Why a text is no quantity, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Malformed.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number can't be held.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// Unknown suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
const BINARY_MAX: i128 = i64::MAX as i128 * NANO;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// A quantity, exact to 10⁻⁹. Ordered and equal by value; the format only matters to its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

impl Quantity {
    /// Of a whole number.
    pub fn from_int(value: i64, format: Format) -> Self {
        Self {
            nano: i128::from(value) * NANO,
            format,
        }
    }

    /// Of thousandths.
    pub fn from_milli(value: i64, format: Format) -> Self {
        Self {
            nano: i128::from(value) * (NANO / 1000),
            format,
        }
    }

    /// Parses. What is finer than 10⁻⁹ is rounded away from zero; binary amounts are capped at
    /// 2⁶³-1. Magnitudes of 10²⁹ and more are refused.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let (negative, body) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut rest) = body.split_at(digits(body));
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = after.split_at(digits(after));
        }
        let letters = rest
            .bytes()
            .take_while(|b| b"eEinumkKMGTP".contains(b))
            .count();
        let tail = rest.get(letters..).unwrap_or_default();
        let tail = tail.strip_prefix(['+', '-']).unwrap_or(tail);
        if !tail.bytes().all(|b| b.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let (mut format, decimal, binary) = suffix(rest)?;
        let magnitude = scaled(whole, fraction, decimal, binary)?;
        let mut nano = magnitude;
        if format == Format::BinarySi {
            nano = nano.min(BINARY_MAX);
            if nano > 0 && nano < NANO {
                format = Format::DecimalSi;
            }
        }
        Ok(Self {
            nano: if negative { -nano } else { nano },
            format,
        })
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match self.nano.cmp(&0) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }
    }

    /// The value, rounded away from zero, capped to 64 bits.
    // upstream: #Quantity.Value
    pub fn value(&self) -> i64 {
        round(self.nano, NANO)
    }

    /// The value in thousandths, rounded away from zero, capped to 64 bits.
    // upstream: #Quantity.MilliValue
    pub fn milli_value(&self) -> i64 {
        round(self.nano, NANO / 1000)
    }

    /// The value if it is whole and fits.
    pub fn as_int(&self) -> Option<i64> {
        if self.nano % NANO == 0 {
            i64::try_from(self.nano / NANO).ok()
        } else {
            None
        }
    }

    /// Whether it has nothing finer than thousandths.
    pub fn is_milli_exact(&self) -> bool {
        self.nano % (NANO / 1000) == 0
    }

    /// As a floating-point number.
    pub fn as_f64(&self) -> f64 {
        self.nano as f64 / NANO as f64
    }
}

fn round(nano: i128, unit: i128) -> i64 {
    let up = nano / unit + (nano % unit).signum();
    i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
}

/// Format, power of ten and power of two of a suffix.
fn suffix(text: &str) -> Result<(Format, i32, u32), QuantityError> {
    if let Some((_, power)) = DECIMAL.iter().find(|(s, _)| *s == text) {
        return Ok((Format::DecimalSi, *power, 0));
    }
    if let Some(i) = BINARY.iter().position(|s| *s == text) {
        return Ok((Format::BinarySi, 0, 10 * i as u32));
    }
    match text.strip_prefix(['e', 'E']) {
        Some(number) if number.bytes().any(|b| b.is_ascii_digit()) => number
            .parse()
            .map(|power| (Format::DecimalExponent, power, 0))
            .map_err(|_| QuantityError::Suffix),
        _ => Err(QuantityError::Suffix),
    }
}

/// `whole.fraction × 10^decimal × 2^binary` in 10⁻⁹, rounded up.
fn scaled(whole: &str, fraction: &str, decimal: i32, binary: u32) -> Result<i128, QuantityError> {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 38 {
        return Err(QuantityError::Numeric);
    }
    // Digits that are finer than any result only make it round up.
    let kept = fraction
        .get(..fraction.len().min(38 - whole.len().min(38)))
        .unwrap_or_default();
    let mut inexact = kept.len() < fraction.len();
    let mut value: i128 = 0;
    for b in whole.bytes().chain(kept.bytes()) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i128::from(b - b'0')))
            .ok_or(QuantityError::Numeric)?;
    }
    if value == 0 {
        return Ok(i128::from(inexact));
    }
    let mut power = i64::from(decimal) + 9 - kept.len() as i64;
    // Powers of two first while there is room, so that nothing is lost by dividing.
    let mut twos = binary;
    while twos > 0 {
        match value.checked_mul(2) {
            Some(v) => value = v,
            None if power < 0 => {
                inexact |= value % 10 != 0;
                value /= 10;
                power += 1;
                continue;
            }
            // Far beyond what a binary quantity is capped at.
            None => return Ok(BINARY_MAX),
        }
        twos -= 1;
    }
    while power > 0 {
        value = match value.checked_mul(10) {
            Some(v) => v,
            None if binary > 0 => return Ok(BINARY_MAX),
            None => return Err(QuantityError::Numeric),
        };
        power -= 1;
    }
    while power < 0 && value > 0 {
        inexact |= value % 10 != 0;
        value /= 10;
        power += 1;
    }
    value
        .checked_add(i128::from(inexact))
        .ok_or(QuantityError::Numeric)
}

impl fmt::Display for Quantity {
    // upstream: #Quantity.CanonicalizeBytes
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        let whole = self.nano / NANO;
        if self.format == Format::BinarySi && self.nano % NANO == 0 && whole.abs() >= 1024 {
            let (mut value, mut i) = (whole, 0);
            while value % 1024 == 0 && i + 1 < BINARY.len() {
                value /= 1024;
                i += 1;
            }
            return write!(f, "{value}{}", BINARY.get(i).unwrap_or(&""));
        }
        let (mut value, mut power) = (self.nano, -9_i32);
        while value % 10 == 0 {
            value /= 10;
            power += 1;
        }
        while power.rem_euclid(3) != 0 {
            value *= 10;
            power -= 1;
        }
        match DECIMAL.iter().find(|(_, p)| *p == power) {
            Some((letter, _)) if self.format != Format::DecimalExponent => {
                write!(f, "{value}{letter}")
            }
            _ if power == 0 => write!(f, "{value}"),
            _ => write!(f, "{value}e{power}"),
        }
    }
}

/// The sum; a zero takes the other's format.
// upstream: #Quantity.Add
impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        Self {
            nano: self.nano.saturating_add(other.nano),
            format,
        }
    }
}

/// The difference; a zero takes the other's format.
// upstream: #Quantity.Sub
impl std::ops::Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        Self {
            nano: self.nano.saturating_sub(other.nano),
            format,
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(s: &str) -> Result<Self, QuantityError> {
        Self::parse(s)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(s: &str) -> String {
        Quantity::parse(s).map_or_else(|e| format!("{e:?}"), |q| q.to_string())
    }

    #[test]
    fn canonical_forms() {
        for (text, want) in [
            ("0", "0"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("1500Mi", "1500Mi"),
            ("1023Ki", "1023Ki"),
            ("1Ki", "1Ki"),
            ("512", "512"),
            ("1024", "1024"),
            ("1e3", "1e3"),
            ("1500e3", "1500e3"),
            ("1E3", "1e3"),
            ("1E", "1E"),
            ("12E", "12E"),
            ("1.1", "1100m"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1.5Gi", "1536Mi"),
            ("0.5Mi", "512Ki"),
            ("0.5Ki", "512"),
            ("0.3Ki", "307200m"),
            ("-1.5", "-1500m"),
            ("+5k", "5k"),
            ("100k", "100k"),
            ("123456789", "123456789"),
            ("8Ei", "9223372036854775807"),
            ("0.000001Ki", "1024u"),
            ("1e-3", "1e-3"),
            ("00012", "12"),
            ("m", "0"),
            ("1000000k", "1G"),
            ("", "Format"),
            ("abc", "Format"),
            ("1.2.3", "Format"),
            ("1 ", "Format"),
            ("1x", "Format"),
            ("1mm", "Suffix"),
            ("1e", "Suffix"),
            ("1Kii", "Suffix"),
            ("--1", "Suffix"),
            ("1e99999999999", "Suffix"),
            ("1e300", "Numeric"),
        ] {
            assert_eq!(canonical(text), want, "{text}");
        }
        assert_eq!(canonical(&"9".repeat(1000)), "Numeric");
        assert_eq!(canonical(&format!("0.{}1", "0".repeat(1000))), "1n");
    }

    #[test]
    fn rounding_and_sums() {
        let q = |s: &str| Quantity::parse(s).unwrap();
        assert_eq!(
            (
                q("1500m").value(),
                q("-1500m").value(),
                q("1.0001").milli_value()
            ),
            (2, -2, 1001)
        );
        assert_eq!((q("1Gi") + q("512Mi")).to_string(), "1536Mi");
        assert_eq!((q("1") - q("250m")).to_string(), "750m");
        assert!(q("1Gi") > q("1G") && q("1000m") == q("1"));
        assert_eq!(q("1.5").as_int(), None);
    }

    proptest! {
        #[test]
        fn canonical_text_parses_to_itself(text in "[-+]?[0-9]{1,9}(\\.[0-9]{0,12})?(n|u|m||k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]|e-[0-9])") {
            let q = Quantity::parse(&text).unwrap();
            let again = Quantity::parse(&q.to_string()).unwrap();
            prop_assert_eq!(q, again);
            prop_assert_eq!(q.to_string(), again.to_string());
        }

        #[test]
        fn never_panics(text in "[-+0-9.eEinumkKMGTP]{0,60}") {
            if let Ok(q) = Quantity::parse(&text) {
                let _ = (q.to_string(), q.value(), q.milli_value(), q + q, q - q);
            }
        }
    }
}
