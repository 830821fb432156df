//! The control plane assembled, from the sealed log up to the listener.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apiserver::authn::service_account::ServiceAccountTokens;
use apiserver::health::FnCheck;
use apiserver::{CheckFailure, Server, ServingTls};
use chain::{Address, Client, Deployment};
use membership::SystemClock;
use membership::join::{Authorities, JoinMetrics, JoinParts, JoinRecords, JoinService};
use membership::stake::{Enforcer, LiveView, NodeControl, ViewOptions, follow};
use registry::bootstrap::BootstrapOptions;
use registry::{Registry, RegistryOptions};
use seal::ObjectId;
use tee::Provider;
use tee_verify::Kind;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::allow_list;
use crate::anchor::{self, Anchorer, Exposure, Signer};
use crate::config::Config;
use crate::error::ServerError;
use crate::identity::Identity;
use crate::join::{JoinRoutes, VaultRecords};
use crate::keyring::{Keyring, acquire};
use crate::operations::Operations;
use crate::retirement::Retirements;
use crate::routes::Routes;
use crate::stake::{RegistryControl, StakeGate};
use crate::storage;
use crate::tunnels::Tunnels;
use crate::vault::Vault;
use crate::witnesses::Witnesses;

/// The issuer of ServiceAccount tokens.
const TOKEN_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Names that the serving certificate always has: how pods and the host itself reach the server.
const DNS_NAMES: [&str; 5] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Runs the control plane until `shutdown`; `ready` is called once it serves.
///
/// # Errors
/// [`ServerError`]; nothing is left half-made.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), ServerError> {
    let tee = storage::open_tee(&config)?;
    run_in(config, tee, shutdown, ready).await
}

/// As [`run`], in this TEE, whatever the configuration names.
///
/// # Errors
/// As [`run`].
pub async fn run_in(
    config: Config,
    tee: Arc<dyn Provider>,
    shutdown: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), ServerError> {
    config.validate()?;
    let deployment = Deployment::load(&config.deployment)?;
    let cluster = deployment.cluster()?;
    let listener = listen(&config).await?;
    let chain = Client::connect(&config.chain_url).await?;
    chain.verify(&deployment).await?;
    announce(&*tee);
    let witnesses = Witnesses::connect(chain.clone(), &config.chain_witnesses, &deployment).await?;
    allow_list::check_own(&witnesses.cluster(&deployment, cluster).await?, &*tee)?;
    let at_start = anchor::at_start(&witnesses, &deployment, cluster).await?;
    let keyring = acquire::keyring(&acquire::Circumstances {
        config: &config,
        cluster,
        tee: &tee,
        chain: &witnesses,
        deployment: &deployment,
        anchor: at_start.as_ref(),
        listener: &listener,
        stop: &shutdown,
    })
    .await?;
    let name = cluster.to_string();
    let log = storage::open_log(&config, &shutdown).await?;
    // Read again: whoever had the log until now may have anchored more.
    let at_start = anchor::at_start(&witnesses, &deployment, cluster).await?;
    let store = storage::open(log, &name, &keyring, at_start.as_ref()).await?;
    let keyring = Arc::new(keyring);
    let anchorer = Anchorer::new(store.clone());
    let (fenced, told) = tokio::sync::oneshot::channel();

    let stop = CancellationToken::new();
    let _stop_on_return = stop.clone().drop_guard();
    let tasks = TaskTracker::new();
    let parts = Parts {
        config,
        deployment,
        cluster,
        chain,
        witnesses,
        tee,
        store: store.clone(),
        keyring,
        anchorer,
        at_start,
        fenced,
        listener,
        tasks: tasks.clone(),
        stop: stop.clone(),
        shutdown,
        ready,
    };
    let served = tokio::select! {
        served = serve(parts) => served,
        // Nothing can be acknowledged any more: another start begins from what is durable.
        ended = store.ended() => Err(ServerError::Store(ended)),
        // Another instance has the state, or the chain trusts this one no more.
        Ok(why) = told => Err(ServerError::Fenced(why)),
    };
    // First whoever writes, then the store.
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    store.close().await;
    served
}

