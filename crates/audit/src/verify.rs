//! Whether a log is as it was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ChainHead;
use crate::chain::{self, ChainLink};

/// Problems reported of one log; more are counted only.
const MOST: usize = 100;
/// A longer line is not of this log.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Why a log cannot be verified.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be read")]
pub struct VerifyError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "camelCase")]
pub enum Problem {
    /// A line that is no link of a chain.
    NoLink {
        /// File.
        file: String,
        /// Line in it, from 1.
        line: u64,
    },
    /// A line whose bytes are not those that its hash is over.
    Changed {
        /// File.
        file: String,
        /// Line in it, from 1.
        line: u64,
        /// Its number in the chain.
        sequence: u64,
    },
    /// Lines are missing, or lines are not in their order.
    OutOfOrder {
        /// File.
        file: String,
        /// Line in it, from 1.
        line: u64,
        /// The number that had to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A line that follows another line than the one before it.
    NotAfter {
        /// File.
        file: String,
        /// Line in it, from 1.
        line: u64,
        /// Its number in the chain.
        sequence: u64,
    },
    /// The log does not begin with the chain's first line.
    Incomplete {
        /// The number of its first line.
        first: u64,
    },
    /// The last line has no end.
    CutOff {
        /// File.
        file: String,
    },
    /// The log ends before the head that is known from elsewhere.
    Truncated {
        /// The known head's number.
        expected: u64,
        /// The number of the last line.
        found: u64,
    },
    /// The line with the known head's number is another one.
    OtherHead {
        /// The number.
        sequence: u64,
    },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoLink { file, line } => write!(f, "{file}:{line}: not a line of an audit chain"),
            Self::Changed {
                file,
                line,
                sequence,
            } => write!(f, "{file}:{line}: entry {sequence} was changed"),
            Self::OutOfOrder {
                file,
                line,
                expected,
                found,
            } if found > expected => write!(
                f,
                "{file}:{line}: entries {expected} to {} are missing here",
                found - 1
            ),
            Self::OutOfOrder {
                file,
                line,
                expected,
                found,
            } => write!(
                f,
                "{file}:{line}: entry {found} stands where {expected} belongs"
            ),
            Self::NotAfter {
                file,
                line,
                sequence,
            } => write!(
                f,
                "{file}:{line}: entry {sequence} was written after another entry than the one before it"
            ),
            Self::Incomplete { first } => write!(
                f,
                "the log begins with entry {first}: the entries before it are missing"
            ),
            Self::CutOff { file } => write!(f, "{file}: the last line is cut off"),
            Self::Truncated { expected, found } => write!(
                f,
                "the log ends with entry {found}; the known head is entry {expected}: the end was cut off"
            ),
            Self::OtherHead { sequence } => write!(
                f,
                "entry {sequence} is not the known head: the log was written anew"
            ),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Lines read.
    pub lines: u64,
    /// Number of the first one; 0 when there is none.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// The head that the log ends with, `<sequence>:<hash>`.
    pub head: String,
    /// The first hundred problems; none means that the log is as it was written.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.problem_count == 0
    }

    fn add(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < MOST {
            self.problems.push(problem);
        }
    }
}

/// Verifies the files of one log, given oldest first. A log whose oldest files were rotated away begins in the middle of
/// its chain, which `Report::first` says, and which `complete` makes a problem. `expected` is a head known from elsewhere:
/// the log must contain it.
///
/// # Errors
/// When a file cannot be read; what is wrong with what could be read is in the report.
pub fn verify(
    files: &[PathBuf],
    expected: Option<ChainHead>,
    complete: bool,
) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let mut last: Option<ChainLink> = None;
    let mut seen = expected.is_none_or(|e| e.sequence == 0);
    for path in files {
        one(path, expected, &mut report, &mut last, &mut seen).map_err(|source| VerifyError {
            path: path.clone(),
            source,
        })?;
    }
    let head = last.map(|l| l.head()).unwrap_or_default();
    report.last = head.sequence;
    report.head = head.to_string();
    if complete && report.first > 1 {
        report.add(Problem::Incomplete {
            first: report.first,
        });
    }
    if let Some(expected) = expected.filter(|_| !seen) {
        report.add(if expected.sequence > head.sequence {
            Problem::Truncated {
                expected: expected.sequence,
                found: head.sequence,
            }
        } else {
            Problem::OtherHead {
                sequence: expected.sequence,
            }
        });
    }
    Ok(report)
}

fn one(
    path: &Path,
    expected: Option<ChainHead>,
    report: &mut Report,
    last: &mut Option<ChainLink>,
    seen: &mut bool,
) -> io::Result<()> {
    let file = || path.display().to_string();
    let mut reader = BufReader::new(File::open(path)?);
    let (mut line, mut buffer) = (0, Vec::new());
    loop {
        buffer.clear();
        let read = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        line += 1;
        if buffer.pop_if(|b| *b == b'\n').is_none() {
            report.add(Problem::CutOff { file: file() });
        }
        report.lines += 1;
        let Some((event, link)) = chain::split(&buffer) else {
            report.add(Problem::NoLink { file: file(), line });
            continue;
        };
        let sequence = link.sequence;
        let holds = chain::holds(&event, &link);
        if !holds {
            report.add(Problem::Changed {
                file: file(),
                line,
                sequence,
            });
        }
        match last {
            None => report.first = sequence,
            Some(before) if sequence != before.sequence.saturating_add(1) => {
                report.add(Problem::OutOfOrder {
                    file: file(),
                    line,
                    expected: before.sequence.saturating_add(1),
                    found: sequence,
                });
            }
            Some(before) if link.previous != before.hash => {
                report.add(Problem::NotAfter {
                    file: file(),
                    line,
                    sequence,
                });
            }
            Some(_) => {}
        }
        if holds && expected == Some(link.head()) {
            *seen = true;
        }
        *last = Some(link);
    }
}
