//! What is used of each ResourceQuota, in its status. (What may be used is decided when objects are admitted.)
// upstream: pkg/controller/resourcequota/resource_quota_controller.go

use std::sync::Arc;
use std::time::Duration;

use informer::{Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use machinery::{Reason, Status};
use registry::Api;
use registry::admission::ResourceQuota as Account;

use crate::meta::Meta;
use crate::monitor::Notice;
use crate::setup::{Setup, informer};

const NAME: &str = "resourcequota-controller";
/// Changes in a namespace are looked at together.
const BATCH: Duration = Duration::from_millis(200);

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let mut quotas = informer::<ResourceQuota>(&setup.registry)?;
    let q = queue.clone();
    quotas.on_change(move |change| {
        if !matches!(change, Change::Deleted(_)) {
            q.add(change.object().key());
        }
    });
    let cache = quotas.cache();
    setup.follow(quotas);
    let (q, c) = (queue.clone(), Arc::clone(&cache));
    setup.on_any(move |notice| {
        let (Notice::Put(seen) | Notice::Gone(seen)) = notice else {
            return;
        };
        // The status of a quota is no use of it.
        if c.is_empty() || matches!(&*seen.resource.plural, "resourcequotas" | "events") {
            return;
        }
        if let Some(namespace) = &seen.meta.namespace {
            for quota in c.list_namespace(namespace) {
                q.add_after(quota.key(), BATCH);
            }
        }
    });
    let api: Api<ResourceQuota> = setup.api(NAME)?;
    let registry = setup.registry.clone();
    let account = Arc::new(Account::default());
    setup.workers(NAME, queue, 2, move |key| {
        let (api, cache) = (api.clone(), Arc::clone(&cache));
        let (registry, account) = (registry.clone(), Arc::clone(&account));
        async move {
            let Some(quota) = cache.get(&key) else {
                return Ok(Outcome::Done);
            };
            let value = serde_json::to_value(&*quota).map_err(Status::internal)?;
            let status = account.status(&registry, &value);
            let status: ResourceQuotaStatus =
                serde_json::from_value(status).map_err(Status::internal)?;
            if quota.status.as_ref() == Some(&status) {
                return Ok(Outcome::Done);
            }
            let mut next = ResourceQuota::clone(&quota);
            next.status = Some(status);
            match api.update_status(key.namespace(), key.name(), &next).await {
                Err(status) if !status.is(Reason::NotFound) => Err(status),
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}
