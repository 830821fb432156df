//! Rules as CEL.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go

use cel::{Bindings, Env, EvalError, Schema as CelSchema, Type, Value as CelValue};
use serde_json::{Map, Value, json};

use super::{CompileError, Engine, OldSelf, Outcome, Program};
use crate::schema::{Additional, Rule, Schema};

/// The engine of Kubernetes' CEL environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cel;

impl Engine for Cel {
    fn compile(
        &self,
        schema: &Schema,
        is_root: bool,
        rules: &[Rule],
    ) -> Vec<Result<Box<dyn Program>, CompileError>> {
        let types = CelSchema::structural(&typed(schema), is_root || schema.embedded_resource)
            .unwrap_or_else(CelSchema::dynamic);
        rules
            .iter()
            .map(|rule| compile(rule, &types).map(|p| Box::new(p) as Box<dyn Program>))
            .collect()
    }
}

struct Compiled {
    types: CelSchema,
    rule: cel::Program,
    message: Option<cel::Program>,
    uses_old_self: bool,
}

fn compile(rule: &Rule, types: &CelSchema) -> Result<Compiled, CompileError> {
    let own = types.cel_type();
    let old = if rule.optional_old_self == Some(true) {
        Type::optional(own.clone())
    } else {
        own.clone()
    };
    let env = Env::kubernetes()
        .variable("self", own)
        .variable("oldSelf", old);
    let program = env
        .compile(rule.rule.trim())
        .map_err(|e| CompileError::Rule(format!("compilation failed: {e}")))?;
    if !matches!(program.output_type(), Type::Bool | Type::Dyn) {
        return Err(CompileError::Rule(
            "cel expression must evaluate to a bool".to_owned(),
        ));
    }
    let text = rule.message_expression.trim();
    let message = if text.is_empty() {
        None
    } else {
        let message = env.compile(text).map_err(|e| {
            CompileError::Message(format!("messageExpression compilation failed: {e}"))
        })?;
        if !matches!(message.output_type(), Type::String | Type::Dyn) {
            return Err(CompileError::Message(
                "messageExpression must evaluate to a string".to_owned(),
            ));
        }
        Some(message)
    };
    Ok(Compiled {
        uses_old_self: program.references("oldSelf"),
        types: types.clone(),
        rule: program,
        message,
    })
}

impl Compiled {
    fn run<'a>(
        &'a self,
        program: &cel::Program,
        this: &'a Value,
        old: OldSelf<'a>,
    ) -> (Outcome, u64) {
        let typed = |value: &'a Value| CelValue::typed(value, &self.types);
        let mut bindings = Bindings::new().with("self", typed(this));
        match old {
            OldSelf::Absent => {}
            OldSelf::Plain(old) => bindings = bindings.with("oldSelf", typed(old)),
            OldSelf::Optional(old) => {
                bindings = bindings.with("oldSelf", CelValue::optional(old.map(typed)));
            }
        }
        let (result, cost) = program.evaluate_counting(&bindings);
        let outcome = match result {
            Ok(value) => match (value.as_bool(), value.as_str()) {
                (Some(truth), _) => Outcome::Value(truth.into()),
                (_, Some(text)) => Outcome::Value(text.into()),
                _ => Outcome::Value(Value::Null),
            },
            Err(error @ EvalError::CostLimit) => Outcome::TooExpensive(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        (outcome, cost)
    }
}

impl Program for Compiled {
    fn uses_old_self(&self) -> bool {
        self.uses_old_self
    }

    fn evaluate(&self, this: &Value, old: OldSelf<'_>) -> (Outcome, u64) {
        self.run(&self.rule, this, old)
    }

    fn message(&self, this: &Value, old: OldSelf<'_>) -> Option<(Outcome, u64)> {
        self.message.as_ref().map(|m| self.run(m, this, old))
    }

    fn max_costs(&self) -> (u64, u64) {
        let variables = [("self", &self.types), ("oldSelf", &self.types)];
        let message = self.message.as_ref().map(|m| m.max_cost(&variables));
        (self.rule.max_cost(&variables), message.unwrap_or(0))
    }

    fn max_cardinality(&self) -> u64 {
        self.types.max_cardinality()
    }
}

/// What expressions can know of a schema, as JSON.
fn typed(schema: &Schema) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    for (name, text) in [("type", &schema.kind), ("format", &schema.format)] {
        if !text.is_empty() {
            put(name, text.as_str().into());
        }
    }
    let limits = [
        ("maxLength", schema.max_length),
        ("minLength", schema.min_length),
        ("maxItems", schema.max_items),
        ("minItems", schema.min_items),
        ("maxProperties", schema.max_properties),
        ("minProperties", schema.min_properties),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit {
            put(name, limit.into());
        }
    }
    let flags = [
        ("nullable", schema.nullable),
        ("x-kubernetes-int-or-string", schema.int_or_string),
        ("x-kubernetes-embedded-resource", schema.embedded_resource),
        ("x-kubernetes-preserve-unknown-fields", schema.preserves()),
    ];
    for (name, flag) in flags {
        if flag {
            put(name, true.into());
        }
    }
    if !schema.enumeration.is_empty() {
        put("enum", schema.enumeration.clone().into());
    }
    if !schema.required.is_empty() {
        put("required", json!(schema.required));
    }
    if let Some(default) = &schema.default {
        put("default", default.clone());
    }
    if let Some(kind) = &schema.list_type {
        put("x-kubernetes-list-type", kind.as_str().into());
    }
    if !schema.list_map_keys.is_empty() {
        put("x-kubernetes-list-map-keys", json!(schema.list_map_keys));
    }
    if let Some(kind) = &schema.map_type {
        put("x-kubernetes-map-type", kind.as_str().into());
    }
    if let Some(items) = schema.element() {
        put("items", typed(items));
    }
    match &schema.additional_properties {
        Some(Additional::Schema(values)) => put("additionalProperties", typed(values)),
        Some(Additional::Allowed(allowed)) => put("additionalProperties", (*allowed).into()),
        None => {}
    }
    if !schema.properties.is_empty() {
        let properties: Map<String, Value> = schema
            .properties
            .iter()
            .map(|(name, property)| (name.clone(), typed(property)))
            .collect();
        put("properties", properties.into());
    }
    Value::Object(out)
}
