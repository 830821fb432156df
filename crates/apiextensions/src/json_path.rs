//! JSON paths of printer columns, as kubectl's template language has them within one pair of braces.
// upstream: client-go/util/jsonpath

use serde_json::Value;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

/// Why a path can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// An array index or filter isn't closed.
    #[error("unterminated array")]
    Unterminated,
    /// What stands in brackets isn't an index, a range, a name or a filter.
    #[error("invalid array index {0}")]
    Index(String),
    /// A filter isn't a comparison.
    #[error("unrecognized filter {0}")]
    Filter(String),
    /// A character stands where none may.
    #[error("unrecognized character in action: {0}")]
    Character(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Names(Vec<String>),
    Index(Vec<i64>),
    Range(Option<i64>, Option<i64>, i64),
    All,
    Deep,
    Filter(Box<Filter>),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Operand,
    compare: Option<(&'static str, Operand)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
}

impl JsonPath {
    /// Parses a path such as `.status.conditions[?(@.type=="Ready")].status`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        rest = rest.strip_prefix(['$', '@']).unwrap_or(rest);
        while !rest.is_empty() {
            rest = if let Some(after) = rest.strip_prefix("..") {
                steps.push(Step::Deep);
                name(after, &mut steps)
            } else if let Some(after) = rest.strip_prefix('.') {
                name(after, &mut steps)
            } else if let Some(after) = rest.strip_prefix('[') {
                let (inner, after) = bracket(after)?;
                steps.push(in_brackets(inner)?);
                after
            } else if steps.is_empty() {
                name(rest, &mut steps)
            } else {
                return Err(PathError::Character(rest.to_owned()));
            };
        }
        Ok(Self(steps))
    }

    /// The values that it finds, in order.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|v| step.of(v)).collect();
        }
        found
    }
}

fn name<'a>(rest: &'a str, steps: &mut Vec<Step>) -> &'a str {
    let mut name = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => {
                end = i;
                break;
            }
            c if c.is_whitespace() => {
                end = i;
                break;
            }
            c => name.push(c),
        }
    }
    match name.as_str() {
        "" => {}
        "*" => steps.push(Step::All),
        _ => steps.push(Step::Name(name)),
    }
    rest.get(end..).unwrap_or_default().trim_start()
}

/// What stands before the bracket that closes, and what follows it.
fn bracket(rest: &str) -> Result<(&str, &str), PathError> {
    let (mut depth, mut quote) = (1, None);
    for (i, c) in rest.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let after = rest.get(i + 1..).unwrap_or_default();
            return Ok((rest.get(..i).unwrap_or_default(), after));
        }
    }
    Err(PathError::Unterminated)
}

fn quoted(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = ['\'', '"']
        .into_iter()
        .find_map(|q| text.strip_prefix(q)?.strip_suffix(q))?;
    Some(inner.replace("\\'", "'").replace("\\\"", "\""))
}

fn in_brackets(inner: &str) -> Result<Step, PathError> {
    let inner = inner.trim();
    let wrong = || PathError::Index(inner.to_owned());
    if inner == "*" {
        return Ok(Step::All);
    }
    if let Some(filter) = inner.strip_prefix('?') {
        let filter = filter.trim();
        let bare = filter
            .strip_prefix('(')
            .and_then(|f| f.strip_suffix(')'))
            .ok_or_else(|| PathError::Filter(inner.to_owned()))?;
        return filter_of(bare).map(|f| Step::Filter(Box::new(f)));
    }
    if inner.starts_with(['\'', '"']) {
        let names: Option<Vec<String>> = inner.split(',').map(quoted).collect();
        return names.map(Step::Names).ok_or_else(wrong);
    }
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| wrong());
    if inner.contains(':') {
        let mut parts = inner.split(':').map(|t| {
            if t.trim().is_empty() {
                Ok(None)
            } else {
                number(t).map(Some)
            }
        });
        let mut next = || parts.next().unwrap_or(Ok(None));
        let (from, to, by) = (next()?, next()?, next()?);
        return match by.unwrap_or(1) {
            by if by > 0 => Ok(Step::Range(from, to, by)),
            _ => Err(wrong()),
        };
    }
    inner
        .split(',')
        .map(number)
        .collect::<Result<_, _>>()
        .map(Step::Index)
}

fn filter_of(text: &str) -> Result<Filter, PathError> {
    const OPERATORS: &[&str] = &["==", "!=", "<=", ">=", "<", ">"];
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            _ => {
                let here = text.get(i..).unwrap_or_default();
                let found = OPERATORS.iter().find(|o| here.starts_with(**o));
                if let Some(operator) = found {
                    let right = here.get(operator.len()..).unwrap_or_default();
                    return Ok(Filter {
                        left: operand(text.get(..i).unwrap_or_default())?,
                        compare: Some((operator, operand(right)?)),
                    });
                }
            }
        }
    }
    Ok(Filter {
        left: operand(text)?,
        compare: None,
    })
}

