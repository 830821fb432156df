//! Definitions, rules and the shaping of objects, by what upstream answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod definitions;
mod properties;
mod rules;
