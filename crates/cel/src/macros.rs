//! Macros: calls that stand for comprehensions and presence tests.
//!
//! upstream: github.com/google/cel-go/parser/macro.go, ext/comprehensions.go, cel/library.go#optionalLib

use std::sync::Arc;

use crate::ast::{ACCUMULATOR, Element, Expr, Fold, Kind, Literal};
use crate::parser::Parser;

/// `has(a.b)`, or the call of a function.
pub(crate) fn global_call(
    p: &mut Parser,
    offset: u32,
    name: &str,
    mut args: Vec<Expr>,
) -> Option<Expr> {
    if name == "has" && args.len() == 1 {
        let arg = args.pop()?;
        let at = arg.offset;
        return match arg.kind {
            Kind::Select {
                operand,
                field,
                test: false,
            } => p.node(
                offset,
                Kind::Select {
                    operand,
                    field,
                    test: true,
                },
            ),
            _ => p.fault(at, "invalid argument to has() macro"),
        };
    }
    p.call(offset, name, args)
}

/// `target.all(x, …)` and the like, or the call of a method.
pub(crate) fn member_call(
    p: &mut Parser,
    offset: u32,
    target: Expr,
    name: &str,
    args: Vec<Expr>,
) -> Option<Expr> {
    match (name, args.len()) {
        ("all" | "exists" | "exists_one" | "existsOne" | "map" | "filter", 2)
        | (
            "all" | "exists" | "exists_one" | "existsOne" | "map" | "transformList"
            | "transformMap" | "transformMapEntry",
            3,
        )
        | ("transformList" | "transformMap" | "transformMapEntry", 4) => {
            comprehension(p, offset, target, name, args)
        }
        ("optMap" | "optFlatMap", 2) => opt_map(p, offset, target, name, args),
        _ => p.node(
            offset,
            Kind::Call {
                function: name.into(),
                target: Some(Box::new(target)),
                args,
            },
        ),
    }
}

fn variable(p: &mut Parser, expr: Option<Expr>) -> Option<Arc<str>> {
    let expr = expr?;
    match expr.kind {
        Kind::Ident(name) if !name.starts_with('.') => {
            if &*name == "__result__" {
                return p.fault(
                    expr.offset,
                    "iteration variable overwrites accumulator variable",
                );
            }
            Some(name)
        }
        _ => p.fault(expr.offset, "argument must be a simple name"),
    }
}

