//! From tokens to the syntax tree, macros expanded.
//!
//! Recursion, the depth of the tree and the length of the text are bounded, so that everything that walks a tree may
//! recurse.
//!
//! upstream: github.com/google/cel-go/parser/parser.go

use std::sync::Arc;

use crate::ast::{Element, Entry, Expr, FieldInit, Kind, Literal};
use crate::cost::with_stack;
use crate::lexer::{Number, Spanned, Token, lex};
use crate::macros;
use crate::source::{CompileError, Issue};

/// Longest expression, in characters.
///
/// upstream: parser.go#defaultExpressionSizeCodePointLimit
pub const MAX_CHARS: usize = 100_000;

/// Deepest nesting of an expression as written.
///
/// upstream: parser.go#defaultMaxRecursionDepth
pub const MAX_DEPTH: u32 = 250;

/// Most faults that are reported.
const MAX_ISSUES: usize = 100;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

const EXPECTED_PRIMARY: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The tree of a text.
pub(crate) fn parse(source: &str) -> Result<Expr, CompileError> {
    let chars: Vec<char> = source.chars().take(MAX_CHARS + 1).collect();
    if chars.len() > MAX_CHARS {
        let issue = Issue {
            offset: 0,
            message: format!(
                "expression code point size exceeds limit: size: {}, limit {MAX_CHARS}",
                source.chars().count()
            ),
        };
        return Err(CompileError::new("", vec![issue]));
    }
    let (tokens, issues) = lex(&chars);
    let mut parser = Parser {
        tokens,
        at: 0,
        nesting: 0,
        depths: Vec::new(),
        issues,
    };
    let parsed = parser.whole();
    let mut issues = parser.issues;
    issues.truncate(MAX_ISSUES);
    match parsed {
        Some(expr) if issues.is_empty() => Ok(expr),
        _ => Err(CompileError::new(source, issues)),
    }
}

pub(crate) struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    nesting: u32,
    /// Depth of each node made, by its id.
    depths: Vec<u32>,
    issues: Vec<Issue>,
}

