//! Between a served version and the stored form, for resources that are served in several.

mod autoscaler;

use serde_json::{Map, Value};

pub(crate) use autoscaler::AutoscalerV1;

/// A conversion in place; both directions leave `metadata` alone and set `apiVersion`.
pub trait Conversion: Send + Sync + 'static {
    /// From the served version to the stored form.
    fn to_storage(&self, object: &mut Value);
    /// From the stored form to the served version.
    fn to_served(&self, object: &mut Value);
}

/// events.k8s.io/v1 Event, stored as core/v1 Event.
///
/// upstream: pkg/apis/events/v1/conversion.go
#[derive(Debug)]
pub(crate) struct EventsV1;

/// (events.k8s.io/v1, core/v1)
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(map) = object.as_object_mut() {
        let renamed: Map<String, Value> = std::mem::take(map)
            .into_iter()
            .map(|(k, v)| {
                if k == from {
                    (to.to_owned(), v)
                } else {
                    (k, v)
                }
            })
            .collect();
        *map = renamed;
    }
}

fn set_version(object: &mut Value, version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), version.into());
    }
}

impl Conversion for EventsV1 {
    fn to_storage(&self, object: &mut Value) {
        for (served, stored) in EVENT_FIELDS {
            rename(object, served, stored);
        }
        set_version(object, "v1");
    }

    fn to_served(&self, object: &mut Value) {
        for (served, stored) in EVENT_FIELDS {
            rename(object, stored, served);
        }
        set_version(object, "events.k8s.io/v1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_there_and_back() {
        let event = serde_json::json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod"}, "note": "n", "reportingController": "c", "deprecatedCount": 3});
        let mut stored = event.clone();
        EventsV1.to_storage(&mut stored);
        assert_eq!(
            stored,
            serde_json::json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod"}, "message": "n", "reportingComponent": "c", "count": 3})
        );
        EventsV1.to_served(&mut stored);
        assert_eq!(stored, event);
    }
}
