//! Pauses between tries.

use std::time::Duration;

/// Doubling pauses from a base up to a maximum.
// upstream: k8s.io/client-go/util/workqueue#ItemExponentialFailureRateLimiter
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

impl Default for Backoff {
    /// client-go's: 5 ms to 1,000 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_secs(1000))
    }
}

impl Backoff {
    /// From `base`, doubling, to `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max }
    }

    /// The pause after this many failures (the first is 0).
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        self.base
            .checked_mul(factor)
            .map_or(self.max, |pause| pause.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_maximum_and_never_overflows() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(0), Duration::from_millis(5));
        assert_eq!(backoff.pause(3), Duration::from_millis(40));
        assert_eq!(backoff.pause(40), Duration::from_secs(1000));
        assert_eq!(backoff.pause(u32::MAX), Duration::from_secs(1000));
    }
}
