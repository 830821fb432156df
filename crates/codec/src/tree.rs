//! A visitor that builds a tree and notes repeated keys.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::MAX_DUPLICATES;

/// What is noted while a tree is built.
pub(crate) trait Notes {
    /// Enters a field; gives what [`Notes::leave`] wants back.
    fn enter_key(&mut self, key: &str) -> usize;
    /// Enters an element.
    fn enter_index(&mut self, index: usize) -> usize;
    /// Leaves it.
    fn leave(&mut self, mark: usize);
    /// A key was there already.
    fn repeated(&mut self, key: &str);
}

/// Only notes whether there is a repeated key.
#[derive(Default)]
pub(crate) struct Flag(pub(crate) bool);

impl Notes for Flag {
    fn enter_key(&mut self, _: &str) -> usize {
        0
    }
    fn enter_index(&mut self, _: usize) -> usize {
        0
    }
    fn leave(&mut self, _: usize) {}
    fn repeated(&mut self, _: &str) {
        self.0 = true;
    }
}

/// Notes the paths of repeated keys.
#[derive(Default)]
pub(crate) struct Paths {
    path: String,
    pub(crate) found: Vec<String>,
}

impl Notes for Paths {
    fn enter_key(&mut self, key: &str) -> usize {
        let mark = self.path.len();
        if mark > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        mark
    }
    fn enter_index(&mut self, index: usize) -> usize {
        let mark = self.path.len();
        let _ = write!(self.path, "[{index}]");
        mark
    }
    fn leave(&mut self, mark: usize) {
        self.path.truncate(mark);
    }
    fn repeated(&mut self, key: &str) {
        let mark = self.enter_key(key);
        if self.found.len() < MAX_DUPLICATES && !self.found.contains(&self.path) {
            self.found.push(self.path.clone());
        }
        self.leave(mark);
    }
}

/// Builds a tree.
pub(crate) struct Tree<'a, N>(pub(crate) &'a mut N);

impl<'de, N: Notes> DeserializeSeed<'de> for Tree<'_, N> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, N: Notes> Visitor<'de> for Tree<'_, N> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            let mark = self.0.enter_index(out.len());
            let item = seq.next_element_seed(Tree(&mut *self.0))?;
            self.0.leave(mark);
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let mark = self.0.enter_key(&key);
            let value = access.next_value_seed(Tree(&mut *self.0))?;
            self.0.leave(mark);
            match map.entry(key) {
                Entry::Vacant(slot) => {
                    slot.insert(value);
                }
                Entry::Occupied(mut slot) => {
                    self.0.repeated(slot.key());
                    slot.insert(value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}
