//! PEM (RFC 7468), strictly: blocks of one of the known labels and white space between them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Certificate,
    PublicKey,
    RevocationList,
}

const LABELS: [(Label, &str, &str); 3] = [
    (
        Label::Certificate,
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
    ),
    (
        Label::PublicKey,
        "-----BEGIN PUBLIC KEY-----",
        "-----END PUBLIC KEY-----",
    ),
    (
        Label::RevocationList,
        "-----BEGIN X509 CRL-----",
        "-----END X509 CRL-----",
    ),
];

/// Every block, at most `most`. `None` when anything else is between them. A final NUL, which Intel's quotes have, is
/// white space here.
pub(crate) fn blocks(text: &[u8], most: usize) -> Option<Vec<(Label, Vec<u8>)>> {
    let text = std::str::from_utf8(text).ok()?;
    let white = |c: char| c.is_ascii_whitespace() || c == '\0';
    let mut rest = text.trim_matches(white);
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        if blocks.len() == most {
            return None;
        }
        let (label, end, body) = LABELS
            .iter()
            .find_map(|(label, begin, end)| Some((*label, *end, rest.strip_prefix(begin)?)))?;
        let (body, after) = body.split_once(end)?;
        let body: String = body.split_ascii_whitespace().collect();
        blocks.push((label, STANDARD.decode(body).ok()?));
        rest = after.trim_start_matches(white);
    }
    Some(blocks)
}

/// A chain of certificates and nothing else.
pub(crate) fn certificates(text: &[u8], most: usize) -> Option<Vec<Vec<u8>>> {
    blocks(text, most)?
        .into_iter()
        .map(|(label, der)| (label == Label::Certificate).then_some(der))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_nothing_else() {
        let one = "-----BEGIN CERTIFICATE-----\nAAAA\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(one.as_bytes(), 1), Some(vec![vec![0; 6]]));
        assert_eq!(
            certificates(format!("{one}\0").as_bytes(), 1).map(|c| c.len()),
            Some(1)
        );
        assert_eq!(certificates(one.repeat(2).as_bytes(), 1), None);
        assert_eq!(certificates(format!("x{one}").as_bytes(), 1), None);
        assert_eq!(
            certificates(one.replace("AAAA", "A!AA").as_bytes(), 1),
            None
        );
        assert_eq!(certificates(one.replace("END", "FIN").as_bytes(), 1), None);
    }
}
