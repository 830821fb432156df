//! postStart and preStop.
// upstream: pkg/kubelet/lifecycle/handlers.go

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use super::probe::http;
use crate::cri::CriClient;

/// Runs a hook; `Err` says why it failed, as the event shows it.
pub(crate) async fn run(
    cri: &CriClient,
    container: &Container,
    id: &str,
    pod_ip: &str,
    handler: &LifecycleHandler,
    limit: Duration,
) -> Result<(), String> {
    let work = async {
        if let Some(exec) = &handler.exec {
            let command = exec.command.clone().unwrap_or_default();
            let shown = command.join(" ");
            return match cri.exec_sync(id, command, Duration::ZERO).await {
                Ok(answer) if answer.exit_code == 0 => Ok(()),
                Ok(answer) => Err(format!(
                    "command '{shown}' exited with {}: {}",
                    answer.exit_code,
                    String::from_utf8_lossy(&answer.stderr)
                )),
                Err(error) => Err(error.to_string()),
            };
        }
        if let Some(action) = &handler.http_get {
            let (code, _) =
                http::get(action, container, pod_ip, "kube-lifecycle/1.36", limit).await?;
            return if (200..400).contains(&code) {
                Ok(())
            } else {
                Err(format!("HTTP hook failed with statuscode: {code}"))
            };
        }
        if let Some(sleep) = &handler.sleep {
            tokio::time::sleep(Duration::from_secs(
                u64::try_from(sleep.seconds).unwrap_or(0),
            ))
            .await;
            return Ok(());
        }
        Err("invalid handler".to_owned())
    };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err("the hook did not end within the grace period".to_owned()))
}
