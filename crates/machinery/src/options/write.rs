//! Options of create, update and patch.

use super::{Query, validate_dry_run};
use crate::field::{Error, ErrorList, Path};
use crate::go::quote;
use crate::{GroupKind, Status};

/// What happens to unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped silently.
    Ignore,
    /// They are dropped with a warning (the server's default).
    #[default]
    Warn,
    /// They are an error.
    Strict,
}

/// `metav1.CreateOptions` and `metav1.UpdateOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Nothing is kept.
    pub dry_run: bool,
    /// Who manages the fields written, empty when not told.
    pub field_manager: String,
    /// Treatment of unknown fields.
    pub field_validation: FieldValidation,
}

/// `metav1.PatchOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchOptions {
    /// What patches share with creates and updates.
    pub write: WriteOptions,
    /// Take over conflicting fields (apply only).
    pub force: bool,
}

impl WriteOptions {
    /// Parses and validates those of a create.
    pub fn create(query: &Query) -> Result<Self, Status> {
        Self::parse(query, "CreateOptions")
    }

    /// Parses and validates those of an update.
    pub fn update(query: &Query) -> Result<Self, Status> {
        Self::parse(query, "UpdateOptions")
    }

    fn parse(query: &Query, kind: &str) -> Result<Self, Status> {
        let mut errors = ErrorList::new();
        let options = Self::collect(query, &mut errors);
        refuse(kind, &errors)?;
        Ok(options)
    }

    fn collect(query: &Query, errors: &mut ErrorList) -> Self {
        let field_manager = query.text("fieldManager");
        validate_field_manager(&field_manager, errors);
        let dry_run: Vec<String> = query.all("dryRun").into_iter().map(str::to_owned).collect();
        validate_dry_run(&dry_run, errors);
        let field_validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                errors.push(Error::not_supported(
                    &Path::new("fieldValidation"),
                    other,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        Self {
            dry_run: !dry_run.is_empty(),
            field_manager,
            field_validation,
        }
    }
}

impl PatchOptions {
    /// Parses and validates; `apply` says whether the patch is a server-side apply.
    // upstream: apimachinery/pkg/apis/meta/v1/validation/validation.go#ValidatePatchOptions
    pub fn from_query(query: &Query, apply: bool) -> Result<Self, Status> {
        let mut errors = ErrorList::new();
        let force = query.flag("force");
        let manager = query.text("fieldManager");
        if apply {
            if manager.is_empty() {
                errors.push(Error::required(
                    &Path::new("fieldManager"),
                    "is required for apply patch",
                ));
            }
        } else if force.is_some() {
            errors.push(Error::forbidden(
                &Path::new("force"),
                "may not be specified for non-apply patch",
            ));
        }
        let write = WriteOptions::collect(query, &mut errors);
        refuse("PatchOptions", &errors)?;
        Ok(Self {
            write,
            force: force.unwrap_or_default(),
        })
    }
}

fn refuse(kind: &str, errors: &ErrorList) -> Result<(), Status> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(
            &GroupKind::new("meta.k8s.io", kind),
            "",
            errors,
        ))
    }
}

// upstream: apimachinery/pkg/apis/meta/v1/validation/validation.go#ValidateFieldManager
fn validate_field_manager(manager: &str, errors: &mut ErrorList) {
    let path = Path::new("fieldManager");
    if manager.len() > 128 {
        errors.push(Error::too_long(&path, 128));
    }
    for (i, c) in manager.char_indices() {
        // Printable is what Go's quoting leaves alone.
        let shown = quote(c.encode_utf8(&mut [0; 4]));
        if shown.starts_with("\"\\") && c != '"' && c != '\\' {
            let text = format!("invalid character U+{:04X} (at position {i})", c as u32);
            errors.push(Error::invalid(&path, manager, text));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dry_run_and_manager() {
        let o = WriteOptions::create(&Query::parse(
            "dryRun=All&fieldManager=kubectl&fieldValidation=Strict",
        ))
        .unwrap();
        assert!(o.dry_run);
        assert_eq!(
            (o.field_manager.as_str(), o.field_validation),
            ("kubectl", FieldValidation::Strict)
        );
        let e = WriteOptions::update(&Query::parse("dryRun=Some")).unwrap_err();
        assert_eq!(
            e.message,
            "UpdateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
        );
    }

    #[test]
    fn apply_needs_a_manager() {
        let e = PatchOptions::from_query(&Query::parse(""), true).unwrap_err();
        assert_eq!(
            e.message,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
        );
        assert!(PatchOptions::from_query(&Query::parse("force=true"), false).is_err());
        assert!(
            PatchOptions::from_query(&Query::parse("force=true&fieldManager=m"), true)
                .unwrap()
                .force
        );
    }
}
