//! Policies and bindings, parsed and compiled.

use std::sync::Arc;

use machinery::ObjectExt;
use serde_json::Value;

use super::expressions::{Compiled, Compiler};
use super::matching::Criteria;
use crate::value::Read;

/// A named expression.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) program: Compiled,
}

/// An entry of `validations`.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: String,
    pub(super) program: Compiled,
    pub(super) message: String,
    pub(super) message_expression: Option<(String, Compiled)>,
    pub(super) reason: String,
}

/// An entry of `mutations`.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) expression: String,
    pub(super) program: Compiled,
    /// A JSON patch, or an applied configuration.
    pub(super) json_patch: bool,
}

/// What `paramKind` names.
#[derive(Clone, Debug)]
pub(super) struct ParamKind {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// Which parameters a binding uses.
#[derive(Debug)]
pub(super) struct ParamRef {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) selector: Option<Value>,
    /// `parameterNotFoundAction: Deny`.
    pub(super) deny: bool,
}

/// A binding.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    /// `None`: whatever the policy is about.
    pub(super) criteria: Option<Criteria>,
    pub(super) param_ref: Option<ParamRef>,
    pub(super) actions: Vec<String>,
}

/// A policy with its bindings.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) fail: bool,
    pub(super) criteria: Criteria,
    pub(super) param_kind: Option<ParamKind>,
    pub(super) conditions: Vec<Named>,
    pub(super) variables: Arc<Vec<Named>>,
    pub(super) validations: Vec<Validation>,
    pub(super) annotations: Vec<Named>,
    pub(super) mutations: Vec<Mutation>,
    pub(super) reinvoke: bool,
    pub(super) bindings: Vec<Binding>,
}

impl Policy {
    /// Compiles a policy as it is stored.
    pub(super) fn parse(policy: &Value, bindings: Vec<Binding>) -> Self {
        let spec = policy.member("spec").unwrap_or(&Value::Null);
        let param_kind = spec
            .member("paramKind")
            .filter(|k| k.is_object())
            .map(|k| ParamKind {
                api_version: k.text("apiVersion").to_owned(),
                kind: k.text("kind").to_owned(),
            });
        let mut compiler = Compiler::policy(param_kind.is_some());
        if !spec.list("mutations").is_empty() {
            compiler = compiler.mutating();
        }
        let variables = spec
            .list("variables")
            .iter()
            .map(|v| {
                let (name, expression) = (v.text("name"), v.text("expression"));
                Named {
                    name: name.to_owned(),
                    expression: expression.to_owned(),
                    program: compiler.variable(name, expression),
                }
            })
            .collect();
        let named = |list: &str,
                     name: &str,
                     text: &str,
                     compile: &dyn Fn(&str) -> Compiled|
         -> Vec<Named> {
            spec.list(list)
                .iter()
                .map(|v| Named {
                    name: v.text(name).to_owned(),
                    expression: v.text(text).to_owned(),
                    program: compile(v.text(text)),
                })
                .collect()
        };
        Self {
            name: policy.name().to_owned(),
            fail: spec.text("failurePolicy") != "Ignore",
            criteria: Criteria::parse(spec.member("matchConstraints").unwrap_or(&Value::Null)),
            conditions: named("matchConditions", "name", "expression", &|e| {
                compiler.condition(e)
            }),
            annotations: named("auditAnnotations", "key", "valueExpression", &|e| {
                compiler.annotation(e)
            }),
            validations: spec
                .list("validations")
                .iter()
                .map(|v| validation(&compiler, v))
                .collect(),
            mutations: spec
                .list("mutations")
                .iter()
                .map(|m| mutation(&compiler, m))
                .collect(),
            reinvoke: spec.text("reinvocationPolicy") == "IfNeeded",
            variables: Arc::new(variables),
            param_kind,
            bindings,
        }
    }
}

fn validation(compiler: &Compiler, v: &Value) -> Validation {
    let expression = v.text("expression");
    let message = v.text("messageExpression");
    Validation {
        expression: expression.to_owned(),
        program: compiler.condition(expression),
        message: v.text("message").to_owned(),
        message_expression: (!message.is_empty())
            .then(|| (message.to_owned(), compiler.message(message))),
        reason: v.text("reason").to_owned(),
    }
}

fn mutation(compiler: &Compiler, m: &Value) -> Mutation {
    let json_patch = m.text("patchType") == "JSONPatch";
    let part = if json_patch {
        "jsonPatch"
    } else {
        "applyConfiguration"
    };
    let expression = m.member(part).map_or("", |p| p.text("expression"));
    Mutation {
        expression: expression.to_owned(),
        program: if json_patch {
            compiler.json_patch(expression)
        } else {
            compiler.configuration(expression)
        },
        json_patch,
    }
}

impl Binding {
    /// Reads a binding as it is stored.
    pub(super) fn parse(binding: &Value) -> Self {
        let spec = binding.member("spec").unwrap_or(&Value::Null);
        Self {
            name: binding.name().to_owned(),
            criteria: spec
                .member("matchResources")
                .filter(|m| m.is_object())
                .map(Criteria::parse),
            param_ref: spec
                .member("paramRef")
                .filter(|r| r.is_object())
                .map(|r| ParamRef {
                    name: r.text("name").to_owned(),
                    namespace: r.text("namespace").to_owned(),
                    selector: r.member("selector").filter(|s| s.is_object()).cloned(),
                    deny: r.text("parameterNotFoundAction") == "Deny",
                }),
            actions: spec
                .list("validationActions")
                .iter()
                .filter_map(|a| a.as_str().map(str::to_owned))
                .collect(),
        }
    }
}
