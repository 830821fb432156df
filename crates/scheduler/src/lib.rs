//! The scheduler: finds a node for each pod that has none.
//!
//! Upstream's mechanism in process: a queue with priorities, back-off and a pool of what can't be
//! placed yet, which events wake ([`queue`]); a cache of what runs where, with assumed pods
//! ([`cache`]); filters and scores as plugins ([`plugins`]); binding besides the cycle.
//!
//! Left out so far, and so not promised: preemption, inter-pod affinity, topology spread, volumes.
//! A pod that asks for a spread or an affinity between pods with `required…`/`DoNotSchedule` stays
//! pending with that reason rather than being placed wrongly.

mod cache;
mod cycle;
mod events;
mod node_info;
mod plugin;
mod plugins;
mod pod_info;
mod queue;
mod resources;
mod scheduler;

pub use scheduler::{SchedulerError, run};
