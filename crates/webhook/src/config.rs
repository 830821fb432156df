//! Where a webhook is and whom it is trusted to be: `clientConfig`.
//!
//! upstream: k8s.io/api/admissionregistration/v1#WebhookClientConfig, apiextensions/v1#WebhookClientConfig (the same fields)

use base64::Engine as _;
use http::Uri;
use serde_json::Value;

use crate::tls::{TlsSetupError, Trust};

/// Port of a Service that names none.
const DEFAULT_PORT: u16 = 443;

/// A `clientConfig` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither `url` nor `service`, or both.
    #[error("webhook configuration must have either service or URL")]
    Neither,
    /// The URL is none, or not of `https`.
    #[error("Unparsable webhook URL: {0}")]
    Url(String),
    /// The bundle is not base64 of PEM certificates.
    #[error("unable to load root certificates: {0}")]
    Bundle(#[from] TlsSetupError),
    /// The bundle is not base64.
    #[error("unable to load root certificates: the bundle is not base64")]
    Base64,
}

/// Where a backend is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Connected to from this machine.
    Url {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Path with its leading slash; may have a query.
        path: String,
    },
    /// One of the endpoints of a Service.
    Service {
        /// The Service's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
        /// Path with its leading slash.
        path: String,
    },
}

impl Target {
    /// The name that the certificate is verified for.
    pub fn server_name(&self) -> String {
        match self {
            Target::Url { host, .. } => host.trim_matches(['[', ']']).to_owned(),
            Target::Service {
                namespace, name, ..
            } => format!("{name}.{namespace}.svc"),
        }
    }

    /// `host:port` as it stands in the URL.
    pub fn authority(&self) -> String {
        match self {
            Target::Url { host, port, .. } if *port == 443 => host.clone(),
            Target::Url { host, port, .. } => format!("{host}:{port}"),
            Target::Service { port, .. } => format!("{}:{port}", self.server_name()),
        }
    }

    /// The path.
    pub fn path(&self) -> &str {
        match self {
            Target::Url { path, .. } | Target::Service { path, .. } => path,
        }
    }
}

/// A parsed `clientConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where.
    pub target: Target,
    /// Whom.
    pub trust: Trust,
}

impl ClientConfig {
    /// Reads a `clientConfig` as the API stores it.
    ///
    /// # Errors
    /// [`ConfigError`], with upstream's text.
    pub fn parse(config: &Value) -> Result<Self, ConfigError> {
        let text = |v: &Value, name: &str| {
            v.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let trust = bundle(&text(config, "caBundle"))?;
        let url = text(config, "url");
        let service = config.get("service").filter(|s| s.is_object());
        let target = match service {
            Some(_) if !url.is_empty() => return Err(ConfigError::Neither),
            Some(service) => {
                let path = text(service, "path");
                Target::Service {
                    namespace: text(service, "namespace"),
                    name: text(service, "name"),
                    port: service
                        .get("port")
                        .and_then(Value::as_u64)
                        .and_then(|p| u16::try_from(p).ok())
                        .unwrap_or(DEFAULT_PORT),
                    path: format!("/{}", path.trim_start_matches('/')),
                }
            }
            None if url.is_empty() => return Err(ConfigError::Neither),
            None => target_of(&url)?,
        };
        Ok(Self { target, trust })
    }
}

/// The trust that a base64 bundle gives; an empty one is the system's.
pub(crate) fn bundle(text: &str) -> Result<Trust, ConfigError> {
    if text.is_empty() {
        return Ok(Trust::System);
    }
    let pem = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| ConfigError::Base64)?;
    Ok(Trust::from_pem(&pem)?)
}

fn target_of(url: &str) -> Result<Target, ConfigError> {
    let bad = |why: &str| ConfigError::Url(format!("{}: {why}", machinery::go::quote(url)));
    let parsed: Uri = url.parse().map_err(|_| bad("invalid URI"))?;
    if parsed.scheme_str() != Some("https") {
        return Err(bad("'https' is the only allowed URL scheme"));
    }
    let authority = parsed.authority().ok_or_else(|| bad("no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("user information is not permitted in the URL"));
    }
    Ok(Target::Url {
        host: authority.host().to_owned(),
        port: authority.port_u16().unwrap_or(DEFAULT_PORT),
        path: parsed
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services_and_urls() {
        let config = ClientConfig::parse(
            &json!({"service": {"namespace": "ns", "name": "hook", "path": "admit"}}),
        )
        .unwrap();
        assert_eq!(config.target.server_name(), "hook.ns.svc");
        assert_eq!(config.target.authority(), "hook.ns.svc:443");
        assert_eq!(config.target.path(), "/admit");
        assert_eq!(config.trust, Trust::System);
        let config = ClientConfig::parse(&json!({"url": "https://[::1]:8443/x?y=z"})).unwrap();
        assert_eq!(config.target.server_name(), "::1");
        assert_eq!(config.target.authority(), "[::1]:8443");
        assert_eq!(config.target.path(), "/x?y=z");
        assert_eq!(
            ClientConfig::parse(&json!({"url": "https://h"}))
                .unwrap()
                .target
                .path(),
            "/"
        );
    }

    #[test]
    fn what_is_refused() {
        for config in [
            json!({}),
            json!({"url": "http://h/"}),
            json!({"url": "https://user:secret@h/"}),
            json!({"url": "::"}),
            json!({"url": "https://h", "service": {"name": "a", "namespace": "b"}}),
            json!({"url": "https://h", "caBundle": "!"}),
            json!({"url": "https://h", "caBundle": "bm9uZQ=="}),
        ] {
            assert!(ClientConfig::parse(&config).is_err(), "{config}");
        }
    }
}
