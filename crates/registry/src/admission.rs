//! Admission: what may still change or refuse a request after authorisation, in process.
//!
//! Plug-ins form a chain. A mutating hook sees the defaulted object and may change it (it is defaulted again afterwards); a
//! validating hook sees what will be written. Webhooks and policies plug in as further implementations.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/interfaces.go

mod access;
mod certificates;
mod claim_resize;
pub(crate) mod conditions;
mod default_tolerations;
mod ingress_class;
mod limit_ranger;
mod namespace_lifecycle;
mod node_restriction;
mod owner_references;
mod pod_security;
pub(crate) mod policy;
mod priority;
mod reinvocation;
mod request_options;
mod resource_quota;
pub mod rules;
mod runtime_class;
mod service_account;
mod storage_class;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::Status;
use crate::context::RequestContext;
use crate::registry::Registry;
use crate::resource::Resource;

pub use access::{AccessCheck, AccessRequest};
pub use certificates::{CertificateApproval, CertificateSigning, CertificateSubjectRestriction};
pub use claim_resize::PersistentVolumeClaimResize;
pub use default_tolerations::DefaultTolerationSeconds;
pub use ingress_class::DefaultIngressClass;
pub use limit_ranger::LimitRanger;
pub use namespace_lifecycle::NamespaceLifecycle;
pub use node_restriction::NodeRestriction;
pub use owner_references::OwnerReferencesPermissionEnforcement;
pub use pod_security::PodSecurity;
pub use policy::{
    ExpressionWarning, MutatingAdmissionPolicy, ValidatingAdmissionPolicy, expression_warnings,
};
pub use priority::Priority;
pub use reinvocation::Reinvocation;
pub use request_options::RequestOptions;
pub use resource_quota::ResourceQuota;
pub use runtime_class::RuntimeClass;
pub use service_account::ServiceAccount;
pub use storage_class::DefaultStorageClass;
pub use webhook::{MutatingAdmissionWebhook, ValidatingAdmissionWebhook};

/// The plug-ins that are on by default, in upstream's order.
///
/// upstream: pkg/kubeapiserver/options/plugins.go#AllOrderedPlugins
pub fn default_chain() -> Chain {
    Chain::new(vec![
        Arc::new(NamespaceLifecycle),
        Arc::new(LimitRanger),
        Arc::new(ServiceAccount),
        Arc::new(NodeRestriction),
        Arc::new(PodSecurity),
        Arc::new(Priority),
        Arc::new(DefaultTolerationSeconds),
        Arc::new(DefaultStorageClass),
        Arc::new(OwnerReferencesPermissionEnforcement),
        Arc::new(PersistentVolumeClaimResize),
        Arc::new(RuntimeClass),
        Arc::new(CertificateApproval),
        Arc::new(CertificateSigning),
        Arc::new(CertificateSubjectRestriction),
        Arc::new(DefaultIngressClass),
        Arc::new(MutatingAdmissionPolicy::default()),
        Arc::new(MutatingAdmissionWebhook::default()),
        Arc::new(ValidatingAdmissionPolicy::default()),
        Arc::new(ValidatingAdmissionWebhook::default()),
        Arc::new(ResourceQuota::default()),
    ])
}

/// What a request does, as admission distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Creation, of an object or by a creating subresource.
    Create,
    /// Update or patch.
    Update,
    /// Deletion.
    Delete,
    /// A connecting subresource (`exec`, `attach`, `portforward`, `proxy`).
    Connect,
}

impl Operation {
    /// The word in AdmissionReview and in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// One request as a plug-in sees it.
pub struct Attributes<'a> {
    /// User and warnings.
    pub context: &'a RequestContext,
    /// The resource.
    pub resource: &'a Arc<Resource>,
    /// The subresource, empty for the main endpoint.
    pub subresource: &'a str,
    /// The namespace, empty for cluster-scoped resources (for a Namespace object its own name, as upstream).
    pub namespace: &'a str,
    /// The name; empty while a create with `generateName` has none yet.
    pub name: &'a str,
    /// What the request does.
    pub operation: Operation,
    /// The stored object on update and delete.
    pub old: Option<&'a Value>,
    /// Nothing will be written.
    pub dry_run: bool,
    /// The request's options.
    pub options: RequestOptions<'a>,
    /// What mutating plug-ins know of one another.
    pub reinvocation: Reinvocation,
}

impl Attributes<'_> {
    /// Whether the request is about the main endpoint of a resource.
    pub fn is_for(&self, group: &str, plural: &str) -> bool {
        self.subresource.is_empty() && self.is_of(group, plural)
    }

    /// Whether it is about a resource or one of its subresources.
    pub fn is_of(&self, group: &str, plural: &str) -> bool {
        self.resource.group == group && self.resource.plural == plural
    }

    /// 403 with upstream's words: `pods "a" is forbidden: …`. A name that is yet to be generated is `Unknown`.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/admission/errors.go#NewForbidden
    pub fn forbidden(&self, object: Option<&Value>, why: impl std::fmt::Display) -> Status {
        let generated = object
            .map(machinery::ObjectExt::generate_name)
            .unwrap_or_default();
        let name = match (self.name, generated) {
            ("", "") => "Unknown",
            ("", generated) => generated,
            (name, _) => name,
        };
        Status::forbidden(&self.resource.group_resource(), name, why)
    }
}

/// An admission plug-in.
#[async_trait]
pub trait Admission: Send + Sync + 'static {
    /// Its name, as upstream's flag `--enable-admission-plugins` has it.
    fn name(&self) -> &'static str;

    /// Whether it looks at requests of this kind at all.
    fn handles(&self, operation: Operation) -> bool;

    /// May change the object (`None` on delete). Errors refuse the request.
    async fn mutate(
        &self,
        _registry: &Registry,
        _attributes: &Attributes<'_>,
        _object: Option<&mut Value>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// May refuse the request.
    async fn validate(
        &self,
        _registry: &Registry,
        _attributes: &Attributes<'_>,
        _object: Option<&Value>,
    ) -> Result<(), Status> {
        Ok(())
    }
}

/// Plug-ins in their order.
#[derive(Clone, Default)]
pub struct Chain {
    plugins: Vec<Arc<dyn Admission>>,
}

impl Chain {
    /// A chain of these plug-ins.
    pub fn new(plugins: Vec<Arc<dyn Admission>>) -> Self {
        Self { plugins }
    }

    /// Appends a plug-in.
    pub fn push(&mut self, plugin: Arc<dyn Admission>) {
        self.plugins.push(plugin);
    }

    /// The plug-ins' names in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.plugins.iter().map(|p| p.name()).collect()
    }

    pub(crate) async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        mut object: Option<&mut Value>,
    ) -> Result<(), Status> {
        loop {
            for plugin in self
                .plugins
                .iter()
                .filter(|p| p.handles(attributes.operation))
            {
                plugin
                    .mutate(registry, attributes, object.as_deref_mut())
                    .await?;
            }
            if !attributes.reinvocation.begin_second() {
                return Ok(());
            }
        }
    }

    pub(crate) async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        for plugin in self
            .plugins
            .iter()
            .filter(|p| p.handles(attributes.operation))
        {
            plugin.validate(registry, attributes, object).await?;
        }
        Ok(())
    }
}
