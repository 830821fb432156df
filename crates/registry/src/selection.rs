//! Label and field selectors against stored objects.

use std::sync::Arc;

use machinery::Status;
use machinery::fields::FieldSelector;
use machinery::labels::Selector;

use crate::options::ListOptions;
use crate::resource::Resource;
use crate::stored::Stored;

/// Selectors compiled for one resource.
pub(crate) struct Filter {
    resource: Arc<Resource>,
    labels: Option<Selector>,
    fields: Vec<Requirement>,
    /// `metadata.name=…` among the field requirements.
    name: Option<String>,
    /// `metadata.namespace=…` among the field requirements.
    namespace: Option<String>,
}

enum What {
    Name,
    Namespace,
    Field(usize),
}

struct Requirement {
    what: What,
    value: String,
    equal: bool,
}

impl Filter {
    /// Checks the field labels and compiles; `name` is the request's own name, when it has one.
    ///
    /// upstream: pkg/apis/*/v1/conversion.go, staging/src/k8s.io/apimachinery/pkg/runtime/conversion.go
    pub(crate) fn new(
        resource: &Arc<Resource>,
        options: &ListOptions,
        name: &str,
    ) -> Result<Self, Status> {
        let mut filter = Self {
            resource: Arc::clone(resource),
            labels: (!options.label_selector.is_everything())
                .then(|| options.label_selector.clone()),
            fields: Vec::new(),
            name: None,
            namespace: None,
        };
        filter.add_fields(&options.field_selector)?;
        if !name.is_empty() {
            filter.require(What::Name, name.to_owned(), true);
        }
        Ok(filter)
    }

    fn add_fields(&mut self, selector: &FieldSelector) -> Result<(), Status> {
        for requirement in &selector.0 {
            let label = requirement.field.as_str();
            let what = match label {
                "metadata.name" => What::Name,
                "metadata.namespace" => What::Namespace,
                _ => match self.resource.fields.iter().position(|f| f.label == label) {
                    Some(index) => What::Field(index),
                    None => return Err(Status::bad_request(unknown_label(&self.resource, label))),
                },
            };
            self.require(what, requirement.value.clone(), requirement.equal);
        }
        Ok(())
    }

    fn require(&mut self, what: What, value: String, equal: bool) {
        match what {
            What::Name if equal => self.name = Some(value.clone()),
            What::Namespace if equal => self.namespace = Some(value.clone()),
            _ => {}
        }
        self.fields.push(Requirement { what, value, equal });
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// The only name that can match.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The only namespace that can match.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The only value that the field at a position can have.
    pub(crate) fn field(&self, position: usize) -> Option<&str> {
        self.fields
            .iter()
            .find(|r| r.equal && matches!(r.what, What::Field(index) if index == position))
            .map(|r| r.value.as_str())
    }

    /// Whether a record matches; its key says name and namespace.
    pub(crate) fn matches(&self, key: &str, stored: &Stored) -> bool {
        if self.is_empty() {
            return true;
        }
        let (namespace, name) = self.split(key);
        let fields = self.fields.iter().all(|r| {
            let custom;
            let value: &str = match r.what {
                What::Name => name,
                What::Namespace => namespace,
                // Those of the form that is stored, whatever a webhook would make of it.
                What::Field(index) if self.resource.custom.is_some() => {
                    let path = self.resource.fields.get(index).map_or("", |f| &f.path);
                    custom = crate::value::path_text(&stored.value(), path).unwrap_or_default();
                    &custom
                }
                What::Field(index) => stored
                    .selection(&self.resource)
                    .fields
                    .get(index)
                    .map_or("", |v| v),
            };
            (value == r.value) == r.equal
        });
        fields
            && self.labels.as_ref().is_none_or(|selector| {
                let labels = &stored.selection(&self.resource).labels;
                selector
                    .matches_with(|key| labels.iter().find(|(k, _)| **k == *key).map(|(_, v)| &**v))
            })
    }

    fn split<'a>(&self, key: &'a str) -> (&'a str, &'a str) {
        let rest = key
            .strip_prefix(self.resource.prefix.as_str())
            .unwrap_or(key);
        if self.resource.namespaced {
            rest.split_once('/').unwrap_or(("", rest))
        } else {
            ("", rest)
        }
    }
}

fn unknown_label(resource: &Resource, label: &str) -> String {
    if resource.field_error.is_empty() {
        return format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            machinery::go::quote(label)
        );
    }
    resource
        .field_error
        .replace("%s", label)
        .replace("%q", &machinery::go::quote(label))
}
