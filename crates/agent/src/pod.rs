//! Pods: what is wanted, what is observed at the runtime, what is to be done, and what is said of
//! it. The parts that decide are pure; [`worker`] carries them out.

pub(crate) mod actions;
pub(crate) mod backoff;
pub(crate) mod container_config;
pub(crate) mod dns;
pub(crate) mod env;
pub(crate) mod hooks;
pub(crate) mod observe;
pub(crate) mod probe;
pub(crate) mod pull;
pub(crate) mod qos;
pub(crate) mod quantity;
pub(crate) mod recorder;
pub(crate) mod sandbox_config;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod supervisor;
pub(crate) mod worker;
