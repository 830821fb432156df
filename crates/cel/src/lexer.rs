//! From characters to tokens.
//!
//! upstream: github.com/google/cel-go/parser/gen/CEL.g4

use std::sync::Arc;

use crate::source::Issue;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// An operator or bracket.
    Punct(&'static str),
    /// A name.
    Ident(Arc<str>),
    /// A name in backticks.
    Quoted(Arc<str>),
    /// `true`, `false`, `null`, `in`.
    Keyword(&'static str),
    Int(Number),
    Uint(Number),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    End,
}

/// The digits of a whole number, whose sign may stand before it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    /// The magnitude; `None` when it is beyond 64 bits.
    pub(crate) value: Option<u64>,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) offset: u32,
    /// As written.
    pub(crate) text: Arc<str>,
}

const PUNCTUATION: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%",
];

struct Lexer<'s> {
    chars: &'s [char],
    at: usize,
    issues: Vec<Issue>,
}

/// The tokens of a text, and what could not be read. The last token is the end.
pub(crate) fn lex(chars: &[char]) -> (Vec<Spanned>, Vec<Issue>) {
    let mut lexer = Lexer {
        chars,
        at: 0,
        issues: Vec::new(),
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let Some(token) = lexer.next() else {
            continue;
        };
        let end = token == Token::End;
        let text: String = if end {
            "<EOF>".into()
        } else {
            chars
                .get(start..lexer.at)
                .unwrap_or_default()
                .iter()
                .collect()
        };
        tokens.push(Spanned {
            token,
            offset: u32::try_from(start).unwrap_or(u32::MAX),
            text: text.into(),
        });
        if end {
            return (tokens, lexer.issues);
        }
    }
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn issue(&mut self, offset: usize, message: String) {
        self.issues.push(Issue {
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            message,
        });
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek(0) {
            if matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}') {
                self.at += 1;
            } else if c == '/' && self.peek(1) == Some('/') {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else {
                return;
            }
        }
    }

    /// The next token; `None` when something unreadable was skipped.
    fn next(&mut self) -> Option<Token> {
        let Some(c) = self.peek(0) else {
            return Some(Token::End);
        };
        if let Some(prefix) = self.string_prefix() {
            return self.string(prefix);
        }
        if c.is_ascii_alphabetic() || c == '_' {
            return Some(self.name());
        }
        if c.is_ascii_digit() || (c == '.' && self.peek(1).is_some_and(|d| d.is_ascii_digit())) {
            return self.number();
        }
        if c == '`' {
            return self.quoted_name();
        }
        for p in PUNCTUATION {
            if p.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c)) {
                self.at += p.len();
                return Some(Token::Punct(p));
            }
        }
        let start = self.at;
        self.at += 1;
        let shown = if c == '\'' || c == '"' {
            self.rest_of_line(start)
        } else {
            c.to_string()
        };
        self.issue(
            start,
            format!("Syntax error: token recognition error at: '{shown}'"),
        );
        None
    }

    fn rest_of_line(&mut self, start: usize) -> String {
        while self.peek(0).is_some_and(|c| c != '\n' && c != '\r') {
            self.at += 1;
        }
        self.chars
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    fn name(&mut self) -> Token {
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            self.at += 1;
        }
        let name: String = self
            .chars
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        match name.as_str() {
            "true" => Token::Keyword("true"),
            "false" => Token::Keyword("false"),
            "null" => Token::Keyword("null"),
            "in" => Token::Keyword("in"),
            _ => Token::Ident(name.into()),
        }
    }

    fn quoted_name(&mut self) -> Option<Token> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        while let Some(c) = self.peek(0) {
            if c == '`' && !name.is_empty() {
                self.at += 1;
                return Some(Token::Quoted(name.into()));
            }
            if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ')) {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        let shown = self.rest_of_line(start);
        self.issue(
            start,
            format!("Syntax error: token recognition error at: '{shown}'"),
        );
        None
    }

    fn digits(&mut self, radix: u32) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_digit(radix)) {
            digits.push(c);
            self.at += 1;
        }
        digits
    }

    fn unsigned_suffix(&mut self) -> bool {
        let suffix = matches!(self.peek(0), Some('u' | 'U'));
        self.at += usize::from(suffix);
        suffix
    }

    fn number(&mut self) -> Option<Token> {
        let start = self.at;
        let hex = self.peek(0) == Some('0')
            && self.peek(1) == Some('x')
            && self.peek(2).is_some_and(|c| c.is_ascii_hexdigit());
        let value = if hex {
            self.at += 2;
            u64::from_str_radix(&self.digits(16), 16).ok()
        } else {
            let mut text = self.digits(10);
            let mut double = false;
            if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                double = true;
                self.at += 1;
                text.push('.');
                text += &self.digits(10);
            }
            if matches!(self.peek(0), Some('e' | 'E')) {
                let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
                if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                    double = true;
                    text.push('e');
                    if sign == 1 {
                        text.extend(self.peek(1));
                    }
                    self.at += 1 + sign;
                    text += &self.digits(10);
                }
            }
            if double {
                return match text.parse::<f64>() {
                    Ok(v) if v.is_finite() => Some(Token::Double(v)),
                    _ => {
                        self.issue(start, "invalid double literal".into());
                        Some(Token::Double(0.0))
                    }
                };
            }
            text.parse::<u64>().ok()
        };
        let number = Number { value };
        Some(if self.unsigned_suffix() {
            Token::Uint(number)
        } else {
            Token::Int(number)
        })
    }

    /// `(raw, bytes, length of the prefix)` when a string starts here.
    fn string_prefix(&self) -> Option<(bool, bool, usize)> {
        let mut raw = false;
        let mut bytes = false;
        for length in 0..3 {
            match self.peek(length)? {
                '"' | '\'' => return Some((raw, bytes, length)),
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes && !raw => bytes = true,
                _ => return None,
            }
        }
        None
    }

    fn string(&mut self, (raw, bytes, prefix): (bool, bool, usize)) -> Option<Token> {
        let start = self.at;
        let quote = self.peek(prefix)?;
        let triple = self.peek(prefix + 1) == Some(quote) && self.peek(prefix + 2) == Some(quote);
        self.at += prefix + if triple { 3 } else { 1 };
        let mut out = Vec::new();
        loop {
            let Some(c) = self.peek(0) else {
                return self.unterminated(start);
            };
            if c == quote
                && (!triple || (self.peek(1) == Some(quote) && self.peek(2) == Some(quote)))
            {
                self.at += if triple { 3 } else { 1 };
                break;
            }
            if !triple && (c == '\n' || c == '\r') {
                return self.unterminated(start);
            }
            self.at += 1;
            if c == '\\' && !raw {
                if !self.escape(&mut out, bytes) {
                    return self.unterminated(start);
                }
            } else {
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
        }
        if bytes {
            return Some(Token::Bytes(out.into()));
        }
        match String::from_utf8(out) {
            Ok(text) => Some(Token::String(text.into())),
            Err(_) => {
                self.issue(start, "Syntax error: invalid UTF-8 in string".into());
                None
            }
        }
    }

    fn unterminated(&mut self, start: usize) -> Option<Token> {
        let shown = self.rest_of_line(start);
        self.issue(
            start,
            format!("Syntax error: token recognition error at: '{shown}'"),
        );
        None
    }

    /// What follows a backslash; false when there is no such escape.
    fn escape(&mut self, out: &mut Vec<u8>, bytes: bool) -> bool {
        let Some(c) = self.peek(0) else {
            return false;
        };
        self.at += 1;
        let simple = match c {
            'a' => Some(0x07),
            'b' => Some(0x08),
            'f' => Some(0x0c),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(0x0b),
            '\\' | '\'' | '"' | '`' | '?' => u8::try_from(c).ok(),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            return true;
        }
        let (digits, radix, first) = match c {
            'x' | 'X' => (2, 16, None),
            'u' if !bytes => (4, 16, None),
            'U' if !bytes => (8, 16, None),
            '0'..='3' => (2, 8, c.to_digit(8)),
            _ => return false,
        };
        let mut value = first.unwrap_or(0);
        for _ in 0..digits {
            let Some(digit) = self.peek(0).and_then(|c| c.to_digit(radix)) else {
                return false;
            };
            self.at += 1;
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        if bytes {
            let Ok(byte) = u8::try_from(value) else {
                return false;
            };
            out.push(byte);
            return true;
        }
        let Some(c) = char::from_u32(value) else {
            return false;
        };
        let mut buffer = [0; 4];
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        true
    }
}
