//! Image presence, by the container's pull policy.
// upstream: pkg/kubelet/images/image_manager.go#EnsureImageExists

use std::time::{Duration, Instant};

use base64::Engine;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::Timestamp;

use super::backoff::{Backoff, go_duration};
use super::recorder::Recorder;
use super::spec::PodExt;
use crate::cluster_api::ClusterApi;
use crate::cri::v1::{
    AuthConfig, Image, ImageSpec, ImageStatusRequest, PodSandboxConfig, PullImageRequest,
};
use crate::cri::{CriClient, CriError};

/// Why a container can't start, as its status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartError {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// When to try again; the pod's usual pause when `None`.
    pub(crate) retry: Option<Duration>,
}

impl StartError {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry: None,
        }
    }
}

/// `name` → `name:latest`, unless a tag or digest is there.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || last.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Registry of a reference; Docker Hub when it names none.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

async fn present(cri: &CriClient, image: &str) -> Result<Option<Image>, CriError> {
    let spec = ImageSpec {
        image: image.to_owned(),
        ..ImageSpec::default()
    };
    Ok(cri
        .image_status(ImageStatusRequest {
            image: Some(spec),
            verbose: false,
        })
        .await?
        .image)
}

/// Credentials for the image's registry from the pod's `imagePullSecrets`.
async fn credentials(api: &dyn ClusterApi, pod: &Pod, image: &str) -> Vec<AuthConfig> {
    let registry = registry_of(image);
    let mut found = Vec::new();
    for reference in pod
        .spec
        .iter()
        .flat_map(|s| s.image_pull_secrets.iter().flatten())
    {
        let Ok(secret) = api.secret(pod.namespace(), &reference.name).await else {
            continue;
        };
        let data = secret.data.unwrap_or_default();
        let entries: Option<serde_json::Value> =
            match (data.get(".dockerconfigjson"), data.get(".dockercfg")) {
                (Some(json), _) => serde_json::from_slice::<serde_json::Value>(&json.0)
                    .ok()
                    .and_then(|v| v.get("auths").cloned()),
                (None, Some(json)) => serde_json::from_slice(&json.0).ok(),
                _ => None,
            };
        let Some(serde_json::Value::Object(entries)) = entries else {
            continue;
        };
        for (server, entry) in entries {
            let host = server
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .split('/')
                .next()
                .unwrap_or_default();
            if host != registry && !(registry == "docker.io" && host == "index.docker.io") {
                continue;
            }
            let text = |key: &str| {
                entry
                    .get(key)
                    .and_then(|v| v.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (mut username, mut password) = (text("username"), text("password"));
            if username.is_empty()
                && let Ok(decoded) = base64::engine::general_purpose::STANDARD.decode(text("auth"))
                && let Some((user, pass)) = String::from_utf8_lossy(&decoded).split_once(':')
            {
                (username, password) = (user.to_owned(), pass.to_owned());
            }
            found.push(AuthConfig {
                username,
                password,
                server_address: server,
                identity_token: text("identitytoken"),
                ..AuthConfig::default()
            });
        }
    }
    found
}

/// Makes sure that the container's image is there and returns it.
pub(crate) async fn ensure(
    cri: &CriClient,
    api: &dyn ClusterApi,
    recorder: &Recorder,
    backoff: &mut Backoff,
    pod: &Pod,
    container: &Container,
    sandbox: &PodSandboxConfig,
) -> Result<Image, StartError> {
    let wanted = container.image.as_deref().unwrap_or_default();
    let name = container.name.as_str();
    if wanted.is_empty() {
        let message = format!(
            "Failed to apply default image tag {wanted:?}: couldn't parse image name: invalid reference format"
        );
        recorder.warning(pod, name, "InspectFailed", message.clone());
        return Err(StartError::new("InvalidImageName", message));
    }
    let image = with_tag(wanted);
    let always = image.ends_with(":latest");
    let policy = container.image_pull_policy.as_deref().unwrap_or(if always {
        "Always"
    } else {
        "IfNotPresent"
    });
    let found = present(cri, &image).await.map_err(|error| {
        let message = format!("Failed to inspect image {image:?}: {}", error.message());
        recorder.warning(pod, name, "InspectFailed", message.clone());
        StartError::new("ImageInspectError", message)
    })?;
    match (found, policy) {
        (Some(image_found), "Never" | "IfNotPresent") => {
            recorder.normal(
                pod,
                name,
                "Pulled",
                format!("Container image {wanted:?} already present on machine"),
            );
            return Ok(image_found);
        }
        (None, "Never") => {
            let message =
                format!("Container image {wanted:?} is not present with pull policy of Never");
            recorder.warning(pod, name, "ErrImageNeverPull", message.clone());
            return Err(StartError::new("ErrImageNeverPull", message));
        }
        _ => {}
    }
    let key = format!("{}_{image}", pod.uid());
    let now = Timestamp::now();
    let left = backoff.left(&key, now);
    if !left.is_zero() {
        let message = format!("Back-off pulling image {image:?}");
        recorder.normal(pod, name, "BackOff", message.clone());
        return Err(StartError {
            reason: "ImagePullBackOff",
            message,
            retry: Some(left),
        });
    }
    recorder.normal(pod, name, "Pulling", format!("Pulling image {wanted:?}"));
    let started = Instant::now();
    let spec = ImageSpec {
        image: image.clone(),
        user_specified_image: wanted.to_owned(),
        ..ImageSpec::default()
    };
    let credentials = credentials(api, pod, &image).await;
    let mut last = None;
    let attempts: Vec<Option<AuthConfig>> = if credentials.is_empty() {
        vec![None]
    } else {
        credentials.into_iter().map(Some).collect()
    };
    for auth in attempts {
        let request = PullImageRequest {
            image: Some(spec.clone()),
            auth,
            sandbox_config: Some(sandbox.clone()),
        };
        match cri.pull_image(request).await {
            Ok(_) => {
                let took = go_duration(started.elapsed());
                recorder.normal(
                    pod,
                    name,
                    "Pulled",
                    format!("Successfully pulled image {wanted:?} in {took}"),
                );
                return match present(cri, &image).await {
                    Ok(Some(image)) => Ok(image),
                    _ => Err(StartError::new(
                        "ImageInspectError",
                        format!("Failed to inspect image {image:?} after its pull"),
                    )),
                };
            }
            Err(error) => last = Some(error),
        }
    }
    let detail = last.map(|e| e.to_string()).unwrap_or_default();
    let message = format!("Failed to pull image {wanted:?}: {detail}");
    recorder.warning(pod, name, "Failed", message.clone());
    let now = Timestamp::now();
    backoff.next(&key, now, now);
    Err(StartError {
        reason: "ErrImagePull",
        message: detail,
        retry: Some(backoff.pause(&key)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (image, tagged, registry) in [
            ("busybox", "busybox:latest", "docker.io"),
            (
                "localhost/daas/sample:1",
                "localhost/daas/sample:1",
                "localhost",
            ),
            (
                "r.example:5000/a",
                "r.example:5000/a:latest",
                "r.example:5000",
            ),
            ("a@sha256:00", "a@sha256:00", "docker.io"),
        ] {
            assert_eq!(
                (with_tag(image).as_str(), registry_of(image)),
                (tagged, registry)
            );
        }
    }
}
