//! The server of a kubeconfig.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::Empty;
use kube::client::ConfigExt;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rustls_pki_types::ServerName;
use tower::{BoxError, Layer, ServiceExt};

use crate::BenchError;

/// A server, and what it is to be asked with.
pub struct Target {
    pub(crate) host: String,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) name: ServerName<'static>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) authority: String,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Target {
    /// Reads a kubeconfig (`None`: the usual places) and resolves the server. A server that is not on this machine
    /// is refused unless `anywhere`.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, and [`BenchError::NotLocal`].
    pub async fn open(
        path: Option<&Path>,
        context: Option<&str>,
        anywhere: bool,
    ) -> Result<Self, BenchError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BenchError::Kubeconfig {
            path: path.map_or_else(|| "~/.kube/config".into(), Path::to_path_buf),
            source,
        };
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let config = match path {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|e| failed(e.into()))?;
                Config::from_custom_kubeconfig(file, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        }
        .map_err(|e| failed(e.into()))?;
        if config.proxy_url.is_some() {
            let text = "a proxy in the kubeconfig is not supported: it would be measured too";
            return Err(BenchError::Unsupported(text.to_owned()));
        }
        let (host, port) = host_and_port(&config.cluster_url)?;
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(|e| failed(e.into()))?
            .collect();
        if let Some(far) = addresses.iter().find(|a| !a.ip().is_loopback())
            && !anywhere
        {
            return Err(BenchError::NotLocal {
                host,
                address: far.ip(),
            });
        }
        let name = config
            .tls_server_name
            .clone()
            .unwrap_or_else(|| host.clone());
        let name = ServerName::try_from(name).map_err(|e| failed(e.into()))?;
        // Only fails when one is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut tls = config
            .rustls_client_config()
            .map_err(|e| failed(e.into()))?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            authority: format!("{}:{port}", bracketed(&host)),
            host: format!("{host}:{port}"),
            addresses,
            name,
            tls: Arc::new(tls),
            authorization: authorization(&config).await.map_err(failed)?,
        })
    }
}

fn host_and_port(url: &Uri) -> Result<(String, u16), BenchError> {
    let prefixed = !matches!(url.path(), "" | "/");
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(host)) if !prefixed => Ok((
            host.trim_matches(['[', ']']).to_owned(),
            url.port_u16().unwrap_or(443),
        )),
        _ => Err(BenchError::Unsupported(format!(
            "the server {url} is not supported: https://host:port is"
        ))),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// The header that the kubeconfig's credential gives; none for a certificate.
async fn authorization(config: &Config) -> Result<Option<HeaderValue>, BoxError> {
    let Some(layer) = config.auth_layer()? else {
        return Ok(None);
    };
    // The header is put on one request that goes nowhere, and handed back.
    let seen = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
        let mut response = Response::new(Empty::<Bytes>::new());
        std::mem::swap(response.headers_mut(), &mut request.into_parts().0.headers);
        Ok::<_, BoxError>(response)
    });
    let request = Request::new(Empty::new());
    let response = layer.layer(seen).oneshot(request).await?;
    Ok(response.headers().get(AUTHORIZATION).cloned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_unless_meant() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kubeconfig");
        let write = |server: &str| {
            let config = serde_json::json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
                "users": [{"name": "x", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            });
            std::fs::write(&file, config.to_string()).unwrap();
        };
        write("https://192.0.2.1:6443");
        let refused = Target::open(Some(&file), None, false).await.err().unwrap();
        assert!(matches!(refused, BenchError::NotLocal { .. }), "{refused}");
        assert!(refused.to_string().contains("--yes"));
        assert!(Target::open(Some(&file), None, true).await.is_ok());
        write("https://[::1]:6443");
        let target = Target::open(Some(&file), None, false).await.unwrap();
        assert_eq!(target.authority, "[::1]:6443");
        assert_eq!(target.authorization.unwrap(), "Bearer t");
        write("http://127.0.0.1:8001");
        assert!(Target::open(Some(&file), None, false).await.is_err());
    }
}
