//! Versions of a controller's template, kept as ControllerRevisions.
// upstream: pkg/controller/history/controller_history.go

use std::collections::BTreeMap;

use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use machinery::{Reason, Status};
use registry::{Api, ListOptions};
use serde_json::{Value, json};

use crate::meta::{Meta, controller_ref, of_uid};

/// The label with a revision's hash, on revisions and on pods.
pub(crate) const REVISION_LABEL: &str = "controller-revision-hash";
const HASH: &str = "controller.kubernetes.io/hash";

/// The revisions of one controller, oldest first, the present one among them.
pub(crate) struct History {
    pub(crate) all: Vec<ControllerRevision>,
    /// The name of the present one.
    pub(crate) current: String,
    /// How often two templates had one hash.
    pub(crate) collisions: i32,
}

/// What a revision keeps of a template: a patch that replaces it.
pub(crate) fn data(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(map) = template.as_object_mut() {
        map.insert("$patch".to_owned(), "replace".into());
    }
    json!({"spec": {"template": template}})
}

/// The template that a revision keeps.
pub(crate) fn template(revision: &ControllerRevision) -> Option<Value> {
    let mut template = revision.data.as_ref()?.0.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    Some(template)
}

/// The hash of a revision: its name's end.
pub(crate) fn hash(revision: &ControllerRevision) -> &str {
    revision.label(HASH).unwrap_or_default()
}

impl History {
    /// Finds the revision of `data` among those of `owner`, or makes it.
    // upstream: controller_history.go#CreateControllerRevision, pkg/controller/statefulset/stateful_set_control.go#getStatefulSetRevisions
    pub(crate) async fn sync<O: Metadata<Ty = ObjectMeta>>(
        api: &Api<ControllerRevision>,
        owner: &O,
        labels: BTreeMap<String, String>,
        data: Value,
        collisions: Option<i32>,
    ) -> Result<Self, Status> {
        // Read from the store, so that none is made twice.
        let everything = ListOptions::default();
        let list = api.list(Some(owner.namespace()), &everything).await?;
        let mut all = list.items;
        all.retain(|r| r.controlled_by(owner.uid()));
        sort(&mut all);
        let next = all.last().map_or(1, |r| r.revision + 1);
        let mut collisions = collisions.unwrap_or_default();
        let same = |r: &ControllerRevision| r.data.as_ref().is_some_and(|d| d.0 == data);
        let current = match all.iter().rposition(same) {
            Some(at) if at + 1 == all.len() => all.get(at).map(|r| r.name().to_owned()),
            Some(at) => match all.get_mut(at) {
                // A template that was before is again: it is the newest now.
                Some(revision) => {
                    revision.revision = next;
                    let name = revision.name().to_owned();
                    *revision = api.update(Some(owner.namespace()), &name, revision).await?;
                    Some(name)
                }
                None => None,
            },
            None => None,
        };
        let current = match current {
            Some(name) => name,
            None => {
                let made = create(api, owner, labels, data, next, &mut collisions).await?;
                let name = made.name().to_owned();
                all.push(made);
                name
            }
        };
        sort(&mut all);
        Ok(Self {
            all,
            current,
            collisions,
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&ControllerRevision> {
        self.all.iter().find(|r| r.name() == name)
    }

    /// The hash of the present revision.
    pub(crate) fn current_hash(&self) -> &str {
        self.get(&self.current).map(hash).unwrap_or_default()
    }

    /// Deletes the oldest that are not in use, beyond the limit.
    pub(crate) async fn truncate(
        &self,
        api: &Api<ControllerRevision>,
        limit: Option<i32>,
        in_use: impl Fn(&ControllerRevision) -> bool,
    ) -> Result<(), Status> {
        let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or_default();
        let unused: Vec<_> = self
            .all
            .iter()
            .filter(|r| r.name() != self.current && !in_use(r))
            .collect();
        let excess = unused.len().saturating_sub(limit);
        for revision in unused.into_iter().take(excess) {
            let done = api
                .delete(
                    Some(revision.namespace()),
                    revision.name(),
                    &of_uid(revision.uid()),
                )
                .await;
            match done {
                Err(status) if !status.is(Reason::NotFound) => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }
}

fn sort(all: &mut [ControllerRevision]) {
    all.sort_by(|a, b| {
        let created = |r: &ControllerRevision| r.metadata.creation_timestamp.clone();
        a.revision
            .cmp(&b.revision)
            .then_with(|| created(a).cmp(&created(b)))
            .then_with(|| a.name().cmp(b.name()))
    });
}

async fn create<O: Metadata<Ty = ObjectMeta>>(
    api: &Api<ControllerRevision>,
    owner: &O,
    labels: BTreeMap<String, String>,
    data: Value,
    revision: i64,
    collisions: &mut i32,
) -> Result<ControllerRevision, Status> {
    loop {
        let hash = hash_of(&data, *collisions);
        let mut labels = labels.clone();
        labels.insert(HASH.to_owned(), hash.clone());
        let wanted = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", owner.name())),
                namespace: owner.meta().namespace.clone(),
                labels: Some(labels),
                owner_references: Some(vec![controller_ref(owner)]),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(data.clone())),
            revision,
        };
        match api.create(Some(owner.namespace()), &wanted).await {
            Err(status) if status.is(Reason::AlreadyExists) => *collisions += 1,
            result => return result,
        }
    }
}

/// FNV-1a of 32 bits, in the letters of generated names.
fn hash_of(data: &Value, collisions: i32) -> String {
    let bytes = serde_json::to_vec(data).unwrap_or_default();
    let extra = (collisions > 0).then(|| collisions.to_le_bytes());
    let hash = bytes
        .into_iter()
        .chain(extra.into_iter().flatten())
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    machinery::names::safe_encode(&hash.to_string())
}
