//! The whole life of a worker, one phase after the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::cluster_api::KubeClusterApi;
use agent::native::NativeAgent;
use agent::{AgentConfig, AgentError, AgentKind, NodeAgent as _};
use arc_swap::ArcSwap;
use chain::keystore::Keystore;
use chain::stream::Cursor;
use chain::{ChainError, Client, ClientOptions, Deployment};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::cleanup::remove_everything;
use crate::control_plane::{Applicant, Terms, read_trust, verify};
use crate::credentials::{Credentials, Serving};
use crate::error::line;
use crate::keys::{SecretFile, node_key};
use crate::node::{End, Node, attested_condition};
use crate::retry::{Ended, Patience};
use crate::runtime::{Runtime, cni_conf_dir, import_pause_image};
use crate::stake::{Staked, Staking};
use crate::state::StateFile;
use crate::{Config, InvalidConfig, Phase, Progress, WorkerError, files};

/// Runs a worker until `shutdown` is cancelled (then its pods go on, and another `run` adopts them), or until it can't go
/// on.
///
/// What can be wrong on this machine is looked at before anything is paid for: configuration, keys, the port, the
/// container runtime.
///
/// # Errors
/// [`WorkerError`]; [`WorkerError::StakeGone`] once the right to be in the cluster is gone and everything of the tenants
/// was removed.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    progress: Progress,
) -> Result<(), WorkerError> {
    config.validate()?;
    let config = config.absolute()?;
    if config.agent != AgentKind::Native {
        return Err(AgentError::NotSupported(config.agent).into());
    }
    let id = config
        .node_name
        .parse()
        .map_err(|error: seal::InvalidNodeId| InvalidConfig {
            key: "nodeName",
            why: error.to_string(),
        })?;
    let deployment = Deployment::load(&config.deployment)?;
    let cluster = deployment.cluster()?;
    let keystore = Keystore::load(&config.keystore_path()).map_err(ChainError::from)?;
    let key = keystore
        .choose(config.address.as_ref())
        .map_err(ChainError::from)?
        .clone();
    files::private_dir(&config.data_dir)?;
    let _lock = lock(&config.data_dir)?;
    let key_of_node = node_key(&config.node_key_path())?;
    let mut state = StateFile::open(config.state_path(), &config.node_name, cluster)?;
    let client = Client::new(&config.chain_url, ClientOptions::default())?;
    let node_api = listen(&config).await?;

    let staking = Staking {
        client,
        deployment,
        key,
        node: id,
        node_key: key_of_node,
        secret: SecretFile::new(&config.data_dir),
        amount: config.stake,
        token_ttl: config.token_ttl(),
    };
    if state.get().phase == Phase::Draining {
        // It was killed while it drained.
        progress.doing("removing what tenants left");
        remove_everything(&config).await?;
        state.phase(Phase::Unstaked)?;
    }
    staking.refuse_if_unstaked(&state).await?;

    progress.doing("starting the container runtime");
    let runtime = Runtime::start(&config).await?;
    let patience = Patience::new(
        Duration::from_secs(config.start_timeout_seconds),
        shutdown.clone(),
        progress.clone(),
    );
    let entering = async {
        progress.doing("importing the sandbox image");
        import_pause_image(&config).await?;
        enter(&config, staking, &mut state, &patience).await
    };
    let outcome = match entering.await {
        Ok(entered) => {
            progress.ready();
            live(config.clone(), entered, state, node_api, &shutdown).await
        }
        Err(Ended::Stopped) => Ok(End::Stopped),
        Err(Ended::Failed(error)) => Err(error),
    };
    match outcome {
        Ok(End::Stopped) => {
            runtime.stop().await;
            Ok(())
        }
        Ok(End::Lost(reason)) => {
            runtime.remove(&config).await?;
            StateFile::open(config.state_path(), &config.node_name, cluster)?
                .phase(Phase::Unstaked)?;
            tracing::info!("nothing of the tenants is left on this machine");
            Err(WorkerError::StakeGone(reason))
        }
        Err(error) => {
            runtime.stop().await;
            Err(error)
        }
    }
}

/// What entering the cluster gives.
pub(crate) struct Entered {
    staking: Staking,
    staked: Staked,
    credentials: Credentials,
    condition: agent::NodeCondition,
    address: IpAddr,
    pub(crate) cursor: Cursor,
}

