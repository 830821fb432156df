//! What differs from kind to kind: defaulting, preparation, validation, deletion.
//!
//! One implementation per kind, in a file of its own below `strategy/`. The generic operations call it in upstream's
//! order: decode → [`Strategy::default`] → [`Strategy::prepare_for_create`] → admission (mutating) → `default` again →
//! [`Strategy::validate`] → admission (validating) → commit.
//!
//! Objects are JSON trees that the schema has already pruned and type-checked (so an integer field is an integer), in the
//! storage version.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/{create,update,delete}.go

mod admission_policy;
mod api_service;
mod batch;
mod checks;
mod cluster;
mod config;
mod defaults;
mod definition;
mod device;
mod endpoints;
mod extension;
mod namespace;
mod network;
mod node;
mod pod;
mod pod_validation;
mod policy;
pub(crate) mod qos;
pub(crate) mod quantity;
mod rbac;
mod service;
mod storage;
mod webhooks;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use machinery::validation::NameCheck;
use serde_json::Value;

use crate::context::UserInfo;
use crate::field::ErrorList;
use crate::options::DeleteOptions;

/// Surroundings of a strategy's call.
#[derive(Clone, Copy, Debug)]
pub struct StrategyContext<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// The request's namespace, empty for cluster-scoped resources.
    pub namespace: &'a str,
    /// The time of the request.
    pub now: jiff::Timestamp,
    /// Nothing will be written.
    pub dry_run: bool,
    /// The request, for its warnings.
    pub(crate) request: &'a crate::context::RequestContext,
}

impl StrategyContext<'_> {
    /// Warns the client.
    pub(crate) fn warn(&self, warnings: Vec<String>) {
        for warning in warnings {
            self.request.warn(warning);
        }
    }
}

/// What deletion does with dependents when the client doesn't say.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go#GarbageCollectionPolicy
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultGarbageCollection {
    /// They are deleted afterwards.
    Background,
    /// They are orphaned.
    Orphan,
    /// Finalizers for garbage collection are never set (events, leases' like).
    Unsupported,
}

/// What a graceful deletion does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// The kind has no grace: deleted at once.
    Unsupported,
    /// It is deleted after so many seconds, or when its agent confirms; 0 is at once.
    Seconds(i64),
}

