//! What an expression may cost at most, as its types' limits say, without evaluating it.
//!
//! Where nothing bounds a text or list that an expression makes, it counts as large as a request may be; upstream takes such
//! for endless. So an estimate is never above upstream's for that reason, and what is accepted still has its limits when it
//! is evaluated.
//!
//! upstream: github.com/google/cel-go/checker/cost.go, staging/src/k8s.io/apiserver/pkg/cel/library/cost.go#EstimateCallCost

use crate::ast::{ACCUMULATOR, Expr, Fold, Kind, Literal};
use crate::cost::{pattern, traversal};
use crate::program::Program;
use crate::schema::{MAX_REQUEST_SIZE, Schema};
use crate::types::Type;

/// Characters of a number, a time or a truth as text.
const SCALAR_TEXT: u64 = 40;

/// Characters of a map's key.
const KEY_TEXT: u64 = 256;

/// Smallest and largest size: characters, bytes, elements.
#[derive(Clone, Copy, Debug)]
struct Size {
    min: u64,
    max: u64,
}

impl Size {
    const fn exact(size: u64) -> Self {
        Self {
            min: size,
            max: size,
        }
    }

    const fn upto(max: u64) -> Self {
        Self { min: 0, max }
    }

    fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }
}

/// What is known of a part.
#[derive(Clone)]
struct Known {
    cost: u64,
    size: Size,
    schema: Option<Schema>,
    /// The schema of elements, where the part itself has none.
    element: Option<Schema>,
}

impl Known {
    fn new(cost: u64, size: Size) -> Self {
        Self {
            cost,
            size,
            schema: None,
            element: None,
        }
    }

    fn of_element(&self) -> Option<Schema> {
        self.element
            .clone()
            .or_else(|| self.schema.as_ref().and_then(Schema::element).cloned())
    }
}

struct Estimator<'p> {
    program: &'p Program,
    roots: &'p [(&'p str, &'p Schema)],
    /// Variables of comprehensions, innermost last.
    scopes: Vec<(String, Known)>,
}

impl Program {
    /// The most that an evaluation may cost, by the schemas of its variables.
    ///
    /// upstream: apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go#CompilationResult.MaxCost
    pub fn max_cost(&self, variables: &[(&str, &Schema)]) -> u64 {
        let mut estimator = Estimator {
            program: self,
            roots: variables,
            scopes: Vec::new(),
        };
        estimator.part(self.expr()).cost
    }
}

impl Schema {
    /// How often a value of this schema can be within one request.
    ///
    /// upstream: compilation.go#maxCardinality
    pub fn max_cardinality(&self) -> u64 {
        MAX_REQUEST_SIZE / (self.min_size().saturating_add(1))
    }
}

