//! Requests that are done with, denied, failed or forgotten are deleted after a time.
// upstream: pkg/controller/certificates/cleaner/cleaner.go

use std::sync::Arc;

use informer::{Cache, Key, Outcome, WorkQueue};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::jiff::Timestamp;
use machinery::{Reason, Status};
use registry::Api;

use super::{conditions, has, issued};
use crate::clock::plus_seconds;
use crate::meta::{Meta, of_uid};
use crate::setup::Setup;

const NAME: &str = "certificate-controller";

/// Seconds that requests stay once they are issued, denied or failed.
const SETTLED: i64 = 3600;
/// Seconds that requests stay which nobody looks at.
const PENDING: i64 = 24 * 3600;

pub(super) fn start(
    setup: &mut Setup,
    cache: &Arc<Cache<CertificateSigningRequest>>,
    queue: WorkQueue<Key>,
) -> Result<(), Status> {
    let api: Api<CertificateSigningRequest> = setup.api(NAME)?;
    let (cache, clock) = (Arc::clone(cache), setup.clock);
    setup.workers("csrcleaner", queue, 1, move |key| {
        let (api, cache) = (api.clone(), Arc::clone(&cache));
        async move {
            let Some(request) = cache.get(&key) else {
                return Ok(Outcome::Done);
            };
            let Some(at) = end(&request) else {
                return Ok(Outcome::Done);
            };
            let wait = clock.until(at);
            if !wait.is_zero() {
                return Ok(Outcome::Again(wait));
            }
            match api
                .delete(None, request.name(), &of_uid(request.uid()))
                .await
            {
                Err(status) if !status.is(Reason::NotFound) && !status.is(Reason::Conflict) => {
                    Err(status)
                }
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}

/// When a request is deleted.
fn end(request: &CertificateSigningRequest) -> Option<Timestamp> {
    let since = |kind: &str| {
        conditions(request)
            .filter(|c| c.type_ == kind)
            .filter_map(|c| c.last_update_time.as_ref().map(|t| t.0))
            .min()
            .map(|t| plus_seconds(t, SETTLED))
    };
    let settled = [
        issued(request).then(|| since("Approved")).flatten(),
        since("Denied"),
        since("Failed"),
    ]
    .into_iter()
    .flatten()
    .min();
    let looked_at = ["Approved", "Denied", "Failed"]
        .iter()
        .any(|kind| has(request, kind));
    let forgotten = (!looked_at)
        .then(|| {
            let made = request.metadata.creation_timestamp.as_ref()?.0;
            Some(plus_seconds(made, PENDING))
        })
        .flatten();
    let expired = request
        .status
        .as_ref()
        .and_then(|s| s.certificate.as_ref())
        .and_then(|c| pki::certificates_from_pem(std::str::from_utf8(&c.0).ok()?).ok())
        .and_then(|chain| pki::parse_certificate(chain.first()?).ok())
        .and_then(|leaf| Timestamp::try_from(leaf.not_after).ok());
    [settled, forgotten, expired].into_iter().flatten().min()
}
