//! Deletion of namespaces: everything in them first, then they themselves.
// upstream: pkg/controller/namespace/deletion/namespaced_resources_deleter.go

mod conditions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::Namespace;
use machinery::{ObjectExt, Reason, Status};
use registry::{
    Api, DeleteOptions, DeletionPropagation, ListOptions, Registry, RequestContext, Resource,
    Target, UpdateOptions, UserInfo, Verb,
};

use crate::clock::Clock;
use crate::meta::Meta;
use crate::monitor::{Notice, resources};
use crate::setup::Setup;

const NAME: &str = "namespace-controller";
const FINALIZER: &str = "kubernetes";
/// How long finalizers are given before looking again; their removal is usually seen sooner.
// upstream: #finalizerEstimateSeconds
const FINALIZERS_WAIT: Duration = Duration::from_secs(15);

struct Deleter {
    registry: Registry,
    context: RequestContext,
    api: Api<Namespace>,
    namespaces: Arc<Cache<Namespace>>,
    clock: Clock,
}

/// What is left in a namespace.
#[derive(Default)]
struct Remains {
    /// Objects by resource.
    objects: BTreeMap<String, usize>,
    /// Objects by finalizer.
    finalizers: BTreeMap<String, usize>,
    /// What could not be deleted, and why.
    failures: Vec<String>,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.informers.namespaces.on_change(move |change| {
        if change.object().deleting() && !matches!(change, Change::Deleted(_)) {
            q.add(change.object().key());
        }
    });
    let namespaces = setup.informers.namespaces.cache();
    let (q, n) = (queue.clone(), Arc::clone(&namespaces));
    // Each thing that goes may have been the last.
    setup.on_any(move |notice| {
        if let Notice::Gone(seen) = notice
            && let Some(namespace) = &seen.meta.namespace
        {
            let key = Key::cluster(namespace);
            if n.get(&key).is_some_and(|n| n.deleting()) {
                q.add(key);
            }
        }
    });
    let deleter = Arc::new(Deleter {
        context: RequestContext::new(UserInfo::controller(NAME)),
        api: setup.api(NAME)?,
        namespaces,
        registry: setup.registry.clone(),
        clock: setup.clock,
    });
    setup.workers(NAME, queue, 4, move |key| {
        let deleter = Arc::clone(&deleter);
        async move { deleter.sync(&key).await }
    });
    Ok(())
}

impl Deleter {
    // upstream: #Delete
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        if self.namespaces.get(key).is_none() {
            return Ok(Outcome::Done);
        }
        let Some(namespace) = self.api.get_opt(None, key.name()).await? else {
            return Ok(Outcome::Done);
        };
        let finalizers = namespace
            .spec
            .as_ref()
            .and_then(|s| s.finalizers.as_deref())
            .unwrap_or_default();
        if !namespace.deleting() || finalizers.is_empty() {
            return Ok(Outcome::Done);
        }
        let remains = self.delete_content(key.name()).await;
        let namespace = self.write_conditions(namespace, &remains).await?;
        if let Some(first) = remains.failures.first() {
            return Err(Status::internal(first));
        }
        if !remains.objects.is_empty() {
            return Ok(Outcome::Again(FINALIZERS_WAIT));
        }
        self.finalize(&namespace).await?;
        Ok(Outcome::Done)
    }

    /// Pods go first, and alone: what they use stays until they are gone.
    // upstream: #deleteAllContent
    async fn delete_content(&self, namespace: &str) -> Remains {
        let mut remains = Remains::default();
        let all: Vec<Arc<Resource>> = resources(&self.registry)
            .into_iter()
            .filter(|r| r.namespaced && r.verbs.contains(&Verb::DeleteCollection))
            .collect();
        let (pods, others): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|r| r.group.is_empty() && r.plural == "pods");
        for resource in pods {
            self.delete_of(resource, namespace, &mut remains).await;
        }
        if remains.objects.is_empty() && remains.failures.is_empty() {
            for resource in others {
                self.delete_of(resource, namespace, &mut remains).await;
            }
        }
        remains
    }

    // upstream: #deleteAllContentForGroupVersionResource
    async fn delete_of(&self, resource: &Arc<Resource>, namespace: &str, remains: &mut Remains) {
        let target = Target::collection(resource, Some(namespace));
        let options = DeleteOptions {
            propagation: Some(DeletionPropagation::Background),
            ..DeleteOptions::default()
        };
        let list = ListOptions::default();
        let deleted = self
            .registry
            .delete_collection(&self.context, &target, &options, &list)
            .await;
        if let Err(status) = deleted {
            remains.failures.push(format!("{resource:?}: {status}"));
        }
        match self.registry.list(&self.context, &target, &list).await {
            Ok(left) if left.items.is_empty() => {}
            Ok(left) => {
                let name = resource.group_resource().to_string();
                remains.objects.insert(name, left.items.len());
                for object in left.items {
                    for finalizer in object.value().finalizers() {
                        *remains.finalizers.entry(finalizer.to_owned()).or_default() += 1;
                    }
                }
            }
            Err(status) => remains.failures.push(format!("{resource:?}: {status}")),
        }
    }

    async fn write_conditions(
        &self,
        mut namespace: Namespace,
        remains: &Remains,
    ) -> Result<Namespace, Status> {
        if !conditions::set(&mut namespace, remains, &self.clock) {
            return Ok(namespace);
        }
        let name = namespace.name().to_owned();
        self.api.update_status(None, &name, &namespace).await
    }

    /// Takes the finalizer off; with the last one the namespace is gone.
    // upstream: #finalizeNamespace
    async fn finalize(&self, namespace: &Namespace) -> Result<(), Status> {
        let mut next = namespace.clone();
        if let Some(finalizers) = next.spec.as_mut().and_then(|s| s.finalizers.as_mut()) {
            finalizers.retain(|f| f != FINALIZER);
        }
        let target = Target::object(self.api.resource(), None, namespace.name());
        let body = serde_json::to_value(&next).map_err(Status::internal)?;
        let done = self
            .registry
            .update(
                &self.context,
                &target.subresource("finalize"),
                body,
                &UpdateOptions::default(),
            )
            .await;
        match done {
            Err(status) if !status.is(Reason::NotFound) => Err(status),
            _ => Ok(()),
        }
    }
}
