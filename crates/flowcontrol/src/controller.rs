//! Levels and schemas together: a request goes in, and a permit or a rejection comes out.
// upstream: apiserver/pkg/util/flowcontrol/apf_controller.go

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::allocation::{Item, allocate};
use crate::config::{FlowSchema, LevelSpec, PriorityLevel};
use crate::demand::Demand;
use crate::digest::Digest;
use crate::metrics::{Flow, Metrics, OfLevel, Rejected, Waited};
use crate::queue_set::{Arrived, Place, QueueSet};
use crate::shuffle::flow_hash;

/// How often levels lend and borrow anew. upstream: apf_controller.go#borrowingAdjustmentPeriod
const ADJUST_EVERY: Duration = Duration::from_secs(10);

/// Why a request is rejected, in upstream's words for the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectReason(pub &'static str);

impl RejectReason {
    /// It waited too long.
    pub const TIME_OUT: Self = Self("time-out");
}

/// How a request was classified.
#[derive(Clone, Debug)]
pub struct Classified {
    /// The flow schema's name.
    pub schema: Arc<str>,
    /// Its UID.
    pub schema_uid: Arc<str>,
    /// The priority level's name.
    pub level: Arc<str>,
    /// Its UID.
    pub level_uid: Arc<str>,
    exempt: bool,
    flow: u64,
    /// The level's most seats, by which a wide request is bounded.
    pub most_seats: usize,
}

impl Classified {
    /// Whether it never waits.
    #[must_use]
    pub fn is_exempt(&self) -> bool {
        self.exempt
    }
}

/// What became of a request.
pub enum Entered {
    /// It may go on; its seats are free again when the permit is dropped.
    Go(Permit),
    /// It is to be answered 429.
    Rejected(RejectReason),
}

struct Level {
    uid: Arc<str>,
    spec: LevelSpec,
    set: QueueSet,
    demand: Demand,
    nominal: f64,
    lower: f64,
    upper: f64,
    /// Its object is gone; it goes when it is idle.
    leaving: bool,
}

struct State {
    levels: HashMap<Arc<str>, Level>,
    schemas: Vec<(Arc<FlowSchema>, Arc<str>, Arc<str>)>,
    seats: usize,
}

/// The whole of it. Cheap to clone.
#[derive(Clone)]
pub struct FlowControl {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    metrics: Metrics,
}

