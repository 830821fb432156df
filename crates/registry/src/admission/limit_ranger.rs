//! LimitRanges: default requests and limits of containers, and bounds for pods, containers and claims.
//!
//! upstream: plugin/pkg/admission/limitranger/admission.go

use std::collections::BTreeMap;

use async_trait::async_trait;
use machinery::quantity::Quantity;
use machinery::{ObjectExt, Status};
use serde_json::{Map, Value};

use super::{Admission, Attributes, Operation};
use crate::registry::Registry;
use crate::strategy::quantity;
use crate::value::{Read, Write};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// The plug-in.
#[derive(Debug)]
pub struct LimitRanger;

type Amounts = BTreeMap<String, Quantity>;

#[async_trait]
impl Admission for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let new_pod = attributes.is_for("", "pods") && attributes.operation == Operation::Create;
        let Some(pod) = object.filter(|_| new_pod) else {
            return Ok(());
        };
        for range in ranges(registry, attributes.namespace) {
            set_defaults(&range, pod);
        }
        Ok(())
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        let create = attributes.operation == Operation::Create;
        let pods = attributes.is_of("", "pods")
            && match attributes.subresource {
                "" => create,
                "resize" => true,
                _ => false,
            };
        let claims = attributes.is_for("", "persistentvolumeclaims");
        let Some(object) = object.filter(|_| pods || claims) else {
            return Ok(());
        };
        for range in ranges(registry, attributes.namespace) {
            let mut errors = Vec::new();
            for item in limits_of(&range) {
                if pods {
                    check_pod(item, object, &mut errors);
                } else if item.text("type") == "PersistentVolumeClaim" {
                    let requests = amounts(object.at(&["spec", "resources", "requests"]));
                    for (name, bound) in amounts(item.member("min")) {
                        let values = (requests.get(&name), None);
                        errors.extend(below(&name, "PersistentVolumeClaim", bound, values));
                    }
                    for (name, bound) in amounts(item.member("max")) {
                        errors.extend(claim_above(&name, bound, requests.get(&name)));
                    }
                }
            }
            if let Some(text) = aggregate(errors) {
                return Err(attributes.forbidden(Some(object), text));
            }
        }
        Ok(())
    }
}

/// One error as it is, several in brackets.
///
/// upstream: apimachinery/pkg/util/errors/errors.go#aggregate.Error
fn aggregate(mut errors: Vec<String>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    errors.retain(|e| seen.insert(e.clone()));
    match errors.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

fn ranges(registry: &Registry, namespace: &str) -> Vec<Value> {
    let Some(resource) = registry.table().find("", "v1", "limitranges") else {
        return Vec::new();
    };
    if namespace.is_empty() {
        return Vec::new();
    }
    let range = resource.range(Some(namespace));
    registry
        .store()
        .snapshot()
        .range(&range, None)
        .map(|e| e.value.value())
        .collect()
}

fn limits_of(range: &Value) -> &[Value] {
    range.field("spec").map_or(&[], |spec| spec.list("limits"))
}

/// The quantities of a resource list.
pub(super) fn amounts(list: Option<&Value>) -> Amounts {
    list.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), quantity::parse(value)?)))
        .collect()
}

/// upstream: #mergePodResourceRequirements
fn set_defaults(range: &Value, pod: &mut Value) {
    let (mut limits, mut requests) = (Map::new(), Map::new());
    for item in limits_of(range)
        .iter()
        .filter(|i| i.text("type") == "Container")
    {
        for (from, to) in [("default", &mut limits), ("defaultRequest", &mut requests)] {
            for (name, value) in item.entries(from) {
                to.insert(name.clone(), value.clone());
            }
        }
    }
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    let mut notes = Vec::new();
    let Some(spec) = pod.ensure_object("spec") else {
        return;
    };
    for (list, word) in [
        ("containers", "container"),
        ("initContainers", "init container"),
    ] {
        for container in spec.each(list) {
            let name = container.text("name").to_owned();
            let Some(resources) = container.ensure_object("resources") else {
                continue;
            };
            let mut merge = |kind: &str, defaults: &Map<String, Value>, word_of: &str| {
                let missing: Vec<(&String, &Value)> = defaults
                    .iter()
                    .filter(|(n, _)| resources.member(kind).is_none_or(|r| r.member(n).is_none()))
                    .collect();
                if missing.is_empty() {
                    return;
                }
                let mut names: Vec<&str> = missing.iter().map(|(n, _)| n.as_str()).collect();
                names.sort_unstable();
                notes.push(format!("{} {word_of} for {word} {name}", names.join(", ")));
                if let Some(list) = resources.ensure_object(kind) {
                    for (name, value) in missing {
                        list.put(name, value.clone());
                    }
                }
            };
            merge("requests", &requests, "request");
            merge("limits", &limits, "limit");
        }
    }
    if !notes.is_empty() {
        let text = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.set_at(&["metadata", "annotations", ANNOTATION], text.into());
    }
}

