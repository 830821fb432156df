//! What a write does to the managers of an object.
// upstream: structured-merge-diff/merge/update.go, apimachinery/pkg/util/managedfields/internal

use machinery::ObjectExt;
use serde_json::{Map, Value};

use crate::conflict::{ApplyError, Conflict, print_manager};
use crate::managed::{Entry, Managed, Operation};
use crate::node::Node;
use crate::path::PathElement;
use crate::set::Set;
use crate::walk::{self, WalkError};

/// Most entries of updates; older ones become `ancient-changes`.
// upstream: internal/managedfieldsupdater, capmanagers.go
const MAX_UPDATE_MANAGERS: usize = 10;
/// Who holds what an object had before its first apply, when nobody was noted.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &[&str] = &[
    "metadata",
    "annotations",
    "kubectl.kubernetes.io/last-applied-configuration",
];
const ANCIENT: &str = "ancient-changes";
/// Fields that nobody manages.
// upstream: internal/stripmeta.go
const STRIPPED: [&str; 12] = [
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.clusterName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
];

/// Who writes what, when.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The object's type.
    pub node: Node<'a>,
    /// The manager's name.
    pub manager: &'a str,
    /// The version written in.
    pub api_version: &'a str,
    /// The subresource written through, empty for the object itself.
    pub subresource: &'a str,
    /// Fields that this endpoint resets (`status` on the object itself, `spec` on its status).
    pub reset: &'a [&'a str],
    /// The time, as `metav1.Time` is written.
    pub now: &'a str,
}

impl Context<'_> {
    fn entry(&self, operation: Operation) -> Entry {
        Entry {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            time: self.now.to_owned(),
            subresource: self.subresource.to_owned(),
            fields: Set::default(),
        }
    }
}

/// Notes an update (create, update, patch) of `live` to `new` in `new`'s managed fields. For a create `live`
/// is the empty object. Nothing changes when nothing differs; an object that has no managers gets none by an update.
// upstream: #Updater.Update, managedfieldsupdater.go, skipnonapplied.go, fieldmanager.go#FieldManager.Update
pub fn update(context: &Context<'_>, live: &Value, new: &mut Value) {
    // An empty list given by the client resets; otherwise what it gives counts, without it the live entries.
    let given = new
        .metadata()
        .and_then(|m| m.get("managedFields"))
        .and_then(Value::as_array);
    let reset = given.is_some_and(|g| match g.as_slice() {
        [] => true,
        [one] => one.as_object().is_none_or(Map::is_empty),
        _ => false,
    });
    let mut managed = Managed::default();
    if !reset {
        if given.is_some() && context.subresource.is_empty() {
            managed = Managed::of(new);
        }
        if managed.0.is_empty() {
            managed = Managed::of(live);
        }
    }
    if managed.0.is_empty() && !live.uid().is_empty() {
        managed.write(new);
        return;
    }
    let before = bare(live);
    let after = bare(new);
    let ignored = Set::of_fields(context.reset);
    let comparison = walk::compare(&context.node, &before, &after);
    let changed = comparison
        .modified
        .union(&comparison.added)
        .recursive_difference(&ignored);
    let removed = comparison.removed.recursive_difference(&ignored);
    for entry in &mut managed.0 {
        entry.fields = entry.fields.difference(&changed).difference(&removed);
    }
    let taken = changed.difference(&Set::of_fields(&STRIPPED));
    if !taken.is_empty() {
        let mine = context.entry(Operation::Update);
        match managed.0.iter_mut().find(|e| e.same(&mine)) {
            Some(entry) => {
                entry.fields = entry.fields.union(&taken);
                entry.time = mine.time;
            }
            None => managed.0.push(Entry {
                fields: taken,
                ..mine
            }),
        }
    }
    cap(&mut managed);
    managed.write(new);
}

