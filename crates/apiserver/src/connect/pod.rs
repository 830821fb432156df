//! What connecting needs to know of a pod, and upstream's checks of it.
// upstream: pkg/registry/core/pod/strategy.go

use machinery::Status;
use registry::{GetOptions, Target};
use serde::Deserialize;

use crate::chain::ApiRequest;

#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Meta,
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Deserialize)]
pub(super) struct Meta {
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) node_name: String,
    #[serde(default)]
    pub(super) containers: Vec<Container>,
    #[serde(default)]
    init_containers: Vec<Container>,
    #[serde(default)]
    ephemeral_containers: Vec<Container>,
}

#[derive(Deserialize)]
pub(super) struct Container {
    name: String,
    #[serde(default)]
    pub(super) ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Port {
    #[serde(default)]
    pub(super) name: String,
    pub(super) container_port: u16,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    #[serde(rename = "podIP")]
    pub(super) pod_ip: String,
}

/// Reads the target's pod as the request's user would.
pub(super) async fn read(request: &ApiRequest, target: &Target, name: &str) -> Result<Pod, Status> {
    let target = Target {
        name: name.to_owned(),
        subresource: String::new(),
        ..target.clone()
    };
    let object = request
        .handler
        .registry
        .get(&request.context, &target, &GetOptions::default())
        .await?;
    serde_json::from_slice(object.json()).map_err(Status::internal)
}

impl Pod {
    /// The container asked for, or the only one.
    // upstream: #validateContainer
    pub(super) fn container(&self, asked: &str) -> Result<String, Status> {
        let spec = &self.spec;
        let names = |list: &[Container]| {
            list.iter()
                .map(|c| c.name.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let pod = &self.metadata.name;
        if asked.is_empty() {
            return match spec.containers.as_slice() {
                [only] => Ok(only.name.clone()),
                [] => Err(Status::bad_request(format!(
                    "a container name must be specified for pod {pod}"
                ))),
                all => {
                    let mut text = format!(
                        "a container name must be specified for pod {pod}, choose one of: [{}]",
                        names(all)
                    );
                    if !spec.init_containers.is_empty() {
                        text.push_str(&format!(
                            " or one of the init containers: [{}]",
                            names(&spec.init_containers)
                        ));
                    }
                    Err(Status::bad_request(text))
                }
            };
        }
        let mut all = spec
            .containers
            .iter()
            .chain(&spec.init_containers)
            .chain(&spec.ephemeral_containers);
        if all.any(|c| c.name == asked) {
            Ok(asked.to_owned())
        } else {
            Err(Status::bad_request(format!(
                "container {asked} is not valid for pod {pod}"
            )))
        }
    }

    /// The node the pod is on.
    pub(super) fn node(&self) -> Result<&str, Status> {
        if self.spec.node_name.is_empty() {
            return Err(Status::bad_request(format!(
                "pod {} does not have a host assigned",
                self.metadata.name
            )));
        }
        Ok(&self.spec.node_name)
    }
}
