//! Records of custom resources as objects of a version, and back.
//!
//! Built-in resources take the short way: their records are handed out as they are.

use std::sync::Arc;

use machinery::{ObjectExt, Status};
use serde_json::Value;

use super::Custom;
use crate::object::Object;
use crate::ops::get;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::stored::{Draft, Stored};

/// A record that was looked at.
enum Looked {
    /// It is what a client is shown.
    Ready(Object),
    /// It is of another version, which is yet to be converted by a webhook.
    Other(Value),
}

impl Custom {
    /// The object of a record in the version that it was stored in, with what the schema says now.
    fn revive(&self, stored: &Stored) -> Value {
        let mut object = stored.value();
        let shape = object
            .api_version()
            .rsplit_once('/')
            .and_then(|(_, version)| self.defined.shapes.get(version));
        if let Some(shape) = shape {
            shape.version().read(&mut object);
            shape.version().default(&mut object);
        }
        object
    }

    fn look(&self, stored: Arc<Stored>) -> Looked {
        let storage = &self.defined.storage;
        let same = self.shape.id == storage.id;
        if same && stored.has_shape(storage.id) {
            return Looked::Ready(Object::of_stored(stored));
        }
        let mut object = self.revive(&stored);
        if object.api_version() == self.api_version() {
            if object == stored.value() {
                if same {
                    stored.set_shape(storage.id);
                }
                return Looked::Ready(Object::of_stored(stored));
            }
            return Looked::Ready(Object::of_value(&object));
        }
        if self.by_webhook() {
            return Looked::Other(object);
        }
        apiextensions::conversion::nop(&mut object, self.api_version());
        self.version().read(&mut object);
        Looked::Ready(Object::of_value(&object))
    }
}

impl Registry {
    /// A record as a write works on it: of custom resources in the row's version, of others in storage form.
    pub(crate) async fn load(
        &self,
        resource: &Resource,
        stored: &Arc<Stored>,
    ) -> Result<Value, Status> {
        let Some(custom) = &resource.custom else {
            return Ok(stored.value());
        };
        match custom.look(Arc::clone(stored)) {
            Looked::Ready(object) => Ok(object.value()),
            Looked::Other(object) => {
                let converted = custom.to_own(self, vec![object]).await?;
                Ok(converted.into_iter().next().unwrap_or_default())
            }
        }
    }

    /// A record in the version of a row.
    pub(crate) async fn present(
        &self,
        resource: &Resource,
        stored: Arc<Stored>,
    ) -> Result<Object, Status> {
        let Some(custom) = &resource.custom else {
            return Ok(get::present(resource, stored));
        };
        match custom.look(stored) {
            Looked::Ready(object) => Ok(object),
            Looked::Other(object) => {
                let converted = custom.to_own(self, vec![object]).await?;
                Ok(Object::of_value(converted.first().unwrap_or(&Value::Null)))
            }
        }
    }

    /// Records in the version of a row; those that a webhook converts are asked about at once.
    pub(crate) async fn present_all(
        &self,
        resource: &Resource,
        records: Vec<Arc<Stored>>,
    ) -> Result<Vec<Object>, Status> {
        let Some(custom) = &resource.custom else {
            return Ok(records
                .into_iter()
                .map(|stored| get::present(resource, stored))
                .collect());
        };
        let mut out: Vec<Option<Object>> = Vec::with_capacity(records.len());
        let (mut places, mut others) = (Vec::new(), Vec::new());
        for stored in records {
            match custom.look(stored) {
                Looked::Ready(object) => out.push(Some(object)),
                Looked::Other(object) => {
                    places.push(out.len());
                    others.push(object);
                    out.push(None);
                }
            }
        }
        if !others.is_empty() {
            let converted = custom.to_own(self, others).await?;
            for (place, object) in places.into_iter().zip(&converted) {
                if let Some(slot) = out.get_mut(place) {
                    *slot = Some(Object::of_value(object));
                }
            }
        }
        Ok(out.into_iter().flatten().collect())
    }

    /// An object, as a write has worked on it, ready to be stored.
    pub(crate) async fn draft(&self, resource: &Resource, object: &Value) -> Result<Draft, Status> {
        let Some(custom) = &resource.custom else {
            return Ok(Draft::new(resource, object));
        };
        let storage = &custom.defined.storage;
        let mut object = object.clone();
        // What admission has added and the schema doesn't know leaves here.
        custom.version().read(&mut object);
        if custom.shape.id == storage.id {
            let mut defaulted = object.clone();
            storage.version().default(&mut defaulted);
            let settled = defaulted == object;
            let draft = Draft::new(resource, &object);
            return Ok(if settled {
                draft.with_shape(storage.id)
            } else {
                draft
            });
        }
        let object = custom.to_storage(self, object).await?;
        Ok(Draft::new(resource, &object))
    }
}
