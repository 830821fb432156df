//! Access reviews.
// upstream: pkg/registry/authorization

use machinery::field::{Error, ErrorList, Path};
use machinery::{GroupKind, Status};
use registry::{Target, UserInfo};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{body, created, metadata, object};
use crate::authz::Decision;
use crate::authz::attributes::{Attributes, equalities};
use crate::chain::ApiRequest;
use crate::respond::Handled;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<NonResourceAttributes>,
    user: String,
    groups: Option<Vec<String>>,
    extra: Option<std::collections::BTreeMap<String, Vec<String>>>,
    uid: String,
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ResourceAttributes {
    namespace: String,
    verb: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    name: String,
    field_selector: Option<Selector>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    raw_selector: String,
    requirements: Vec<Requirement>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NonResourceAttributes {
    path: String,
    verb: String,
}

fn parse(value: &Value) -> Result<Spec, Status> {
    match value.get("spec") {
        None | Some(Value::Null) => Ok(Spec::default()),
        Some(spec) => Spec::deserialize(spec).map_err(|e| Status::bad_request(e.to_string())),
    }
}

/// Subject, self and local reviews.
pub(super) async fn review(mut request: ApiRequest, target: &Target) -> Handled {
    let row = target.resource.clone();
    let (value, negotiated) = body(&mut request, (&row.api_version(), &row.kind)).await?;
    let spec = parse(&value)?;
    let own = row.plural == "selfsubjectaccessreviews";
    let local = row.plural == "localsubjectaccessreviews";
    validate(&spec, own, &row.group_kind())?;
    if local {
        let namespace = spec
            .resource_attributes
            .as_ref()
            .map(|a| a.namespace.as_str())
            .unwrap_or_default();
        let mut errors = ErrorList::new();
        if spec.non_resource_attributes.is_some() {
            errors.push(Error::invalid(
                &Path::new("spec").child("nonResourceAttributes"),
                "",
                "disallowed on this kind of request",
            ));
        }
        if namespace != target.namespace() {
            errors.push(Error::invalid(
                &Path::new("spec")
                    .child("resourceAttributes")
                    .child("namespace"),
                namespace,
                "must match metadata.namespace",
            ));
        }
        if !errors.is_empty() {
            return Err(Status::invalid(&row.group_kind(), "", &errors).into());
        }
    }
    let other;
    let user = if own {
        request.context.user()
    } else {
        other = UserInfo {
            name: spec.user.clone(),
            uid: spec.uid.clone(),
            groups: spec.groups.clone().unwrap_or_default(),
            extra: spec.extra.clone().unwrap_or_default(),
        };
        &other
    };
    let attributes = attributes(user, &spec);
    let mut status = Map::new();
    match request.handler.authorizer.authorize(&attributes) {
        Decision::Allow(reason) => {
            status.insert("allowed".into(), json!(true));
            if !reason.is_empty() {
                status.insert("reason".into(), json!(reason));
            }
        }
        Decision::NoOpinion(reason) => {
            status.insert("allowed".into(), json!(false));
            if !reason.is_empty() {
                status.insert("reason".into(), json!(reason));
            }
        }
    }
    let out = object(
        &row.api_version(),
        &row.kind,
        metadata(&value),
        value.get("spec").cloned(),
        Value::Object(status),
    );
    created(negotiated, &out)
}

// upstream: pkg/apis/authorization/validation/validation.go
fn validate(spec: &Spec, own: bool, kind: &GroupKind) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(_), Some(_)) => errors.push(Error::invalid(
            &path.child("nonResourceAttributes"),
            "",
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => errors.push(Error::invalid(
            &path.child("resourceAttributes"),
            "",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    if !own && spec.user.is_empty() && spec.groups.as_ref().is_none_or(Vec::is_empty) {
        errors.push(Error::invalid(
            &path.child("user"),
            "",
            "at least one of user or group must be specified",
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(kind, "", &errors))
    }
}

fn attributes<'a>(user: &'a UserInfo, spec: &'a Spec) -> Attributes<'a> {
    if let Some(n) = &spec.non_resource_attributes {
        return Attributes::path(user, &n.verb, &n.path);
    }
    static NONE: std::sync::LazyLock<ResourceAttributes> =
        std::sync::LazyLock::new(ResourceAttributes::default);
    let r = spec.resource_attributes.as_ref().unwrap_or(&NONE);
    let mut a = Attributes::resource(user, &r.verb, &r.group, &r.resource);
    a.version = &r.version;
    a.subresource = &r.subresource;
    a.namespace = &r.namespace;
    a.name = &r.name;
    if let Some(selector) = &r.field_selector {
        a.fields = equalities(&selector.raw_selector);
        a.fields.extend(
            selector
                .requirements
                .iter()
                .filter(|q| q.operator == "In" && q.values.len() == 1)
                .filter_map(|q| Some((q.key.clone(), q.values.first()?.clone()))),
        );
    }
    a
}

// upstream: pkg/registry/authorization/selfsubjectrulesreview/rest.go
pub(super) async fn rules_review(mut request: ApiRequest, target: &Target) -> Handled {
    let row = target.resource.clone();
    let (value, negotiated) = body(&mut request, (&row.api_version(), &row.kind)).await?;
    let spec = parse(&value)?;
    if spec.namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request").into());
    }
    let user = request.context.user();
    let (rules, mut errors) = request.handler.authorizer.rules_for(user, &spec.namespace);
    let mut incomplete = !errors.is_empty();
    if user.node().is_some() {
        incomplete = true;
        errors.push("node authorizer does not support user rule resolution".to_owned());
    }
    let mut resources = Vec::new();
    let mut urls = Vec::new();
    for rule in &rules {
        if !rule.non_resource_urls.is_empty() {
            urls.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
        if !rule.resources.is_empty() {
            let mut one = json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
            if let (Value::Object(map), false) = (&mut one, rule.resource_names.is_empty()) {
                map.insert("resourceNames".into(), json!(rule.resource_names));
            }
            resources.push(one);
        }
    }
    let mut status =
        json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": incomplete});
    if let (Value::Object(map), false) = (&mut status, errors.is_empty()) {
        map.insert("evaluationError".into(), json!(errors.join(", ")));
    }
    let out = object(
        &row.api_version(),
        &row.kind,
        metadata(&value),
        Some(json!({})),
        status,
    );
    created(negotiated, &out)
}
