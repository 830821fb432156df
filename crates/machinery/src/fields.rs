//! Field selectors: `metadata.name=a,spec.nodeName!=b`.
// upstream: apimachinery/pkg/fields/selector.go

use std::fmt;

/// One comparison of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Field path such as `metadata.name`.
    pub field: String,
    /// Value compared with.
    pub value: String,
    /// Whether equal is wanted, or not equal.
    pub equal: bool,
}

/// A conjunction of comparisons; empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(pub Vec<FieldRequirement>);

/// A text that is no field selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A part that is no comparison.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Term(String, String),
    /// A bad escape.
    #[error("invalid field selector: {0} is not a valid escape sequence")]
    Escape(String),
    /// A bare separator in a value.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(char),
    /// A field that this resource can't be selected by.
    #[error("{}", .0)]
    Label(String),
}

impl FieldSelector {
    /// Parses; a backslash escapes `\`, `,` and `=`.
    // upstream: #ParseSelector
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut out = Vec::new();
        for term in split_terms(text) {
            if term.is_empty() {
                continue;
            }
            let (field, op, value) = split_term(term)
                .ok_or_else(|| ParseError::Term(text.to_owned(), term.to_owned()))?;
            out.push(FieldRequirement {
                field: field.to_owned(),
                value: unescape(value)?,
                equal: op != "!=",
            });
        }
        out.sort_by(|a, b| a.field.cmp(&b.field));
        Ok(Self(out))
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether fields match, given as a lookup (absent fields are the empty text).
    pub fn matches<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0
            .iter()
            .all(|r| (field(&r.field).unwrap_or_default() == r.value) == r.equal)
    }

    /// The value that a field must equal, if it must.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|r| r.equal && r.field == field)
            .map(|r| r.value.as_str())
    }

    /// The first field that isn't among those a resource supports.
    pub fn unsupported(&self, supported: &[&str]) -> Option<&str> {
        self.0
            .iter()
            .map(|r| r.field.as_str())
            .find(|f| !supported.contains(f))
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                out.push(text.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(text.get(start..).unwrap_or_default());
    out
}

fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    for (i, _) in term.char_indices() {
        let rest = term.get(i..)?;
        for op in ["!=", "==", "="] {
            if let Some(value) = rest.strip_prefix(op) {
                return Some((term.get(..i)?, op, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, ParseError> {
    if !value.contains(['\\', ',', '=']) {
        return Ok(value.to_owned());
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(e @ ('\\' | ',' | '=')) => out.push(e),
                Some(e) => return Err(ParseError::Escape(format!("\\{e}"))),
                None => return Err(ParseError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(ParseError::Unescaped(c)),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('=', "\\=")
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(
                f,
                "{comma}{}{}{}",
                r.field,
                if r.equal { "=" } else { "!=" },
                escape(&r.value)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_and_matches() {
        let s = FieldSelector::parse("spec.nodeName!=n,metadata.name==a").unwrap();
        assert_eq!(s.to_string(), "metadata.name=a,spec.nodeName!=n");
        assert!(s.matches(|f| (f == "metadata.name").then_some("a")));
        assert!(!s.matches(|_| Some("n")));
        assert_eq!(s.exact("metadata.name"), Some("a"));
        assert_eq!(s.unsupported(&["metadata.name"]), Some("spec.nodeName"));
        assert_eq!(
            FieldSelector::parse("x").unwrap_err().to_string(),
            "invalid selector: 'x'; can't understand 'x'"
        );
        assert!(FieldSelector::parse("a=b\\x").is_err());
    }

    proptest! {
        #[test]
        fn round_trip(value in "[a-c,=\\\\]{0,8}") {
            let s = FieldSelector(vec![FieldRequirement { field: "f".into(), value, equal: true }]);
            prop_assert_eq!(FieldSelector::parse(&s.to_string()).unwrap(), s);
        }
    }
}
