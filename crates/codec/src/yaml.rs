//! YAML, as the API takes it: one document, JSON's data, YAML 1.1's octal numbers and booleans.
// upstream: sigs.k8s.io/yaml#YAMLToJSON

use serde::de::DeserializeSeed as _;
use serde_json::Value;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};

use crate::tree::{Paths, Tree};
use crate::{DecodeError, Decoded};

/// Most parse events that aliases may replay.
const MAX_REPLAYED: usize = 20_000;

/// Decodes one document.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = MAX_REPLAYED;
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: aliases,
        with_snippet: false,
    };
    let mut paths = Paths::default();
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        Tree(&mut paths).deserialize(reader)
    })
    .map_err(|e| DecodeError::Yaml(e.to_string()))?;
    Ok(Decoded {
        value,
        duplicates: paths.found,
    })
}

/// A tree as YAML.
pub fn encode(value: &Value) -> Result<Vec<u8>, DecodeError> {
    serde_saphyr::to_string(value)
        .map(String::into_bytes)
        .map_err(|e| DecodeError::Yaml(e.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        decode(text.as_bytes()).unwrap().value
    }

    #[test]
    fn manifests() {
        let v = value(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {x: \"1\"}\ndata:\n  k: |\n    two\n    lines\n",
        );
        assert_eq!(
            v,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"k": "two\nlines\n"}})
        );
        assert_eq!(value("defaultMode: 0644"), json!({"defaultMode": 420}));
        assert_eq!(
            value("a: 0.5\nb: 1e3\nc: ~\nd: 2024-01-01\ne: 1.10.0\nf: 0x10"),
            json!({"a": 0.5, "b": 1000.0, "c": null, "d": "2024-01-01", "e": "1.10.0", "f": 16})
        );
        assert_eq!(value("80: x"), json!({"80": "x"}));
        assert_eq!(
            value("{\"a\": [1, true, \"x\"]}"),
            json!({"a": [1, true, "x"]})
        );
    }

    #[test]
    fn duplicates_and_merges() {
        let d = decode(b"a: {b: 1, b: 2}\na2: 1\n").unwrap();
        assert_eq!(
            (d.duplicates, d.value),
            (vec!["a.b".to_owned()], json!({"a": {"b": 2}, "a2": 1}))
        );
        assert_eq!(
            value("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\n"),
            json!({"x": {"a": 1}, "y": {"a": 1, "b": 2}})
        );
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            let refs = vec![format!("*a{}", i - 1); 10].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(decode(bomb.as_bytes()).is_err());
        assert!(decode("[".repeat(100_000).as_bytes()).is_err());
        assert!(decode(b"a: [").is_err());
        assert!(decode(b"\xff").is_err());
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~é\n]{0,12}".prop_map(Value::from),
            prop::sample::select(vec![
                "yes",
                "no",
                "on",
                "0644",
                "1e3",
                "null",
                "~",
                "true",
                "1.5",
                "=",
                "<<",
                "- a",
                "a: b",
                "0x1f",
                "2024-01-01",
                ".inf",
                "y",
                "N"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9 .:-]{1,6}", inner, 0..4)
                    .prop_map(|m| m.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn round_trip(v in tree()) {
            let text = encode(&v).unwrap();
            prop_assert_eq!(decode(&text).map(|d| d.value), Ok(v), "{}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn never_panics(text in "[a-c:{}\\[\\],&*!|>\"' \n#-]{0,50}") {
            let _ = decode(text.as_bytes());
        }
    }
}
