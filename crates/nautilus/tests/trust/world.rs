//! A ledger with a cluster, and control planes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attested::Connection;
use chain::calls::{self, Approval};
use chain::keystore::Key;
use chain::objects::{Anchor, TeeKind, Tier};
use chain::{Address, Client, Deployment};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use ledger::{GenesisOptions, Handle, LedgerConfig};
use nautilus::{Config, ServerError};
use seal::wire::{Der, LoginRequest, LoginResponse, USER_LOGIN};
use seal::{ObjectId, UserLogin};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tee::{Provider as _, Simulated};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const SUI: u64 = 1_000_000_000;
/// For anything that has to happen at all, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) directory: TempDir,
    _ledger: Handle,
    stop_ledger: CancellationToken,
    pub(crate) chain: Client,
    pub(crate) deployment: Deployment,
    pub(crate) operator: Key,
    stake: tokio::sync::OnceCell<Address>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_ledger.cancel();
    }
}

/// A control plane that was started.
pub(crate) struct Instance {
    pub(crate) address: String,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServerError>>,
    ready: Option<oneshot::Receiver<()>>,
}

impl Instance {
    /// Waits until it serves.
    pub(crate) async fn ready(mut self) -> Self {
        let ready = self.ready.take().unwrap();
        match tokio::time::timeout(SOON, ready).await {
            Ok(Ok(())) => self,
            Ok(Err(_)) => panic!("it did not start: {:?}", self.task.await.unwrap()),
            Err(_) => panic!("it is not ready in time"),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for its end, which must be an error.
    pub(crate) async fn refused(self) -> ServerError {
        let ended = tokio::time::timeout(SOON, self.task).await;
        ended.expect("it goes on").unwrap().unwrap_err()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

impl World {
    /// A ledger, and a cluster that allows the first build.
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let operator = Key::generate().unwrap();
        let funds = vec![(operator.address(), 10_000 * SUI)];
        let genesis = GenesisOptions::development(operator.address(), funds);
        let ledger_dir = directory.path().join("ledger");
        let mut config = LedgerConfig::new(ledger_dir.clone(), genesis);
        config.listen = "127.0.0.1:0".parse().unwrap();
        let stop_ledger = CancellationToken::new();
        let ledger = ledger::serve(config, stop_ledger.clone()).await.unwrap();
        let chain = Client::connect(&ledger.url()).await.unwrap();
        let deployment = Deployment::load(&ledger_dir.join("deployment.json")).unwrap();
        let mut world = Self {
            directory,
            _ledger: ledger,
            stop_ledger,
            chain,
            deployment,
            operator,
            stake: tokio::sync::OnceCell::new(),
        };
        let first = world.tee("a", "device");
        let approval = approval(&first);
        let call = calls::create_cluster(&world.deployment, "trust", vec![approval]);
        let made = world.chain.submit(&world.operator, &call).await.unwrap();
        world.deployment.cluster = Some(made.created("enclave_registry::Cluster").unwrap());
        world.deployment.cluster_cap = Some(made.created("enclave_registry::ClusterCap").unwrap());
        world.deployment.save(&world.deployment_file()).unwrap();
        world
    }

    fn deployment_file(&self) -> PathBuf {
        self.directory.path().join("deployment.json")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn cluster(&self) -> Address {
        self.deployment.cluster().unwrap()
    }

    /// The simulated TEE of a device that runs a build.
    pub(crate) fn tee(&self, build: &str, device: &str) -> Arc<Simulated> {
        let binary = self.path(&format!("build-{build}"));
        std::fs::write(&binary, build).unwrap();
        let device = self.path(&format!("{device}.key"));
        Arc::new(Simulated::open_as(&device, &binary).unwrap())
    }

    /// A configuration on a data directory, and where it will listen.
    pub(crate) fn keys(&self, data: &str) -> (Value, String) {
        let port = {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            socket.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let keys = json!({
            "dataDir": self.path(data),
            "listen": address,
            "chainUrl": self.chain.url(),
            "deployment": self.deployment_file(),
            "tee": "simulated",
            "simulatedTeeDir": self.path("tee"),
            // Anchored when a test says so.
            "anchorIntervalSeconds": 3600,
        });
        (keys, address)
    }

    /// Starts a control plane on a data directory.
    pub(crate) fn start(&self, data: &str, tee: &Arc<Simulated>, more: Value) -> Instance {
        let (mut keys, address) = self.keys(data);
        for (key, value) in more.as_object().unwrap() {
            keys[key] = value.clone();
        }
        let config: Config = serde_json::from_value(keys).unwrap();
        let stop = CancellationToken::new();
        let (tell, ready) = oneshot::channel();
        let running = nautilus::run_in(config, tee.clone(), stop.clone(), move || {
            let _ = tell.send(());
        });
        Instance {
            address,
            stop,
            task: tokio::spawn(running),
            ready: Some(ready),
        }
    }

    /// Verifies and registers an instance.
    pub(crate) async fn enroll(&self, instance: &Instance) -> nautilus::wire::Instance {
        self.enroll_at(&instance.address).await
    }

    pub(crate) async fn enroll_at(&self, address: &str) -> nautilus::wire::Instance {
        let url = format!("https://{address}");
        nautilus::enroll(&self.chain, &self.deployment, &self.operator, address, &url)
            .await
            .unwrap()
    }

    /// Whether a control plane there proves what it is, and has seen the chain.
    pub(crate) async fn answers(&self, address: &str) -> bool {
        let expected = nautilus::expectation(&self.chain, &self.deployment, false)
            .await
            .unwrap();
        Connection::open(address, &expected).await.is_ok()
    }

    pub(crate) async fn approve(&self, tee: &Simulated) {
        let cap = self.deployment.cluster_cap.unwrap();
        let call = calls::approve_measurement(&self.deployment, cap, self.cluster(), approval(tee));
        self.chain.submit(&self.operator, &call).await.unwrap();
    }

    pub(crate) async fn retire(&self, tee: &Simulated) {
        let cap = self.deployment.cluster_cap.unwrap();
        let call = calls::retire_measurement(
            &self.deployment,
            cap,
            self.cluster(),
            TeeKind::Simulated,
            tee.measurement().as_bytes(),
        );
        self.chain.submit(&self.operator, &call).await.unwrap();
    }

    pub(crate) async fn anchor(&self) -> Option<Anchor> {
        self.chain
            .latest_anchor(&self.deployment, self.cluster())
            .await
            .unwrap()
    }

    /// A connection whose other end was verified.
    pub(crate) async fn attested(&self, address: &str) -> Connection {
        let expected = nautilus::expectation(&self.chain, &self.deployment, false)
            .await
            .unwrap();
        Connection::open(address, &expected).await.unwrap()
    }

    /// An administrator: stakes at the first time, logs in.
    pub(crate) async fn admin(&self, instance: &Instance) -> Admin {
        self.admin_at(&instance.address).await
    }

    pub(crate) async fn admin_at(&self, address: &str) -> Admin {
        let stake = self.stake.get_or_init(async || {
            let pool = self.chain.pool(&self.deployment).await.unwrap();
            let minimum = pool.tier(Tier::Admin).unwrap().minimum;
            let call = calls::stake(&self.deployment, Tier::Admin, minimum);
            let made = self.chain.submit(&self.operator, &call).await.unwrap();
            made.created("staking::Stake").unwrap()
        });
        let stake = *stake.await;
        let mut connection = self.attested(address).await;
        let key = pki::KeyPair::generate().unwrap();
        let csr = Der::new(key.request().unwrap().as_ref());
        let login = UserLogin {
            cluster: ObjectId(self.cluster().into_inner()),
            address: ObjectId(self.operator.address().into_inner()),
            stake: ObjectId(stake.into_inner()),
            challenge: connection.challenge(),
            channel: connection.channel(),
            csr: csr.digest(),
        };
        let signature = self.operator.sign_personal_message(&login.message());
        let request = LoginRequest {
            login,
            csr,
            signature: signature.unwrap().to_base64(),
        };
        let body = Zeroizing::new(serde_json::to_vec(&request).unwrap());
        let login: LoginResponse = connection.post(USER_LOGIN, body).await.unwrap();
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let kubeconfig: Kubeconfig = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": {
                "server": format!("https://{address}"),
                "certificate-authority-data": STANDARD.encode(&login.server_ca),
            }}],
            "users": [{ "name": "u", "user": {
                "client-certificate-data": STANDARD.encode(&login.certificate),
                "client-key-data": STANDARD.encode(pki::pem_private_key(&key).as_bytes()),
            }}],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" }}],
        }))
        .unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        Admin {
            client: kube::Client::try_from(config).unwrap(),
        }
    }
}

fn approval(tee: &Simulated) -> Approval {
    Approval {
        kind: TeeKind::Simulated,
        measurement: tee.measurement().as_bytes().to_vec(),
        source: "a test".to_owned(),
        active_at_ms: 0,
    }
}

/// An administrator's client.
pub(crate) struct Admin {
    pub(crate) client: kube::Client,
}

impl Admin {
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> T {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&body).unwrap())
            .unwrap();
        let answer = self.client.request_text(request).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn put(&self, name: &str, value: &str) {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": name }, "stringData": { "value": value },
        }))
        .unwrap();
        self.secrets()
            .create(&kube::api::PostParams::default(), &secret)
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, name: &str) -> String {
        let secret = self.secrets().get(name).await.unwrap();
        String::from_utf8(secret.data.unwrap()["value"].0.clone()).unwrap()
    }
}

/// A copy of a data directory, as a host takes it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
