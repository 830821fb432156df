//! Shuffle sharding: a flow is dealt a small hand of the queues.
// upstream: apiserver/pkg/util/shufflesharding/dealer.go

use sha2::{Digest, Sha256};

/// A flow's number, by its schema and what tells the flow apart.
// upstream: apf_controller.go#hashFlowID
pub(crate) fn flow_hash(schema: &str, flow: &str) -> u64 {
    let mut sha = Sha256::new();
    sha.update(schema.as_bytes());
    sha.update([0]);
    sha.update(flow.as_bytes());
    let out = sha.finalize();
    out.iter()
        .take(8)
        .enumerate()
        .fold(0, |sum, (i, b)| sum | u64::from(*b) << (8 * i))
}

/// `hand` different queues out of `deck`, the same for the same hash.
// upstream: dealer.go#Deal
pub(crate) fn deal(mut hash: u64, deck: usize, hand: usize) -> Vec<usize> {
    let mut remainders = Vec::with_capacity(hand);
    let mut cards = Vec::with_capacity(hand);
    for i in 0..hand.min(deck) {
        let left = (deck - i) as u64;
        remainders.push((hash % left) as usize);
        hash /= left;
        let mut card = remainders.last().copied().unwrap_or_default();
        for before in remainders.iter().take(i).rev() {
            if card >= *before {
                card += 1;
            }
        }
        cards.push(card);
    }
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// A hand has no queue twice, and none that is not there.
        #[test]
        fn hands_are_of_different_queues(hash: u64, deck in 1usize..600, hand in 1usize..12) {
            let mut cards = deal(hash, deck, hand);
            proptest::prop_assert_eq!(cards.len(), hand.min(deck));
            cards.sort_unstable();
            cards.dedup();
            proptest::prop_assert_eq!(cards.len(), hand.min(deck));
            proptest::prop_assert!(cards.iter().all(|c| *c < deck));
        }
    }

    #[test]
    fn flows_are_spread() {
        let hands: std::collections::HashSet<Vec<usize>> = (0..100)
            .map(|i| deal(flow_hash("s", &i.to_string()), 64, 6))
            .collect();
        assert!(hands.len() > 95);
    }
}
