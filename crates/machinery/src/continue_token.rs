//! Continue tokens of paginated lists.
// upstream: apiserver/pkg/storage/continue.go

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{ResourceVersion, Status};

#[derive(Serialize, Deserialize)]
struct Wire {
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

/// Where a list goes on: at which revision, after which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinueToken {
    /// The revision that the list is pinned to; `None` (wire: -1) goes on at the latest.
    pub revision: Option<ResourceVersion>,
    /// The first key of the next page, relative to the list's prefix. [`Self::after`] makes one
    /// of the last key of a page.
    pub start: String,
}

/// A token that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("continue key is not valid: {0}")]
pub struct InvalidContinueToken(String);

impl From<InvalidContinueToken> for Status {
    fn from(e: InvalidContinueToken) -> Self {
        Status::bad_request(format!("invalid continue token: {e}"))
    }
}

impl ContinueToken {
    /// Goes on strictly after `key` (the start is `key` with a zero byte, the next possible key).
    pub fn after(key: &str, revision: Option<ResourceVersion>) -> Self {
        Self {
            revision,
            start: format!("{key}\0"),
        }
    }

    /// Encodes as `base64url({"v":"meta.k8s.io/v1","rv":…,"start":…})` without padding.
    // upstream: #EncodeContinue
    pub fn encode(&self) -> String {
        let rv = self
            .revision
            .map_or(-1, |r| i64::try_from(r.0).unwrap_or(i64::MAX));
        let wire = Wire {
            v: "meta.k8s.io/v1".to_owned(),
            rv,
            start: self.start.clone(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// Decodes and checks one. The start may not leave the list's prefix.
    // upstream: #DecodeContinue
    pub fn decode(token: &str) -> Result<Self, InvalidContinueToken> {
        let trimmed = token.trim_end_matches('=');
        let bytes = URL_SAFE_NO_PAD
            .decode(trimmed)
            .or_else(|_| STANDARD_NO_PAD.decode(trimmed))
            .map_err(|e| InvalidContinueToken(e.to_string()))?;
        let wire: Wire =
            serde_json::from_slice(&bytes).map_err(|e| InvalidContinueToken(e.to_string()))?;
        if wire.v != "meta.k8s.io/v1" {
            return Err(InvalidContinueToken(format!(
                "server does not recognize this encoded version {}",
                crate::go::quote(&wire.v)
            )));
        }
        if wire.rv == 0 {
            return Err(InvalidContinueToken(
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned(),
            ));
        }
        if wire.start.is_empty() {
            return Err(InvalidContinueToken(
                "encoded start key empty (version meta.k8s.io/v1)".to_owned(),
            ));
        }
        let path = format!("/{}", wire.start.trim_start_matches('/'));
        if path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
            || path.contains("//")
        {
            return Err(InvalidContinueToken(wire.start));
        }
        let revision = u64::try_from(wire.rv).ok().map(ResourceVersion);
        Ok(Self {
            revision,
            start: wire.start,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let t = ContinueToken::after("default/web-0", Some(ResourceVersion(42)));
        assert_eq!(ContinueToken::decode(&t.encode()).unwrap(), t);
        let t = ContinueToken::after("a", None);
        assert_eq!(ContinueToken::decode(&t.encode()).unwrap(), t);
        for bad in ["", "!!", "e30", "eyJ2IjoieCJ9"] {
            assert!(ContinueToken::decode(bad).is_err(), "{bad}");
        }
        let escape = ContinueToken {
            revision: Some(ResourceVersion(1)),
            start: "../secrets/x".to_owned(),
        };
        assert!(ContinueToken::decode(&escape.encode()).is_err());
    }
}
