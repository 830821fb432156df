//! Time, injected.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Milliseconds since the start of 1970, by the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This time plus a duration, rounded up to the next millisecond.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(
            self.0
                .saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)),
        )
    }

    /// This time less a duration; never before 1970.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

/// Where the store gets its time from. Expiry and retention are by the wall clock, because they must hold across
/// restarts.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Millis;

    /// Resolves once `now() >= at`.
    fn sleep_until(&self, at: Millis) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A wall clock that is set forward must be noticed, so a sleep is never longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, at: Millis) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let now = SystemClock.now();
                if now >= at {
                    return;
                }
                let left = Duration::from_millis(at.0 - now.0);
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            }
        })
    }
}

/// A clock that moves only when it is told to, for tests. Clones are the same clock.
#[derive(Clone, Default)]
pub struct ManualClock {
    state: Arc<Mutex<ManualState>>,
}

#[derive(Default)]
struct ManualState {
    now: Millis,
    sleepers: BTreeMap<Millis, Vec<oneshot::Sender<()>>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self {
            state: Arc::new(Mutex::new(ManualState {
                now,
                sleepers: BTreeMap::new(),
            })),
        }
    }

    /// Moves the clock and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state.lock();
            state.now = state.now.after(by);
            let now = state.now;
            let later = state.sleepers.split_off(&Millis(now.0 + 1));
            std::mem::replace(&mut state.sleepers, later)
        };
        for sleeper in due.into_values().flatten() {
            let _ = sleeper.send(());
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.state.lock().now
    }

    fn sleep_until(&self, at: Millis) -> BoxFuture<'static, ()> {
        let waiting = {
            let mut state = self.state.lock();
            if state.now >= at {
                None
            } else {
                let (wake, woken) = oneshot::channel();
                state.sleepers.entry(at).or_default().push(wake);
                Some(woken)
            }
        };
        Box::pin(async move {
            if let Some(woken) = waiting {
                let _ = woken.await;
            }
        })
    }
}
