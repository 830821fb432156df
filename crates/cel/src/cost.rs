//! What evaluation costs, and the limits.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/apis/cel/config.go, cel-go's interpreter/runtimecost.go

use crate::error::EvalError;

/// Most that one evaluation may cost.
///
/// upstream: config.go#PerCallLimit
pub const PER_CALL_LIMIT: u64 = 1_000_000;

/// Most that all evaluations of one object, or of one policy, may cost.
///
/// upstream: config.go#RuntimeCELCostBudget
pub const RUNTIME_BUDGET: u64 = 10_000_000;

/// The same for match conditions.
///
/// upstream: config.go#RuntimeCELCostBudgetMatchConditions
pub const MATCH_CONDITIONS_BUDGET: u64 = PER_CALL_LIMIT / 4 * 10;

/// Most bytes that one evaluation may make, all together.
const MAX_ALLOCATED: u64 = 32 * 1024 * 1024;

/// Most steps of one evaluation that upstream's model counts as nothing: elements compared, patterns compiled.
const MAX_WORK: u64 = 6_000_000;

/// What is left for the evaluations of one request.
#[derive(Clone, Debug)]
pub struct CostBudget {
    remaining: u64,
}

impl CostBudget {
    /// A budget.
    pub fn new(total: u64) -> Self {
        Self { remaining: total }
    }

    /// What is left.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Takes a cost away.
    ///
    /// # Errors
    /// [`EvalError::Budget`]: more than was left.
    pub fn spend(&mut self, cost: u64) -> Result<(), EvalError> {
        match self.remaining.checked_sub(cost) {
            Some(left) => {
                self.remaining = left;
                Ok(())
            }
            None => {
                self.remaining = 0;
                Err(EvalError::Budget)
            }
        }
    }
}

/// Counts what one evaluation costs.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    cost: u64,
    allocated: u64,
    work: u64,
}

impl Meter {
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// Adds to the cost.
    pub(crate) fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.cost = self.cost.saturating_add(cost).min(PER_CALL_LIMIT + 1);
        if self.cost > PER_CALL_LIMIT {
            Err(EvalError::CostLimit)
        } else {
            Ok(())
        }
    }

    /// Notes bytes before they are made.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.allocated = self.allocated.saturating_add(bytes as u64);
        if self.allocated > MAX_ALLOCATED {
            Err(EvalError::CostLimit)
        } else {
            Ok(())
        }
    }

    /// Notes the elements of a list or map before they are made.
    pub(crate) fn allocate_values(&mut self, count: usize) -> Result<(), EvalError> {
        self.allocate(count.saturating_mul(std::mem::size_of::<crate::Value<'_>>()))
    }

    /// Notes steps.
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), EvalError> {
        self.work = self.work.saturating_add(steps as u64);
        if self.work > MAX_WORK {
            Err(EvalError::CostLimit)
        } else {
            Ok(())
        }
    }
}

/// Runs a recursive step on a stack that has room for it: expressions may nest deeper than a thread's stack allows.
pub(crate) fn with_stack<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(256 * 1024, 2 * 1024 * 1024, step)
}

/// A tenth of a size, rounded up: what walking over text costs.
pub(crate) fn traversal(size: u64) -> u64 {
    size.div_ceil(10)
}

/// A quarter of a pattern's length, rounded up.
pub(crate) fn pattern(size: u64) -> u64 {
    size.div_ceil(4)
}
