//! Evaluation of a checked tree.
//!
//! upstream: github.com/google/cel-go/interpreter/{interpretable,attributes,runtimecost}.go

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::ast::{ACCUMULATOR, Element, Entry, Expr, FieldInit, Fold, Kind};
use crate::cost::{Meter, with_stack};
use crate::error::EvalError;
use crate::functions;
use crate::program::Activation;
use crate::value::{List, Map, Struct, Value, type_by_name};

/// upstream: github.com/google/cel-go/common/cost.go
const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const STRUCT_COST: u64 = 40;

type Evaluated<'a> = Result<Value<'a>, EvalError>;

pub(crate) struct Evaluator<'v, 'a> {
    variables: &'v dyn Activation<'a>,
    pub(crate) meter: Meter,
    /// Variables of comprehensions, innermost last.
    frames: Vec<(Arc<str>, Evaluated<'a>)>,
    patterns: functions::regex::Patterns,
}

impl<'v, 'a> Evaluator<'v, 'a> {
    pub(crate) fn new(variables: &'v dyn Activation<'a>, meter: Meter) -> Self {
        Self {
            variables,
            meter,
            frames: Vec::new(),
            patterns: functions::regex::Patterns::default(),
        }
    }

    pub(crate) fn eval(&mut self, expr: &Expr) -> Evaluated<'a> {
        self.meter.work(1)?;
        match &expr.kind {
            Kind::Literal(literal) => Ok(Value::literal(literal)),
            Kind::Ident(name) => self.ident(name),
            _ => with_stack(|| self.eval_parts(expr)),
        }
    }

    fn eval_parts(&mut self, expr: &Expr) -> Evaluated<'a> {
        match &expr.kind {
            Kind::Literal(_) | Kind::Ident(_) => self.eval(expr),
            Kind::Select {
                operand,
                field,
                test,
            } => self.select(operand, field, *test),
            Kind::Call {
                function,
                target,
                args,
            } => self.call(function, target.as_deref(), args),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct { name, fields } => self.message(name, fields),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    #[inline(never)]
    fn ident(&mut self, name: &Arc<str>) -> Evaluated<'a> {
        self.meter.charge(1)?;
        if let Some((_, value)) = self.frames.iter().rev().find(|(n, _)| n == name) {
            return value.clone();
        }
        if let Some(value) = self.variables.resolve(name) {
            return value;
        }
        match type_by_name(name) {
            Some(_) => Ok(Value::Type(name.clone())),
            None => Err(EvalError::runtime(format!("no such attribute(s): {name}"))),
        }
    }

