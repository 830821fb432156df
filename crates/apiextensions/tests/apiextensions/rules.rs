//! Rules: what they say, when they are asked, what they may cost.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/cel/validation_test.go

use apiextensions::rules::{BUDGET, Cel, Rules};
use apiextensions::{Definition, Schema};
use machinery::field::Path;
use serde_json::{Value, json};

use super::definitions::definition;

fn rules(schema: Value) -> Rules {
    let schema = Schema::parse(&schema).unwrap();
    Rules::compile(&Cel, &schema, true).unwrap()
}

fn texts(rules: &Rules, value: &Value, old: Option<&Value>) -> (Vec<String>, Vec<String>) {
    let (errors, warnings) = rules.validate(&Path::root(), value, old, old.is_some(), BUDGET);
    (errors.iter().map(ToString::to_string).collect(), warnings)
}

#[test]
fn words_of_errors() {
    let rules = rules(json!({"type": "object", "properties": {
        "n": {"type": "integer", "x-kubernetes-validations": [
            {"rule": "self > 1"}, {"rule": "self < 9", "message": " too large ", "reason": "FieldValueForbidden"}]},
        "o": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.a < self.b", "messageExpression": "'a is ' + string(self.a)", "fieldPath": ".a"},
                {"rule": "self.a / (self.b - 5) < 100"}]}}}));
    let check = |value: Value| texts(&rules, &value, None).0;
    assert_eq!(
        check(json!({"n": 1})),
        ["n: Invalid value: 1: failed rule: self > 1"]
    );
    assert_eq!(check(json!({"n": 9})), ["n: Forbidden: too large"]);
    assert_eq!(
        check(json!({"o": {"a": 3, "b": 2}})),
        ["o.a: Invalid value: a is 3"]
    );
    assert_eq!(
        check(json!({"o": {"a": 3, "b": 5}})),
        [
            "o: Invalid value: \"object\": division by zero evaluating rule: self.a / (self.b - 5) < 100"
        ]
    );
    assert!(check(json!({"n": null})).is_empty());
}

#[test]
fn transitions_and_ratcheting() {
    let rules = rules(json!({"type": "object", "properties": {
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed"}]},
        "grows": {"type": "integer", "x-kubernetes-validations": [{"rule": "!oldSelf.hasValue() || self >= oldSelf.value()", "optionalOldSelf": true, "message": "shrinks"}]},
        "bad": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 10"}]},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "item shrinks"}]}}}}));
    let check = |old: Value, new: Value| texts(&rules, &new, Some(&old));
    // Without an old value a transition rule isn't asked.
    assert!(
        texts(&rules, &json!({"fixed": "a", "grows": 1}), None)
            .0
            .is_empty()
    );
    assert_eq!(
        check(
            json!({"fixed": "a", "grows": 5}),
            json!({"fixed": "b", "grows": 4})
        )
        .0,
        [
            "fixed: Invalid value: \"b\": fixed",
            "grows: Invalid value: 4: shrinks"
        ]
    );
    // What was wrong before and is unchanged is only warned of.
    assert_eq!(
        check(json!({"bad": 1}), json!({"bad": 1, "fixed": "x"})),
        (
            vec![],
            vec!["bad: Invalid value: 1: failed rule: self > 10".to_owned()]
        )
    );
    assert_eq!(check(json!({"bad": 1}), json!({"bad": 2})).0.len(), 1);
    // Elements are told by their keys.
    assert_eq!(
        check(
            json!({"list": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]}),
            json!({"list": [{"k": "b", "v": 2}, {"k": "a", "v": 4}]})
        )
        .0,
        ["list[1]: Invalid value: item shrinks"]
    );
}

#[test]
fn the_budget_ends_evaluation() {
    let rules = rules(
        json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer"},
        "x-kubernetes-validations": [{"rule": "self.all(x, x >= 0)"}, {"rule": "self.all(x, x >= 1)"}]}}}),
    );
    let value = json!({"l": (1..200).collect::<Vec<_>>()});
    let (errors, _) = rules.validate(&Path::root(), &value, None, false, 1);
    assert_eq!(
        errors[0].to_string(),
        "l: Invalid value: \"array\": validation failed due to running out of cost budget, no further validation rules will be run"
    );
    assert_eq!(errors.len(), 1);
}

fn of_rules(property: Value) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"x": property}});
    let definition = Definition::parse(&definition(schema)).unwrap();
    let errors = definition.validate(&Cel);
    errors
        .iter()
        .map(|e| {
            let text = e.to_string();
            text.strip_prefix("spec.validation.openAPIV3Schema.properties[x]")
                .map(str::to_owned)
                .unwrap_or(text)
        })
        .collect()
}

#[test]
fn in_definitions() {
    let rule = |rule: Value| {
        of_rules(json!({"type": "string", "maxLength": 5, "x-kubernetes-validations": [rule]}))
    };
    assert!(rule(json!({"rule": "self == 'a'"})).is_empty());
    assert_eq!(
        rule(json!({"rule": " "})),
        [".x-kubernetes-validations[0].rule: Required value: rule is not specified"]
    );
    assert_eq!(
        rule(json!({"rule": "self == 'a'", "message": "a\nb"})),
        [
            ".x-kubernetes-validations[0].message: Invalid value: \"a\\nb\": must not contain line breaks"
        ]
    );
    assert_eq!(
        rule(json!({"rule": "self == 'a'", "reason": "Odd"})),
        [
            ".x-kubernetes-validations[0].reason: Unsupported value: \"Odd\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\""
        ]
    );
    assert_eq!(
        rule(json!({"rule": "self == 'a'", "optionalOldSelf": true})),
        [
            ".x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
        ]
    );
    assert!(rule(json!({"rule": "self"}))[0].contains("must evaluate to a bool"));
    assert!(rule(json!({"rule": "self =="}))[0].contains("compilation failed: ERROR: <input>"));
    assert!(
        rule(json!({"rule": "self == 'a'", "messageExpression": "1"}))[0]
            .contains("messageExpression must evaluate to a string")
    );
    assert_eq!(
        of_rules(
            json!({"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 3, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}})
        ),
        [
            ".items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[x]"
        ]
    );
    // Without bounds a rule over lists of lists may cost too much.
    let deep = json!({"type": "array", "items": {"type": "array", "items": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.all(a, a.all(b, self.all(c, c.all(d, b != d))))"}]});
    assert!(
        of_rules(deep)
            .iter()
            .any(|t| t.contains("estimated rule cost exceeds budget by factor of more than 100x")),
    );
}
