//! Who manages which fields: noted with every write, merged by server-side apply.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager/, handlers/patch.go#applyPatcher

use fieldmanager::{Context, Node};
use machinery::{Gvk, ObjectExt, Status, time};
use serde_json::{Map, Value};

use crate::context::RequestContext;
use crate::ops::write;
use crate::options::UpdateOptions;
use crate::target::Target;

const MANAGED: &[&str] = &["metadata", "managedFields"];

/// A configuration to apply.
pub(crate) struct Configuration {
    /// As the client sent it.
    pub(crate) body: Value,
    /// Conflicts are overruled.
    pub(crate) force: bool,
}

/// The write as its manager is noted.
fn with_context<T>(
    context: &RequestContext,
    target: &Target,
    subresource: &str,
    options: &UpdateOptions,
    run: impl FnOnce(&Context<'_>) -> T,
) -> T {
    let resource = &target.resource;
    run(&Context {
        node: match resource.custom.as_ref().map(|c| c.schema()) {
            Some(Some(schema)) => Node::custom(schema),
            _ => Node::builtin(&resource.group, &resource.version, &resource.kind),
        },
        manager: &context.manager(&options.field_manager),
        api_version: &resource.api_version(),
        subresource,
        reset: resource.strategy.reset_fields(subresource),
        now: &time::format(jiff::Timestamp::now()),
    })
}

/// Notes in an object (in storage form) who makes it of the stored one; of a new one `old` is `None`.
pub(crate) fn track(
    context: &RequestContext,
    target: &Target,
    subresource: &str,
    options: &UpdateOptions,
    old: Option<&Value>,
    object: &mut Value,
) {
    let nothing = Value::Object(Map::new());
    let live = old.unwrap_or(&nothing);
    with_context(context, target, subresource, options, |manager| {
        if target.resource.conversion.is_none() {
            fieldmanager::update(manager, live, object);
            return;
        }
        // Fields are told in the version of the request.
        let (mut live, mut shown) = (live.clone(), object.clone());
        if old.is_some() {
            write::from_storage(&target.resource, &mut live);
        }
        write::from_storage(&target.resource, &mut shown);
        fieldmanager::update(manager, &live, &mut shown);
        set(object, shown.at(MANAGED).cloned());
    });
}

/// The object that a configuration makes of the stored one (in storage form; `None` to create it), in the request's version.
pub(crate) fn apply(
    context: &RequestContext,
    target: &Target,
    subresource: &str,
    options: &UpdateOptions,
    old: Option<&Value>,
    configuration: &Configuration,
) -> Result<Value, Status> {
    let resource = &target.resource;
    let config = &configuration.body;
    let (given, expected) = (config.api_version(), resource.api_version());
    if given != expected {
        return Err(Status::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {given}, expected: {expected}"
        )));
    }
    let mut live = old.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    if old.is_some() {
        write::from_storage(resource, &mut live);
    }
    with_context(context, target, subresource, options, |manager| {
        Ok(fieldmanager::apply(
            manager,
            &live,
            config,
            configuration.force,
        )?)
    })
}

/// Notes who makes an object that is not kept, such as an access review.
pub fn note_manager(
    context: &RequestContext,
    gvk: &Gvk,
    options: &UpdateOptions,
    object: &mut Value,
) {
    let manager = Context {
        node: Node::builtin(&gvk.group, &gvk.version, &gvk.kind),
        manager: &context.manager(&options.field_manager),
        api_version: &gvk.api_version(),
        subresource: "",
        reset: &[],
        now: &time::format(jiff::Timestamp::now()),
    };
    fieldmanager::update(&manager, &Value::Object(Map::new()), object);
}

/// The managed fields of an object.
pub(crate) fn of(object: &Value) -> Option<Value> {
    object.at(MANAGED).cloned()
}

/// Sets them, or takes them away.
pub(crate) fn set(object: &mut Value, managed: Option<Value>) {
    match managed {
        Some(managed) => {
            object.set_at(MANAGED, managed);
        }
        None => {
            object.remove_at(MANAGED);
        }
    }
}

/// Takes the old times when nothing but times has changed.
///
/// upstream: handlers/fieldmanager/equality.go#IgnoreManagedFieldsTimestampsTransformer
pub(crate) fn ignore_times(object: &mut Value, old: &Value) {
    let list = |o: &Value| o.at(MANAGED).and_then(Value::as_array).cloned();
    let (Some(new_list), Some(old_list)) = (list(object), list(old)) else {
        return;
    };
    if new_list == old_list || new_list.len() != old_list.len() {
        return;
    }
    let timeless = |entry: &Value| {
        let mut entry = entry.clone();
        if let Some(map) = entry.as_object_mut() {
            map.shift_remove("time");
        }
        entry
    };
    // Entries are sorted by time: the order is of no account either.
    let mut rest: Vec<Value> = old_list.iter().map(timeless).collect();
    for entry in new_list.iter().map(timeless) {
        match rest.iter().position(|e| *e == entry) {
            Some(at) => {
                rest.swap_remove(at);
            }
            None => return,
        }
    }
    let now = of(object);
    set(object, Some(Value::Array(old_list)));
    if object != old {
        set(object, now);
    }
}
