//! Liveness, readiness and startup probes.
// upstream: pkg/kubelet/prober/worker.go, prober.go, pkg/probe/*

pub(crate) mod http;
pub(crate) mod run;

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Probe;
use parking_lot::Mutex;

/// Which of a container's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    /// As messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Startup => "Startup",
        }
    }
}

/// Turns single results into a verdict by the thresholds.
#[derive(Debug)]
pub(crate) struct Counter {
    success_threshold: i32,
    failure_threshold: i32,
    last: Option<bool>,
    run: i32,
}

impl Counter {
    pub(crate) fn new(probe: &Probe) -> Self {
        let at_least_one =
            |value: Option<i32>, default: i32| value.filter(|v| *v > 0).unwrap_or(default);
        Self {
            success_threshold: at_least_one(probe.success_threshold, 1),
            failure_threshold: at_least_one(probe.failure_threshold, 3),
            last: None,
            run: 0,
        }
    }

    /// `Some` when enough results in a row agree.
    pub(crate) fn record(&mut self, success: bool) -> Option<bool> {
        if self.last == Some(success) {
            self.run = self.run.saturating_add(1);
        } else {
            self.last = Some(success);
            self.run = 1;
        }
        let needed = if success {
            self.success_threshold
        } else {
            self.failure_threshold
        };
        (self.run >= needed).then_some(success)
    }
}

/// Verdicts by container and kind; shared by the probes and the pod's worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    verdicts: Arc<Mutex<HashMap<(String, Kind), bool>>>,
}

impl Board {
    pub(crate) fn get(&self, container: &str, kind: Kind) -> Option<bool> {
        self.verdicts
            .lock()
            .get(&(container.to_owned(), kind))
            .copied()
    }

    /// `true` when that changed something.
    pub(crate) fn set(&self, container: &str, kind: Kind, verdict: bool) -> bool {
        self.verdicts
            .lock()
            .insert((container.to_owned(), kind), verdict)
            != Some(verdict)
    }

    pub(crate) fn forget_except(&self, keep: impl Fn(&str) -> bool) {
        self.verdicts.lock().retain(|(id, _), _| keep(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_count_results_in_a_row() {
        let mut counter = Counter::new(&Probe {
            success_threshold: Some(2),
            failure_threshold: Some(3),
            ..Probe::default()
        });
        let results = [false, false, true, false, false, false, true, true];
        let verdicts: Vec<Option<bool>> = results.into_iter().map(|r| counter.record(r)).collect();
        assert_eq!(
            verdicts,
            [None, None, None, None, None, Some(false), None, Some(true)]
        );
    }

    #[test]
    fn defaults_are_one_success_and_three_failures() {
        let mut counter = Counter::new(&Probe::default());
        assert_eq!(counter.record(true), Some(true));
        assert_eq!(
            [
                counter.record(false),
                counter.record(false),
                counter.record(false)
            ],
            [None, None, Some(false)]
        );
    }
}
