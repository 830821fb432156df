//! The string form of a Seal token, for tools that carry one secret.

use zeroize::Zeroizing;

use crate::{Bytes32, ObjectId, Secret};

/// `K10<CA hash>::node:seal1.<token object id>.<secret>`, as `k3s agent --token` takes it: the CA hash
/// is that of k3s' `K10` tokens (hex SHA-256 of the bytes of `/cacerts`).
#[derive(Clone)]
pub struct SealToken {
    /// SHA-256 of the cluster's CA bundle, by which a client checks the server's `/cacerts`.
    pub ca_hash: Bytes32,
    /// The token object on the chain.
    pub token: ObjectId,
    /// What opens its commitment.
    pub secret: Secret,
}

/// Why a text is not a Seal token. None of the variants repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSealToken {
    /// Longer than any token.
    #[error("longer than a Seal token can be ({} bytes)", SealToken::LENGTH)]
    TooLong,
    /// No `K10` prefix.
    #[error("does not begin with \"K10\": this is not a token with a CA hash")]
    Prefix,
    /// No `::` after the hash.
    #[error("no \"::\" after the CA hash")]
    Separator,
    /// The CA hash isn't 64 hex digits.
    #[error("the CA hash between \"K10\" and \"::\" is not 64 lower-case hexadecimal digits")]
    CaHash,
    /// The user isn't `node`.
    #[error("no \"node:\" after \"::\": a Seal token is for nodes")]
    User,
    /// The secret isn't of kind `seal1`.
    #[error("no \"seal1.\" after \"node:\": this is a k3s token, not a Seal token")]
    Kind,
    /// The object id is missing or malformed.
    #[error("the token object id after \"seal1.\" is not 0x and 64 lower-case hexadecimal digits")]
    TokenId,
    /// The secret is missing or malformed.
    #[error("the secret is not 43 characters of unpadded URL-safe base64")]
    Secret,
}

impl SealToken {
    /// The length of every token.
    pub const LENGTH: usize = "K10".len() + 64 + "::node:seal1.".len() + 66 + ".".len() + 43;

    /// The text, secret included.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(Self::LENGTH));
        text.push_str("K10");
        text.push_str(&self.ca_hash.to_string());
        text.push_str("::node:seal1.");
        text.push_str(&self.token.to_string());
        text.push('.');
        text.push_str(&self.secret.expose());
        text
    }

    /// Reads the text; every part has exactly one spelling.
    pub fn parse(text: &str) -> Result<Self, InvalidSealToken> {
        if text.len() > Self::LENGTH {
            return Err(InvalidSealToken::TooLong);
        }
        let rest = text.strip_prefix("K10").ok_or(InvalidSealToken::Prefix)?;
        let (hash, rest) = rest.split_once("::").ok_or(InvalidSealToken::Separator)?;
        if hash.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidSealToken::CaHash);
        }
        let ca_hash = hash.parse().map_err(|_| InvalidSealToken::CaHash)?;
        let secret = rest.strip_prefix("node:").ok_or(InvalidSealToken::User)?;
        Self::parse_secret(secret).map(|(token, secret)| Self {
            ca_hash,
            token,
            secret,
        })
    }

    /// Reads the part after `node:` alone (`seal1.<id>.<secret>`), as it arrives in Basic authentication.
    pub fn parse_secret(text: &str) -> Result<(ObjectId, Secret), InvalidSealToken> {
        let rest = text.strip_prefix("seal1.").ok_or(InvalidSealToken::Kind)?;
        let (id, secret) = rest.split_once('.').ok_or(InvalidSealToken::Secret)?;
        let id = id.parse().map_err(|_| InvalidSealToken::TokenId)?;
        let secret = Secret::parse(secret).map_err(|_| InvalidSealToken::Secret)?;
        Ok((id, secret))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> SealToken {
        SealToken {
            ca_hash: Bytes32([0xca; 32]),
            token: ObjectId([0x11; 32]),
            secret: Secret::generate(),
        }
    }

    #[test]
    fn round_trip() {
        let token = token();
        let text = token.expose();
        assert_eq!(text.len(), SealToken::LENGTH);
        let read = SealToken::parse(&text).unwrap();
        assert_eq!((read.ca_hash, read.token), (token.ca_hash, token.token));
        assert!(read.secret == token.secret);
    }

    #[test]
    fn each_fault_has_its_error() {
        use InvalidSealToken as E;
        let good = token().expose();
        let err = |text: &str| SealToken::parse(text).err().unwrap();
        assert_eq!(err(&format!("{}x", *good)), E::TooLong);
        assert_eq!(err(""), E::Prefix);
        assert_eq!(err("K10ab"), E::Separator);
        assert_eq!(err("K10ab::node:x"), E::CaHash);
        assert_eq!(err(&good.replace("K10ca", "K10CA")), E::CaHash);
        assert_eq!(err(&good.replace("::node:", "::server:")[..100]), E::User);
        assert_eq!(err(&good.replace("seal1.", "other.")), E::Kind);
        assert_eq!(err(&good.replace("0x11", "0011")), E::TokenId);
        assert_eq!(err(&good[..good.len() - 1]), E::Secret);
        assert_eq!(err(&good[..good.len() - 44]), E::Secret);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn parsing_never_panics_and_only_accepts_what_it_prints(
            at in 0usize..SealToken::LENGTH, with in any::<char>()
        ) {
            let good = token().expose();
            let text: String = good.chars().enumerate().map(|(i, c)| if i == at { with } else { c }).collect();
            if let Ok(read) = SealToken::parse(&text) {
                prop_assert_eq!(&*read.expose(), &text);
            }
        }
    }
}
