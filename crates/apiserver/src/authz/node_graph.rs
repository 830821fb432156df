//! Which pods are bound to which node and what they refer to.
// upstream: plugin/pkg/auth/authorizer/node/{graph,graph_populator}.go

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use machinery::Status;
use parking_lot::RwLock;
use registry::{Object, Registry};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::follow::{Change, follow};

/// The kinds a node may be related to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Vertex {
    Pod,
    Secret,
    ConfigMap,
    ServiceAccount,
    Claim,
    Volume,
    Attachment,
    ResourceClaim,
}

type Key = (Vertex, String, String);

#[derive(Default)]
struct Graph {
    /// Objects to the nodes that may read them, with how many pods say so.
    nodes: HashMap<Key, HashMap<String, usize>>,
    /// Pods to their node and what they refer to.
    pods: HashMap<(String, String), Pod>,
    /// Volumes to the claim they are bound to, and the secrets they need.
    volumes: HashMap<String, Volume>,
    /// Claims to volumes.
    claims: HashMap<(String, String), HashSet<String>>,
    /// Attachments to nodes.
    attachments: HashMap<String, String>,
}

struct Pod {
    uid: String,
    node: String,
    refs: Vec<Key>,
}

#[derive(Default)]
struct Volume {
    claim: Option<(String, String)>,
    secrets: Vec<(String, String)>,
}

/// The relations, kept by watches of pods, volumes and attachments.
#[derive(Default)]
pub(crate) struct NodeGraph {
    graph: RwLock<Graph>,
}

impl NodeGraph {
    pub(crate) async fn start(
        registry: &Registry,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, Status> {
        let this = Arc::new(Self::default());
        let shared = this.clone();
        follow(registry, ("", "v1", "pods"), stop, move |change| {
            let mut graph = shared.graph.write();
            match change {
                Change::Replace(all) => {
                    let pods: Vec<_> = graph.pods.keys().cloned().collect();
                    pods.iter().for_each(|key| graph.remove_pod(key));
                    all.iter().for_each(|o| graph.put_pod(o));
                }
                Change::Put(o) => graph.put_pod(&o),
                Change::Delete(o) => {
                    if let Some(wire) = parse::<WirePod>(&o) {
                        graph.remove_pod(&(wire.metadata.namespace, wire.metadata.name));
                    }
                }
            }
        })
        .await?;
        let shared = this.clone();
        follow(
            registry,
            ("", "v1", "persistentvolumes"),
            stop,
            move |change| {
                let mut graph = shared.graph.write();
                match change {
                    Change::Replace(all) => {
                        graph.volumes.clear();
                        graph.claims.clear();
                        all.iter().for_each(|o| graph.put_volume(o));
                    }
                    Change::Put(o) => graph.put_volume(&o),
                    Change::Delete(o) => {
                        if let Some(wire) = parse::<WireVolume>(&o) {
                            graph.remove_volume(&wire.metadata.name);
                        }
                    }
                }
            },
        )
        .await?;
        let shared = this.clone();
        follow(
            registry,
            ("storage.k8s.io", "v1", "volumeattachments"),
            stop,
            move |change| {
                let mut graph = shared.graph.write();
                let mut put = |o: &Object| {
                    if let Some(w) = parse::<WireAttachment>(o) {
                        graph.attachments.insert(w.metadata.name, w.spec.node_name);
                    }
                };
                match change {
                    Change::Replace(all) => all.iter().for_each(put),
                    Change::Put(o) => put(&o),
                    Change::Delete(o) => {
                        if let Some(w) = parse::<WireAttachment>(&o) {
                            graph.attachments.remove(&w.metadata.name);
                        }
                    }
                }
            },
        )
        .await?;
        Ok(this)
    }

    /// Whether a pod bound to `node` leads to the object.
    pub(super) fn related(&self, node: &str, vertex: Vertex, namespace: &str, name: &str) -> bool {
        let graph = self.graph.read();
        match vertex {
            Vertex::Attachment => graph.attachments.get(name).is_some_and(|n| n == node),
            Vertex::Volume => graph
                .volumes
                .get(name)
                .and_then(|v| v.claim.as_ref())
                .is_some_and(|(ns, claim)| graph.reads(node, Vertex::Claim, ns, claim)),
            Vertex::Secret => {
                graph.reads(node, vertex, namespace, name)
                    || graph.volumes.values().any(|v| {
                        v.secrets.iter().any(|(ns, s)| ns == namespace && s == name)
                            && v.claim
                                .as_ref()
                                .is_some_and(|(ns, c)| graph.reads(node, Vertex::Claim, ns, c))
                    })
            }
            _ => graph.reads(node, vertex, namespace, name),
        }
    }

    /// Whether there is such a pod, on whatever node.
    pub(super) fn has_pod(&self, namespace: &str, name: &str) -> bool {
        self.graph
            .read()
            .pods
            .contains_key(&(namespace.to_owned(), name.to_owned()))
    }
}

impl Graph {
    fn reads(&self, node: &str, vertex: Vertex, namespace: &str, name: &str) -> bool {
        self.nodes
            .get(&(vertex, namespace.to_owned(), name.to_owned()))
            .is_some_and(|nodes| nodes.contains_key(node))
    }

