//! What a verifier accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{Kind, Measurement};

/// The allow-list and the limits. Empty: accepts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    allowed: BTreeMap<Kind, BTreeSet<Measurement>>,
    production: bool,
    /// Evidence older than this is stale.
    pub max_age: Duration,
    /// How far the hardware's clock may be ahead of ours.
    pub max_skew: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// Accepts nothing yet; five minutes of age, one of skew.
    pub fn new() -> Self {
        Self {
            allowed: BTreeMap::new(),
            production: false,
            max_age: Duration::from_secs(300),
            max_skew: Duration::from_secs(60),
        }
    }

    /// Accepts `measurement` on `kind`. Only by this does a kind become acceptable.
    #[must_use]
    pub fn allow(mut self, kind: Kind, measurement: Measurement) -> Self {
        self.allowed.entry(kind).or_default().insert(measurement);
        self
    }

    /// Refuses every kind without a hardware root, whatever the allow-list says.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.production = true;
        self
    }

    pub(crate) fn allows_kind(&self, kind: Kind) -> bool {
        !(self.production && kind == Kind::Simulated)
            && self.allowed.get(&kind).is_some_and(|set| !set.is_empty())
    }

    pub(crate) fn allows(&self, kind: Kind, measurement: &Measurement) -> bool {
        self.allows_kind(kind)
            && self
                .allowed
                .get(&kind)
                .is_some_and(|set| set.contains(measurement))
    }
}
