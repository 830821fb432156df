//! Which names a definition may have beside the others of its group.
// upstream: apiextensions-apiserver/pkg/controller/status/naming_controller.go

use std::collections::BTreeSet;

use machinery::ObjectExt;
use serde_json::Value;

use crate::conditions::{self, Condition, kind};
use crate::definition::Definition;

/// What the names come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// `status.acceptedNames`.
    pub accepted: Value,
    /// The condition NamesAccepted.
    pub names: Condition,
    /// The condition Established, when it isn't to stay as it is.
    pub established: Option<Condition>,
}

/// Judges a definition's names; `None` when they are accepted as they are, or nothing would change.
pub fn judge<'a>(
    object: &Value,
    definition: &'a Definition,
    others: impl Iterator<Item = &'a Definition>,
) -> Option<Verdict> {
    let (wanted, accepted) = (&definition.spec.names, &definition.status.accepted_names);
    if wanted == accepted {
        return None;
    }
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    // A definition's own accepted names count as taken too; the comparison with what is accepted lets them pass.
    let all = others
        .filter(|o| o.spec.group == definition.spec.group)
        .chain(std::iter::once(definition));
    for other in all {
        let names = &other.status.accepted_names;
        resources.extend([names.plural.as_str(), names.singular.as_str()]);
        resources.extend(names.short_names.iter().map(String::as_str));
        kinds.extend([names.kind.as_str(), names.list_kind.as_str()]);
    }
    let mut condition = Condition::new(
        kind::NAMES_ACCEPTED,
        "True",
        "NoConflicts",
        "no conflicts found",
    );
    let mut next = accepted.clone();
    let conflict = |used: &BTreeSet<&str>, wanted: &str, accepted: &str| {
        (wanted != accepted && used.contains(wanted))
            .then(|| format!("{} is already in use", machinery::go::quote(wanted)))
    };
    let mut refuse = |reason: &'static str, message: String| {
        condition = Condition::new(kind::NAMES_ACCEPTED, "False", reason, message);
    };
    match conflict(&resources, &wanted.plural, &accepted.plural) {
        Some(why) => refuse("PluralConflict", why),
        None => next.plural.clone_from(&wanted.plural),
    }
    match conflict(&resources, &wanted.singular, &accepted.singular) {
        Some(why) => refuse("SingularConflict", why),
        None => next.singular.clone_from(&wanted.singular),
    }
    if wanted.short_names != accepted.short_names {
        let clashes: Vec<String> = wanted
            .short_names
            .iter()
            .filter(|n| !accepted.short_names.contains(n))
            .filter_map(|n| conflict(&resources, n, ""))
            .collect();
        match clashes.as_slice() {
            [] => next.short_names.clone_from(&wanted.short_names),
            [one] => refuse("ShortNamesConflict", one.clone()),
            many => refuse("ShortNamesConflict", format!("[{}]", many.join(", "))),
        }
    }
    match conflict(&kinds, &wanted.kind, &accepted.kind) {
        Some(why) => refuse("KindConflict", why),
        None => next.kind.clone_from(&wanted.kind),
    }
    match conflict(&kinds, &wanted.list_kind, &accepted.list_kind) {
        Some(why) => refuse("ListKindConflict", why),
        None => next.list_kind.clone_from(&wanted.list_kind),
    }
    next.categories.clone_from(&wanted.categories);
    if next == *accepted && conditions::has(object, &condition) {
        return None;
    }
    let established = if conditions::is_true(object, kind::ESTABLISHED) {
        None
    } else if condition.status == "True" {
        Some(Condition::new(
            kind::ESTABLISHED,
            "False",
            "Installing",
            "the initial names have been accepted",
        ))
    } else if conditions::find(object, kind::ESTABLISHED).is_none() {
        Some(Condition::new(
            kind::ESTABLISHED,
            "False",
            "NotAccepted",
            "not all names are accepted",
        ))
    } else {
        None
    };
    Some(Verdict {
        accepted: serde_json::to_value(&next).unwrap_or_default(),
        names: condition,
        established,
    })
}

/// Whether a definition whose names are accepted is yet to be established.
pub fn may_be_established(object: &Value) -> bool {
    object.deletion_timestamp().is_none()
        && conditions::is_true(object, kind::NAMES_ACCEPTED)
        && !conditions::is_true(object, kind::ESTABLISHED)
}

/// The condition of a definition whose names are accepted: it is established, unless its conversion webhook can never be
/// trusted.
// upstream: controller/establish/establishing_controller.go#sync
pub fn established(definition: &Definition) -> Condition {
    if definition.has_invalid_bundle() {
        return Condition::new(
            kind::ESTABLISHED,
            "False",
            "InvalidCABundle",
            "The conversion webhook CABundle is invalid",
        );
    }
    Condition::new(
        kind::ESTABLISHED,
        "True",
        "InitialNamesAccepted",
        "the initial names have been accepted",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn crd(plural: &str, kind: &str, short: &[&str], accepted: bool) -> Value {
        let names = json!({"plural": plural, "singular": kind.to_lowercase(), "shortNames": short, "kind": kind, "listKind": format!("{kind}List")});
        let none = json!({"plural": "", "kind": ""});
        json!({"metadata": {"name": format!("{plural}.a.b")}, "spec": {"group": "a.b", "names": names},
            "status": {"acceptedNames": if accepted { names.clone() } else { none }}})
    }

    fn verdict(new: &Value, others: &[&Value]) -> Option<Verdict> {
        let parsed: Vec<Definition> = others
            .iter()
            .map(|o| Definition::parse(o).unwrap())
            .collect();
        judge(new, &Definition::parse(new).unwrap(), parsed.iter())
    }

    // upstream: naming_controller_test.go#TestSync
    #[test]
    fn conflicts() {
        let other = crd("foos", "Foo", &["f"], true);
        let good = verdict(&crd("bars", "Bar", &["b"], false), &[&other]).unwrap();
        assert_eq!(
            (good.names.status, good.names.reason),
            ("True", "NoConflicts")
        );
        assert_eq!(good.established.unwrap().reason, "Installing");
        assert_eq!(good.accepted["shortNames"], json!(["b"]));
        let bad = verdict(&crd("bars", "Foo", &["f", "x"], false), &[&other]).unwrap();
        assert_eq!(
            (
                bad.names.status,
                bad.names.reason,
                bad.names.message.as_str()
            ),
            ("False", "ListKindConflict", "\"FooList\" is already in use")
        );
        assert_eq!(bad.accepted, json!({"plural": "bars", "kind": ""}));
        assert_eq!(bad.established.unwrap().reason, "NotAccepted");
        assert_eq!(verdict(&crd("foos", "Foo", &["f"], true), &[]), None);
        let short = verdict(&crd("bars", "Bar", &["f"], false), &[&other]).unwrap();
        assert_eq!(short.names.reason, "ShortNamesConflict");
    }
}
