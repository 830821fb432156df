//! `authorizer.…`
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/authz.go

use std::sync::Arc;

use crate::authorizer::{Access, Decision, PathCheck, ResourceCheck, check_path};
use crate::error::EvalError;
use crate::functions::Outcome;
use crate::opaque::Opaque;
use crate::value::Value;

pub(super) fn method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let Some(Value::Opaque(receiver)) = args.first() else {
        return Ok(None);
    };
    let mut texts = Vec::new();
    for arg in args.get(1..).unwrap_or_default() {
        match arg {
            Value::String(s) => texts.push(s.to_string()),
            _ => return Ok(None),
        }
    }
    let made = match (receiver, function, texts.as_slice()) {
        (Opaque::Authorizer(authorizer), "path", [path]) => {
            check_path(path)?;
            Opaque::Path(Arc::new(PathCheck {
                authorizer: authorizer.clone(),
                path: path.clone(),
            }))
        }
        (Opaque::Authorizer(authorizer), "group", [group]) => {
            Opaque::Group(authorizer.clone(), group.as_str().into())
        }
        (Opaque::Authorizer(authorizer), "serviceAccount", [namespace, name]) => {
            let label = |what: &str, text: &str, faults: Vec<String>| match faults.first() {
                Some(fault) => Err(EvalError::runtime(format!(
                    "invalid service account {what}: {text}: {fault}"
                ))),
                None => Ok(()),
            };
            label(
                "name",
                name,
                machinery::validation::is_dns1123_subdomain(name),
            )?;
            label(
                "namespace",
                namespace,
                machinery::validation::is_dns1123_label(namespace),
            )?;
            Opaque::Authorizer(authorizer.service_account(namespace, name))
        }
        (Opaque::Group(authorizer, group), "resource", [resource]) => {
            Opaque::Resource(Arc::new(ResourceCheck {
                authorizer: authorizer.clone(),
                access: Access {
                    group: group.to_string(),
                    resource: resource.clone(),
                    ..Access::default()
                },
            }))
        }
        (Opaque::Resource(check), "subresource" | "namespace" | "name", [text]) => {
            let mut check = ResourceCheck::clone(check);
            match function {
                "subresource" => check.access.subresource = text.clone(),
                "namespace" => check.access.namespace = text.clone(),
                _ => check.access.name = text.clone(),
            }
            Opaque::Resource(Arc::new(check))
        }
        // Selectors narrow what is asked for; the answer without them is the stricter one.
        (Opaque::Resource(check), "fieldSelector" | "labelSelector", [_]) => {
            Opaque::Resource(check.clone())
        }
        (Opaque::Path(check), "check", [verb]) => Opaque::Decision(Arc::new(check.check(verb))),
        (Opaque::Resource(check), "check", [verb]) => Opaque::Decision(Arc::new(check.check(verb))),
        (Opaque::Decision(decision), _, []) => return Ok(accessor(decision, function)),
        _ => return Ok(None),
    };
    Ok(Some(Value::Opaque(made)))
}

fn accessor<'a>(decision: &Decision, function: &str) -> Option<Value<'a>> {
    Some(match function {
        "allowed" => Value::Bool(decision.allowed && decision.error.is_empty()),
        "reason" => Value::string(decision.reason.as_str()),
        "error" => Value::string(decision.error.as_str()),
        "errored" => Value::Bool(!decision.error.is_empty()),
        _ => return None,
    })
}
