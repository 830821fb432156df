//! The live stake view in the API server: the identity gate, and what happens to a node whose right is gone.

mod control;

use apiserver::{CertificateIdentity, IdentityGate, Refusal};
use membership::stake::LiveView;
use tokio::sync::watch;

pub(crate) use control::RegistryControl;

/// Asks the live view on every request.
pub(crate) struct StakeGate {
    view: LiveView,
}

impl StakeGate {
    /// A gate over the view.
    #[must_use]
    pub(crate) fn new(view: LiveView) -> Self {
        Self { view }
    }
}

impl IdentityGate for StakeGate {
    fn check(&self, identity: &CertificateIdentity) -> Result<(), Refusal> {
        self.view
            .check(
                &identity.common_name,
                &identity.organizations,
                &identity.uris,
            )
            .map_err(|reason| Refusal(reason.to_string()))
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.view.changes())
    }
}
