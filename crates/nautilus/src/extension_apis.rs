//! What controllers read of aggregated API servers.

use std::sync::Arc;

use apiserver::Server;
use async_trait::async_trait;
use controllers::{ExtensionApi, ExtensionApis};
use registry::UserInfo;
use serde_json::Value;

struct Reads(Server);

#[async_trait]
impl ExtensionApi for Reads {
    async fn get(&self, path: &str) -> Result<Value, u16> {
        let user = UserInfo::controller("horizontal-pod-autoscaler");
        self.0.read_aggregated(path, &user).await
    }
}

/// Through this server.
pub(crate) fn through(server: &Server) -> ExtensionApis {
    ExtensionApis(Some(Arc::new(Reads(server.clone()))))
}
