//! Challenges: single use, of one connection, short-lived.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use seal::Bytes32;

/// How long a challenge is good.
const LIFETIME: Duration = Duration::from_secs(60);

/// Challenges that are out at once. Above that, attestations are refused until some expire.
const MOST: usize = 8192;

/// The challenges that are out.
#[derive(Default)]
pub(crate) struct Challenges {
    /// By connection: a new challenge takes the place of the connection's former one.
    by_channel: Mutex<HashMap<Bytes32, (Bytes32, Instant)>>,
}

impl Challenges {
    /// A fresh challenge for a connection; `None` if too many are out.
    pub(crate) fn issue(&self, channel: Bytes32, now: Instant) -> Option<Bytes32> {
        let mut out = self.by_channel.lock();
        if out.len() >= MOST {
            out.retain(|_, (_, until)| *until > now);
            if out.len() >= MOST {
                return None;
            }
        }
        let challenge = Bytes32::random();
        out.insert(channel, (challenge, now + LIFETIME));
        Some(challenge)
    }

    /// Uses a challenge up. Whatever the outcome, the connection's challenge is gone.
    pub(crate) fn redeem(&self, channel: Bytes32, challenge: Bytes32, now: Instant) -> bool {
        match self.by_channel.lock().remove(&channel) {
            Some((expected, until)) => expected == challenge && until > now,
            None => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_once_on_its_connection_and_not_for_long() {
        let challenges = Challenges::default();
        let (a, b, now) = (Bytes32([1; 32]), Bytes32([2; 32]), Instant::now());
        let challenge = challenges.issue(a, now).unwrap();
        assert!(!challenges.redeem(b, challenge, now));
        assert!(challenges.redeem(a, challenge, now));
        assert!(!challenges.redeem(a, challenge, now));

        let challenge = challenges.issue(a, now).unwrap();
        assert!(!challenges.redeem(a, challenge, now + LIFETIME));

        // A wrong guess uses it up.
        let challenge = challenges.issue(a, now).unwrap();
        assert!(!challenges.redeem(a, Bytes32([9; 32]), now));
        assert!(!challenges.redeem(a, challenge, now));
    }

    #[test]
    fn there_is_a_bound_and_expired_ones_make_room() {
        let challenges = Challenges::default();
        let now = Instant::now();
        for _ in 0..MOST {
            assert!(challenges.issue(Bytes32::random(), now).is_some());
        }
        assert!(challenges.issue(Bytes32::random(), now).is_none());
        assert!(
            challenges
                .issue(Bytes32::random(), now + LIFETIME)
                .is_some()
        );
    }
}
