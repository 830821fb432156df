//! Evaluation of a policy's expressions for one request: variables when they are first named, each once, and the budget.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/{activation,composition,condition}.go

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use cel::{Activation, CostBudget, EvalError, Fields, Value};

use super::compiled::Named;
use super::expressions::Compiled;
use machinery::go::quote;

/// What the expressions of one evaluation may name.
pub(crate) struct Inputs<'a> {
    pub(crate) object: Option<&'a serde_json::Value>,
    pub(crate) old: Option<&'a serde_json::Value>,
    pub(crate) request: &'a serde_json::Value,
    pub(crate) namespace: Option<&'a serde_json::Value>,
    pub(crate) params: Option<&'a serde_json::Value>,
    /// `authorizer` and `authorizer.requestResource`.
    pub(crate) authorizer: (Value<'a>, Value<'a>),
    pub(crate) variables: &'a [Named],
}

/// The expressions of one policy for one request and one parameter.
pub(crate) struct Evaluation<'a> {
    scope: Rc<Scope<'a>>,
    budget: CostBudget,
}

/// An evaluation ended because its budget was spent: nothing more is evaluated.
#[derive(Debug)]
pub(crate) struct OutOfBudget(pub(crate) String);

impl<'a> Evaluation<'a> {
    pub(crate) fn new(inputs: Inputs<'a>, budget: u64) -> Self {
        Self {
            scope: Rc::new(Scope {
                inputs,
                done: RefCell::default(),
                cost: Cell::new(0),
            }),
            budget: CostBudget::new(budget),
        }
    }

    /// The value of an expression, or upstream's words on why it has none.
    ///
    /// upstream: condition.go#condition.ForInput, activation.go#evaluationActivation.Evaluate
    pub(crate) fn evaluate(
        &mut self,
        expression: &str,
        program: &Compiled,
    ) -> Result<Result<Value<'a>, String>, OutOfBudget> {
        let program = match program {
            Ok(program) => program,
            Err(e) => return Ok(Err(format!("compilation error: {e}"))),
        };
        let (result, cost) = program.evaluate_counting(&Names(Rc::clone(&self.scope)));
        let spent = cost.saturating_add(self.scope.cost.take());
        if self.budget.spend(spent).is_err() {
            return Err(OutOfBudget(EvalError::Budget.to_string()));
        }
        Ok(result.map_err(|e| format!("expression '{expression}' resulted in error: {e}")))
    }
}

struct Scope<'a> {
    inputs: Inputs<'a>,
    done: RefCell<HashMap<String, Result<Value<'a>, EvalError>>>,
    /// What variables have cost since it was last asked.
    cost: Cell<u64>,
}

struct Names<'a>(Rc<Scope<'a>>);

impl<'a> Activation<'a> for Names<'a> {
    fn resolve(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        let inputs = &self.0.inputs;
        let json = |value: Option<&'a serde_json::Value>| value.map_or(Value::Null, Value::json);
        Some(Ok(match name {
            "object" => json(inputs.object),
            "oldObject" => json(inputs.old),
            "request" => Value::json(inputs.request),
            "namespaceObject" => json(inputs.namespace),
            "params" => json(inputs.params),
            "authorizer" => inputs.authorizer.0.clone(),
            "authorizer.requestResource" => inputs.authorizer.1.clone(),
            "variables" => Value::fields(Variables(Rc::clone(&self.0))),
            _ => return None,
        }))
    }
}

struct Variables<'a>(Rc<Scope<'a>>);

impl<'a> Fields<'a> for Variables<'a> {
    fn get(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        if let Some(done) = self.0.done.borrow().get(name) {
            return Some(done.clone());
        }
        let variable = self.0.inputs.variables.iter().find(|v| v.name == name)?;
        let result = match &variable.program {
            Err(e) => Err(EvalError::Runtime(
                format!("composited variable {} fails to compile: {e}", quote(name)).into(),
            )),
            Ok(program) => {
                let (result, cost) = program.evaluate_counting(&Names(Rc::clone(&self.0)));
                self.0.cost.set(self.0.cost.get().saturating_add(cost));
                result.map_err(|e| {
                    EvalError::Runtime(
                        format!("composited variable {} fails to evaluate: {e}", quote(name))
                            .into(),
                    )
                })
            }
        };
        self.0
            .done
            .borrow_mut()
            .insert(name.to_owned(), result.clone());
        Some(result)
    }

    fn names(&self) -> Vec<String> {
        let names = self.0.inputs.variables.iter();
        names.map(|v| v.name.clone()).collect()
    }
}
