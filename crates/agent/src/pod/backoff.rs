//! Back-off of restarts and pulls.
// upstream: client-go/util/flowcontrol/backoff.go

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// First pause.
pub(crate) const INITIAL: Duration = Duration::from_secs(10);
/// Longest pause.
pub(crate) const MAXIMUM: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy)]
struct Entry {
    pause: Duration,
    updated: Timestamp,
}

/// Pauses by key: 10 s, doubled at each use up to 5 min, forgotten after 10 min without one.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    entries: HashMap<String, Entry>,
}

fn since(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

impl Backoff {
    /// What is left of the pause after an event at `event`; zero when it is over.
    pub(crate) fn remaining(&self, key: &str, event: Timestamp, now: Timestamp) -> Duration {
        match self.entries.get(key) {
            Some(entry) if since(event, entry.updated) <= 2 * MAXIMUM => {
                entry.pause.saturating_sub(since(now, event))
            }
            _ => Duration::ZERO,
        }
    }

    /// What is left of the pause that the last use began; zero when it is over.
    pub(crate) fn left(&self, key: &str, now: Timestamp) -> Duration {
        self.entries.get(key).map_or(Duration::ZERO, |e| {
            e.pause.saturating_sub(since(now, e.updated))
        })
    }

    /// The pause that is in force.
    pub(crate) fn pause(&self, key: &str) -> Duration {
        self.entries.get(key).map_or(Duration::ZERO, |e| e.pause)
    }

    /// Notes a use: the next pause is longer.
    pub(crate) fn next(&mut self, key: &str, event: Timestamp, now: Timestamp) {
        let pause = match self.entries.get(key) {
            Some(entry) if since(event, entry.updated) <= 2 * MAXIMUM => {
                (entry.pause * 2).min(MAXIMUM)
            }
            _ => INITIAL,
        };
        self.entries.insert(
            key.to_owned(),
            Entry {
                pause,
                updated: now,
            },
        );
    }
}

/// `10s`, `1m20s`, `5m0s`, as Go prints a duration.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, m) => format!("{m}m{rest}s"),
        (h, m) => format!("{h}h{m}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap_or_default()
    }

    #[test]
    fn doubles_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.remaining("a", at(0), at(0)), Duration::ZERO);
        let mut pauses = Vec::new();
        let mut now = 0;
        for _ in 0..7 {
            backoff.next("a", at(now), at(now));
            pauses.push(backoff.pause("a").as_secs());
            now += 1;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(
            backoff.remaining("a", at(now), at(now + 100)),
            Duration::from_secs(200)
        );
        assert_eq!(
            backoff.remaining("a", at(now), at(now + 300)),
            Duration::ZERO
        );
        assert_eq!(backoff.remaining("b", at(now), at(now)), Duration::ZERO);
    }

    #[test]
    fn forgets_after_ten_quiet_minutes() {
        let mut backoff = Backoff::default();
        backoff.next("a", at(0), at(0));
        backoff.next("a", at(1), at(1));
        assert_eq!(backoff.remaining("a", at(602), at(602)), Duration::ZERO);
        backoff.next("a", at(602), at(602));
        assert_eq!(backoff.pause("a"), INITIAL);
    }

    #[test]
    fn durations_read_as_go_writes_them() {
        for (seconds, text) in [(10, "10s"), (80, "1m20s"), (300, "5m0s")] {
            assert_eq!(go_duration(Duration::from_secs(seconds)), text);
        }
    }
}
