//! What priority and fairness says of itself, under upstream's names.
// upstream: apiserver/pkg/util/flowcontrol/metrics/metrics.go

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Flow {
    pub(crate) priority_level: String,
    pub(crate) flow_schema: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Rejected {
    pub(crate) priority_level: String,
    pub(crate) flow_schema: String,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Waited {
    pub(crate) priority_level: String,
    pub(crate) flow_schema: String,
    pub(crate) execute: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfLevel {
    pub(crate) priority_level: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

fn durations() -> Histogram {
    Histogram::new([
        0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0,
    ])
}

/// All of them.
pub(crate) struct Metrics {
    pub(crate) rejected: Family<Rejected, Counter>,
    pub(crate) dispatched: Family<Flow, Counter>,
    pub(crate) in_queue: Family<Flow, Gauge>,
    pub(crate) executing: Family<Flow, Gauge>,
    pub(crate) in_queue_seats: Family<OfLevel, Gauge>,
    pub(crate) executing_seats: Family<OfLevel, Gauge>,
    pub(crate) waited: Histograms<Waited>,
    pub(crate) executed: Histograms<Flow>,
    pub(crate) nominal: Family<OfLevel, Gauge>,
    pub(crate) lower: Family<OfLevel, Gauge>,
    pub(crate) upper: Family<OfLevel, Gauge>,
    pub(crate) current: Family<OfLevel, Gauge>,
    pub(crate) demand_high: Family<OfLevel, Seconds>,
    pub(crate) demand_smoothed: Family<OfLevel, Seconds>,
    pub(crate) fair_fraction: Seconds,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            rejected: Family::default(),
            dispatched: Family::default(),
            in_queue: Family::default(),
            executing: Family::default(),
            in_queue_seats: Family::default(),
            executing_seats: Family::default(),
            waited: Family::new_with_constructor(durations),
            executed: Family::new_with_constructor(durations),
            nominal: Family::default(),
            lower: Family::default(),
            upper: Family::default(),
            current: Family::default(),
            demand_high: Family::default(),
            demand_smoothed: Family::default(),
            fair_fraction: Seconds::default(),
        };
        let registry = registry.sub_registry_with_prefix("apiserver_flowcontrol");
        // prometheus-client appends `_total` to counters itself.
        registry.register(
            "rejected_requests",
            "Requests rejected, by reason",
            new.rejected.clone(),
        );
        registry.register(
            "dispatched_requests",
            "Requests that got their seats",
            new.dispatched.clone(),
        );
        registry.register(
            "current_inqueue_requests",
            "Requests that wait",
            new.in_queue.clone(),
        );
        registry.register(
            "current_executing_requests",
            "Requests that are served",
            new.executing.clone(),
        );
        registry.register(
            "current_inqueue_seats",
            "Seats that are waited for",
            new.in_queue_seats.clone(),
        );
        registry.register(
            "current_executing_seats",
            "Seats in use",
            new.executing_seats.clone(),
        );
        registry.register(
            "request_wait_duration_seconds",
            "How long requests waited, and whether they were served then",
            new.waited.clone(),
        );
        registry.register(
            "request_execution_seconds",
            "How long requests were served",
            new.executed.clone(),
        );
        registry.register(
            "nominal_limit_seats",
            "Seats by the level's shares",
            new.nominal.clone(),
        );
        registry.register(
            "lower_limit_seats",
            "Seats that the level does not lend",
            new.lower.clone(),
        );
        registry.register(
            "upper_limit_seats",
            "Seats with all that it may borrow",
            new.upper.clone(),
        );
        registry.register(
            "current_limit_seats",
            "Seats now, lent and borrowed ones counted",
            new.current.clone(),
        );
        registry.register(
            "demand_seats_high_watermark",
            "The most seats asked for in the last period",
            new.demand_high.clone(),
        );
        registry.register(
            "demand_seats_smoothed",
            "The smoothed demand",
            new.demand_smoothed.clone(),
        );
        registry.register(
            "seat_fair_frac",
            "The proportion of its demand that every level gets",
            new.fair_fraction.clone(),
        );
        new
    }

    /// Forgets a level that is gone.
    pub(crate) fn forget(&self, level: &str) {
        let of = OfLevel {
            priority_level: level.to_owned(),
        };
        for family in [
            &self.in_queue_seats,
            &self.executing_seats,
            &self.nominal,
            &self.lower,
            &self.upper,
            &self.current,
        ] {
            family.remove(&of);
        }
        self.demand_high.remove(&of);
        self.demand_smoothed.remove(&of);
    }
}
