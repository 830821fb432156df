//! What all controllers share: caches of the kinds that several of them follow, and the tasks to run once those are full.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use informer::{Informer, Key, Outcome, WorkQueue, run_workers};
use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::Status;
use registry::{Api, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::meta::{self, Meta};
use crate::monitor::{Handler, Monitor, Notice, resources, run_custom};
use crate::pod;
use crate::recorder::Recorder;

/// Index of objects by the uid of their controller; those that have none are under [`orphans`].
pub(crate) const BY_CONTROLLER: &str = "controller";
/// Index of pods by node.
pub(crate) const BY_NODE: &str = "node";

/// The value of [`BY_CONTROLLER`] for objects of a namespace without a controller.
// upstream: pkg/controller/controller_utils.go#AddPodControllerIndexer
pub(crate) fn orphans(namespace: &str) -> String {
    format!("_/{namespace}")
}

pub(crate) fn controller_value<T: Metadata<Ty = ObjectMeta>>(object: &T) -> Vec<String> {
    vec![match object.controller() {
        Some(controller) => controller.uid.clone(),
        None => orphans(object.namespace()),
    }]
}

/// The shared informers.
pub(crate) struct Informers {
    pub(crate) pods: Informer<Pod>,
    pub(crate) nodes: Informer<Node>,
    pub(crate) leases: Informer<Lease>,
    pub(crate) namespaces: Informer<Namespace>,
    pub(crate) services: Informer<Service>,
    pub(crate) service_accounts: Informer<ServiceAccount>,
    pub(crate) config_maps: Informer<ConfigMap>,
    pub(crate) replica_sets: Informer<ReplicaSet>,
    pub(crate) deployments: Informer<Deployment>,
    pub(crate) stateful_sets: Informer<StatefulSet>,
    pub(crate) daemon_sets: Informer<DaemonSet>,
    pub(crate) jobs: Informer<Job>,
    pub(crate) cron_jobs: Informer<CronJob>,
}

/// An informer of a kind.
pub(crate) fn informer<T>(registry: &Registry) -> Result<Informer<T>, Status>
where
    T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Informer::new(registry, T::GROUP, T::VERSION, T::URL_PATH_SEGMENT)
}

impl Informers {
    fn new(registry: &Registry) -> Result<Self, Status> {
        Ok(Self {
            pods: informer(registry)?
                .index(BY_CONTROLLER, controller_value::<Pod>)
                .index(BY_NODE, |p: &Pod| vec![pod::node(p).to_owned()]),
            nodes: informer(registry)?,
            leases: informer(registry)?,
            namespaces: informer(registry)?,
            services: informer(registry)?,
            service_accounts: informer(registry)?,
            config_maps: informer(registry)?,
            replica_sets: informer(registry)?.index(BY_CONTROLLER, controller_value::<ReplicaSet>),
            deployments: informer(registry)?,
            stateful_sets: informer(registry)?,
            daemon_sets: informer(registry)?,
            jobs: informer(registry)?.index(BY_CONTROLLER, controller_value::<Job>),
            cron_jobs: informer(registry)?,
        })
    }
}

type Observer = Box<dyn Fn(&Notice) + Send + Sync>;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a controller is started with: it attaches its handlers and leaves its tasks here.
pub(crate) struct Setup {
    pub(crate) registry: Registry,
    pub(crate) informers: Informers,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    pub(crate) stop: CancellationToken,
    observers: Vec<Observer>,
    own: Vec<(watch::Receiver<bool>, Task)>,
    tasks: Vec<Task>,
}

impl Setup {
    pub(crate) fn new(
        registry: Registry,
        clock: Clock,
        recorder: Recorder,
        stop: CancellationToken,
    ) -> Result<Self, Status> {
        Ok(Self {
            informers: Informers::new(&registry)?,
            registry,
            clock,
            recorder,
            stop,
            observers: Vec::new(),
            own: Vec::new(),
            tasks: Vec::new(),
        })
    }

    /// The API of a kind for a controller.
    pub(crate) fn api<T>(&self, controller: &str) -> Result<Api<T>, Status>
    where
        T: k8s_openapi::Resource + Serialize + DeserializeOwned,
    {
        meta::api(&self.registry, controller)
    }

    /// Calls `observer` with every change of any stored object's metadata. It must be quick.
    pub(crate) fn on_any(&mut self, observer: impl Fn(&Notice) + Send + Sync + 'static) {
        self.observers.push(Box::new(observer));
    }

    /// Runs once all caches are full.
    pub(crate) fn task(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Box::pin(task));
    }

    /// An informer that one controller has for itself. Started with the shared ones.
    pub(crate) fn follow<T>(&mut self, informer: Informer<T>)
    where
        T: Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let synced = informer.synced();
        let run = informer.run(self.stop.clone());
        self.own.push((synced, Box::pin(run)));
    }

    /// Worker loops over a queue, once all caches are full.
    pub(crate) fn workers<W, F>(
        &mut self,
        name: &'static str,
        queue: WorkQueue<Key>,
        workers: usize,
        work: W,
    ) where
        W: Fn(Key) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Outcome, Status>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.task(run_workers(name, queue, workers, stop, work));
    }

    /// Runs all of it until stopped.
    pub(crate) async fn run(self) {
        let Self {
            registry,
            informers,
            stop,
            observers,
            mut own,
            tasks,
            ..
        } = self;
        let observers = Arc::new(observers);
        let tell_all = {
            let observers = Arc::clone(&observers);
            let tell = move |notice: &Notice| observers.iter().for_each(|o| o(notice));
            Arc::new(tell) as Handler
        };
        for resource in resources(&registry) {
            if resource.custom.is_some() {
                continue;
            }
            let monitor = Monitor::new(registry.clone(), resource, Arc::clone(&tell_all));
            own.push((monitor.synced(), Box::pin(monitor.run(stop.clone()))));
        }
        let Informers {
            pods,
            nodes,
            leases,
            namespaces,
            services,
            service_accounts,
            config_maps,
            replica_sets,
            deployments,
            stateful_sets,
            daemon_sets,
            jobs,
            cron_jobs,
        } = informers;
        macro_rules! follow {
            ($($informer:ident),*) => {
                $(own.push(($informer.synced(), Box::pin($informer.run(stop.clone()))));)*
            };
        }
        follow!(
            pods,
            nodes,
            leases,
            namespaces,
            services,
            service_accounts,
            config_maps,
            replica_sets,
            deployments,
            stateful_sets,
            daemon_sets,
            jobs,
            cron_jobs
        );
        // Dropping the set ends whatever runs.
        let mut running = JoinSet::new();
        running.spawn(run_custom(registry.clone(), tell_all, stop.clone()));
        let mut synced = Vec::new();
        for (ready, task) in own {
            synced.push(ready);
            running.spawn(task);
        }
        for mut ready in synced {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ready.wait_for(|ready| *ready) => {}
            }
        }
        if !stop.is_cancelled() {
            for task in tasks {
                running.spawn(task);
            }
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(%error, "a controller's task ended");
            }
        }
    }
}
