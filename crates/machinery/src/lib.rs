//! Kubernetes' common machinery as pure values and functions: names and identifiers, `Status`
//! errors, field validation, selectors, quantities, times, request options and patches.
//!
//! Objects are `serde_json::Value`s; what is needed of them is read and written through
//! [`object::ObjectExt`]. Nothing here does IO or keeps global state. Behaviour and message texts
//! follow Kubernetes 1.36; each module cites its upstream.

pub mod continue_token;
pub mod duration;
pub mod equality;
pub mod field;
pub mod fields;
pub mod go;
pub mod gvk;
pub mod ids;
pub mod int_or_string;
pub mod labels;
pub mod names;
pub mod object;
pub mod options;
pub mod owner;
pub mod patch;
pub mod quantity;
pub mod status;
pub mod time;
pub mod typed;
pub mod validation;

pub use gvk::{GroupKind, GroupResource, GroupVersion, Gvk, Gvr};
pub use ids::{ResourceVersion, Uid};
pub use object::ObjectExt;
pub use quantity::Quantity;
pub use status::{Reason, Status};
