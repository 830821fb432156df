//! Certificate signing requests: approving those of kubelets, signing what is approved, clearing away what is old.
// upstream: pkg/controller/certificates

mod approve;
mod clean;
mod recognise;
mod sign;

use std::fmt;
use std::sync::Arc;

use informer::WorkQueue;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use machinery::Status;
use pki::{CertificateAuthority, CertificateRequest};

use crate::meta::Meta;
use crate::setup::{Setup, informer};

/// Who signs approved requests.
#[derive(Clone)]
pub struct Signers {
    /// For clients of the API server: `kubernetes.io/kube-apiserver-client` and `…-kubelet`.
    pub client: Arc<CertificateAuthority>,
    /// For what clients shall trust as servers: `kubernetes.io/kubelet-serving` and `kubernetes.io/legacy-unknown`.
    pub serving: Arc<CertificateAuthority>,
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signers")
    }
}

const API_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// Starts the three; without signers nothing is signed.
pub(crate) fn start(setup: &mut Setup, signers: Option<Signers>) -> Result<(), Status> {
    let mut requests = informer::<CertificateSigningRequest>(&setup.registry)?;
    let cache = requests.cache();
    let (approving, signing, cleaning) = (
        WorkQueue::default(),
        WorkQueue::default(),
        WorkQueue::default(),
    );
    let queues = [approving.clone(), signing.clone(), cleaning.clone()];
    requests.on_change(move |change| {
        for queue in &queues {
            queue.add(change.object().key());
        }
    });
    setup.follow(requests);
    approve::start(setup, &cache, approving)?;
    clean::start(setup, &cache, cleaning)?;
    if let Some(signers) = signers {
        sign::start(setup, &cache, signing, signers)?;
    }
    Ok(())
}

/// The PEM in a request.
fn parse(request: &CertificateSigningRequest) -> Result<CertificateRequest, pki::IssueError> {
    CertificateRequest::from_pem(&request.spec.request.0)
}

/// Whether a condition is there and not false.
fn has(request: &CertificateSigningRequest, kind: &str) -> bool {
    conditions(request).any(|c| c.type_ == kind && c.status != "False")
}

fn conditions(
    request: &CertificateSigningRequest,
) -> impl Iterator<Item = &k8s_openapi::api::certificates::v1::CertificateSigningRequestCondition> {
    request
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
}

fn issued(request: &CertificateSigningRequest) -> bool {
    request
        .status
        .as_ref()
        .and_then(|s| s.certificate.as_ref())
        .is_some_and(|c| !c.0.is_empty())
}
