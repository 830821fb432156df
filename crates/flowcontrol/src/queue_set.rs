//! One priority level's queues and seats: fair queueing over virtual time.
//!
//! A queue's requests get their seats in turn; the queue that was served least goes first. `r` is the virtual time: it
//! goes on at the rate at which every busy queue is served. A queue is charged for a request when it is dispatched, by
//! a guess, and when the request is done, by what it really took.
// upstream: apiserver/pkg/util/flowcontrol/fairqueuing/queueset/queueset.go

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::config::Queuing;
use crate::shuffle::deal;

/// What a request is guessed to take. upstream: queueset.go#newQueueSet, 3 ms
const GUESS: f64 = 0.003;

/// A request that waits.
#[derive(Debug)]
struct Waiting {
    id: u64,
    seats: usize,
    go: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Virtual time at which its next request is dispatched.
    next_r: f64,
    executing: usize,
    seats_in_use: usize,
}

impl Queue {
    fn waiting_seats(&self) -> usize {
        self.waiting.iter().map(|w| w.seats).sum()
    }
}

/// What became of a request that arrived.
pub(crate) enum Arrived {
    /// It may go on; where it is accounted.
    Go(Place),
    /// It waits; the receiver is told when it may go on.
    Waits(Place, oneshot::Receiver<()>),
    /// Its queue is full, or the level does not queue and has no free seat.
    Rejected(&'static str),
}

/// Where a request is accounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) id: u64,
    queue: Option<usize>,
    pub(crate) seats: usize,
}

/// upstream: metrics.go, the reasons of a rejection
pub(crate) const QUEUE_FULL: &str = "queue-full";
pub(crate) const CONCURRENCY_LIMIT: &str = "concurrency-limit";

/// The seats and queues of one level.
#[derive(Debug)]
pub(crate) struct QueueSet {
    queuing: Option<Queuing>,
    queues: Vec<Queue>,
    limit: usize,
    pub(crate) seats_in_use: usize,
    pub(crate) executing: usize,
    pub(crate) waiting: usize,
    r: f64,
    last: Instant,
    robin: usize,
    next_id: u64,
}

