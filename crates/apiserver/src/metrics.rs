//! `/metrics`: request counts and latencies under upstream's names.
// upstream: apiserver/pkg/endpoints/metrics/metrics.go

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::request_info::RequestInfo;
use crate::respond::{self, Reply};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    group: String,
    version: String,
    kind: String,
}

/// The server's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    watchers: Family<WatchLabels, Gauge>,
}

const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

impl Metrics {
    /// Beside the ones that `registry` has already.
    pub(crate) fn new(mut registry: Registry) -> Self {
        let requests = Family::default();
        let durations =
            Family::<DurationLabels, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let watchers = Family::default();
        // prometheus-client appends `_total` itself.
        registry.register(
            "apiserver_request",
            "Requests by verb, resource and code",
            requests.clone(),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "Time to the response's headers by verb and resource, without long-running requests",
            durations.clone(),
        );
        registry.register(
            "apiserver_longrunning_requests",
            "Open watches by kind",
            watchers.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            watchers,
        }
    }

    /// Counts a request. Label values come from the route, never from what a client invents: a request for something
    /// that is not served is counted without names.
    pub(crate) fn observe(
        &self,
        info: &RequestInfo,
        code: StatusCode,
        took: Duration,
        long_running: bool,
    ) {
        let known = info.is_resource
            && code != StatusCode::NOT_FOUND
            && code != StatusCode::UNAUTHORIZED
            && code != StatusCode::FORBIDDEN;
        let own = |s: &String| if known { s.clone() } else { String::new() };
        let labels = DurationLabels {
            verb: verb(&info.verb),
            group: own(&info.group),
            version: own(&info.version),
            resource: own(&info.resource),
            subresource: own(&info.subresource),
        };
        if !long_running {
            self.durations
                .get_or_create(&labels)
                .observe(took.as_secs_f64());
        }
        let DurationLabels {
            verb,
            group,
            version,
            resource,
            subresource,
        } = labels;
        self.requests
            .get_or_create(&RequestLabels {
                verb,
                group,
                version,
                resource,
                subresource,
                code: code.as_u16(),
            })
            .inc();
    }

    /// Counts an open watch until the guard is dropped.
    pub(crate) fn watching(&self, group: &str, version: &str, kind: &str) -> WatchGuard {
        let labels = WatchLabels {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        };
        let gauge = self.watchers.get_or_create(&labels).clone();
        gauge.inc();
        WatchGuard(gauge)
    }

    pub(crate) fn serve(&self) -> Reply {
        let mut out = String::new();
        match encode(&mut out, &self.registry) {
            Ok(()) => respond::reply(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                out,
            ),
            Err(error) => respond::status(&machinery::Status::internal(error)),
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// See [`Metrics::watching`].
pub(crate) struct WatchGuard(Gauge);

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn verb(verb: &str) -> &'static str {
    match verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "OTHER",
    }
}
