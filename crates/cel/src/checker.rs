//! Types of a tree: names are resolved, overloads chosen, and what cannot be is reported.
//!
//! upstream: github.com/google/cel-go/checker/checker.go, checker/types.go

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ast::{Expr, FieldInit, Fold, Kind, Literal};
use crate::cost::with_stack;
use crate::decls::Overload;
use crate::env::Env;
use crate::program::Program;
use crate::source::{CompileError, Issue};
use crate::types::Type;
use crate::value::type_by_name;

mod assign;

use assign::Substitution;

/// Most faults that are reported.
const MAX_ISSUES: usize = 100;

struct Checker<'e> {
    env: &'e Env,
    issues: Vec<Issue>,
    substitution: Substitution,
    /// Variables of comprehensions, innermost last.
    scopes: Vec<(Arc<str>, Type)>,
    types: HashMap<u32, Type>,
    references: BTreeSet<String>,
}

/// Checks a tree against an environment.
pub(crate) fn check(env: &Env, source: &str, mut expr: Expr) -> Result<Program, CompileError> {
    let mut checker = Checker {
        env,
        issues: Vec::new(),
        substitution: Substitution::default(),
        scopes: Vec::new(),
        types: HashMap::new(),
        references: BTreeSet::new(),
    };
    let output = checker.check(&mut expr);
    if !checker.issues.is_empty() {
        return Err(CompileError::new(source, checker.issues));
    }
    let output = checker.substitution.resolve(&output, true);
    let types = checker
        .types
        .iter()
        .map(|(id, t)| (*id, checker.substitution.resolve(t, true)))
        .collect();
    Ok(Program::new(
        source,
        expr,
        output,
        types,
        checker.references,
    ))
}

