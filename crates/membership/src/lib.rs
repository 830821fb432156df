//! Who belongs to the cluster: the live view of stakes and tokens, and joining.
//!
//! [`stake`] follows the chain's events into memory and answers for every request whether an identity is
//! still backed; when one is not any more it says so at once, and [`stake::Enforcer`] takes the node out of
//! scheduling. [`join`] attests the control plane to whoever connects, checks Seal tokens and logins
//! against the chain and issues short-lived certificates.
//!
//! Neither knows of HTTP servers, Kubernetes objects or storage: the assembled server supplies those through
//! [`stake::NodeControl`] and [`join::JoinRecords`].

mod clock;
pub mod join;
pub mod stake;

pub use clock::{Clock, SystemClock, unix_ms};