/// `None`: a fault was noted and parsing ends.
type Parsed<T> = Option<T>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |t| &t.token)
    }

    fn ahead(&self, n: usize) -> &Token {
        self.tokens
            .get(self.at + n)
            .map_or(&Token::End, |t| &t.token)
    }

    fn offset(&self) -> u32 {
        self.tokens.get(self.at).map_or(0, |t| t.offset)
    }

    fn text(&self) -> Arc<str> {
        self.tokens
            .get(self.at)
            .map_or_else(|| "<EOF>".into(), |t| t.text.clone())
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn is(&self, p: &str) -> bool {
        matches!(self.peek(), Token::Punct(q) if *q == p)
    }

    fn accept(&mut self, p: &str) -> bool {
        let is = self.is(p);
        if is {
            self.advance();
        }
        is
    }

    pub(crate) fn fault<T>(&mut self, offset: u32, message: impl Into<String>) -> Parsed<T> {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Issue {
                offset,
                message: message.into(),
            });
        }
        None
    }

    fn unexpected<T>(&mut self, expected: &str, extraneous: bool) -> Parsed<T> {
        let what = if extraneous {
            "extraneous"
        } else {
            "mismatched"
        };
        let message = format!(
            "Syntax error: {what} input '{}' expecting {expected}",
            self.text()
        );
        self.fault(self.offset(), message)
    }

    /// Takes a token that must come. What is said when it doesn't is what upstream's generated parser says: by its
    /// recovery, a token that the next one could follow is missing, and one before the expected one is too much.
    ///
    /// upstream: antlr4 runtime's DefaultErrorStrategy#recoverInline
    fn expect(&mut self, p: &'static str) -> Parsed<()> {
        if self.accept(p) {
            return Some(());
        }
        if *self.peek() != Token::End && matches!(self.ahead(1), Token::Punct(q) if *q == p) {
            return self.unexpected(&format!("'{p}'"), true);
        }
        let follows = match self.peek() {
            Token::End => true,
            Token::Punct(q) => !matches!(*q, "(" | "{" | "!"),
            Token::Keyword(word) => *word == "in",
            _ => false,
        };
        if follows && matches!(p, ")" | "]" | "}") {
            let message = format!("Syntax error: missing '{p}' at '{}'", self.text());
            return self.fault(self.offset(), message);
        }
        self.unexpected(&format!("'{p}'"), false)
    }

    /// Makes a node; a tree that is too deep is a fault.
    pub(crate) fn node(&mut self, offset: u32, kind: Kind) -> Parsed<Expr> {
        let id = u32::try_from(self.depths.len()).unwrap_or(u32::MAX);
        let expr = Expr { id, offset, kind };
        let mut depth = 0;
        expr.for_each_child(&mut |child| {
            depth = depth.max(self.depths.get(child.id as usize).copied().unwrap_or(0));
        });
        if depth >= MAX_DEPTH {
            return self.too_deep(offset);
        }
        self.depths.push(depth + 1);
        Some(expr)
    }

    fn too_deep<T>(&mut self, offset: u32) -> Parsed<T> {
        self.fault(
            offset,
            format!("expression recursion limit exceeded: {MAX_DEPTH}"),
        )
    }

    /// A call of a function or operator.
    pub(crate) fn call(&mut self, offset: u32, function: &str, args: Vec<Expr>) -> Parsed<Expr> {
        self.node(
            offset,
            Kind::Call {
                function: function.into(),
                target: None,
                args,
            },
        )
    }

    fn whole(&mut self) -> Parsed<Expr> {
        let expr = self.expr()?;
        if *self.peek() != Token::End {
            let extraneous = *self.ahead(1) == Token::End;
            return self.unexpected("<EOF>", extraneous);
        }
        Some(expr)
    }

    fn expr(&mut self) -> Parsed<Expr> {
        if self.nesting >= MAX_DEPTH {
            return self.too_deep(self.offset());
        }
        self.nesting += 1;
        let expr = with_stack(|| self.ternary());
        self.nesting -= 1;
        expr
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.logical("||")?;
        let offset = self.offset();
        if !self.accept("?") {
            return Some(condition);
        }
        let yes = self.logical("||")?;
        self.expect(":")?;
        let no = self.expr()?;
        self.call(offset, "_?_:_", vec![condition, yes, no])
    }

    /// `a || b || c` as a balanced tree.
    fn logical(&mut self, operator: &'static str) -> Parsed<Expr> {
        let inner = |parser: &mut Self| {
            if operator == "||" {
                parser.logical("&&")
            } else {
                parser.binary(0)
            }
        };
        let first = inner(self)?;
        if !self.is(operator) {
            return Some(first);
        }
        let mut terms = vec![first];
        let mut offsets = Vec::new();
        while self.is(operator) {
            offsets.push(self.offset());
            self.advance();
            terms.push(inner(self)?);
        }
        let function = if operator == "||" { "_||_" } else { "_&&_" };
        self.balance(function, terms, &offsets)
    }

    fn balance(&mut self, function: &str, mut terms: Vec<Expr>, offsets: &[u32]) -> Parsed<Expr> {
        if terms.len() == 1 {
            return terms.pop();
        }
        let middle = terms.len().div_ceil(2);
        let right = terms.split_off(middle);
        let offset = offsets.get(middle - 1).copied().unwrap_or(0);
        let left = self.balance(
            function,
            terms,
            offsets.get(..middle - 1).unwrap_or_default(),
        )?;
        let right = self.balance(function, right, offsets.get(middle..).unwrap_or_default())?;
        self.call(offset, function, vec![left, right])
    }

    /// Left-associative operators by precedence: relations, sums, products.
    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let mut left = if level == 2 {
            self.unary()?
        } else {
            self.binary(level + 1)?
        };
        loop {
            let function = match (level, self.peek()) {
                (0, Token::Punct("<")) => "_<_",
                (0, Token::Punct("<=")) => "_<=_",
                (0, Token::Punct(">")) => "_>_",
                (0, Token::Punct(">=")) => "_>=_",
                (0, Token::Punct("==")) => "_==_",
                (0, Token::Punct("!=")) => "_!=_",
                (0, Token::Keyword("in")) => "@in",
                (1, Token::Punct("+")) => "_+_",
                (1, Token::Punct("-")) => "_-_",
                (2, Token::Punct("*")) => "_*_",
                (2, Token::Punct("/")) => "_/_",
                (2, Token::Punct("%")) => "_%_",
                _ => return Some(left),
            };
            let offset = self.offset();
            self.advance();
            let right = if level == 2 {
                self.unary()?
            } else {
                self.binary(level + 1)?
            };
            left = self.call(offset, function, vec![left, right])?;
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let offset = self.offset();
        for (sign, function) in [("!", "!_"), ("-", "-_")] {
            if !self.is(sign) {
                continue;
            }
            let mut count = 0_usize;
            while self.accept(sign) {
                count += 1;
            }
            if sign == "-" && count == 1 && matches!(self.peek(), Token::Int(_) | Token::Double(_))
            {
                let literal = self.number(offset, true)?;
                return self.members(literal);
            }
            let operand = self.primary()?;
            let operand = self.members(operand)?;
            if count.is_multiple_of(2) {
                return Some(operand);
            }
            return self.call(offset, function, vec![operand]);
        }
        let primary = self.primary()?;
        self.members(primary)
    }

    fn number(&mut self, offset: u32, negative: bool) -> Parsed<Expr> {
        let literal = match self.peek().clone() {
            Token::Double(v) => Literal::Double(if negative { -v } else { v }),
            Token::Int(Number { value }) => {
                let value = value.map(i128::from).map(|v| if negative { -v } else { v });
                match value.and_then(|v| i64::try_from(v).ok()) {
                    Some(v) => Literal::Int(v),
                    None => return self.fault(offset, "invalid int literal"),
                }
            }
            Token::Uint(Number { value: Some(v) }) => Literal::Uint(v),
            _ => return self.fault(offset, "invalid uint literal"),
        };
        self.advance();
        self.node(offset, Kind::Literal(literal))
    }

    /// `.field`, `.call()`, `[index]`, `.?field`, `[?index]` after an operand.
    fn members(&mut self, mut operand: Expr) -> Parsed<Expr> {
        loop {
            let offset = self.offset();
            if self.accept(".") {
                let optional = self.accept("?");
                let at = self.offset();
                let (name, quoted) = match self.peek().clone() {
                    Token::Ident(name) => (name, false),
                    Token::Quoted(name) => (name, true),
                    _ => {
                        let message = if *self.peek() == Token::End {
                            "Syntax error: no viable alternative at input '.'".to_owned()
                        } else {
                            format!(
                                "Syntax error: no viable alternative at input '.{}'",
                                self.text()
                            )
                        };
                        return self.fault(at, message);
                    }
                };
                self.advance();
                if !optional && !quoted && self.is("(") {
                    let open = self.offset();
                    self.advance();
                    let args = self.arguments()?;
                    operand = macros::member_call(self, open, operand, &name, args)?;
                } else if optional {
                    let field = self.node(at, Kind::Literal(Literal::String(name)))?;
                    operand = self.call(offset, "_?._", vec![operand, field])?;
                } else {
                    operand = self.node(
                        offset,
                        Kind::Select {
                            operand: Box::new(operand),
                            field: name,
                            test: false,
                        },
                    )?;
                }
            } else if self.accept("[") {
                let optional = self.accept("?");
                let index = self.expr()?;
                self.expect("]")?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                operand = self.call(offset, function, vec![operand, index])?;
            } else {
                return Some(operand);
            }
        }
    }

    /// Arguments up to and with the closing parenthesis.
    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        let mut args = Vec::new();
        if self.accept(")") {
            return Some(args);
        }
        loop {
            args.push(self.expr()?);
            if self.accept(",") {
                continue;
            }
            self.expect(")")?;
            return Some(args);
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let offset = self.offset();
        match self.peek().clone() {
            Token::Punct("(") => {
                self.advance();
                let inner = self.expr()?;
                self.expect(")")?;
                Some(inner)
            }
            Token::Punct("[") => {
                self.advance();
                let elements = self.elements()?;
                self.node(offset, Kind::List(elements))
            }
            Token::Punct("{") => {
                self.advance();
                let entries = self.entries()?;
                self.node(offset, Kind::Map(entries))
            }
            Token::Punct(".") | Token::Ident(_) => self.name(offset),
            Token::Keyword(word @ ("true" | "false" | "null")) => {
                self.advance();
                let literal = match word {
                    "true" => Literal::Bool(true),
                    "false" => Literal::Bool(false),
                    _ => Literal::Null,
                };
                self.node(offset, Kind::Literal(literal))
            }
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => self.number(offset, false),
            Token::String(text) => {
                self.advance();
                self.node(offset, Kind::Literal(Literal::String(text)))
            }
            Token::Bytes(bytes) => {
                self.advance();
                self.node(offset, Kind::Literal(Literal::Bytes(bytes)))
            }
            token => {
                let starts = matches!(
                    self.ahead(1),
                    Token::Punct("[" | "{" | "(" | "." | "-" | "!")
                        | Token::Keyword("true" | "false" | "null")
                        | Token::Int(_)
                        | Token::Uint(_)
                        | Token::Double(_)
                        | Token::String(_)
                        | Token::Bytes(_)
                        | Token::Ident(_)
                );
                self.unexpected(EXPECTED_PRIMARY, token != Token::End && starts)
            }
        }
    }

    /// A name, a call of a function, or a message literal.
    fn name(&mut self, offset: u32) -> Parsed<Expr> {
        let dot = self.accept(".");
        let Token::Ident(name) = self.peek().clone() else {
            return self.unexpected("IDENTIFIER", false);
        };
        let at = self.offset();
        if let Some(type_name) = self.message_type() {
            return self.message(if dot {
                format!(".{type_name}")
            } else {
                type_name
            });
        }
        self.advance();
        if RESERVED.contains(&name.as_ref()) {
            return self.fault(at, format!("reserved identifier: {name}"));
        }
        let full: Arc<str> = if dot { format!(".{name}").into() } else { name };
        if self.is("(") {
            let open = self.offset();
            self.advance();
            let args = self.arguments()?;
            return macros::global_call(self, open, &full, args);
        }
        self.node(offset, Kind::Ident(full))
    }

    /// The name when `a.b.C{` stands here.
    fn message_type(&self) -> Option<String> {
        let mut name = String::new();
        let mut n = 0;
        loop {
            let Token::Ident(part) = self.ahead(n) else {
                return None;
            };
            name += part;
            match self.ahead(n + 1) {
                Token::Punct("{") => return Some(name),
                Token::Punct(".") => name.push('.'),
                _ => return None,
            }
            n += 2;
        }
    }

    fn message(&mut self, name: String) -> Parsed<Expr> {
        while !self.is("{") {
            self.advance();
        }
        let open = self.offset();
        self.advance();
        let mut fields = Vec::new();
        while !self.accept("}") {
            let optional = self.accept("?");
            let at = self.offset();
            let (Token::Ident(field) | Token::Quoted(field)) = self.peek().clone() else {
                return self.unexpected("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}", false);
            };
            self.advance();
            self.expect(":")?;
            let value = self.expr()?;
            fields.push(FieldInit {
                offset: at,
                name: field,
                value,
                optional,
            });
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(
            open,
            Kind::Struct {
                name: name.into(),
                fields,
            },
        )
    }

    fn elements(&mut self) -> Parsed<Vec<Element>> {
        let mut elements = Vec::new();
        while !self.accept("]") {
            let optional = self.accept("?");
            let value = self.expr()?;
            elements.push(Element { value, optional });
            if !self.accept(",") {
                self.expect("]")?;
                break;
            }
        }
        Some(elements)
    }

    fn entries(&mut self) -> Parsed<Vec<Entry>> {
        let mut entries = Vec::new();
        while !self.accept("}") {
            let optional = self.accept("?");
            let key = self.expr()?;
            self.expect(":")?;
            let value = self.expr()?;
            entries.push(Entry {
                key,
                value,
                optional,
            });
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Some(entries)
    }
}
