//! A staker host: stakes, verifies the control plane, joins, runs the node agent, and stops when its
//! stake is gone.
//!
//! Connections to the control plane before certificates exist are [`attested::Connection`]s.
//! [`containerd`] is the container runtime that a worker brings along.

pub mod containerd;
