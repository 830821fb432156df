//! Source text and where errors stand in it.

use std::fmt;

/// One fault of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The character from 0.
    pub offset: u32,
    /// What is wrong.
    pub message: String,
}

/// An expression that does not parse or does not type-check.
///
/// Displayed as upstream does: `ERROR: <input>:1:6: undefined field 'x'`, the line, and a caret below the place.
///
/// upstream: github.com/google/cel-go/common/error.go#Error.ToDisplayString
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    source: String,
    issues: Vec<Issue>,
}

impl std::error::Error for CompileError {}

impl CompileError {
    pub(crate) fn new(source: &str, mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|i| i.offset);
        Self {
            source: source.to_owned(),
            issues,
        }
    }

    /// The faults, in the order of the text.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }
}

/// Longest line that is quoted with an error, in characters.
const MAX_QUOTED: usize = 4096;

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let mut line = 1;
            let mut start = 0;
            for (at, c) in self.source.chars().enumerate() {
                if at >= issue.offset as usize {
                    break;
                }
                if c == '\n' {
                    line += 1;
                    start = at + 1;
                }
            }
            let column = (issue.offset as usize).saturating_sub(start);
            write!(f, "ERROR: <input>:{line}:{}: {}", column + 1, issue.message)?;
            let text: String = self
                .source
                .chars()
                .skip(start)
                .take_while(|c| *c != '\n')
                .take(MAX_QUOTED)
                .map(|c| if c == '\t' { ' ' } else { c })
                .collect();
            if column <= MAX_QUOTED {
                write!(f, "\n | {text}\n | {}^", ".".repeat(column))?;
            }
        }
        Ok(())
    }
}