fn comprehension(
    p: &mut Parser,
    offset: u32,
    range: Expr,
    name: &str,
    args: Vec<Expr>,
) -> Option<Expr> {
    let two_variables = name.starts_with("transform") || (args.len() == 3 && name != "map");
    let mut args = args.into_iter();
    let first = variable(p, args.next())?;
    let second = if two_variables {
        let at = offset;
        let second = variable(p, args.next())?;
        if second == first {
            return p.fault(at, format!("duplicate variable name: {second}"));
        }
        Some(second)
    } else {
        None
    };
    let (filter, body) = match (args.next(), args.next()) {
        (Some(body), None) => (None, body),
        (filter, Some(body)) => (filter, body),
        (None, None) => return None,
    };
    let accumulator = |p: &mut Parser| p.node(offset, Kind::Ident(ACCUMULATOR.into()));
    let truth = |p: &mut Parser, value| p.node(offset, Kind::Literal(Literal::Bool(value)));
    let int = |p: &mut Parser, value| p.node(offset, Kind::Literal(Literal::Int(value)));
    let (init, condition, mut step, result);
    match name {
        "all" => {
            init = truth(p, true)?;
            let so_far = accumulator(p)?;
            condition = p.call(offset, "@not_strictly_false", vec![so_far])?;
            let so_far = accumulator(p)?;
            step = p.call(offset, "_&&_", vec![so_far, body])?;
            result = accumulator(p)?;
        }
        "exists" => {
            init = truth(p, false)?;
            let so_far = accumulator(p)?;
            let not = p.call(offset, "!_", vec![so_far])?;
            condition = p.call(offset, "@not_strictly_false", vec![not])?;
            let so_far = accumulator(p)?;
            step = p.call(offset, "_||_", vec![so_far, body])?;
            result = accumulator(p)?;
        }
        "exists_one" | "existsOne" => {
            init = int(p, 0)?;
            condition = truth(p, true)?;
            let (so_far, one) = (accumulator(p)?, int(p, 1)?);
            let more = p.call(offset, "_+_", vec![so_far, one])?;
            let same = accumulator(p)?;
            step = p.call(offset, "_?_:_", vec![body, more, same])?;
            let (so_far, one) = (accumulator(p)?, int(p, 1)?);
            result = p.call(offset, "_==_", vec![so_far, one])?;
        }
        "filter" => {
            init = p.node(offset, Kind::List(Vec::new()))?;
            condition = truth(p, true)?;
            let element = p.node(offset, Kind::Ident(first.clone()))?;
            let more = appended(p, offset, element)?;
            let same = accumulator(p)?;
            step = p.call(offset, "_?_:_", vec![body, more, same])?;
            result = accumulator(p)?;
        }
        "transformMap" | "transformMapEntry" => {
            init = p.node(offset, Kind::Map(Vec::new()))?;
            condition = truth(p, true)?;
            let so_far = accumulator(p)?;
            let args = if name == "transformMap" {
                let key = p.node(offset, Kind::Ident(first.clone()))?;
                vec![so_far, key, body]
            } else {
                vec![so_far, body]
            };
            step = p.call(offset, "cel.@mapInsert", args)?;
            if let Some(filter) = filter {
                let same = accumulator(p)?;
                step = p.call(offset, "_?_:_", vec![filter, step, same])?;
            }
            result = accumulator(p)?;
        }
        _ => {
            init = p.node(offset, Kind::List(Vec::new()))?;
            condition = truth(p, true)?;
            step = appended(p, offset, body)?;
            if let Some(filter) = filter {
                let same = accumulator(p)?;
                step = p.call(offset, "_?_:_", vec![filter, step, same])?;
            }
            result = accumulator(p)?;
        }
    }
    p.node(
        offset,
        Kind::Fold(Box::new(Fold {
            variable: first,
            second,
            range,
            init,
            condition,
            step,
            result,
        })),
    )
}

/// `@result + [element]`
fn appended(p: &mut Parser, offset: u32, element: Expr) -> Option<Expr> {
    let list = p.node(
        offset,
        Kind::List(vec![Element {
            value: element,
            optional: false,
        }]),
    )?;
    let so_far = p.node(offset, Kind::Ident(ACCUMULATOR.into()))?;
    p.call(offset, "_+_", vec![so_far, list])
}

/// `o.optMap(v, e)`: `o.hasValue() ? optional.of(e with v) : optional.none()`, where `v` is bound by a fold over nothing.
///
/// The optional is named twice in upstream's expansion; here a call of its own evaluates it once.
fn opt_map(p: &mut Parser, offset: u32, target: Expr, name: &str, args: Vec<Expr>) -> Option<Expr> {
    let mut args = args.into_iter();
    let variable = variable(p, args.next())?;
    let body = args.next()?;
    // A fold over the optional's zero or one values whose accumulator is the optional result.
    let values = p.node(
        offset,
        Kind::Call {
            function: "@optionalValues".into(),
            target: None,
            args: vec![target],
        },
    )?;
    let init = p.call(offset, "optional.none", Vec::new())?;
    let condition = p.node(offset, Kind::Literal(Literal::Bool(true)))?;
    let step = if name == "optMap" {
        p.call(offset, "optional.of", vec![body])?
    } else {
        body
    };
    let result = p.node(offset, Kind::Ident(ACCUMULATOR.into()))?;
    p.node(
        offset,
        Kind::Fold(Box::new(Fold {
            variable,
            second: None,
            range: values,
            init,
            condition,
            step,
            result,
        })),
    )
}
