//! Connections that are kept, by backend.
//!
//! HTTP/2 connections are shared while they live; HTTP/1.1 ones are taken out for one exchange and come back when its answer
//! has been read. Both are bounded, and dropped when they have been idle for [`IDLE`] at the next look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;
use rustls::ClientConfig;

use crate::backends::BoxBody;
use crate::config::Target;
use crate::tls::Trust;

/// How long an idle connection is kept.
///
/// upstream: apimachinery/pkg/util/net/http.go#SetTransportDefaults (IdleConnTimeout)
const IDLE: Duration = Duration::from_secs(90);

/// Idle HTTP/1.1 connections of one backend.
const PER_BACKEND: usize = 16;

/// Backends whose connections are kept.
const BACKENDS: usize = 256;

/// What connections may be shared between.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) service: bool,
    pub(crate) trust: Trust,
    pub(crate) identity: Option<[u8; 32]>,
}

impl Key {
    pub(crate) fn new(target: &Target, trust: &Trust, identity: Option<[u8; 32]>) -> Self {
        let (port, service) = match target {
            Target::Url { port, .. } => (*port, false),
            Target::Service { port, .. } => (*port, true),
        };
        Self {
            host: target.server_name(),
            port,
            service,
            trust: trust.clone(),
            identity,
        }
    }
}

/// A connection that takes a request.
pub(crate) enum Sender {
    Http1(http1::SendRequest<BoxBody>),
    Http2(http2::SendRequest<BoxBody>),
}

#[derive(Default)]
pub(crate) struct Pool {
    backends: Mutex<HashMap<Key, Kept>>,
}

struct Kept {
    tls: Arc<ClientConfig>,
    shared: Option<http2::SendRequest<BoxBody>>,
    idle: Vec<(http1::SendRequest<BoxBody>, Instant)>,
    used: Instant,
}

impl Pool {
    /// A connection that may still be open.
    pub(crate) fn take(&self, key: &Key) -> Option<Sender> {
        let now = Instant::now();
        let mut backends = self.backends.lock();
        let kept = backends.get_mut(key)?;
        if now.duration_since(kept.used) > IDLE {
            kept.shared = None;
        }
        kept.used = now;
        kept.idle
            .retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) < IDLE);
        if let Some(sender) = kept.shared.as_ref().filter(|s| !s.is_closed()) {
            return Some(Sender::Http2(sender.clone()));
        }
        kept.shared = None;
        kept.idle.pop().map(|(sender, _)| Sender::Http1(sender))
    }

    /// The TLS configuration of a backend, made once; with it sessions are resumed.
    pub(crate) fn tls<E>(
        &self,
        key: &Key,
        make: impl FnOnce() -> Result<Arc<ClientConfig>, E>,
    ) -> Result<Arc<ClientConfig>, E> {
        let now = Instant::now();
        let mut backends = self.backends.lock();
        if let Some(kept) = backends.get(key) {
            return Ok(Arc::clone(&kept.tls));
        }
        let tls = make()?;
        if backends.len() >= BACKENDS
            && let Some(oldest) = backends
                .iter()
                .min_by_key(|(_, kept)| kept.used)
                .map(|(key, _)| key.clone())
        {
            backends.remove(&oldest);
        }
        backends.insert(
            key.clone(),
            Kept {
                tls: Arc::clone(&tls),
                shared: None,
                idle: Vec::new(),
                used: now,
            },
        );
        Ok(tls)
    }

    /// A new HTTP/2 connection, for the next callers too.
    pub(crate) fn share(&self, key: &Key, sender: &http2::SendRequest<BoxBody>) {
        if let Some(kept) = self.backends.lock().get_mut(key) {
            kept.shared = Some(sender.clone());
        }
    }

    /// An HTTP/1.1 connection whose exchange is over.
    pub(crate) fn put(&self, key: &Key, sender: http1::SendRequest<BoxBody>) {
        if sender.is_closed() {
            return;
        }
        if let Some(kept) = self.backends.lock().get_mut(key)
            && kept.idle.len() < PER_BACKEND
        {
            kept.idle.push((sender, Instant::now()));
        }
    }
}
