//! Requests to a control plane's own operations, as its administrator.

use std::path::PathBuf;

use anyhow::Context;
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chain_args::ChainArgs;

/// As whom, and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AdminArgs {
    /// An administrator's kubeconfig [default: the system's, under --data-dir]
    #[arg(long, env = "DAAS_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
}

impl AdminArgs {
    /// Sends a JSON body and reads the JSON answer.
    ///
    /// # Errors
    /// The control plane's reason, or that of the connection.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        chain: &ChainArgs,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let file = match &self.kubeconfig {
            Some(file) => file.clone(),
            None => chain.layout()?.kubeconfig(),
        };
        let read = Kubeconfig::read_from(&file)
            .with_context(|| format!("{}: no kubeconfig", file.display()))?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(read, &options).await?;
        let client = kube::Client::try_from(config)?;
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body)?)?;
        let answer = client
            .request_text(request)
            .await
            .with_context(|| format!("the control plane of {}", file.display()))?;
        serde_json::from_str(&answer).context("the answer is not understood")
    }
}
