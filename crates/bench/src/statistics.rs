//! Times, summed up.

use std::time::Duration;

use serde::Serialize;

/// Latencies in milliseconds, exact: of all samples, by the nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half were at most this.
    pub p50: f64,
    /// 90 % were at most this.
    pub p90: f64,
    /// 99 % were at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// The outcome of one measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// What was measured.
    pub operation: String,
    /// Clients at once; for watch, watchers.
    pub clients: usize,
    /// Answers that were right; for watch, events received.
    pub succeeded: u64,
    /// Requests that failed; for watch, events that did not come.
    pub failed: u64,
    /// The first failure's words.
    pub failure: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Succeeded ones per second.
    pub per_second: f64,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// Times of those that succeeded, in milliseconds.
    pub latency: Latency,
}

/// Samples of one measurement, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    micros: Vec<u32>,
    pub(crate) failed: u64,
    pub(crate) failure: Option<String>,
    pub(crate) bytes: u64,
}

impl Samples {
    pub(crate) fn succeeded(&mut self, took: Duration, bytes: usize) {
        self.micros
            .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        self.bytes += bytes as u64;
    }

    pub(crate) fn failed(&mut self, why: String) {
        self.failed += 1;
        self.failure.get_or_insert(why);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.failed += other.failed;
        self.bytes += other.bytes;
        self.failure = self.failure.take().or(other.failure);
    }

    pub(crate) fn summary(
        mut self,
        operation: String,
        clients: usize,
        took: Duration,
    ) -> Measurement {
        self.micros.sort_unstable();
        let rank = |percent: usize| {
            let rank = (self.micros.len() * percent)
                .div_ceil(100)
                .saturating_sub(1);
            f64::from(self.micros.get(rank).copied().unwrap_or_default()) / 1000.0
        };
        let seconds = took.as_secs_f64();
        Measurement {
            operation,
            clients,
            succeeded: self.micros.len() as u64,
            failed: self.failed,
            failure: self.failure.clone(),
            seconds,
            per_second: self.micros.len() as f64 / seconds.max(1e-9),
            bytes: self.bytes,
            latency: Latency {
                p50: rank(50),
                p90: rank(90),
                p99: rank(99),
                max: rank(100),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples = Samples::default();
        let mut other = Samples::default();
        for i in (1..=100u64).rev() {
            let into = if i % 2 == 0 { &mut samples } else { &mut other };
            into.succeeded(Duration::from_millis(i), 3);
        }
        other.failed("one".to_owned());
        other.failed("two".to_owned());
        samples.merge(other);
        let sum = samples.summary("get".to_owned(), 2, Duration::from_secs(4));
        let want = Latency {
            p50: 50.0,
            p90: 90.0,
            p99: 99.0,
            max: 100.0,
        };
        assert_eq!(sum.latency, want);
        assert_eq!((sum.succeeded, sum.failed, sum.bytes), (100, 2, 300));
        assert_eq!(sum.failure.as_deref(), Some("one"));
        assert!((sum.per_second - 25.0).abs() < 1e-9);
        let none = Samples::default().summary("get".to_owned(), 1, Duration::ZERO);
        assert_eq!(none.latency, Latency::default());
    }
}