impl QueueSet {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            queuing: None,
            queues: Vec::new(),
            limit: 1,
            seats_in_use: 0,
            executing: 0,
            waiting: 0,
            r: 0.0,
            last: now,
            robin: 0,
            next_id: 1,
        }
    }

    /// Other queues. What waits already keeps its place; queues that are too many take nothing new.
    pub(crate) fn configure(&mut self, queuing: Option<Queuing>) {
        self.queuing = queuing;
        let wanted = queuing.map_or(0, |q| q.queues.max(1));
        while self.queues.len() < wanted {
            self.queues.push(Queue::default());
        }
        while self.queues.len() > wanted
            && self
                .queues
                .last()
                .is_some_and(|q| q.waiting.is_empty() && q.executing == 0)
        {
            self.queues.pop();
        }
    }

    /// Another number of seats; dispatches what it makes room for.
    pub(crate) fn set_limit(&mut self, now: Instant, limit: usize) {
        self.advance(now);
        self.limit = limit.max(1);
        self.dispatch();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.executing == 0 && self.waiting == 0
    }

    /// Seats asked for: in use and waiting.
    pub(crate) fn demand(&self) -> usize {
        self.seats_in_use + self.waiting_seats()
    }

    pub(crate) fn waiting_seats(&self) -> usize {
        self.queues.iter().map(Queue::waiting_seats).sum()
    }

    // upstream: queueset.go#getVirtualTimeRatioLocked
    fn rate(&self) -> f64 {
        let (mut active, mut asked) = (0usize, 0usize);
        for queue in &self.queues {
            if !queue.waiting.is_empty() || queue.executing > 0 {
                active += 1;
                asked += queue.seats_in_use + queue.waiting_seats();
            }
        }
        if active == 0 {
            return 0.0;
        }
        asked.min(self.limit) as f64 / active as f64
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.r += passed * self.rate();
        self.last = now;
    }

    // upstream: queueset.go#canAccommodateSeatsLocked
    fn fits(&self, seats: usize) -> bool {
        if seats > self.limit {
            self.executing == 0
        } else {
            self.seats_in_use + seats <= self.limit
        }
    }

    fn place(&mut self, queue: Option<usize>, seats: usize) -> Place {
        let id = self.next_id;
        self.next_id += 1;
        Place { id, queue, seats }
    }

    /// A request of a flow arrives.
    // upstream: queueset.go#StartRequest
    pub(crate) fn arrive(&mut self, now: Instant, flow: u64, seats: usize) -> Arrived {
        self.advance(now);
        let Some(queuing) = self.queuing else {
            if !self.fits(seats) {
                return Arrived::Rejected(CONCURRENCY_LIMIT);
            }
            self.seats_in_use += seats;
            self.executing += 1;
            return Arrived::Go(self.place(None, seats));
        };
        // The queue of the hand with the least to do.
        let deck = queuing.queues.max(1);
        let chosen = deal(flow, deck, queuing.hand_size.max(1))
            .into_iter()
            .min_by_key(|i| {
                self.queues
                    .get(*i)
                    .map_or(usize::MAX, |q| q.waiting_seats() + q.seats_in_use)
            })
            .unwrap_or(0);
        let (free, r) = (self.fits(seats), self.r);
        let place = self.place(Some(chosen), seats);
        let Some(queue) = self.queues.get_mut(chosen) else {
            return Arrived::Rejected(QUEUE_FULL);
        };
        if queue.waiting.len() >= queuing.queue_length_limit && !free {
            return Arrived::Rejected(QUEUE_FULL);
        }
        if queue.waiting.is_empty() && queue.executing == 0 {
            queue.next_r = r;
        }
        let (go, mut gone) = oneshot::channel();
        queue.waiting.push_back(Waiting {
            id: place.id,
            seats,
            go,
        });
        self.waiting += 1;
        self.dispatch();
        match gone.try_recv() {
            Ok(()) => Arrived::Go(place),
            Err(_) => Arrived::Waits(place, gone),
        }
    }

    /// Dispatches as long as there are seats for the request whose turn it is.
    // upstream: queueset.go#dispatchAsMuchAsPossibleLocked
    fn dispatch(&mut self) {
        while self.waiting > 0 && self.dispatch_one() {}
    }

    // upstream: queueset.go#findDispatchQueueToBoundLocked
    fn dispatch_one(&mut self) -> bool {
        let count = self.queues.len();
        let (mut best, mut least) = (None, f64::INFINITY);
        for step in 1..=count {
            let i = (self.robin + step) % count;
            let Some(queue) = self.queues.get(i) else {
                continue;
            };
            let Some(oldest) = queue.waiting.front() else {
                continue;
            };
            let finish = queue.next_r + GUESS * oldest.seats as f64;
            if finish < least {
                (best, least) = (Some((i, oldest.seats)), finish);
            }
        }
        let Some((i, seats)) = best else { return false };
        if !self.fits(seats) {
            return false;
        }
        self.robin = i;
        let Some(queue) = self.queues.get_mut(i) else {
            return false;
        };
        let Some(request) = queue.waiting.pop_front() else {
            return false;
        };
        self.waiting -= 1;
        queue.executing += 1;
        queue.seats_in_use += seats;
        queue.next_r += GUESS * seats as f64;
        self.executing += 1;
        self.seats_in_use += seats;
        // Whoever waited and is gone gives the place back when it is dropped.
        let _ = request.go.send(());
        true
    }

    /// A request that was dispatched is done.
    // upstream: queueset.go#finishRequestLocked
    pub(crate) fn finish(&mut self, now: Instant, place: &Place, took: f64) {
        self.advance(now);
        self.executing = self.executing.saturating_sub(1);
        self.seats_in_use = self.seats_in_use.saturating_sub(place.seats);
        if let Some(queue) = place.queue.and_then(|i| self.queues.get_mut(i)) {
            queue.executing = queue.executing.saturating_sub(1);
            queue.seats_in_use = queue.seats_in_use.saturating_sub(place.seats);
            queue.next_r += (took - GUESS) * place.seats as f64;
        }
        self.dispatch();
    }

    /// A request does not wait any more. `false` when it has been dispatched meanwhile.
    // upstream: queueset.go#cancelWait
    pub(crate) fn leave(&mut self, now: Instant, place: &Place) -> bool {
        self.advance(now);
        let Some(queue) = place.queue.and_then(|i| self.queues.get_mut(i)) else {
            return false;
        };
        let before = queue.waiting.len();
        queue.waiting.retain(|w| w.id != place.id);
        let left = before - queue.waiting.len();
        self.waiting -= left;
        left > 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn set(limit: usize, queues: usize, hand: usize, length: usize) -> (QueueSet, Instant) {
        let now = Instant::now();
        let mut set = QueueSet::new(now);
        set.configure(Some(Queuing {
            queues,
            hand_size: hand,
            queue_length_limit: length,
        }));
        set.set_limit(now, limit);
        (set, now)
    }

    fn runs(arrived: Arrived) -> Place {
        match arrived {
            Arrived::Go(place) => place,
            Arrived::Waits(..) => panic!("waits"),
            Arrived::Rejected(why) => panic!("{why}"),
        }
    }

    #[test]
    fn a_level_without_queues_rejects() {
        let now = Instant::now();
        let mut set = QueueSet::new(now);
        set.set_limit(now, 2);
        let first = runs(set.arrive(now, 1, 1));
        runs(set.arrive(now, 1, 1));
        assert!(matches!(
            set.arrive(now, 1, 1),
            Arrived::Rejected(CONCURRENCY_LIMIT)
        ));
        set.finish(now, &first, 0.001);
        runs(set.arrive(now, 1, 1));
    }

    #[test]
    fn a_full_queue_rejects_and_a_wide_request_gets_an_empty_level() {
        let (mut set, now) = set(1, 1, 1, 2);
        let wide = runs(set.arrive(now, 1, 5));
        let (Arrived::Waits(first, mut go), Arrived::Waits(second, _)) =
            (set.arrive(now, 1, 1), set.arrive(now, 1, 1))
        else {
            panic!("they wait")
        };
        assert!(matches!(
            set.arrive(now, 1, 1),
            Arrived::Rejected(QUEUE_FULL)
        ));
        assert!(set.leave(now, &second) && !set.leave(now, &second));
        set.finish(now, &wide, 0.01);
        go.try_recv().unwrap();
        assert!(!set.leave(now, &first));
        assert_eq!((set.executing, set.seats_in_use, set.waiting), (1, 1, 0));
    }

    /// One flow has hundreds waiting; another's requests go through at its fair share.
    #[test]
    fn a_flood_does_not_hold_up_another_flow() {
        let (mut set, mut now) = set(4, 16, 2, 1000);
        let mut running: VecDeque<(Place, bool)> = VecDeque::new();
        let mut waiting: Vec<(Place, oneshot::Receiver<()>, bool)> = Vec::new();
        let arrive =
            |set: &mut QueueSet,
             now: Instant,
             mouse: bool,
             running: &mut VecDeque<(Place, bool)>,
             waiting: &mut Vec<(Place, oneshot::Receiver<()>, bool)>| {
                let flow = if mouse { 0x1234_5678_9abc } else { 7 };
                match set.arrive(now, flow, 1) {
                    Arrived::Go(place) => running.push_back((place, mouse)),
                    Arrived::Waits(place, go) => waiting.push((place, go, mouse)),
                    Arrived::Rejected(why) => panic!("{why}"),
                }
            };
        for _ in 0..400 {
            arrive(&mut set, now, false, &mut running, &mut waiting);
        }
        let (mut mice, mut done, mut longest) = (0, 0, 0);
        for step in 0..200 {
            if step % 4 == 0 {
                arrive(&mut set, now, true, &mut running, &mut waiting);
                mice += 1;
            }
            now += Duration::from_millis(10);
            let (place, mouse) = running.pop_front().unwrap();
            set.finish(now, &place, 0.04);
            done += usize::from(mouse);
            let mut still = Vec::new();
            for (place, mut go, mouse) in waiting.drain(..) {
                if go.try_recv().is_ok() {
                    running.push_back((place, mouse));
                } else {
                    still.push((place, go, mouse));
                }
            }
            waiting = still;
            longest = longest.max(waiting.iter().filter(|w| w.2).count());
        }
        // One of four requests is a mouse's, and it never has more than a few waiting.
        assert!(
            done + 6 >= mice && longest <= 3,
            "{done} of {mice}, {longest} waiting"
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        /// Whatever comes and goes, seats and counts add up, nobody waits while there is room, and all are served.
        #[test]
        fn the_books_balance(steps in proptest::collection::vec((0u8..4, 0u64..5, 1usize..4), 1..200), limit in 1usize..8) {
            let (mut set, mut now) = set(limit, 8, 2, 5);
            let mut running = Vec::new();
            let mut waiting: Vec<(Place, oneshot::Receiver<()>)> = Vec::new();
            let mut step = |set: &mut QueueSet, what: u8, flow: u64, seats: usize, running: &mut Vec<Place>| {
                now += Duration::from_millis(1);
                match what {
                    0 | 1 => match set.arrive(now, flow, seats) {
                        Arrived::Go(place) => running.push(place),
                        Arrived::Waits(place, go) => waiting.push((place, go)),
                        Arrived::Rejected(_) => {}
                    },
                    2 => if let Some(place) = running.pop() { set.finish(now, &place, 0.001); },
                    _ => if let Some((place, _go)) = waiting.pop() && !set.leave(now, &place) {
                        set.finish(now, &place, 0.0);
                    },
                }
                let mut still = Vec::new();
                for (place, mut go) in waiting.drain(..) {
                    if go.try_recv().is_ok() { running.push(place) } else { still.push((place, go)) }
                }
                waiting = still;
                waiting.len()
            };
            for (what, flow, seats) in steps {
                let waits = step(&mut set, what, flow, seats, &mut running);
                proptest::prop_assert_eq!(set.executing, running.len());
                proptest::prop_assert_eq!(set.seats_in_use, running.iter().map(|p| p.seats).sum::<usize>());
                proptest::prop_assert_eq!(set.waiting, waits);
                proptest::prop_assert!(waits == 0 || set.executing > 0);
            }
            for _ in 0..2000 {
                if step(&mut set, 2, 0, 1, &mut running) == 0 && running.is_empty() { break; }
            }
            proptest::prop_assert!(set.is_idle());
        }
    }
}