fn operand(text: &str) -> Result<Operand, PathError> {
    let text = text.trim();
    if text.starts_with('@') {
        return JsonPath::parse(text).map(Operand::Path);
    }
    if let Some(text) = quoted(text) {
        return Ok(Operand::Literal(text.into()));
    }
    serde_json::from_str(text)
        .map(Operand::Literal)
        .map_err(|_| PathError::Filter(text.to_owned()))
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Self::Names(names), Value::Object(map)) => {
                names.iter().filter_map(|n| map.get(n)).collect()
            }
            (Self::Index(at), Value::Array(items)) => at
                .iter()
                .filter_map(|i| {
                    let i = if *i < 0 { *i + length(items) } else { *i };
                    items.get(usize::try_from(i).ok()?)
                })
                .collect(),
            (Self::Range(from, to, by), Value::Array(items)) => {
                let all = length(items);
                let place = |v: Option<i64>, other: i64| match v {
                    None => other,
                    Some(v) if v < 0 => (v + all).clamp(0, all),
                    Some(v) => v.min(all),
                };
                let (from, to) = (place(*from, 0), place(*to, all));
                items
                    .iter()
                    .zip(0_i64..)
                    .filter(|(_, i)| *i >= from && *i < to && (*i - from) % by == 0)
                    .map(|(v, _)| v)
                    .collect()
            }
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(map)) => map.values().collect(),
            (Self::Deep, value) => {
                let mut out = Vec::new();
                deep(value, &mut out);
                out
            }
            (Self::Filter(filter), Value::Array(items)) => {
                items.iter().filter(|v| filter.matches(v)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn length(items: &[Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn deep<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|v| deep(v, out)),
        Value::Object(map) => map.values().for_each(|v| deep(v, out)),
        _ => {}
    }
}

impl Filter {
    fn matches(&self, value: &Value) -> bool {
        let first = |operand: &Operand| match operand {
            Operand::Literal(value) => Some(value.clone()),
            Operand::Path(path) => path.find(value).first().map(|v| (*v).clone()),
        };
        let Some(left) = first(&self.left) else {
            return false;
        };
        let Some((operator, right)) = &self.compare else {
            return true;
        };
        let Some(right) = first(right) else {
            return false;
        };
        let order = match (left.as_f64(), right.as_f64()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => match (left.as_str(), right.as_str()) {
                (Some(a), Some(b)) => Some(a.cmp(b)),
                _ => None,
            },
        };
        match *operator {
            "==" => left == right || order.is_some_and(std::cmp::Ordering::is_eq),
            "!=" => left != right && !order.is_some_and(std::cmp::Ordering::is_eq),
            "<" => order.is_some_and(std::cmp::Ordering::is_lt),
            "<=" => order.is_some_and(std::cmp::Ordering::is_le),
            ">" => order.is_some_and(std::cmp::Ordering::is_gt),
            _ => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// A value as a template prints it: text as it is, the rest as JSON.
pub fn print(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds() {
        let value = json!({"spec": {"a": "x", "n.m": 3, "list": [{"k": "1", "n": 1}, {"k": "2", "n": 5}, {"k": "3"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
        let found = |path: &str| -> Vec<String> {
            JsonPath::parse(path)
                .unwrap()
                .find(&value)
                .into_iter()
                .map(print)
                .collect()
        };
        assert_eq!(found(".spec.a"), ["x"]);
        assert_eq!(found(".spec.n\\.m"), ["3"]);
        assert_eq!(found(".spec['n.m']"), ["3"]);
        assert_eq!(found(".spec.list[1].k"), ["2"]);
        assert_eq!(found(".spec.list[-1].k"), ["3"]);
        assert_eq!(found(".spec.list[*].k"), ["1", "2", "3"]);
        assert_eq!(found(".spec.list[0:2].k"), ["1", "2"]);
        assert_eq!(found(".spec.list[::2].k"), ["1", "3"]);
        assert_eq!(found(".spec.list[?(@.n>1)].k"), ["2"]);
        assert_eq!(found(".spec.list[?(@.n)].k"), ["1", "2"]);
        assert_eq!(
            found(r#".status.conditions[?(@.type=="Ready")].status"#),
            ["True"]
        );
        assert_eq!(
            found(".status.conditions[?(@.type=='Other')].status"),
            ["False"]
        );
        assert_eq!(found("..k"), ["1", "2", "3"]);
        assert!(found(".spec.none.deep[0]").is_empty());
        assert_eq!(JsonPath::parse(".a[").unwrap_err(), PathError::Unterminated);
        assert!(JsonPath::parse(".a[x]").is_err());
    }
}
