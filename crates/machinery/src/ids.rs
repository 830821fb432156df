//! Identifiers of objects and their versions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An object's UID: a random (version 4) UUID in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub String);

impl Uid {
    /// A new random UID.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource version: the store's revision in decimal. 0 stands for "unset" or "any".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceVersion(pub u64);

/// A text that isn't a resource version.
// upstream: apiserver/pkg/storage/api_object_versioner.go#ParseResourceVersion
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.ParseUint: parsing {}: invalid syntax", crate::go::quote(.0))]
pub struct ParseResourceVersionError(pub String);

impl ResourceVersion {
    /// Parses decimal text; the empty text is 0.
    pub fn parse(s: &str) -> Result<Self, ParseResourceVersionError> {
        if s.is_empty() {
            return Ok(Self(0));
        }
        if !s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseResourceVersionError(s.to_owned()));
        }
        s.parse()
            .map(Self)
            .map_err(|_| ParseResourceVersionError(s.to_owned()))
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
