//! `daas sample-server`: the workload of the sample Deployment, an HTTP server that says which
//! pod answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Arguments of `daas sample-server`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(args.listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let host = hostname();
    println!("{host} listens on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let host = host.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                println!("{} {} from {peer}", request.method(), request.uri().path());
                std::future::ready(Ok::<_, Infallible>(answer(&request, &host)))
            });
            // A client that goes away is its own business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
    println!("{host} stops");
    Ok(ExitCode::SUCCESS)
}

/// In a pod the host name is the pod's name.
fn hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn answer<B>(request: &Request<B>, host: &str) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/" => (
            StatusCode::OK,
            format!("Hello from pod {host}, running on a staked worker.\n"),
        ),
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_pod_answers() {
        let ask = |path| answer(&Request::get(path).body(()).unwrap_or_default(), "web-1");
        assert_eq!(ask("/").status(), StatusCode::OK);
        assert_eq!(ask("/healthz").status(), StatusCode::OK);
        assert_eq!(ask("/nothing").status(), StatusCode::NOT_FOUND);
    }
}
