//! Pods that wait for a node: ready ones by priority, failed ones in back-off, and those that
//! nothing has changed for, until an event may help them.
// upstream: pkg/scheduler/backend/queue/scheduling_queue.go

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use informer::{Backoff, Key};
use tokio::time::Instant;

use crate::plugin::{ClusterEvent, Plugin};
use crate::pod_info::PodInfo;

/// First and longest pause of a pod that could not be placed.
// upstream: #DefaultPodInitialBackoffDuration, #DefaultPodMaxBackoffDuration
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
/// However quiet the cluster is, a pod is tried again after this time.
// upstream: #DefaultPodMaxInUnschedulablePodsDuration
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Highest priority first, then who came first.
type Rank = (Reverse<i32>, u64);

/// A pod that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) info: Arc<PodInfo>,
    /// How often it was tried.
    pub(crate) attempts: u32,
    arrival: u64,
    /// Which plugins held it back the last time; none after an error.
    held_by: Vec<&'static str>,
    /// The cluster's event count when the last attempt began: what came since may help.
    began_at: u64,
}

/// The queue. All times are the caller's.
#[derive(Default)]
pub(crate) struct Queue {
    active: BTreeMap<Rank, Key>,
    backoff: BTreeSet<(Instant, Key)>,
    resting: HashMap<Key, Instant>,
    pods: HashMap<Key, (Waiting, Place)>,
    arrivals: u64,
    /// Events so far, and the last ones, for pods whose attempt was under way meanwhile.
    events: u64,
    recent: Vec<(u64, ClusterEvent)>,
    in_flight: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    Backoff(Instant),
    Resting,
    InFlight,
}

impl Queue {
    /// A pod that is new or changed. One that is tried just now is tried again if that fails.
    pub(crate) fn set(&mut self, info: Arc<PodInfo>) {
        let key = info.key.clone();
        match self.pods.get_mut(&key) {
            Some((waiting, Place::InFlight)) => waiting.info = info,
            Some((waiting, place)) => {
                let changed = waiting.info.pod.spec != info.pod.spec
                    || waiting.info.pod.metadata.labels != info.pod.metadata.labels;
                let place = *place;
                let rank_changed = waiting.info.priority != info.priority;
                let mut next = waiting.clone();
                next.info = info;
                if place == Place::Resting && changed || rank_changed {
                    self.take_out(&key);
                    self.activate(next);
                } else if let Some((waiting, _)) = self.pods.get_mut(&key) {
                    *waiting = next;
                }
            }
            None => {
                self.arrivals += 1;
                self.activate(Waiting {
                    info,
                    attempts: 0,
                    arrival: self.arrivals,
                    held_by: Vec::new(),
                    began_at: 0,
                });
            }
        }
    }

    /// A pod that is gone, or has a node.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.take_out(key);
    }

    /// The next pod to be placed; [`Queue::placed`] or [`Queue::failed`] must follow.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Waiting> {
        self.wake(now);
        let (_, key) = self.active.pop_first()?;
        let (waiting, place) = self.pods.get_mut(&key)?;
        *place = Place::InFlight;
        waiting.attempts = waiting.attempts.saturating_add(1);
        waiting.began_at = self.events;
        self.in_flight += 1;
        Some(waiting.clone())
    }

    /// When the next pod becomes ready by itself.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let backoff = self.backoff.first().map(|(at, _)| *at);
        let rest = self.resting.values().min().copied();
        [backoff, rest].into_iter().flatten().min()
    }

    /// The attempt led to a node.
    pub(crate) fn placed(&mut self, key: &Key) {
        self.take_out(key);
    }

    /// The attempt failed: `held_by` says which plugins held the pod back (none: an error). It rests
    /// until an event may help, or waits in back-off where one already came meanwhile.
    pub(crate) fn failed(
        &mut self,
        key: &Key,
        held_by: Vec<&'static str>,
        plugins: &[Box<dyn Plugin>],
        now: Instant,
    ) {
        let began_at = match self.pods.get(key) {
            Some((waiting, Place::InFlight)) => waiting.began_at,
            _ => return,
        };
        let missed = self
            .recent
            .iter()
            .any(|(n, event)| *n > began_at && helps(plugins, &held_by, *event));
        let Some((mut waiting, _)) = self.take_out(key) else {
            return;
        };
        let error = held_by.is_empty();
        waiting.held_by = held_by;
        if missed || error {
            self.back_off(waiting, now);
        } else {
            self.resting.insert(key.clone(), now + LONGEST_REST);
            self.pods.insert(key.clone(), (waiting, Place::Resting));
        }
    }

    /// Something happened: wakes the pods that it may help.
    pub(crate) fn event(&mut self, event: ClusterEvent, plugins: &[Box<dyn Plugin>], now: Instant) {
        self.events += 1;
        if self.in_flight > 0 {
            self.recent.push((self.events, event));
        } else {
            self.recent.clear();
        }
        let helped: Vec<Key> = self
            .resting
            .keys()
            .filter(|key| {
                let waiting = self.pods.get(*key);
                waiting.is_some_and(|(w, _)| helps(plugins, &w.held_by, event))
            })
            .cloned()
            .collect();
        for key in helped {
            if let Some((waiting, _)) = self.take_out(&key) {
                self.back_off(waiting, now);
            }
        }
    }

    /// Ready, in back-off, resting.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.active.len(), self.backoff.len(), self.resting.len())
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, _)) = self.backoff.first() {
            if *at > now {
                break;
            }
            if let Some((_, key)) = self.backoff.pop_first()
                && let Some((waiting, _)) = self.pods.remove(&key)
            {
                self.activate(waiting);
            }
        }
        let rested: Vec<Key> = self
            .resting
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in rested {
            if let Some((waiting, _)) = self.take_out(&key) {
                self.activate(waiting);
            }
        }
    }

    fn activate(&mut self, waiting: Waiting) {
        let key = waiting.info.key.clone();
        let rank = (Reverse(waiting.info.priority), waiting.arrival);
        self.active.insert(rank, key.clone());
        self.pods.insert(key, (waiting, Place::Active));
    }

    fn back_off(&mut self, waiting: Waiting, now: Instant) {
        let key = waiting.info.key.clone();
        let until = now + BACKOFF.pause(waiting.attempts.saturating_sub(1));
        self.backoff.insert((until, key.clone()));
        self.pods.insert(key, (waiting, Place::Backoff(until)));
    }

    fn take_out(&mut self, key: &Key) -> Option<(Waiting, Place)> {
        let (waiting, place) = self.pods.remove(key)?;
        match place {
            Place::Active => {
                let rank = (Reverse(waiting.info.priority), waiting.arrival);
                self.active.remove(&rank);
            }
            Place::Backoff(until) => {
                self.backoff.remove(&(until, key.clone()));
            }
            Place::Resting => {
                self.resting.remove(key);
            }
            Place::InFlight => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if self.in_flight == 0 {
                    self.recent.clear();
                }
            }
        }
        Some((waiting, place))
    }
}

