//! The steps of `up`, in order. Each is safe to repeat: started again on the same data directory
//! it finds what is there.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chain::{Client, Deployment};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::runtime::wait::await_condition;
use serde::Serialize;
use serde_json::json;

use super::kubeconfig::Kubeconfig;
use super::layout::Layout;
use super::operator::Operator;
use super::supervisor::Supervisor;
use super::system::System;
use super::{images, preflight, sample, worker_files};
use crate::cli::UpArgs;
use crate::progress::Progress;
use crate::render;

/// Where the embedded ledger says where the contracts are, below its directory.
/// An epoch of the embedded ledger.
const EPOCH: Duration = Duration::from_secs(60);
/// The longest time that a change stays without an anchor.
const ANCHOR_INTERVAL: Duration = Duration::from_secs(15);
/// What the operator and each worker have at genesis, in MIST.
const FUNDS: u64 = 10_000 * 1_000_000_000;
/// Longest wait for a node to be Ready, and for the sample's pods.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Longest wait for a pod to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What `up` does for as long as it runs: it keeps the kubeconfig's certificate fresh.
pub(crate) struct Keep {
    kubeconfig: Kubeconfig,
    good_for: Duration,
}

impl Keep {
    /// Renews the kubeconfig until the process is asked to stop.
    ///
    /// # Errors
    /// None that ends it: a renewal that fails is logged and tried again.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        self.kubeconfig.keep_fresh(self.good_for).await
    }
}

/// Brings everything up.
///
/// # Errors
/// The first step that fails; it has been shown.
pub(crate) async fn run(
    args: &UpArgs,
    layout: &Layout,
    supervisor: &mut Supervisor,
    progress: &mut Progress,
) -> anyhow::Result<Keep> {
    let workers = usize::from(args.workers);
    let system = System {
        api_listen: args.api_listen,
        ledger_listen: args.ledger_listen,
        workers,
        node_api_port: args.node_api_port,
    };

    let step = progress.step("Machine");
    let checked = prepare(layout, &system)
        .map(|operator| (operator, format!("data in {}", layout.root().display())));
    let operator = step.end(checked)?;

    let mut step = progress.step("Ledger");
    let ledger = start_ledger(layout, &system, &operator, supervisor, |s| step.doing(s)).await;
    let (chain, published) = step.end(ledger.map(|(chain, published)| {
        let text = format!("Sui gRPC on {}, contracts published", system.ledger_listen);
        ((chain, published), text)
    }))?;

    let step = progress.step("Cluster");
    let measurement = tee::Simulated::measure(Path::new("/proc/self/exe"))?;
    let cluster = operator
        .cluster(&chain, published, measurement.as_bytes())
        .await;
    let deployment = step.end(cluster.and_then(|deployment| {
        let id = deployment.cluster()?;
        let text = format!(
            "{} on the chain, this build's measurement allowed",
            short(&id)
        );
        Ok((deployment, text))
    }))?;

    let mut step = progress.step("Control plane");
    let server = start_server(layout, &system, &operator, supervisor, |s| step.doing(s)).await;
    step.end(server.map(|()| ((), format!("Kubernetes API on {}", system.api_listen))))?;
    progress.note("  ⚠ its TEE is `simulated`: it proves nothing, and is for development only");

    let step = progress.step("Administrator");
    let admin = administrator(layout, &system, &operator, &chain, &deployment).await;
    let (kubeconfig, good_for) = step.end(admin.map(|kubeconfig| {
        let text = format!("staked, {} written", layout.kubeconfig().display());
        (kubeconfig, text)
    }))?;
    let client = kubeconfig.client().await?;

    for number in 0..workers {
        let mut step = progress.step(format!("Worker {number}"));
        let joined = start_worker(
            layout,
            &system,
            &operator,
            supervisor,
            number,
            &client,
            |s| {
                step.doing(s);
            },
        )
        .await;
        step.end(joined.map(|text| ((), text)))?;
    }

    if !args.no_sample {
        run_sample(layout, &client, progress).await?;
    }
    progress.ready(next(layout));
    Ok(Keep {
        kubeconfig,
        good_for,
    })
}

/// Ends what workers left on the machine once their processes are gone.
///
/// # Errors
/// What could not be removed.
pub(crate) async fn clean(layout: &Layout) -> anyhow::Result<()> {
    for (number, config) in worker_files::existing(layout)? {
        worker::cleanup(&config)
            .await
            .with_context(|| format!("worker-{number} could not be cleaned up"))?;
    }
    Ok(())
}

fn prepare(layout: &Layout, system: &System) -> anyhow::Result<Operator> {
    preflight::port(system.ledger_listen, "the ledger", "ledger-listen")?;
    preflight::port(system.api_listen, "the Kubernetes API", "api-listen")?;
    for number in 0..system.workers {
        let address = SocketAddr::from(([0, 0, 0, 0], system.node_api_port(number)?));
        preflight::port(address, "a worker's node API", "node-api-port")?;
    }
    let operator = Operator::open(layout.operator())?;
    system.save(layout)?;
    for number in 0..system.workers {
        worker_files::prepare(layout, number)?;
    }
    Ok(operator)
}

