//! HTTP requests of probes and hooks: no verification of certificates, as upstream, since the
//! kubelet has no name to verify a pod by.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;

/// Port by number or by the container's port name.
pub(crate) fn port(wanted: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match wanted {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => match name.parse() {
            Ok(number) => number,
            Err(_) => container
                .ports
                .iter()
                .flatten()
                .find(|p| p.name.as_deref() == Some(name))
                .map(|p| p.container_port)
                .ok_or_else(|| format!("couldn't find port: {name}"))?,
        },
    };
    u16::try_from(number)
        .ok()
        .filter(|p| *p > 0)
        .ok_or_else(|| format!("invalid port number: {number}"))
}

/// `host:port`, brackets for IPv6.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[derive(Debug)]
struct AnyCertificate(rustls::crypto::WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn connector() -> Result<tokio_rustls::TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}

/// One GET; the status code and the start of the body, or why there was no answer.
pub(crate) async fn get(
    action: &HTTPGetAction,
    container: &Container,
    pod_ip: &str,
    agent: &str,
    limit: Duration,
) -> Result<(u16, String), String> {
    let port = port(&action.port, container)?;
    let host = action
        .host
        .as_deref()
        .filter(|h| !h.is_empty())
        .unwrap_or(pod_ip);
    let https = action.scheme.as_deref() == Some("HTTPS");
    let target = authority(host, port);
    let path = match action.path.as_deref().unwrap_or("/") {
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    let url = format!("{}://{target}{path}", if https { "https" } else { "http" });
    let mut request = Request::get(path.as_str())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|e| format!("Get {url:?}: {e}"))?;
    let headers = request.headers_mut();
    let set = |name: &str, value: &str| match (
        HeaderName::try_from(name),
        HeaderValue::try_from(value),
    ) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(format!("invalid header {name:?}")),
    };
    for (name, value) in [
        ("host", target.as_str()),
        ("user-agent", agent),
        ("accept", "*/*"),
        ("connection", "close"),
    ] {
        let (name, value) = set(name, value)?;
        headers.insert(name, value);
    }
    for header in action.http_headers.iter().flatten() {
        let (name, value) = set(&header.name, &header.value)?;
        headers.insert(name, value);
    }
    let exchange = async {
        let stream = TcpStream::connect(&target).await.map_err(|e| {
            format!(
                "Get {url:?}: dial tcp {target}: connect: {}",
                errno_text(&e)
            )
        })?;
        if https {
            let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
            let stream = connector()?
                .connect(name, stream)
                .await
                .map_err(|e| format!("Get {url:?}: {e}"))?;
            exchange(stream, request)
                .await
                .map_err(|e| format!("Get {url:?}: {e}"))
        } else {
            exchange(stream, request)
                .await
                .map_err(|e| format!("Get {url:?}: {e}"))
        }
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )),
    }
}

/// The system's words as Go has them: `connection refused`.
pub(crate) fn errno_text(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(
        || error.to_string(),
        |code| nix::errno::Errno::from_raw(code).desc().to_lowercase(),
    )
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<bytes::Bytes>>,
) -> Result<(u16, String), String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    let _driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender
        .send_request(request)
        .await
        .map_err(|e| e.to_string())?;
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), 10 * 1024)
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    Ok((code, String::from_utf8_lossy(&body).into_owned()))
}
