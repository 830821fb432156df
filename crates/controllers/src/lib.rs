//! The controllers of a cluster: they bring what is towards what was asked for.
//!
//! Each is upstream's mechanism (pkg/controller/*) in process: handlers of shared caches put keys into a queue, workers
//! take them out and write through the registry as a controller's own user. Nothing is polled; what depends on time alone
//! comes from the queue's delays.
//!
//! Left to others: scheduling, and everything that a node does.

#![allow(clippy::result_large_err)] // A Status is what a failed request answers with.

mod autoscaler;
mod certificates;
mod claim;
mod clock;
mod cron_job;
mod custom;
mod daemon_set;
mod deployment;
mod disruption;
mod disruption_budget;
mod endpoint_slice;
mod endpoints;
mod expectations;
mod garbage_collector;
mod history;
mod job;
mod meta;
mod monitor;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod;
mod pod_gc;
mod recorder;
mod replica_set;
mod resource_quota;
mod role_aggregation;
mod root_ca;
mod service;
mod service_account;
mod setup;
mod stateful_set;
mod storage_protection;
mod taint_eviction;

mod ttl_after_finished;
mod validating_admission_policy;

use machinery::Status;
use registry::Registry;
use tokio_util::sync::CancellationToken;

pub use autoscaler::{ExtensionApi, ExtensionApis};
pub use certificates::Signers;
pub use clock::Clock;

use recorder::Recorder;
use setup::Setup;

/// What the controllers need to know of the cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of pods, of which each node gets a part.
    pub pod_cidr: ipnet::IpNet,
    /// Length of the prefix of a node's part.
    pub node_cidr_mask: u8,
    /// Certificates of the cluster's CA, for `kube-root-ca.crt` in each namespace.
    pub root_ca_pem: String,
    /// Who signs approved certificate requests; without them nobody does.
    pub signers: Option<Signers>,
    /// Where autoscalers read metrics.
    pub extension_apis: ExtensionApis,
}

impl Options {
    /// Options without what a cluster can do without.
    pub fn new(pod_cidr: ipnet::IpNet, node_cidr_mask: u8, root_ca_pem: String) -> Self {
        Self {
            pod_cidr,
            node_cidr_mask,
            root_ca_pem,
            signers: None,
            extension_apis: ExtensionApis::default(),
        }
    }
}

/// Runs all controllers until `stop`. Only one server at a time may: the leader. When stopped in the middle of
/// something, the next run goes on from what is stored.
///
/// # Errors
/// When the registry lacks a resource that a controller works on, or the options can't be (a node's prefix that is
/// shorter than the cluster's).
pub async fn run(
    registry: Registry,
    options: Options,
    stop: CancellationToken,
) -> Result<(), Status> {
    run_with_clock(registry, options, Clock::Wall, stop).await
}

/// [`run`] with a clock of the caller's.
///
/// # Errors
/// As [`run`].
pub async fn run_with_clock(
    registry: Registry,
    options: Options,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), Status> {
    let (recorder, events) = Recorder::new(&registry, clock)?;
    let mut setup = Setup::new(registry, clock, recorder, stop.clone())?;
    setup.task(events.run(stop));
    service_account::start(&mut setup)?;
    root_ca::start(&mut setup, options.root_ca_pem)?;
    node_ipam::start(&mut setup, options.pod_cidr, options.node_cidr_mask)?;
    replica_set::start(&mut setup)?;
    deployment::start(&mut setup)?;
    namespace::start(&mut setup)?;
    garbage_collector::start(&mut setup)?;
    node_lifecycle::start(&mut setup)?;
    taint_eviction::start(&mut setup)?;
    pod_gc::start(&mut setup)?;
    endpoint_slice::start(&mut setup)?;
    endpoints::start(&mut setup)?;
    daemon_set::start(&mut setup)?;
    stateful_set::start(&mut setup)?;
    job::start(&mut setup)?;
    cron_job::start(&mut setup)?;
    ttl_after_finished::start(&mut setup)?;
    disruption_budget::start(&mut setup)?;
    resource_quota::start(&mut setup)?;
    role_aggregation::start(&mut setup)?;
    storage_protection::start(&mut setup)?;
    autoscaler::start(&mut setup, options.extension_apis)?;
    certificates::start(&mut setup, options.signers)?;
    custom::start(&mut setup)?;
    validating_admission_policy::start(&mut setup)?;
    setup.run().await;
    Ok(())
}
