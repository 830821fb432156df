//! Sharing seats out between levels: as fair to each one's demand as the bounds allow.
// upstream: apiserver/pkg/util/flowcontrol/conc_alloc.go

/// One level's part of the problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// It gets no less.
    pub(crate) lower: f64,
    /// It gets no more.
    pub(crate) upper: f64,
    /// What it would take.
    pub(crate) target: f64,
}

impl Item {
    fn at(&self, proportion: f64) -> f64 {
        // upstream: conc_alloc.go#MinTarget
        (proportion * self.target.max(0.001)).clamp(self.lower, self.upper)
    }
}

/// Every level gets the same proportion of its target, within its bounds, such that all add up to `sum`. The proportion
/// is the second part of the answer.
// upstream: conc_alloc.go#computeConcurrencyAllocation
pub(crate) fn allocate(sum: f64, items: &[Item]) -> (Vec<f64>, f64) {
    let total = |p: f64| items.iter().map(|i| i.at(p)).sum::<f64>();
    let of = |p: f64| items.iter().map(|i| i.at(p)).collect();
    let highest = items
        .iter()
        .map(|i| i.upper / i.target.max(0.001))
        .fold(0.0, f64::max);
    if total(highest) <= sum {
        return (of(highest), highest);
    }
    let (mut low, mut high) = (0.0, highest);
    // Halving 100 times is exact to the last bit of what is compared.
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if total(middle) <= sum {
            low = middle;
        } else {
            high = middle;
        }
    }
    (of(low), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(lower: f64, upper: f64, target: f64) -> Item {
        Item {
            lower,
            upper,
            target,
        }
    }

    #[test]
    fn idle_levels_lend_to_the_busy_one() {
        let (allocs, _) = allocate(100.0, &[item(10.0, 100.0, 10.0), item(10.0, 100.0, 500.0)]);
        assert!((allocs.iter().sum::<f64>() - 100.0).abs() < 1e-6);
        assert!(
            (allocs.first().copied().unwrap_or_default() - 10.0).abs() < 1e-6,
            "{allocs:?}"
        );
        let (allocs, proportion) =
            allocate(100.0, &[item(0.0, 100.0, 20.0), item(0.0, 100.0, 30.0)]);
        assert!((proportion - 2.0).abs() < 1e-6, "{allocs:?}");
    }

    proptest::proptest! {
        /// All is shared out, and nobody is outside of its bounds.
        #[test]
        fn bounds_hold(items in proptest::collection::vec((0.0..50.0f64, 0.0..500.0f64, 0.0..400.0f64), 1..8), more in 0.0..300.0f64) {
            let items: Vec<Item> = items.into_iter().map(|(l, d, t)| item(l, l + d, t)).collect();
            let sum = items.iter().map(|i| i.lower).sum::<f64>() + more;
            let (allocs, _) = allocate(sum, &items);
            for (a, i) in allocs.iter().zip(&items) {
                proptest::prop_assert!(*a >= i.lower - 1e-6 && *a <= i.upper + 1e-6);
            }
            let highest: f64 = items.iter().map(|i| i.upper).sum();
            proptest::prop_assert!((allocs.iter().sum::<f64>() - sum.min(highest)).abs() < 1e-3);
        }
    }
}
