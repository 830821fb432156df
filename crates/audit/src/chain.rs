//! The chain that lines form.
//!
//! A line is an event's JSON object with one more member at its end:
//! `,"chain":{"sequence":N,"previous":"<hash of line N-1>","hash":"<hash of this line>"}`. The hash is
//! SHA-256(domain ‖ sequence as 8 bytes, big-endian ‖ previous ‖ the event's bytes without that member). The first line's
//! `previous` is all zeros.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

const DOMAIN: &[u8] = b"k3s-daas/audit/v1\0";
const MEMBER: &[u8] = b",\"chain\":{\"sequence\":";

/// Where a chain is: its last line.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ChainHead {
    /// The last line's number; the first line is 1, and 0 is the empty chain.
    pub sequence: u64,
    /// The last line's hash; zeros for the empty chain.
    pub hash: [u8; 32],
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, hex::encode(self.hash))
    }
}

impl fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no head.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no head of an audit chain: \"<sequence>:<64 hexadecimal digits>\" is needed")]
pub struct ParseHeadError(String);

impl FromStr for ChainHead {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let wrong = || ParseHeadError(text.to_owned());
        let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            sequence: sequence.parse().map_err(|_| wrong())?,
            hash: digest(hash.as_bytes()).ok_or_else(wrong)?,
        })
    }
}

fn digest(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    hex::decode_to_slice(text, &mut out).ok()?;
    // One form only: a hash in capitals would be another line with the same meaning.
    (!text.iter().any(u8::is_ascii_uppercase)).then_some(out)
}

/// What one line says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The line's number.
    pub sequence: u64,
    /// The hash of the line before.
    pub previous: [u8; 32],
    /// The hash that the line claims.
    pub hash: [u8; 32],
}

impl ChainLink {
    /// The head after this line.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        ChainHead {
            sequence: self.sequence,
            hash: self.hash,
        }
    }
}

impl ChainHead {
    /// Appends the line of an event (a JSON object without a line break) to `out` and returns the head after it.
    #[must_use]
    pub(crate) fn append(&self, event: &[u8], out: &mut Vec<u8>) -> ChainHead {
        let sequence = self.sequence + 1;
        let hash = hash(sequence, &self.hash, event);
        out.extend_from_slice(event.strip_suffix(b"}").unwrap_or(event));
        out.extend_from_slice(MEMBER);
        out.extend_from_slice(
            format!(
                "{sequence},\"previous\":\"{}\",\"hash\":\"{}\"}}}}\n",
                hex::encode(self.hash),
                hex::encode(hash)
            )
            .as_bytes(),
        );
        ChainHead { sequence, hash }
    }
}

fn hash(sequence: u64, previous: &[u8; 32], event: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    context.update(&sequence.to_be_bytes());
    context.update(previous);
    context.update(event);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// A line (without its line break) taken apart: the event's bytes and the link. `None` when it has no link of the exact
/// form that [`ChainHead::append`] writes.
pub(crate) fn split(line: &[u8]) -> Option<(Vec<u8>, ChainLink)> {
    let at = line
        .windows(MEMBER.len())
        .rposition(|window| window == MEMBER)?;
    let (event, member) = line.split_at(at);
    let rest = member.get(MEMBER.len()..)?;
    let comma = rest.iter().position(|b| *b == b',')?;
    let (number, rest) = rest.split_at(comma);
    let sequence: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    if sequence.to_string().as_bytes() != number {
        return None;
    }
    let rest = rest.strip_prefix(b",\"previous\":\"")?;
    let previous = digest(rest.get(..64)?)?;
    let rest = rest.get(64..)?.strip_prefix(b"\",\"hash\":\"")?;
    let hash = digest(rest.get(..64)?)?;
    if rest.get(64..)? != b"\"}}" {
        return None;
    }
    let mut event = event.to_vec();
    event.push(b'}');
    Some((
        event,
        ChainLink {
            sequence,
            previous,
            hash,
        },
    ))
}

/// Whether a line's hash is the one it claims.
pub(crate) fn holds(event: &[u8], link: &ChainLink) -> bool {
    hash(link.sequence, &link.previous, event) == link.hash
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_it_was_made() {
        let mut out = Vec::new();
        let first = ChainHead::default().append(b"{\"a\":1}", &mut out);
        let second = first.append(br#"{"b":",\"chain\":{\"sequence\":9"}"#, &mut out);
        let lines: Vec<&[u8]> = out
            .strip_suffix(b"\n")
            .unwrap()
            .split(|b| *b == b'\n')
            .collect();
        let (event, link) = split(lines[1]).unwrap();
        assert_eq!(event, br#"{"b":",\"chain\":{\"sequence\":9"}"#);
        assert_eq!(
            (link.sequence, link.previous, link.head()),
            (2, first.hash, second)
        );
        assert!(holds(&event, &link));
        serde_json::from_slice::<serde_json::Value>(lines[0]).unwrap();
        assert_eq!(second.to_string().parse::<ChainHead>().unwrap(), second);
        assert!("1:ab".parse::<ChainHead>().is_err());
    }

    proptest::proptest! {
        /// No line, however malformed, makes it panic.
        #[test]
        fn any_line_is_harmless(line: Vec<u8>, tail in ",\"chain\":\\{\"sequence\":[0-9]{0,30}.{0,200}") {
            let _ = split(&line);
            let _ = split(tail.as_bytes());
        }
    }
}
