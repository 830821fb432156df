//! The registry: all operations on all resources, in process.

use std::sync::{Arc, OnceLock, Weak};

use machinery::Status;
use serde_json::Value;
use store::Store;

use crate::admission::{AccessCheck, AccessRequest, Chain, Operation, RequestOptions};
use crate::context::RequestContext;
use crate::custom::{ConversionWebhooks, Resources};
use crate::object::{Answer, Object, ObjectList};
use crate::options::{
    CreateOptions, DeleteOptions, GetOptions, ListOptions, Patch, PatchOptions, UpdateOptions,
};
use crate::resource::Resource;
use crate::stored::Stored;
use crate::table::Table;
use crate::target::Target;
use crate::watch::Watch;

/// What a registry is made with besides its store.
#[derive(Clone)]
pub struct RegistryOptions {
    /// Admission plug-ins, in order.
    pub admission: Chain,
    /// Range of the cluster IPs of Services.
    pub service_cidr: ipnet::IpNet,
    /// Range of node ports, both ends included.
    pub node_ports: (u16, u16),
    /// How webhooks and aggregated API servers are reached.
    pub backends: webhook::Backends,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            admission: crate::admission::default_chain(),
            service_cidr: ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert(
                std::net::Ipv4Addr::new(10, 96, 0, 0),
                12,
            )),
            node_ports: (30000, 32767),
            backends: webhook::Backends::default(),
        }
    }
}

/// The in-process API. A clone is the same registry.
///
/// Every operation checks and does all that upstream's generic registry does (defaulting, admission, validation,
/// preconditions, finalizers); authentication and authorisation are the caller's. Errors are Status objects with upstream's
/// reason, details and text.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store<Stored>,
    pub(crate) table: Table,
    pub(crate) options: RegistryOptions,
    pub(crate) services: crate::allocate::Services,
    pub(crate) by_node: Arc<crate::index::Index>,
    pub(crate) custom: crate::custom::Live,
    pub(crate) conversions: OnceLock<Arc<dyn ConversionWebhooks>>,
    pub(crate) access: OnceLock<Weak<dyn AccessCheck>>,
}

impl Registry {
    /// A registry over a store. Nothing is written; see [`crate::bootstrap`].
    pub fn new(store: Store<Stored>, options: RegistryOptions) -> Self {
        let services =
            crate::allocate::Services::new(&store, options.service_cidr, options.node_ports);
        Self {
            inner: Arc::new(Inner {
                store,
                table: Table::builtin(),
                options,
                services,
                by_node: Arc::default(),
                custom: crate::custom::Live::default(),
                conversions: OnceLock::new(),
                access: OnceLock::new(),
            }),
        }
    }

    /// The client that webhooks and aggregated API servers are called with.
    pub fn backends(&self) -> &webhook::Backends {
        &self.inner.options.backends
    }

    /// Gives admission the authoriser. The first one stays; it is not kept alive by the registry.
    pub fn set_access(&self, access: Weak<dyn AccessCheck>) {
        let _ = self.inner.access.set(access);
    }

    /// Whether a user may do something, as the API server's authoriser decides. Where no API server has given its authoriser
    /// only the server itself and its controllers may.
    pub fn allows(&self, request: &AccessRequest<'_>) -> bool {
        match self.inner.access.get().map(Weak::upgrade) {
            Some(Some(access)) => access.allows(request),
            Some(None) => false,
            None => {
                request.user.in_group("system:masters")
                    || request.user.in_group("system:serviceaccounts:kube-system")
            }
        }
    }

    /// The store below.
    pub fn store(&self) -> &Store<Stored> {
        &self.inner.store
    }

    /// The built-in resources.
    pub fn table(&self) -> &Table {
        &self.inner.table
    }

    /// All resources as of now: the built-in ones and those of CustomResourceDefinitions. Costs a look at the revision of
    /// each definition; [`Registry::find`] doesn't.
    pub fn resources(&self) -> Arc<Resources> {
        let snapshot = self.inner.store.snapshot();
        self.inner.custom.all(&self.inner.table, &snapshot)
    }

