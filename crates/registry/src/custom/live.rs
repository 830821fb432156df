//! What is compiled of definitions, by their revision.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apiextensions::Definition;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use store::{Entry, Revision, Snapshot};

use super::resources::Resources;
use super::{DEFINITIONS, Defined, Shape, row};
use crate::resource::Resource;
use crate::stored::Stored;

/// A definition's rows, and what they were made of.
struct Compiled {
    revision: Revision,
    defined: Arc<Defined>,
    /// Served versions.
    rows: Vec<Arc<Resource>>,
    /// The stored one.
    instances: Option<Arc<Resource>>,
}

type ByKey = HashMap<Arc<str>, Arc<Compiled>>;

/// Definitions as they were last seen.
pub(crate) struct Live {
    by_key: ArcSwap<ByKey>,
    all: ArcSwap<Resources>,
    /// Held while something is compiled; readers don't.
    compiling: Mutex<()>,
    next: AtomicU64,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            by_key: ArcSwap::default(),
            all: ArcSwap::from_pointee(Resources::default()),
            compiling: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }
}

impl Live {
    /// The row of a custom resource.
    pub(crate) fn find(
        &self,
        snapshot: &Snapshot<Stored>,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<Resource>> {
        // A definition's group has a dot, its name is a path of one part.
        if !group.contains('.') || plural.contains('/') {
            return None;
        }
        let entry = snapshot.get(&format!("{DEFINITIONS}{plural}.{group}"))?;
        let compiled = self.compiled(entry)?;
        compiled.rows.iter().find(|r| r.version == version).cloned()
    }

    /// The stored version of a definition's instances.
    pub(crate) fn instances(
        &self,
        snapshot: &Snapshot<Stored>,
        definition: &str,
    ) -> Option<Arc<Resource>> {
        let entry = snapshot.get(&format!("{DEFINITIONS}{definition}"))?;
        self.compiled(entry)?.instances.clone()
    }

    /// What there is of an entry, compiled now if need be.
    fn compiled(&self, entry: &Entry<Stored>) -> Option<Arc<Compiled>> {
        let known = |by_key: &ByKey| {
            by_key
                .get(&entry.key)
                .filter(|c| c.revision == entry.revision)
                .cloned()
        };
        if let Some(compiled) = known(&self.by_key.load()) {
            return Some(compiled);
        }
        let _compiling = self.compiling.lock();
        let before = self.by_key.load_full();
        if let Some(compiled) = known(&before) {
            return Some(compiled);
        }
        let old = before.get(&entry.key);
        let compiled = Arc::new(self.compile(entry, old.map(AsRef::as_ref))?);
        // Another reader may be at an older state: what is newer stays.
        if old.is_none_or(|old| old.revision < entry.revision) {
            let mut next = ByKey::clone(&before);
            next.insert(Arc::clone(&entry.key), Arc::clone(&compiled));
            self.by_key.store(Arc::new(next));
        }
        Some(compiled)
    }

    fn compile(&self, entry: &Entry<Stored>, old: Option<&Compiled>) -> Option<Compiled> {
        let object = entry.value.value();
        let mut definition = match Definition::parse(&object) {
            Ok(definition) => definition,
            Err(error) => {
                tracing::error!(key = &*entry.key, %error, "a stored definition can't be read");
                return None;
            }
        };
        for version in &mut definition.spec.versions {
            version.schema = None;
        }
        // The status alone changed: what is known of objects goes on to hold.
        let kept = old.filter(|old| {
            let (old, new) = (&old.defined.definition.metadata, &definition.metadata);
            old.uid == new.uid && old.generation == new.generation
        });
        let shapes = match kept {
            Some(old) => old.defined.shapes.clone(),
            None => definition
                .spec
                .versions
                .iter()
                .map(|version| {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    let source = Arc::clone(&entry.value);
                    let shape = Shape::new(id, source, &definition, version);
                    (version.name.clone(), Arc::new(shape))
                })
                .collect(),
        };
        let storage = shapes.get(&definition.storage_version()?.name)?;
        let defined = Arc::new(Defined {
            storage: Arc::clone(storage),
            shapes,
            definition,
        });
        Some(Compiled {
            revision: entry.revision,
            rows: row::of(&defined),
            instances: row::stored(&defined),
            defined,
        })
    }

    /// All rows: the built-in ones and those of definitions in a state.
    pub(crate) fn all(
        &self,
        builtin: &crate::table::Table,
        snapshot: &Snapshot<Stored>,
    ) -> Arc<Resources> {
        let mut seen = Fingerprint::default();
        for entry in snapshot.range(DEFINITIONS, None) {
            seen.add(entry.revision);
        }
        let known = self.all.load();
        if known.fingerprint == seen.value() {
            return Arc::clone(&known);
        }
        let entries: Vec<Entry<Stored>> = snapshot.range(DEFINITIONS, None).cloned().collect();
        let rows = entries
            .iter()
            .filter_map(|entry| self.compiled(entry))
            .flat_map(|compiled| compiled.rows.clone());
        let all = Arc::new(Resources::new(seen.value(), builtin, rows));
        self.all.store(Arc::clone(&all));
        self.forget(&entries);
        all
    }

    /// Drops what is compiled of definitions that are gone.
    fn forget(&self, there: &[Entry<Stored>]) {
        let _compiling = self.compiling.lock();
        let before = self.by_key.load_full();
        let newest = there.iter().map(|e| e.revision).max().unwrap_or_default();
        let kept: ByKey = before
            .iter()
            .filter(|(key, compiled)| {
                compiled.revision > newest || there.iter().any(|e| e.key == **key)
            })
            .map(|(key, compiled)| (Arc::clone(key), Arc::clone(compiled)))
            .collect();
        if kept.len() < before.len() {
            self.by_key.store(Arc::new(kept));
        }
    }
}

/// A number that is another one when a definition came, went or changed. Revisions are never used twice.
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn add(&mut self, revision: Revision) {
        for byte in revision.0.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn value(&self) -> u64 {
        self.0
    }
}
