//! The namespace in which a benchmark works.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;

use crate::BenchError;
use crate::connection::{Connection, JSON};
use crate::object::RUN;
use crate::options::{Kind, Operation};

const NAMESPACES: &str = "/api/v1/namespaces";
/// How long the server's controllers may take for a new namespace, or for one with tens of thousands of objects to go.
const CONTROLLERS: Duration = Duration::from_secs(300);

/// A namespace of its own.
pub(crate) struct Workspace {
    pub(crate) namespace: String,
    pub(crate) kind: Kind,
    /// Path of the objects' collection.
    pub(crate) path: String,
}

impl Workspace {
    /// Creates the namespace and waits until objects can be made in it.
    pub(crate) async fn create(admin: &mut Connection, kind: Kind) -> Result<Self, BenchError> {
        let namespace = format!("daas-bench-{}", hex::encode(rand::random::<[u8; 4]>()));
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let body = Bytes::from(body.to_string());
        admin.must(Method::POST, NAMESPACES, body).await?;
        let workspace = Self {
            path: format!("{NAMESPACES}/{namespace}/{}", kind.plural()),
            namespace,
            kind,
        };
        if kind == Kind::Pod
            && let Err(error) = workspace.account(admin).await
        {
            workspace.remove(admin).await?;
            return Err(error);
        }
        Ok(workspace)
    }

    /// Pods need the namespace's service account, which a controller makes.
    async fn account(&self, admin: &mut Connection) -> Result<(), BenchError> {
        let path = format!(
            "{NAMESPACES}/{}/serviceaccounts?watch=1&fieldSelector=metadata.name%3Ddefault",
            self.namespace
        );
        seen(admin, &path, "\"ADDED\"", "the namespace's service account").await
    }

    /// Removes the objects of one measurement, or all.
    pub(crate) async fn clear(
        &self,
        admin: &mut Connection,
        run: Option<&str>,
    ) -> Result<(), BenchError> {
        let select = run.map_or(String::new(), |run| {
            format!("&labelSelector={}%3D{run}", RUN.replace('/', "%2F"))
        });
        let path = format!("{}?gracePeriodSeconds=0{select}", self.path);
        admin.must(Method::DELETE, &path, Bytes::new()).await?;
        Ok(())
    }

    /// Removes the namespace with all that is in it, and waits until it is gone.
    pub(crate) async fn remove(&self, admin: &mut Connection) -> Result<(), BenchError> {
        let cleared = self.clear(admin, None).await;
        let path = format!("{NAMESPACES}/{}", self.namespace);
        let version = admin.must(Method::GET, &path, Bytes::new()).await?;
        let version = resource_version(&version.body);
        admin.must(Method::DELETE, &path, Bytes::new()).await?;
        let watch = format!(
            "{NAMESPACES}?watch=1&fieldSelector=metadata.name%3D{}&resourceVersion={version}",
            self.namespace
        );
        seen(admin, &watch, "\"DELETED\"", "the namespace's removal").await?;
        cleared
    }

    /// Name of the object to read or patch.
    pub(crate) fn seeded(index: u64) -> String {
        format!("seed-{index}")
    }

    /// The path of a list; the mixed load reads pages.
    pub(crate) fn list(&self, operation: Operation) -> String {
        match operation {
            Operation::Mixed => format!("{}?limit=50", self.path),
            _ => self.path.clone(),
        }
    }
}

/// Waits until a watch's stream has a text.
async fn seen(
    admin: &mut Connection,
    path: &str,
    text: &str,
    what: &'static str,
) -> Result<(), BenchError> {
    let path = format!("{path}&timeoutSeconds={}", CONTROLLERS.as_secs());
    let mut body = admin
        .send(Method::GET, &path, JSON, Bytes::new())
        .await?
        .into_body();
    let reading = async {
        let mut seen = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            seen.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
            if String::from_utf8_lossy(&seen).contains(text) {
                return true;
            }
        }
        false
    };
    match tokio::time::timeout(CONTROLLERS, reading).await {
        Ok(true) => Ok(()),
        _ => Err(BenchError::Late(what)),
    }
}

/// The `metadata.resourceVersion` of a JSON answer.
pub(crate) fn resource_version(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    value
        .pointer("/metadata/resourceVersion")
        .and_then(|v| v.as_str())
        .unwrap_or_default()
        .to_owned()
}
