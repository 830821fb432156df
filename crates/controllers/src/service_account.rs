//! A ServiceAccount `default` in each namespace.
// upstream: pkg/controller/serviceaccount/serviceaccounts_controller.go

use std::sync::Arc;

use informer::{Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::{Reason, Status};
use registry::Api;

use crate::meta::Meta;
use crate::replica_set::in_terminating_namespace;
use crate::setup::Setup;

const NAME: &str = "service-account-controller";
const ACCOUNT: &str = "default";

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.informers.namespaces.on_change(move |change| {
        if !matches!(change, Change::Deleted(_)) {
            q.add(change.object().key());
        }
    });
    let q = queue.clone();
    setup.informers.service_accounts.on_change(move |change| {
        if let Change::Deleted(account) = change
            && account.name() == ACCOUNT
        {
            q.add(Key::cluster(account.namespace()));
        }
    });
    let api: Api<ServiceAccount> = setup.api(NAME)?;
    let namespaces = setup.informers.namespaces.cache();
    let accounts = setup.informers.service_accounts.cache();
    setup.workers(NAME, queue, 1, move |key| {
        let (api, namespaces, accounts) =
            (api.clone(), Arc::clone(&namespaces), Arc::clone(&accounts));
        async move {
            let Some(namespace) = namespaces.get(&key) else {
                return Ok(Outcome::Done);
            };
            if namespace.deleting() || accounts.get(&Key::new(key.name(), ACCOUNT)).is_some() {
                return Ok(Outcome::Done);
            }
            let account = ServiceAccount {
                metadata: ObjectMeta {
                    name: Some(ACCOUNT.to_owned()),
                    namespace: Some(key.name().to_owned()),
                    ..ObjectMeta::default()
                },
                ..ServiceAccount::default()
            };
            match api.create(Some(key.name()), &account).await {
                Err(s) if !s.is(Reason::AlreadyExists) && !in_terminating_namespace(&s) => Err(s),
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}