async fn start_ledger(
    layout: &Layout,
    system: &System,
    operator: &Operator,
    supervisor: &mut Supervisor,
    say: impl FnMut(&str),
) -> anyhow::Result<(Client, Deployment)> {
    let mut funded = vec![operator.key()?.address()];
    for number in 0..system.workers {
        funded.push(worker_files::key_address(layout, number)?);
    }
    let funds: Vec<_> = funded
        .iter()
        .map(|address| json!({ "address": address, "mist": FUNDS }))
        .collect();
    write_config(
        &layout.config("ledger"),
        &json!({
            "dataDir": layout.ledger(),
            "listen": system.ledger_listen,
            "epochSeconds": EPOCH.as_secs(),
            "funds": funds,
        }),
    )?;
    let args = role("ledger", &layout.config("ledger"));
    supervisor.start("ledger", args, None).ready(say).await?;
    let chain = Client::connect(&system.ledger_url()).await?;
    let published = operator.publish(&chain).await?;
    Ok((chain, published))
}

async fn start_server(
    layout: &Layout,
    system: &System,
    operator: &Operator,
    supervisor: &mut Supervisor,
    say: impl FnMut(&str),
) -> anyhow::Result<()> {
    write_config(
        &layout.config("server"),
        &json!({
            "dataDir": layout.server(),
            "listen": system.api_listen,
            "chainUrl": system.ledger_url(),
            "deployment": operator.deployment_file(),
            "tee": "simulated",
            "simulatedTeeDir": layout.simulated_tee(),
            // Another build on the same directory goes on with it.
            "keyCache": "device",
            "anchorIntervalSeconds": ANCHOR_INTERVAL.as_secs(),
        }),
    )?;
    let args = role("server", &layout.config("server"));
    supervisor.start("server", args, None).ready(say).await
}

async fn administrator(
    layout: &Layout,
    system: &System,
    operator: &Operator,
    chain: &Client,
    deployment: &Deployment,
) -> anyhow::Result<(Kubeconfig, Duration)> {
    // What the chain is told of the control plane is what its verified evidence says.
    let address = system.api_address().to_string();
    nautilus::enroll(
        chain,
        deployment,
        operator.key()?,
        &address,
        &system.api_url(),
    )
    .await?;
    let stake = operator.admin_stake(chain, deployment).await?;
    let kubeconfig = Kubeconfig::new(
        system,
        operator.keystore_file(),
        layout.kubeconfig(),
        chain.clone(),
        deployment.clone(),
        stake,
    );
    let good_for = kubeconfig.write().await?;
    Ok((kubeconfig, good_for))
}

async fn start_worker(
    layout: &Layout,
    system: &System,
    operator: &Operator,
    supervisor: &mut Supervisor,
    number: usize,
    client: &kube::Client,
    mut say: impl FnMut(&str),
) -> anyhow::Result<String> {
    let name = format!("worker-{number}");
    let config = worker_files::config(layout, number, system, &operator.deployment_file())?;
    write_config(&layout.config(&name), &config)?;
    let args = role("worker", &layout.config(&name));
    let stake_gone = worker::WorkerError::StakeGone(String::new()).exit_code();
    supervisor
        .start(&name, args, Some(stake_gone))
        .ready(&mut say)
        .await?;
    say("waiting for the node to be Ready");
    let node = worker_files::node_name(number);
    let nodes = Api::<Node>::all(client.clone());
    let ready = await_condition(nodes, &node, |node: Option<&Node>| {
        node.is_some_and(|n| {
            let conditions = n.status.iter().flat_map(|s| s.conditions.iter().flatten());
            conditions
                .into_iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        })
    });
    tokio::time::timeout(READY_WITHIN, ready)
        .await
        .with_context(|| {
            format!(
                "node {node} was not Ready within {} s (log: {})",
                READY_WITHIN.as_secs(),
                layout.log(&name).display()
            )
        })??;
    Ok(format!(
        "node {node} is Ready, {} staked",
        render::sui(worker_files::STAKE)
    ))
}

async fn run_sample(
    layout: &Layout,
    client: &kube::Client,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let step = progress.step("Sample image");
    let imported = images::import_sample(layout).await;
    step.end(imported.map(|()| ((), format!("{} made from this binary", sample::IMAGE))))?;

    let mut step = progress.step("Sample workload");
    let ready = async {
        sample::apply(client).await?;
        sample::wait_ready(client, READY_WITHIN, |s| step.doing(s)).await
    }
    .await;
    let pods = step.end(ready.map(|pods| {
        let text = format!(
            "{} pods of Deployment {} are Ready",
            pods.len(),
            sample::NAME
        );
        (pods, text)
    }))?;
    for (pod, address) in pods {
        let step = progress.step(format!("Ask {pod}"));
        let answer = sample::fetch(&address, ANSWER_WITHIN).await;
        step.end(answer.map(|text| ((), text)))?;
    }
    Ok(())
}

fn role(name: &str, config: &Path) -> Vec<OsString> {
    vec![name.into(), "--config".into(), config.into()]
}

fn write_config(path: &Path, config: &impl Serialize) -> anyhow::Result<()> {
    let mut text = String::from("# Written by `daas up`; it is written again each time.\n");
    text.push_str(&serde_saphyr::to_string(config)?);
    fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))
}

fn short(id: &chain::Address) -> String {
    let text = id.to_string();
    text.get(..10)
        .map_or(text.clone(), |head| format!("{head}…"))
}

fn next(layout: &Layout) -> String {
    let data = layout.root().display();
    [
        "Try next:".to_owned(),
        format!("  export KUBECONFIG={}", layout.kubeconfig().display()),
        "  kubectl get nodes,pods -A".to_owned(),
        format!("  kubectl create deployment web --image={} --replicas=3", sample::IMAGE),
        format!("  kubectl logs deployment/{}", sample::NAME),
        format!("  daas status --data-dir {data}"),
        format!("  daas unstake --data-dir {data}    # its node has no pods and no rights within seconds"),
        format!("  daas down --data-dir {data}"),
    ]
    .join("\n")
}
