//! The table of resources: every served (group, version, plural) as data.

mod access;
mod core;
mod extension;
mod network;
mod node;
pub(crate) mod row;
mod storage;
mod workload;

use std::sync::Arc;

use crate::resource::Resource;

/// The resources served, in discovery's order of groups.
#[derive(Clone)]
pub struct Table {
    rows: Arc<Vec<Arc<Resource>>>,
}

impl Table {
    /// All built-in resources.
    pub fn builtin() -> Self {
        let rows: Vec<Arc<Resource>> = [
            core::rows(),
            workload::rows(),
            access::rows(),
            network::rows(),
            storage::rows(),
            node::rows(),
            extension::rows(),
        ]
        .into_iter()
        .flatten()
        .map(|row| Arc::new(row.build()))
        .collect();
        Self {
            rows: Arc::new(rows),
        }
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.rows.iter()
    }

    /// The row of a group, version and plural.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.rows
            .iter()
            .find(|r| r.plural == plural && r.group == group && r.version == version)
    }

    /// The row of a group, version and kind.
    pub fn find_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.rows
            .iter()
            .find(|r| r.group == group && r.version == version && r.kind == kind)
    }

    /// The groups in discovery's order, each with its versions in order of preference.
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for name in row::GROUP_ORDER {
            let mut versions: Vec<String> = Vec::new();
            for r in self.rows.iter().filter(|r| r.group == *name) {
                if !versions.contains(&r.version) {
                    versions.push(r.version.clone());
                }
            }
            if !versions.is_empty() {
                groups.push(((*name).to_owned(), versions));
            }
        }
        groups
    }
}
