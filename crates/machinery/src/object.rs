//! Reading and writing an object's metadata on a `serde_json::Value`.

use serde_json::{Map, Value};

use crate::owner::OwnerReference;
use crate::{GroupVersion, Gvk, ResourceVersion, Uid};

fn text(v: Option<&Value>) -> &str {
    v.and_then(Value::as_str).unwrap_or_default()
}

/// Metadata accessors. Reading what is absent or of a wrong type gives the empty value; writing
/// makes `metadata` where it is missing (and does nothing on what isn't a JSON object).
pub trait ObjectExt {
    /// `metadata` if it is an object.
    fn metadata(&self) -> Option<&Map<String, Value>>;
    /// `metadata`, made when missing; `None` when this isn't a JSON object.
    fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>>;
    /// A top level field.
    fn field(&self, name: &str) -> Option<&Value>;
    /// A nested field by a path of names, e.g. `["spec", "nodeName"]`.
    fn at(&self, path: &[&str]) -> Option<&Value>;
    /// A nested field as text, empty when absent.
    fn text_at(&self, path: &[&str]) -> &str {
        text(self.at(path))
    }
    /// Sets a nested field, making the objects on its way; false when something else is in the way.
    fn set_at(&mut self, path: &[&str], value: Value) -> bool;
    /// Removes a nested field and gives it back.
    fn remove_at(&mut self, path: &[&str]) -> Option<Value>;

    /// `apiVersion`.
    fn api_version(&self) -> &str {
        text(self.field("apiVersion"))
    }
    /// `kind`.
    fn kind(&self) -> &str {
        text(self.field("kind"))
    }
    /// Group, version and kind; `None` when `apiVersion` is malformed.
    fn gvk(&self) -> Option<Gvk> {
        GroupVersion::parse(self.api_version())
            .ok()
            .map(|gv| gv.with_kind(self.kind()))
    }
    /// Sets `apiVersion` and `kind`.
    fn set_gvk(&mut self, gvk: &Gvk);

    /// A text of the metadata, empty when absent.
    fn meta_text(&self, field: &str) -> &str {
        text(self.metadata().and_then(|m| m.get(field)))
    }
    /// Sets a text of the metadata; an empty text removes it.
    fn set_meta_text(&mut self, field: &str, value: &str) {
        if let Some(meta) = self.metadata_mut() {
            if value.is_empty() {
                meta.shift_remove(field);
            } else {
                meta.insert(field.to_owned(), value.into());
            }
        }
    }
    /// `metadata.name`.
    fn name(&self) -> &str {
        self.meta_text("name")
    }
    /// `metadata.namespace`, empty for cluster scope.
    fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }
    /// `metadata.generateName`.
    fn generate_name(&self) -> &str {
        self.meta_text("generateName")
    }
    /// `metadata.uid` as text.
    fn uid(&self) -> &str {
        self.meta_text("uid")
    }
    /// `metadata.uid`.
    fn uid_owned(&self) -> Uid {
        Uid(self.uid().to_owned())
    }
    /// `metadata.resourceVersion` as text.
    fn resource_version(&self) -> &str {
        self.meta_text("resourceVersion")
    }
    /// Sets `metadata.resourceVersion`; 0 removes it.
    fn set_resource_version(&mut self, rv: ResourceVersion) {
        let text = if rv.0 == 0 {
            String::new()
        } else {
            rv.to_string()
        };
        self.set_meta_text("resourceVersion", &text);
    }
    /// `metadata.generation`, 0 when absent.
    fn generation(&self) -> i64 {
        self.metadata()
            .and_then(|m| m.get("generation"))
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }
    /// Sets `metadata.generation`; 0 removes it.
    fn set_generation(&mut self, generation: i64) {
        if let Some(meta) = self.metadata_mut() {
            if generation == 0 {
                meta.shift_remove("generation");
            } else {
                meta.insert("generation".to_owned(), generation.into());
            }
        }
    }
    /// `metadata.creationTimestamp`.
    fn creation_timestamp(&self) -> &str {
        self.meta_text("creationTimestamp")
    }
    /// `metadata.deletionTimestamp`, `None` while the object isn't being deleted.
    fn deletion_timestamp(&self) -> Option<&str> {
        Some(self.meta_text("deletionTimestamp")).filter(|s| !s.is_empty())
    }
    /// `metadata.deletionGracePeriodSeconds`.
    fn deletion_grace_period(&self) -> Option<i64> {
        self.metadata()
            .and_then(|m| m.get("deletionGracePeriodSeconds"))
            .and_then(Value::as_i64)
    }
    /// `metadata.labels`.
    fn labels(&self) -> Option<&Map<String, Value>> {
        self.metadata()
            .and_then(|m| m.get("labels"))
            .and_then(Value::as_object)
    }
    /// One label.
    fn label(&self, key: &str) -> Option<&str> {
        self.labels()
            .and_then(|m| m.get(key))
            .and_then(Value::as_str)
    }
    /// Sets a label.
    fn set_label(&mut self, key: &str, value: &str) {
        self.set_at(&["metadata", "labels", key], value.into());
    }
    /// `metadata.annotations`.
    fn annotations(&self) -> Option<&Map<String, Value>> {
        self.metadata()
            .and_then(|m| m.get("annotations"))
            .and_then(Value::as_object)
    }
    /// One annotation.
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations()
            .and_then(|m| m.get(key))
            .and_then(Value::as_str)
    }
    /// Sets an annotation.
    fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_at(&["metadata", "annotations", key], value.into());
    }
    /// `metadata.finalizers`.
    fn finalizers(&self) -> Vec<&str> {
        self.metadata()
            .and_then(|m| m.get("finalizers"))
            .and_then(Value::as_array)
            .map(|a| a.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }
    /// Sets `metadata.finalizers`; none removes the field.
    fn set_finalizers(&mut self, finalizers: &[&str]) {
        if let Some(meta) = self.metadata_mut() {
            if finalizers.is_empty() {
                meta.shift_remove("finalizers");
            } else {
                meta.insert(
                    "finalizers".to_owned(),
                    finalizers.iter().map(|s| Value::from(*s)).collect(),
                );
            }
        }
    }
    /// `metadata.ownerReferences`; malformed entries are left out.
    fn owner_references(&self) -> Vec<OwnerReference> {
        self.metadata()
            .and_then(|m| m.get("ownerReferences"))
            .and_then(Value::as_array)
            .map(|a| {
                a.iter()
                    .filter_map(|v| serde::Deserialize::deserialize(v).ok())
                    .collect()
            })
            .unwrap_or_default()
    }
    /// The owner that is the controller, if any.
    // upstream: apimachinery/pkg/apis/meta/v1/controller_ref.go#GetControllerOf
    fn controller_of(&self) -> Option<OwnerReference> {
        self.owner_references()
            .into_iter()
            .find(|o| o.controller == Some(true))
    }
}

