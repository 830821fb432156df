//! The identity of the code that runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A measurement as the hardware reports it (32 to 64 bytes, by kind), or for kinds with several
/// registers a digest over them. Written in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measurement(Vec<u8>);

/// Not a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a measurement is 32 to 64 bytes, in lower-case hexadecimal, and not all zero")]
pub struct InvalidMeasurement;

impl Measurement {
    /// From bytes. All-zero ones are refused: that is what debug modes report.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidMeasurement> {
        if (32..=64).contains(&bytes.len()) && bytes.iter().any(|b| *b != 0) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(InvalidMeasurement)
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Measurement {
    type Err = InvalidMeasurement;

    fn from_str(text: &str) -> Result<Self, InvalidMeasurement> {
        if text.len() > 128 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidMeasurement);
        }
        Self::from_bytes(&hex::decode(text).map_err(|_| InvalidMeasurement)?)
    }
}

impl Serialize for Measurement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Measurement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
