//! The syntax tree: what the parser makes (macros expanded) and the checker rewrites (qualified names resolved).

use std::sync::Arc;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `-1`
    Int(i64),
    /// `1u`
    Uint(u64),
    /// `1.0`
    Double(f64),
    /// `'a'`
    String(Arc<str>),
    /// `b'a'`
    Bytes(Arc<[u8]>),
}

/// A node. Two nodes are equal when they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// Unique within one expression.
    pub(crate) id: u32,
    /// Where it stands: the character (not byte) in the source, from 0.
    pub(crate) offset: u32,
    /// What it is.
    pub(crate) kind: Kind,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// An element of a list literal; `[?e]` is optional.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Element {
    /// The element.
    pub(crate) value: Expr,
    /// Left out when it is an empty optional.
    pub(crate) optional: bool,
}

/// An entry of a map literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: Expr,
    /// The value.
    pub(crate) value: Expr,
    /// Left out when the value is an empty optional.
    pub(crate) optional: bool,
}

/// A field of a message literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldInit {
    /// Where the name stands.
    pub(crate) offset: u32,
    /// The field's name.
    pub(crate) name: Arc<str>,
    /// Its value.
    pub(crate) value: Expr,
    /// Left out when the value is an empty optional.
    pub(crate) optional: bool,
}

/// A comprehension: what the macros `all`, `exists`, `map`, … stand for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fold {
    /// The element (of a list) or key (of a map); the index or key when there is a second variable.
    pub(crate) variable: Arc<str>,
    /// The element or value.
    pub(crate) second: Option<Arc<str>>,
    /// What is iterated.
    pub(crate) range: Expr,
    /// The accumulator's first value.
    pub(crate) init: Expr,
    /// Whether to go on.
    pub(crate) condition: Expr,
    /// The accumulator's next value.
    pub(crate) step: Expr,
    /// The value of the whole.
    pub(crate) result: Expr,
}

/// The accumulator's name; no source text can name it.
pub(crate) const ACCUMULATOR: &str = "@result";

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A constant.
    Literal(Literal),
    /// A name; a leading dot is kept.
    Ident(Arc<str>),
    /// `operand.field`, or `has(operand.field)`.
    Select {
        /// The operand.
        operand: Box<Expr>,
        /// The field.
        field: Arc<str>,
        /// Only whether it is there.
        test: bool,
    },
    /// An operator or function.
    Call {
        /// Its name; operators as `_+_`.
        function: Arc<str>,
        /// The receiver of `target.f()`.
        target: Option<Box<Expr>>,
        /// The other arguments.
        args: Vec<Expr>,
    },
    /// `[a, ?b]`
    List(Vec<Element>),
    /// `{k: v}`
    Map(Vec<Entry>),
    /// `Name{field: v}`
    Struct {
        /// The type's name.
        name: Arc<str>,
        /// The fields.
        fields: Vec<FieldInit>,
    },
    /// A comprehension.
    Fold(Box<Fold>),
}

impl Expr {
    /// The dotted name when the node is nothing but names.
    pub(crate) fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.to_string()),
            Kind::Select {
                operand,
                field,
                test: false,
            } => Some(format!("{}.{field}", operand.qualified_name()?)),
            _ => None,
        }
    }

    /// Calls `f` with each direct part.
    pub(crate) fn for_each_child<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => f(operand),
            Kind::Call { target, args, .. } => {
                if let Some(target) = target {
                    f(target);
                }
                args.iter().for_each(f);
            }
            Kind::List(elements) => elements.iter().for_each(|e| f(&e.value)),
            Kind::Map(entries) => {
                for entry in entries {
                    f(&entry.key);
                    f(&entry.value);
                }
            }
            Kind::Struct { fields, .. } => fields.iter().for_each(|i| f(&i.value)),
            Kind::Fold(fold) => {
                f(&fold.range);
                f(&fold.init);
                f(&fold.condition);
                f(&fold.step);
                f(&fold.result);
            }
        }
    }
}
