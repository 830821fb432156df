//! Typed use of the registry in process, for controllers and the scheduler.

use std::marker::PhantomData;
use std::sync::Arc;

use machinery::{Reason, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::{RequestContext, UserInfo};
use crate::object::{Answer, Body, Object};
use crate::options::{
    CreateOptions, DeleteOptions, GetOptions, ListOptions, Patch, PatchOptions, UpdateOptions,
};
use crate::registry::Registry;
use crate::resource::Resource;
use crate::target::Target;
use crate::trim::without_managed_fields;
use crate::watch::{Watch, WatchEvent};

/// A typed list: items and the list's resourceVersion.
#[derive(Clone, Debug)]
pub struct TypedList<T> {
    /// Items in key order.
    pub items: Vec<T>,
    /// The revision to watch from.
    pub resource_version: u64,
}

/// A typed watch event.
#[derive(Clone, Debug)]
pub enum TypedEvent<T> {
    /// New to the watch.
    Added(T),
    /// Changed.
    Modified(T),
    /// Gone; the last state.
    Deleted(T),
    /// Everything up to this resourceVersion was delivered; `true` after the initial state.
    Bookmark(u64, bool),
    /// The watch can't go on: list again (on reason `Expired`) or watch from the last version.
    Error(Status),
}

/// One resource as objects of a type. Cheap to clone.
pub struct Api<T> {
    registry: Registry,
    user: UserInfo,
    resource: Arc<Resource>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Api<T> {
    fn clone(&self) -> Self {
        Self {
            registry: self.registry.clone(),
            user: self.user.clone(),
            resource: Arc::clone(&self.resource),
            of: PhantomData,
        }
    }
}

fn undecodable(error: &serde_json::Error) -> Status {
    Status::internal(format_args!(
        "the stored object is not of the type asked for: {error}"
    ))
}

fn tree<T: Serialize>(object: &T) -> Result<Value, Status> {
    serde_json::to_value(object)
        .map_err(|e| Status::bad_request(format!("the object can't be encoded: {e}")))
}

fn parse<T: DeserializeOwned>(object: &Object) -> Result<T, Status> {
    serde_json::from_slice(object.json()).map_err(|e| undecodable(&e))
}

impl Object {
    /// As an object of a type, without its managed fields, which are most of the work and of the space and which the
    /// control plane's own parts never read. An update that lacks them leaves them as they are.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Status> {
        serde_json::from_slice(&without_managed_fields(self.json())).map_err(|e| undecodable(&e))
    }
}

fn answer<T: DeserializeOwned>(answer: &Answer) -> Result<T, Status> {
    match &answer.body {
        Body::Object(object) => parse(object),
        Body::Status(_) => Err(Status::internal("the answer is a Status, not an object")),
    }
}

impl Registry {
    /// The typed API of a resource for a user; an error when the resource isn't served.
    pub fn api<T>(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        user: UserInfo,
    ) -> Result<Api<T>, Status> {
        let resource = self
            .find(group, version, plural)
            .ok_or_else(Status::unknown_resource)?;
        Ok(Api {
            registry: self.clone(),
            user,
            resource,
            of: PhantomData,
        })
    }
}

impl<T: Serialize + DeserializeOwned> Api<T> {
    /// The resource.
    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    fn context(&self) -> RequestContext {
        RequestContext::new(self.user.clone())
    }

    fn object(&self, namespace: Option<&str>, name: &str) -> Target {
        Target::object(&self.resource, namespace, name)
    }

    /// Reads one object.
    pub async fn get(&self, namespace: Option<&str>, name: &str) -> Result<T, Status> {
        let object = self
            .registry
            .get(
                &self.context(),
                &self.object(namespace, name),
                &GetOptions::default(),
            )
            .await?;
        parse(&object)
    }

    /// Reads one object; `None` when it isn't there.
    pub async fn get_opt(&self, namespace: Option<&str>, name: &str) -> Result<Option<T>, Status> {
        match self.get(namespace, name).await {
            Ok(object) => Ok(Some(object)),
            Err(status) if status.is(Reason::NotFound) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Lists a namespace's objects, or all.
    pub async fn list(
        &self,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<TypedList<T>, Status> {
        let list = self
            .registry
            .list(
                &self.context(),
                &Target::collection(&self.resource, namespace),
                options,
            )
            .await?;
        let items = list.items.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(TypedList {
            items,
            resource_version: list.resource_version,
        })
    }

    /// Watches a namespace's objects, or all, as they are stored; see [`Object::typed`].
    pub async fn watch_objects(
        &self,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Watch, Status> {
        let target = Target::collection(&self.resource, namespace);
        self.registry.watch(&self.context(), &target, options).await
    }

    /// Watches a namespace's objects, or all. The objects come without managed fields, which an update that
    /// lacks them leaves as they are.
    pub async fn watch(
        &self,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<TypedWatch<T>, Status> {
        Ok(TypedWatch {
            watch: self.watch_objects(namespace, options).await?,
            of: PhantomData,
        })
    }

    /// Creates an object.
    pub async fn create(&self, namespace: Option<&str>, object: &T) -> Result<T, Status> {
        let target = Target::collection(&self.resource, namespace);
        answer(
            &self
                .registry
                .create(
                    &self.context(),
                    &target,
                    tree(object)?,
                    &CreateOptions::default(),
                )
                .await?,
        )
    }

    /// Creates through a subresource of an object, for example `binding` of a pod; what it answers is dropped.
    pub async fn create_subresource(
        &self,
        namespace: Option<&str>,
        name: &str,
        subresource: &str,
        body: Value,
    ) -> Result<(), Status> {
        let target = self.object(namespace, name).subresource(subresource);
        self.registry
            .create(&self.context(), &target, body, &CreateOptions::default())
            .await
            .map(drop)
    }

    /// Replaces an object; a `resourceVersion` in it makes that conditional.
    pub async fn update(
        &self,
        namespace: Option<&str>,
        name: &str,
        object: &T,
    ) -> Result<T, Status> {
        let target = self.object(namespace, name);
        answer(
            &self
                .registry
                .update(
                    &self.context(),
                    &target,
                    tree(object)?,
                    &UpdateOptions::default(),
                )
                .await?,
        )
    }

    /// Replaces an object's status.
    pub async fn update_status(
        &self,
        namespace: Option<&str>,
        name: &str,
        object: &T,
    ) -> Result<T, Status> {
        let target = self.object(namespace, name).subresource("status");
        answer(
            &self
                .registry
                .update(
                    &self.context(),
                    &target,
                    tree(object)?,
                    &UpdateOptions::default(),
                )
                .await?,
        )
    }

    /// Changes an object, or a subresource of it (empty: the object).
    pub async fn patch(
        &self,
        namespace: Option<&str>,
        name: &str,
        subresource: &str,
        patch: Patch,
    ) -> Result<T, Status> {
        let target = self.object(namespace, name).subresource(subresource);
        answer(
            &self
                .registry
                .patch(&self.context(), &target, patch, &PatchOptions::default())
                .await?,
        )
    }

    /// Deletes an object.
    pub async fn delete(
        &self,
        namespace: Option<&str>,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        self.registry
            .delete(&self.context(), &self.object(namespace, name), options)
            .await
            .map(drop)
    }
}

/// A typed watch.
pub struct TypedWatch<T> {
    watch: Watch,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedWatch<T> {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<TypedEvent<T>> {
        let typed = |object: &Object, make: fn(T) -> TypedEvent<T>| match object.typed() {
            Ok(object) => make(object),
            Err(status) => TypedEvent::Error(status),
        };
        Some(match self.watch.next().await? {
            WatchEvent::Added(o) => typed(&o, TypedEvent::Added),
            WatchEvent::Modified(o) => typed(&o, TypedEvent::Modified),
            WatchEvent::Deleted(o) => typed(&o, TypedEvent::Deleted),
            WatchEvent::Bookmark {
                resource_version,
                initial_events_end,
                ..
            } => TypedEvent::Bookmark(resource_version, initial_events_end),
            WatchEvent::Error(status) => TypedEvent::Error(status),
        })
    }
}
