//! Whether a long-running request may go on.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::recording::Ending;
use crate::authn::gate::{CertificateIdentity, IdentityGate};

/// Watches over one request's identity and the server's draining.
pub(crate) struct Live {
    identity: Option<Arc<CertificateIdentity>>,
    gate: Arc<dyn IdentityGate>,
    changes: Option<watch::Receiver<u64>>,
    drain: CancellationToken,
    /// Makes the last audit event when this is dropped.
    _ending: Option<Arc<Ending>>,
}

impl Live {
    pub(super) fn new(
        identity: Option<Arc<CertificateIdentity>>,
        gate: &Arc<dyn IdentityGate>,
        drain: CancellationToken,
        ending: Option<Arc<Ending>>,
    ) -> Self {
        let changes = identity.as_ref().and_then(|_| gate.changes());
        Self {
            identity,
            gate: gate.clone(),
            changes,
            drain,
            _ending: ending,
        }
    }

    /// Returns when the request has to end: the identity is not live any more, or the server drains. Cancel-safe.
    pub(crate) async fn ended(&mut self) {
        let expiry = self.identity.as_ref().map(|i| i.remaining());
        let expired = async {
            match expiry {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = expired => tracing::info!("a long-running request is ended: its certificate has expired"),
            () = refused(self.identity.as_deref(), self.gate.as_ref(), &mut self.changes) => {}
        }
    }
}

async fn refused(
    identity: Option<&CertificateIdentity>,
    gate: &dyn IdentityGate,
    changes: &mut Option<watch::Receiver<u64>>,
) {
    let (Some(identity), Some(changes)) = (identity, changes) else {
        return std::future::pending().await;
    };
    loop {
        // Checked before the first wait too: it may have been withdrawn between authentication and now.
        changes.borrow_and_update();
        if let Err(reason) = gate.check(identity) {
            tracing::info!(user = %identity.common_name, %reason, "a long-running request is ended");
            return;
        }
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
