//! Small readers and writers of JSON trees, beside [`machinery::ObjectExt`].

use bytes::Bytes;
use machinery::ObjectExt;
use serde_json::{Map, Value};

/// An empty list, to iterate over what is absent.
const NONE: &[Value] = &[];

/// Compact JSON.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .unwrap_or_default()
}

/// Readers that give the empty value for what is absent or of another type.
pub(crate) trait Read {
    /// A member.
    fn member(&self, name: &str) -> Option<&Value>;

    /// A text.
    fn text(&self, name: &str) -> &str {
        self.member(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A list's elements.
    fn list(&self, name: &str) -> &[Value] {
        self.member(name)
            .and_then(Value::as_array)
            .map_or(NONE, Vec::as_slice)
    }

    /// An object's entries.
    fn entries(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.member(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    }

    /// An integer.
    fn int(&self, name: &str) -> Option<i64> {
        self.member(name).and_then(Value::as_i64)
    }

    /// A boolean, false when absent.
    fn flag(&self, name: &str) -> bool {
        self.member(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// Whether a member is there and not null.
    fn has(&self, name: &str) -> bool {
        self.member(name).is_some_and(|v| !v.is_null())
    }
}

impl Read for Value {
    fn member(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }
}

impl Read for Map<String, Value> {
    fn member(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// Writers.
pub(crate) trait Write {
    /// Sets a member unless it is there (null counts as absent).
    fn default_to(&mut self, name: &str, value: impl Into<Value>);

    /// Sets a member unless it is there and not the empty text.
    fn default_text(&mut self, name: &str, value: &str);

    /// Sets a number unless it is there and not 0.
    fn default_number(&mut self, name: &str, value: i64);

    /// Sets or replaces a member.
    fn put(&mut self, name: &str, value: impl Into<Value>);

    /// Takes a member out.
    fn take_member(&mut self, name: &str) -> Option<Value>;

    /// A member that is an object, made when it is absent; `None` when another type is in the way.
    fn ensure_object(&mut self, name: &str) -> Option<&mut Value>;

    /// A member.
    fn member_mut(&mut self, name: &str) -> Option<&mut Value>;

    /// A list's elements, to change them.
    fn each<'a>(&'a mut self, name: &str) -> std::slice::IterMut<'a, Value>;
}

impl Write for Value {
    fn default_to(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(map) = self.as_object_mut()
            && map.get(name).is_none_or(Value::is_null)
        {
            map.insert(name.to_owned(), value.into());
        }
    }

    fn default_text(&mut self, name: &str, value: &str) {
        if let Some(map) = self.as_object_mut()
            && map
                .get(name)
                .is_none_or(|v| v.is_null() || v.as_str() == Some(""))
        {
            map.insert(name.to_owned(), value.into());
        }
    }

    fn default_number(&mut self, name: &str, value: i64) {
        if let Some(map) = self.as_object_mut()
            && map
                .get(name)
                .is_none_or(|v| v.is_null() || v.as_i64() == Some(0))
        {
            map.insert(name.to_owned(), value.into());
        }
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(map) = self.as_object_mut() {
            map.insert(name.to_owned(), value.into());
        }
    }

    fn take_member(&mut self, name: &str) -> Option<Value> {
        self.as_object_mut()?.shift_remove(name)
    }

    fn ensure_object(&mut self, name: &str) -> Option<&mut Value> {
        let map = self.as_object_mut()?;
        if map.get(name).is_none_or(Value::is_null) {
            map.insert(name.to_owned(), Value::Object(Map::new()));
        }
        map.get_mut(name).filter(|v| v.is_object())
    }

    fn member_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(name)
    }

    fn each<'a>(&'a mut self, name: &str) -> std::slice::IterMut<'a, Value> {
        match self
            .as_object_mut()
            .and_then(|m| m.get_mut(name))
            .and_then(Value::as_array_mut)
        {
            Some(list) => list.iter_mut(),
            None => (&mut [] as &mut [Value]).iter_mut(),
        }
    }
}

/// Copies a member of another object, or removes it where that has none.
pub(crate) fn copy_member(object: &mut Value, from: &Value, name: &str) {
    match from.member(name) {
        Some(value) => object.put(name, value.clone()),
        None => {
            object.take_member(name);
        }
    }
}

/// An empty `status` in place of what a client sent; kinds whose status is always written keep `{}`.
pub(crate) fn reset_status(object: &mut Value) {
    if object.has("status") {
        object.put("status", Value::Object(Map::new()));
    }
}

/// Everything of the old object except `status` and `metadata`: what most kinds keep when their status is written.
///
/// upstream: pkg/registry/*/strategy.go, `newObject.Spec = oldObject.Spec`
pub(crate) fn keep_all_but_status(object: &mut Value, old: &Value) {
    let mut kept = old.clone();
    for name in ["metadata", "status"] {
        copy_member(&mut kept, object, name);
    }
    *object = kept;
}

/// Members of the metadata of the old object, in place of the new one's.
pub(crate) fn keep_metadata(object: &mut Value, old: &Value, names: &[&str]) {
    for name in names {
        match old.at(&["metadata", name]) {
            Some(value) => {
                object.set_at(&["metadata", name], value.clone());
            }
            None => {
                object.remove_at(&["metadata", name]);
            }
        }
    }
}

/// The text of a dotted path, as a field selector compares it.
pub(crate) fn path_text(object: &Value, path: &str) -> Option<String> {
    let mut at = object;
    for name in path.split('.') {
        at = at.member(name)?;
    }
    Some(match at {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}
