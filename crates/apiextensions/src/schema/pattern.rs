//! A regular expression of a schema.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

/// How large a compiled expression may be, in bytes.
const LIMIT: usize = 1 << 20;

/// A pattern, compiled when it is first used.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    /// Of its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            regex: OnceLock::new(),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Compiled, or why it can't be. Expressions have RE2's syntax, of which this engine's is a superset where it
    /// matters; a compiled one may take 1 MiB.
    pub fn regex(&self) -> Result<&Regex, &str> {
        self.regex
            .get_or_init(|| {
                RegexBuilder::new(&self.text)
                    .size_limit(LIMIT)
                    .build()
                    .map_err(|e| explain(&e))
            })
            .as_ref()
            .map_err(String::as_str)
    }
}

/// The last line of an error says what is wrong; those before it show where.
fn explain(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::new)
    }
}
