//! Pods and what makes them.

use machinery::{ObjectExt, time};
use serde_json::Value;

use super::text::{NONE, age, containers, human, number, scalar, selector, set, since};
use super::{AGE, Column, NAME, Printer, boolean, integer, pod, text, wide};
use crate::value::Read;

const CONTAINERS: Column = wide(text("Containers"));
const IMAGES: Column = wide(text("Images"));
const SELECTOR: Column = wide(text("Selector"));

pub(super) fn printer(group: &str, kind: &str) -> Option<&'static Printer> {
    Some(match (group, kind) {
        ("", "Pod") => &POD,
        ("", "ReplicationController") => &CONTROLLER,
        ("", "PodTemplate") => &POD_TEMPLATE,
        ("apps", "Deployment") => &DEPLOYMENT,
        ("apps", "ReplicaSet") => &REPLICA_SET,
        ("apps", "StatefulSet") => &STATEFUL_SET,
        ("apps", "DaemonSet") => &DAEMON_SET,
        ("apps", "ControllerRevision") => &REVISION,
        ("batch", "Job") => &JOB,
        ("batch", "CronJob") => &CRON_JOB,
        ("autoscaling", "HorizontalPodAutoscaler") => &SCALER,
        ("policy", "PodDisruptionBudget") => &BUDGET,
        _ => return None,
    })
}

static POD: Printer = Printer {
    columns: &[
        NAME,
        text("Ready"),
        text("Status"),
        text("Restarts"),
        AGE,
        wide(text("IP")),
        wide(text("Node")),
        wide(text("Nominated Node")),
        wide(text("Readiness Gates")),
    ],
    cells: pod::cells,
};

fn template(object: &Value) -> Option<&Value> {
    object.at(&["spec", "template", "spec"])
}

static CONTROLLER: Printer = Printer {
    columns: CONTROLLER_COLUMNS,
    cells: |o, now| {
        let (names, images) = containers(template(o));
        vec![
            o.name().into(),
            number(o, &["spec", "replicas"]).into(),
            number(o, &["status", "replicas"]).into(),
            number(o, &["status", "readyReplicas"]).into(),
            age(o, now),
            names.into(),
            images.into(),
            set(o.at(&["spec", "selector"])).into(),
        ]
    },
};

static REPLICA_SET: Printer = Printer {
    columns: CONTROLLER_COLUMNS,
    cells: |o, now| {
        let (names, images) = containers(template(o));
        vec![
            o.name().into(),
            number(o, &["spec", "replicas"]).into(),
            number(o, &["status", "replicas"]).into(),
            number(o, &["status", "readyReplicas"]).into(),
            age(o, now),
            names.into(),
            images.into(),
            selector(o.at(&["spec", "selector"])).into(),
        ]
    },
};

