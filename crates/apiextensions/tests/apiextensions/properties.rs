//! Shaping an object twice is shaping it once, and what it gives is what validation sees.

use apiextensions::rules::Cel;
use apiextensions::{Definition, Version};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::definitions::definition;

const NAMES: &[&str] = &["a", "b", "c", "d", "metadata", "kind"];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..15).prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..4).prop_map(|pairs| {
                let map: Map<String, Value> =
                    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                Value::Object(map)
            }),
        ]
    })
}

/// Schemas of any kind, structural and with defaults that fit.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "default": "x"})),
        Just(json!({"type": "string", "nullable": true, "default": "x"})),
        Just(json!({"type": "string", "nullable": true})),
        Just(json!({"type": "integer", "default": 3, "maximum": 9})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"x-kubernetes-preserve-unknown-fields": true})),
        Just(json!({"type": "boolean"})),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            inner
                .clone()
                .prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            (
                prop::collection::vec((prop::sample::select(&NAMES[..4]), inner), 0..4),
                any::<bool>(),
                any::<bool>(),
            )
                .prop_map(|(pairs, preserve, default)| {
                    let properties: Map<String, Value> =
                        pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                    let mut out = json!({"type": "object", "properties": properties});
                    if preserve {
                        out["x-kubernetes-preserve-unknown-fields"] = true.into();
                    }
                    if default {
                        out["default"] = json!({});
                    }
                    out
                }),
        ]
    })
}

fn compile(schema: &Value) -> Version {
    let root = json!({"type": "object", "properties": {"spec": schema}});
    let definition = Definition::parse(&definition(root)).unwrap();
    let version = definition.version("v1").unwrap();
    Version::compile(&definition, version, &Cel)
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "a.b/v1", "kind": "Foo", "metadata": {"name": "x"}, "spec": spec})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn shaping_is_idempotent(schema in schema(), spec in tree()) {
        let version = compile(&schema);
        let mut once = object(spec);
        version.decode(&mut once).unwrap();
        let mut twice = once.clone();
        let unknown = version.decode(&mut twice).unwrap();
        prop_assert!(unknown.is_empty(), "{unknown:?}");
        prop_assert_eq!(&twice, &once);
        // What is stored is read as it was written.
        let mut read = once.clone();
        version.read(&mut read);
        version.default(&mut read);
        read["metadata"].as_object_mut().unwrap().remove("generation");
        prop_assert_eq!(&read, &once);
    }

    #[test]
    fn validation_reads_only_and_forgives_what_was_there(schema in schema(), spec in tree()) {
        let version = compile(&schema);
        let mut made = object(spec);
        version.decode(&mut made).unwrap();
        let before = made.clone();
        let errors = version.validate(&made);
        prop_assert_eq!(&made, &before);
        prop_assert_eq!(errors.clone(), version.validate(&made));
        // An object is a valid change of itself.
        let (errors, _) = version.validate_update(&made, &made);
        prop_assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn any_definition_is_answered(schema in tree()) {
        // Hostile schemas are refused or accepted, and never a panic.
        let mut crd = definition(json!({"type": "object"}));
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] = json!({"x": schema});
        if let Ok(definition) = Definition::parse(&crd) {
            let _ = definition.validate(&Cel);
        }
    }
}
