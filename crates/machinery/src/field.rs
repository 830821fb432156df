//! Field paths and validation errors.
// upstream: apimachinery/pkg/util/validation/field

mod error;
mod list;
mod path;

pub use error::{Error, ErrorKind};
pub use list::ErrorList;
pub use path::Path;
