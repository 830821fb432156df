//! Approved requests get their certificate.
// upstream: pkg/controller/certificates/signer/signer.go

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use informer::{Cache, Key, Outcome, WorkQueue};
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use machinery::{Reason, Status};
use pki::CertificateRequest;
use registry::Api;

use super::recognise::{self, Unfit};
use super::{API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY, Signers, has, issued, parse};
use crate::meta::Meta;
use crate::setup::Setup;

const NAME: &str = "certificate-controller";

/// How long a certificate is valid that asks for no time of its own, and at most.
// upstream: kube-controller-manager --cluster-signing-duration
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// The least that a request's own time may be.
// upstream: signer.go#duration
const SHORTEST: Duration = Duration::from_secs(600);

pub(super) fn start(
    setup: &mut Setup,
    cache: &Arc<Cache<CertificateSigningRequest>>,
    queue: WorkQueue<Key>,
    signers: Signers,
) -> Result<(), Status> {
    let api: Api<CertificateSigningRequest> = setup.api(NAME)?;
    let cache = Arc::clone(cache);
    setup.workers("csrsigning", queue, 1, move |key| {
        let (api, cache, signers) = (api.clone(), Arc::clone(&cache), signers.clone());
        async move {
            let Some(request) = cache.get(&key) else {
                return Ok(Outcome::Done);
            };
            let Some(next) = signed(&signers, &request, SystemTime::now()) else {
                return Ok(Outcome::Done);
            };
            match api.update_status(None, request.name(), &next).await {
                Err(status) if !status.is(Reason::NotFound) && !status.is(Reason::Conflict) => {
                    Err(status)
                }
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}

/// The request with its certificate, or with the condition that it failed; `None` when there is nothing to do.
fn signed(
    signers: &Signers,
    request: &CertificateSigningRequest,
    now: SystemTime,
) -> Option<CertificateSigningRequest> {
    if issued(request) || !has(request, "Approved") || has(request, "Failed") {
        return None;
    }
    let name = request.spec.signer_name.as_str();
    let authority = match name {
        API_CLIENT | KUBELET_CLIENT => &signers.client,
        KUBELET_SERVING | LEGACY => &signers.serving,
        _ => return None,
    };
    let usages = request.spec.usages.clone().unwrap_or_default();
    let lifetime = request
        .spec
        .expiration_seconds
        .and_then(|s| u64::try_from(s).ok())
        .map_or(LIFETIME, |s| {
            Duration::from_secs(s).clamp(SHORTEST, LIFETIME)
        });
    let made = parse(request)
        .map_err(|e| e.to_string())
        .and_then(|parsed| {
            fits(name, &parsed, &usages).map_err(|e| e.to_string())?;
            authority
                .issue_requested(&parsed, &usages, now, now + lifetime)
                .map_err(|e| e.to_string())
        });
    let mut next = request.clone();
    let status = next.status.get_or_insert_default();
    match made {
        Ok(certificate) => {
            status.certificate = Some(ByteString(certificate.pem().into_bytes()));
        }
        Err(why) => {
            let at = k8s_openapi::jiff::Timestamp::try_from(now).ok().map(Time);
            status
                .conditions
                .get_or_insert_default()
                .push(CertificateSigningRequestCondition {
                    type_: "Failed".to_owned(),
                    status: "True".to_owned(),
                    reason: Some("SignerValidationFailure".to_owned()),
                    message: Some(why),
                    last_update_time: at.clone(),
                    last_transition_time: at,
                });
        }
    }
    Some(next)
}

fn fits(signer: &str, request: &CertificateRequest, usages: &[String]) -> Result<(), Unfit> {
    match signer {
        API_CLIENT => recognise::api_client(usages),
        KUBELET_CLIENT => recognise::kubelet_client(request, usages),
        KUBELET_SERVING => recognise::kubelet_serving(request, usages),
        _ => Ok(()),
    }
}
