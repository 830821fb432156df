//! The CRI v1 client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

use super::CriError;
use super::v1::*;

/// Most that an answer may weigh; the kubelet's own limit.
// upstream: pkg/kubelet/cri/remote/remote_runtime.go maxMsgSize
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How long an ordinary call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A client of one runtime; cheap to clone, reconnects by itself.
#[derive(Debug, Clone)]
pub struct CriClient {
    channel: Channel,
    socket: PathBuf,
}

impl CriClient {
    /// Connects to the runtime's unix socket.
    ///
    /// # Errors
    /// [`CriError::Connect`] when nobody listens there.
    pub async fn connect(socket: &Path) -> Result<Self, CriError> {
        let endpoint = Endpoint::from_static("http://localhost");
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|source| CriError::Connect {
                socket: socket.to_owned(),
                source,
            })?;
        Ok(Self {
            channel,
            socket: socket.to_owned(),
        })
    }

    /// The same, but connected on the first call.
    pub fn connect_lazy(socket: &Path) -> Self {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel =
            Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
        Self {
            channel,
            socket: socket.to_owned(),
        }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    async fn unary<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        timeout: Option<Duration>,
    ) -> Result<A, CriError>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let failed = |status| CriError::Call {
            method,
            status: Box::new(status),
        };
        let mut grpc = self.grpc();
        grpc.ready()
            .await
            .map_err(|e| failed(tonic::Status::unavailable(e.to_string())))?;
        let mut request = tonic::Request::new(request);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let call = grpc.unary(
            request,
            PathAndQuery::from_static(method),
            ProstCodec::<Q, A>::default(),
        );
        let answer = match timeout {
            Some(limit) => match tokio::time::timeout(limit, call).await {
                Ok(answer) => answer,
                Err(_) => Err(tonic::Status::deadline_exceeded(
                    "context deadline exceeded",
                )),
            },
            None => call.await,
        };
        answer.map(tonic::Response::into_inner).map_err(failed)
    }
}

macro_rules! calls {
    ($service:literal: $($(#[$doc:meta])* $name:ident = $method:literal ($request:ident) -> $answer:ident, $timeout:expr;)*) => {
        impl CriClient {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`CriError::Call`] with the runtime's status.
            pub async fn $name(&self, request: $request) -> Result<$answer, CriError> {
                self.unary(concat!("/runtime.v1.", $service, "/", $method), request, $timeout).await
            })*
        }
    };
}

