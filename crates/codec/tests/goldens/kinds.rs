//! Objects of every kind, filled at random: JSON and YAML and protobuf turn into each other.

use codec::{json, protobuf, yaml};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use schema::{Field, Shape, Type};
use serde_json::{Map, Value, json};

/// Draws from proptest's randomness, so that a failure's seed repeats it.
struct Draw(TestRng);

impl Draw {
    fn below(&mut self, n: u32) -> u32 {
        self.0.next_u32() % n
    }

    fn word(&mut self) -> String {
        const LETTERS: &[char] = &[
            'a', 'b', 'z', '-', '.', '/', 'ä', '😀', '"', '\\', '\n', ' ', ':', '#', '0',
        ];
        let length = 1 + self.below(6);
        let word: String = (0..length)
            .map(|_| LETTERS[self.below(LETTERS.len() as u32) as usize])
            .collect();
        format!("w{word}")
    }

    /// A value that is not its type's zero, which protobuf would leave out.
    fn value(&mut self, shape: &Shape, depth: u32) -> Option<Value> {
        Some(match shape {
            Shape::String => self.word().into(),
            Shape::Bytes => "aGVsbG8=".into(),
            Shape::Bool => true.into(),
            Shape::Int32 => (i64::from(self.below(u32::MAX) as i32) | 1).into(),
            Shape::Int64 => ((self.0.next_u64() as i64) | 1).into(),
            Shape::Double => (f64::from(self.below(1000)) + 0.5).into(),
            Shape::Quantity => ["1", "100m", "2Gi", "1500M", "3e6"][self.below(5) as usize].into(),
            Shape::IntOrString if self.below(2) == 0 => (1 + self.below(1000)).into(),
            Shape::IntOrString => "25%".into(),
            Shape::Time => "2024-02-29T23:59:59Z".into(),
            Shape::MicroTime => "2024-02-29T23:59:59.000007Z".into(),
            Shape::Duration => "1h30m0s".into(),
            Shape::FieldsV1 => json!({"f:a": {"f:b": {}}}),
            Shape::Raw => json!({"kind": "X", "apiVersion": "v1", "a": [1, "b"]}),
            Shape::List(of) => {
                let count = 1 + self.below(2);
                let items: Option<Vec<Value>> =
                    (0..count).map(|_| self.value(of, depth + 1)).collect();
                items?.into()
            }
            Shape::Map(of) => {
                let mut map = Map::new();
                for _ in 0..=self.below(2) {
                    map.insert(self.word(), self.value(of, depth + 1)?);
                }
                map.sort_keys();
                map.into()
            }
            Shape::Struct(id) if depth < 6 => {
                let map = self.object(id.get()?, depth + 1);
                (!map.is_empty()).then_some(map)?.into()
            }
            // Custom resource definitions' own schemas have forms that only JSON has.
            _ => return None,
        })
    }

    fn object(&mut self, ty: &'static Type, depth: u32) -> Map<String, Value> {
        let mut map = Map::new();
        for field in ty.fields.iter().filter(|f| f.tag != 0) {
            if (depth < 3 || self.below(3) == 0 || field.has(Field::REQUIRED))
                && let Some(value) = self.value(&field.shape, depth)
            {
                map.insert(field.name.to_owned(), value);
            }
        }
        map
    }
}

/// Whether everything in `part` is in `whole` too: decoding adds what is always written.
fn within(part: &Value, whole: &Value, path: &str) -> Result<(), String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().try_for_each(|(k, v)| {
            within(
                v,
                whole.get(k).unwrap_or(&Value::Null),
                &format!("{path}.{k}"),
            )
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => part
            .iter()
            .zip(whole)
            .enumerate()
            .try_for_each(|(i, (a, b))| within(a, b, &format!("{path}[{i}]"))),
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("{path}: {a} became {b}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_kind_round_trips(seed: u64) {
        let mut draw = Draw(TestRng::from_seed(RngAlgorithm::XorShift, &[seed.to_le_bytes(), (!seed).to_le_bytes()].concat()));
        let mut count = 0;
        for ty in schema::types().filter(|t| t.fields.iter().any(|f| f.name == "apiVersion")) {
            for kind in ty.kinds.iter().take(1) {
                // A list's items and a definition's schema are raw or have forms of their own.
                let api_version = if kind.group.is_empty() { kind.version.to_owned() } else { format!("{}/{}", kind.group, kind.version) };
                let mut object = Map::new();
                object.insert("kind".to_owned(), kind.kind.into());
                object.insert("apiVersion".to_owned(), api_version.into());
                object.extend(draw.object(ty, 0));
                let object = Value::Object(object);
                let what = |e: String| format!("{} (seed {seed}): {e}", ty.name);

                prop_assert_eq!(&json::decode(&json::encode(&object)).unwrap().value, &object);
                let text = yaml::encode(&object).unwrap();
                prop_assert_eq!(&yaml::decode(&text).unwrap().value, &object, "{}", what(String::from_utf8_lossy(&text).into_owned()));

                let bytes = match protobuf::encode(&object) {
                    Ok(bytes) => bytes,
                    Err(e) => { prop_assert!(false, "{}", what(e.to_string())); continue }
                };
                let back = protobuf::decode(&bytes, None).unwrap();
                let kept = within(&object, &back, "");
                prop_assert!(kept.is_ok(), "{}", what(kept.unwrap_err()));
                prop_assert_eq!(protobuf::encode(&back).unwrap(), bytes, "{}", ty.name);
                count += 1;
            }
        }
        prop_assert!(count > 150, "{count}");
    }
}
