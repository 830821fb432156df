//! The time of day, as controllers compare it with the times in objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Where the time of day comes from.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    Wall,
    /// What the machine's clock was once, moved on by Tokio's clock, which tests can pause.
    Tokio {
        /// The time then.
        base: Timestamp,
        /// That moment on Tokio's clock.
        since: Instant,
    },
}

fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos())
        .ok()
        .and_then(|nanos| Timestamp::from_nanosecond(nanos).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Clock {
    /// Follows Tokio's clock from now on.
    #[must_use]
    pub fn tokio() -> Self {
        Self::Tokio {
            base: wall(),
            since: Instant::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall => wall(),
            Self::Tokio { base, since } => SignedDuration::try_from(since.elapsed())
                .ok()
                .and_then(|elapsed| base.checked_add(elapsed).ok())
                .unwrap_or(*base),
        }
    }

    /// The time now, as objects have it.
    pub(crate) fn time(&self) -> Time {
        Time(self.now())
    }

    /// How long it is until `at`; zero when that is past.
    pub(crate) fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or_default()
    }

    /// How long it is since `at`; zero when that is yet to come.
    pub(crate) fn since(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(at)).unwrap_or_default()
    }
}

/// `at` so many seconds later.
pub(crate) fn plus_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
