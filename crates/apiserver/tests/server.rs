//! The server over a store in memory, driven by real clients and by hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "server/aggregation.rs"]
mod aggregation;
#[path = "server/apidiff.rs"]
mod apidiff;
#[path = "server/attacks.rs"]
mod attacks;
#[path = "server/auditing.rs"]
mod auditing;
#[path = "server/backend.rs"]
mod backend;
#[path = "server/clients.rs"]
mod clients;
#[path = "server/custom.rs"]
mod custom;
#[path = "server/flow.rs"]
mod flow;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/http.rs"]
mod http_behaviour;
#[path = "server/kubectl.rs"]
mod kubectl;
#[path = "server/leave.rs"]
mod leave;
#[path = "server/listener.rs"]
mod listener;
#[path = "server/load.rs"]
mod load;
#[path = "server/node.rs"]
mod node;
#[path = "server/openapi.rs"]
mod openapi;
#[path = "server/policies.rs"]
mod policies;
#[path = "server/routes.rs"]
mod routes;
#[path = "server/watchers.rs"]
mod watchers;
#[path = "server/webhooks.rs"]
mod webhooks;
