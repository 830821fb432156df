//! The generic operations.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go,
//! staging/src/k8s.io/apiserver/pkg/endpoints/handlers/

mod commit;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_collection;
mod finalizers;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod managed;
pub(crate) mod patch;
pub(crate) mod subresource;
pub(crate) mod update;
pub(crate) mod watch;
pub(crate) mod write;
