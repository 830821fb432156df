//! Equal parts of a range of addresses, given out one by one.
// upstream: pkg/controller/nodeipam/ipam/cidrset/cidr_set.go

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The most parts of a range: upstream's limit of 2^16.
const MAX_BITS: u8 = 16;

/// Why a range can't be divided so.
#[derive(Debug, thiserror::Error)]
pub(super) enum RangeError {
    #[error("a prefix of /{mask} is not within {cluster}")]
    Shorter { mask: u8, cluster: IpNet },
    #[error("{cluster} has more than 65536 parts of /{mask}")]
    TooMany { mask: u8, cluster: IpNet },
}

/// The parts, and who has which.
pub(super) struct Ranges {
    cluster: IpNet,
    mask: u8,
    count: u32,
    /// Where to look first, so that a part that was freed is not the next to be used again.
    next: u32,
    taken: BTreeMap<u32, String>,
    by_node: HashMap<String, u32>,
}

impl Ranges {
    pub(super) fn new(cluster: IpNet, mask: u8) -> Result<Self, RangeError> {
        let cluster = cluster.trunc();
        if mask < cluster.prefix_len() || mask > cluster.max_prefix_len() {
            return Err(RangeError::Shorter { mask, cluster });
        }
        let bits = mask - cluster.prefix_len();
        if bits > MAX_BITS {
            return Err(RangeError::TooMany { mask, cluster });
        }
        Ok(Self {
            cluster,
            mask,
            count: 1 << bits,
            next: 0,
            taken: BTreeMap::new(),
            by_node: HashMap::new(),
        })
    }

    /// A part for a node; the same again if it has one. `None` when all are taken.
    pub(super) fn allocate(&mut self, node: &str) -> Option<IpNet> {
        if let Some(index) = self.by_node.get(node) {
            return self.part(*index);
        }
        let index = (self.next..self.count)
            .chain(0..self.next)
            .find(|i| !self.taken.contains_key(i))?;
        self.next = (index + 1) % self.count;
        self.take(index, node);
        self.part(index)
    }

    /// A node has this part (or a range that overlaps it) already.
    pub(super) fn occupy(&mut self, cidr: IpNet, node: &str) {
        if let Some(index) = self.index(cidr) {
            self.take(index, node);
        }
    }

    /// What a node had is free again.
    pub(super) fn release(&mut self, node: &str) {
        if let Some(index) = self.by_node.remove(node)
            && self.taken.get(&index).is_some_and(|n| n == node)
        {
            self.taken.remove(&index);
        }
    }

    fn take(&mut self, index: u32, node: &str) {
        if self.by_node.get(node) != Some(&index) {
            self.release(node);
        }
        self.taken.insert(index, node.to_owned());
        self.by_node.insert(node.to_owned(), index);
    }

    fn shift(&self) -> u8 {
        self.cluster.max_prefix_len() - self.mask
    }

    fn part(&self, index: u32) -> Option<IpNet> {
        let address = match self.cluster.network() {
            IpAddr::V4(base) => {
                let offset = u64::from(index) << self.shift();
                IpAddr::V4(Ipv4Addr::from(
                    u32::from(base).checked_add(u32::try_from(offset).ok()?)?,
                ))
            }
            IpAddr::V6(base) => {
                let offset = u128::from(index).checked_shl(self.shift().into())?;
                IpAddr::V6(Ipv6Addr::from(u128::from(base).checked_add(offset)?))
            }
        };
        IpNet::new(address, self.mask).ok()
    }

    fn index(&self, cidr: IpNet) -> Option<u32> {
        if !self.cluster.contains(&cidr.network()) {
            return None;
        }
        let offset = match (self.cluster.network(), cidr.network()) {
            (IpAddr::V4(base), IpAddr::V4(at)) => u128::from(u32::from(at) - u32::from(base)),
            (IpAddr::V6(base), IpAddr::V6(at)) => u128::from(at) - u128::from(base),
            _ => return None,
        };
        u32::try_from(offset.checked_shr(self.shift().into())?).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_given_out_freed_and_rebuilt() {
        let mut ranges = Ranges::new("10.42.0.0/22".parse().unwrap(), 24).unwrap();
        let part = |r: &mut Ranges, n: &str| r.allocate(n).map(|p| p.to_string());
        assert_eq!(part(&mut ranges, "a").unwrap(), "10.42.0.0/24");
        assert_eq!(part(&mut ranges, "b").unwrap(), "10.42.1.0/24");
        assert_eq!(part(&mut ranges, "a").unwrap(), "10.42.0.0/24");
        ranges.release("a");
        assert_eq!(part(&mut ranges, "c").unwrap(), "10.42.2.0/24");
        ranges.occupy("10.42.3.0/24".parse().unwrap(), "d");
        assert_eq!(part(&mut ranges, "e").unwrap(), "10.42.0.0/24");
        assert_eq!(part(&mut ranges, "f"), None);
        assert!(Ranges::new("10.0.0.0/8".parse().unwrap(), 28).is_err());
        assert!(Ranges::new("10.0.0.0/24".parse().unwrap(), 16).is_err());
        let mut six = Ranges::new("fd00:42::/56".parse().unwrap(), 64).unwrap();
        six.occupy("fd00:42::/64".parse().unwrap(), "a");
        assert_eq!(six.allocate("b").unwrap().to_string(), "fd00:42:0:1::/64");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_two_nodes_share_a_part(steps in proptest::collection::vec((0..12_u8, any::<bool>()), 1..80)) {
            let mut ranges = Ranges::new("10.0.0.0/28".parse().unwrap(), 31).unwrap();
            let mut model: HashMap<u8, IpNet> = HashMap::new();
            for (node, give) in steps {
                let name = node.to_string();
                if give {
                    match ranges.allocate(&name) {
                        Some(part) => { model.insert(node, part); }
                        None => prop_assert_eq!(model.len(), 8),
                    }
                } else {
                    ranges.release(&name);
                    model.remove(&node);
                }
                let distinct: std::collections::HashSet<_> = model.values().collect();
                prop_assert_eq!(distinct.len(), model.len());
            }
        }
    }
}
