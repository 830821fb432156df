//! Namespaces, configuration, accounts, events, RBAC, quotas, certificates, extensions.

use jiff::Timestamp;
use machinery::ObjectExt;
use serde_json::Value;

use super::text::{NONE, age, human, or_none, scalar, since};
use super::{AGE, Column, NAME, Printer, integer, text, wide};
use crate::value::Read;

pub(super) fn printer(group: &str, kind: &str) -> Option<&'static Printer> {
    Some(match (group, kind) {
        ("", "Namespace") => &NAMESPACE,
        ("", "ConfigMap") => &CONFIG_MAP,
        ("", "Secret") => &SECRET,
        ("", "ServiceAccount") => &ACCOUNT,
        ("", "Event") | ("events.k8s.io", "Event") => &EVENT,
        ("", "ResourceQuota") => &QUOTA,
        ("", "ComponentStatus") => &COMPONENT,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &BINDING,
        ("certificates.k8s.io", "CertificateSigningRequest") => &REQUEST,
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => &WEBHOOKS,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => &VALIDATING_POLICY,
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => &MUTATING_POLICY,
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => &POLICY_BINDING,
        ("apiregistration.k8s.io", "APIService") => &API_SERVICE,
        _ => return None,
    })
}

static NAMESPACE: Printer = Printer {
    columns: &[NAME, text("Status"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.text_at(&["status", "phase"]).into(),
            age(o, now),
        ]
    },
};

fn size(object: &Value, name: &str) -> usize {
    object
        .member(name)
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

static CONFIG_MAP: Printer = Printer {
    columns: &[NAME, text("Data"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            (size(o, "data") + size(o, "binaryData")).into(),
            age(o, now),
        ]
    },
};

static SECRET: Printer = Printer {
    columns: &[NAME, text("Type"), text("Data"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.text("type").into(),
            size(o, "data").into(),
            age(o, now),
        ]
    },
};

static ACCOUNT: Printer = Printer {
    columns: &[NAME, text("Secrets"), AGE],
    cells: |o, now| vec![o.name().into(), o.list("secrets").len().into(), age(o, now)],
};

static EVENT: Printer = Printer {
    columns: &[
        text("Last Seen"),
        text("Type"),
        text("Reason"),
        text("Object"),
        wide(text("Subobject")),
        wide(text("Source")),
        text("Message"),
        wide(text("First Seen")),
        wide(text("Count")),
        wide(NAME),
    ],
    cells: event,
};

/// upstream: printers.go#printEvent
fn event(o: &Value, now: Timestamp) -> Vec<Value> {
    let either = |a: &'static str, b: &'static str| {
        o.member(a).or_else(|| o.member(b)).filter(|v| !v.is_null())
    };
    let stamp =
        |a: &'static str, b: &'static str| either(a, b).and_then(Value::as_str).unwrap_or_default();
    let (event_time, first, last) = (
        o.text("eventTime"),
        stamp("firstTimestamp", "deprecatedFirstTimestamp"),
        stamp("lastTimestamp", "deprecatedLastTimestamp"),
    );
    let first_seen = if first.is_empty() {
        since(event_time, now)
    } else {
        since(first, now)
    };
    let mut last_seen = if last.is_empty() {
        first_seen.clone()
    } else {
        since(last, now)
    };
    let series = o.member("series").filter(|s| !s.is_null());
    if let Some(series) = series {
        last_seen = since(series.text("lastObservedTime"), now);
    }
    let count = match (
        series.and_then(|s| s.int("count")),
        either("count", "deprecatedCount").and_then(Value::as_i64),
    ) {
        (Some(count), _) => count,
        (None, Some(count)) if count != 0 => count,
        _ => 1,
    };
    let empty = Value::Null;
    let about = either("involvedObject", "regarding").unwrap_or(&empty);
    let target = match about.text("name") {
        "" => about.text("kind").to_lowercase(),
        name => format!("{}/{name}", about.text("kind").to_lowercase()),
    };
    let source = either("source", "deprecatedSource").unwrap_or(&empty);
    let component = match source.text("component") {
        "" => stamp("reportingComponent", "reportingController"),
        component => component,
    };
    let host = source.text("host");
    let source = if host.is_empty() {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    };
    vec![
        last_seen.into(),
        o.text("type").into(),
        o.text("reason").into(),
        target.into(),
        about.text("fieldPath").into(),
        source.into(),
        stamp("message", "note").trim().into(),
        first_seen.into(),
        count.into(),
        o.name().into(),
    ]
}

static QUOTA: Printer = Printer {
    columns: &[NAME, text("Request"), text("Limit"), AGE],
    cells: |o, now| {
        let hard = o.at(&["status", "hard"]).and_then(Value::as_object);
        let mut names: Vec<&String> = hard.into_iter().flatten().map(|(k, _)| k).collect();
        names.sort();
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for name in names {
            let of = |part: &str| {
                scalar(o.at(&["status", part, name])).unwrap_or_else(|| "0".to_owned())
            };
            let text = format!("{name}: {}/{}", of("used"), of("hard"));
            if name.starts_with("limits") {
                limits.push(text)
            } else {
                requests.push(text)
            }
        }
        vec![
            o.name().into(),
            requests.join(", ").into(),
            limits.join(", ").into(),
            age(o, now),
        ]
    },
};

static COMPONENT: Printer = Printer {
    columns: &[NAME, text("Status"), text("Message"), text("Error")],
    cells: |o, _| {
        let healthy = o
            .list("conditions")
            .iter()
            .find(|c| c.text("type") == "Healthy");
        let status = match healthy.map(|c| c.text("status")) {
            Some("True") => "Healthy",
            Some("False") => "Unhealthy",
            _ => "Unknown",
        };
        let of = |name: &str| healthy.map(|c| c.text(name)).unwrap_or_default();
        vec![
            o.name().into(),
            status.into(),
            of("message").into(),
            of("error").into(),
        ]
    },
};

const USERS: Column = wide(text("Users"));

static BINDING: Printer = Printer {
    columns: &[
        NAME,
        text("Role"),
        AGE,
        USERS,
        wide(text("Groups")),
        wide(text("ServiceAccounts")),
    ],
    cells: |o, now| {
        let role = format!(
            "{}/{}",
            o.text_at(&["roleRef", "kind"]),
            o.text_at(&["roleRef", "name"])
        );
        let of = |kind: &str| {
            o.list("subjects")
                .iter()
                .filter(|s| s.text("kind") == kind)
                .map(|s| {
                    if kind == "ServiceAccount" {
                        format!("{}/{}", s.text("namespace"), s.text("name"))
                    } else {
                        s.text("name").to_owned()
                    }
                })
                .collect::<Vec<_>>()
                .join(", ")
        };
        vec![
            o.name().into(),
            role.into(),
            age(o, now),
            of("User").into(),
            of("Group").into(),
            of("ServiceAccount").into(),
        ]
    },
};

static REQUEST: Printer = Printer {
    columns: &[
        NAME,
        AGE,
        text("SignerName"),
        text("Requestor"),
        text("RequestedDuration"),
        text("Condition"),
    ],
    cells: |o, now| {
        let conditions = o.at(&["status", "conditions"]).and_then(Value::as_array);
        let has = |kind: &str| conditions.is_some_and(|c| c.iter().any(|c| c.text("type") == kind));
        let mut condition = match (has("Denied"), has("Approved")) {
            (true, _) => "Denied",
            (false, true) => "Approved",
            (false, false) => "Pending",
        }
        .to_owned();
        if has("Failed") {
            condition.push_str(",Failed");
        }
        if !o.text_at(&["status", "certificate"]).is_empty() {
            condition.push_str(",Issued");
        }
        let seconds = o.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64);
        vec![
            o.name().into(),
            age(o, now),
            or_none(o.text_at(&["spec", "signerName"])),
            o.text_at(&["spec", "username"]).into(),
            seconds.map_or_else(|| NONE.to_owned(), human).into(),
            condition.into(),
        ]
    },
};

