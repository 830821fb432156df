//! A tree as text that parses to the same tree.
//!
//! upstream: github.com/google/cel-go/parser/unparser.go

use std::fmt::Write as _;

use crate::ast::{ACCUMULATOR, Expr, Fold, Kind, Literal};

/// The text of a tree, fully parenthesised; `None` for what no text stands for (a fold that no macro makes).
pub(crate) fn print(expr: &Expr) -> Option<String> {
    let mut out = String::new();
    write(&mut out, expr)?;
    Some(out)
}

fn write(out: &mut String, expr: &Expr) -> Option<()> {
    match &expr.kind {
        Kind::Literal(literal) => self::literal(out, literal),
        Kind::Ident(name) => out.push_str(name),
        Kind::Select {
            operand,
            field,
            test,
        } => {
            if *test {
                out.push_str("has(");
            }
            operand_of(out, operand)?;
            let plain = field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && field
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !["true", "false", "null", "in"].contains(&&**field);
            let _ = if plain {
                write!(out, ".{field}")
            } else {
                write!(out, ".`{field}`")
            };
            if *test {
                out.push(')');
            }
        }
        Kind::Call {
            function,
            target,
            args,
        } => call(out, function, target.as_deref(), args)?,
        Kind::List(elements) => {
            out.push('[');
            for (i, e) in elements.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(if e.optional { "?" } else { "" });
                write(out, &e.value)?;
            }
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for (i, e) in entries.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(if e.optional { "?" } else { "" });
                write(out, &e.key)?;
                out.push_str(": ");
                write(out, &e.value)?;
            }
            out.push('}');
        }
        Kind::Struct { name, fields } => {
            let _ = write!(out, "{name}{{");
            for (i, f) in fields.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(if f.optional { "?" } else { "" });
                let _ = write!(out, "{}: ", f.name);
                write(out, &f.value)?;
            }
            out.push('}');
        }
        Kind::Fold(fold) => self::fold(out, fold)?,
    }
    Some(())
}

/// The operand of a selection or a call: a number is set in parentheses, since a sign binds less.
fn operand_of(out: &mut String, expr: &Expr) -> Option<()> {
    let bare = matches!(
        expr.kind,
        Kind::Ident(_) | Kind::Select { .. } | Kind::List(_) | Kind::Fold(_)
    );
    if bare {
        return write(out, expr);
    }
    out.push('(');
    write(out, expr)?;
    out.push(')');
    Some(())
}

fn call(out: &mut String, function: &str, target: Option<&Expr>, args: &[Expr]) -> Option<()> {
    let binary = match function {
        "_&&_" => "&&",
        "_||_" => "||",
        "_==_" => "==",
        "_!=_" => "!=",
        "_<_" => "<",
        "_<=_" => "<=",
        "_>_" => ">",
        "_>=_" => ">=",
        "_+_" => "+",
        "_-_" => "-",
        "_*_" => "*",
        "_/_" => "/",
        "_%_" => "%",
        "@in" => "in",
        _ => "",
    };
    match (function, args) {
        (_, [a, b]) if !binary.is_empty() => {
            out.push('(');
            write(out, a)?;
            let _ = write!(out, " {binary} ");
            write(out, b)?;
            out.push(')');
        }
        ("_?_:_", [condition, yes, no]) => {
            out.push('(');
            write(out, condition)?;
            out.push_str(" ? ");
            write(out, yes)?;
            out.push_str(" : ");
            write(out, no)?;
            out.push(')');
        }
        ("!_" | "-_", [operand]) => {
            let _ = write!(out, "({}(", function.get(..1)?);
            write(out, operand)?;
            out.push_str("))");
        }
        ("_[_]" | "_[?_]", [operand, index]) => {
            operand_of(out, operand)?;
            out.push_str(if function == "_[_]" { "[" } else { "[?" });
            write(out, index)?;
            out.push(']');
        }
        ("_?._", [operand, field]) => {
            operand_of(out, operand)?;
            let Kind::Literal(Literal::String(name)) = &field.kind else {
                return None;
            };
            let _ = write!(out, ".?`{name}`");
        }
        (name, args) if !name.starts_with('@') => {
            if let Some(target) = target {
                operand_of(out, target)?;
                out.push('.');
            }
            out.push_str(name);
            out.push('(');
            for (i, arg) in args.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write(out, arg)?;
            }
            out.push(')');
        }
        _ => return None,
    }
    Some(())
}

