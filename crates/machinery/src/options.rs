//! Options of requests: parsing from the query and validation.
// upstream: apimachinery/pkg/apis/meta/v1/types.go, .../validation, .../internalversion/validation

mod delete;
mod list;
mod query;
mod write;

pub use delete::{DeleteOptions, Preconditions};
pub use list::{ListOptions, ResourceVersionMatch};
pub use query::Query;
pub use write::{FieldValidation, PatchOptions, WriteOptions};

use crate::field::{Error, ErrorList, Path};

/// `dryRun` must be `All`.
// upstream: validation.go#ValidateDryRun
fn validate_dry_run(dry_run: &[String], errors: &mut ErrorList) {
    if dry_run.iter().any(|d| d != "All") {
        errors.push(Error::not_supported(
            &Path::new("dryRun"),
            dry_run.to_vec(),
            &["All"],
        ));
    }
}
