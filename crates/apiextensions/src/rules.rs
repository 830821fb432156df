//! `x-kubernetes-validations`: where rules are, when they are evaluated, what they say, and ratcheting.
//!
//! Expressions are compiled and evaluated by an [`Engine`]; this module walks the object and its schema, keeps the
//! budget, and words the errors.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go

mod engine;

use std::collections::BTreeMap;
use std::sync::Arc;

use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

pub use engine::Cel;

use crate::field_path;
use crate::schema::{Rule, Schema};

/// Cost that all rules of one object may have.
// upstream: apiserver/pkg/apis/cel/config.go#RuntimeCELCostBudget
pub const BUDGET: i64 = 10_000_000;

/// Bytes of a message that an expression makes.
// upstream: apiserver/pkg/apis/cel/config.go#MaxEvaluatedMessageExpressionSizeBytes
const MAX_MESSAGE: usize = 5 * 1024;

/// Why a rule can't be compiled, in the engine's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The rule itself.
    #[error("{0}")]
    Rule(String),
    /// Its messageExpression.
    #[error("{0}")]
    Message(String),
}

/// What an expression came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value.
    Value(Value),
    /// An error during evaluation.
    Failed(String),
    /// It cost more than a single call may.
    TooExpensive(String),
}

/// The object before the change, as a rule sees it.
#[derive(Clone, Copy, Debug)]
pub enum OldSelf<'a> {
    /// The variable isn't there.
    Absent,
    /// `oldSelf`.
    Plain(&'a Value),
    /// `oldSelf` as an optional.
    Optional(Option<&'a Value>),
}

/// A compiled rule.
pub trait Program: Send + Sync {
    /// Whether the rule names `oldSelf`.
    fn uses_old_self(&self) -> bool;

    /// Evaluates the rule, with what it cost.
    fn evaluate(&self, this: &Value, old: OldSelf<'_>) -> (Outcome, u64);

    /// Evaluates its messageExpression; `None` when it has none.
    fn message(&self, this: &Value, old: OldSelf<'_>) -> Option<(Outcome, u64)>;

    /// What one evaluation may cost at most, as estimated: of the rule, and of its messageExpression. 0 where there is no
    /// estimate; the limits of evaluation hold all the same.
    fn max_costs(&self) -> (u64, u64) {
        (0, 0)
    }

    /// How often the rule is evaluated at most in one object, when the schema above it bounds that.
    fn max_cardinality(&self) -> u64 {
        u64::MAX
    }
}

/// Compiles rules against a schema's types.
pub trait Engine: Send + Sync {
    /// Compiles rules at a schema. `is_root`: the schema is a resource's, so that `self` has `apiVersion`, `kind` and
    /// the name in `metadata`. As many results as rules.
    fn compile(
        &self,
        schema: &Schema,
        is_root: bool,
        rules: &[Rule],
    ) -> Vec<Result<Box<dyn Program>, CompileError>>;
}

/// The rules of a schema and of those below it.
#[derive(Clone)]
pub struct Rules(Arc<Node>);

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

/// A rule, the field that it is about, and its program.
type Compiled = (Rule, Option<String>, Result<Box<dyn Program>, CompileError>);

struct Node {
    kind: String,
    schema: Schema,
    rules: Vec<Compiled>,
    items: Option<Box<Node>>,
    values: Option<Box<Node>>,
    properties: BTreeMap<String, Node>,
}

impl Rules {
    /// Compiles the rules of a schema; `None` when there are none.
    pub fn compile(engine: &dyn Engine, schema: &Schema, is_root: bool) -> Option<Self> {
        node(engine, schema, is_root).map(|n| Self(Arc::new(n)))
    }

    /// Evaluates the rules over an object. `old` is what it was before; warnings are errors that were ratcheted.
    pub fn validate(
        &self,
        path: &Path,
        value: &Value,
        old: Option<&Value>,
        ratchet: bool,
        budget: i64,
    ) -> (ErrorList, Vec<String>) {
        let mut run = Run {
            budget,
            errors: ErrorList::new(),
            warnings: Vec::new(),
        };
        let seen = Seen {
            unchanged: ratchet && old == Some(value),
            correlated: ratchet,
        };
        run.node(&self.0, path, value, old, seen, true);
        (run.errors, run.warnings)
    }
}

fn node(engine: &dyn Engine, schema: &Schema, is_root: bool) -> Option<Node> {
    if !schema.has_rules() {
        return None;
    }
    let wanted: Vec<Rule> = schema
        .validations
        .iter()
        .filter(|rule| !rule.rule.trim().is_empty())
        .cloned()
        .collect();
    let programs = engine.compile(schema, is_root, &wanted);
    let rules = wanted
        .into_iter()
        .zip(programs)
        .map(|(rule, program)| {
            let at = field_path::resolve(&rule.field_path, schema, true)
                .ok()
                .filter(|_| !rule.field_path.is_empty())
                .map(|(path, _)| path.to_string());
            (rule, at, program)
        })
        .collect();
    let below = |s: &Schema| node(engine, s, s.embedded_resource);
    Some(Node {
        kind: schema.kind.clone(),
        rules,
        items: schema.element().and_then(below).map(Box::new),
        values: schema.values().and_then(below).map(Box::new),
        properties: schema
            .properties
            .iter()
            .filter_map(|(name, s)| Some((name.clone(), below(s)?)))
            .collect(),
        // Only what correlates elements is needed of it.
        schema: Schema {
            list_type: schema.list_type.clone(),
            list_map_keys: schema.list_map_keys.clone(),
            items: schema.items.clone(),
            ..Schema::default()
        },
    })
}

/// What is known of a value's old state for ratcheting.
#[derive(Clone, Copy)]
struct Seen {
    /// The nearest part that can be told to be the same one is as it was.
    unchanged: bool,
    /// This part itself can be told.
    correlated: bool,
}

struct Run {
    budget: i64,
    errors: ErrorList,
    warnings: Vec<String>,
}

const EXHAUSTED: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

impl Run {
    /// False when evaluation has to end.
    fn node(
        &mut self,
        node: &Node,
        path: &Path,
        value: &Value,
        old: Option<&Value>,
        seen: Seen,
        root: bool,
    ) -> bool {
        if value.is_null() {
            return true;
        }
        let old = old.filter(|o| !o.is_null());
        for (rule, at, program) in &node.rules {
            if !self.rule(node, rule, at.as_deref(), program, path, value, old, seen) {
                return false;
            }
        }
        match value {
            Value::Object(map) => {
                for (name, item) in map {
                    let (of, at) = match (node.properties.get(name), &node.values) {
                        (Some(of), _) => (of, path.child(name.clone())),
                        (None, Some(of)) => (&**of, path.key(name.as_str())),
                        (None, None) => continue,
                    };
                    let before = old.and_then(|o| o.get(name));
                    let hidden = root && matches!(name.as_str(), "apiVersion" | "kind");
                    let below = match seen {
                        _ if hidden => Seen {
                            unchanged: false,
                            correlated: false,
                        },
                        Seen {
                            correlated: true, ..
                        } => Seen {
                            unchanged: old.is_some() && before == Some(item),
                            correlated: old.is_some_and(Value::is_object),
                        },
                        seen => seen,
                    };
                    if !self.node(of, &at, item, before, below, false) {
                        return false;
                    }
                }
                true
            }
            Value::Array(items) => {
                let Some(of) = &node.items else { return true };
                for (i, item) in items.iter().enumerate() {
                    let same = crate::validate::correlated(&node.schema, old, item);
                    let before = same.flatten();
                    let below = match (seen.correlated, same) {
                        (true, Some(before)) => Seen {
                            unchanged: before == Some(item),
                            correlated: true,
                        },
                        _ => Seen {
                            correlated: false,
                            ..seen
                        },
                    };
                    if !self.node(of, &path.index(i), item, before, below, false) {
                        return false;
                    }
                }
                true
            }
            _ => true,
        }
    }

    #[allow(clippy::too_many_arguments)] // One call's surroundings.
    fn rule(
        &mut self,
        node: &Node,
        rule: &Rule,
        at: Option<&str>,
        program: &Result<Box<dyn Program>, CompileError>,
        path: &Path,
        value: &Value,
        old: Option<&Value>,
        seen: Seen,
    ) -> bool {
        let kind = node.kind.as_str();
        let program = match program {
            Ok(program) => program,
            Err(error) => {
                let text = format!("rule compile error: {error}");
                self.errors.push(Error::invalid(path, kind, text));
                return true;
            }
        };
        if self.budget <= 0 {
            self.errors.push(Error::invalid(path, kind, EXHAUSTED));
            return false;
        }
        let optional = rule.optional_old_self == Some(true);
        if program.uses_old_self() && old.is_none() && !optional {
            return true;
        }
        let before = match (program.uses_old_self(), optional, old) {
            (false, ..) => OldSelf::Absent,
            (true, true, old) => OldSelf::Optional(old),
            (true, false, Some(old)) => OldSelf::Plain(old),
            (true, false, None) => OldSelf::Absent,
        };
        let (outcome, cost) = program.evaluate(value, before);
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        if cost > self.budget {
            self.errors.push(Error::invalid(path, kind, EXHAUSTED));
            return false;
        }
        self.budget -= cost;
        let named = if rule.message.is_empty() {
            rule.rule.trim()
        } else {
            rule.message.trim()
        };
        match outcome {
            Outcome::Value(Value::Bool(true)) => return true,
            Outcome::Value(_) => {}
            Outcome::Failed(why) => {
                let text = if why.starts_with("no such overload") {
                    format!(
                        "'{why}': call arguments did not match a supported operator, function or macro signature for rule: {named}"
                    )
                } else {
                    format!("{why} evaluating rule: {named}")
                };
                self.errors.push(Error::invalid(path, kind, text));
                return true;
            }
            Outcome::TooExpensive(why) => {
                let text = format!(
                    "'{why}': no further validation rules will be run due to call cost exceeds limit for rule: {named}"
                );
                self.errors.push(Error::invalid(path, kind, text));
                return false;
            }
        }
        let at = at.map_or_else(|| path.clone(), |field| path.child(field.to_owned()));
        let ratchets = !program.uses_old_self() && seen.unchanged;
        let detail = match self.message(rule, program.as_ref(), value, before) {
            Ok(Some(text)) => text,
            Ok(None) if rule.message.is_empty() => format!("failed rule: {}", rule.rule.trim()),
            Ok(None) => rule.message.trim().to_owned(),
            Err(text) => {
                self.say(Error::invalid(&at, kind, text), ratchets);
                return false;
            }
        };
        let compound = matches!(kind, "object" | "array");
        let mut error = match rule.reason.as_deref() {
            Some("FieldValueForbidden") => Error::forbidden(&at, detail),
            Some("FieldValueRequired") => Error::required(&at, detail),
            Some("FieldValueDuplicate") => Error::duplicate(&at, value.clone()),
            _ => Error::invalid(&at, value.clone(), detail),
        };
        if compound {
            error.value = None;
        }
        self.say(error, ratchets);
        true
    }

    fn say(&mut self, error: Error, ratchets: bool) {
        if ratchets {
            self.warnings.push(error.to_string());
        } else {
            self.errors.push(error);
        }
    }

    /// What the messageExpression says; `None` when there is none or it can't be used.
    // upstream: #evalMessageExpression
    fn message(
        &mut self,
        rule: &Rule,
        program: &dyn Program,
        value: &Value,
        old: OldSelf<'_>,
    ) -> Result<Option<String>, String> {
        let Some((outcome, cost)) = program.message(value, old) else {
            return Ok(None);
        };
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        if cost > self.budget {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned());
        }
        self.budget -= cost;
        match outcome {
            Outcome::TooExpensive(_) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                machinery::go::quote(&rule.message_expression)
            )),
            Outcome::Value(Value::String(text)) => {
                let text = text.trim();
                let usable = !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n');
                Ok(usable.then(|| text.to_owned()))
            }
            _ => Ok(None),
        }
    }
}
