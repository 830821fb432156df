//! What the files of a volume hold.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ProjectedVolumeSource};
use k8s_openapi::jiff::Timestamp;

use super::{Payload, PayloadFile, VolumeError};
use crate::cluster_api::{BoundToken, ClusterApi};
use crate::pod::env::{Facts, field, resource};
use crate::pod::spec::PodExt;

fn mode(mode: Option<i32>) -> Option<u32> {
    mode.and_then(|m| u32::try_from(m).ok())
}

/// All keys, or the chosen ones at their paths.
fn select(
    data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    optional: bool,
) -> Result<Payload, VolumeError> {
    let Some(items) = items.filter(|i| !i.is_empty()) else {
        return Ok(data
            .into_iter()
            .map(|(k, data)| (k, PayloadFile { data, mode: None }))
            .collect());
    };
    let mut payload = Payload::new();
    for item in items {
        match data.get(&item.key) {
            Some(data) => {
                payload.insert(
                    item.path.clone(),
                    PayloadFile {
                        data: data.clone(),
                        mode: mode(item.mode),
                    },
                );
            }
            None if optional => {}
            None => {
                return Err(VolumeError::Source(format!(
                    "references non-existent config key: {}",
                    item.key
                )));
            }
        }
    }
    Ok(payload)
}

pub(super) async fn config_map(
    api: &dyn ClusterApi,
    pod: &Pod,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
) -> Result<Payload, VolumeError> {
    match api.config_map(pod.namespace(), name).await {
        Ok(map) => {
            let text = map
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(k, v)| (k, v.into_bytes()));
            let binary = map
                .binary_data
                .unwrap_or_default()
                .into_iter()
                .map(|(k, v)| (k, v.0));
            select(text.chain(binary).collect(), items, optional)
        }
        Err(error) if error.is_not_found() && optional => Ok(Payload::new()),
        Err(error) if error.is_not_found() => {
            Err(VolumeError::Source(format!("configmap {name:?} not found")))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn secret(
    api: &dyn ClusterApi,
    pod: &Pod,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
) -> Result<Payload, VolumeError> {
    match api.secret(pod.namespace(), name).await {
        Ok(secret) => select(
            secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(k, v)| (k, v.0))
                .collect(),
            items,
            optional,
        ),
        Err(error) if error.is_not_found() && optional => Ok(Payload::new()),
        Err(error) if error.is_not_found() => {
            Err(VolumeError::Source(format!("secret {name:?} not found")))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn downward(
    pod: &Pod,
    items: &[DownwardAPIVolumeFile],
    facts: &Facts,
) -> Result<Payload, VolumeError> {
    let mut payload = Payload::new();
    for item in items {
        let text = if let Some(selector) = &item.field_ref {
            field(pod, selector, facts)?
        } else if let Some(selector) = &item.resource_field_ref {
            let name = selector.container_name.as_deref().unwrap_or_default();
            let container = pod
                .container(name)
                .ok_or_else(|| VolumeError::Source(format!("container {name} not found")))?;
            resource(container, selector, facts)?
        } else {
            continue;
        };
        payload.insert(
            item.path.clone(),
            PayloadFile {
                data: text.into_bytes(),
                mode: mode(item.mode),
            },
        );
    }
    Ok(payload)
}

/// Several sources in one directory; tokens are asked for anew after 80 % of their life.
// upstream: pkg/kubelet/token/token_manager.go#requiresRefresh
pub(super) async fn projected(
    api: &dyn ClusterApi,
    pod: &Pod,
    source: &ProjectedVolumeSource,
    facts: &Facts,
    volume: &str,
    tokens: &mut HashMap<String, (BoundToken, i64)>,
) -> Result<Payload, VolumeError> {
    let mut payload = Payload::new();
    for part in source.sources.iter().flatten() {
        if let Some(source) = &part.config_map {
            payload.extend(
                config_map(
                    api,
                    pod,
                    &source.name,
                    source.items.as_deref(),
                    source.optional == Some(true),
                )
                .await?,
            );
        }
        if let Some(source) = &part.secret {
            payload.extend(
                secret(
                    api,
                    pod,
                    &source.name,
                    source.items.as_deref(),
                    source.optional == Some(true),
                )
                .await?,
            );
        }
        if let Some(source) = &part.downward_api {
            payload.extend(downward(
                pod,
                source.items.as_deref().unwrap_or_default(),
                facts,
            )?);
        }
        if let Some(source) = &part.service_account_token {
            let key = format!("{volume}/{}", source.path);
            let now = Timestamp::now().as_second();
            let fresh = tokens
                .get(&key)
                .filter(|(token, since)| now < since + (token.expires_at - since) * 4 / 5);
            let token = match fresh {
                Some((token, _)) => token.clone(),
                None => {
                    let account = pod
                        .spec
                        .as_ref()
                        .and_then(|s| s.service_account_name.as_deref())
                        .unwrap_or("default");
                    let audiences: Vec<String> = source
                        .audience
                        .clone()
                        .into_iter()
                        .filter(|a| !a.is_empty())
                        .collect();
                    let seconds = source.expiration_seconds.unwrap_or(3600);
                    let token = api
                        .service_account_token(
                            pod.namespace(),
                            account,
                            &audiences,
                            seconds,
                            pod.name(),
                            pod.uid(),
                        )
                        .await?;
                    tokens.insert(key, (token.clone(), now));
                    token
                }
            };
            // upstream: readable for the container's user only, if all run as one
            payload.insert(
                source.path.clone(),
                PayloadFile {
                    data: token.token.into_bytes(),
                    mode: None,
                },
            );
        }
    }
    Ok(payload)
}
