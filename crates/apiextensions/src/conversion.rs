//! Conversion between versions: changing `apiVersion` (strategy None), and the reviews that a webhook is asked with.
// upstream: apiextensions-apiserver/pkg/apiserver/conversion/{nop_converter,webhook_converter}.go

use machinery::field::Path;
use machinery::validation::{validate_annotations, validate_labels};
use machinery::{GroupVersion, ObjectExt};
use serde_json::{Map, Value, json};

/// Strategy None.
pub fn nop(object: &mut Value, api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), api_version.into());
    }
}

/// A review that is asked and answered.
#[derive(Clone, Debug)]
pub struct Review {
    version: &'static str,
    uid: String,
    desired: String,
}

/// Why an answer is refused, worded after `conversion webhook for <kind> `.
pub type Refused = String;

impl Review {
    /// A review in the first version that both sides know.
    pub fn new(review_versions: &[String], desired: &str, uid: &str) -> Result<Self, Refused> {
        let version = review_versions
            .iter()
            .find_map(|v| ["v1", "v1beta1"].into_iter().find(|known| known == v))
            .ok_or("no supported conversion review versions")?;
        Ok(Self {
            version,
            uid: uid.to_owned(),
            desired: desired.to_owned(),
        })
    }

    /// The request's body.
    pub fn request(&self, objects: &[Value]) -> Value {
        json!({
            "kind": "ConversionReview",
            "apiVersion": format!("apiextensions.k8s.io/{}", self.version),
            "request": {"uid": self.uid, "desiredAPIVersion": self.desired, "objects": objects},
        })
    }

    /// The objects of an answer, checked against those that were asked about, with their metadata restored.
    pub fn answer(&self, gvk: &str, asked: &[Value], body: &Value) -> Result<Vec<Value>, Refused> {
        let failed = |why: String| format!("conversion webhook for {gvk} failed: {why}");
        let given =
            GroupVersion::parse(body.api_version()).unwrap_or_else(|_| GroupVersion::new("", ""));
        let wanted = GroupVersion::new("apiextensions.k8s.io", self.version);
        if self.version == "v1" && (given != wanted || body.kind() != "ConversionReview") {
            return Err(failed(format!(
                "expected webhook response of {}/{}, Kind=ConversionReview, got {}/{}, Kind={}",
                wanted.group,
                wanted.version,
                given.group,
                given.version,
                body.kind()
            )));
        }
        let Some(response) = body.get("response").filter(|r| r.is_object()) else {
            return Err(failed("no response provided".to_owned()));
        };
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let uid = text(response.get("uid"));
        if self.version == "v1" && uid != self.uid {
            return Err(failed(format!(
                "expected response.uid={}, got {}",
                machinery::go::quote(&self.uid),
                machinery::go::quote(&uid)
            )));
        }
        let result = response.get("result");
        let status = text(result.and_then(|r| r.get("status")));
        if status != "Success" {
            let message = text(result.and_then(|r| r.get("message")));
            return Err(failed(if message.is_empty() {
                format!("response.result.status was '{status}', not 'Success'")
            } else {
                message
            }));
        }
        let converted = response
            .get("convertedObjects")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        if converted.len() != asked.len() {
            return Err(format!(
                "conversion webhook for {gvk} returned {} objects, expected {}",
                converted.len(),
                asked.len()
            ));
        }
        asked
            .iter()
            .zip(converted)
            .enumerate()
            .map(|(i, (original, converted))| {
                self.one(original, converted).map_err(|(what, why)| {
                    format!("conversion webhook for {gvk} returned {what} at index {i}: {why}")
                })
            })
            .collect()
    }

    fn one(&self, original: &Value, mut converted: Value) -> Result<Value, (&'static str, String)> {
        let invalid = |why: String| ("invalid converted object", why);
        if converted.api_version() != self.desired {
            return Err(invalid(format!(
                "invalid groupVersion (expected {}, received {})",
                self.desired,
                converted.api_version()
            )));
        }
        if converted.kind() != original.kind() {
            return Err(invalid(format!(
                "invalid kind (expected {}, received {})",
                original.kind(),
                converted.kind()
            )));
        }
        let same = [
            ("name", original.name(), converted.name()),
            ("namespace", original.namespace(), converted.namespace()),
            ("UID", original.uid(), converted.uid()),
        ];
        for (what, before, after) in same {
            if before != after {
                return Err(invalid(format!(
                    "must have the same {what}: {before} != {after}"
                )));
            }
        }
        restore_metadata(original, &mut converted)
            .map_err(|why| ("invalid metadata in object", why))?;
        Ok(converted)
    }
}

