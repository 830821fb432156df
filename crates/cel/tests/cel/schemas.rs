//! Values by their schemas.

use cel::{Bindings, CostBudget, Env, RUNTIME_BUDGET, Schema, Type, Value};
use serde_json::{Value as Json, json};

fn check(
    schema: &Json,
    value: &Json,
    old: Option<&Json>,
    expression: &str,
) -> Result<bool, String> {
    let schema = Schema::structural(schema, false).unwrap();
    let env = Env::kubernetes()
        .variable("self", schema.cel_type())
        .variable("oldSelf", schema.cel_type());
    let program = env.compile(expression).map_err(|e| e.to_string())?;
    let mut bindings = Bindings::new().with("self", Value::typed(value, &schema));
    if let Some(old) = old {
        bindings = bindings.with("oldSelf", Value::typed(old, &schema));
    }
    let result = program.evaluate(&bindings, &mut CostBudget::new(RUNTIME_BUDGET));
    result
        .map_err(|e| e.to_string())
        .map(|v| v.as_bool().unwrap())
}

#[test]
fn formats_are_typed() {
    let schema = json!({"type": "object", "properties": {
        "at": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "for": {"type": "string", "format": "duration"},
        "data": {"type": "string", "format": "byte"},
        "port": {"x-kubernetes-int-or-string": true},
        "ratio": {"type": "number"},
        "maybe": {"type": "string", "nullable": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let value = json!({
        "at": "2024-01-01T00:00:00Z", "day": "2024-01-02", "for": "90s", "data": "aGk=", "port": "80%",
        "ratio": 2, "maybe": null, "labels": {"a.b/c": "d"}, "extra": {"x": 1},
    });
    for expression in [
        "self.at + duration('24h') == self.day",
        "self.__for__ == duration('1m30s')",
        "self.for.getSeconds() == 90",
        "self.data == b'hi'",
        "type(self.port) == string && self.port.endsWith('%')",
        "type(self.port) == int ? self.port > 1 : true",
        "self.ratio == 2.0",
        "self.maybe == null",
        "self.labels['a.b/c'] == 'd' && self.labels.all(k, k != '')",
        "self.labels.size() == 1",
        "has(self.at) && !has(self.labels.x)",
        "self == self",
    ] {
        let result = check(&schema, &value, None, expression);
        if expression.contains("maybe") {
            // A string is not nullable to the checker, as upstream.
            assert!(result.is_err(), "{expression}");
            continue;
        }
        assert_eq!(result, Ok(true), "{expression}");
    }
    let wrong = json!({"at": "yesterday"});
    assert_eq!(
        check(&schema, &wrong, None, "self.at > timestamp(0)"),
        Err("Invalid timestamp formatted string yesterday".into())
    );
}

#[test]
fn sets_and_map_lists_have_no_order() {
    let set =
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    let old = json!(["a", "b"]);
    assert_eq!(
        check(&set, &json!(["b", "a"]), Some(&old), "self == oldSelf"),
        Ok(true)
    );
    assert_eq!(
        check(
            &set,
            &json!(["b", "c"]),
            Some(&old),
            "(self + oldSelf).size() == 3"
        ),
        Ok(true)
    );
    let map = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "v": {"type": "integer"}}}});
    let old = json!([{"name": "a", "v": 1}, {"name": "b", "v": 2}]);
    let new = json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]);
    assert_eq!(check(&map, &new, Some(&old), "self == oldSelf"), Ok(true));
    let changed = json!([{"name": "b", "v": 3}]);
    assert_eq!(
        check(
            &map,
            &changed,
            Some(&old),
            "(oldSelf + self).size() == 2 && (oldSelf + self).exists(e, e.v == 3)"
        ),
        Ok(true)
    );
    let list = json!({"type": "array", "items": {"type": "string"}});
    assert_eq!(
        check(
            &list,
            &json!(["b", "a"]),
            Some(&json!(["a", "b"])),
            "self == oldSelf"
        ),
        Ok(false)
    );
}

#[test]
fn old_self_may_be_optional() {
    let schema = Schema::structural(&json!({"type": "integer"}), false).unwrap();
    let env = Env::kubernetes()
        .variable("self", schema.cel_type())
        .variable("oldSelf", Type::optional(schema.cel_type()));
    let program = env
        .compile("oldSelf.hasValue() ? self > oldSelf.value() : true")
        .unwrap();
    let (one, two) = (json!(1), json!(2));
    let mut budget = CostBudget::new(RUNTIME_BUDGET);
    let with = Bindings::new()
        .with("self", Value::typed(&one, &schema))
        .with(
            "oldSelf",
            Value::optional(Some(Value::typed(&two, &schema))),
        );
    assert_eq!(
        program.evaluate(&with, &mut budget).unwrap().as_bool(),
        Some(false)
    );
    let without = Bindings::new()
        .with("self", Value::typed(&one, &schema))
        .with("oldSelf", Value::none());
    assert_eq!(
        program.evaluate(&without, &mut budget).unwrap().as_bool(),
        Some(true)
    );
    assert!(budget.remaining() < RUNTIME_BUDGET);
}
