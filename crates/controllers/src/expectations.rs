//! What a controller has asked for and not yet seen in its cache. Until it has, it does not ask again.
// upstream: pkg/controller/controller_utils.go#ControllerExpectations, #UIDTrackingControllerExpectations

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use informer::Key;
use parking_lot::Mutex;
use tokio::time::Instant;

/// After this time the controller acts on what its cache says.
const EXPIRY: Duration = Duration::from_secs(5 * 60);

struct Expected {
    creations: i64,
    deletions: HashSet<Key>,
    since: Instant,
}

/// Expectations by the key of the controlling object.
#[derive(Default)]
pub(crate) struct Expectations {
    of: Mutex<HashMap<Key, Expected>>,
}

impl Expectations {
    /// Whether the cache shows everything that was asked for (or it has taken too long).
    pub(crate) fn satisfied(&self, key: &Key) -> bool {
        self.of.lock().get(key).is_none_or(|e| {
            (e.creations <= 0 && e.deletions.is_empty()) || e.since.elapsed() > EXPIRY
        })
    }

    /// Awaits so many creations and these deletions, in place of what was awaited before.
    pub(crate) fn expect(&self, key: &Key, creations: usize, deletions: HashSet<Key>) {
        let expected = Expected {
            creations: i64::try_from(creations).unwrap_or(i64::MAX),
            deletions,
            since: Instant::now(),
        };
        self.of.lock().insert(key.clone(), expected);
    }

    /// A creation was seen, or will not come.
    pub(crate) fn created(&self, key: &Key) {
        self.creations_void(key, 1);
    }

    /// So many creations will not come.
    pub(crate) fn creations_void(&self, key: &Key, count: usize) {
        if let Some(e) = self.of.lock().get_mut(key) {
            e.creations -= i64::try_from(count).unwrap_or(i64::MAX);
        }
    }

    /// A deletion was seen, or will not come.
    pub(crate) fn deleted(&self, key: &Key, object: &Key) {
        if let Some(e) = self.of.lock().get_mut(key) {
            e.deletions.remove(object);
        }
    }

    /// The controlling object is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.of.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_hold_until_seen_or_expired() {
        let expectations = Expectations::default();
        let (set, pod) = (Key::new("ns", "set"), Key::new("ns", "pod"));
        assert!(expectations.satisfied(&set));
        expectations.expect(&set, 2, HashSet::new());
        expectations.created(&set);
        assert!(!expectations.satisfied(&set));
        expectations.created(&set);
        assert!(expectations.satisfied(&set));
        expectations.expect(&set, 0, HashSet::from([pod.clone()]));
        expectations.deleted(&set, &Key::new("ns", "another"));
        assert!(!expectations.satisfied(&set));
        expectations.deleted(&set, &pod);
        expectations.deleted(&set, &pod);
        assert!(expectations.satisfied(&set));
        expectations.expect(&set, 1, HashSet::new());
        tokio::time::sleep(EXPIRY + Duration::from_secs(1)).await;
        assert!(expectations.satisfied(&set));
    }
}
