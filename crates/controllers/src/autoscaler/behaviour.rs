//! How fast the number of replicas may follow what metrics ask for.
// upstream: pkg/controller/podautoscaler/horizontal.go#normalizeDesiredReplicas, #normalizeDesiredReplicasWithBehaviors

use std::collections::VecDeque;

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerSpec};
use k8s_openapi::jiff::Timestamp;

use super::status::Draft;
use crate::clock::plus_seconds;

/// Seconds. upstream: --horizontal-pod-autoscaler-downscale-stabilization
const DOWN_WINDOW: i32 = 300;
/// The longest window or period that the API allows, in seconds: an hour of recommendations, half an hour of changes.
const LONGEST: i64 = 3600;
/// What is kept of the past at most.
const KEPT: usize = 1024;

/// What one autoscaler recommended and did.
#[derive(Default)]
pub(super) struct History {
    recommendations: VecDeque<(Timestamp, i32)>,
    /// Changes of the replicas, positive when there became more.
    changes: VecDeque<(Timestamp, i32)>,
}

impl History {
    /// Begins with the replicas that there are: a restart takes nothing away at once.
    pub(super) fn starting(replicas: i32, now: Timestamp) -> Self {
        let mut history = Self::default();
        history.recommendations.push_back((now, replicas));
        history
    }

    pub(super) fn scaled(&mut self, from: i32, to: i32, now: Timestamp) {
        push(&mut self.changes, now, to - from);
    }

    /// The change in a direction within so many seconds.
    fn changed(&self, seconds: i32, up: bool, now: Timestamp) -> i32 {
        let since = plus_seconds(now, -i64::from(seconds));
        self.changes
            .iter()
            .filter(|(at, change)| *at > since && (*change > 0) == up)
            .map(|(_, change)| change.abs())
            .fold(0, i32::saturating_add)
    }

    fn within(&self, seconds: i32, now: Timestamp) -> impl Iterator<Item = i32> {
        let since = plus_seconds(now, -i64::from(seconds));
        self.recommendations
            .iter()
            .filter(move |(at, _)| *at > since)
            .map(|(_, replicas)| *replicas)
    }
}

fn push(list: &mut VecDeque<(Timestamp, i32)>, now: Timestamp, value: i32) {
    let oldest = plus_seconds(now, -LONGEST);
    while list.len() >= KEPT || list.front().is_some_and(|(at, _)| *at < oldest) {
        list.pop_front();
    }
    list.push_back((now, value));
}

/// The replicas to have, with conditions that say why they are not those asked for.
pub(super) fn normalise(
    spec: &HorizontalPodAutoscalerSpec,
    history: &mut History,
    current: i32,
    asked: i32,
    now: Timestamp,
    draft: &mut Draft,
) -> i32 {
    let behaviour = spec.behavior.as_ref();
    let up = behaviour.and_then(|b| b.scale_up.as_ref());
    let down = behaviour.and_then(|b| b.scale_down.as_ref());
    let up_window = up
        .and_then(|r| r.stabilization_window_seconds)
        .unwrap_or_default();
    let down_window = down
        .and_then(|r| r.stabilization_window_seconds)
        .unwrap_or(DOWN_WINDOW);
    // The least of what was asked for lately when growing, the most when shrinking.
    let ceiling = history.within(down_window, now).fold(asked, i32::max);
    let floor = history.within(up_window, now).fold(asked, i32::min);
    let stable = if behaviour.is_none() {
        ceiling
    } else {
        let mut stable = current;
        if stable < floor {
            stable = floor;
        }
        if stable > ceiling {
            stable = ceiling;
        }
        stable
    };
    push(&mut history.recommendations, now, asked);
    if stable == asked {
        draft.condition(
            "AbleToScale",
            true,
            "ReadyForNewScale",
            "recommended size matches current size",
        );
    } else if behaviour.is_some() && asked > current {
        draft.condition(
            "AbleToScale",
            true,
            "ScaleUpStabilized",
            "recent recommendations were lower than current one, applying the lowest recent recommendation",
        );
    } else {
        draft.condition(
            "AbleToScale",
            true,
            "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
        );
    }
    limit(spec, history, current, stable, now, draft)
}

