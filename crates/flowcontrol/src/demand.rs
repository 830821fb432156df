//! How many seats a level asked for lately.
// upstream: apiserver/pkg/util/flowcontrol/fairqueuing/integrator.go, apf_controller.go#seatDemandStats

use std::time::Instant;

/// How slowly a demand that is gone is forgotten. upstream: apf_controller.go#seatDemandSmoothingCoefficient
const SMOOTHING: f64 = 0.977;

/// Integrates the demand over time.
#[derive(Debug)]
pub(crate) struct Demand {
    now: f64,
    since: Instant,
    last: Instant,
    integral: f64,
    of_squares: f64,
    highest: f64,
    smoothed: f64,
}

impl Demand {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            now: 0.0,
            since: now,
            last: now,
            integral: 0.0,
            of_squares: 0.0,
            highest: 0.0,
            smoothed: 0.0,
        }
    }

    pub(crate) fn set(&mut self, now: Instant, seats: usize) {
        self.advance(now);
        self.now = seats as f64;
        self.highest = self.highest.max(self.now);
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.integral += self.now * passed;
        self.of_squares += self.now * self.now * passed;
        self.last = now;
    }

    /// Ends a period: the highest demand in it, and the smoothed envelope of all periods.
    pub(crate) fn end_period(&mut self, now: Instant) -> (f64, f64) {
        self.advance(now);
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        let (average, deviation) = if passed > 0.0 {
            let average = self.integral / passed;
            let variance = (self.of_squares / passed - average * average).max(0.0);
            (average, variance.sqrt())
        } else {
            (self.now, 0.0)
        };
        let envelope = average + deviation;
        self.smoothed = envelope.max(SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * envelope);
        let highest = self.highest;
        (self.since, self.integral, self.of_squares) = (now, 0.0, 0.0);
        self.highest = self.now;
        (highest, self.smoothed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_demand_is_remembered_and_slowly_forgotten() {
        let start = Instant::now();
        let mut demand = Demand::new(start);
        demand.set(start, 10);
        let (highest, smoothed) = demand.end_period(start + Duration::from_secs(10));
        assert!((highest - 10.0).abs() < 1e-9 && (smoothed - 10.0).abs() < 1e-9);
        demand.set(start + Duration::from_secs(10), 0);
        let (highest, smoothed) = demand.end_period(start + Duration::from_secs(20));
        // The mark begins with what was demanded when the period began.
        assert!((highest - 10.0).abs() < 1e-9 && smoothed > 9.0);
        let (highest, smoothed) = demand.end_period(start + Duration::from_secs(30));
        assert!(highest.abs() < 1e-9 && smoothed < 9.7);
    }
}