/// Stakes, verifies the control plane, joins.
pub(crate) async fn enter(
    config: &Config,
    staking: Staking,
    state: &mut StateFile,
    patience: &Patience,
) -> Result<Entered, Ended> {
    let progress = patience.progress();
    progress.doing("connecting to the chain");
    let (client, deployment) = (&staking.client, &staking.deployment);
    patience
        .run("connecting to the chain", || async {
            Ok(client.verify(deployment).await?)
        })
        .await?;
    // Events from before the stake is looked at: none about it is missed.
    let tip = patience
        .run("connecting to the chain", || async {
            Ok(client.latest_checkpoint().await?)
        })
        .await?;

    progress.doing("staking");
    let state = Mutex::new(state);
    let staked = patience
        .run("staking", || async {
            staking.ensure(&mut **state.lock().await).await
        })
        .await?;
    let state = state.into_inner();
    tracing::info!(stake = %staked.stake, token = %staked.token, expires_at_ms = staked.token_expires_at_ms, "staked");

    progress.doing("verifying the control plane");
    let terms = Terms::of(config);
    let entered = patience
        .run("joining", || async {
            let trust = read_trust(client, deployment, terms).await?;
            let verified = verify(&trust).await?;
            let address = config
                .node_ip
                .unwrap_or_else(|| node_address(&verified.address));
            let condition = attested_condition(verified.claims());
            let applicant = Applicant {
                node: &staking.node,
                key: &staking.node_key,
                addresses: vec![address],
            };
            progress.doing("joining the cluster");
            verified.confirm(&read_trust(client, deployment, terms).await?)?;
            let credentials = verified.join(&trust, &applicant, &staked).await?;
            Ok((credentials, condition, address))
        })
        .await?;
    let (credentials, condition, address) = entered;
    state.phase(Phase::ControlPlaneVerified)?;
    state.phase(Phase::Joined)?;
    tracing::info!(control_plane = credentials.address(), "joined");
    Ok(Entered {
        cursor: Cursor::end_of(tip),
        staking,
        staked,
        credentials,
        condition,
        address,
    })
}

/// Runs the node, and removes what its agent made if the right is gone.
async fn live(
    config: Config,
    entered: Entered,
    mut state: StateFile,
    node_api: Option<TcpListener>,
    shutdown: &CancellationToken,
) -> Result<End, WorkerError> {
    state.phase(Phase::Running)?;
    let cursor = entered.cursor;
    let node = Arc::new(entered.node(config, state)?);
    let end = node.run(cursor, node_api, shutdown).await;
    if matches!(end, End::Lost(_)) {
        node.state.lock().await.phase(Phase::Draining)?;
        if let Err(error) = node.agent().stop_all().await {
            // What the agent can't end goes with the private runtime; the caller sees to that.
            tracing::error!(
                error = line(&error),
                "not everything could be ended in an orderly way"
            );
        }
        node.staking.retire(node.staked.token).await;
    }
    Ok(end)
}

impl Entered {
    /// The node that runs with it.
    pub(crate) fn node(self, config: Config, state: StateFile) -> Result<Node, WorkerError> {
        let api = KubeClusterApi::new(self.credentials.kube_client()?);
        let mut agent_config = agent_config(&config, self.address);
        agent_config.api_endpoint = host_and_port(self.credentials.address());
        agent_config.conditions = vec![self.condition];
        agent_config.annotations = BTreeMap::from([
            (
                "daas.io/seal-token".to_owned(),
                self.staked.token.to_string(),
            ),
            ("daas.io/stake".to_owned(), self.staked.stake.to_string()),
        ]);
        let agent = NativeAgent::new(agent_config.clone(), Arc::new(api.clone()))?;
        Ok(Node {
            id: self.staking.node.clone(),
            key: self.staking.node_key.clone(),
            addresses: vec![self.address],
            staking: self.staking,
            staked: self.staked,
            state: Mutex::new(state),
            serving: Arc::new(Serving::new(self.credentials.serving())),
            credentials: ArcSwap::from_pointee(self.credentials),
            api,
            agents: watch::Sender::new(agent),
            agent_config,
            lost: watch::Sender::new(None),
            backed: watch::Sender::new(true),
            renew_now: Notify::new(),
            config,
        })
    }
}

/// The agent's configuration, as far as this one says it.
pub(crate) fn agent_config(config: &Config, address: IpAddr) -> AgentConfig {
    let mut agent = AgentConfig::new(
        &config.node_name,
        config.agent_dir(),
        config.runtime_socket(),
        address,
    );
    agent.cni_conf_dir = cni_conf_dir(config);
    agent.cni_bin_dir.clone_from(&config.cni_bin_dir);
    agent.node_api_port = config.node_api_port;
    agent.pause_image.clone_from(&config.pause_image);
    agent.cluster_dns.clone_from(&config.cluster_dns);
    agent.max_pods = config.max_pods;
    agent.eviction_hard.clone_from(&config.eviction_hard);
    agent.labels.clone_from(&config.labels);
    agent
}

/// One worker for each data directory. The lock ends with the process, however it ends.
pub(crate) fn lock(directory: &Path) -> Result<Flock<OwnedFd>, WorkerError> {
    let path = directory.join("lock");
    let failed = |source| WorkerError::File {
        what: "the lock",
        path: path.clone(),
        action: "written",
        source,
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    Flock::lock(OwnedFd::from(file), FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == nix::errno::Errno::EWOULDBLOCK {
            WorkerError::InUse(directory.to_owned())
        } else {
            failed(errno.into())
        }
    })
}

async fn listen(config: &Config) -> Result<Option<TcpListener>, WorkerError> {
    let port = config.node_api_port;
    if port == 0 {
        return Ok(None);
    }
    let address = SocketAddr::from((config.node_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(WorkerError::NodeApi { port, source }),
    }
}

/// The address of the route to `target`; where that is the loopback, the address of the default route. Nothing is sent.
fn node_address(target: &str) -> IpAddr {
    let route = |to: &str| -> Option<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect(to).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    };
    // RFC 5737's documentation addresses are behind the default route.
    route(target)
        .or_else(|| route("192.0.2.1:9"))
        .unwrap_or(Ipv4Addr::LOCALHOST.into())
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}
