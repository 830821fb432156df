//! Evidence and roots as files have them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::kind::{simulated, tpm};
use crate::{Collateral, Evidence, EvidenceTooLarge, Kind, MAX_COLLATERAL, MAX_EVIDENCE};

/// Not a file of evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Above [`MAX_EVIDENCE`].
    #[error(transparent)]
    TooLarge(#[from] EvidenceTooLarge),
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// The kind wasn't given and can't be seen.
    #[error("the kind of the evidence is not recognised; name it")]
    UnknownKind,
    /// A file that names another kind itself.
    #[error("the file holds evidence of kind {found}, not {asked}")]
    OtherKind {
        /// What the file says.
        found: Kind,
        /// What was asked.
        asked: Kind,
    },
}

/// The largest answer with evidence and collateral: base64 makes four of three.
const MAX_ANSWER: usize = (MAX_EVIDENCE + MAX_COLLATERAL) * 2;

/// The parts that matter here of what a control plane answers when it is asked for evidence.
#[derive(Deserialize)]
struct Answer {
    evidence: Evidence,
    #[serde(default)]
    collateral: Collateral,
}

/// The collateral that travelled with evidence in a file, if the file is a control plane's answer.
pub fn read_collateral(file: &[u8]) -> Option<Collateral> {
    if file.len() > MAX_ANSWER {
        return None;
    }
    let answer: Answer = serde_json::from_slice(file).ok()?;
    Some(answer.collateral)
}

/// Reads evidence from a file's content: the body itself, in hexadecimal or in base64, or the JSON of
/// [`Evidence`], alone or in a control plane's answer. Without a `kind`, it is recognised.
pub fn read_evidence(file: &[u8], kind: Option<Kind>) -> Result<Evidence, InputError> {
    // Hexadecimal doubles; line ends and JSON add a little. An answer has collateral as well.
    let most = MAX_EVIDENCE * 2 + MAX_EVIDENCE / 8;
    let answer = file.first() == Some(&b'{') && file.len() <= MAX_ANSWER;
    if !answer && file.len() > most {
        return Err(EvidenceTooLarge(file.len()).into());
    }
    if let Ok(evidence) = serde_json::from_slice::<Evidence>(file) {
        return match kind {
            Some(asked) if asked != evidence.kind => Err(InputError::OtherKind {
                found: evidence.kind,
                asked,
            }),
            _ => Ok(evidence),
        };
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(file) {
        return match kind {
            Some(asked) if asked != answer.evidence.kind => Err(InputError::OtherKind {
                found: answer.evidence.kind,
                asked,
            }),
            _ => Ok(answer.evidence),
        };
    }
    let body = decode(file);
    if body.is_empty() {
        return Err(InputError::Empty);
    }
    let kind = match kind.or_else(|| detect(&body)) {
        Some(kind) => kind,
        None => return Err(InputError::UnknownKind),
    };
    Ok(Evidence::new(kind, body)?)
}

/// Text that is hexadecimal or base64 is decoded; everything else is taken as it is.
fn decode(file: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = file
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let is_text = file
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if !is_text {
        return file.to_vec();
    }
    let hexadecimal = text.strip_prefix(b"0x").unwrap_or(&text);
    hex::decode(hexadecimal)
        .ok()
        .or_else(|| base64(&text))
        .unwrap_or_else(|| file.to_vec())
}

/// Either alphabet, padded or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let indifferent =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|letters| GeneralPurpose::new(letters, indifferent).decode(text).ok())
}

/// The kind that a body looks like. It proves nothing.
pub fn detect(body: &[u8]) -> Option<Kind> {
    if body.starts_with(&simulated::MAGIC) {
        return Some(Kind::Simulated);
    }
    if body.starts_with(&tpm::MAGIC) {
        return Some(Kind::Tpm);
    }
    // A COSE_Sign1 with a short protected header.
    if matches!(
        body,
        [0x84, 0x43 | 0x44, 0xa1, 0x01, ..] | [0xd2, 0x84, 0x43 | 0x44, 0xa1, 0x01, ..]
    ) {
        return Some(Kind::Nitro);
    }
    match body {
        [3..=5, 0, 2 | 3, 0, 0x81, 0, 0, 0, ..] => Some(Kind::Tdx),
        [3..=5, 0, 2 | 3, 0, 0, 0, _, _, ..] if body.len() != 0x4a0 => Some(Kind::Sgx),
        [_, 0, 0, 0, ..] if body.len() == 0x4a0 => Some(Kind::Snp),
        _ => None,
    }
}

/// The fingerprint of a root in a file, for [`crate::Policy::trust_root`]: one certificate or public key, PEM or DER.
pub fn read_root(file: &[u8]) -> Option<[u8; 32]> {
    let mut collateral = Collateral::default();
    collateral.add(file).ok()?;
    match (&collateral.certificates[..], &collateral.public_keys[..]) {
        ([der], []) | ([], [der]) => Some(Sha256::digest(der).into()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn raw_hexadecimal_base64_and_json_are_the_same() {
        let body = [simulated::MAGIC.as_slice(), &[0, 255, 10]].concat();
        let want = Evidence::new(Kind::Simulated, body.clone()).unwrap();
        let hexadecimal = format!("{}\n", hex::encode(&body));
        let base64 = format!("{}\n", STANDARD.encode(&body));
        let for_urls = URL_SAFE_NO_PAD.encode(&body);
        let json = serde_json::to_vec(&want).unwrap();
        let texts = [
            hexadecimal.as_bytes(),
            base64.as_bytes(),
            for_urls.as_bytes(),
        ];
        for file in [&body[..], &json].into_iter().chain(texts) {
            assert_eq!(read_evidence(file, None).unwrap(), want);
            assert_eq!(read_evidence(file, Some(Kind::Simulated)).unwrap(), want);
        }
        assert_eq!(
            read_evidence(&json, Some(Kind::Nitro)),
            Err(InputError::OtherKind {
                found: Kind::Simulated,
                asked: Kind::Nitro
            })
        );
    }

    #[test]
    fn nothing_too_much_or_unknown() {
        assert_eq!(read_evidence(b" \n", None), Err(InputError::Empty));
        assert_eq!(
            read_evidence(&[1, 2, 255], None),
            Err(InputError::UnknownKind)
        );
        let large = vec![0xffu8; MAX_EVIDENCE + 1];
        assert!(matches!(
            read_evidence(&large, Some(Kind::Snp)),
            Err(InputError::TooLarge(_))
        ));
        let large = vec![b'0'; MAX_EVIDENCE * 4];
        assert!(matches!(
            read_evidence(&large, Some(Kind::Snp)),
            Err(InputError::TooLarge(_))
        ));
    }
}
