//! Assignability of types and what type variables stand for.
//!
//! upstream: github.com/google/cel-go/checker/types.go, checker/mapping.go

use std::collections::HashMap;
use std::sync::Arc;

use crate::types::Type;

/// What type variables stand for.
#[derive(Default)]
pub(super) struct Substitution {
    known: HashMap<u32, Type>,
    next: u32,
    /// What was bound since the last certain point, and what it was before.
    trail: Vec<(u32, Option<Type>)>,
}

/// Deepest type that is followed.
const MAX_DEPTH: u32 = 600;

impl Substitution {
    /// A new type variable.
    pub(super) fn fresh(&mut self) -> Type {
        self.next += 1;
        Type::Param(self.next)
    }

    /// A declaration's types with variables of their own.
    pub(super) fn instantiate(&mut self, params: &[Type], result: &Type) -> (Vec<Type>, Type) {
        let base = self.next + 1;
        self.next += 2;
        (
            params.iter().map(|p| renamed(p, base)).collect(),
            renamed(result, base),
        )
    }

    /// A type with its variables replaced; free ones are `dyn` when asked for.
    pub(super) fn resolve(&self, of: &Type, free_is_dyn: bool) -> Type {
        self.resolve_within(of, free_is_dyn, MAX_DEPTH)
    }

    fn resolve_within(&self, of: &Type, free: bool, depth: u32) -> Type {
        let Some(depth) = depth.checked_sub(1) else {
            return Type::Dyn;
        };
        let inner = |t: &Type| Arc::new(self.resolve_within(t, free, depth));
        match of {
            Type::Param(n) => match self.known.get(n) {
                Some(known) => self.resolve_within(known, free, depth),
                None if free => Type::Dyn,
                None => of.clone(),
            },
            Type::List(t) => Type::List(inner(t)),
            Type::Map(k, v) => Type::Map(inner(k), inner(v)),
            Type::Optional(t) => Type::Optional(inner(t)),
            Type::TypeOf(t) => Type::TypeOf(inner(t)),
            other => other.clone(),
        }
    }

    /// Whether a value of `from` may stand where `to` is expected; variables are bound when it may.
    pub(super) fn is_assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.are_assignable(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// The same for lists of types: all or nothing.
    pub(super) fn are_assignable(&mut self, from: &[Type], to: &[Type]) -> bool {
        let fits = from.len() == to.len()
            && from
                .iter()
                .zip(to)
                .all(|(f, t)| self.assign(f, t, MAX_DEPTH));
        for (variable, before) in std::mem::take(&mut self.trail).into_iter().rev() {
            if fits {
                break;
            }
            match before {
                Some(before) => self.known.insert(variable, before),
                None => self.known.remove(&variable),
            };
        }
        fits
    }

    fn bind(&mut self, variable: u32, to: Type) {
        let before = self.known.insert(variable, to);
        self.trail.push((variable, before));
    }

    fn assign(&mut self, from: &Type, to: &Type, depth: u32) -> bool {
        let Some(depth) = depth.checked_sub(1) else {
            return false;
        };
        if let Type::Param(n) = to {
            let (valid, known) = self.substitute(from, *n, depth);
            if valid || known {
                return valid;
            }
        }
        if let Type::Param(n) = from {
            return self.substitute(to, *n, depth).0;
        }
        if from.is_dyn_or_error() || to.is_dyn_or_error() {
            return true;
        }
        match (from, to) {
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null
                    | Type::Object(_)
                    | Type::Struct(_)
                    | Type::Opaque(_)
                    | Type::Optional(_)
                    | Type::Duration
                    | Type::Timestamp
            ),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                self.assign(a, b, depth)
            }
            (Type::Map(a, b), Type::Map(c, d)) => {
                self.assign(a, c, depth) && self.assign(b, d, depth)
            }
            (Type::TypeOf(_), Type::TypeOf(_)) => true,
            (a, b) => a == b,
        }
    }

    /// Whether `of` may stand for variable `n`, and whether the variable was known already.
    fn substitute(&mut self, of: &Type, n: u32, depth: u32) -> (bool, bool) {
        if *of == Type::Param(n) {
            return (true, true);
        }
        if let Some(known) = self.known.get(&n).cloned() {
            if *of == known {
                return (true, true);
            }
            if self.assign(of, &known, depth) {
                let general = self.most_general(of.clone(), known);
                if !self.occurs(n, &general, depth) {
                    self.bind(n, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.occurs(n, of, depth) {
            return (false, false);
        }
        self.bind(n, of.clone());
        (true, false)
    }

    fn occurs(&self, n: u32, of: &Type, depth: u32) -> bool {
        let Some(depth) = depth.checked_sub(1) else {
            return true;
        };
        match of {
            Type::Param(m) => {
                *m == n || self.known.get(m).is_some_and(|t| self.occurs(n, t, depth))
            }
            Type::List(t) | Type::Optional(t) | Type::TypeOf(t) => self.occurs(n, t, depth),
            Type::Map(k, v) => self.occurs(n, k, depth) || self.occurs(n, v, depth),
            _ => false,
        }
    }

    /// The less specific of two types.
    pub(super) fn most_general(&self, a: Type, b: Type) -> Type {
        if less_specific(&a, &b) { a } else { b }
    }
}

fn renamed(of: &Type, base: u32) -> Type {
    match of {
        Type::Param(n) => Type::Param(base + n),
        Type::List(t) => Type::list(renamed(t, base)),
        Type::Map(k, v) => Type::map(renamed(k, base), renamed(v, base)),
        Type::Optional(t) => Type::optional(renamed(t, base)),
        Type::TypeOf(t) => Type::TypeOf(Arc::new(renamed(t, base))),
        other => other.clone(),
    }
}

fn less_specific(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
            less_specific(a, b)
        }
        (Type::Map(a, b), Type::Map(c, d)) => less_specific(a, c) && less_specific(b, d),
        (Type::TypeOf(_), Type::TypeOf(_)) => true,
        (a, b) => a == b,
    }
}
