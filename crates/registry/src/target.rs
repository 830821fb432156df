//! What a request is about.

use std::sync::Arc;

use crate::resource::Resource;

/// A resource, and which of its objects: the parsed path of a request.
#[derive(Clone, Debug)]
pub struct Target {
    /// The row of the table.
    pub resource: Arc<Resource>,
    /// The namespace; `None` for cluster-scoped resources and for all namespaces.
    pub namespace: Option<String>,
    /// The object's name, empty for a collection.
    pub name: String,
    /// The subresource, empty for the main endpoint.
    pub subresource: String,
}

impl Target {
    /// All objects of a resource in a namespace, or in all.
    pub fn collection(resource: &Arc<Resource>, namespace: Option<&str>) -> Self {
        Self {
            resource: Arc::clone(resource),
            namespace: namespace.filter(|n| !n.is_empty()).map(str::to_owned),
            name: String::new(),
            subresource: String::new(),
        }
    }

    /// One object.
    pub fn object(resource: &Arc<Resource>, namespace: Option<&str>, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::collection(resource, namespace)
        }
    }

    /// A subresource of the same.
    #[must_use]
    pub fn subresource(mut self, name: &str) -> Self {
        self.subresource = name.to_owned();
        self
    }

    /// The namespace, empty when there is none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}
