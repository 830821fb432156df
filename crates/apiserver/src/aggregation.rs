//! API aggregation: groups that another server serves, named by an APIService with a Service.
//!
//! Requests for such a group and version are passed on over TLS, with this server's front-proxy certificate and the
//! authenticated user in `X-Remote-*` headers; the request was authenticated, authorised and audited here before. While the
//! server behind is not available they are answered 503. Discovery and OpenAPI v3 name the other servers' groups beside this
//! server's own. What this server serves itself is registered as local APIServices.
//!
//! Names, reasons and texts are upstream's.
// upstream: staging/src/k8s.io/kube-aggregator/pkg

mod authentication;
mod availability;
mod documents;
mod headers;
mod merge;
mod priorities;
mod proxy;
mod register;
mod remote;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use machinery::ObjectExt;
use parking_lot::Mutex;
use registry::{Object, Registry};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use webhook::ClientIdentity;

use crate::authz::follow::{Change, follow};
use documents::Documents;
pub(crate) use merge::{discovery, openapi_index};
pub(crate) use proxy::serve;
use remote::Remote;

const APISERVICES: (&str, &str, &str) = ("apiregistration.k8s.io", "v1", "apiservices");

/// Who this server is towards aggregated API servers, and what they need to believe it.
pub struct FrontProxy {
    identity: ArcSwap<ClientIdentity>,
    /// The authority that issued the identity, as PEM.
    ca_pem: String,
    /// The authority of client certificates, as PEM.
    client_ca_pem: String,
}

impl FrontProxy {
    /// Common name that the front-proxy certificate must have.
    pub const NAME: &'static str = "front-proxy-client";

    /// With the front-proxy certificate, its authority (which must issue nothing else) and that of client certificates, both
    /// as PEM: they are published for the aggregated servers.
    #[must_use]
    pub fn new(identity: ClientIdentity, ca_pem: String, client_ca_pem: String) -> Arc<Self> {
        Arc::new(Self {
            identity: ArcSwap::from_pointee(identity),
            ca_pem,
            client_ca_pem,
        })
    }

    /// Another certificate, for connections from now on.
    pub fn replace(&self, identity: ClientIdentity) {
        self.identity.store(Arc::new(identity));
    }
}

/// The aggregated API servers.
pub(crate) struct Aggregator {
    shared: Arc<Shared>,
    _tasks: DropGuard,
}

pub(crate) struct Shared {
    registry: Registry,
    proxy: Option<Arc<FrontProxy>>,
    /// By group and version; only those with a Service.
    remotes: ArcSwap<BTreeMap<(String, String), Arc<Remote>>>,
    /// What the servers say they serve.
    documents: Mutex<BTreeMap<(String, String), Documents>>,
    /// APIServices whose availability is to be looked at.
    dirty: Mutex<Vec<String>>,
    woken: Notify,
}

