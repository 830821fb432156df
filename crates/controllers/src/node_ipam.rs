//! A part of the pods' addresses for each node.
// upstream: pkg/controller/nodeipam/ipam/range_allocator.go, .../cidrset/cidr_set.go

mod range;

use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::{Api, Patch};
use serde_json::json;

use crate::meta::Meta;
use crate::recorder::{Kind, Recorder};
use crate::setup::Setup;

use range::Ranges;

const NAME: &str = "node-controller";

struct Allocator {
    api: Api<Node>,
    nodes: Arc<Cache<Node>>,
    ranges: Arc<Mutex<Ranges>>,
    recorder: Recorder,
}

pub(crate) fn start(setup: &mut Setup, cluster: IpNet, mask: u8) -> Result<(), Status> {
    let ranges = Ranges::new(cluster, mask).map_err(|error| {
        Status::bad_request(format!("the nodes' part of the pod CIDR: {error}"))
    })?;
    let ranges = Arc::new(Mutex::new(ranges));
    let queue: WorkQueue<Key> = WorkQueue::default();
    let (q, r) = (queue.clone(), Arc::clone(&ranges));
    setup.informers.nodes.on_change(move |change| {
        let node = change.object();
        match change {
            // What nodes have is taken before anything is given out: workers start when the cache is full.
            Change::Added(_) | Change::Updated { .. } => {
                if let Some(cidr) = cidr_of(node) {
                    r.lock().occupy(cidr, node.name());
                } else {
                    q.add(node.key());
                }
            }
            Change::Deleted(_) => {
                r.lock().release(node.name());
                q.add(node.key());
            }
        }
    });
    let allocator = Arc::new(Allocator {
        api: setup.api(NAME)?,
        nodes: setup.informers.nodes.cache(),
        ranges,
        recorder: setup.recorder.of("cidrAllocator"),
    });
    // One worker: what is given out and not yet written is known to it alone.
    setup.workers("node-ipam-controller", queue, 1, move |key| {
        let allocator = Arc::clone(&allocator);
        async move { allocator.sync(&key).await }
    });
    Ok(())
}

fn cidr_of(node: &Node) -> Option<IpNet> {
    node.spec.as_ref()?.pod_cidr.as_ref()?.parse().ok()
}

impl Allocator {
    // upstream: range_allocator.go#syncNode, #AllocateOrOccupyCIDR, #updateCIDRsAllocation
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(node) = self.nodes.get(key) else {
            return Ok(Outcome::Done);
        };
        if node.deleting() || cidr_of(&node).is_some() {
            return Ok(Outcome::Done);
        }
        let cidr = self.ranges.lock().allocate(node.name());
        let Some(cidr) = cidr else {
            let text = "Node has no available CIDR: the cluster's range is exhausted";
            self.recorder
                .event(&*node, Kind::Normal, "CIDRNotAvailable", text);
            return Err(Status::internal(text));
        };
        let text = cidr.to_string();
        let patch =
            json!({"metadata": {"uid": node.uid()}, "spec": {"podCIDR": text, "podCIDRs": [text]}});
        match self
            .api
            .patch(None, node.name(), "", Patch::Strategic(patch))
            .await
        {
            Ok(_) => {
                tracing::info!(node = node.name(), %cidr, "a node was given its pod addresses");
                Ok(Outcome::Done)
            }
            Err(status) => {
                self.ranges.lock().release(node.name());
                if status.is(Reason::NotFound) {
                    return Ok(Outcome::Done);
                }
                Err(status)
            }
        }
    }
}