/// Behaviour of one kind.
///
/// Every method has upstream's default, so an implementation says only what differs.
pub trait Strategy: Send + Sync + 'static {
    /// Sets defaults; must be idempotent. Run on everything that is decoded, and again after mutation.
    ///
    /// upstream: pkg/apis/*/v1/defaults.go
    fn default(&self, _object: &mut Value) {}

    /// Which names are allowed.
    fn name_check(&self) -> NameCheck {
        machinery::validation::name_is_dns_subdomain
    }

    /// Whether `status` is a subresource of its own: the main endpoint then ignores changes of it, and it ignores others.
    fn has_status(&self) -> bool {
        false
    }

    /// Whether `metadata.generation` is kept: 1 on creation, one more with each change of [`Strategy::generation_fields`].
    fn generation(&self) -> bool {
        false
    }

    /// Whether a change between two objects is one that bumps the generation.
    fn bumps_generation(&self, object: &Value, old: &Value) -> bool {
        object.get("spec") != old.get("spec")
    }

    /// Clears and sets what a client may not on creation (status, generation).
    fn prepare_for_create(&self, _context: &StrategyContext<'_>, object: &mut Value) {
        if self.has_status() {
            crate::value::reset_status(object);
        }
    }

    /// Validates a new object beyond its metadata, which the generic code has validated.
    fn validate(&self, _context: &StrategyContext<'_>, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Warnings on a create or an update (`old`).
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// Whether `PUT` creates what is absent.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update may leave the resourceVersion out.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Restores what a client may not change on the main endpoint. Status is restored by the generic code.
    fn prepare_for_update(
        &self,
        _context: &StrategyContext<'_>,
        _object: &mut Value,
        _old: &Value,
    ) {
    }

    /// Validates a changed object beyond its metadata. Upstream's convention: the new object's own validation too.
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        object: &Value,
        _old: &Value,
    ) -> ErrorList {
        self.validate(context, object)
    }

    /// Restores what the `status` endpoint may not change; by default all but `status` and metadata.
    fn prepare_for_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &mut Value,
        old: &Value,
    ) {
        crate::value::keep_all_but_status(object, old);
    }

    /// Validates a change through the `status` endpoint.
    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        _object: &Value,
        _old: &Value,
    ) -> ErrorList {
        ErrorList::new()
    }

    /// How long the object lives, for kinds that expire (events).
    fn ttl(&self) -> Option<Duration> {
        None
    }

    /// The grace of a deletion.
    fn grace(&self, _object: &Value, _options: &DeleteOptions) -> Grace {
        Grace::Unsupported
    }

    /// What becomes of dependents by default.
    fn default_garbage_collection(&self) -> DefaultGarbageCollection {
        DefaultGarbageCollection::Background
    }

    /// The value of a computed selectable field (one without a path), for example a pod's `status.podIPs`.
    fn field_value(&self, _object: &Value, _label: &str) -> String {
        String::new()
    }

    /// Whether a deletion answers with the object rather than with a Status.
    ///
    /// upstream: registry/generic/registry/store.go#Store.ReturnDeletedObject
    fn returns_deleted_object(&self) -> bool {
        false
    }

    /// Fields that a write through an endpoint (empty: the main one) leaves as they are, whoever names them; nobody gets to
    /// manage them by it.
    ///
    /// upstream: registry/rest/rest.go#ResetFieldsStrategy
    fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        match subresource {
            _ if !self.has_status() => &[],
            "" | "scale" => &["status"],
            "status" => &["spec"],
            _ => &[],
        }
    }

    /// Restores what an updating subresource other than `status` may not change; false when it isn't served.
    fn prepare_for_subresource(
        &self,
        _subresource: &str,
        _context: &StrategyContext<'_>,
        _object: &mut Value,
        _old: &Value,
    ) -> bool {
        false
    }

    /// Validates a change through such a subresource.
    fn validate_subresource(
        &self,
        _subresource: &str,
        _context: &StrategyContext<'_>,
        _object: &Value,
        _old: &Value,
    ) -> ErrorList {
        ErrorList::new()
    }

    /// What the first deletion makes of an object that goes on its own terms: it is written back, and stays until its
    /// finalizers are gone.
    fn first_deletion(&self, _object: &Value, _now: jiff::Timestamp) -> Option<Value> {
        None
    }

    /// Whether the object is a Namespace-like one whose own deletion waits for `spec.finalizers`.
    fn spec_finalizers(&self) -> bool {
        false
    }
}

/// The behaviour of kinds that have none of their own: spec and status, if any, kept as they are.
#[derive(Debug, Default)]
pub struct Plain {
    /// `status` is a subresource.
    pub status: bool,
    /// `metadata.generation` is kept.
    pub generation: bool,
}

impl Strategy for Plain {
    fn has_status(&self) -> bool {
        self.status
    }

    fn generation(&self) -> bool {
        self.generation
    }
}