impl Aggregator {
    /// Follows the APIServices and keeps their conditions; the tasks end with the aggregator.
    pub(crate) async fn start(
        registry: &Registry,
        proxy: Option<Arc<FrontProxy>>,
    ) -> Result<Self, machinery::Status> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let shared = Arc::new(Shared {
            registry: registry.clone(),
            proxy,
            remotes: ArcSwap::default(),
            documents: Mutex::default(),
            dirty: Mutex::default(),
            woken: Notify::new(),
        });
        let of_services = shared.clone();
        follow(registry, APISERVICES, &stop, move |change| {
            of_services.apply(change);
        })
        .await?;
        tokio::spawn(availability::run(shared.clone(), stop.clone()));
        tokio::spawn(register::run(registry.clone(), stop.clone()));
        if let Some(proxy) = &shared.proxy {
            tokio::spawn(authentication::publish(
                registry.clone(),
                proxy.clone(),
                stop.clone(),
            ));
        }
        Ok(Self {
            shared,
            _tasks: guard,
        })
    }

    /// The aggregated server of a path, when one serves it.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Remote>> {
        let remotes = self.shared.remotes.load();
        if remotes.is_empty() {
            return None;
        }
        let (group, version) = group_version(path)?;
        remotes
            .get(&(group.to_owned(), version.to_owned()))
            .map(Arc::clone)
    }

    /// The JSON at a path of the server that serves it, asked for as `user`; or the code of the failure.
    pub(crate) async fn read(
        &self,
        path: &str,
        user: &registry::UserInfo,
    ) -> Result<serde_json::Value, u16> {
        let bare = path.split('?').next().unwrap_or_default();
        let remote = self.find(bare).ok_or(404u16)?;
        if !remote.available {
            return Err(503);
        }
        let (code, body) = availability::get(&self.shared, &remote, path, user, "application/json")
            .await
            .map_err(|error| {
                tracing::debug!(
                    error,
                    path = bare,
                    "an aggregated API server was not reached"
                );
                503u16
            })?;
        if !code.is_success() {
            return Err(code.as_u16());
        }
        serde_json::from_slice(&body).map_err(|_| 500)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Group and version of `/api/v1…`, `/apis/group/version…` and of the same below `/openapi/v3`.
fn group_version(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("/openapi/v3").unwrap_or(path);
    let mut parts = path.strip_prefix('/')?.split('/');
    let found = match parts.next()? {
        "api" => ("", parts.next()?),
        "apis" => (parts.next()?, parts.next()?),
        _ => return None,
    };
    (!found.1.is_empty()).then_some(found)
}

impl Shared {
    fn apply(&self, change: Change) {
        let mut remotes = (**self.remotes.load()).clone();
        let put = |remotes: &mut BTreeMap<_, _>, object: &Object| {
            let value = object.value();
            let key = remote::key(&value);
            match Remote::parse(&value) {
                Some(remote) => {
                    let name = remote.name.clone();
                    remotes.insert(key, Arc::new(remote));
                    Some(name)
                }
                None => {
                    remotes.remove(&key);
                    self.documents.lock().remove(&key);
                    None
                }
            }
        };
        let touched: Vec<String> = match change {
            Change::Replace(all) => {
                remotes.clear();
                all.iter().filter_map(|o| put(&mut remotes, o)).collect()
            }
            Change::Put(object) => put(&mut remotes, &object).into_iter().collect(),
            Change::Delete(object) => {
                let key = remote::key(&object.value());
                remotes.remove(&key);
                self.documents.lock().remove(&key);
                Vec::new()
            }
        };
        self.remotes.store(Arc::new(remotes));
        self.touch(touched);
    }

    /// The availability of these APIServices is looked at.
    fn touch(&self, names: Vec<String>) {
        if names.is_empty() {
            return;
        }
        self.dirty.lock().extend(names);
        self.woken.notify_one();
    }

    /// The APIServices that a Service backs.
    fn of_service(&self, namespace: &str, name: &str) -> Vec<String> {
        self.remotes
            .load()
            .values()
            .filter(|r| r.namespace == namespace && r.service == name)
            .map(|r| r.name.clone())
            .collect()
    }

    /// How a server is spoken to.
    fn backend(&self, remote: &Remote) -> Result<webhook::Backend, String> {
        Ok(webhook::Backend {
            target: remote.target(),
            trust: remote.trust.clone()?,
            identity: self.proxy.as_ref().map(|p| p.identity.load_full()),
        })
    }
}

/// A change of a Service or its endpoints looks at the APIServices that it backs.
async fn follow_backends(shared: &Arc<Shared>, stop: &CancellationToken) {
    for kind in [
        ("", "v1", "services"),
        ("discovery.k8s.io", "v1", "endpointslices"),
    ] {
        let of = shared.clone();
        let followed = follow(&shared.registry, kind, stop, move |change| {
            if of.remotes.load().is_empty() {
                return;
            }
            match change {
                Change::Replace(_) => {
                    let all = of.remotes.load().values().map(|r| r.name.clone()).collect();
                    of.touch(all);
                }
                Change::Put(object) | Change::Delete(object) => {
                    let value = object.value();
                    let service = value
                        .at(&["metadata", "labels", "kubernetes.io/service-name"])
                        .and_then(|v| v.as_str())
                        .unwrap_or_else(|| value.name());
                    of.touch(of.of_service(value.namespace(), service));
                }
            }
        })
        .await;
        if let Err(status) = followed {
            tracing::debug!(%status, "the backends of aggregated servers are not followed");
        }
    }
}

/// How often what cannot be watched (whether a server answers, what it serves) is looked at.
// upstream: remote_available_controller.go (resync period), handler_discovery.go#discoveryRefreshInterval
const RESYNC: Duration = Duration::from_secs(30);
