//! Who the control plane is towards aggregated API servers: a certificate of an authority that issues nothing else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apiserver::FrontProxy;
use tokio_util::sync::CancellationToken;
use webhook::ClientIdentity;

use crate::identity::{Identity, IdentityError};

/// The front proxy with its first certificate.
///
/// # Errors
/// [`IdentityError`].
pub(crate) fn of(identity: &Identity) -> Result<Arc<FrontProxy>, IdentityError> {
    Ok(FrontProxy::new(
        certified(identity)?,
        identity.front_proxy_authority.pem(),
        identity.client_authority.pem(),
    ))
}

fn certified(identity: &Identity) -> Result<ClientIdentity, IdentityError> {
    let (issued, key) = identity.front_proxy_certificate(FrontProxy::NAME, SystemTime::now())?;
    Ok(ClientIdentity::new(vec![issued.der], key.for_tls()))
}

/// Renews the certificate, with a new key, when two thirds of its life are over.
pub(crate) async fn renew(
    identity: Arc<Identity>,
    proxy: Arc<FrontProxy>,
    stop: CancellationToken,
) {
    let mut wait = pki::SERVER_LIFETIME * 2 / 3;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match certified(&identity) {
            Ok(identity) => {
                proxy.replace(identity);
                pki::SERVER_LIFETIME * 2 / 3
            }
            Err(error) => {
                tracing::error!(%error, "the front proxy's certificate could not be renewed");
                Duration::from_secs(60)
            }
        };
    }
}
