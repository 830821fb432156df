//! The cluster's CA certificates as the ConfigMap `kube-root-ca.crt` in each namespace.
// upstream: pkg/controller/certificates/rootcacertpublisher/publisher.go

use std::collections::BTreeMap;
use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use machinery::{Reason, Status};
use registry::Api;

use crate::meta::Meta;
use crate::replica_set::in_terminating_namespace;
use crate::setup::Setup;

const NAME: &str = "root-ca-cert-publisher";
const CONFIG_MAP: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
// upstream's text
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using \
    internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed \
    across distributions of Kubernetes clusters.";

struct Publisher {
    api: Api<ConfigMap>,
    namespaces: Arc<Cache<Namespace>>,
    config_maps: Arc<Cache<ConfigMap>>,
    root_ca: String,
}

pub(crate) fn start(setup: &mut Setup, root_ca: String) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.informers.namespaces.on_change(move |change| {
        if !matches!(change, Change::Deleted(_)) {
            q.add(change.object().key());
        }
    });
    let q = queue.clone();
    setup.informers.config_maps.on_change(move |change| {
        if change.object().name() == CONFIG_MAP && !matches!(change, Change::Added(_)) {
            q.add(Key::cluster(change.object().namespace()));
        }
    });
    let publisher = Arc::new(Publisher {
        api: setup.api(NAME)?,
        namespaces: setup.informers.namespaces.cache(),
        config_maps: setup.informers.config_maps.cache(),
        root_ca,
    });
    setup.workers(NAME, queue, 1, move |key| {
        let publisher = Arc::clone(&publisher);
        async move { publisher.sync(&key).await }
    });
    Ok(())
}

impl Publisher {
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let namespace = key.name();
        if self.namespaces.get(key).is_none_or(|n| n.deleting()) {
            return Ok(Outcome::Done);
        }
        let data = BTreeMap::from([("ca.crt".to_owned(), self.root_ca.clone())]);
        let done = match self.config_maps.get(&Key::new(namespace, CONFIG_MAP)) {
            None => {
                let map = ConfigMap {
                    metadata: ObjectMeta {
                        name: Some(CONFIG_MAP.to_owned()),
                        namespace: Some(namespace.to_owned()),
                        annotations: Some(BTreeMap::from([(
                            DESCRIPTION.to_owned(),
                            DESCRIPTION_TEXT.to_owned(),
                        )])),
                        ..ObjectMeta::default()
                    },
                    data: Some(data),
                    ..ConfigMap::default()
                };
                self.api.create(Some(namespace), &map).await
            }
            Some(old)
                if old.data.as_ref() == Some(&data)
                    && old.annotation(DESCRIPTION) == Some(DESCRIPTION_TEXT) =>
            {
                return Ok(Outcome::Done);
            }
            Some(old) => {
                let mut map = ConfigMap::clone(&old);
                map.data = Some(data);
                crate::meta::annotate(&mut map.metadata, DESCRIPTION, DESCRIPTION_TEXT);
                self.api.update(Some(namespace), CONFIG_MAP, &map).await
            }
        };
        match done {
            Err(s)
                if !s.is(Reason::AlreadyExists)
                    && !s.is(Reason::NotFound)
                    && !in_terminating_namespace(&s) =>
            {
                Err(s)
            }
            _ => Ok(Outcome::Done),
        }
    }
}
