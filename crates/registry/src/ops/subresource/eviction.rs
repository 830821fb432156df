//! `pods/eviction`: a deletion that asks first. Disruption budgets that select the pod are honoured.
//!
//! upstream: pkg/registry/core/pod/storage/eviction.go

use machinery::labels::from_label_selector;
use machinery::status::{Cause, cause};
use machinery::{ObjectExt, Status};
use serde_json::Value;

use crate::admission::Operation;
use crate::context::RequestContext;
use crate::object::{Answer, Body};
use crate::ops::subresource::binding::lost;
use crate::ops::{delete, update};
use crate::options::{CreateOptions, DeleteOptions};
use crate::registry::Registry;
use crate::target::Target;
use crate::value::{Read, Write};

pub(crate) async fn create(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    mut body: Value,
    options: &CreateOptions,
) -> Result<Answer, Status> {
    let name = body.name();
    if !name.is_empty() && name != target.name {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    if let Some(map) = body.as_object_mut() {
        map.entry("apiVersion")
            .or_insert_with(|| "policy/v1".into());
        map.entry("kind").or_insert_with(|| "Eviction".into());
    }
    registry
        .admit(
            context,
            target,
            Operation::Create,
            options.into(),
            &mut body,
        )
        .await?;
    let mut wanted = match body.field("deleteOptions") {
        Some(value) if !value.is_null() => DeleteOptions::from_value(value)?,
        _ => DeleteOptions::default(),
    };
    wanted.dry_run |= options.dry_run;
    let pod_target = Target {
        subresource: String::new(),
        ..target.clone()
    };
    let pod = update::entry(registry, &pod_target)?.value.value();
    if !ignores_budgets(&pod) {
        spend_budgets(registry, context, target, &pod, wanted.dry_run).await?;
    }
    delete::delete(registry, context, &pod_target, &wanted).await?;
    let mut status = Status::success(None);
    status.code = 201;
    Ok(Answer {
        code: 201,
        body: Body::Status(status),
    })
}

/// Pods that are done, not started or going anyway are not protected.
///
/// upstream: eviction.go#canIgnorePDB
fn ignores_budgets(pod: &Value) -> bool {
    matches!(
        pod.text_at(&["status", "phase"]),
        "Succeeded" | "Failed" | "Pending"
    ) || pod.deletion_timestamp().is_some()
}

/// Takes one disruption from the budget that selects the pod, or refuses with 429.
///
/// upstream: eviction.go#EvictionREST.Create, #checkAndDecrement
async fn spend_budgets(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    pod: &Value,
    dry_run: bool,
) -> Result<(), Status> {
    let Some(resource) = registry
        .table()
        .find("policy", "v1", "poddisruptionbudgets")
    else {
        return Ok(());
    };
    let snapshot = registry.store().snapshot();
    let selecting: Vec<Value> = snapshot
        .range(&resource.range(Some(pod.namespace())), None)
        .map(|entry| entry.value.value())
        .filter(|budget| {
            from_label_selector(budget.at(&["spec", "selector"]))
                .is_ok_and(|s| s.matches_object(pod))
        })
        .collect();
    let budget = match selecting.as_slice() {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let mut budget = budget.clone();
    loop {
        let mut next = budget.clone();
        spend(target, pod, &mut next)?;
        if dry_run {
            return Ok(());
        }
        let at =
            Target::object(resource, Some(budget.namespace()), budget.name()).subresource("status");
        let write = crate::ops::update::Change::Replace(next);
        match update::change(registry, context, &at, write, &CreateOptions::default()).await {
            Ok(_) => return Ok(()),
            Err(status) if lost(&status) => budget = update::entry(registry, &at)?.value.value(),
            Err(status) => return Err(status),
        }
    }
}

fn spend(target: &Target, pod: &Value, budget: &mut Value) -> Result<(), Status> {
    let refuse = |message: String| {
        Status::too_many_requests(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            0,
        )
        .with_cause(Cause::new(cause::DISRUPTION_BUDGET, message, ""))
    };
    let name = budget.name().to_owned();
    let observed = budget
        .at(&["status", "observedGeneration"])
        .and_then(Value::as_i64)
        .unwrap_or_default();
    if observed < budget.generation() {
        let mut status = refuse(format!(
            "The disruption budget {name} is still being processed by the server."
        ));
        status.details.get_or_insert_default().retry_after_seconds = 10;
        return Err(status);
    }
    let Some(status) = budget.ensure_object("status") else {
        return Ok(());
    };
    let allowed = status.int("disruptionsAllowed").unwrap_or_default();
    if allowed <= 0 {
        let healthy = status.int("currentHealthy").unwrap_or_default();
        let desired = status.int("desiredHealthy").unwrap_or_default();
        return Err(refuse(format!(
            "The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        )));
    }
    status.put("disruptionsAllowed", allowed - 1);
    if let Some(disrupted) = status.ensure_object("disruptedPods") {
        disrupted.put(pod.name(), machinery::time::format(jiff::Timestamp::now()));
    }
    let _ = target;
    Ok(())
}