fn helps(plugins: &[Box<dyn Plugin>], held_by: &[&'static str], event: ClusterEvent) -> bool {
    plugins
        .iter()
        .any(|p| held_by.contains(&p.name()) && p.helps(event))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, priority: i32) -> Arc<PodInfo> {
        let pod = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name},
            "spec": {"containers": [], "priority": priority},
        });
        Arc::new(PodInfo::new(Arc::new(serde_json::from_value(pod).unwrap())))
    }

    fn name(waiting: Option<Waiting>) -> Option<String> {
        waiting.map(|w| w.info.key.name().to_owned())
    }

    #[test]
    fn priority_goes_first_and_then_who_came_first() {
        let mut queue = Queue::default();
        for (n, p) in [("a", 0), ("b", 5), ("c", 0), ("d", 5)] {
            queue.set(pod(n, p));
        }
        let now = Instant::now();
        let order: Vec<_> = std::iter::from_fn(|| name(queue.pop(now))).collect();
        assert_eq!(order, ["b", "d", "a", "c"]);
    }

    #[test]
    fn a_pod_rests_until_an_event_that_may_help_it() {
        let plugins = crate::plugins::all();
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.set(pod("a", 0));
        let a = queue.pop(now).unwrap().info.key.clone();
        queue.failed(&a, vec!["NodeAffinity"], &plugins, now);
        assert!(queue.pop(now).is_none());
        queue.event(ClusterEvent::PodGone, &plugins, now);
        assert_eq!(
            queue.counts(),
            (0, 0, 1),
            "a pod that goes changes no labels"
        );
        queue.event(ClusterEvent::Node, &plugins, now);
        assert_eq!(queue.counts(), (0, 1, 0));
        assert!(queue.pop(now).is_none(), "in back-off");
        assert!(queue.pop(now + Duration::from_secs(1)).is_some());
    }

    #[test]
    fn an_event_during_the_attempt_is_not_missed() {
        let plugins = crate::plugins::all();
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.set(pod("a", 0));
        let a = queue.pop(now).unwrap().info.key.clone();
        queue.event(ClusterEvent::PodGone, &plugins, now);
        queue.failed(&a, vec!["NodeResourcesFit"], &plugins, now);
        assert_eq!(queue.counts(), (0, 1, 0));
    }

    #[test]
    fn in_a_quiet_cluster_a_pod_is_tried_again_all_the_same() {
        let plugins = crate::plugins::all();
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.set(pod("a", 0));
        let a = queue.pop(now).unwrap().info.key.clone();
        queue.failed(&a, vec!["NodeAffinity"], &plugins, now);
        assert_eq!(queue.next_wake(), Some(now + LONGEST_REST));
        assert!(queue.pop(now + LONGEST_REST).is_some());
    }

    #[test]
    fn a_pod_that_goes_while_it_is_tried_does_not_come_back() {
        let plugins = crate::plugins::all();
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.set(pod("a", 0));
        let a = queue.pop(now).unwrap().info.key.clone();
        queue.remove(&a);
        queue.failed(&a, vec!["NodeResourcesFit"], &plugins, now);
        assert_eq!(queue.counts(), (0, 0, 0));
        assert_eq!(queue.next_wake(), None);
    }
}
