//! Who configures a policy with parameters must be allowed to read them: a policy's message can tell what is in them.
//!
//! upstream: pkg/registry/admissionregistration/{validatingadmissionpolicy,validatingadmissionpolicybinding}/authz.go

use machinery::Status;
use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use crate::admission::{AccessRequest, Attributes, Operation};
use crate::registry::Registry;
use crate::value::Read;

/// What policies are kept as, and their bindings.
const POLICIES: [(&str, &str); 2] = [
    (
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ),
    (
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ),
];

/// Refuses a policy's paramKind or a binding's paramRef that the user may not read.
pub(super) fn authorize(
    registry: &Registry,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
) -> Result<(), Status> {
    let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
    let Some(object) = object.filter(|_| writes && attributes.subresource.is_empty()) else {
        return Ok(());
    };
    if attributes.resource.group != "admissionregistration.k8s.io"
        || attributes.context.user().in_group("system:masters")
    {
        return Ok(());
    }
    let plural = attributes.resource.plural.as_str();
    let part = |object: &Value, name: &str| {
        let spec = object.member("spec")?;
        spec.member(name).filter(|p| p.is_object()).cloned()
    };
    for (policies, bindings) in POLICIES {
        if plural == policies {
            let kind = part(object, "paramKind");
            let before = attributes.old.and_then(|o| part(o, "paramKind"));
            if let Some(kind) = kind.filter(|k| before.as_ref() != Some(k)) {
                return of_policy(registry, attributes, &kind);
            }
        } else if plural == bindings {
            let reference = part(object, "paramRef");
            let before = attributes.old.and_then(|o| part(o, "paramRef"));
            if let Some(reference) = reference.filter(|r| before.as_ref() != Some(r)) {
                let policy = object.member("spec").map_or("", |s| s.text("policyName"));
                return of_binding(registry, attributes, policies, policy, &reference);
            }
        }
    }
    Ok(())
}

/// Group, version and resource of a kind; `*` for what is not known.
fn resolved(registry: &Registry, kind: &Value) -> (String, String, String) {
    let api_version = kind.text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resources = registry.resources();
    let plural = resources
        .find_kind(group, version, kind.text("kind"))
        .map_or_else(|| "*".to_owned(), |r| r.plural.clone());
    (group.to_owned(), version.to_owned(), plural)
}

fn of_policy(registry: &Registry, attributes: &Attributes<'_>, kind: &Value) -> Result<(), Status> {
    let (group, version, plural) = resolved(registry, kind);
    let user = attributes.context.user();
    let allowed = registry.allows(&AccessRequest {
        version: &version,
        namespace: "*",
        name: "*",
        ..AccessRequest::new(user, "get", &group, &plural)
    });
    if allowed {
        return Ok(());
    }
    let why = format!(
        "user {} must have \"get\" permission on all objects of the referenced paramKind (kind={}, apiVersion={})",
        user.name,
        kind.text("kind"),
        kind.text("apiVersion")
    );
    Err(refused(attributes, "paramKind", why))
}

fn of_binding(
    registry: &Registry,
    attributes: &Attributes<'_>,
    policies: &str,
    policy: &str,
    reference: &Value,
) -> Result<(), Status> {
    let all = || ("*".to_owned(), "*".to_owned(), "*".to_owned());
    let stored = param_kind_of(registry, policies, policy);
    let (group, version, plural) = match &stored {
        Some(kind) => resolved(registry, kind),
        None => all(),
    };
    let name = reference.text("name");
    let verb = if name.is_empty() { "list" } else { "get" };
    let user = attributes.context.user();
    let allowed = registry.allows(&AccessRequest {
        version: &version,
        namespace: reference.text("namespace"),
        name,
        ..AccessRequest::new(user, verb, &group, &plural)
    });
    if allowed {
        return Ok(());
    }
    let why = format!(
        "user {} does not have \"{verb}\" permission on the object referenced by paramRef",
        user.name
    );
    Err(refused(attributes, "paramRef", why))
}

/// The paramKind of a stored policy.
fn param_kind_of(registry: &Registry, policies: &str, name: &str) -> Option<Value> {
    let resource = registry
        .table()
        .find("admissionregistration.k8s.io", "v1", policies)?;
    let policy = registry.stored(resource, None, name)?.value();
    policy
        .member("spec")?
        .member("paramKind")
        .filter(|k| k.is_object())
        .cloned()
}

fn refused(attributes: &Attributes<'_>, field: &'static str, why: String) -> Status {
    let mut errors = ErrorList::new();
    errors.push(Error::forbidden(&Path::new("spec").child(field), why));
    Status::invalid(&attributes.resource.group_kind(), attributes.name, &errors)
}
