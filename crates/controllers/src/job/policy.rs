//! What a Job's failure and success policies say.
// upstream: pkg/controller/job/{pod_failure_policy,success_policy}.go

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{JobSpec, PodFailurePolicyOnExitCodesRequirement};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

use super::indexes;
use crate::meta::Meta;
use crate::pod;

/// What becomes of a failed pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It counts against the limit.
    Count,
    /// It doesn't.
    Ignore,
    /// The job fails, for this reason.
    FailJob(String),
}

// upstream: #matchPodFailurePolicy
pub(super) fn verdict(spec: &JobSpec, pod: &Pod) -> Action {
    let rules = spec.pod_failure_policy.iter().flat_map(|p| &p.rules);
    for (index, rule) in rules.enumerate() {
        let matched = if let Some(codes) = &rule.on_exit_codes {
            exit(codes, pod).map(|(container, code)| {
                format!(
                    "Container {container} for pod {} failed with exit code {code} matching {} rule at index {index}",
                    pod.key(),
                    rule.action
                )
            })
        } else {
            rule.on_pod_conditions.iter().flatten().find_map(|wanted| {
                let found = pod::condition(pod, &wanted.type_)?;
                let status = wanted.status.as_deref().unwrap_or("True");
                (found.status == status).then(|| {
                    format!(
                        "Pod {} has condition {} matching {} rule at index {index}",
                        pod.key(),
                        wanted.type_,
                        rule.action
                    )
                })
            })
        };
        if let Some(message) = matched {
            return match rule.action.as_str() {
                "Ignore" => Action::Ignore,
                "FailJob" => Action::FailJob(message),
                _ => Action::Count,
            };
        }
    }
    Action::Count
}

fn exit(wanted: &PodFailurePolicyOnExitCodesRequirement, pod: &Pod) -> Option<(String, i32)> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    all.filter(|c| wanted.container_name.as_ref().is_none_or(|n| *n == c.name))
        .find_map(|c| {
            let ended: &ContainerStateTerminated = c.state.as_ref()?.terminated.as_ref()?;
            let listed = wanted.values.contains(&ended.exit_code);
            let matches = ended.exit_code != 0 && (listed == (wanted.operator == "In"));
            matches.then(|| (c.name.clone(), ended.exit_code))
        })
}

/// Which rule of the success policy these completed indexes satisfy.
// upstream: #matchSuccessPolicy
pub(super) fn success(spec: &JobSpec, completed: &BTreeSet<i32>) -> Option<usize> {
    let policy = spec.success_policy.as_ref()?;
    policy.rules.iter().position(|rule| {
        let wanted = rule.succeeded_indexes.as_deref().map(indexes::parse);
        let matched = match &wanted {
            Some(wanted) => wanted.intersection(completed).count(),
            None => completed.len(),
        };
        match (rule.succeeded_count, &wanted) {
            (Some(count), _) => matched >= usize::try_from(count).unwrap_or_default(),
            (None, Some(wanted)) => matched == wanted.len(),
            (None, None) => false,
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let spec: JobSpec = serde_json::from_value(json!({"template": {}, "podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1]}}]}}))
        .unwrap();
        let pod = |code: i32, disrupted: bool| -> Pod {
            let conditions = if disrupted {
                json!([{"type": "DisruptionTarget", "status": "True"}])
            } else {
                json!([])
            };
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "status": {
                "conditions": conditions, "containerStatuses": [{"name": "c", "image": "", "imageID": "",
                "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": code}}}]}}))
            .unwrap()
        };
        assert_eq!(verdict(&spec, &pod(42, true)), Action::Ignore);
        assert_eq!(
            verdict(&spec, &pod(42, false)),
            Action::FailJob(
                "Container c for pod n/p failed with exit code 42 matching FailJob rule at index 1"
                    .to_owned()
            )
        );
        assert_eq!(verdict(&spec, &pod(1, false)), Action::Count);
    }
}
