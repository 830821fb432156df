//! Everything that is served at one state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order;
use crate::resource::Resource;
use crate::table::Table;

/// All rows: the built-in ones, then those of definitions.
#[derive(Default)]
pub struct Resources {
    /// Another number for each set of definitions.
    pub(super) fingerprint: u64,
    rows: Vec<Arc<Resource>>,
    groups: Vec<(String, Vec<String>)>,
}

impl Resources {
    pub(super) fn new(
        fingerprint: u64,
        builtin: &Table,
        custom: impl Iterator<Item = Arc<Resource>>,
    ) -> Self {
        let mut rows: Vec<Arc<Resource>> = builtin.iter().cloned().collect();
        let first_custom = rows.len();
        rows.extend(custom);
        let mut groups = builtin.groups();
        let mut more: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in rows.iter().skip(first_custom) {
            if row.custom.as_ref().is_some_and(|c| c.established()) {
                let versions = more.entry(&row.group).or_default();
                if !versions.contains(&row.version.as_str()) {
                    versions.push(&row.version);
                }
            }
        }
        for (group, mut versions) in more {
            versions.sort_by(|a, b| order::newest_first(a, b));
            let versions = versions.into_iter().map(str::to_owned);
            match groups.iter_mut().find(|(g, _)| g == group) {
                Some((_, there)) => {
                    let new: Vec<String> = versions.filter(|v| !there.contains(v)).collect();
                    there.extend(new);
                }
                None => groups.push((group.to_owned(), versions.collect())),
            }
        }
        Self {
            fingerprint,
            rows,
            groups,
        }
    }

    /// A number that is another one whenever what is served has changed.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.rows.iter()
    }

    /// The rows that discovery tells.
    pub fn told(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.rows
            .iter()
            .filter(|r| r.custom.as_ref().is_none_or(|c| c.established()))
    }

    /// The groups in discovery's order, each with its versions in order of preference.
    pub fn groups(&self) -> &[(String, Vec<String>)] {
        &self.groups
    }

    /// The row of a group, version and kind.
    pub fn find_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.rows
            .iter()
            .find(|r| r.group == group && r.version == version && r.kind == kind)
    }
}
