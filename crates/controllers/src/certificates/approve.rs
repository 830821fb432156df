//! Requests of kubelets for client certificates are approved for whoever may make them so.
// upstream: pkg/controller/certificates/approver/sarapprove.go

use std::collections::BTreeMap;
use std::sync::Arc;

use informer::{Cache, Key, Outcome, WorkQueue};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use machinery::{Reason, Status};
use registry::admission::AccessRequest;
use registry::{Api, Patch, Registry, UserInfo};
use serde_json::json;

use super::{KUBELET_CLIENT, has, issued, parse, recognise};
use crate::meta::Meta;
use crate::setup::Setup;

const NAME: &str = "certificate-controller";

/// Subresource whose creation the requester must be allowed, and the message of the approval.
const SELF: (&str, &str) = (
    "selfnodeclient",
    "Auto approving self kubelet client certificate after SubjectAccessReview.",
);
const OTHER: (&str, &str) = (
    "nodeclient",
    "Auto approving kubelet client certificate after SubjectAccessReview.",
);

pub(super) fn start(
    setup: &mut Setup,
    cache: &Arc<Cache<CertificateSigningRequest>>,
    queue: WorkQueue<Key>,
) -> Result<(), Status> {
    let api: Api<CertificateSigningRequest> = setup.api(NAME)?;
    let (registry, cache, clock) = (setup.registry.clone(), Arc::clone(cache), setup.clock);
    setup.workers("csrapproving", queue, 1, move |key| {
        let (registry, api, cache) = (registry.clone(), api.clone(), Arc::clone(&cache));
        async move {
            let Some(request) = cache.get(&key) else {
                return Ok(Outcome::Done);
            };
            let Some(message) = verdict(&registry, &request) else {
                return Ok(Outcome::Done);
            };
            let now = clock.time();
            let mut conditions: Vec<_> = super::conditions(&request)
                .map(|c| json!(c))
                .collect();
            conditions.push(json!({"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message,
                "lastUpdateTime": now}));
            let patch = json!({
                "metadata": {"resourceVersion": request.metadata.resource_version},
                "status": {"conditions": conditions},
            });
            match api
                .patch(None, request.name(), "approval", Patch::Merge(patch))
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

/// The message with which a request is approved; `None` leaves it to people.
fn verdict(registry: &Registry, request: &CertificateSigningRequest) -> Option<&'static str> {
    if issued(request) || has(request, "Approved") || has(request, "Denied") {
        return None;
    }
    let spec = &request.spec;
    if spec.signer_name != KUBELET_CLIENT {
        return None;
    }
    let parsed = parse(request).ok()?;
    let usages = spec.usages.clone().unwrap_or_default();
    recognise::kubelet_client(&parsed, &usages).ok()?;
    let user = UserInfo {
        name: spec.username.clone().unwrap_or_default(),
        uid: spec.uid.clone().unwrap_or_default(),
        groups: spec.groups.clone().unwrap_or_default(),
        extra: spec
            .extra
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    let own = user.name == parsed.common_name;
    [(own, SELF), (true, OTHER)]
        .into_iter()
        .filter(|(fits, _)| *fits)
        .map(|(_, rule)| rule)
        .find(|(subresource, _)| {
            registry.allows(&AccessRequest {
                subresource,
                ..AccessRequest::new(
                    &user,
                    "create",
                    "certificates.k8s.io",
                    "certificatesigningrequests",
                )
            })
        })
        .map(|(_, message)| message)
}