impl Checker<'_> {
    fn issue(&mut self, offset: u32, message: String) -> Type {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Issue { offset, message });
        }
        Type::Error
    }

    fn shown(&self, of: &Type) -> Type {
        self.substitution.resolve(of, false)
    }

    fn check(&mut self, expr: &mut Expr) -> Type {
        with_stack(|| self.check_here(expr))
    }

    fn check_here(&mut self, expr: &mut Expr) -> Type {
        let offset = expr.offset;
        let found = match &mut expr.kind {
            Kind::Literal(literal) => literal_type(literal),
            Kind::Ident(name) => {
                let name = name.clone();
                match self.name(&name) {
                    Some((of, resolved)) => {
                        expr.kind = Kind::Ident(resolved);
                        of
                    }
                    None => self.issue(
                        offset,
                        format!("undeclared reference to '{name}' (in container '')"),
                    ),
                }
            }
            Kind::Select { .. } => self.select(expr),
            Kind::Call { .. } => self.call(expr),
            Kind::List(elements) => {
                let mut joined = None;
                for element in elements {
                    let mut of = self.check(&mut element.value);
                    if element.optional {
                        of = self.unwrapped(element.value.offset, of);
                    }
                    joined = Some(self.join(element.value.offset, joined, of));
                }
                Type::list(joined.unwrap_or_else(|| self.substitution.fresh()))
            }
            Kind::Map(entries) => {
                let mut keys = None;
                let mut values = None;
                for entry in entries {
                    let key = self.check(&mut entry.key);
                    keys = Some(self.join(entry.key.offset, keys, key));
                    let mut value = self.check(&mut entry.value);
                    if entry.optional {
                        value = self.unwrapped(entry.value.offset, value);
                    }
                    values = Some(self.join(entry.value.offset, values, value));
                }
                match (keys, values) {
                    (Some(key), Some(value)) => Type::map(key, value),
                    _ => Type::map(self.substitution.fresh(), self.substitution.fresh()),
                }
            }
            Kind::Struct { name, fields } => self.message(offset, name, fields),
            Kind::Fold(fold) => self.fold(fold),
        };
        self.types.insert(expr.id, found.clone());
        found
    }

    /// The type of a name and the name that it is known by.
    fn name(&mut self, name: &str) -> Option<(Type, Arc<str>)> {
        let plain = name.strip_prefix('.').unwrap_or(name);
        if plain == name
            && let Some((known, of)) = self.scopes.iter().rev().find(|(n, _)| **n == *name)
        {
            return Some((of.clone(), known.clone()));
        }
        if let Some(of) = self.env.variables.get(plain) {
            self.references.insert(plain.to_owned());
            return Some((of.clone(), plain.into()));
        }
        let of = type_by_name(plain)?;
        Some((Type::TypeOf(Arc::new(of)), plain.into()))
    }

    fn join(&mut self, offset: u32, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else {
            return current;
        };
        if self.substitution.is_assignable(&previous, &current) {
            return self.substitution.most_general(previous, current);
        }
        let (a, b) = (self.shown(&previous), self.shown(&current));
        self.issue(offset, format!("expected type '{a}' but found '{b}'"))
    }

    fn unwrapped(&mut self, offset: u32, of: Type) -> Type {
        match self.shown(&of) {
            Type::Optional(inner) => (*inner).clone(),
            Type::Dyn | Type::Error => Type::Dyn,
            other => self.issue(
                offset,
                format!("expected type 'optional_type({other})' but found '{other}'"),
            ),
        }
    }

    fn select(&mut self, expr: &mut Expr) -> Type {
        let offset = expr.offset;
        if let Some(qualified) = expr.qualified_name() {
            let root = qualified.split('.').next().unwrap_or_default();
            let shadowed = self.scopes.iter().any(|(n, _)| &**n == root);
            if !shadowed && let Some((of, resolved)) = self.name(&qualified) {
                expr.kind = Kind::Ident(resolved);
                return of;
            }
        }
        let Kind::Select {
            operand,
            field,
            test,
        } = &mut expr.kind
        else {
            return Type::Error;
        };
        let (field, test) = (field.clone(), *test);
        let operand = self.check(operand);
        let found = self.field(offset, &operand, &field, false);
        if test { Type::Bool } else { found }
    }

    /// The type of a field; optional when the operand is or `optional` says so.
    fn field(&mut self, offset: u32, operand: &Type, field: &str, optional: bool) -> Type {
        let operand = self.shown(operand);
        let (target, optional) = match operand {
            Type::Optional(inner) => ((*inner).clone(), true),
            other => (other, optional),
        };
        let found = match &target {
            Type::Dyn => Type::Dyn,
            Type::Error => return Type::Error,
            Type::Param(_) => {
                self.substitution.is_assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Map(_, value) => (**value).clone(),
            Type::Object(schema) => match schema.field(field) {
                Some(field) => field.schema.cel_type(),
                None => return self.issue(offset, format!("undefined field '{field}'")),
            },
            Type::Struct(_) => Type::Dyn,
            other => {
                return self.issue(
                    offset,
                    format!("type '{other}' does not support field selection"),
                );
            }
        };
        if optional {
            Type::optional(found)
        } else {
            found
        }
    }

    fn call(&mut self, expr: &mut Expr) -> Type {
        let offset = expr.offset;
        let Kind::Call {
            function,
            target,
            args,
        } = &mut expr.kind
        else {
            return Type::Error;
        };
        if &**function == "_?._" {
            let [operand, field] = args.as_mut_slice() else {
                return Type::Error;
            };
            let operand = self.check(operand);
            let Kind::Literal(Literal::String(name)) = &field.kind else {
                return self.issue(field.offset, "unsupported optional field selection".into());
            };
            let name = name.clone();
            return self.field(offset, &operand, &name, true);
        }
        // A function with a namespace: the receiver is part of its name.
        if let Some(namespace) = target.as_ref().and_then(|t| t.qualified_name()) {
            let qualified = format!(
                "{}.{function}",
                namespace.strip_prefix('.').unwrap_or(&namespace)
            );
            if self.env.functions.contains_key(&qualified) {
                *function = qualified.into();
                *target = None;
            }
        }
        if target.is_none() && function.starts_with('.') {
            *function = function.get(1..).unwrap_or_default().into();
        }
        let member = target.is_some();
        let mut types = Vec::with_capacity(args.len() + 1);
        if let Some(target) = target {
            types.push(self.check(target));
        }
        for arg in args.iter_mut() {
            types.push(self.check(arg));
        }
        if let Some(message) = faulty_literal(function, member, target.as_deref(), args) {
            let at = args.last().map_or(offset, |a| a.offset);
            return self.issue(at, message);
        }
        let env = self.env;
        let Some(overloads) = env.functions.get(&**function) else {
            return self.issue(
                offset,
                format!("undeclared reference to '{function}' (in container '')"),
            );
        };
        if let Some(result) = self.resolve(overloads, member, &types) {
            return result;
        }
        if types.contains(&Type::Error) {
            return Type::Error;
        }
        let mut shown = types.iter().map(|t| self.shown(t).to_string());
        let receiver = if member {
            format!("{}.", shown.next().unwrap_or_default())
        } else {
            String::new()
        };
        let applied = format!("{receiver}({})", shown.collect::<Vec<_>>().join(", "));
        self.issue(
            offset,
            format!("found no matching overload for '{function}' applied to '{applied}'"),
        )
    }

    fn resolve(&mut self, overloads: &[Overload], member: bool, args: &[Type]) -> Option<Type> {
        let mut result: Option<Type> = None;
        for overload in overloads {
            if overload.member != member || overload.params.len() != args.len() {
                continue;
            }
            let instance = self
                .substitution
                .instantiate(&overload.params, &overload.result);
            let (params, of) = instance;
            if !self.substitution.are_assignable(args, &params) {
                continue;
            }
            let of = self.substitution.resolve(&of, false);
            result = Some(match result {
                None => of,
                Some(previous) if previous == of => of,
                Some(_) => Type::Dyn,
            });
        }
        result
    }

    fn message(&mut self, offset: u32, name: &mut Arc<str>, fields: &mut [FieldInit]) -> Type {
        let plain: Arc<str> = name.strip_prefix('.').unwrap_or(name).into();
        let patch = &*plain == "JSONPatch";
        let known =
            self.env.mutation && (patch || &*plain == "Object" || plain.starts_with("Object."));
        for field in fields.iter_mut() {
            let of = self.check(&mut field.value);
            let of = if field.optional {
                self.unwrapped(field.value.offset, of)
            } else {
                of
            };
            if !patch || !known {
                continue;
            }
            let expected = match &*field.name {
                "op" | "path" | "from" => Type::String,
                "value" => Type::Dyn,
                other => {
                    self.issue(field.offset, format!("undefined field '{other}'"));
                    continue;
                }
            };
            if !self.substitution.is_assignable(&of, &expected) {
                let found = self.shown(&of);
                let message = format!(
                    "expected type of field '{}' is '{expected}' but provided type is '{found}'",
                    field.name
                );
                self.issue(field.offset, message);
            }
        }
        if !known {
            return self.issue(
                offset,
                format!("undeclared reference to '{name}' (in container '')"),
            );
        }
        *name = plain.clone();
        Type::Struct(plain)
    }

    fn fold(&mut self, fold: &mut Fold) -> Type {
        let range = self.check(&mut fold.range);
        let accumulator = self.check(&mut fold.init);
        let range = self.shown(&range);
        let (first, second) = match &range {
            Type::List(element) if fold.second.is_some() => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Dyn),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error => (Type::Dyn, Type::Dyn),
            Type::Param(_) => {
                self.substitution.is_assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.issue(fold.range.offset, message);
                (Type::Error, Type::Error)
            }
        };
        let depth = self.scopes.len();
        self.scopes
            .push((crate::ast::ACCUMULATOR.into(), accumulator.clone()));
        self.scopes.push((fold.variable.clone(), first));
        if let Some(name) = &fold.second {
            self.scopes.push((name.clone(), second));
        }
        let condition = self.check(&mut fold.condition);
        self.assert(fold.condition.offset, &condition, &Type::Bool);
        let step = self.check(&mut fold.step);
        self.assert(fold.step.offset, &step, &accumulator);
        self.scopes.truncate(depth + 1);
        let result = self.check(&mut fold.result);
        self.scopes.truncate(depth);
        self.substitution.resolve(&result, false)
    }

    fn assert(&mut self, offset: u32, found: &Type, expected: &Type) {
        if !self.substitution.is_assignable(found, expected) {
            let (expected, found) = (self.shown(expected), self.shown(found));
            self.issue(
                offset,
                format!("expected type '{expected}' but found '{found}'"),
            );
        }
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// Constants that can only fail are refused.
///
/// upstream: github.com/google/cel-go/cel/validator.go#ValidateDurationLiterals, ValidateTimestampLiterals,
/// ValidateRegexLiterals
fn faulty_literal(
    function: &str,
    member: bool,
    target: Option<&Expr>,
    args: &[Expr],
) -> Option<String> {
    let text = |expr: Option<&Expr>| match &expr?.kind {
        Kind::Literal(Literal::String(text)) => Some(text.clone()),
        _ => None,
    };
    let faulty = match (function, args.len()) {
        ("duration", 1) if !member => machinery::duration::parse(&text(args.first())?).is_err(),
        ("timestamp", 1) if !member => crate::time::parse_timestamp(&text(args.first())?).is_none(),
        ("matches", 1) if target.is_some() => {
            crate::functions::regex::compile(&text(args.first())?).is_err()
        }
        ("matches", 2) if !member => crate::functions::regex::compile(&text(args.get(1))?).is_err(),
        _ => return None,
    };
    faulty.then(|| format!("invalid {function} argument"))
}