/// The original's metadata, with the converted object's labels and annotations.
// upstream: #restoreObjectMeta
fn restore_metadata(original: &Value, converted: &mut Value) -> Result<(), String> {
    let given = match converted.get("metadata") {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => return Err("invalid metadata in converted object".to_owned()),
    };
    let mut metadata = original.metadata().cloned().unwrap_or_default();
    for name in ["labels", "annotations"] {
        let Some(value) = given.get(name).filter(|v| !v.is_null()) else {
            metadata.shift_remove(name);
            continue;
        };
        let Some(map) = value.as_object() else {
            return Err(format!("invalid metadata.{name} in converted object"));
        };
        if let Some((key, _)) = map.iter().find(|(_, v)| !v.is_string()) {
            return Err(format!(
                "metadata.{name}[{key}] must be a string in converted object"
            ));
        }
        let empty = Map::new();
        let before = metadata
            .get(name)
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        if before != map {
            let path = Path::new("metadata");
            let errors = if name == "labels" {
                validate_labels(Some(map), &path.child("labels"))
            } else {
                validate_annotations(Some(map), &path.child("annotation"))
            };
            if !errors.is_empty() {
                return Err(errors.aggregate());
            }
        }
        metadata.insert(name.to_owned(), value.clone());
    }
    if let Some(map) = converted.as_object_mut() {
        map.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ask() -> (Review, Vec<Value>) {
        let review = Review::new(&["v9".into(), "v1".into()], "a.b/v2", "u1").unwrap();
        let asked = vec![
            json!({"apiVersion": "a.b/v1", "kind": "K", "metadata": {"name": "n", "uid": "x", "resourceVersion": "4", "labels": {"a": "b"}}, "spec": {"old": 1}}),
        ];
        (review, asked)
    }

    fn answer(change: impl FnOnce(&mut Value)) -> Result<Vec<Value>, Refused> {
        let (review, asked) = ask();
        let mut body = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": {"uid": "u1",
            "result": {"status": "Success"}, "convertedObjects": [{"apiVersion": "a.b/v2", "kind": "K",
            "metadata": {"name": "n", "uid": "x", "resourceVersion": "9", "labels": {"c": "d"}}, "spec": {"new": 1}}]}});
        change(&mut body);
        review.answer("a.b/v1, Kind=K", &asked, &body)
    }

    // upstream: webhook_converter_test.go
    #[test]
    fn answers() {
        let (review, asked) = ask();
        assert_eq!(
            review.request(&asked)["request"]["desiredAPIVersion"],
            "a.b/v2"
        );
        assert_eq!(
            answer(|_| {}).unwrap(),
            [json!({"apiVersion": "a.b/v2", "kind": "K",
            "metadata": {"name": "n", "uid": "x", "resourceVersion": "4", "labels": {"c": "d"}}, "spec": {"new": 1}})]
        );
        let refused = |change: fn(&mut Value)| answer(change).unwrap_err();
        assert_eq!(
            refused(|b| b["response"]["uid"] = "z".into()),
            "conversion webhook for a.b/v1, Kind=K failed: expected response.uid=\"u1\", got \"z\""
        );
        assert_eq!(
            refused(|b| b["response"]["result"] = json!({"status": "Failure", "message": "no way"})),
            "conversion webhook for a.b/v1, Kind=K failed: no way"
        );
        assert_eq!(
            refused(|b| b["response"]["convertedObjects"] = json!([])),
            "conversion webhook for a.b/v1, Kind=K returned 0 objects, expected 1"
        );
        assert_eq!(
            refused(|b| b["response"]["convertedObjects"][0]["metadata"]["name"] = "other".into()),
            "conversion webhook for a.b/v1, Kind=K returned invalid converted object at index 0: must have the same name: n != other"
        );
        assert!(
            refused(
                |b| b["response"]["convertedObjects"][0]["metadata"]["labels"] =
                    json!({"a b": "x"})
            )
            .contains(
                "returned invalid metadata in object at index 0: metadata.labels: Invalid value"
            )
        );
        assert!(Review::new(&["v7".into()], "a.b/v2", "u").is_err());
    }
}
