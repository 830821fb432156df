//! Tokens of a selector's text.
// upstream: apimachinery/pkg/labels/selector.go#Lexer

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Error,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

fn is_special(b: u8) -> bool {
    matches!(b, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn symbol(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Greater,
        "<" => Token::Less,
        "!=" => Token::NotEquals,
        "(" => Token::Open,
        _ => return None,
    })
}

/// Splits the text; the last token is always [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<(Token, &str)> {
    let bytes = text.as_bytes();
    let slice = |a: usize, b: usize| text.get(a..b).unwrap_or_default();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let start = at;
        if is_space(b) {
            at += 1;
        } else if is_special(b) {
            // The longest run of special characters that is a symbol.
            let mut last = None;
            while bytes.get(at).is_some_and(|b| is_special(*b)) {
                match symbol(slice(start, at + 1)) {
                    Some(token) => last = Some(token),
                    None if last.is_some() => break,
                    None => {}
                }
                at += 1;
            }
            out.push((last.unwrap_or(Token::Error), slice(start, at)));
        } else {
            while bytes
                .get(at)
                .is_some_and(|b| !is_special(*b) && !is_space(*b))
            {
                at += 1;
            }
            let word = slice(start, at);
            let token = match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Identifier,
            };
            out.push((token, word));
        }
    }
    out.push((Token::End, ""));
    out
}
