//! What passes through to nodes, pods and services: logs, exec, attach, port-forward, proxy.

pub(crate) mod admission;
pub(crate) mod backend;
pub(crate) mod log;
pub(crate) mod pod;
pub(crate) mod proxy;
pub(crate) mod stream;
mod translate;