calls! { "RuntimeService":
    /// Name and version of the runtime.
    version = "Version"(VersionRequest) -> VersionResponse, Some(CALL_TIMEOUT);
    /// Whether runtime and network are ready.
    status = "Status"(StatusRequest) -> StatusResponse, Some(CALL_TIMEOUT);
    /// Creates and starts a sandbox.
    run_pod_sandbox = "RunPodSandbox"(RunPodSandboxRequest) -> RunPodSandboxResponse, Some(2 * CALL_TIMEOUT);
    /// Stops a sandbox and everything in it; idempotent.
    stop_pod_sandbox = "StopPodSandbox"(StopPodSandboxRequest) -> StopPodSandboxResponse, Some(CALL_TIMEOUT);
    /// Removes a sandbox; idempotent.
    remove_pod_sandbox = "RemovePodSandbox"(RemovePodSandboxRequest) -> RemovePodSandboxResponse, Some(CALL_TIMEOUT);
    /// State and network of a sandbox.
    pod_sandbox_status = "PodSandboxStatus"(PodSandboxStatusRequest) -> PodSandboxStatusResponse, Some(CALL_TIMEOUT);
    /// Sandboxes that match a filter.
    list_pod_sandbox = "ListPodSandbox"(ListPodSandboxRequest) -> ListPodSandboxResponse, Some(CALL_TIMEOUT);
    /// Creates a container in a sandbox.
    create_container = "CreateContainer"(CreateContainerRequest) -> CreateContainerResponse, Some(CALL_TIMEOUT);
    /// Starts a created container.
    start_container = "StartContainer"(StartContainerRequest) -> StartContainerResponse, Some(CALL_TIMEOUT);
    /// Removes a container; idempotent.
    remove_container = "RemoveContainer"(RemoveContainerRequest) -> RemoveContainerResponse, Some(CALL_TIMEOUT);
    /// Containers that match a filter.
    list_containers = "ListContainers"(ListContainersRequest) -> ListContainersResponse, Some(CALL_TIMEOUT);
    /// State of a container.
    container_status = "ContainerStatus"(ContainerStatusRequest) -> ContainerStatusResponse, Some(CALL_TIMEOUT);
    /// Changes the cgroup limits of a container.
    update_container_resources = "UpdateContainerResources"(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse, Some(CALL_TIMEOUT);
    /// Makes the runtime open the log file anew, after it was moved.
    reopen_container_log = "ReopenContainerLog"(ReopenContainerLogRequest) -> ReopenContainerLogResponse, Some(CALL_TIMEOUT);
    /// Prepares an exec and tells where to stream it.
    exec = "Exec"(ExecRequest) -> ExecResponse, Some(CALL_TIMEOUT);
    /// Prepares an attach and tells where to stream it.
    attach = "Attach"(AttachRequest) -> AttachResponse, Some(CALL_TIMEOUT);
    /// Prepares a port-forward and tells where to stream it.
    port_forward = "PortForward"(PortForwardRequest) -> PortForwardResponse, Some(CALL_TIMEOUT);
    /// Resource use of containers.
    list_container_stats = "ListContainerStats"(ListContainerStatsRequest) -> ListContainerStatsResponse, Some(CALL_TIMEOUT);
}

calls! { "ImageService":
    /// Images on the node.
    list_images = "ListImages"(ListImagesRequest) -> ListImagesResponse, Some(CALL_TIMEOUT);
    /// One image; `image` is absent in the answer when the node has it not.
    image_status = "ImageStatus"(ImageStatusRequest) -> ImageStatusResponse, Some(CALL_TIMEOUT);
    /// Pulls an image from its registry.
    pull_image = "PullImage"(PullImageRequest) -> PullImageResponse, None;
    /// Removes an image; idempotent.
    remove_image = "RemoveImage"(RemoveImageRequest) -> RemoveImageResponse, Some(CALL_TIMEOUT);
    /// Use of the image file system.
    image_fs_info = "ImageFsInfo"(ImageFsInfoRequest) -> ImageFsInfoResponse, Some(CALL_TIMEOUT);
}

impl CriClient {
    /// Stops a container: SIGTERM, then SIGKILL after `timeout` seconds; idempotent.
    ///
    /// # Errors
    /// [`CriError::Call`] with the runtime's status.
    // upstream: pkg/kubelet/cri/remote/remote_runtime.go#StopContainer adds its own timeout to the grace period
    pub async fn stop_container(&self, container_id: &str, timeout: i64) -> Result<(), CriError> {
        let limit =
            CALL_TIMEOUT.saturating_add(Duration::from_secs(u64::try_from(timeout).unwrap_or(0)));
        let request = StopContainerRequest {
            container_id: container_id.to_owned(),
            timeout,
        };
        let _: StopContainerResponse = self
            .unary(
                "/runtime.v1.RuntimeService/StopContainer",
                request,
                Some(limit),
            )
            .await?;
        Ok(())
    }

    /// Runs a command in a container and waits for it; `timeout` zero means none.
    ///
    /// # Errors
    /// [`CriError::Call`]; code `DeadlineExceeded` when the time was over.
    pub async fn exec_sync(
        &self,
        container_id: &str,
        cmd: Vec<String>,
        timeout: Duration,
    ) -> Result<ExecSyncResponse, CriError> {
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let limit = (!timeout.is_zero()).then(|| timeout.saturating_add(CALL_TIMEOUT));
        let request = ExecSyncRequest {
            container_id: container_id.to_owned(),
            cmd,
            timeout: seconds,
        };
        self.unary("/runtime.v1.RuntimeService/ExecSync", request, limit)
            .await
    }
}