struct Parts<R> {
    config: Config,
    deployment: Deployment,
    cluster: Address,
    chain: Client,
    witnesses: Witnesses,
    tee: Arc<dyn Provider>,
    store: store::Store<registry::Stored>,
    keyring: Arc<Keyring>,
    anchorer: Anchorer,
    at_start: Option<chain::objects::Anchor>,
    fenced: tokio::sync::oneshot::Sender<anchor::AnchorError>,
    listener: TcpListener,
    tasks: TaskTracker,
    stop: CancellationToken,
    shutdown: CancellationToken,
    ready: R,
}

async fn serve<R: FnOnce()>(parts: Parts<R>) -> Result<(), ServerError> {
    let Parts {
        config,
        deployment,
        cluster,
        chain,
        witnesses,
        tee,
        store,
        keyring,
        anchorer,
        at_start,
        fenced,
        listener,
        tasks,
        stop,
        shutdown,
        ready,
    } = parts;
    let vault = Vault::new(store.clone());
    let signer = Signer::load(&vault, &*tee).await?;
    let retirements = Retirements {
        vault: vault.clone(),
        witnesses: witnesses.clone(),
        deployment: deployment.clone(),
        cluster,
        keyring: keyring.clone(),
        store: store.clone(),
    };
    let anchoring = anchor::Parts {
        anchorer: anchorer.clone(),
        signer: signer.clone(),
        keyring: keyring.clone(),
        vault: vault.clone(),
        chain: chain.clone(),
        witnesses: witnesses.clone(),
        deployment: deployment.clone(),
        cluster,
        at_start,
        retirements: retirements.clone(),
        interval: Duration::from_secs(config.anchor_interval_seconds),
    };
    let operations = Arc::new(Operations {
        tee: tee.clone(),
        keyring: keyring.clone(),
        anchorer: anchorer.clone(),
        signer,
        store: store.clone(),
        chain: witnesses,
        deployment: deployment.clone(),
        retirements,
    });
    if deployment.anchors.is_some() {
        tasks.spawn(keep_anchored(anchoring, fenced, stop.clone()));
        // So that of two instances on copies of one state only one says anything.
        anchorer.led().await;
    }
    tasks.spawn(settle_keys(
        keyring,
        store.clone(),
        cluster.to_string(),
        stop.clone(),
    ));
    let audit_vault = vault.clone();
    let identity = Arc::new(Identity::load(&vault, SystemTime::now()).await?);
    let tunnels = Tunnels::default();
    tunnels.find_pods_in(store.clone());
    let registry = Registry::new(
        store,
        RegistryOptions {
            service_cidr: config.service_cidr,
            backends: webhook::Backends::new(Arc::new(tunnels.clone())),
            ..RegistryOptions::default()
        },
    );
    registry::bootstrap::reconcile(
        &registry,
        &BootstrapOptions {
            addresses: config.pods_reach_at(),
            port: config.listen.port(),
        },
    )
    .await
    .map_err(|status| ServerError::Bootstrap(status.to_string()))?;

    // The chain's view of who is staked, and what happens when somebody no longer is.
    let view = LiveView::new(cluster, Arc::new(SystemClock), ViewOptions::default());
    let records: Arc<dyn JoinRecords> = Arc::new(VaultRecords::new(vault));
    let control: Arc<dyn NodeControl> = Arc::new(
        RegistryControl::new(&registry, tunnels.clone())
            .map_err(|status| ServerError::Bootstrap(status.to_string()))?,
    );
    tasks.spawn(follow(
        chain.clone(),
        deployment.clone(),
        view.clone(),
        stop.clone(),
    ));
    tasks.spawn(Enforcer::new(view.clone(), records.clone(), control.clone()).run(stop.clone()));

    let tls = serving_tls(&config, &identity)?;
    tasks.spawn(renew(
        config.clone(),
        identity.clone(),
        tls.clone(),
        stop.clone(),
    ));
    let front_proxy = crate::front_proxy::of(&identity)?;
    tasks.spawn(crate::front_proxy::renew(
        identity.clone(),
        front_proxy.clone(),
        stop.clone(),
    ));
    let mut metrics = crate::metrics::of_tee(&*tee);
    let (audit, audit_log) = crate::audit::open(&config, &audit_vault, &mut metrics).await?;
    tasks.spawn(crate::audit::keep_head(
        audit_log,
        audit_vault,
        stop.clone(),
    ));
    metrics.register_collector(Box::new(Exposure::new(anchorer.clone())));
    let join = JoinService::new(JoinParts {
        cluster: ObjectId(cluster.into_inner()),
        tee: tee.clone(),
        chain: Arc::new((chain, deployment)),
        view: view.clone(),
        records,
        control,
        authorities: Authorities {
            client: identity.client_authority.clone(),
            server_ca_pem: identity.server_authority.pem(),
        },
        metrics: JoinMetrics::register(&mut metrics),
        clock: Arc::new(SystemClock),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let tokens =
        ServiceAccountTokens::new(&identity.service_account_key, TOKEN_ISSUER, Vec::new())?;
    let server = Server::builder(registry.clone(), tls)
        .identity_gate(Arc::new(StakeGate::new(view.clone())))
        .node_connector(Arc::new(tunnels.clone()))
        .consistency(Arc::new(anchorer))
        .side_routes(Arc::new(Routes {
            join: Arc::new(JoinRoutes::new(join)),
            operations,
            tunnels,
        }))
        .service_account_tokens(Arc::new(tokens))
        .front_proxy(front_proxy)
        .audit(audit)
        .exporter(seal::wire::EXPORTER_LABEL)
        .check(FnCheck::new("stake-view", {
            let view = view.clone();
            move || view.current().map_err(|e| CheckFailure(e.to_string()))
        }))
        .check(tee_check(&*tee))
        .metrics(metrics)
        .advertise(config.listen.to_string())
        .build()
        .await?;

    tasks.spawn(controllers(
        registry.clone(),
        &config,
        &identity,
        crate::extension_apis::through(&server),
        stop.clone(),
    ));
    tasks.spawn(schedule(registry, stop));
    let synced = wait_until_synced(&view, &shutdown);
    let serving = server.serve(listener, shutdown.clone());
    let announce_ready = async {
        if synced.await {
            ready();
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = announce_ready => Ok(()),
    }
}

/// Anchors until `stop`, or until this instance is fenced, which it tells.
async fn keep_anchored(
    parts: anchor::Parts,
    fenced: tokio::sync::oneshot::Sender<anchor::AnchorError>,
    stop: CancellationToken,
) {
    if let Err(why) = anchor::run(parts, stop).await {
        tracing::error!(
            error = &why as &dyn std::error::Error,
            "this instance must stop"
        );
        let _ = fenced.send(why);
    }
}

/// Finishes a change of keys that was interrupted.
async fn settle_keys(
    keyring: Arc<Keyring>,
    store: store::Store<registry::Stored>,
    cluster: String,
    stop: CancellationToken,
) {
    let settled = tokio::select! {
        () = stop.cancelled() => return,
        settled = keyring.settle(&store, &cluster) => settled,
    };
    if let Err(error) = settled {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "older key epochs could not be given up"
        );
    }
}

async fn listen(config: &Config) -> Result<TcpListener, ServerError> {
    TcpListener::bind(config.listen)
        .await
        .map_err(|source| ServerError::Listen {
            address: config.listen,
            source,
        })
}

/// Every interface says which TEE is in use; the log is one of them.
fn announce(tee: &dyn Provider) {
    let (kind, measurement) = (tee.kind(), tee.measurement());
    if tee.capabilities().hardware_rooted {
        tracing::info!(%kind, %measurement, "running in a TEE");
    } else {
        tracing::warn!(%kind, %measurement, "this TEE is SIMULATED: it proves nothing, and is for development only");
    }
}

fn tee_check(tee: &dyn Provider) -> Arc<dyn apiserver::HealthCheck> {
    let name = format!("tee-{}", tee.kind());
    if tee.kind() == Kind::Simulated {
        FnCheck::with_notice(name, "SIMULATED, proves nothing, development only", || {
            Ok(())
        })
    } else {
        FnCheck::new(name, || Ok(()))
    }
}

/// Names and addresses that the serving certificate is for.
fn names(config: &Config) -> (Vec<String>, Vec<IpAddr>) {
    let mut dns: Vec<String> = DNS_NAMES.map(str::to_owned).to_vec();
    let mut addresses = vec![IpAddr::from([127, 0, 0, 1])];
    addresses.extend(config.kubernetes_service_ip());
    if config.listen.ip().is_unspecified() {
        addresses.extend(crate::addresses::of_this_machine());
    } else {
        addresses.push(config.listen.ip());
    }
    for name in &config.advertise {
        match name.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => dns.push(name.clone()),
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    (dns, addresses)
}

fn serving_tls(config: &Config, identity: &Identity) -> Result<Arc<ServingTls>, ServerError> {
    let (dns, addresses) = names(config);
    let issued = identity.serving_certificate(dns, addresses, SystemTime::now())?;
    Ok(ServingTls::new(
        identity.chain(&issued),
        identity.tls_key(),
        vec![identity.client_authority.der().clone()],
    )?)
}

/// Renews the serving certificate when two thirds of its life are over. The key stays: it is what
/// was attested and what the chain names.
async fn renew(
    config: Config,
    identity: Arc<Identity>,
    tls: Arc<ServingTls>,
    stop: CancellationToken,
) {
    let mut wait = pki::SERVER_LIFETIME * 2 / 3;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let (dns, addresses) = names(&config);
        let renewed = identity
            .serving_certificate(dns, addresses, SystemTime::now())
            .map_err(|e| e.to_string())
            .and_then(|issued| {
                tls.replace_certificate(identity.chain(&issued), identity.tls_key())
                    .map_err(|e| e.to_string())
            });
        wait = match renewed {
            Ok(()) => pki::SERVER_LIFETIME * 2 / 3,
            Err(error) => {
                tracing::error!(error, "the serving certificate could not be renewed");
                Duration::from_secs(60)
            }
        };
    }
}

/// Whether the view has caught up with the chain (or `shutdown` came first). Before that nobody
/// could be authenticated, so the server is not ready.
async fn wait_until_synced(view: &LiveView, shutdown: &CancellationToken) -> bool {
    let mut changes = view.changes();
    while view.current().is_err() {
        tokio::select! {
            () = shutdown.cancelled() => return false,
            changed = changes.changed() => if changed.is_err() { return false },
        }
    }
    true
}

/// The controllers, until `stop`.
fn controllers(
    registry: Registry,
    config: &Config,
    identity: &Identity,
    extension_apis: controllers::ExtensionApis,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let options = controllers::Options {
        pod_cidr: config.pod_cidr,
        node_cidr_mask: config.node_cidr_mask,
        root_ca_pem: identity.server_authority.pem(),
        signers: Some(controllers::Signers {
            client: identity.client_authority.clone(),
            serving: identity.server_authority.clone(),
        }),
        extension_apis,
    };
    async move {
        if let Err(error) = controllers::run(registry, options, stop).await {
            tracing::error!(%error, "the controllers do not run");
        }
    }
}

/// The scheduler, until `stop`.
async fn schedule(registry: Registry, stop: CancellationToken) {
    if let Err(error) = scheduler::run(registry, stop).await {
        tracing::error!(%error, "the scheduler does not run");
    }
}
