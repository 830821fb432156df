//! The options of a request, as an AdmissionReview shows them.

use machinery::options::{DeleteOptions, WriteOptions};
use machinery::owner::DeletionPropagation;
use serde_json::{Map, Value, json};

use super::Operation;

/// Options of the request that is admitted.
#[derive(Clone, Copy)]
pub enum RequestOptions<'a> {
    /// Of a creation, an update or a patch.
    Write(&'a WriteOptions),
    /// Of a deletion.
    Delete(&'a DeleteOptions),
    /// It has none (a connection).
    None,
}

impl<'a> From<&'a WriteOptions> for RequestOptions<'a> {
    fn from(options: &'a WriteOptions) -> Self {
        Self::Write(options)
    }
}

impl<'a> From<&'a DeleteOptions> for RequestOptions<'a> {
    fn from(options: &'a DeleteOptions) -> Self {
        Self::Delete(options)
    }
}

impl RequestOptions<'_> {
    /// Whether nothing will be written.
    pub fn dry_run(&self) -> bool {
        match self {
            RequestOptions::Write(options) => options.dry_run,
            RequestOptions::Delete(options) => options.dry_run,
            RequestOptions::None => false,
        }
    }

    /// As a `meta.k8s.io/v1` object; null where there are none.
    pub fn object(&self, operation: Operation) -> Value {
        let mut out = Map::new();
        let kind = match operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => return Value::Null,
        };
        out.insert("kind".into(), kind.into());
        out.insert("apiVersion".into(), "meta.k8s.io/v1".into());
        if self.dry_run() {
            out.insert("dryRun".into(), json!(["All"]));
        }
        match self {
            RequestOptions::Write(options) => {
                if !options.field_manager.is_empty() {
                    out.insert("fieldManager".into(), options.field_manager.as_str().into());
                }
            }
            RequestOptions::Delete(options) => delete(options, &mut out),
            RequestOptions::None => return Value::Null,
        }
        Value::Object(out)
    }
}

fn delete(options: &DeleteOptions, out: &mut Map<String, Value>) {
    if let Some(seconds) = options.grace_period_seconds {
        out.insert("gracePeriodSeconds".into(), seconds.into());
    }
    let mut preconditions = Map::new();
    if let Some(uid) = &options.preconditions.uid {
        preconditions.insert("uid".into(), uid.as_str().into());
    }
    if let Some(version) = &options.preconditions.resource_version {
        preconditions.insert("resourceVersion".into(), version.as_str().into());
    }
    if !preconditions.is_empty() {
        out.insert("preconditions".into(), preconditions.into());
    }
    if let Some(policy) = options.propagation {
        let text = match policy {
            DeletionPropagation::Orphan => "Orphan",
            DeletionPropagation::Background => "Background",
            DeletionPropagation::Foreground => "Foreground",
        };
        out.insert("propagationPolicy".into(), text.into());
    }
}
