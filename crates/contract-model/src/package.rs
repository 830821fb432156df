//! The package's functions.

/// What the shared objects' `version` must be: the Move constant `VERSION`.
pub(crate) const PACKAGE_VERSION: u64 = 1;
