//! containerd's event stream: which container ended, and when memory ran out.
//!
//! CRI's own `GetContainerEvents` came with containerd 1.7; the events service of containerd
//! itself is there in every 1.x, on the same socket.
// source: containerd api/services/events/v1/events.proto, api/events/task.proto

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use super::{CriClient, CriError};

/// containerd's namespace for everything made through CRI.
pub const NAMESPACE: &str = "k8s.io";

/// What happened to a container (a sandbox's own container included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEvent {
    /// Its first process runs.
    Started(String),
    /// Its first process ended.
    Exited(String),
    /// The kernel killed a process of it for memory.
    OutOfMemory(String),
}

impl ContainerEvent {
    /// The container's or sandbox's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Started(id) | Self::Exited(id) | Self::OutOfMemory(id) => id,
        }
    }
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct SubscribeRequest {
    #[prost(string, repeated, tag = "1")]
    filters: Vec<String>,
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<prost_types::Timestamp>,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    topic: String,
    #[prost(message, optional, tag = "4")]
    event: Option<prost_types::Any>,
}

/// The head that TaskStart and TaskOOM share.
#[derive(Clone, PartialEq, ::prost::Message)]
struct TaskHead {
    #[prost(string, tag = "1")]
    container_id: String,
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct TaskExit {
    #[prost(string, tag = "1")]
    container_id: String,
    #[prost(string, tag = "2")]
    id: String,
}

impl Envelope {
    fn read(self) -> Option<ContainerEvent> {
        use prost::Message;
        let body = self.event?.value;
        match self.topic.as_str() {
            "/tasks/start" => Some(ContainerEvent::Started(
                TaskHead::decode(body.as_slice()).ok()?.container_id,
            )),
            "/tasks/oom" => Some(ContainerEvent::OutOfMemory(
                TaskHead::decode(body.as_slice()).ok()?.container_id,
            )),
            "/tasks/exit" => {
                let exit = TaskExit::decode(body.as_slice()).ok()?;
                // An exec has an id of its own.
                (exit.id.is_empty() || exit.id == exit.container_id)
                    .then_some(ContainerEvent::Exited(exit.container_id))
            }
            _ => None,
        }
    }
}

impl CriClient {
    /// Subscribes to the task events of all containers; the stream ends with the connection.
    ///
    /// # Errors
    /// [`CriError::Call`] when the runtime has no such service.
    pub async fn container_events(
        &self,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, CriError>>, CriError> {
        const METHOD: &str = "/containerd.services.events.v1.Events/Subscribe";
        let failed = |status| CriError::Call {
            method: METHOD,
            status: Box::new(status),
        };
        let mut grpc = self.grpc();
        grpc.ready()
            .await
            .map_err(|e| failed(tonic::Status::unavailable(e.to_string())))?;
        let filters = ["start", "exit", "oom"]
            .map(|t| format!("namespace=={NAMESPACE},topic==\"/tasks/{t}\""))
            .to_vec();
        let request = tonic::Request::new(SubscribeRequest { filters });
        let codec = ProstCodec::<SubscribeRequest, Envelope>::default();
        let stream = grpc
            .server_streaming(request, PathAndQuery::from_static(METHOD), codec)
            .await
            .map_err(failed)?
            .into_inner();
        Ok(stream
            .filter_map(move |item| async move {
                match item {
                    Ok(envelope) => envelope.read().map(Ok),
                    Err(status) => Some(Err(failed(status))),
                }
            })
            .boxed())
    }
}
