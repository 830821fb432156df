//! Objects without what the control plane's own parts never read.
//!
//! upstream: pkg/controlplane/controller-manager's informers use `TransformStripManagedFields`
//! (k8s.io/client-go/tools/cache/controller.go)

use std::borrow::Cow;
use std::ops::Range;

const METADATA: &[u8] = b"\"metadata\"";
const MANAGED_FIELDS: &[u8] = b"\"managedFields\"";

/// An object's JSON without `metadata.managedFields`: by far the most expensive part of an object to parse and to keep
/// as a tree. What isn't compact JSON of an object comes back as it is.
pub(crate) fn without_managed_fields(json: &[u8]) -> Cow<'_, [u8]> {
    let Some(Range { start, end }) = managed_fields(json) else {
        return Cow::Borrowed(json);
    };
    let head = json.get(..start).unwrap_or_default();
    let tail = json.get(end..).unwrap_or_default();
    // One of the commas around it goes too.
    let (head, tail) = match (head.strip_suffix(b","), tail.strip_prefix(b",")) {
        (_, Some(tail)) => (head, tail),
        (Some(head), None) => (head, tail),
        (None, None) => (head, tail),
    };
    let mut rest = Vec::with_capacity(head.len() + tail.len());
    rest.extend_from_slice(head);
    rest.extend_from_slice(tail);
    Cow::Owned(rest)
}

/// Where the member is, key and value.
fn managed_fields(json: &[u8]) -> Option<Range<usize>> {
    let metadata = member(json, 0, METADATA)?;
    let inside = metadata.start + METADATA.len() + 1;
    member(json, inside, MANAGED_FIELDS)
}

/// The member with this (quoted) key of the object that begins at `at`.
fn member(json: &[u8], at: usize, key: &[u8]) -> Option<Range<usize>> {
    if json.get(at) != Some(&b'{') {
        return None;
    }
    let mut at = at + 1;
    while json.get(at) == Some(&b'"') {
        let start = at;
        let colon = string(json, at)?;
        if json.get(colon) != Some(&b':') {
            return None;
        }
        let end = value(json, colon + 1)?;
        if json.get(start..colon) == Some(key) {
            return Some(start..end);
        }
        at = end;
        if json.get(at) == Some(&b',') {
            at += 1;
        }
    }
    None
}

/// The end of the string that begins at `at`.
fn string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The end of the value that begins at `at`.
fn value(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => at = string(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 && matches!(json.get(at), Some(b',' | b'}' | b']')) {
            return Some(at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn trimmed(object: &Value) -> Value {
        let text = serde_json::to_vec(object).unwrap();
        serde_json::from_slice(&without_managed_fields(&text)).unwrap()
    }

    #[test]
    fn goes_wherever_it_stands_and_nothing_else_does() {
        let fields = json!([{"manager": "a\\\"]}", "fieldsV1": {"f:metadata": {"f:labels": {}}}}]);
        for metadata in [
            json!({"managedFields": fields}),
            json!({"managedFields": fields, "name": "x"}),
            json!({"annotations": {"managedFields": "{\"}]"}, "managedFields": fields}),
            json!({"labels": {"a": "b"}, "managedFields": fields, "name": "x", "uid": "u"}),
            json!({"name": "none"}),
            json!({}),
        ] {
            let object = json!({"apiVersion": "v1", "metadata": metadata, "spec": {"metadata": {"managedFields": [1]}}, "n": 1.5});
            let mut expected = object.clone();
            expected["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("managedFields");
            assert_eq!(trimmed(&object), expected);
        }
    }

    #[test]
    fn what_is_no_object_stays() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            r#"{"metadata""#,
            r#"{"metadata":{"managedFields":[{"#,
            r#"{"metadata":[]}"#,
        ] {
            assert_eq!(&*without_managed_fields(text.as_bytes()), text.as_bytes());
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],:]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(
                    "(metadata|managedFields|[a-z\"\\\\]{0,4})",
                    inner,
                    0..4
                )
                .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn is_what_removing_it_from_the_tree_gives(object in tree()) {
            let mut expected = object.clone();
            if let Some(metadata) = expected.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            prop_assert_eq!(trimmed(&object), expected);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\metadata ".to_vec()), 0..60)) {
            let _ = without_managed_fields(&bytes);
        }
    }
}