/// A fold as the macro that makes it.
fn fold(out: &mut String, fold: &Fold) -> Option<()> {
    let is_accumulator = |e: &Expr| matches!(&e.kind, Kind::Ident(name) if &**name == ACCUMULATOR);
    let as_call = |e: &'_ Expr| match &e.kind {
        Kind::Call { function, args, .. } => Some((function.to_string(), args.clone())),
        _ => None,
    };
    let (function, args) = as_call(&fold.step)?;
    let (macro_name, parts) = match (function.as_str(), args.as_slice()) {
        ("_&&_", [a, body]) if is_accumulator(a) => ("all", vec![body.clone()]),
        ("_||_", [a, body]) if is_accumulator(a) => ("exists", vec![body.clone()]),
        ("_?_:_", [condition, step, same]) if is_accumulator(same) => match as_call(step) {
            Some((name, parts)) if name == "_+_" => match parts.as_slice() {
                [_, one] if matches!(one.kind, Kind::Literal(Literal::Int(1))) => {
                    ("existsOne", vec![condition.clone()])
                }
                [_, list] => (listing(fold), vec![condition.clone(), sole(list)?]),
                _ => return None,
            },
            Some((name, parts)) if name == "cel.@mapInsert" => (
                inserting(&parts),
                vec![condition.clone(), parts.last()?.clone()],
            ),
            _ => return None,
        },
        ("_+_", [a, list]) if is_accumulator(a) => (listing(fold), vec![sole(list)?]),
        ("cel.@mapInsert", parts) => (inserting(parts), vec![parts.last()?.clone()]),
        _ => return None,
    };
    operand_of(out, &fold.range)?;
    let _ = write!(out, ".{macro_name}({}", fold.variable);
    if let Some(second) = &fold.second {
        let _ = write!(out, ", {second}");
    }
    for part in &parts {
        out.push_str(", ");
        write(out, part)?;
    }
    out.push(')');
    Some(())
}

fn listing(fold: &Fold) -> &'static str {
    if fold.second.is_some() {
        "transformList"
    } else {
        "map"
    }
}

fn inserting(parts: &[Expr]) -> &'static str {
    if parts.len() == 3 {
        "transformMap"
    } else {
        "transformMapEntry"
    }
}

fn sole(list: &Expr) -> Option<Expr> {
    match &list.kind {
        Kind::List(elements) => elements.first().map(|e| e.value.clone()),
        _ => None,
    }
}

fn literal(out: &mut String, literal: &Literal) {
    let _ = match literal {
        Literal::Null => write!(out, "null"),
        Literal::Bool(b) => write!(out, "{b}"),
        Literal::Int(i) => write!(out, "{i}"),
        Literal::Uint(u) => write!(out, "{u}u"),
        Literal::Double(d) => write!(out, "{d:e}").map(|()| {
            if !out.contains('e') {
                out.push_str(".0");
            }
        }),
        Literal::String(s) => {
            out.push('"');
            for c in s.chars() {
                match c {
                    '"' | '\\' => {
                        out.push('\\');
                        out.push(c);
                    }
                    c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                        let _ = write!(out, "\\x{:02x}", c as u32);
                    }
                    c => out.push(c),
                }
            }
            out.push('"');
            Ok(())
        }
        Literal::Bytes(bytes) => {
            out.push_str("b\"");
            for b in bytes.iter() {
                let _ = write!(out, "\\x{b:02x}");
            }
            out.push('"');
            Ok(())
        }
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use proptest::prelude::*;

    fn round_trip(text: &str) {
        let Ok(parsed) = parse(text) else { return };
        let Some(printed) = print(&parsed) else {
            return;
        };
        let again = parse(&printed);
        assert_eq!(again.as_ref(), Ok(&parsed), "{text}\n{printed}");
    }

    #[test]
    fn macros_and_operators() {
        for text in [
            "a.all(x, x > 1) && b.exists(k, v, k == v)",
            "a.map(x, x * 2).filter(y, y != 3).existsOne(z, z in [1u, 2u])",
            "a.transformMap(k, v, v > 1, v + 1).transformMapEntry(k, v, {v: k})",
            "has(a.b.c) ? -a : !(b || c)",
            "a.?b[?0].c['d'] + [?a, b] == {?'a': b, 1: 2.5e10}",
            "Object{spec: Object.spec{?a: 1, b: b'\\x00'}}",
            "a.`b-c`.matches('\"\\n\\\\') || ---1 > 0.1",
            "a - (b - c) - d / (e % f) * g",
        ] {
            let parsed = parse(text).unwrap();
            let printed = print(&parsed).unwrap();
            assert_eq!(parse(&printed).unwrap(), parsed, "{text}\n{printed}");
        }
    }

    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a", "b", "1", "-1", "2u", "1.5", "'s'", "b'b'", "true", "null", "[]", "{}",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(5, 40, 3, |inner| {
            let op = prop::sample::select(vec!["+", "-", "*", "==", "<", "&&", "||", "in", "%"]);
            prop_oneof![
                (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                inner.clone().prop_map(|a| format!("({a})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                inner.clone().prop_map(|a| format!("-({a})")),
                inner.clone().prop_map(|a| format!("[{a}, ?{a}]")),
                inner.clone().prop_map(|a| format!("has(({a}).f)")),
                inner.clone().prop_map(|a| format!("({a}).?f.g(x)[0]")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).all(x, {b})")),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| format!("({a}).map(x, x != 1, {b})")),
                (inner.clone(), inner.clone(), inner)
                    .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn what_is_printed_parses_to_the_same(text in expressions()) {
            prop_assert!(parse(&text).is_ok(), "{}", text);
            round_trip(&text);
        }

        #[test]
        fn whatever_parses_is_printed(text in "[a-c0-9.+*/<>=!&|?:(){}\\[\\]' ]{0,30}") {
            round_trip(&text);
        }
    }
}