    /// The row of a group, version and plural, built in or of a CustomResourceDefinition as of now.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        if let Some(row) = self.inner.table.find(group, version, plural) {
            return Some(Arc::clone(row));
        }
        let snapshot = self.inner.store.snapshot();
        self.inner.custom.find(&snapshot, group, version, plural)
    }

    /// The stored version of a definition's instances, served or not, by the definition's name; `None` when there is no such
    /// definition, or its names were never accepted.
    pub fn instances(&self, definition: &str) -> Option<Arc<Resource>> {
        let snapshot = self.inner.store.snapshot();
        self.inner.custom.instances(&snapshot, definition)
    }

    /// Has conversion webhooks asked in this way rather than by [`Registry::backends`]. Only the first call counts.
    pub fn set_conversion_webhooks(&self, client: Arc<dyn ConversionWebhooks>) {
        let _ = self.inner.conversions.set(client);
    }

    /// A target of a resource, for use in process; `None` when there is no such resource.
    pub fn target(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Target> {
        self.find(group, version, plural)
            .map(|r| Target::object(&r, namespace, name))
    }

    /// The newest stored record of a key of a resource, without a request's ceremony.
    pub fn stored(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Arc<Stored>> {
        let key = resource.key(namespace, name);
        self.inner
            .store
            .snapshot()
            .get(&key)
            .map(|entry| Arc::clone(&entry.value))
    }

    /// Reads one object, or its `status` or `scale` subresource.
    pub async fn get(
        &self,
        context: &RequestContext,
        target: &Target,
        options: &GetOptions,
    ) -> Result<Object, Status> {
        crate::ops::get::get(self, context, target, options).await
    }

    /// Lists a collection.
    pub async fn list(
        &self,
        context: &RequestContext,
        target: &Target,
        options: &ListOptions,
    ) -> Result<ObjectList, Status> {
        crate::ops::list::list(self, context, target, options).await
    }

    /// Watches a collection, or one object when the target has a name.
    pub async fn watch(
        &self,
        context: &RequestContext,
        target: &Target,
        options: &ListOptions,
    ) -> Result<Watch, Status> {
        crate::ops::watch::watch(self, context, target, options).await
    }

    /// Creates an object; or does what a creating subresource does (`binding`, `eviction`).
    pub async fn create(
        &self,
        context: &RequestContext,
        target: &Target,
        body: Value,
        options: &CreateOptions,
    ) -> Result<Answer, Status> {
        let answer = crate::ops::create::create(self, context, target, body, options).await;
        context.release();
        answer
    }

    /// Replaces an object (or its `status`, `scale` …); creates it where the kind allows that.
    pub async fn update(
        &self,
        context: &RequestContext,
        target: &Target,
        body: Value,
        options: &UpdateOptions,
    ) -> Result<Answer, Status> {
        let answer = crate::ops::update::update(self, context, target, body, options).await;
        context.release();
        answer
    }

    /// Changes an object (or its `status`, `scale` …) by a patch.
    pub async fn patch(
        &self,
        context: &RequestContext,
        target: &Target,
        patch: Patch,
        options: &PatchOptions,
    ) -> Result<Answer, Status> {
        let answer = crate::ops::patch::patch(self, context, target, patch, options).await;
        context.release();
        answer
    }

    /// Deletes an object. `code` is 202 while finalizers or grace keep it and the client asked to orphan or wait.
    pub async fn delete(
        &self,
        context: &RequestContext,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Answer, Status> {
        crate::ops::delete::delete(self, context, target, options).await
    }

    /// Has a request admitted that writes nothing here: a connection, or the creation of what is not kept. The object (the
    /// options of the connection, the review) may be changed.
    pub async fn admit(
        &self,
        context: &RequestContext,
        target: &Target,
        operation: Operation,
        options: RequestOptions<'_>,
        object: &mut Value,
    ) -> Result<(), Status> {
        let attributes =
            crate::ops::write::attributes(context, target, &target.name, operation, None, options);
        let admission = &self.inner.options.admission;
        admission.mutate(self, &attributes, Some(object)).await?;
        admission.validate(self, &attributes, Some(object)).await
    }

    /// Deletes what a list of the collection holds; answers with what was deleted.
    pub async fn delete_collection(
        &self,
        context: &RequestContext,
        target: &Target,
        options: &DeleteOptions,
        list: &ListOptions,
    ) -> Result<ObjectList, Status> {
        crate::ops::delete_collection::delete_collection(self, context, target, options, list).await
    }
}