/// upstream: #PodValidateLimitFunc
fn check_pod(item: &Value, pod: &Value, errors: &mut Vec<String>) {
    let kind = item.text("type");
    let spec = pod.field("spec").unwrap_or(&Value::Null);
    let mut check = |requests: &Amounts, limits: &Amounts| {
        for (name, bound) in amounts(item.member("min")) {
            let values = (requests.get(&name), limits.get(&name));
            errors.extend(below(&name, kind, bound, values));
        }
        for (name, bound) in amounts(item.member("max")) {
            let values = (requests.get(&name), limits.get(&name));
            errors.extend(above(&name, kind, bound, values));
        }
        for (name, bound) in amounts(item.member("maxLimitRequestRatio")) {
            let values = (requests.get(&name), limits.get(&name));
            errors.extend(ratio(&name, kind, bound, values));
        }
    };
    match kind {
        "Container" => {
            for container in spec
                .list("containers")
                .iter()
                .chain(spec.list("initContainers"))
            {
                let of = |name: &str| amounts(container.at(&["resources", name]));
                check(&of("requests"), &of("limits"));
            }
        }
        "Pod" => check(&of_pod(spec, "requests"), &of_pod(spec, "limits")),
        _ => {}
    }
}

/// What a pod asks for: its containers' sum with restartable init containers, or the greatest of the init containers if
/// that is more; what is set for the pod as a whole goes before; then the overhead.
///
/// upstream: staging/src/k8s.io/component-helpers/resource/helpers.go#PodRequests
pub(super) fn of_pod(spec: &Value, kind: &str) -> Amounts {
    let add = |to: &mut Amounts, more: &Amounts| {
        for (name, amount) in more {
            let sum = to.get(name).map_or(*amount, |have| *have + *amount);
            to.insert(name.clone(), sum);
        }
    };
    let raise = |to: &mut Amounts, other: &Amounts| {
        for (name, amount) in other {
            if to.get(name).is_none_or(|have| have < amount) {
                to.insert(name.clone(), *amount);
            }
        }
    };
    let of = |c: &Value| amounts(c.at(&["resources", kind]));
    let mut sum = Amounts::new();
    for container in spec.list("containers") {
        add(&mut sum, &of(container));
    }
    let (mut sidecars, mut greatest) = (Amounts::new(), Amounts::new());
    for container in spec.list("initContainers") {
        let mut own = of(container);
        if container.text("restartPolicy") == "Always" {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut greatest, &own);
    }
    raise(&mut sum, &greatest);
    for (name, amount) in amounts(spec.at(&["resources", kind])) {
        sum.insert(name, amount);
    }
    let overhead = amounts(spec.member("overhead"));
    if kind == "requests" {
        add(&mut sum, &overhead);
    } else {
        for (name, amount) in overhead {
            if let Some(have) = sum.get(&name).filter(|q| !q.is_zero()).copied() {
                sum.insert(name, have + amount);
            }
        }
    }
    sum
}

type Values<'a> = (Option<&'a Quantity>, Option<&'a Quantity>);

/// upstream: #minConstraint
fn below(name: &str, kind: &str, bound: Quantity, (request, limit): Values<'_>) -> Option<String> {
    let head = format!("minimum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (None, _) => Some(format!("{head}. No request is specified")),
        (Some(r), _) if *r < bound => Some(format!("{head}, but request is {r}")),
        (_, Some(l)) if *l < bound => Some(format!("{head}, but limit is {l}")),
        _ => None,
    }
}

/// upstream: #maxConstraint
fn above(name: &str, kind: &str, bound: Quantity, (request, limit): Values<'_>) -> Option<String> {
    let head = format!("maximum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (_, None) => Some(format!("{head}. No limit is specified")),
        (_, Some(l)) if *l > bound => Some(format!("{head}, but limit is {l}")),
        (Some(r), _) if *r > bound => Some(format!("{head}, but request is {r}")),
        _ => None,
    }
}

/// upstream: #maxRequestConstraint
fn claim_above(name: &str, bound: Quantity, request: Option<&Quantity>) -> Option<String> {
    let head = format!("maximum {name} usage per PersistentVolumeClaim is {bound}");
    match request {
        None => Some(format!("{head}. No request is specified")),
        Some(r) if *r > bound => Some(format!("{head}, but request is {r}")),
        _ => None,
    }
}

/// upstream: #limitRequestRatioConstraint
fn ratio(name: &str, kind: &str, bound: Quantity, (request, limit): Values<'_>) -> Option<String> {
    let head = format!("{name} max limit to request ratio per {kind} is {bound}");
    let Some(request) = request.filter(|r| !r.is_zero()) else {
        return Some(format!(
            "{head}, but no request is specified or request is 0"
        ));
    };
    let Some(limit) = limit.filter(|l| !l.is_zero()) else {
        return Some(format!("{head}, but no limit is specified or limit is 0"));
    };
    let observed = limit.as_f64() / request.as_f64();
    (observed > bound.as_f64()).then(|| format!("{head}, but provided ratio is {observed:.6}"))
}