    #[inline(never)]
    fn select(&mut self, operand: &Expr, field: &str, test: bool) -> Evaluated<'a> {
        let target = self.eval(operand)?;
        if !test {
            self.meter.charge(1 + attribute_cost(operand))?;
        }
        if test {
            return Ok(Value::Bool(match &target {
                Value::Optional(Some(inner)) => find(inner, field)?.is_some(),
                Value::Optional(None) => false,
                other => find(other, field)?.is_some(),
            }));
        }
        match &target {
            Value::Optional(None) => Ok(Value::none()),
            Value::Optional(Some(inner)) => Ok(Value::optional(find(inner, field)?)),
            other => find(other, field)?.ok_or_else(|| EvalError::no_key(field)),
        }
    }

    #[inline(never)]
    fn call(&mut self, function: &str, target: Option<&Expr>, args: &[Expr]) -> Evaluated<'a> {
        match (function, args) {
            ("_&&_", [a, b]) => return self.logical(a, b, false),
            ("_||_", [a, b]) => return self.logical(a, b, true),
            ("_?_:_", [condition, yes, no]) => {
                return match self.eval(condition)? {
                    Value::Bool(true) => self.eval(yes),
                    Value::Bool(false) => self.eval(no),
                    _ => Err(EvalError::no_overload()),
                };
            }
            ("@not_strictly_false", [condition]) => {
                let value = self.eval(condition);
                self.meter.charge(1)?;
                return match value {
                    Err(e) if e.is_fatal() => Err(e),
                    Ok(Value::Bool(false)) => Ok(Value::Bool(false)),
                    _ => Ok(Value::Bool(true)),
                };
            }
            ("_[_]" | "_[?_]" | "_?._", [operand, index]) => {
                return self.index(function, operand, index);
            }
            ("or" | "orValue", [other]) if target.is_some() => {
                if let Some(target) = target {
                    return self.or(function, target, other);
                }
            }
            ("_+_", [first, second]) if is_accumulator(first) => return self.append(second),
            ("cel.@mapInsert", [first, rest @ ..]) if is_accumulator(first) => {
                return self.insert(rest);
            }
            ("@in", [element, range]) if is_constant(range) => {
                // Upstream's planner makes a set of a constant list, whose lookup costs nothing.
                let element = self.eval(element)?;
                let range = self.eval(range)?;
                return functions::operators::contained(&mut self.meter, &element, &range)
                    .map(Value::Bool);
            }
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        if let Some(target) = target {
            values.push(self.eval(target)?);
        }
        for arg in args {
            values.push(self.eval(arg)?);
        }
        functions::call(
            &mut self.meter,
            &mut self.patterns,
            function,
            target.is_some(),
            &values,
        )
    }

    #[inline(never)]
    fn logical(&mut self, a: &Expr, b: &Expr, decisive: bool) -> Evaluated<'a> {
        let first = self.eval(a);
        match &first {
            Ok(Value::Bool(v)) if *v == decisive => return Ok(Value::Bool(decisive)),
            Err(e) if e.is_fatal() => return first,
            _ => {}
        }
        match (first, self.eval(b)) {
            (_, Ok(Value::Bool(v))) if v == decisive => Ok(Value::Bool(decisive)),
            (_, Err(e)) if e.is_fatal() => Err(e),
            (Err(e), _) => Err(e),
            (Ok(Value::Bool(_)), Ok(Value::Bool(v))) => Ok(Value::Bool(v)),
            (Ok(Value::Bool(_)), Err(e)) => Err(e),
            _ => Err(EvalError::no_overload()),
        }
    }

    #[inline(never)]
    fn or(&mut self, function: &str, target: &Expr, other: &Expr) -> Evaluated<'a> {
        let target = self.eval(target)?;
        match target {
            Value::Optional(Some(inner)) => Ok(if function == "or" {
                Value::Optional(Some(inner))
            } else {
                Value::clone(&inner)
            }),
            Value::Optional(None) => self.eval(other),
            _ => Err(EvalError::no_overload()),
        }
    }

    #[inline(never)]
    fn index(&mut self, function: &str, operand: &Expr, index: &Expr) -> Evaluated<'a> {
        let target = self.eval(operand)?;
        let index = self.eval(index)?;
        self.meter.charge(1 + attribute_cost(operand))?;
        let optional = function != "_[_]";
        let (inner, optional) = match &target {
            Value::Optional(None) => return Ok(Value::none()),
            Value::Optional(Some(inner)) => (&**inner, true),
            other => (other, optional),
        };
        match element(inner, &index)? {
            Some(value) if optional => Ok(Value::optional(Some(value))),
            Some(value) => Ok(value),
            None if optional => Ok(Value::none()),
            None => Err(match (inner, &index) {
                (Value::List(_), Value::Int(i)) => {
                    EvalError::runtime(format!("index out of bounds: {i}"))
                }
                (Value::List(_), other) => EvalError::runtime(format!(
                    "unsupported index type '{}' in list",
                    other.type_name()
                )),
                (_, key) => EvalError::no_key(&key.key_text()),
            }),
        }
    }

    /// `@result + [element]`: the accumulator grows in place.
    #[inline(never)]
    fn append(&mut self, addend: &Expr) -> Evaluated<'a> {
        self.meter.charge(1)?;
        let addend = self.eval(addend)?;
        let accumulator = self.take_accumulator()?;
        match (accumulator, addend) {
            (Value::List(List::Owned(mut items)), Value::List(more)) => {
                self.meter.charge(1)?;
                self.meter.allocate_values(more.len())?;
                if Rc::get_mut(&mut items).is_none() {
                    self.meter.allocate_values(items.len())?;
                }
                let owned = Rc::make_mut(&mut items);
                for value in more.iter() {
                    owned.push(value?);
                }
                Ok(Value::List(List::Owned(items)))
            }
            (a, b) => functions::call(&mut self.meter, &mut self.patterns, "_+_", false, &[a, b]),
        }
    }

    #[inline(never)]
    fn insert(&mut self, rest: &[Expr]) -> Evaluated<'a> {
        self.meter.charge(1)?;
        let mut values = Vec::with_capacity(2);
        for arg in rest {
            values.push(self.eval(arg)?);
        }
        self.meter.charge(1)?;
        let Value::Map(Map::Owned(mut entries)) = self.take_accumulator()? else {
            return Err(EvalError::no_overload());
        };
        if Rc::get_mut(&mut entries).is_none() {
            self.meter
                .allocate_values(entries.len().saturating_mul(3))?;
        }
        let owned = Rc::make_mut(&mut entries);
        let mut values = values.into_iter();
        let added = match (values.next(), values.next()) {
            (Some(key), Some(value)) => vec![(key, value)],
            (Some(Value::Map(map)), None) => {
                map.entries().into_iter().collect::<Result<Vec<_>, _>>()?
            }
            _ => return Err(EvalError::no_overload()),
        };
        for (key, value) in added {
            self.meter.allocate_values(3)?;
            let Some(known) = key.key() else {
                return Err(EvalError::runtime(format!(
                    "unsupported key type: {}",
                    key.type_name()
                )));
            };
            let text = key.key_text();
            if owned.insert(known, (key, value)).is_some() {
                return Err(EvalError::runtime(format!(
                    "insert failed: key {text} already exists"
                )));
            }
        }
        Ok(Value::Map(Map::Owned(entries)))
    }

    fn take_accumulator(&mut self) -> Evaluated<'a> {
        match self
            .frames
            .iter_mut()
            .rev()
            .find(|(n, _)| &**n == ACCUMULATOR)
        {
            Some((_, value)) => std::mem::replace(value, Ok(Value::Null)),
            None => Err(EvalError::no_overload()),
        }
    }

    #[inline(never)]
    fn list(&mut self, elements: &[Element]) -> Evaluated<'a> {
        if !elements.iter().all(|e| is_constant(&e.value)) || elements.is_empty() {
            self.meter.charge(LIST_COST)?;
        }
        self.meter.allocate_values(elements.len())?;
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.eval(&element.value)?;
            match value {
                Value::Optional(inner) if element.optional => {
                    values.extend(inner.map(|v| Value::clone(&v)))
                }
                _ if element.optional => return Err(EvalError::no_overload()),
                value => values.push(value),
            }
        }
        Ok(Value::list(values))
    }

    #[inline(never)]
    fn map(&mut self, entries: &[Entry]) -> Evaluated<'a> {
        if !entries
            .iter()
            .all(|e| is_constant(&e.key) && is_constant(&e.value))
            || entries.is_empty()
        {
            self.meter.charge(MAP_COST)?;
        }
        self.meter
            .allocate_values(entries.len().saturating_mul(3))?;
        let mut made = IndexMap::with_capacity(entries.len());
        for entry in entries {
            let key = self.eval(&entry.key)?;
            let mut value = self.eval(&entry.value)?;
            if entry.optional {
                match value {
                    Value::Optional(Some(inner)) => value = Value::clone(&inner),
                    Value::Optional(None) => continue,
                    _ => return Err(EvalError::no_overload()),
                }
            }
            let Some(known) = key.key() else {
                return Err(EvalError::runtime(format!(
                    "unsupported key type: {}",
                    key.type_name()
                )));
            };
            let text = key.key_text();
            if made.insert(known, (key, value)).is_some() {
                return Err(EvalError::runtime(format!(
                    "Failed with repeated key {text}"
                )));
            }
        }
        Ok(Value::Map(Map::Owned(Rc::new(made))))
    }

    #[inline(never)]
    fn message(&mut self, name: &Arc<str>, inits: &[FieldInit]) -> Evaluated<'a> {
        self.meter.charge(STRUCT_COST)?;
        self.meter.allocate_values(inits.len().saturating_mul(3))?;
        let mut fields = IndexMap::with_capacity(inits.len());
        for init in inits {
            let mut value = self.eval(&init.value)?;
            if init.optional {
                match value {
                    Value::Optional(Some(inner)) => value = Value::clone(&inner),
                    Value::Optional(None) => continue,
                    _ => return Err(EvalError::no_overload()),
                }
            }
            fields.insert(init.name.clone(), value);
        }
        Ok(Value::Struct(Rc::new(Struct {
            name: name.clone(),
            fields,
        })))
    }

    #[inline(never)]
    fn fold(&mut self, fold: &Fold) -> Evaluated<'a> {
        let range = self.eval(&fold.range)?;
        let init = self.eval(&fold.init);
        let depth = self.frames.len();
        self.frames.push((ACCUMULATOR.into(), init));
        self.frames.push((fold.variable.clone(), Ok(Value::Null)));
        if let Some(second) = &fold.second {
            self.frames.push((second.clone(), Ok(Value::Null)));
        }
        let outcome = self.iterate(fold, &range, depth);
        self.frames.truncate(depth + 1);
        let result = match outcome {
            Ok(()) => self.eval(&fold.result),
            Err(e) => Err(e),
        };
        self.frames.truncate(depth);
        result
    }

    fn iterate(&mut self, fold: &Fold, range: &Value<'a>, depth: usize) -> Result<(), EvalError> {
        match range {
            Value::List(list) => {
                for index in 0..list.len() {
                    let Some(element) = list.get(index) else {
                        break;
                    };
                    let position = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    let go_on = if fold.second.is_some() {
                        self.step(fold, depth, Ok(position), Some(element))?
                    } else {
                        self.step(fold, depth, element, None)?
                    };
                    if !go_on {
                        break;
                    }
                }
                Ok(())
            }
            Value::Map(map) => {
                self.meter.allocate_values(map.len().saturating_mul(2))?;
                for entry in map.entries() {
                    let (key, value) = entry?;
                    if !self.step(fold, depth, Ok(key), Some(Ok(value)))? {
                        break;
                    }
                }
                Ok(())
            }
            _ => Err(EvalError::no_overload()),
        }
    }

    /// One element; whether to go on. Only what ends the evaluation is an error here: others are the accumulator's.
    fn step(
        &mut self,
        fold: &Fold,
        depth: usize,
        first: Evaluated<'a>,
        second: Option<Evaluated<'a>>,
    ) -> Result<bool, EvalError> {
        if let Some(frame) = self.frames.get_mut(depth + 1) {
            frame.1 = first;
        }
        if let (Some(_), Some(value), Some(frame)) =
            (&fold.second, second, self.frames.get_mut(depth + 2))
        {
            frame.1 = value;
        }
        if !matches!(self.eval(&fold.condition)?, Value::Bool(true)) {
            return Ok(false);
        }
        let next = self.eval(&fold.step);
        if let Err(e) = &next
            && e.is_fatal()
        {
            return Err(e.clone());
        }
        let failed = next.is_err();
        if let Some(frame) = self.frames.get_mut(depth) {
            frame.1 = next;
        }
        // `all` and `exists` look on for an element that decides; nothing can mend the others.
        let absorbs = matches!(&fold.condition.kind, Kind::Call { .. });
        Ok(absorbs || !failed)
    }
}