impl FlowControl {
    /// With so many seats for all levels together, and nothing configured: everything is rejected until
    /// [`FlowControl::configure`].
    #[must_use]
    pub fn new(seats: usize, metrics: &mut Registry) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    levels: HashMap::new(),
                    schemas: Vec::new(),
                    seats: seats.max(1),
                }),
                metrics: Metrics::new(metrics),
            }),
        }
    }

    /// Takes these objects as the configuration. What waits and what runs keeps its place.
    // upstream: apf_controller.go#lockAndDigestConfigObjects
    pub fn configure(&self, levels: Vec<PriorityLevel>, mut schemas: Vec<FlowSchema>) {
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        let seats = state.seats;
        for level in state.levels.values_mut() {
            level.leaving = true;
        }
        for config in levels {
            let name: Arc<str> = config.metadata.name.as_str().into();
            let level = state.levels.entry(name).or_insert_with(|| Level {
                uid: "".into(),
                spec: LevelSpec::default(),
                set: QueueSet::new(now),
                demand: Demand::new(now),
                nominal: 0.0,
                lower: 0.0,
                upper: 0.0,
                leaving: false,
            });
            level.leaving = false;
            level.uid = config.metadata.uid.as_str().into();
            level.set.configure(config.spec.queuing());
            level.spec = config.spec;
        }
        let gone: Vec<Arc<str>> = state
            .levels
            .iter()
            .filter(|(_, l)| l.leaving && l.set.is_idle())
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            state.levels.remove(&name);
            self.shared.metrics.forget(&name);
        }
        let shares: f64 = state.levels.values().map(|l| l.spec.shares()).sum();
        for (name, level) in &mut state.levels {
            level.nominal = if shares > 0.0 {
                (seats as f64 * level.spec.shares() / shares).ceil()
            } else {
                0.0
            };
            level.lower = level.nominal - (level.nominal * level.spec.lendable() / 100.0).round();
            level.upper = match level.spec.borrowing() {
                Some(percent) => level.nominal + (level.nominal * percent / 100.0).round(),
                None => seats as f64,
            };
            level.set.set_limit(now, level.nominal as usize);
            let of = OfLevel {
                priority_level: name.to_string(),
            };
            let metrics = &self.shared.metrics;
            for (family, value) in [
                (&metrics.nominal, level.nominal),
                (&metrics.lower, level.lower),
                (&metrics.upper, level.upper),
                (&metrics.current, level.nominal),
            ] {
                family.get_or_create(&of).set(value as i64);
            }
        }
        // By precedence, then by name. upstream: apf_controller.go#apfFlowSchemaSequence
        schemas.sort_by(|a, b| {
            (a.spec.matching_precedence, a.name()).cmp(&(b.spec.matching_precedence, b.name()))
        });
        state.schemas = schemas
            .into_iter()
            // A schema without its level is as if it were not there.
            .filter(|s| state.levels.get(s.level()).is_some_and(|l| !l.leaving))
            .map(|s| {
                let (name, uid) = (s.name().into(), s.metadata.uid.as_str().into());
                (Arc::new(s), name, uid)
            })
            .collect();
    }

    /// The first schema that matches, and its level. `None` when none does: the catch-all schema is missing.
    #[must_use]
    pub fn classify(&self, digest: &Digest<'_>) -> Option<Classified> {
        let state = self.shared.state.lock();
        let (schema, name, uid) = state.schemas.iter().find(|(s, _, _)| s.matches(digest))?;
        let (level_name, level) = state.levels.get_key_value(schema.level())?;
        Some(Classified {
            schema: name.clone(),
            schema_uid: uid.clone(),
            level: level_name.clone(),
            level_uid: level.uid.clone(),
            exempt: level.spec.is_exempt(),
            flow: flow_hash(schema.name(), schema.flow(digest)),
            most_seats: level.nominal as usize,
        })
    }

    /// Gets seats for a request, waiting not longer than `patience`. A caller that goes away while it waits leaves the
    /// queue.
    pub async fn enter(
        &self,
        classified: &Classified,
        seats: usize,
        patience: Duration,
    ) -> Entered {
        let arrived = Instant::now();
        let flow = || Flow {
            priority_level: classified.level.to_string(),
            flow_schema: classified.schema.to_string(),
        };
        let metrics = &self.shared.metrics;
        let reject = |reason: &'static str| {
            metrics
                .rejected
                .get_or_create(&Rejected {
                    priority_level: classified.level.to_string(),
                    flow_schema: classified.schema.to_string(),
                    reason,
                })
                .inc();
            Entered::Rejected(RejectReason(reason))
        };
        let outcome = {
            let mut state = self.shared.state.lock();
            let Some(level) = state.levels.get_mut(&classified.level) else {
                return reject("concurrency-limit");
            };
            let outcome = if classified.exempt {
                None
            } else {
                Some(level.set.arrive(arrived, classified.flow, seats))
            };
            level.demand.set(arrived, level.set.demand());
            outcome
        };
        let flow = flow();
        let place = match outcome {
            None => None,
            Some(Arrived::Go(place)) => Some(place),
            Some(Arrived::Rejected(reason)) => return reject(reason),
            Some(Arrived::Waits(place, mut go)) => {
                let in_queue = metrics.in_queue.get_or_create(&flow).clone();
                in_queue.inc();
                let mut waiting = InQueue {
                    control: self,
                    level: &classified.level,
                    place: Some(place),
                };
                let called = tokio::time::timeout(patience, &mut go).await;
                in_queue.dec();
                let served = matches!(called, Ok(Ok(()))) || !waiting.left();
                waiting.place = None;
                metrics
                    .waited
                    .get_or_create(&Waited {
                        priority_level: classified.level.to_string(),
                        flow_schema: classified.schema.to_string(),
                        execute: if served { "true" } else { "false" },
                    })
                    .observe(arrived.elapsed().as_secs_f64());
                if !served {
                    return reject(RejectReason::TIME_OUT.0);
                }
                Some(place)
            }
        };
        metrics.dispatched.get_or_create(&flow).inc();
        metrics.executing.get_or_create(&flow).inc();
        Entered::Go(Permit {
            control: self.clone(),
            level: classified.level.clone(),
            place,
            since: Instant::now(),
            flow,
        })
    }

    /// Lends and borrows anew, by what was asked for since the last time.
    // upstream: apf_controller.go#updateBorrowingLocked
    pub fn adjust(&self) {
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        let metrics = &self.shared.metrics;
        let (mut names, mut items, mut lowest, mut wanted) = (Vec::new(), Vec::new(), 0.0, 0.0);
        let mut left: f64 = state.levels.values().map(|l| l.nominal).sum();
        for (name, level) in &mut state.levels {
            let (highest, smoothed) = level.demand.end_period(now);
            let of = OfLevel {
                priority_level: name.to_string(),
            };
            metrics.demand_high.get_or_create(&of).set(highest);
            metrics.demand_smoothed.get_or_create(&of).set(smoothed);
            if level.spec.is_exempt() {
                left -= level.lower.max(highest);
                continue;
            }
            let lower = level.lower.max(level.nominal.min(highest));
            lowest += level.lower;
            wanted += lower;
            names.push(name.clone());
            items.push((
                level.lower,
                Item {
                    lower,
                    upper: level.upper.max(lower),
                    target: lower.max(smoothed),
                },
            ));
        }
        let (allocs, fraction) = if left <= lowest {
            (items.iter().map(|(min, _)| *min).collect(), 0.0)
        } else if left <= wanted {
            let share = (left - lowest) / (wanted - lowest);
            (
                items
                    .iter()
                    .map(|(min, item)| min + share * (item.lower - min))
                    .collect(),
                0.0,
            )
        } else {
            let items: Vec<Item> = items.iter().map(|(_, item)| *item).collect();
            allocate(left, &items)
        };
        metrics.fair_fraction.set(fraction);
        for (name, seats) in names.iter().zip::<Vec<f64>>(allocs) {
            if let Some(level) = state.levels.get_mut(name) {
                let seats = (seats.round() as usize).max(1);
                level.set.set_limit(now, seats);
                let of = OfLevel {
                    priority_level: name.to_string(),
                };
                metrics.current.get_or_create(&of).set(seats as i64);
                metrics
                    .in_queue_seats
                    .get_or_create(&of)
                    .set(level.set.waiting_seats() as i64);
                metrics
                    .executing_seats
                    .get_or_create(&of)
                    .set(level.set.seats_in_use as i64);
            }
        }
    }

    /// Adjusts every ten seconds, for ever. To be run as a task that is dropped in the end.
    pub async fn keep_adjusting(&self) {
        loop {
            tokio::time::sleep(ADJUST_EVERY).await;
            self.adjust();
        }
    }

    fn with_level<T>(&self, name: &str, f: impl FnOnce(&mut Level, Instant) -> T) -> Option<T> {
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        let level = state.levels.get_mut(name)?;
        let out = f(level, now);
        level.demand.set(now, level.set.demand());
        if level.leaving && level.set.is_idle() {
            state.levels.remove(name);
            self.shared.metrics.forget(name);
        }
        Some(out)
    }
}

