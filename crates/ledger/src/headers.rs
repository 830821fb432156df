//! The response headers that say where the ledger is, as a Sui node sends them.
//! Upstream: `sui-rpc-api`, `response.rs#append_info_headers`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sui_rpc::headers::{
    X_SUI_CHAIN_ID, X_SUI_CHECKPOINT_HEIGHT, X_SUI_EPOCH, X_SUI_LOWEST_AVAILABLE_CHECKPOINT,
    X_SUI_TIMESTAMP_MS,
};
use tonic::codegen::http::{HeaderValue, Request, Response};
use tower::{Layer, Service};

use crate::service::Services;

/// Adds the headers to every response.
#[derive(Clone)]
pub(crate) struct HeadersLayer(pub(crate) Services);

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Headers<S> {
        Headers {
            inner,
            services: self.0.clone(),
        }
    }
}

/// A service whose responses have the headers.
#[derive(Clone)]
pub(crate) struct Headers<S> {
    inner: S,
    services: Services,
}

impl<S, B, R> Service<Request<B>> for Headers<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.inner.call(request);
        let services = self.services.clone();
        Box::pin(async move {
            let mut response = answer.await?;
            let state = services.now();
            let headers = response.headers_mut();
            if let Ok(chain) = HeaderValue::from_str(&state.chain().to_string()) {
                headers.insert(X_SUI_CHAIN_ID, chain);
            }
            headers.insert(X_SUI_EPOCH, state.epoch().number.into());
            headers.insert(X_SUI_CHECKPOINT_HEIGHT, state.height().into());
            headers.insert(X_SUI_TIMESTAMP_MS, state.timestamp_ms().into());
            headers.insert(X_SUI_LOWEST_AVAILABLE_CHECKPOINT, 0_u64.into());
            Ok(response)
        })
    }
}