impl Estimator<'_> {
    fn part(&mut self, expr: &Expr) -> Known {
        crate::cost::with_stack(|| self.part_here(expr))
    }

    fn part_here(&mut self, expr: &Expr) -> Known {
        match &expr.kind {
            Kind::Literal(literal) => Known::new(
                0,
                Size::exact(match literal {
                    Literal::String(s) => s.chars().count() as u64,
                    Literal::Bytes(b) => b.len() as u64,
                    _ => 1,
                }),
            ),
            Kind::Ident(name) => self.ident(expr, name),
            Kind::Select {
                operand,
                field,
                test,
            } => {
                let operand_type = self.program.type_of(operand).clone();
                let target = self.part(operand);
                if *test {
                    return Known::new(target.cost, Size::exact(1));
                }
                let by_field = matches!(
                    operand_type,
                    Type::Map(..)
                        | Type::Object(_)
                        | Type::Struct(_)
                        | Type::Dyn
                        | Type::Param(_)
                        | Type::Optional(_)
                );
                let cost = target.cost.saturating_add(u64::from(by_field));
                let schema = target.schema.as_ref().and_then(|s| {
                    let named = s.field(field).map(|f| f.schema.clone());
                    named.or_else(|| s.element().cloned())
                });
                self.sized(expr, cost, schema)
            }
            Kind::List(elements) => {
                let mut cost = 10_u64;
                let mut element = None;
                for e in elements {
                    let known = self.part(&e.value);
                    cost = cost.saturating_add(known.cost);
                    element = known.schema;
                }
                Known {
                    element,
                    ..Known::new(cost, Size::exact(elements.len() as u64))
                }
            }
            Kind::Map(entries) => {
                let mut cost = 30_u64;
                for entry in entries {
                    cost = cost.saturating_add(self.part(&entry.key).cost);
                    cost = cost.saturating_add(self.part(&entry.value).cost);
                }
                Known::new(cost, Size::exact(entries.len() as u64))
            }
            Kind::Struct { fields, .. } => {
                let cost = fields.iter().fold(40_u64, |sum, f| {
                    sum.saturating_add(self.part(&f.value).cost)
                });
                Known::new(cost, Size::exact(1))
            }
            Kind::Fold(fold) => self.fold(fold),
            Kind::Call {
                function,
                target,
                args,
            } => self.call(expr, function, target.as_deref(), args),
        }
    }

    fn sized(&self, expr: &Expr, cost: u64, schema: Option<Schema>) -> Known {
        let size = match (self.program.type_of(expr), &schema) {
            (
                Type::Bool
                | Type::Int
                | Type::Uint
                | Type::Double
                | Type::Null
                | Type::Duration
                | Type::Timestamp,
                _,
            ) => Size::exact(1),
            (_, Some(schema)) => Size::upto(schema.max_elements()),
            (Type::String | Type::Bytes | Type::List(_) | Type::Map(..) | Type::Dyn, None) => {
                Size::upto(MAX_REQUEST_SIZE)
            }
            _ => Size::exact(1),
        };
        Known {
            schema,
            ..Known::new(cost, size)
        }
    }

    fn ident(&mut self, expr: &Expr, name: &str) -> Known {
        if let Some((_, known)) = self.scopes.iter().rev().find(|(n, _)| n == name) {
            return Known {
                cost: 1,
                ..known.clone()
            };
        }
        let schema = self
            .roots
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, s)| Schema::clone(s));
        self.sized(expr, 1, schema)
    }

    fn fold(&mut self, fold: &Fold) -> Known {
        let range = self.part(&fold.range);
        let init = self.part(&fold.init);
        let of_map = matches!(self.program.type_of(&fold.range), Type::Map(..));
        let element = range.of_element();
        let value = Known {
            size: Size::upto(
                element
                    .as_ref()
                    .map_or(MAX_REQUEST_SIZE, Schema::max_elements),
            ),
            schema: element.clone(),
            ..Known::new(1, Size::exact(1))
        };
        let depth = self.scopes.len();
        self.scopes.push((
            ACCUMULATOR.to_owned(),
            Known {
                element: element.clone(),
                ..Known::new(1, range.size)
            },
        ));
        let key = Known::new(1, Size::upto(KEY_TEXT));
        match &fold.second {
            Some(second) => {
                self.scopes.push((fold.variable.to_string(), key));
                self.scopes.push((second.to_string(), value));
            }
            None if of_map => self.scopes.push((fold.variable.to_string(), key)),
            None => self.scopes.push((fold.variable.to_string(), value)),
        }
        let condition = self.part(&fold.condition);
        let step = self.part(&fold.step);
        self.scopes.truncate(depth + 1);
        let result = self.part(&fold.result);
        self.scopes.truncate(depth);
        let each = condition.cost.saturating_add(step.cost);
        let cost = range
            .cost
            .saturating_add(init.cost)
            .saturating_add(result.cost)
            .saturating_add(range.size.max.saturating_mul(each));
        let size = match self.program.type_of(&fold.result) {
            Type::Bool | Type::Int => Size::exact(1),
            _ => Size::upto(range.size.max),
        };
        Known {
            element: step.element.or(element),
            ..Known::new(cost, size)
        }
    }

    fn call(&mut self, expr: &Expr, function: &str, target: Option<&Expr>, args: &[Expr]) -> Known {
        let mut parts: Vec<Known> = Vec::with_capacity(args.len() + 1);
        for arg in target.into_iter().chain(args) {
            parts.push(self.part(arg));
        }
        let sum = parts
            .iter()
            .fold(0_u64, |sum, p| sum.saturating_add(p.cost));
        let nothing = Known::new(0, Size::exact(0));
        let part = |i: usize| parts.get(i).unwrap_or(&nothing);
        let max = |i: usize| part(i).size.max;
        let first = target.or(args.first());
        let text = first.is_some_and(|e| {
            matches!(
                self.program.type_of(e),
                Type::String | Type::Bytes | Type::Dyn
            )
        });
        let with = |cost: u64, size: Size| Known::new(sum.saturating_add(cost), size);
        let product = |a: u64, b: u64| a.saturating_mul(b);
        match function {
            "_&&_" | "_||_" => return Known::new(sum, Size::exact(1)),
            "_?_:_" => {
                let cost = part(0).cost.saturating_add(part(1).cost.max(part(2).cost));
                return Known {
                    schema: part(1).schema.clone().or_else(|| part(2).schema.clone()),
                    element: part(1).element.clone().or_else(|| part(2).element.clone()),
                    ..Known::new(cost, part(1).size.union(part(2).size))
                };
            }
            "_[_]" | "_[?_]" => {
                return self.sized(expr, sum.saturating_add(1), part(0).of_element());
            }
            "_?._" => {
                let field = match args.get(1).map(|a| &a.kind) {
                    Some(Kind::Literal(Literal::String(name))) => name.clone(),
                    _ => "".into(),
                };
                let of = part(0).schema.as_ref();
                let schema = of.and_then(|s| {
                    s.field(&field)
                        .map(|f| f.schema.clone())
                        .or_else(|| s.element().cloned())
                });
                return self.sized(expr, sum.saturating_add(1), schema);
            }
            "_+_" => {
                let size = part(0).size.plus(part(1).size);
                let cost = match self.program.type_of(expr) {
                    Type::String | Type::Bytes => traversal(size.max),
                    Type::Dyn if text => traversal(size.max),
                    _ => 1,
                };
                return Known {
                    element: part(0).of_element().or_else(|| part(1).of_element()),
                    ..with(cost, size)
                };
            }
            "value" | "orValue" | "or" | "optional.of" | "dyn" => {
                return Known {
                    schema: part(0).schema.clone(),
                    element: part(0).element.clone(),
                    ..with(1, part(0).size)
                };
            }
            _ => {}
        }
        match function {
            "_==_" | "_!=_" => with(traversal(max(0).min(max(1))), Size::exact(1)),
            "_<_" | "_<=_" | "_>_" | "_>=_" if text => {
                with(traversal(max(0).min(max(1))), Size::exact(1))
            }
            "@in" => match args.get(1).map(|a| self.program.type_of(a)) {
                Some(Type::Map(..)) => with(1, Size::exact(1)),
                _ => with(max(1), Size::exact(1)),
            },
            "check" => with(350_000, Size::exact(1)),
            "startsWith" | "endsWith" => with(traversal(max(1)), Size::exact(1)),
            "contains" => with(
                product(traversal(max(0)), traversal(max(1))),
                Size::exact(1),
            ),
            "matches" => with(
                product(traversal(max(0).saturating_add(1)), pattern(max(1))),
                Size::exact(1),
            ),
            "find" | "findAll" => with(
                product(traversal(max(0).saturating_add(1)), pattern(max(1))),
                Size::upto(max(0)),
            ),
            "lowerAscii"
            | "upperAscii"
            | "trim"
            | "substring"
            | "url"
            | "bytes"
            | "strings.quote"
            | "base64.encode"
            | "base64.decode"
            | "jsonpatch.escapeKey"
            | "charAt" => {
                let growth = if matches!(function, "bytes" | "strings.quote") {
                    4
                } else {
                    2
                };
                let size = match function {
                    "lowerAscii" | "upperAscii" | "trim" | "substring" | "url" | "charAt" => max(0),
                    _ => max(0).saturating_mul(growth),
                };
                with(traversal(max(0)), Size::upto(size))
            }
            "string" => match first.map(|e| self.program.type_of(e)) {
                Some(Type::String | Type::Bytes | Type::Dyn) => {
                    with(traversal(max(0)), Size::upto(max(0)))
                }
                _ => with(1, Size::upto(SCALAR_TEXT)),
            },
            "replace" => {
                let (of, old, new) = (part(0).size, part(1).size, part(2).size);
                let (count, kept) = if old.min == 0 {
                    (of.max.saturating_add(1), of.max)
                } else if new.max <= old.min {
                    (0, of.max)
                } else {
                    (of.max.div_ceil(old.min), 0)
                };
                let size = product(count, new.max).saturating_add(kept);
                with(traversal(product(of.max, 2)), Size::upto(size))
            }
            "split" => with(traversal(product(max(0), 2)), Size::upto(max(0))),
            "join" => {
                let each = part(0)
                    .of_element()
                    .map_or(MAX_REQUEST_SIZE, |s| s.max_elements());
                let separator = if parts.len() > 1 { max(1) } else { 0 };
                let size = product(max(0), each.saturating_add(separator)).min(MAX_REQUEST_SIZE);
                with(traversal(product(size, 2)), Size::upto(size))
            }
            "format" if target.is_some() => with(traversal(max(0)), Size::upto(MAX_REQUEST_SIZE)),
            "indexOf" | "lastIndexOf" if text => with(
                product(traversal(max(0)), traversal(max(1)).max(1)),
                Size::exact(1),
            ),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
                let each = match first.map(|e| self.program.type_of(e)) {
                    Some(Type::List(of)) if matches!(**of, Type::String | Type::Bytes) => {
                        let size = part(0)
                            .of_element()
                            .map_or(MAX_REQUEST_SIZE, |s| s.max_elements());
                        traversal(size).saturating_add(1)
                    }
                    _ => 1,
                };
                with(product(max(0), each), Size::upto(SCALAR_TEXT))
            }
            "sets.contains" | "sets.intersects" => with(product(max(0), max(1)), Size::exact(1)),
            "sets.equivalent" => with(product(product(max(0), max(1)), 2), Size::exact(1)),
            "distinct" | "sort" | "reverse" | "slice" | "flatten" | "first" | "last" => Known {
                element: part(0).of_element(),
                ..with(max(0), Size::upto(max(0)))
            },
            "quantity" | "isQuantity" | "ip" | "isIP" | "cidr" | "isCIDR" | "semver"
            | "isSemver" | "isURL" | "ip.isCanonical" => with(traversal(max(0)), Size::exact(1)),
            "validate" => with(
                product(traversal(max(1).saturating_add(1)), 25),
                Size::upto(SCALAR_TEXT),
            ),
            _ => {
                let known = self.sized(expr, sum.saturating_add(1), None);
                Known {
                    element: part(0).of_element(),
                    ..known
                }
            }
        }
    }
}
