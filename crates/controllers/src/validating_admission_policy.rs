//! The status of validating policies: what their expressions get wrong about the types that they name.
// upstream: pkg/controller/validatingadmissionpolicystatus/controller.go

use informer::{Key, Outcome, WorkQueue};
use machinery::{ObjectExt, Reason, Status};
use registry::admission::expression_warnings;
use registry::{Registry, RequestContext, Target, UpdateOptions, UserInfo};
use serde_json::{Value, json};

use crate::monitor::Notice;
use crate::setup::Setup;

const NAME: &str = "validatingadmissionpolicy-status-controller";
const GROUP: &str = "admissionregistration.k8s.io";
const PLURAL: &str = "validatingadmissionpolicies";

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    setup
        .registry
        .find(GROUP, "v1", PLURAL)
        .ok_or_else(Status::unknown_resource)?;
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.on_any(move |notice| {
        if let Notice::Put(seen) = notice
            && seen.resource.group == GROUP
            && seen.resource.plural == PLURAL
        {
            q.add(Key::of(&seen.meta));
        }
    });
    let registry = setup.registry.clone();
    setup.workers(NAME, queue, 1, move |key| {
        let registry = registry.clone();
        async move {
            match reconcile(&registry, key.name()).await {
                Err(status) if !status.is(Reason::NotFound) && !status.is(Reason::Conflict) => {
                    Err(status)
                }
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}

/// Checks a policy that has changed since it was last checked.
async fn reconcile(registry: &Registry, name: &str) -> Result<(), Status> {
    let target: Target = registry
        .target(GROUP, "v1", PLURAL, None, name)
        .ok_or_else(Status::unknown_resource)?;
    let Some(stored) = registry.stored(&target.resource, None, name) else {
        return Ok(());
    };
    let mut policy = stored.value();
    let observed = policy
        .at(&["status", "observedGeneration"])
        .and_then(Value::as_i64);
    if observed == Some(policy.generation()) {
        return Ok(());
    }
    let warnings: Vec<Value> = expression_warnings(registry, &policy)
        .into_iter()
        .map(|w| json!({"fieldRef": w.field, "warning": w.warning}))
        .collect();
    let mut checking = json!({});
    if !warnings.is_empty() {
        checking = json!({"expressionWarnings": warnings});
    }
    let generation = policy.generation();
    policy.set_at(
        &["status"],
        json!({"observedGeneration": generation, "typeChecking": checking}),
    );
    let context = RequestContext::new(UserInfo::controller(NAME));
    registry
        .update(
            &context,
            &target.subresource("status"),
            policy,
            &UpdateOptions::default(),
        )
        .await?;
    Ok(())
}