fn is_accumulator(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Ident(name) if &**name == ACCUMULATOR)
}

/// Whether a part is made of constants alone.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Literal(_) => true,
        Kind::List(elements) => {
            !elements.is_empty()
                && elements
                    .iter()
                    .all(|e| !e.optional && is_constant(&e.value))
        }
        _ => false,
    }
}

/// A selection from anything but a name or another selection counts once more.
fn attribute_cost(operand: &Expr) -> u64 {
    match &operand.kind {
        Kind::Ident(_) | Kind::Select { .. } => 0,
        Kind::Call { function, .. } if matches!(&**function, "_[_]" | "_[?_]" | "_?._") => 0,
        _ => 1,
    }
}

fn find<'a>(target: &Value<'a>, field: &str) -> Result<Option<Value<'a>>, EvalError> {
    match target {
        Value::Map(map) => map.field(field).transpose(),
        Value::Struct(made) => Ok(made.fields.get(field).cloned()),
        _ => Err(EvalError::no_overload()),
    }
}

fn element<'a>(target: &Value<'a>, index: &Value<'a>) -> Result<Option<Value<'a>>, EvalError> {
    match target {
        Value::List(list) => {
            let at = match index.key() {
                Some(crate::value::Key::Number(n)) => usize::try_from(n).ok(),
                _ => None,
            };
            at.and_then(|i| list.get(i)).transpose()
        }
        Value::Map(map) => match index {
            Value::List(_) | Value::Map(_) | Value::Null => Err(EvalError::runtime(format!(
                "unsupported key type: {}",
                index.type_name()
            ))),
            key => map.get(key).transpose(),
        },
        Value::Struct(made) => Ok(index.as_str().and_then(|f| made.fields.get(f).cloned())),
        _ => Err(EvalError::no_overload()),
    }
}