/// Bounds by the rules of each direction and by the autoscaler's own least and most.
// upstream: #convertDesiredReplicasWithRules, #convertDesiredReplicasWithBehaviorRate
fn limit(
    spec: &HorizontalPodAutoscalerSpec,
    history: &History,
    current: i32,
    desired: i32,
    now: Timestamp,
    draft: &mut Draft,
) -> i32 {
    let (least, most) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    let rules = |up: bool| {
        spec.behavior.as_ref().and_then(|b| {
            if up {
                b.scale_up.as_ref()
            } else {
                b.scale_down.as_ref()
            }
        })
    };
    if desired > current {
        let fastest = match rules(true) {
            None if spec.behavior.is_none() => (current.saturating_mul(2)).max(4),
            None => i32::MAX,
            Some(rules) => up_limit(rules, history, current, now),
        };
        let fastest = fastest.max(current);
        let bound = most.min(fastest);
        if desired > bound {
            if most > fastest {
                draft.condition(
                    "ScalingLimited",
                    true,
                    "ScaleUpLimit",
                    "the desired replica count is increasing faster than the maximum scale rate",
                );
            } else {
                draft.condition(
                    "ScalingLimited",
                    true,
                    "TooManyReplicas",
                    "the desired replica count is more than the maximum replica count",
                );
            }
            return bound;
        }
    } else if desired < current {
        let slowest = match rules(false) {
            None => i32::MIN,
            Some(rules) => down_limit(rules, history, current, now),
        };
        let slowest = slowest.min(current);
        let bound = least.max(slowest);
        if desired < bound {
            if least < slowest {
                draft.condition(
                    "ScalingLimited",
                    true,
                    "ScaleDownLimit",
                    "the desired replica count is decreasing faster than the maximum scale rate",
                );
            } else {
                draft.condition(
                    "ScalingLimited",
                    true,
                    "TooFewReplicas",
                    "the desired replica count is less than the minimum replica count",
                );
            }
            return bound;
        }
    }
    draft.condition(
        "ScalingLimited",
        false,
        "DesiredWithinRange",
        "the desired count is within the acceptable range",
    );
    desired
}

/// upstream: #calculateScaleUpLimitWithScalingRules
fn up_limit(rules: &HPAScalingRules, history: &History, current: i32, now: Timestamp) -> i32 {
    let policy = rules.select_policy.as_deref().unwrap_or("Max");
    if policy == "Disabled" {
        return current;
    }
    let limits = rules.policies.iter().flatten().map(|p| {
        let since = history.changed(p.period_seconds, true, now);
        let before = current.saturating_sub(since);
        if p.type_ == "Pods" {
            before.saturating_add(p.value)
        } else {
            #[allow(clippy::cast_possible_truncation)]
            let grown = (f64::from(before) * (1.0 + f64::from(p.value) / 100.0)).ceil() as i32;
            grown
        }
    });
    let chosen = if policy == "Min" {
        limits.min()
    } else {
        limits.max()
    };
    chosen.unwrap_or(i32::MAX)
}

/// upstream: #calculateScaleDownLimitWithBehaviors
fn down_limit(rules: &HPAScalingRules, history: &History, current: i32, now: Timestamp) -> i32 {
    let policy = rules.select_policy.as_deref().unwrap_or("Max");
    if policy == "Disabled" {
        return current;
    }
    let limits = rules.policies.iter().flatten().map(|p| {
        let since = history.changed(p.period_seconds, false, now);
        let before = current.saturating_add(since);
        if p.type_ == "Pods" {
            before.saturating_sub(p.value)
        } else {
            #[allow(clippy::cast_possible_truncation)]
            let shrunk = (f64::from(before) * (1.0 - f64::from(p.value) / 100.0)) as i32;
            shrunk
        }
    });
    // The most change is the least limit.
    let chosen = if policy == "Min" {
        limits.max()
    } else {
        limits.min()
    };
    chosen.unwrap_or(i32::MIN)
}
