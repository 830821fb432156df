//! Which requests a policy or a binding is about.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/matching/matching.go

use std::sync::Arc;

use machinery::labels::{Selector, from_label_selector};
use machinery::{GroupResource, Status};
use serde_json::Value;

use crate::admission::rules::Rule;
use crate::admission::webhook::is_other;
use crate::admission::{Attributes, Operation};
use crate::registry::Registry;
use crate::resource::{Resource, Served};
use crate::value::Read;
use machinery::ObjectExt;

/// `matchConstraints` or `matchResources`.
#[derive(Debug)]
pub(super) struct Criteria {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: Result<Selector, String>,
    objects: Result<Selector, String>,
}

impl Criteria {
    pub(super) fn parse(of: &Value) -> Self {
        let selector = |field: &str| match of.member(field).filter(|s| !s.is_null()) {
            None => Ok(Selector::everything()),
            some => from_label_selector(some).map_err(|e| e.to_string()),
        };
        let rules = |field: &str| of.list(field).iter().map(Rule::parse).collect();
        Self {
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            equivalent: of.text("matchPolicy") != "Exact",
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
        }
    }

    /// The resource that the request is matched as; `None` when these are not about it.
    pub(super) fn matches(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Arc<Resource>>, String> {
        let in_namespace = self.in_namespace(registry, attributes, object);
        if in_namespace == Ok(false) {
            return Ok(None);
        }
        let of_object = self.of_object(attributes, object);
        if of_object == Ok(false) {
            return Ok(None);
        }
        if self
            .resource(registry, attributes, &self.excluded)
            .is_some()
        {
            return Ok(None);
        }
        let resource = if self.rules.is_empty() {
            Some(Arc::clone(attributes.resource))
        } else {
            self.resource(registry, attributes, &self.rules)
        };
        if resource.is_some() {
            // A selector's error counts only for a request that these are about.
            in_namespace?;
            of_object?;
        }
        Ok(resource)
    }

    fn resource(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        rules: &[Rule],
    ) -> Option<Arc<Resource>> {
        let own = attributes.resource;
        if rules.iter().any(|rule| rule.matches(attributes, own)) {
            return Some(Arc::clone(own));
        }
        if !self.equivalent || rules.is_empty() || own.served != Served::Registry {
            return None;
        }
        let all = registry.resources();
        let equivalents: Vec<&Arc<Resource>> = all
            .iter()
            .filter(|r| r.prefix == own.prefix && is_other(attributes, r))
            .filter(|r| {
                attributes.subresource.is_empty() || r.subresource(attributes.subresource).is_some()
            })
            .collect();
        rules.iter().find_map(|rule| {
            let found = equivalents.iter().find(|r| rule.matches(attributes, r))?;
            Some(Arc::clone(found))
        })
    }

    fn in_namespace(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<bool, String> {
        let of_namespaces = attributes.is_of("", "namespaces");
        if attributes.namespace.is_empty() && !of_namespaces {
            return Ok(true);
        }
        let selector = self.namespaces.as_ref().map_err(Clone::clone)?;
        if selector.is_everything() {
            return Ok(true);
        }
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        if attributes.is_for("", "namespaces") && writes {
            return Ok(object.is_some_and(|o| selector.matches_object(o)));
        }
        let missing = || {
            Status::not_found(&GroupResource::new("", "namespaces"), attributes.namespace).message
        };
        let namespaces = registry
            .table()
            .find("", "v1", "namespaces")
            .ok_or_else(missing)?;
        let stored = registry
            .stored(namespaces, None, attributes.namespace)
            .ok_or_else(missing)?;
        Ok(selector.matches_object(&stored.value()))
    }

    fn of_object(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<bool, String> {
        let selector = self.objects.as_ref().map_err(Clone::clone)?;
        if selector.is_everything() {
            return Ok(true);
        }
        let matches = |o: &Value| o.metadata().is_some() && selector.matches_object(o);
        Ok(object.is_some_and(matches) || attributes.old.is_some_and(matches))
    }
}
