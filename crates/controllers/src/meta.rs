//! Reading and making metadata: owners, labels, selectors, keys.

use std::collections::BTreeMap;

use informer::Key;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::{Metadata, Resource};
use machinery::Status;
use machinery::labels::{Selector, from_label_selector};
use registry::{Api, DeleteOptions, DeletionPropagation, Registry, UserInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The finalizer of foreground deletion.
pub(crate) use machinery::owner::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};

/// The typed API of a kind for the controller of that name.
pub(crate) fn api<T>(registry: &Registry, controller: &str) -> Result<Api<T>, Status>
where
    T: Resource + Serialize + DeserializeOwned,
{
    registry.api(
        T::GROUP,
        T::VERSION,
        T::URL_PATH_SEGMENT,
        UserInfo::controller(controller),
    )
}

/// What controllers read of any object's metadata.
pub(crate) trait Meta {
    /// The metadata.
    fn meta(&self) -> &ObjectMeta;

    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    fn key(&self) -> Key {
        Key::of(self.meta())
    }

    fn deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.meta().labels.as_ref()?.get(name).map(String::as_str)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.meta()
            .annotations
            .as_ref()?
            .get(name)
            .map(String::as_str)
    }

    /// The reference to the managing controller.
    // upstream: apimachinery/pkg/apis/meta/v1/controller_ref.go#GetControllerOf
    fn controller(&self) -> Option<&OwnerReference> {
        self.meta()
            .owner_references
            .as_ref()?
            .iter()
            .find(|o| o.controller == Some(true))
    }

    fn controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|c| c.uid == uid)
    }

    fn matches(&self, selector: &Selector) -> bool {
        matches(selector, self.meta().labels.as_ref())
    }
}

impl<T: Metadata<Ty = ObjectMeta>> Meta for T {
    fn meta(&self) -> &ObjectMeta {
        self.metadata()
    }
}

/// A reference to a managing controller that waits for what it manages.
// upstream: apimachinery/pkg/apis/meta/v1/controller_ref.go#NewControllerRef
pub(crate) fn controller_ref<T: Metadata<Ty = ObjectMeta>>(owner: &T) -> OwnerReference {
    OwnerReference {
        api_version: T::API_VERSION.to_owned(),
        kind: T::KIND.to_owned(),
        name: owner.name().to_owned(),
        uid: owner.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A selector object as a selector; one that can't be read selects nothing.
pub(crate) fn selector(of: Option<&LabelSelector>) -> Selector {
    let value = of.and_then(|s| serde_json::to_value(s).ok());
    from_label_selector(value.as_ref()).unwrap_or_else(|_| Selector::nothing())
}

/// Whether a map of labels matches.
pub(crate) fn matches(selector: &Selector, labels: Option<&BTreeMap<String, String>>) -> bool {
    selector.matches_with(|key| labels.and_then(|l| l.get(key)).map(String::as_str))
}

/// Deletion of exactly this object.
pub(crate) fn of_uid(uid: &str) -> DeleteOptions {
    let mut options = DeleteOptions::default();
    options.preconditions.uid = Some(uid.to_owned());
    options
}

/// Deletion of exactly this object with this propagation.
pub(crate) fn of_uid_with(uid: &str, propagation: DeletionPropagation) -> DeleteOptions {
    DeleteOptions {
        propagation: Some(propagation),
        ..of_uid(uid)
    }
}

/// Sets an annotation; whether that changed it.
pub(crate) fn annotate(meta: &mut ObjectMeta, name: &str, value: &str) -> bool {
    let annotations = meta.annotations.get_or_insert_default();
    if annotations.get(name).is_some_and(|v| v == value) {
        return false;
    }
    annotations.insert(name.to_owned(), value.to_owned());
    true
}