/// Applies a configuration to `live` (the empty object to create one) and gives the object to be written,
/// with its managed fields. `config` is as the client sent it, not defaulted.
// upstream: #Updater.Apply, skipnonapplied.go, lastappliedmanager.go, lastappliedupdater.go
pub fn apply(
    context: &Context<'_>,
    live: &Value,
    config: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    if config
        .metadata()
        .is_some_and(|m| m.get("managedFields").is_some_and(|v| !v.is_null()))
    {
        return Err(ApplyError::ManagedFieldsGiven);
    }
    let node = &context.node;
    let typed = |source: WalkError| ApplyError::Typed {
        object: format!(
            "{}/{}; {}{}, Kind={}",
            config.namespace(),
            config.name(),
            if config.api_version().contains('/') {
                ""
            } else {
                "/"
            },
            config.api_version(),
            config.kind()
        ),
        source,
    };
    let ignored = Set::of_fields(context.reset);
    let stripped = Set::of_fields(&STRIPPED);
    let mut managed = Managed::of(live);
    let before = bare(live);
    let set = walk::field_set(node, config, false)
        .map_err(typed)?
        .recursive_difference(&ignored);
    let merged = walk::merge(node, &before, config).map_err(typed)?;
    let mine = context.entry(Operation::Apply);
    if managed.0.is_empty() && !live.uid().is_empty() {
        let fields = walk::field_set(node, &before, true).unwrap_or_default();
        managed.0.push(Entry {
            manager: BEFORE_FIRST_APPLY.to_owned(),
            fields: fields.recursive_difference(&ignored).difference(&stripped),
            ..context.entry(Operation::Update)
        });
    }
    let last = managed.0.iter().find(|e| e.same(&mine)).cloned();
    managed.0.retain(|e| !e.same(&mine));

    let merged = match &last {
        Some(last) if !last.fields.is_empty() => {
            let owned = managed
                .0
                .iter()
                .fold(set.clone(), |all, e| all.union(&e.fields));
            prune(node, &merged, &last.fields, &owned)
        }
        _ => merged,
    };

    let comparison = walk::compare(node, &before, &merged);
    let changed = comparison
        .modified
        .union(&comparison.added)
        .recursive_difference(&ignored);
    let removed = comparison.removed.recursive_difference(&ignored);
    if !force {
        // What `kubectl apply` had set by itself, and is so still, its server-side apply takes over.
        let mut disputed = changed.clone();
        if context.manager == KUBECTL {
            disputed = disputed.difference(&last_applied(node, &before));
        }
        let conflicts = conflicts(&managed, &disputed);
        if !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
    }
    for entry in &mut managed.0 {
        entry.fields = entry.fields.difference(&changed).difference(&removed);
    }
    let fields = set.difference(&stripped);
    // A configuration that changes nothing leaves its time.
    let time = match &last {
        Some(last) if last.fields == fields && merged == before => last.time.clone(),
        _ => mine.time.clone(),
    };
    managed.0.push(Entry {
        fields,
        time,
        ..mine
    });
    let mut out = merged;
    if context.manager == KUBECTL && out.at(LAST_APPLIED).is_some() {
        let mut text = bare(config);
        text.remove_at(LAST_APPLIED);
        text.sort_all_objects();
        out.set_at(LAST_APPLIED, format!("{text}\n").into());
    }
    managed.write(&mut out);
    Ok(out)
}

/// The fields that client-side apply has set, as its annotation tells, and that are as it set them.
// upstream: lastappliedmanager.go#allowedConflictsFromLastApplied
fn last_applied(node: &Node<'_>, live: &Value) -> Set {
    let Some(applied) = live
        .at(LAST_APPLIED)
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
    else {
        return Set::default();
    };
    let fields = walk::field_set(node, &applied, true).unwrap_or_default();
    let comparison = walk::compare(node, &applied, live);
    fields
        .difference(&comparison.modified)
        .difference(&comparison.added)
        .difference(&comparison.removed)
}

/// Removes what the manager had applied before and does no more, unless somebody owns it.
// upstream: #Updater.prune
fn prune(node: &Node<'_>, merged: &Value, last: &Set, owned: &Set) -> Value {
    let last = last.with_named_fields(node);
    let pruned = walk::remove(node, merged, &last);
    let fields = |v: &Value| {
        walk::field_set(node, v, true)
            .unwrap_or_default()
            .with_named_fields(node)
    };
    let all = fields(merged);
    // Add back what is owned, then what merely hung below what was removed.
    let kept = fields(&pruned).union(&owned.with_named_fields(node));
    let pruned = walk::remove(node, merged, &all.difference(&kept));
    let gone = all.difference(&fields(&pruned)).intersection(&last);
    walk::remove(node, merged, &gone)
}

fn conflicts(managed: &Managed, changed: &Set) -> Vec<Conflict> {
    let mut out = Vec::new();
    let mut entries: Vec<&Entry> = managed.0.iter().collect();
    entries.sort_by_key(|e| (e.operation, e.manager.clone()));
    for entry in entries {
        for path in entry.fields.intersection(changed).paths() {
            let path: String = path.iter().map(PathElement::to_string).collect();
            out.push(Conflict {
                manager: print_manager(entry),
                path,
            });
        }
    }
    out
}

/// The object without its managed fields.
fn bare(object: &Value) -> Value {
    let mut out = object.clone();
    out.remove_at(&["metadata", "managedFields"]);
    out
}

/// Joins the oldest updates when there are too many.
// upstream: internal/capmanagers.go
fn cap(managed: &mut Managed) {
    let mut updates: Vec<usize> = (0..managed.0.len())
        .filter(|i| {
            managed
                .0
                .get(*i)
                .is_some_and(|e| e.operation == Operation::Update)
        })
        .collect();
    if updates.len() <= MAX_UPDATE_MANAGERS {
        return;
    }
    updates.sort_by_key(|i| managed.0.get(*i).map(|e| e.time.clone()));
    let mut excess = updates.len() - MAX_UPDATE_MANAGERS + 1;
    let mut joined: Vec<Entry> = Vec::new();
    let mut gone = Vec::new();
    for i in updates {
        let Some(entry) = managed.0.get(i).filter(|_| excess > 0) else {
            break;
        };
        excess -= 1;
        gone.push(i);
        let ancient = Entry {
            manager: ANCIENT.to_owned(),
            ..entry.clone()
        };
        match joined.iter_mut().find(|e| e.same(&ancient)) {
            Some(e) => {
                e.fields = e.fields.union(&ancient.fields);
                e.time = ancient.time;
            }
            None => joined.push(ancient),
        }
    }
    let mut index = 0;
    managed.0.retain(|_| {
        index += 1;
        !gone.contains(&(index - 1))
    });
    managed.0.extend(joined);
}

#[cfg(test)]
mod tests;