const CONTROLLER_COLUMNS: &[Column] = &[
    NAME,
    integer("Desired"),
    integer("Current"),
    integer("Ready"),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

static POD_TEMPLATE: Printer = Printer {
    columns: &[NAME, text("Containers"), text("Images"), text("Pod Labels")],
    cells: |o, _| {
        let (names, images) = containers(o.at(&["template", "spec"]));
        let labels = o
            .at(&["template", "metadata", "labels"])
            .and_then(Value::as_object);
        let mut labels: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
            .collect();
        labels.sort();
        let labels = if labels.is_empty() {
            NONE.to_owned()
        } else {
            labels.join(",")
        };
        vec![o.name().into(), names.into(), images.into(), labels.into()]
    },
};

static DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        text("Ready"),
        integer("Up-to-date"),
        integer("Available"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |o, now| {
        let (names, images) = containers(template(o));
        let ready = format!(
            "{}/{}",
            number(o, &["status", "readyReplicas"]),
            number(o, &["spec", "replicas"])
        );
        vec![
            o.name().into(),
            ready.into(),
            number(o, &["status", "updatedReplicas"]).into(),
            number(o, &["status", "availableReplicas"]).into(),
            age(o, now),
            names.into(),
            images.into(),
            selector(o.at(&["spec", "selector"])).into(),
        ]
    },
};

static STATEFUL_SET: Printer = Printer {
    columns: &[NAME, text("Ready"), AGE, CONTAINERS, IMAGES],
    cells: |o, now| {
        let (names, images) = containers(template(o));
        let ready = format!(
            "{}/{}",
            number(o, &["status", "readyReplicas"]),
            number(o, &["spec", "replicas"])
        );
        vec![
            o.name().into(),
            ready.into(),
            age(o, now),
            names.into(),
            images.into(),
        ]
    },
};

static DAEMON_SET: Printer = Printer {
    columns: &[
        NAME,
        integer("Desired"),
        integer("Current"),
        integer("Ready"),
        integer("Up-to-date"),
        integer("Available"),
        text("Node Selector"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |o, now| {
        let (names, images) = containers(template(o));
        let of = |name: &str| Value::from(number(o, &["status", name]));
        vec![
            o.name().into(),
            of("desiredNumberScheduled"),
            of("currentNumberScheduled"),
            of("numberReady"),
            of("updatedNumberScheduled"),
            of("numberAvailable"),
            set(o.at(&["spec", "template", "spec", "nodeSelector"])).into(),
            age(o, now),
            names.into(),
            images.into(),
            selector(o.at(&["spec", "selector"])).into(),
        ]
    },
};

static REVISION: Printer = Printer {
    columns: &[NAME, text("Controller"), text("Revision"), AGE],
    cells: |o, now| {
        let owner = o
            .owner_references()
            .into_iter()
            .find(|r| r.controller == Some(true));
        // upstream: printers.go#formatResourceName: kind.group/name
        let owner = owner.map_or_else(
            || NONE.to_owned(),
            |r| {
                let group = r
                    .api_version
                    .split_once('/')
                    .map(|(g, _)| format!(".{g}"))
                    .unwrap_or_default();
                format!("{}{group}/{}", r.kind.to_lowercase(), r.name)
            },
        );
        let revision = o.int("revision").unwrap_or_default().to_string();
        vec![o.name().into(), owner.into(), revision.into(), age(o, now)]
    },
};

static JOB: Printer = Printer {
    columns: &[
        NAME,
        text("Status"),
        text("Completions"),
        text("Duration"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |o, now| {
        let (names, images) = containers(template(o));
        let done = number(o, &["status", "succeeded"]);
        let completions = match o.at(&["spec", "completions"]).and_then(Value::as_i64) {
            Some(all) => format!("{done}/{all}"),
            None => match number(o, &["spec", "parallelism"]) {
                n if n > 1 => format!("{done}/1 of {n}"),
                _ => format!("{done}/1"),
            },
        };
        let (start, end) = (
            o.text_at(&["status", "startTime"]),
            o.text_at(&["status", "completionTime"]),
        );
        let duration = match (time::parse(start), time::parse(end)) {
            (None, _) => String::new(),
            (Some(start), None) => human(now.as_second() - start.as_second()),
            (Some(start), Some(end)) => human(end.as_second() - start.as_second()),
        };
        let is = |kind: &str| {
            let conditions = o.at(&["status", "conditions"]).and_then(Value::as_array);
            conditions
                .into_iter()
                .flatten()
                .any(|c| c.text("type") == kind && c.text("status") == "True")
        };
        let status = ["Complete", "Failed"]
            .into_iter()
            .find(|k| is(k))
            .or_else(|| o.deletion_timestamp().map(|_| "Terminating"))
            .or_else(|| {
                ["Suspended", "FailureTarget", "SuccessCriteriaMet"]
                    .into_iter()
                    .find(|k| is(k))
            })
            .unwrap_or("Running");
        vec![
            o.name().into(),
            status.into(),
            completions.into(),
            duration.into(),
            age(o, now),
            names.into(),
            images.into(),
            selector(o.at(&["spec", "selector"])).into(),
        ]
    },
};

static CRON_JOB: Printer = Printer {
    columns: &[
        NAME,
        text("Schedule"),
        text("Timezone"),
        boolean("Suspend"),
        integer("Active"),
        text("Last Schedule"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |o, now| {
        let (names, images) =
            containers(o.at(&["spec", "jobTemplate", "spec", "template", "spec"]));
        let last = o.text_at(&["status", "lastScheduleTime"]);
        let zone = o.text_at(&["spec", "timeZone"]);
        let suspended = o
            .at(&["spec", "suspend"])
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let active = o
            .at(&["status", "active"])
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        vec![
            o.name().into(),
            o.text_at(&["spec", "schedule"]).into(),
            if zone.is_empty() { NONE } else { zone }.into(),
            if suspended { "True" } else { "False" }.into(),
            active.into(),
            if last.is_empty() {
                NONE.to_owned()
            } else {
                since(last, now)
            }
            .into(),
            age(o, now),
            names.into(),
            images.into(),
            selector(
                o.at(&["spec", "jobTemplate", "spec", "selector"])
                    .or(Some(&Value::Object(serde_json::Map::new()))),
            )
            .into(),
        ]
    },
};

static SCALER: Printer = Printer {
    columns: &[
        NAME,
        text("Reference"),
        text("Targets"),
        text("MinPods"),
        text("MaxPods"),
        text("Replicas"),
        AGE,
    ],
    cells: |o, now| {
        let target = format!(
            "{}/{}",
            o.text_at(&["spec", "scaleTargetRef", "kind"]),
            o.text_at(&["spec", "scaleTargetRef", "name"])
        );
        let min = scalar(o.at(&["spec", "minReplicas"])).unwrap_or_else(|| "<unset>".to_owned());
        vec![
            o.name().into(),
            target.into(),
            targets(o).into(),
            min.into(),
            number(o, &["spec", "maxReplicas"]).into(),
            number(o, &["status", "currentReplicas"]).into(),
            age(o, now),
        ]
    },
};

/// upstream: printers.go#formatHPAMetrics, of resource metrics
fn targets(scaler: &Value) -> String {
    let specs = scaler
        .at(&["spec", "metrics"])
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let current = scaler
        .at(&["status", "currentMetrics"])
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if specs.is_empty() {
        return NONE.to_owned();
    }
    let mut list: Vec<String> = Vec::new();
    for (i, metric) in specs.iter().enumerate() {
        let member = match metric.text("type") {
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            "Pods" => "pods",
            "Object" => "object",
            "External" => "external",
            _ => "",
        };
        let now = current.get(i).and_then(|c| c.at(&[member, "current"]));
        let Some(target) = metric.at(&[member, "target"]) else {
            list.push("<unknown type>".to_owned());
            continue;
        };
        let name = match metric.at(&[member, "name"]).and_then(Value::as_str) {
            Some(name) if member == "resource" || member == "containerResource" => {
                format!("{name}: ")
            }
            _ => String::new(),
        };
        let unknown = || "<unknown>".to_owned();
        let text = if let Some(percent) = target.int("averageUtilization") {
            let have = now
                .and_then(|n| n.int("averageUtilization"))
                .map_or_else(unknown, |p| format!("{p}%"));
            format!("{name}{have}/{percent}%")
        } else if let Some(average) = scalar(target.member("averageValue")) {
            let have = now
                .and_then(|n| scalar(n.member("averageValue")))
                .unwrap_or_else(unknown);
            format!(
                "{name}{have}/{average}{}",
                if member == "pods" || member == "resource" {
                    ""
                } else {
                    " (avg)"
                }
            )
        } else {
            let have = now
                .and_then(|n| scalar(n.member("value")))
                .unwrap_or_else(unknown);
            format!(
                "{name}{have}/{}",
                scalar(target.member("value")).unwrap_or_else(|| "<auto>".to_owned())
            )
        };
        list.push(text);
    }
    let more = list.len().saturating_sub(2);
    let shown = list.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("{shown} + {more} more...")
    } else {
        shown
    }
}

static BUDGET: Printer = Printer {
    columns: &[
        NAME,
        text("Min Available"),
        text("Max Unavailable"),
        integer("Allowed Disruptions"),
        AGE,
    ],
    cells: |o, now| {
        let of = |name: &str| scalar(o.at(&["spec", name])).unwrap_or_else(|| "N/A".to_owned());
        vec![
            o.name().into(),
            of("minAvailable").into(),
            of("maxUnavailable").into(),
            number(o, &["status", "disruptionsAllowed"]).into(),
            age(o, now),
        ]
    },
};