    fn put_pod(&mut self, object: &Object) {
        let Some(wire) = parse::<WirePod>(object) else {
            return;
        };
        let key = (wire.metadata.namespace.clone(), wire.metadata.name.clone());
        let node = wire.spec.node_name.clone();
        // References are immutable once a pod is bound, but for ephemeral containers' environment.
        if let Some(known) = self.pods.get(&key)
            && known.uid == wire.metadata.uid
            && known.node == node
            && wire.spec.ephemeral_containers.is_empty()
        {
            return;
        }
        self.remove_pod(&key);
        let mut refs = Vec::new();
        if !node.is_empty() {
            refs = wire.references();
            for r in &refs {
                *self
                    .nodes
                    .entry(r.clone())
                    .or_default()
                    .entry(node.clone())
                    .or_default() += 1;
            }
        }
        self.pods.insert(
            key,
            Pod {
                uid: wire.metadata.uid,
                node,
                refs,
            },
        );
    }

    fn remove_pod(&mut self, key: &(String, String)) {
        let Some(pod) = self.pods.remove(key) else {
            return;
        };
        for r in pod.refs {
            let Some(nodes) = self.nodes.get_mut(&r) else {
                continue;
            };
            if let Some(count) = nodes.get_mut(&pod.node) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(&pod.node);
                }
            }
            if nodes.is_empty() {
                self.nodes.remove(&r);
            }
        }
    }

    fn put_volume(&mut self, object: &Object) {
        let Some(wire) = parse::<WireVolume>(object) else {
            return;
        };
        self.remove_volume(&wire.metadata.name);
        let claim = wire.spec.claim_ref.map(|c| (c.namespace, c.name));
        if let Some(claim) = &claim {
            self.claims
                .entry(claim.clone())
                .or_default()
                .insert(wire.metadata.name.clone());
        }
        let secrets = wire
            .spec
            .csi
            .map(|csi| {
                [
                    csi.node_publish_secret_ref,
                    csi.node_stage_secret_ref,
                    csi.controller_publish_secret_ref,
                ]
                .into_iter()
                .flatten()
                .map(|r| (r.namespace, r.name))
                .collect()
            })
            .unwrap_or_default();
        self.volumes
            .insert(wire.metadata.name, Volume { claim, secrets });
    }

    fn remove_volume(&mut self, name: &str) {
        let Some(Volume {
            claim: Some(claim), ..
        }) = self.volumes.remove(name)
        else {
            return;
        };
        if let Some(volumes) = self.claims.get_mut(&claim) {
            volumes.remove(name);
            if volumes.is_empty() {
                self.claims.remove(&claim);
            }
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(object: &'a Object) -> Option<T> {
    serde_json::from_slice(object.json())
        .inspect_err(
            |error| tracing::error!(%error, "an object cannot be read for node authorisation"),
        )
        .ok()
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
}

#[derive(Deserialize)]
struct WirePod {
    metadata: Meta,
    spec: WireSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSpec {
    #[serde(default)]
    node_name: String,
    #[serde(default)]
    service_account_name: String,
    #[serde(default)]
    volumes: Vec<serde_json::Value>,
    #[serde(default)]
    image_pull_secrets: Vec<Named>,
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    init_containers: Vec<Container>,
    #[serde(default)]
    ephemeral_containers: Vec<Container>,
    #[serde(default)]
    resource_claims: Vec<PodClaim>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodClaim {
    #[serde(default)]
    resource_claim_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    env: Vec<Env>,
    #[serde(default)]
    env_from: Vec<EnvFrom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    value_from: Option<ValueFrom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom {
    secret_key_ref: Option<Named>,
    config_map_key_ref: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvFrom {
    secret_ref: Option<Named>,
    config_map_ref: Option<Named>,
}

impl WirePod {
    // upstream: pkg/api/v1/pod/util.go#VisitPodSecretNames, #VisitPodConfigmapNames; graph.go#AddPod
    fn references(&self) -> Vec<Key> {
        let mut refs: Vec<(Vertex, &str)> = vec![(Vertex::Pod, &self.metadata.name)];
        let spec = &self.spec;
        refs.push((Vertex::ServiceAccount, &spec.service_account_name));
        refs.extend(
            spec.image_pull_secrets
                .iter()
                .map(|s| (Vertex::Secret, s.name.as_str())),
        );
        refs.extend(
            spec.resource_claims
                .iter()
                .map(|c| (Vertex::ResourceClaim, c.resource_claim_name.as_str())),
        );
        for c in spec
            .containers
            .iter()
            .chain(&spec.init_containers)
            .chain(&spec.ephemeral_containers)
        {
            for env in c.env.iter().filter_map(|e| e.value_from.as_ref()) {
                refs.extend(
                    env.secret_key_ref
                        .iter()
                        .map(|r| (Vertex::Secret, r.name.as_str())),
                );
                refs.extend(
                    env.config_map_key_ref
                        .iter()
                        .map(|r| (Vertex::ConfigMap, r.name.as_str())),
                );
            }
            for from in &c.env_from {
                refs.extend(
                    from.secret_ref
                        .iter()
                        .map(|r| (Vertex::Secret, r.name.as_str())),
                );
                refs.extend(
                    from.config_map_ref
                        .iter()
                        .map(|r| (Vertex::ConfigMap, r.name.as_str())),
                );
            }
        }
        let ephemeral: Vec<String> = spec
            .volumes
            .iter()
            .filter(|v| v.get("ephemeral").is_some_and(|e| !e.is_null()))
            .filter_map(|v| {
                Some(format!(
                    "{}-{}",
                    self.metadata.name,
                    v.get("name")?.as_str()?
                ))
            })
            .collect();
        refs.extend(ephemeral.iter().map(|name| (Vertex::Claim, name.as_str())));
        for volume in &spec.volumes {
            volume_references(volume, &mut refs);
        }
        let mut keys: Vec<Key> = refs
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(v, name)| (v, self.metadata.namespace.clone(), name.to_owned()))
            .collect();
        keys.sort_by(|a, b| (a.0 as u8, &a.2).cmp(&(b.0 as u8, &b.2)));
        keys.dedup();
        keys
    }
}

fn volume_references<'a>(volume: &'a serde_json::Value, refs: &mut Vec<(Vertex, &'a str)>) {
    let text = |pointer: &str| volume.pointer(pointer).and_then(serde_json::Value::as_str);
    for (vertex, pointer) in [
        (Vertex::Secret, "/secret/secretName"),
        (Vertex::ConfigMap, "/configMap/name"),
        (Vertex::Claim, "/persistentVolumeClaim/claimName"),
        (Vertex::Secret, "/azureFile/secretName"),
        (Vertex::Secret, "/cephfs/secretRef/name"),
        (Vertex::Secret, "/cinder/secretRef/name"),
        (Vertex::Secret, "/flexVolume/secretRef/name"),
        (Vertex::Secret, "/rbd/secretRef/name"),
        (Vertex::Secret, "/scaleIO/secretRef/name"),
        (Vertex::Secret, "/iscsi/secretRef/name"),
        (Vertex::Secret, "/storageos/secretRef/name"),
        (Vertex::Secret, "/csi/nodePublishSecretRef/name"),
    ] {
        refs.extend(text(pointer).map(|name| (vertex, name)));
    }
    let sources = volume
        .pointer("/projected/sources")
        .and_then(serde_json::Value::as_array);
    for source in sources.into_iter().flatten() {
        for (vertex, pointer) in [
            (Vertex::Secret, "/secret/name"),
            (Vertex::ConfigMap, "/configMap/name"),
        ] {
            refs.extend(
                source
                    .pointer(pointer)
                    .and_then(serde_json::Value::as_str)
                    .map(|name| (vertex, name)),
            );
        }
    }
}

#[derive(Deserialize)]
struct WireVolume {
    metadata: Meta,
    spec: VolumeSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeSpec {
    claim_ref: Option<SecretRef>,
    csi: Option<Csi>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Csi {
    node_publish_secret_ref: Option<SecretRef>,
    node_stage_secret_ref: Option<SecretRef>,
    controller_publish_secret_ref: Option<SecretRef>,
}

#[derive(Deserialize)]
struct SecretRef {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WireAttachment {
    metadata: Meta,
    spec: AttachmentSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttachmentSpec {
    #[serde(default)]
    node_name: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_pod() {
        let pod: WirePod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {
                "nodeName": "n1", "serviceAccountName": "sa", "imagePullSecrets": [{"name": "pull"}],
                "volumes": [{"name": "a", "secret": {"secretName": "s"}}, {"name": "e", "ephemeral": {}},
                    {"name": "p", "projected": {"sources": [{"configMap": {"name": "root"}}, {"serviceAccountToken": {}}]}}],
                "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "k"}}}], "envFrom": [{"configMapRef": {"name": "c"}}]}],
            },
        }))
        .unwrap();
        let refs: HashSet<(Vertex, String)> = pod
            .references()
            .into_iter()
            .map(|(v, _, n)| (v, n))
            .collect();
        let want = [
            (Vertex::Pod, "p"),
            (Vertex::ServiceAccount, "sa"),
            (Vertex::Secret, "pull"),
            (Vertex::Secret, "s"),
            (Vertex::Secret, "k"),
            (Vertex::ConfigMap, "root"),
            (Vertex::ConfigMap, "c"),
            (Vertex::Claim, "p-e"),
        ];
        assert_eq!(
            refs,
            want.into_iter().map(|(v, n)| (v, n.to_owned())).collect()
        );
    }
}
