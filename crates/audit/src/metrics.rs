//! What the log says of itself, under upstream's names.
// upstream: apiserver/pkg/audit/metrics.go

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::Level;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plugin {
    plugin: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLevel {
    level: &'static str,
}

/// Counters of events, of lost ones, and of requests by level.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    events: Counter,
    lost: Family<Plugin, Counter>,
    levels: Family<OfLevel, Counter>,
    rejected: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "apiserver_audit_event",
            "Audit events made and handed to the log",
            self.events.clone(),
        );
        registry.register(
            "apiserver_audit_error",
            "Audit events that could not be written",
            self.lost.clone(),
        );
        registry.register(
            "apiserver_audit_level",
            "Requests by the level that the audit policy gives them",
            self.levels.clone(),
        );
        registry.register(
            "apiserver_audit_requests_rejected",
            "Requests refused because their audit event could not be written",
            self.rejected.clone(),
        );
    }

    /// A request was given a level.
    pub fn level(&self, level: Level) {
        self.levels
            .get_or_create(&OfLevel {
                level: level.as_str(),
            })
            .inc();
    }

    /// A request was refused because its event could not be written.
    pub fn rejected(&self) {
        self.rejected.inc();
    }

    pub(crate) fn event(&self) {
        self.events.inc();
    }

    pub(crate) fn lost(&self, n: u64) {
        self.lost.get_or_create(&Plugin { plugin: "log" }).inc_by(n);
    }
}