/// A request in its queue.
struct InQueue<'a> {
    control: &'a FlowControl,
    level: &'a str,
    place: Option<Place>,
}

impl InQueue<'_> {
    /// Leaves the queue; `false` when the request was dispatched just now.
    fn left(&self) -> bool {
        self.place.is_none_or(|place| {
            self.control
                .with_level(self.level, |level, now| level.set.leave(now, &place))
                .unwrap_or(true)
        })
    }
}

impl Drop for InQueue<'_> {
    /// The caller went away while it waited.
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        self.control.with_level(self.level, |level, now| {
            if !level.set.leave(now, &place) {
                level.set.finish(now, &place, 0.0);
            }
        });
    }
}

/// A request's seats.
pub struct Permit {
    control: FlowControl,
    level: Arc<str>,
    place: Option<Place>,
    since: Instant,
    flow: Flow,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let took = self.since.elapsed().as_secs_f64();
        let metrics = &self.control.shared.metrics;
        metrics.executing.get_or_create(&self.flow).dec();
        metrics.executed.get_or_create(&self.flow).observe(took);
        if let Some(place) = self.place.take() {
            self.control.with_level(&self.level, |level, now| {
                level.set.finish(now, &place, took);
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn level(name: &str, spec: serde_json::Value) -> PriorityLevel {
        PriorityLevel::parse(
            json!({"metadata": {"name": name, "uid": format!("u-{name}")}, "spec": spec})
                .to_string()
                .as_bytes(),
        )
        .unwrap()
    }

    fn limited(name: &str, shares: u32, lendable: u32, queue: bool) -> PriorityLevel {
        let response = if queue {
            json!({"type": "Queue", "queuing": {"queues": 8, "handSize": 2, "queueLengthLimit": 10}})
        } else {
            json!({"type": "Reject"})
        };
        level(
            name,
            json!({"type": "Limited", "limited": {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}}),
        )
    }

    fn schema(name: &str, to: &str, precedence: i32, user: &str) -> FlowSchema {
        let object = json!({"metadata": {"name": name, "uid": format!("u-{name}")}, "spec": {
            "matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": to}, "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [{"kind": "User", "user": {"name": user}}],
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}]}]}});
        FlowSchema::parse(object.to_string().as_bytes()).unwrap()
    }

    fn of(user: &str) -> Digest<'_> {
        Digest {
            user,
            verb: "get",
            is_resource: true,
            resource: "pods",
            namespace: "a",
            ..Digest::default()
        }
    }

    fn control(seats: usize) -> FlowControl {
        let control = FlowControl::new(seats, &mut Registry::default());
        control.configure(
            vec![
                level("exempt", json!({"type": "Exempt"})),
                limited("low", 10, 50, true),
                limited("catch-all", 10, 0, false),
            ],
            vec![
                schema("catch-all", "catch-all", 10000, "*"),
                schema("missing", "nowhere", 1, "*"),
                schema("admins", "exempt", 2, "root"),
                schema("users", "low", 100, "alice"),
                schema("users-b", "low", 100, "bob"),
            ],
        );
        control
    }

    const PATIENCE: Duration = Duration::from_millis(50);

    async fn go(control: &FlowControl, user: &str) -> Option<Permit> {
        let classified = control.classify(&of(user)).unwrap();
        match control.enter(&classified, 1, PATIENCE).await {
            Entered::Go(permit) => Some(permit),
            Entered::Rejected(_) => None,
        }
    }

    #[tokio::test]
    async fn requests_go_where_the_first_matching_schema_sends_them() {
        let control = control(20);
        let classified = control.classify(&of("alice")).unwrap();
        assert_eq!(
            (
                &*classified.schema,
                &*classified.level,
                &*classified.level_uid
            ),
            ("users", "low", "u-low")
        );
        assert_eq!(&*control.classify(&of("eve")).unwrap().level, "catch-all");
        assert!(control.classify(&of("root")).unwrap().is_exempt());
    }

    #[tokio::test]
    async fn a_flooded_level_holds_up_no_other_and_the_exempt_never_wait() {
        let control = control(4);
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(go(&control, "alice").await.unwrap());
        }
        // Two seats are all that the level has: more wait in vain.
        assert!(go(&control, "alice").await.is_none());
        assert!(go(&control, "bob").await.is_none());
        assert!(go(&control, "eve").await.is_some());
        for _ in 0..10 {
            held.push(go(&control, "root").await.unwrap());
        }
        drop(held);
        assert!(go(&control, "bob").await.is_some());
    }

    #[tokio::test]
    async fn an_idle_level_lends_its_seats() {
        let control = control(8);
        let held: Vec<_> = [
            go(&control, "eve").await,
            go(&control, "eve").await,
            go(&control, "eve").await,
            go(&control, "eve").await,
        ]
        .into_iter()
        .map(Option::unwrap)
        .collect();
        assert!(go(&control, "eve").await.is_none());
        tokio::time::sleep(Duration::from_millis(20)).await;
        control.adjust();
        // What is asked for counts twice what the other level keeps: five seats, then six of the eight.
        let more = go(&control, "eve").await;
        assert!(more.is_some() && go(&control, "eve").await.is_none());
        tokio::time::sleep(Duration::from_millis(20)).await;
        control.adjust();
        let another = go(&control, "eve").await;
        assert!(another.is_some() && go(&control, "eve").await.is_none());
        drop(held);
    }

    #[tokio::test]
    async fn who_goes_away_while_it_waits_leaves_no_trace_and_levels_go_when_idle() {
        let control = control(4);
        let held = [
            go(&control, "alice").await.unwrap(),
            go(&control, "alice").await.unwrap(),
        ];
        let classified = control.classify(&of("bob")).unwrap();
        let waiting = control.enter(&classified, 1, Duration::from_secs(60));
        assert!(
            tokio::time::timeout(Duration::from_millis(10), waiting)
                .await
                .is_err()
        );
        control.configure(
            vec![limited("other", 10, 0, true)],
            vec![schema("all", "other", 1, "*")],
        );
        assert_eq!(&*control.classify(&of("bob")).unwrap().level, "other");
        assert_eq!(control.shared.state.lock().levels.len(), 2);
        drop(held);
        assert_eq!(control.shared.state.lock().levels.len(), 1);
    }
}
