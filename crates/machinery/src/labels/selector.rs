//! A selector: all of its requirements.

use std::fmt;

use serde_json::{Map, Value};

use super::{ParseError, Requirement, parser};
use crate::ObjectExt;

/// A conjunction of requirements, ordered by key. Without requirements it selects everything; the
/// selector of nothing is apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Selector {
    /// Selects everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects nothing.
    pub fn nothing() -> Self {
        Self {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// Of requirements.
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key().cmp(b.key()));
        Self {
            requirements,
            nothing: false,
        }
    }

    /// Parses the text form: `a=b,c!=d,e in (f,g),!h,i>3`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parser::parse(text).map(Self::new)
    }

    /// Selects objects that have each of these labels (entries that aren't strings select nothing).
    // upstream: apimachinery/pkg/labels/selector.go#SelectorFromSet
    pub fn from_set(labels: &Map<String, Value>) -> Self {
        let mut requirements = Vec::with_capacity(labels.len());
        for (key, value) in labels {
            match value {
                Value::String(value) => requirements.push(Requirement::equals(key, value)),
                _ => return Self::nothing(),
            }
        }
        Self::new(requirements)
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether it selects nothing by construction.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Its requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether labels match, given as a lookup.
    pub fn matches_with<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(label(r.key())))
    }

    /// Whether a label map matches.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }

    /// Whether an object's labels match.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(object.labels())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            r.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn matches(selector: &str, labels: &Value) -> bool {
        Selector::parse(selector)
            .unwrap()
            .matches(labels.as_object())
    }

    #[test]
    fn matching() {
        let l = json!({"a": "b", "n": "5", "e": ""});
        for yes in [
            "",
            "a=b",
            "a==b",
            "a!=c",
            "z!=c",
            "a in (b,c)",
            "a notin (c)",
            "z notin (c)",
            "a",
            "!z",
            "n>4",
            "n<6",
            "e=",
            "e in ()",
        ] {
            assert!(matches(yes, &l), "{yes}");
        }
        for no in [
            "a=c",
            "a!=b",
            "a in (c)",
            "a notin (b)",
            "!a",
            "z",
            "n>5",
            "a>1",
            "z=",
        ] {
            assert!(!matches(no, &l), "{no}");
        }
        assert!(!Selector::nothing().matches(l.as_object()));
    }

    #[test]
    fn texts() {
        let s = |t: &str| Selector::parse(t).unwrap().to_string();
        assert_eq!(
            s("x in (b, a ,c),y notin(d) , !q, w"),
            "!q,w,x in (a,b,c),y notin (d)"
        );
        assert_eq!(s("a == b"), "a==b");
        assert_eq!(s("in in (notin)"), "in in (notin)");
    }

    #[test]
    fn refusals() {
        let e = |t: &str| Selector::parse(t).unwrap_err().to_string();
        assert_eq!(
            e(",a"),
            "found ',', expected: !, identifier, or 'end of string'"
        );
        assert_eq!(e("a,"), "found '', expected: identifier after ','");
        assert_eq!(
            e("a b"),
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
        );
        assert_eq!(
            e("a in b"),
            "unable to parse requirement: found 'b' expected: '('"
        );
        assert!(e("a=$").starts_with(
            "unable to parse requirement: values[0][a]: Invalid value: \"$\": a valid label"
        ));
        assert!(e("-a").starts_with(
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist"
        ));
        assert!(e("a>x").contains("for 'Gt', 'Lt' operators, the value must be an integer"));
    }

    proptest! {
        #[test]
        fn never_panics_and_round_trips(text in "[a-c!=<>(), innot/.0-9]{0,24}") {
            if let Ok(s) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&s.to_string()).map_err(|e| e.to_string()), Ok(s));
            }
        }
    }
}
