//! The grammar of a selector's text.
// upstream: apimachinery/pkg/labels/selector.go#Parser

use super::lexer::{Token, tokens};
use super::requirement::check_key;
use super::{Operator, Requirement};

/// Why a text is no selector; displays in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something else was expected between requirements.
    #[error("{0}")]
    Syntax(String),
    /// A requirement is malformed.
    #[error("unable to parse requirement: {0}")]
    Requirement(String),
}

const BINARY: &str = "in, notin, =, ==, !=, gt, lt";

struct Parser<'a> {
    tokens: Vec<(Token, &'a str)>,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    let mut p = Parser {
        tokens: tokens(text),
        at: 0,
    };
    let syntax = |text: String| Err(ParseError::Syntax(text));
    let mut out = Vec::new();
    loop {
        match p.peek() {
            (Token::Identifier | Token::Not, _) => {
                out.push(p.requirement().map_err(ParseError::Requirement)?);
                match p.next() {
                    (Token::End, _) => return Ok(out),
                    (Token::Comma, _) => match p.peek() {
                        (Token::Identifier | Token::Not, _) => {}
                        (_, lit) => {
                            return syntax(format!(
                                "found '{lit}', expected: identifier after ','"
                            ));
                        }
                    },
                    (_, lit) => {
                        return syntax(format!("found '{lit}', expected: ',' or 'end of string'"));
                    }
                }
            }
            (Token::End, _) => return Ok(out),
            (_, lit) => {
                return syntax(format!(
                    "found '{lit}', expected: !, identifier, or 'end of string'"
                ));
            }
        }
    }
}

impl<'a> Parser<'a> {
    fn raw(&self) -> (Token, &'a str) {
        self.tokens
            .get(self.at)
            .copied()
            .unwrap_or((Token::End, ""))
    }

    /// The next token where a value is meant: the words `in` and `notin` are identifiers.
    fn peek(&self) -> (Token, &'a str) {
        match self.raw() {
            (Token::In | Token::NotIn, lit) => (Token::Identifier, lit),
            other => other,
        }
    }

    fn next(&mut self) -> (Token, &'a str) {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.next();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        check_key(key).map_err(|e| e.to_string())?;
        let make = |op, values| Requirement::new(key, op, values).map_err(|e| e.aggregate());
        let ends = matches!(self.peek().0, Token::End | Token::Comma);
        if negated {
            return make(Operator::DoesNotExist, Vec::new());
        }
        if ends {
            return make(Operator::Exists, Vec::new());
        }
        let (token, lit) = self.raw();
        self.at += 1;
        let operator = match token {
            Token::In => Operator::In,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            Token::NotIn => Operator::NotIn,
            Token::NotEquals => Operator::NotEquals,
            _ => return Err(format!("found '{lit}', expected: {BINARY}")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        make(operator, values)
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let (token, lit) = self.next();
        if token != Token::Open {
            return Err(format!("found '{lit}' expected: '('"));
        }
        let (token, lit) = self.peek();
        match token {
            Token::Identifier | Token::Comma => {
                let values = self.identifiers()?;
                match self.next() {
                    (Token::Close, _) => Ok(values),
                    _ => Err(format!("found '{lit}', expected: ')'")),
                }
            }
            Token::Close => {
                self.at += 1;
                Ok(vec![String::new()])
            }
            _ => Err(format!("found '{lit}', expected: ',', ')' or identifier")),
        }
    }

    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut out: Vec<String> = Vec::new();
        loop {
            match self.next() {
                (Token::Identifier, lit) => {
                    out.push(lit.to_owned());
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(out),
                        (_, lit) => return Err(format!("found '{lit}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if out.is_empty() {
                        out.push(String::new());
                    }
                    match self.peek().0 {
                        Token::Close => {
                            out.push(String::new());
                            return Ok(out);
                        }
                        Token::Comma => {
                            self.at += 1;
                            out.push(String::new());
                        }
                        _ => {}
                    }
                }
                (_, lit) => return Err(format!("found '{lit}', expected: ',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            (Token::Identifier, lit) => Ok(lit.to_owned()),
            (_, lit) => Err(format!("found '{lit}', expected: identifier")),
        }
    }
}
