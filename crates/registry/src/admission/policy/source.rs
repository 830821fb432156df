//! The policies with their bindings, compiled once for each change of either.
//!
//! upstream: plugin/policy/generic/policy_source.go

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use store::Revision;

use super::compiled::{Binding, Policy};
use crate::registry::Registry;
use crate::value::Read;

const GROUP: &str = "admissionregistration.k8s.io";

/// The policies of one kind, in the order of their names; those without bindings are left out.
pub(super) struct Source {
    policies: &'static str,
    bindings: &'static str,
    parsed: Mutex<Parsed>,
}

/// Keys and the revisions at which they were read.
type Versions = Vec<(Arc<str>, Revision)>;

#[derive(Default)]
struct Parsed {
    of: Versions,
    policies: HashMap<Arc<str>, (Versions, Arc<Policy>)>,
    all: Arc<Vec<Arc<Policy>>>,
}

impl Source {
    pub(super) fn new(policies: &'static str, bindings: &'static str) -> Self {
        Self {
            policies,
            bindings,
            parsed: Mutex::default(),
        }
    }

    /// The policies as they are configured now.
    pub(super) fn policies(&self, registry: &Registry) -> Arc<Vec<Arc<Policy>>> {
        let find = |plural| registry.table().find(GROUP, "v1", plural);
        let (Some(policies), Some(bindings)) = (find(self.policies), find(self.bindings)) else {
            return Arc::default();
        };
        let snapshot = registry.store().snapshot();
        let now: Vec<_> = [&policies.prefix, &bindings.prefix]
            .into_iter()
            .flat_map(|prefix| snapshot.range(prefix, None))
            .map(|e| (Arc::clone(&e.key), e.revision))
            .collect();
        let mut parsed = self.parsed.lock();
        if parsed.of == now {
            return Arc::clone(&parsed.all);
        }
        let mut by_policy: HashMap<String, Vec<_>> = HashMap::new();
        for entry in snapshot.range(&bindings.prefix, None) {
            let binding = entry.value.value();
            let policy = binding
                .member("spec")
                .map_or("", |s| s.text("policyName"))
                .to_owned();
            by_policy.entry(policy).or_default().push((
                (Arc::clone(&entry.key), entry.revision),
                Binding::parse(&binding),
            ));
        }
        let mut before = std::mem::take(&mut parsed.policies);
        let mut all = Vec::new();
        for entry in snapshot.range(&policies.prefix, None) {
            let name = entry
                .key
                .strip_prefix(policies.prefix.as_str())
                .unwrap_or_default();
            let Some(bound) = by_policy.remove(name) else {
                continue;
            };
            let mut versions = vec![(Arc::clone(&entry.key), entry.revision)];
            let mut bindings = Vec::with_capacity(bound.len());
            for (version, binding) in bound {
                versions.push(version);
                bindings.push(binding);
            }
            let policy = match before.remove(&entry.key) {
                Some((of, policy)) if of == versions => policy,
                _ => Arc::new(Policy::parse(&entry.value.value(), bindings)),
            };
            all.push(Arc::clone(&policy));
            parsed
                .policies
                .insert(Arc::clone(&entry.key), (versions, policy));
        }
        parsed.of = now;
        parsed.all = Arc::new(all);
        Arc::clone(&parsed.all)
    }
}
