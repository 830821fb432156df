//! `intstr.IntOrString`.
// upstream: apimachinery/pkg/util/intstr/intstr.go

use std::fmt;

use serde_json::Value;

/// An int32 or a string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IntOrString {
    /// Number.
    Int(i32),
    /// Text, e.g. a port's name or a percentage.
    String(String),
}

/// A text that is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for IntOrString: {0}")]
pub struct PercentError(String);

impl IntOrString {
    /// Reads a JSON number within int32, or a string.
    pub fn from_value(v: &Value) -> Option<Self> {
        match v {
            Value::String(s) => Some(Self::String(s.clone())),
            Value::Number(n) => n
                .as_i64()
                .and_then(|i| i32::try_from(i).ok())
                .map(Self::Int),
            _ => None,
        }
    }

    /// The JSON form.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Int(i) => (*i).into(),
            Self::String(s) => s.clone().into(),
        }
    }

    /// The number, or the text parsed as one (0 if it isn't).
    // upstream: #IntOrString.IntValue
    pub fn int_value(&self) -> i32 {
        match self {
            Self::Int(i) => *i,
            Self::String(s) => s.parse().unwrap_or(0),
        }
    }

    /// The percentage `25%` as 25.
    pub fn percent(&self) -> Option<i32> {
        match self {
            Self::String(s) => s.strip_suffix('%').and_then(|n| n.parse().ok()),
            Self::Int(_) => None,
        }
    }

    /// The number, or the percentage of `total`, rounded up or down.
    // upstream: #GetScaledValueFromIntOrPercent
    pub fn scaled(&self, total: i32, round_up: bool) -> Result<i32, PercentError> {
        match self {
            Self::Int(i) => Ok(*i),
            Self::String(s) => {
                let percent = match s.strip_suffix('%') {
                    Some(n) => n.parse::<i32>().map_err(|_| {
                        PercentError(format!(
                            "invalid value {}: strconv.Atoi: parsing {}: invalid syntax",
                            crate::go::quote(s),
                            crate::go::quote(n)
                        ))
                    })?,
                    None => {
                        return Err(PercentError(
                            "invalid type: string is not a percentage".to_owned(),
                        ));
                    }
                };
                let scaled = i64::from(percent) * i64::from(total);
                let value = if round_up {
                    scaled.div_euclid(100) + i64::from(scaled.rem_euclid(100) > 0)
                } else {
                    scaled.div_euclid(100)
                };
                Ok(i32::try_from(value).unwrap_or(i32::MAX))
            }
        }
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(i) => i.fmt(f),
            Self::String(s) => f.write_str(s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        let p = |s: &str| IntOrString::String(s.to_owned());
        assert_eq!(p("25%").scaled(10, true), Ok(3));
        assert_eq!(p("25%").scaled(10, false), Ok(2));
        assert_eq!(IntOrString::Int(4).scaled(10, false), Ok(4));
        assert!(p("x").scaled(1, true).is_err());
        assert!(p("x%").scaled(1, true).is_err());
    }
}
