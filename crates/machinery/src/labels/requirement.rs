//! One requirement of a selector.

use std::fmt;

use crate::field::{Error, ErrorList, Path};
use crate::validation::{is_label_value, is_qualified_name};

/// How a requirement compares.
// upstream: apimachinery/pkg/selection/operator.go
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `!key`.
    DoesNotExist,
    /// `key=v`.
    Equals,
    /// `key==v`.
    DoubleEquals,
    /// `key in (v, w)`.
    In,
    /// `key!=v`.
    NotEquals,
    /// `key notin (v, w)`.
    NotIn,
    /// `key`.
    Exists,
    /// `key>v`.
    GreaterThan,
    /// `key<v`.
    LessThan,
}

/// One comparison of a label's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
    number: Option<i64>,
}

impl Requirement {
    /// Validates and makes one; values become sorted and unique.
    // upstream: apimachinery/pkg/labels/selector.go#NewRequirement
    pub fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Self, ErrorList> {
        use Operator::{
            DoesNotExist, DoubleEquals, Equals, Exists, GreaterThan, In, LessThan, NotEquals, NotIn,
        };
        let mut errors = ErrorList::new();
        errors.extend(check_key(key).err().map(|e| *e));
        let path = Path::new("values");
        match operator {
            In | NotIn => {
                if values.is_empty() {
                    let text = "for 'in', 'notin' operators, values set can't be empty";
                    errors.push(Error::invalid(&path, values.clone(), text));
                }
            }
            Equals | DoubleEquals | NotEquals => {
                if values.len() != 1 {
                    let text = "exact-match compatibility requires one single value";
                    errors.push(Error::invalid(&path, values.clone(), text));
                }
            }
            Exists | DoesNotExist => {
                if !values.is_empty() {
                    let text = "values set must be empty for exists and does not exist";
                    errors.push(Error::invalid(&path, values.clone(), text));
                }
            }
            GreaterThan | LessThan => {
                if values.len() != 1 {
                    let text = "for 'Gt', 'Lt' operators, exactly one value is required";
                    errors.push(Error::invalid(&path, values.clone(), text));
                }
                for (i, v) in values.iter().enumerate() {
                    if v.parse::<i64>().is_err() {
                        let text = "for 'Gt', 'Lt' operators, the value must be an integer";
                        errors.push(Error::invalid(&path.index(i), v.as_str(), text));
                    }
                }
            }
        }
        for (i, v) in values.iter().enumerate() {
            let problems = is_label_value(v);
            if !problems.is_empty() {
                errors.push(Error::invalid(
                    &path.index(i).key(key),
                    v.as_str(),
                    problems.join("; "),
                ));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        values.sort();
        values.dedup();
        let number = match operator {
            GreaterThan | LessThan => values.first().and_then(|v| v.parse().ok()),
            _ => None,
        };
        Ok(Self {
            key: key.to_owned(),
            operator,
            values,
            number,
        })
    }

    /// `key=value`, unchecked.
    pub fn equals(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            operator: Operator::Equals,
            values: vec![value.to_owned()],
            number: None,
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label's value (or its absence) matches.
    // upstream: apimachinery/pkg/labels/selector.go#Requirement.Matches
    pub fn matches(&self, label: Option<&str>) -> bool {
        let among = |v: &str| self.values.iter().any(|w| w == v);
        match (self.operator, label) {
            (Operator::In | Operator::Equals | Operator::DoubleEquals, v) => v.is_some_and(among),
            (Operator::NotIn | Operator::NotEquals, v) => !v.is_some_and(among),
            (Operator::Exists, v) => v.is_some(),
            (Operator::DoesNotExist, v) => v.is_none(),
            (Operator::GreaterThan, v) => self.number_of(v).is_some_and(|(l, r)| l > r),
            (Operator::LessThan, v) => self.number_of(v).is_some_and(|(l, r)| l < r),
        }
    }

    fn number_of(&self, label: Option<&str>) -> Option<(i64, i64)> {
        Some((label?.parse().ok()?, self.number?))
    }
}

/// Checks a label's key as upstream's parser does.
pub(super) fn check_key(key: &str) -> Result<(), Box<Error>> {
    let problems = is_qualified_name(key);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Box::new(Error::invalid(
            &Path::root(),
            key,
            problems.join("; "),
        )))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = self.values.join(",");
        match self.operator {
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Exists => f.write_str(key),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
