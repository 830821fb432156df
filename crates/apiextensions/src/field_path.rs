//! Paths of fields and map entries, as `fieldPath` of a rule and `jsonPath` of a selectable field have them.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go#ValidFieldPath

use machinery::field::Path;

use crate::schema::Schema;

/// Splits into `.`, `[`, `]` and what stands between; quoted text is one piece.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = if rest.starts_with('\'') {
            let mut escaped = false;
            rest.char_indices()
                .skip(1)
                .find(|(_, c)| {
                    let ends = *c == '\'' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                })
                .map_or(rest.len(), |(i, _)| i + 1)
        } else if rest.starts_with(['.', '[', ']']) {
            1
        } else {
            rest.find(['.', '[', ']']).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        out.push(token);
        rest = after;
    }
    out
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\x0b',
            Some('\'') => '\'',
            Some('\\') => '\\',
            Some(c) => {
                return Err(format!("invalid string literal: invalid escape char \\{c}"));
            }
            None => break,
        });
    }
    Ok(out)
}

/// Resolves a path in a schema: the path as messages show it and the schema that it leads to.
pub(crate) fn resolve<'a>(
    text: &str,
    schema: &'a Schema,
    brackets: bool,
) -> Result<(Path, &'a Schema), String> {
    const NOT_VALID: &str = "does not refer to a valid field";
    let (mut path, mut schema) = (Path::root(), schema);
    let mut step = |name: &str| -> Result<(), String> {
        if !schema.properties.is_empty() {
            path = path.child(name.to_owned());
            schema = schema.properties.get(name).ok_or(NOT_VALID)?;
        } else {
            path = path.key(name);
            schema = schema.values().ok_or(NOT_VALID)?;
        }
        Ok(())
    };
    let mut tokens = tokens(text).into_iter();
    const END: &str = "unexpected end of JSON path";
    while let Some(token) = tokens.next() {
        match token {
            "[" if !brackets => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = tokens.next().ok_or(END)?;
                let inner = quoted
                    .strip_prefix('\'')
                    .and_then(|t| t.strip_suffix('\''))
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                step(&unescape(inner)?)?;
                match tokens.next().ok_or(END)? {
                    "]" => {}
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            "." => step(tokens.next().ok_or(END)?)?,
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok((path, schema))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resolves() {
        let schema = Schema::parse(&json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "string"}, "c.d": {"type": "integer"}}},
            "m": {"type": "object", "additionalProperties": {"type": "string"}}}}))
        .unwrap();
        let show =
            |text: &str| resolve(text, &schema, true).map(|(p, s)| format!("{p}:{}", s.kind));
        assert_eq!(show(".a.b").unwrap(), "a.b:string");
        assert_eq!(show(".a['c.d']").unwrap(), "a.c.d:integer");
        assert_eq!(show(".m['x']").unwrap(), "m[x]:string");
        assert_eq!(show(".z").unwrap_err(), "does not refer to a valid field");
        assert_eq!(show("a").unwrap_err(), "expected [ or . but got: a");
        assert_eq!(show(".").unwrap_err(), "unexpected end of JSON path");
        assert_eq!(
            resolve(".a['b']", &schema, false).unwrap_err(),
            "array notation is not allowed"
        );
    }
}