impl ObjectExt for Map<String, Value> {
    fn metadata(&self) -> Option<&Map<String, Value>> {
        self.get("metadata").and_then(Value::as_object)
    }

    fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        let meta = self
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        if meta.is_null() {
            *meta = Value::Object(Map::new());
        }
        meta.as_object_mut()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let mut at = self.get(*first)?;
        for name in rest {
            at = at.as_object()?.get(*name)?;
        }
        Some(at)
    }

    fn set_at(&mut self, path: &[&str], value: Value) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut at = self;
        for name in parents {
            let next = at.entry(*name).or_insert(Value::Null);
            if next.is_null() {
                *next = Value::Object(Map::new());
            }
            match next {
                Value::Object(map) => at = map,
                _ => return false,
            }
        }
        at.insert((*last).to_owned(), value);
        true
    }

    fn remove_at(&mut self, path: &[&str]) -> Option<Value> {
        let (last, parents) = path.split_last()?;
        let mut at = self;
        for name in parents {
            at = at.get_mut(*name)?.as_object_mut()?;
        }
        at.shift_remove(*last)
    }

    fn set_gvk(&mut self, gvk: &Gvk) {
        self.insert("apiVersion".to_owned(), gvk.api_version().into());
        self.insert("kind".to_owned(), gvk.kind.clone().into());
    }
}

impl ObjectExt for Value {
    fn metadata(&self) -> Option<&Map<String, Value>> {
        self.as_object()?.metadata()
    }

    fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.as_object_mut()?.metadata_mut()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        self.as_object()?.at(path)
    }

    fn set_at(&mut self, path: &[&str], value: Value) -> bool {
        self.as_object_mut().is_some_and(|m| m.set_at(path, value))
    }

    fn remove_at(&mut self, path: &[&str]) -> Option<Value> {
        self.as_object_mut()?.remove_at(path)
    }

    fn set_gvk(&mut self, gvk: &Gvk) {
        if let Some(map) = self.as_object_mut() {
            map.set_gvk(gvk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_and_writes() {
        let mut v = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"a": "b"}}});
        assert_eq!(v.name(), "d");
        assert_eq!(v.label("a"), Some("b"));
        assert_eq!(v.gvk(), Some(Gvk::new("apps", "v1", "Deployment")));
        v.set_resource_version(ResourceVersion(7));
        assert_eq!(v.resource_version(), "7");
        assert!(v.set_at(&["status", "x"], json!(1)));
        assert!(!v.set_at(&["status", "x", "y"], json!(1)));
        assert_eq!(v.remove_at(&["status", "x"]), Some(json!(1)));
        v.set_finalizers(&["a/b"]);
        assert_eq!(v.finalizers(), vec!["a/b"]);
        v.set_finalizers(&[]);
        assert!(v.metadata().is_some_and(|m| !m.contains_key("finalizers")));
    }
}
