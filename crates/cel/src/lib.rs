//! The Common Expression Language as Kubernetes 1.36 has it: parser, type checker, evaluator with cost accounting, and
//! the libraries.
//!
//! An [`Env`] says which variables and functions expressions may use; [`compile`] makes a [`Program`], or a
//! [`CompileError`] with upstream's text. A program is evaluated against [`Bindings`] whose values borrow JSON, either as it
//! is ([`Value::json`]) or as a [`Schema`] types it ([`Value::typed`]). Each evaluation has a limit, and takes its cost from a
//! [`CostBudget`].
//!
//! Hostile expressions cost bounded time and memory: the text, its nesting, the tree's depth, the cost, the bytes made and
//! the steps that the cost does not count all have limits. Nothing here does IO.
//!
//! Why not a crate: those that exist have neither a type checker nor cost accounting, which upstream's errors and limits
//! are made of.
//!
//! upstream: github.com/google/cel-go, staging/src/k8s.io/apiserver/pkg/cel

mod ast;
mod authorizer;
mod checker;
mod cost;
mod decls;
mod env;
mod error;
mod estimate;
mod eval;
mod functions;
mod lexer;
mod macros;
mod opaque;
mod parser;
mod print;
mod program;
mod request;
mod schema;
mod source;
mod time;
mod types;
mod value;

pub use authorizer::{Access, Authorizer, Decision, PathCheck, ResourceCheck};
pub use cost::{CostBudget, MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT, RUNTIME_BUDGET};
pub use env::{Env, compile};
pub use error::EvalError;
pub use functions::format::Named as NamedFormat;
pub use functions::semver::Version as Semver;
pub use functions::url::Url;
pub use opaque::{Cidr, Opaque};
pub use parser::{MAX_CHARS, MAX_DEPTH};
pub use program::{Activation, Bindings, Program};
pub use request::{namespace_schema, schema as request_schema};
pub use schema::{MAX_REQUEST_SIZE, Schema, escape};
pub use source::{CompileError, Issue};
pub use time::Time;
pub use types::Type;
pub use value::{Fields, Key, List, Map, Struct, Text, Value};
