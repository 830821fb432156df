//! Named formats: `format.dns1123Label().validate(s)`.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/format.go

use base64::Engine;
use machinery::validation;

use crate::cost::{Meter, pattern, traversal};
use crate::functions::Outcome;
use crate::opaque::Opaque;
use crate::value::Value;

/// A format.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    name: &'static str,
    check: fn(&str) -> Vec<String>,
    /// Length of the longest pattern that a check matches.
    pattern: u64,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

fn prefix(text: &str, check: fn(&str) -> Vec<String>) -> Vec<String> {
    // upstream: apimachinery/pkg/api/validation/generic.go#maskTrailingDash
    match text.strip_suffix('-') {
        Some(base) if !base.is_empty() => check(&format!("{base}a")),
        _ => check(text),
    }
}

fn uuid(text: &str) -> Vec<String> {
    let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    let dashed = parts.len() == 5
        && parts
            .iter()
            .zip(lengths)
            .all(|(p, n)| p.len() == n && hex(p));
    if dashed || (text.len() == 32 && hex(text)) {
        Vec::new()
    } else {
        vec!["does not match the UUID format".into()]
    }
}

fn when(valid: bool, message: &str) -> Vec<String> {
    if valid {
        Vec::new()
    } else {
        vec![message.to_owned()]
    }
}

const FORMATS: &[Named] = &[
    Named {
        name: "dns1123Label",
        check: validation::is_dns1123_label,
        pattern: 30,
    },
    Named {
        name: "dns1123Subdomain",
        check: validation::is_dns1123_subdomain,
        pattern: 60,
    },
    Named {
        name: "dns1035Label",
        check: validation::is_dns1035_label,
        pattern: 30,
    },
    Named {
        name: "qualifiedName",
        check: validation::is_qualified_name,
        pattern: 60,
    },
    Named {
        name: "dns1123LabelPrefix",
        check: |s| prefix(s, validation::is_dns1123_label),
        pattern: 30,
    },
    Named {
        name: "dns1123SubdomainPrefix",
        check: |s| prefix(s, validation::is_dns1123_subdomain),
        pattern: 60,
    },
    Named {
        name: "dns1035LabelPrefix",
        check: |s| prefix(s, validation::is_dns1035_label),
        pattern: 30,
    },
    Named {
        name: "labelValue",
        check: validation::is_label_value,
        pattern: 40,
    },
    Named {
        name: "uri",
        check: |s| super::url::parse(s).err().into_iter().collect(),
        pattern: 1000,
    },
    Named {
        name: "uuid",
        check: uuid,
        pattern: 100,
    },
    Named {
        name: "byte",
        check: |s| {
            when(
                base64::engine::general_purpose::STANDARD.decode(s).is_ok(),
                "invalid base64",
            )
        },
        pattern: 100,
    },
    Named {
        name: "date",
        check: |s| when(crate::time::parse_date(s).is_some(), "invalid date"),
        pattern: 100,
    },
    Named {
        name: "datetime",
        check: |s| {
            when(
                crate::time::parse_timestamp(s).is_some(),
                "invalid datetime",
            )
        },
        pattern: 100,
    },
];

impl Named {
    /// What a check of so many characters costs.
    pub(super) fn cost(&self, size: u64) -> u64 {
        traversal(size.saturating_add(1)).saturating_mul(pattern(self.pattern))
    }
}

pub(super) fn call<'a>(meter: &mut Meter, function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let known = |name: &str| FORMATS.iter().find(|f| f.name == name).copied();
    let made = |f: Named| Value::Opaque(Opaque::Format(f));
    match (function, args) {
        ("validate", [Value::Opaque(Opaque::Format(format)), Value::String(text)]) => {
            meter.work(text.len())?;
            let faults = (format.check)(text);
            if faults.is_empty() {
                return Ok(Some(Value::none()));
            }
            let list = Value::list(faults.into_iter().map(Value::string).collect());
            Ok(Some(Value::optional(Some(list))))
        }
        ("format.named", [Value::String(name)]) => Ok(Some(Value::optional(known(name).map(made)))),
        (function, []) => Ok(function.strip_prefix("format.").and_then(known).map(made)),
        _ => Ok(None),
    }
}
