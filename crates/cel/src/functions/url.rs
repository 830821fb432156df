//! URLs, as Go reads them.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/urls.go, net/url#ParseRequestURI

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::EvalError;
use crate::functions::Outcome;
use crate::opaque::Opaque;
use crate::value::{Key, Map, Value};

/// A URL.
#[derive(Clone, Debug)]
pub struct Url {
    /// As written.
    pub(crate) text: String,
    scheme: String,
    /// With the port.
    host: String,
    path: String,
    query: String,
}

/// Reads an absolute URI or an absolute path.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let failed = |why: &str| format!("parse {}: {why}", machinery::go::quote(text));
    if text.is_empty() {
        return Err(failed("empty url"));
    }
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err(failed("net/url: invalid control character in URL"));
    }
    let (scheme, rest) = scheme(text).ok_or_else(|| failed("missing protocol scheme"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        if scheme.is_empty() {
            return Err(failed("invalid URI for request"));
        }
        // Opaque, as in mailto:a@b.
        return Ok(Url {
            text: text.to_owned(),
            scheme,
            host: String::new(),
            path: String::new(),
            query: query.to_owned(),
        });
    }
    let mut host = String::new();
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        let end = after.find('/').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        path = tail;
        let address = authority.rsplit_once('@').map_or(authority, |(_, a)| a);
        host = check_host(address).map_err(|e| failed(&e))?.to_owned();
    }
    check_escapes(path).map_err(|e| failed(&e))?;
    Ok(Url {
        text: text.to_owned(),
        scheme,
        host,
        path: escaped(path),
        query: query.to_owned(),
    })
}

fn scheme(text: &str) -> Option<(String, &str)> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return None,
            ':' => return Some((text.get(..at)?.to_ascii_lowercase(), text.get(at + 1..)?)),
            _ => break,
        }
    }
    Some((String::new(), text))
}

fn check_host(host: &str) -> Result<&str, String> {
    let port = if let Some(rest) = host.strip_prefix('[') {
        let (_, port) = rest.split_once(']').ok_or("missing ']' in host")?;
        port
    } else {
        if let Some(c) = host
            .chars()
            .find(|c| c.is_whitespace() || "<>\"\\^`{|}".contains(*c))
        {
            return Err(format!(
                "invalid character {} in host name",
                machinery::go::quote(&c.to_string())
            ));
        }
        host.find(':').and_then(|i| host.get(i..)).unwrap_or("")
    };
    let valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    if valid {
        Ok(host)
    } else {
        Err(format!(
            "invalid port {} after host",
            machinery::go::quote(port)
        ))
    }
}

fn check_escapes(path: &str) -> Result<(), String> {
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).unwrap_or("");
        if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let shown: String = path.get(at..).unwrap_or("").chars().take(3).collect();
            return Err(format!(
                "invalid URL escape {}",
                machinery::go::quote(&shown)
            ));
        }
    }
    Ok(())
}

/// A path with what must be escaped escaped.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for b in path.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = text.get(at + 1..at + 3)?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            b => out.push(*b),
        }
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

impl Url {
    fn hostname(&self) -> &str {
        if let Some(rest) = self.host.strip_prefix('[') {
            return rest.split(']').next().unwrap_or("");
        }
        self.host.split(':').next().unwrap_or("")
    }

    fn port(&self) -> &str {
        let after = match self.host.rfind(']') {
            Some(at) => self.host.get(at..).unwrap_or(""),
            None => &self.host,
        };
        after.split_once(':').map_or("", |(_, port)| port)
    }

    fn query_values<'a>(&self) -> Value<'a> {
        let mut values: IndexMap<String, Vec<Value<'a>>> = IndexMap::new();
        for pair in self
            .query
            .split('&')
            .filter(|p| !p.is_empty() && !p.contains(';'))
        {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let (Some(key), Some(value)) = (unescaped(key), unescaped(value)) {
                values.entry(key).or_default().push(Value::string(value));
            }
        }
        let entries = values
            .into_iter()
            .map(|(k, v)| {
                let key: Arc<str> = k.into();
                (
                    Key::String(key.clone()),
                    (Value::string(key), Value::list(v)),
                )
            })
            .collect();
        Value::Map(Map::Owned(Rc::new(entries)))
    }
}

pub(super) fn call<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Ok(None);
    };
    Ok(Some(match (function, parse(text)) {
        ("isURL", parsed) => Value::Bool(parsed.is_ok()),
        (_, Ok(url)) => Value::Opaque(Opaque::Url(Arc::new(url))),
        (_, Err(e)) => {
            return Err(EvalError::runtime(format!(
                "URL parse error during conversion from string: {e}"
            )));
        }
    }))
}

pub(super) fn method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Opaque(Opaque::Url(url))] = args else {
        return Ok(None);
    };
    Ok(Some(match function {
        "getScheme" => Value::string(url.scheme.as_str()),
        "getHost" => Value::string(url.host.as_str()),
        "getHostname" => Value::string(url.hostname()),
        "getPort" => Value::string(url.port()),
        "getEscapedPath" => Value::string(url.path.as_str()),
        "getQuery" => url.query_values(),
        _ => return Ok(None),
    }))
}
