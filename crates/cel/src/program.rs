//! A compiled expression.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ast::Expr;
use crate::cost::{CostBudget, Meter};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::types::Type;
use crate::value::Value;

/// A compiled expression. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Program(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: String,
    expr: Expr,
    output: Type,
    types: HashMap<u32, Type>,
    references: BTreeSet<String>,
}

/// Values of variables.
pub trait Activation<'a> {
    /// The value of a variable; `None` when it has none.
    fn resolve(&self, name: &str) -> Option<Result<Value<'a>, EvalError>>;
}

/// Variables and their values.
#[derive(Clone, Default)]
pub struct Bindings<'a> {
    values: Vec<(&'static str, Value<'a>)>,
}

impl<'a> Bindings<'a> {
    /// None.
    pub fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// With a value for a variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value<'a>) -> Self {
        self.values.push((name, value));
        self
    }
}

impl<'a> Activation<'a> for Bindings<'a> {
    fn resolve(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        self.values
            .iter()
            .rev()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| Ok(v.clone()))
    }
}

impl Program {
    pub(crate) fn new(
        source: &str,
        expr: Expr,
        output: Type,
        types: HashMap<u32, Type>,
        references: BTreeSet<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            source: source.to_owned(),
            expr,
            output,
            types,
            references,
        }))
    }

    /// The text that was compiled.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The expression as it is understood: fully parenthesised, names resolved. `None` when no text stands for it.
    pub fn canonical(&self) -> Option<String> {
        crate::print::print(&self.0.expr)
    }

    /// The type of the result.
    pub fn output_type(&self) -> &Type {
        &self.0.output
    }

    /// Whether the expression names a variable of its environment.
    pub fn references(&self, variable: &str) -> bool {
        self.0.references.contains(variable)
    }

    pub(crate) fn expr(&self) -> &Expr {
        &self.0.expr
    }

    pub(crate) fn type_of(&self, expr: &Expr) -> &Type {
        self.0.types.get(&expr.id).unwrap_or(&Type::Dyn)
    }

    /// Evaluates, and takes the cost from the budget.
    ///
    /// # Errors
    /// See [`EvalError`].
    pub fn evaluate<'a>(
        &self,
        variables: &dyn Activation<'a>,
        budget: &mut CostBudget,
    ) -> Result<Value<'a>, EvalError> {
        let (result, cost) = self.evaluate_counting(variables);
        budget.spend(cost)?;
        result
    }

    /// Evaluates, and returns what it cost beside the result.
    pub fn evaluate_counting<'a>(
        &self,
        variables: &dyn Activation<'a>,
    ) -> (Result<Value<'a>, EvalError>, u64) {
        let mut evaluator = Evaluator::new(variables, Meter::default());
        let result = evaluator.eval(&self.0.expr);
        (result, evaluator.meter.cost())
    }
}
