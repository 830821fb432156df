//! The language as its specification has it, and the libraries of Kubernetes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "cel/compile.rs"]
mod compile;
#[path = "cel/language.rs"]
mod language;
#[path = "cel/libraries.rs"]
mod libraries;
#[path = "cel/limits.rs"]
mod limits;
#[path = "cel/schemas.rs"]
mod schemas;

use cel::{Bindings, CostBudget, Env, RUNTIME_BUDGET, Type, Value};
use serde_json::{Value as Json, json};

/// Evaluates with `o`, a dynamic object, and `d`, a number that the checker does not know.
pub(crate) fn run(expression: &str, object: &Json) -> Result<Json, String> {
    let env = Env::kubernetes().variable("o", Type::Dyn);
    let program = env
        .compile(expression)
        .map_err(|e| format!("compile: {e}"))?;
    let bindings = Bindings::new().with("o", Value::json(object));
    let mut budget = CostBudget::new(RUNTIME_BUDGET);
    let value = program
        .evaluate(&bindings, &mut budget)
        .map_err(|e| e.to_string())?;
    value.to_json().map_err(|e| e.to_string())
}

pub(crate) fn object() -> Json {
    json!({
        "i": 7, "d": 1.5, "s": "text", "b": true, "n": null,
        "list": [1, 2, 3], "strings": ["a", "b"], "map": {"a": 1, "b": 2}, "empty": {},
        "nested": {"a": {"b": {"c": 42}}, "items": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]},
    })
}

/// Each must be true.
pub(crate) fn all_true(table: &[&str]) {
    let object = object();
    let mut wrong = Vec::new();
    for expression in table {
        let result = run(expression, &object);
        if result != Ok(json!(true)) {
            wrong.push(format!("{expression}\n    {result:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each must fail with this text.
pub(crate) fn all_fail(table: &[(&str, &str)]) {
    let object = object();
    let mut wrong = Vec::new();
    for (expression, text) in table {
        let result = run(expression, &object);
        if result.as_ref().err().map(String::as_str) != Some(*text) {
            wrong.push(format!(
                "{expression}\n    {result:?}\n    expected {text:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
