//! Which endpoint goes into which slice: few writes first, full slices second.
// upstream: staging/src/k8s.io/endpointslice/reconciler.go#reconcileByPortMapping

use std::collections::HashMap;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::meta::Meta;

/// The most endpoints of a slice.
// upstream: --max-endpoints-per-slice
const MOST: usize = 100;

/// What to do with the slices of one set of ports.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) update: Vec<(EndpointSlice, Vec<Endpoint>)>,
    pub(super) create: Vec<Vec<Endpoint>>,
    pub(super) delete: Vec<EndpointSlice>,
}

fn identity(endpoint: &Endpoint) -> String {
    let target = endpoint.target_ref.as_ref();
    target
        .and_then(|t| t.uid.clone())
        .unwrap_or_else(|| endpoint.addresses.join(","))
}

impl Layout {
    /// Places `endpoints`; each stays in the slice where it is.
    pub(super) fn of(endpoints: Vec<Endpoint>, mut slices: Vec<EndpointSlice>) -> Self {
        let none = endpoints.is_empty();
        let mut order = Vec::with_capacity(endpoints.len());
        let mut wanted: HashMap<String, Endpoint> = HashMap::new();
        for endpoint in endpoints {
            let id = identity(&endpoint);
            order.push(id.clone());
            wanted.insert(id, endpoint);
        }
        slices.sort_by(|a, b| a.name().cmp(b.name()));
        let mut placed: Vec<(EndpointSlice, Vec<Endpoint>)> = slices
            .into_iter()
            .map(|slice| {
                let kept = slice.endpoints.iter().flatten();
                let kept = kept.filter_map(|e| wanted.remove(&identity(e))).take(MOST);
                let kept = kept.collect();
                (slice, kept)
            })
            .collect();
        let mut rest: Vec<Endpoint> = order.iter().filter_map(|id| wanted.remove(id)).collect();
        // The fullest that has room first, so that slices fill up.
        let mut by_size: Vec<usize> = (0..placed.len()).collect();
        by_size.sort_by_key(|i| std::cmp::Reverse(placed.get(*i).map_or(0, |p| p.1.len())));
        for i in by_size {
            if let Some((_, endpoints)) = placed.get_mut(i) {
                let room = MOST.saturating_sub(endpoints.len()).min(rest.len());
                endpoints.extend(rest.drain(..room));
            }
        }
        let mut layout = Self::default();
        while !rest.is_empty() {
            let take = MOST.min(rest.len());
            layout.create.push(rest.drain(..take).collect());
        }
        let mut empty = Vec::new();
        for (slice, endpoints) in placed {
            if endpoints.is_empty() {
                empty.push(slice);
            } else {
                layout.update.push((slice, endpoints));
            }
        }
        // Without endpoints one empty slice stays, or comes to be.
        if none {
            match empty.pop() {
                Some(slice) => layout.update.push((slice, Vec::new())),
                None => layout.create.push(Vec::new()),
            }
        }
        layout.delete = empty;
        layout
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn endpoints(range: std::ops::Range<usize>) -> Vec<Endpoint> {
        range
            .map(|n| Endpoint {
                addresses: vec![format!("10.0.{}.{}", n / 200, n % 200)],
                ..Endpoint::default()
            })
            .collect()
    }

    fn slice(name: &str, range: std::ops::Range<usize>) -> EndpointSlice {
        let mut slice = EndpointSlice {
            endpoints: Some(endpoints(range)),
            ..EndpointSlice::default()
        };
        slice.metadata.name = Some(name.to_owned());
        slice
    }

    #[test]
    fn slices_fill_up_and_what_stays_does_not_move() {
        let layout = Layout::of(endpoints(0..250), Vec::new());
        let sizes: Vec<_> = layout.create.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 50]);

        let there = vec![slice("a", 0..100), slice("b", 100..120)];
        let layout = Layout::of(endpoints(10..130), there);
        assert!(layout.create.is_empty() && layout.delete.is_empty());
        assert_eq!(layout.update[0].1.len(), 100 - 10 + 10);
        assert_eq!(layout.update[1].1.len(), 20);

        let layout = Layout::of(Vec::new(), vec![slice("a", 0..3), slice("b", 3..5)]);
        assert_eq!((layout.update.len(), layout.delete.len()), (1, 1));
        assert!(layout.update[0].1.is_empty());
        assert_eq!(Layout::of(Vec::new(), Vec::new()).create, [Vec::new()]);
    }
}
