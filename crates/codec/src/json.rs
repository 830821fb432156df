//! JSON.

use serde::de::DeserializeSeed as _;
use serde_json::Value;
use serde_json::error::Category;

use crate::tree::{Flag, Notes, Paths, Tree};
use crate::{DecodeError, Decoded};

/// Decodes one document, nested at most 127 deep. Paths are only tracked, in a second pass, when
/// a repeated key was seen.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let mut flag = Flag::default();
    let value = build(bytes, &mut flag)?;
    let mut paths = Paths::default();
    if flag.0 {
        build(bytes, &mut paths)?;
    }
    Ok(Decoded {
        value,
        duplicates: paths.found,
    })
}

/// Decodes one document and forgets about repeated keys.
pub fn decode_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(bytes).map_err(|e| error(bytes, &e))
}

fn build<N: Notes>(bytes: &[u8], notes: &mut N) -> Result<Value, DecodeError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Tree(notes)
        .deserialize(&mut reader)
        .map_err(|e| error(bytes, &e))?;
    reader.end().map_err(|e| error(bytes, &e))?;
    Ok(value)
}

/// Go's words where they are known.
fn error(bytes: &[u8], e: &serde_json::Error) -> DecodeError {
    if e.classify() == Category::Eof {
        return DecodeError::Json("unexpected end of JSON input".to_owned());
    }
    let text = e.to_string();
    let line = bytes
        .split(|b| *b == b'\n')
        .nth(e.line().saturating_sub(1))
        .unwrap_or_default();
    let found = line
        .get(e.column().saturating_sub(1))
        .map(|b| char::from(*b).escape_default().to_string());
    let place = match () {
        () if text.starts_with("expected value") || text.starts_with("expected ident") => {
            "looking for beginning of value"
        }
        () if text.starts_with("trailing characters") => "after top-level value",
        () if text.starts_with("key must be a string") => {
            "looking for beginning of object key string"
        }
        () if text.starts_with("expected `:`") => "after object key",
        () if text.starts_with("expected `,` or `}`") => "after object key:value pair",
        () if text.starts_with("expected `,` or `]`") => "after array element",
        () if text.starts_with("trailing comma") => "looking for beginning of value",
        () if text.starts_with("recursion limit") => {
            return DecodeError::Json("exceeded max depth".to_owned());
        }
        () => return DecodeError::Json(text),
    };
    match found {
        Some(c) => DecodeError::Json(format!("invalid character '{c}' {place}")),
        None => DecodeError::Json(text),
    }
}

/// Compact JSON.
pub fn encode(value: &Value) -> Vec<u8> {
    // A tree of values has no failure to write to memory.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Indented JSON as `?pretty=true` asks for.
pub fn encode_pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn finds_duplicates() {
        let d = decode(br#"{"a":1,"b":{"c":1,"c":2},"l":[{"x":1},{"x":1,"x":2,"x":3}],"a":3}"#)
            .unwrap();
        assert_eq!(d.duplicates, ["b.c", "l[1].x", "a"]);
        assert_eq!(
            d.value,
            json!({"a": 3, "b": {"c": 2}, "l": [{"x": 1}, {"x": 3}]})
        );
        assert!(decode(br#"{"a":1}"#).unwrap().duplicates.is_empty());
    }

    #[test]
    fn errors() {
        let e = |s: &str| decode(s.as_bytes()).unwrap_err().to_string();
        assert_eq!(e("{"), "unexpected end of JSON input");
        assert_eq!(
            e("x"),
            "invalid character 'x' looking for beginning of value"
        );
        assert_eq!(e("{} x"), "invalid character 'x' after top-level value");
        assert_eq!(e("[1 2]"), "invalid character '2' after array element");
        assert_eq!(e(&"[".repeat(100_000)), "exceeded max depth");
    }

    #[test]
    fn numbers() {
        let d =
            decode(b"[9223372036854775807,-9223372036854775808,18446744073709551615,0.1]").unwrap();
        assert_eq!(
            encode(&d.value),
            b"[9223372036854775807,-9223372036854775808,18446744073709551615,0.1]"
        );
        assert!(decode(format!("[1{}]", "0".repeat(100_000)).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:01a\\u \n-.e".to_vec()), 0..60)) {
            if let Ok(d) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&d.value)).unwrap().value, d.value);
            }
        }
    }
}