/// The strategy of a built-in kind.
pub(crate) fn of(group: &str, kind: &str, has_status: bool) -> Arc<dyn Strategy> {
    match (group, kind) {
        ("", "Pod") => Arc::new(pod::Pod),
        ("", "ConfigMap") => Arc::new(config::ConfigMap),
        ("", "Secret") => Arc::new(config::Secret),
        ("", "Namespace") => Arc::new(namespace::Namespace),
        ("", "Node") => Arc::new(node::Node),
        ("apps", "Deployment") => Arc::new(workload::Deployment),
        ("apps", "ReplicaSet") => Arc::new(workload::ReplicaSet),
        ("apps", "StatefulSet") => Arc::new(workload::StatefulSet),
        ("apps", "DaemonSet") => Arc::new(workload::DaemonSet),
        ("apps", "ControllerRevision") => Arc::new(workload::ControllerRevision),
        ("", "ReplicationController") => Arc::new(workload::ReplicationController),
        ("", "PodTemplate") => Arc::new(workload::PodTemplate),
        ("", "Service") => Arc::new(service::Service),
        ("", "Endpoints") => Arc::new(endpoints::Endpoints),
        ("discovery.k8s.io", "EndpointSlice") => Arc::new(endpoints::EndpointSlice),
        ("batch", "Job") => Arc::new(batch::Job),
        ("batch", "CronJob") => Arc::new(batch::CronJob),
        ("" | "events.k8s.io", "Event") => Arc::new(cluster::Event),
        ("coordination.k8s.io", "Lease") => Arc::new(cluster::Lease),
        ("", "ServiceAccount") => Arc::new(cluster::ServiceAccount),
        ("scheduling.k8s.io", "PriorityClass") => Arc::new(cluster::PriorityClass),
        ("node.k8s.io", "RuntimeClass") => Arc::new(cluster::RuntimeClass),
        ("rbac.authorization.k8s.io", "Role") => Arc::new(rbac::Role { cluster: false }),
        ("rbac.authorization.k8s.io", "ClusterRole") => Arc::new(rbac::Role { cluster: true }),
        ("rbac.authorization.k8s.io", "RoleBinding") => Arc::new(rbac::Binding { cluster: false }),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            Arc::new(rbac::Binding { cluster: true })
        }
        ("policy", "PodDisruptionBudget") => Arc::new(policy::PodDisruptionBudget),
        ("autoscaling", "HorizontalPodAutoscaler") => Arc::new(policy::HorizontalPodAutoscaler),
        ("", "ResourceQuota") => Arc::new(policy::ResourceQuota),
        ("", "LimitRange") => Arc::new(policy::LimitRange),
        ("networking.k8s.io", "Ingress") => Arc::new(network::Ingress),
        ("networking.k8s.io", "IngressClass") => Arc::new(network::IngressClass),
        ("networking.k8s.io", "NetworkPolicy") => Arc::new(network::NetworkPolicy),
        ("", "PersistentVolume") => Arc::new(storage::PersistentVolume),
        ("", "PersistentVolumeClaim") => Arc::new(storage::PersistentVolumeClaim),
        ("storage.k8s.io", "StorageClass") => Arc::new(storage::StorageClass),
        ("storage.k8s.io", "CSIDriver") => Arc::new(storage::CsiDriver),
        ("storage.k8s.io", _) => Arc::new(storage::Returned { status: has_status }),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => {
            Arc::new(webhooks::Webhooks { mutating: true })
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            Arc::new(webhooks::Webhooks { mutating: false })
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => {
            Arc::new(admission_policy::AdmissionPolicy { mutating: true })
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            Arc::new(admission_policy::AdmissionPolicy { mutating: false })
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding") => {
            Arc::new(admission_policy::AdmissionPolicyBinding { mutating: true })
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            Arc::new(admission_policy::AdmissionPolicyBinding { mutating: false })
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Arc::new(definition::Definition),
        ("apiregistration.k8s.io", "APIService") => Arc::new(api_service::ApiService),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            Arc::new(extension::CertificateSigningRequest)
        }
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => Arc::new(extension::FlowSchema),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            Arc::new(extension::PriorityLevel)
        }
        ("resource.k8s.io", kind @ ("DeviceClass" | "ResourceClaim" | "ResourceClaimTemplate")) => {
            Arc::new(device::Devices {
                status: has_status,
                at: match kind {
                    "DeviceClass" => device::At::Class,
                    "ResourceClaim" => device::At::Claim,
                    _ => device::At::Template,
                },
            })
        }
        _ => Arc::new(Plain {
            status: has_status,
            generation: false,
        }),
    }
}
