//! Nodes, leases, runtime and priority classes, flow control, devices.

use machinery::ObjectExt;
use serde_json::Value;

use super::text::{NONE, UNKNOWN, age, number, or_none};
use super::{AGE, NAME, Printer, boolean, integer, text, wide};
use crate::value::Read;

pub(super) fn printer(group: &str, kind: &str) -> Option<&'static Printer> {
    Some(match (group, kind) {
        ("", "Node") => &NODE,
        ("coordination.k8s.io", "Lease") => &LEASE,
        ("node.k8s.io", "RuntimeClass") => &RUNTIME,
        ("scheduling.k8s.io", "PriorityClass") => &PRIORITY,
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => &FLOW,
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => &LEVEL,
        ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => &AGED,
        ("resource.k8s.io", "ResourceClaim") => &CLAIM,
        ("resource.k8s.io", "ResourceSlice") => &SLICE,
        _ => return None,
    })
}

static AGED: Printer = Printer {
    columns: &[NAME, AGE],
    cells: |o, now| vec![o.name().into(), age(o, now)],
};

/// upstream: printers.go#printNode
static NODE: Printer = Printer {
    columns: &[
        NAME,
        text("Status"),
        text("Roles"),
        AGE,
        text("Version"),
        wide(text("Internal-IP")),
        wide(text("External-IP")),
        wide(text("OS-Image")),
        wide(text("Kernel-Version")),
        wide(text("Container-Runtime")),
    ],
    cells: |o, now| {
        let conditions = o.at(&["status", "conditions"]).and_then(Value::as_array);
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|c| c.text("type") == "Ready");
        let mut status = vec![match ready.map(|c| c.text("status")) {
            Some("True") => "Ready",
            Some(_) => "NotReady",
            None => "Unknown",
        }];
        if o.at(&["spec", "unschedulable"]).and_then(Value::as_bool) == Some(true) {
            status.push("SchedulingDisabled");
        }
        let mut roles: Vec<String> = Vec::new();
        for (key, value) in o.labels().into_iter().flatten() {
            let role = match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => role,
                None if key == "kubernetes.io/role" => value.as_str().unwrap_or_default(),
                None => "",
            };
            if !role.is_empty() && !roles.iter().any(|r| r == role) {
                roles.push(role.to_owned());
            }
        }
        roles.sort();
        let address = |kind: &str| {
            let all = o.at(&["status", "addresses"]).and_then(Value::as_array);
            let found = all
                .into_iter()
                .flatten()
                .find(|a| a.text("type") == kind)
                .map(|a| a.text("address"));
            or_none(found.unwrap_or_default())
        };
        let info = |name: &str| match o.text_at(&["status", "nodeInfo", name]) {
            "" => Value::from(UNKNOWN),
            text => text.into(),
        };
        vec![
            o.name().into(),
            status.join(",").into(),
            or_none(&roles.join(",")),
            age(o, now),
            o.text_at(&["status", "nodeInfo", "kubeletVersion"]).into(),
            address("InternalIP"),
            address("ExternalIP"),
            info("osImage"),
            info("kernelVersion"),
            info("containerRuntimeVersion"),
        ]
    },
};

static LEASE: Printer = Printer {
    columns: &[NAME, text("Holder"), AGE],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.text_at(&["spec", "holderIdentity"]).into(),
            age(o, now),
        ]
    },
};

static RUNTIME: Printer = Printer {
    columns: &[NAME, text("Handler"), AGE],
    cells: |o, now| vec![o.name().into(), o.text("handler").into(), age(o, now)],
};

static PRIORITY: Printer = Printer {
    columns: &[
        NAME,
        integer("Value"),
        boolean("Global-Default"),
        AGE,
        text("PreemptionPolicy"),
    ],
    cells: |o, now| {
        vec![
            o.name().into(),
            o.int("value").unwrap_or_default().into(),
            o.flag("globalDefault").into(),
            age(o, now),
            o.text("preemptionPolicy").into(),
        ]
    },
};

static FLOW: Printer = Printer {
    columns: &[
        NAME,
        text("PriorityLevel"),
        text("MatchingPrecedence"),
        text("DistinguisherMethod"),
        AGE,
        text("MissingPL"),
    ],
    cells: |o, now| {
        let conditions = o.at(&["status", "conditions"]).and_then(Value::as_array);
        let dangling = conditions
            .into_iter()
            .flatten()
            .find(|c| c.text("type") == "Dangling")
            .map(|c| c.text("status"));
        vec![
            o.name().into(),
            o.text_at(&["spec", "priorityLevelConfiguration", "name"])
                .into(),
            number(o, &["spec", "matchingPrecedence"]).into(),
            or_none(o.text_at(&["spec", "distinguisherMethod", "type"])),
            age(o, now),
            dangling.unwrap_or("?").into(),
        ]
    },
};

static LEVEL: Printer = Printer {
    columns: &[
        NAME,
        text("Type"),
        text("NominalConcurrencyShares"),
        text("Queues"),
        text("HandSize"),
        text("QueueLengthLimit"),
        AGE,
    ],
    cells: |o, now| {
        let limited = o.at(&["spec", "limited"]).filter(|l| !l.is_null());
        let none = || Value::from(NONE);
        let shares = limited
            .and_then(|l| l.int("nominalConcurrencyShares"))
            .map_or_else(none, Value::from);
        let queuing = |name: &str| {
            limited
                .and_then(|l| l.at(&["limitResponse", "queuing", name]))
                .cloned()
                .unwrap_or_else(none)
        };
        vec![
            o.name().into(),
            o.text_at(&["spec", "type"]).into(),
            shares,
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            age(o, now),
        ]
    },
};

static CLAIM: Printer = Printer {
    columns: &[NAME, text("State"), AGE],
    cells: |o, now| {
        let mut states = Vec::new();
        if o.deletion_timestamp().is_some() {
            states.push("deleted");
        }
        if o.at(&["status", "allocation"]).is_none_or(Value::is_null) {
            if o.deletion_timestamp().is_none() {
                states.push("pending");
            }
        } else {
            states.push("allocated");
            let reserved = o.at(&["status", "reservedFor"]).and_then(Value::as_array);
            if reserved.is_some_and(|r| !r.is_empty()) {
                states.push("reserved");
            }
        }
        vec![o.name().into(), states.join(",").into(), age(o, now)]
    },
};

static SLICE: Printer = Printer {
    columns: &[NAME, text("Node"), text("Driver"), text("Pool"), AGE],
    cells: |o, now| {
        let node = match o.text_at(&["spec", "nodeName"]) {
            "" if o.at(&["spec", "allNodes"]).and_then(Value::as_bool) == Some(true) => "<all>",
            "" => "<unset>",
            node => node,
        };
        vec![
            o.name().into(),
            node.into(),
            o.text_at(&["spec", "driver"]).into(),
            o.text_at(&["spec", "pool", "name"]).into(),
            age(o, now),
        ]
    },
};
