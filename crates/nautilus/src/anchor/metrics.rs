//! How much of the state no anchor covers, as of the moment it is asked.

use chain::unix_ms;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::Anchorer;

/// The exposure of an [`Anchorer`]'s store.
pub(crate) struct Exposure {
    anchorer: Anchorer,
    /// Since when this instance writes: what was before is covered or was refused.
    since_ms: u64,
}

impl Exposure {
    /// Of the store that the anchorer anchors.
    pub(crate) fn new(anchorer: Anchorer) -> Self {
        Self {
            anchorer,
            since_ms: unix_ms(),
        }
    }

    /// Revisions, and seconds, that no anchor covers.
    pub(crate) fn now(&self) -> (u64, u64) {
        let state = self.anchorer.state();
        let anchored = state.last.as_ref().map_or(0, |last| last.revision);
        let at = state
            .last
            .as_ref()
            .map_or(self.since_ms, |last| last.anchored_at_ms);
        let revisions = self.anchorer.store.revision().0.saturating_sub(anchored);
        let seconds = if revisions == 0 {
            0
        } else {
            unix_ms().saturating_sub(at) / 1000
        };
        (revisions, seconds)
    }
}

impl std::fmt::Debug for Exposure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exposure").finish_non_exhaustive()
    }
}

impl Collector for Exposure {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (revisions, seconds) = self.now();
        let state = self.anchorer.state();
        let anchored = state.last.map_or(0, |last| last.revision);
        for (name, help, value) in [
            (
                "daas_anchor_revision",
                "The last revision whose state root is anchored on the chain",
                anchored,
            ),
            (
                "daas_anchor_exposed_revisions",
                "Revisions since the last anchor: what a rollback could take away unseen",
                revisions,
            ),
            (
                "daas_anchor_exposed_seconds",
                "Seconds since the last anchor, 0 while it covers everything",
                seconds,
            ),
            (
                "daas_anchor_failing",
                "1 while the state can't be anchored",
                u64::from(state.failing.is_some()),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