static WEBHOOKS: Printer = Printer {
    columns: &[NAME, integer("Webhooks"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.list("webhooks").len().into(),
            age(o, now),
        ]
    },
};

fn param_kind(o: &Value) -> String {
    let kind = o.at(&["spec", "paramKind"]).filter(|p| !p.is_null());
    kind.map_or_else(
        || "<unset>".to_owned(),
        |p| format!("{}/{}", p.text("apiVersion"), p.text("kind")),
    )
}

static VALIDATING_POLICY: Printer = Printer {
    columns: &[NAME, integer("Validations"), text("ParamKind"), AGE],
    cells: |o, now| {
        let count = o
            .at(&["spec", "validations"])
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        vec![
            o.name().into(),
            count.into(),
            param_kind(o).into(),
            age(o, now),
        ]
    },
};

static MUTATING_POLICY: Printer = Printer {
    columns: &[NAME, integer("Mutations"), text("ParamKind"), AGE],
    cells: |o, now| {
        let count = o
            .at(&["spec", "mutations"])
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        vec![
            o.name().into(),
            count.into(),
            param_kind(o).into(),
            age(o, now),
        ]
    },
};

static POLICY_BINDING: Printer = Printer {
    columns: &[NAME, text("PolicyName"), text("ParamRef"), AGE],
    cells: |o, now| {
        let reference = o.at(&["spec", "paramRef"]).filter(|p| !p.is_null());
        let reference = reference.map_or_else(
            || "<unset>".to_owned(),
            |p| match (p.text("namespace"), p.text("name")) {
                ("", name) => format!("*/{name}"),
                (namespace, name) => format!("{namespace}/{name}"),
            },
        );
        vec![
            o.name().into(),
            o.text_at(&["spec", "policyName"]).into(),
            reference.into(),
            age(o, now),
        ]
    },
};

/// upstream: staging/src/k8s.io/kube-aggregator/pkg/registry/apiservice/etcd/etcd.go#REST.ConvertToTable
static API_SERVICE: Printer = Printer {
    columns: &[NAME, text("Service"), text("Available"), AGE],
    cells: |o, now| {
        let service = o.at(&["spec", "service"]).filter(|s| !s.is_null());
        let service = service.map_or_else(
            || "Local".to_owned(),
            |s| format!("{}/{}", s.text("namespace"), s.text("name")),
        );
        let conditions = o.at(&["status", "conditions"]).and_then(Value::as_array);
        let available = conditions
            .into_iter()
            .flatten()
            .find(|c| c.text("type") == "Available");
        let available = match available {
            None => "Unknown".to_owned(),
            Some(c) if c.text("status") == "True" => "True".to_owned(),
            Some(c) => format!("{} ({})", c.text("status"), c.text("reason")),
        };
        vec![
            o.name().into(),
            service.into(),
            available.into(),
            age(o, now),
        ]
    },
};
