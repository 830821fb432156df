//! How fast pods are driven off silent nodes: the more of a zone is silent, the less the nodes are to blame.
// upstream: pkg/controller/nodelifecycle/node_lifecycle_controller.go#handleDisruption, #setLimiterInZone,
// #ComputeZoneState, pkg/controller/nodelifecycle/scheduler/rate_limited_queue.go

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use tokio::time::Instant;

use crate::meta::Meta;

/// One node in this time is given up.
// upstream: evictionLimiterQPS
const PACE: Duration = Duration::from_secs(10);
/// The same in a large zone of which much is silent.
// upstream: secondaryEvictionLimiterQPS
const SLOW_PACE: Duration = Duration::from_secs(100);
/// A zone with more nodes is large.
const LARGE: usize = 50;

/// A zone's name.
// upstream: component-helpers/node/topology/helpers.go#GetZoneKey
pub(super) fn key(node: &Node) -> String {
    let label = |name: &str, old: &str| node.label(name).or_else(|| node.label(old)).unwrap_or("");
    let region = label(
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/region",
    );
    let zone = label(
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/zone",
    );
    format!("{region}:{zone}")
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Disruption {
    None,
    /// More than half of it, and more than two nodes.
    Partial,
    Full,
}

struct Zone {
    disruption: Disruption,
    size: usize,
    next: Option<Instant>,
}

/// Whether a node's pods may be driven off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    After(Duration),
    /// Not while the zone is as it is.
    Never,
}

/// What an update changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transition {
    None,
    Changed,
    /// No node at all is ready any more.
    AllDisrupted,
    /// Nodes are ready after none was.
    Recovered,
}

/// All zones.
#[derive(Default)]
pub(super) struct Zones {
    zones: HashMap<String, Zone>,
}

impl Zones {
    /// Takes in the zone of each node and whether it is ready.
    pub(super) fn update(&mut self, nodes: impl Iterator<Item = (String, bool)>) -> Transition {
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        for (zone, ready) in nodes {
            let (good, bad) = counts.entry(zone).or_default();
            *(if ready { good } else { bad }) += 1;
        }
        let were_all = self.all_disrupted();
        let known = self.zones.len();
        self.zones.retain(|name, _| counts.contains_key(name));
        let mut changed = known != self.zones.len();
        for (name, (good, bad)) in counts {
            let disruption = disruption(good, bad);
            match self.zones.get_mut(&name) {
                Some(zone) => {
                    changed |= zone.disruption != disruption;
                    zone.disruption = disruption;
                    zone.size = good + bad;
                }
                None => {
                    changed = true;
                    let zone = Zone {
                        disruption,
                        size: good + bad,
                        next: None,
                    };
                    self.zones.insert(name, zone);
                }
            }
        }
        match (were_all, self.all_disrupted()) {
            (false, true) => Transition::AllDisrupted,
            (true, false) => Transition::Recovered,
            _ if changed => Transition::Changed,
            _ => Transition::None,
        }
    }

    /// Whether there are nodes and none is ready.
    pub(super) fn all_disrupted(&self) -> bool {
        !self.zones.is_empty()
            && self
                .zones
                .values()
                .all(|zone| zone.disruption == Disruption::Full)
    }

    /// Whether a node of the zone may be given up; `Now` counts.
    pub(super) fn admit(&mut self, zone: &str, now: Instant) -> Admission {
        if self.all_disrupted() {
            return Admission::Never;
        }
        let Some(zone) = self.zones.get_mut(zone) else {
            return Admission::Never;
        };
        let pace = match zone.disruption {
            Disruption::None | Disruption::Full => PACE,
            Disruption::Partial if zone.size > LARGE => SLOW_PACE,
            Disruption::Partial => return Admission::Never,
        };
        match zone.next {
            Some(next) if next > now => Admission::After(next - now),
            _ => {
                zone.next = Some(now + pace);
                Admission::Now
            }
        }
    }
}

fn disruption(ready: usize, silent: usize) -> Disruption {
    match (ready, silent) {
        (0, 1..) => Disruption::Full,
        // upstream: unhealthyZoneThreshold 0.55
        _ if silent > 2 && silent * 100 >= (ready + silent) * 55 => Disruption::Partial,
        _ => Disruption::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, ready: usize, silent: usize) -> impl Iterator<Item = (String, bool)> {
        let good = std::iter::repeat_n((name.to_owned(), true), ready);
        good.chain(std::iter::repeat_n((name.to_owned(), false), silent))
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_at_a_time_is_given_up_and_none_when_all_are_silent() {
        let mut zones = Zones::default();
        assert_eq!(zones.update(zone("a", 3, 2)), Transition::Changed);
        let now = Instant::now();
        assert_eq!(zones.admit("a", now), Admission::Now);
        assert_eq!(zones.admit("a", now), Admission::After(PACE));
        assert_eq!(zones.admit("a", now + PACE), Admission::Now);
        assert_eq!(zones.update(zone("a", 2, 3)), Transition::Changed);
        assert_eq!(zones.admit("a", now + PACE * 5), Admission::Never);
        assert_eq!(zones.update(zone("a", 0, 5)), Transition::AllDisrupted);
        assert_eq!(zones.update(zone("a", 0, 5)), Transition::None);
        assert_eq!(zones.admit("a", now + PACE * 5), Admission::Never);
        assert_eq!(zones.update(zone("a", 1, 4)), Transition::Recovered);
        // A zone that is wholly silent beside one that isn't is given up at the usual pace.
        let both = zone("a", 5, 0).chain(zone("b", 0, 5));
        assert_eq!(zones.update(both), Transition::Changed);
        assert_eq!(zones.admit("b", now + PACE * 5), Admission::Now);
    }
}
