//! Hostile expressions cost bounded time and memory; nothing panics.

use cel::{Bindings, CostBudget, Env, EvalError, Type, Value};
use proptest::prelude::*;
use serde_json::json;

use crate::{object, run};

#[test]
fn limits_hold() {
    let object = json!({"l": (0..2000).collect::<Vec<_>>(), "s": "x".repeat(200_000)});
    for expression in [
        "o.l.all(a, o.l.all(b, o.l.all(c, true)))",
        "o.l.map(a, o.l.map(b, o.l)).size() > 0",
        "o.l.map(a, o.s + o.s).size() > 0",
        "o.l.all(a, o == o && o == o && o == o && o == o)",
        "o.l.all(a, !'b'.matches('(a{1,50}){1,9}c' + string(a)))",
        "lists.range(100000000).size() > 0",
        "o.s.replace('x', o.s).size() > 0",
        "o.s.split('').map(a, o.s.split('')).size() > 0",
        "o.l.map(a, a).map(a, o.l + o.l).map(a, a + a).map(a, a + a).map(a, a + a).size() > 0",
        "o.l.all(a, '%s%s%s'.format([o, o, o]) != '')",
    ] {
        let started = std::time::Instant::now();
        let result = run(expression, &object);
        assert_eq!(
            result,
            Err("operation cancelled: actual cost limit exceeded".into()),
            "{expression}"
        );
        eprintln!("{expression}: {:?}", started.elapsed());
    }
}

#[test]
fn budgets_are_spent() {
    let object = object();
    let env = Env::kubernetes().variable("o", Type::Dyn);
    let program = env.compile("o.i == 7").unwrap();
    let bindings = Bindings::new().with("o", Value::json(&object));
    let (result, cost) = program.evaluate_counting(&bindings);
    assert_eq!(result.unwrap().as_bool(), Some(true));
    // The name, the field, the comparison.
    assert_eq!(cost, 3);
    let mut budget = CostBudget::new(5);
    assert!(program.evaluate(&bindings, &mut budget).is_ok());
    assert!(matches!(
        program.evaluate(&bindings, &mut budget),
        Err(EvalError::Budget)
    ));
    assert_eq!(budget.remaining(), 0);
}

#[test]
fn costs_are_as_upstream() {
    // cost_test.go of upstream's library: a fold over a constant list, a traversal of text.
    for (expression, expected) in [
        (
            "[1, 2, 3].all(x, x > 0)",
            0_u64.wrapping_add(3 * (2 + 1 + 1 + 1) + 1),
        ),
        ("'abcdefghij'.contains('x')", 1),
        ("['a'].indexOf('a') == 0", 2),
        ("o.list[0] == 1", 4),
        ("has(o.i)", 1),
        ("true || o.i == 1", 0),
        ("[o.i].size() == 1", 2 + 10 + 1 + 1),
        ("o.s.matches('text')", 2 + 1),
    ] {
        let env = Env::kubernetes().variable("o", Type::Dyn);
        let program = env.compile(expression).unwrap();
        let object = object();
        let (_, cost) = program.evaluate_counting(&Bindings::new().with("o", Value::json(&object)));
        assert_eq!(cost, expected, "{expression}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = [
        format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}1{}", "[".repeat(5000), "]".repeat(5000)),
        "1+".repeat(20_000) + "1",
        "a.".repeat(20_000) + "a",
        "!".repeat(50_000) + "true",
        "-".repeat(50_000) + "1",
        "true ? ".repeat(9_000) + "1",
        "f(".repeat(20_000),
        "[1].map(x, ".repeat(5000),
        "{".repeat(50_000),
    ];
    for text in deep {
        let text = text.get(..text.len().min(99_999)).unwrap();
        let _ = Env::kubernetes().compile(text);
    }
    // What is allowed evaluates on a small stack.
    let text = format!("{}1{} == 1", "(".repeat(249), ")".repeat(249));
    assert!(Env::kubernetes().compile(&text).is_ok());
    let long = vec!["true"; 9_000].join(" && ");
    assert_eq!(run(&long, &json!({})), Ok(json!(true)));
    let sum = vec!["1"; 240].join(" + ");
    assert_eq!(run(&sum, &json!({})), Ok(json!(240)));
    assert!(
        Env::kubernetes()
            .compile(&"a".repeat(100_001))
            .unwrap_err()
            .to_string()
            .contains("size exceeds limit")
    );
}

#[test]
fn deepest_expressions_evaluate_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let handle = thread.spawn(|| {
        let nested = format!("{}1{}", "[".repeat(240), "]".repeat(240));
        let equal = format!("{nested} == {nested}");
        let _ = run(&equal, &json!({}));
        let sum = format!(
            "{} == {}",
            vec!["1"; 240].join(" + "),
            vec!["1"; 240].join(" + ")
        );
        assert_eq!(run(&sum, &json!({})), Ok(json!(true)));
        let folds = format!("{}1{}", "[1].map(x, ".repeat(60), ")".repeat(60));
        let _ = run(&folds, &json!({}));
        let parens = format!("{}1{}", "(1 + ".repeat(200), ")".repeat(200));
        assert_eq!(run(&parens, &json!({})), Ok(json!(201)));
        let ternary = "true ? 1 : ".repeat(200) + "2";
        assert_eq!(run(&ternary, &json!({})), Ok(json!(1)));
    });
    handle.unwrap().join().unwrap();
}

fn fragments() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "o",
            "o.i",
            "o.list",
            "o.map",
            ".",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "?",
            "+",
            "-",
            "*",
            "/",
            "%",
            "==",
            "!=",
            "<",
            ">=",
            "&&",
            "||",
            "!",
            " in ",
            "1",
            "0",
            "9223372036854775807",
            "1u",
            "1.5",
            "'a'",
            "b'x'",
            "true",
            "null",
            ".all(x, x > 0)",
            ".map(x, [x, x])",
            ".exists(k, v, v == k)",
            ".size()",
            "has(o.i)",
            ".?i",
            "[?0]",
            "size(",
            "string(",
            "int(",
            "duration('1h')",
            "timestamp(0)",
            "dyn(",
            ".filter(x, true)",
            "x",
            "math.abs(",
            ".format([1])",
            ".matches('a')",
            ".split('')",
            ".substring(",
            "quantity('1')",
            "ip('::1')",
            ".sort()",
            ".orValue(1)",
            "optional.of(",
            ".flatten()",
            "\\",
            "\"",
            "`",
            "\u{1F600}",
        ]),
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in fragments()) {
        let _ = run(&text, &object());
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,60}") {
        let _ = run(&text, &object());
    }
}

#[test]
fn costs_are_estimated_by_the_schema() {
    let schema = cel::Schema::structural(
        &json!({"type": "object", "properties": {
            "open": {"type": "array", "items": {"type": "string"}},
            "bound": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}},
            "nested": {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}},
            "name": {"type": "string"},
            "replicas": {"type": "integer"},
        }}),
        true,
    )
    .unwrap();
    let env = Env::kubernetes().variable("self", schema.cel_type());
    let max = |expression: &str| {
        env.compile(expression)
            .unwrap()
            .max_cost(&[("self", &schema)])
    };
    assert_eq!(max("self.replicas > 1"), 3);
    // Ten times: the accumulator twice, the condition, the variable, the comparison with one character.
    assert_eq!(
        max("self.bound.all(x, x == 'a')"),
        2 + 1 + 10 * (2 + 1 + 1 + 1)
    );
    assert!(max("self.open.all(x, x == 'a')") > 1_000_000);
    assert!(max("self.nested.all(a, a.all(b, b.all(c, c == 'x')))") > 10_000_000);
    assert!(max("self.name.contains(self.name)") > 10_000_000);
    assert!(max("'more than ' + string(self.replicas)") < 100);
    assert!(max("self.bound.map(x, x + 'a').join(',') == 'a'") < 10_000);
    assert!(schema.max_cardinality() > 100_000);
}

#[test]
fn evaluation_never_costs_more_than_estimated() {
    let json = json!({"bound": ["abcdefghij", "b", "c"], "name": "a name", "replicas": 3});
    let schema = cel::Schema::structural(
        &json!({"type": "object", "properties": {
            "bound": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 10}},
            "name": {"type": "string", "maxLength": 6},
            "replicas": {"type": "integer"},
        }}),
        false,
    )
    .unwrap();
    let env = Env::kubernetes().variable("self", schema.cel_type());
    for expression in [
        "self.replicas > 1 && self.name != 'b'",
        "self.bound.all(x, x.startsWith('a') || x.size() == 1)",
        "self.bound.map(x, x + self.name).exists(y, y.contains('name'))",
        "self.bound.filter(x, x.size() > 1).size() == 1",
        "self.name.replace('a', 'bb').split(' ').join(',') == 'x'",
        "self.bound.exists_one(x, x.matches('^a.*'))",
        "has(self.name) ? self.bound[0] == self.name : false",
        "sets.contains(self.bound, ['b'])",
    ] {
        let program = env.compile(expression).unwrap();
        let (_, cost) =
            program.evaluate_counting(&Bindings::new().with("self", Value::typed(&json, &schema)));
        let estimated = program.max_cost(&[("self", &schema)]);
        assert!(cost <= estimated, "{expression}: {cost} > {estimated}");
    }
}

/// Rules that are in wide use, with the limits of their schemas.
#[test]
fn rules_in_use_are_affordable() {
    let name = json!({"type": "string", "maxLength": 253, "minLength": 1});
    let listeners = json!({"type": "array", "maxItems": 64, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name", "port", "protocol"], "properties": {
            "name": name, "hostname": name, "port": {"type": "integer"}, "protocol": {"type": "string", "maxLength": 255},
            "tls": {"type": "object", "properties": {"mode": {"type": "string", "enum": ["Terminate", "Passthrough"]},
                "certificateRefs": {"type": "array", "maxItems": 64, "items": {"type": "object"}},
                "options": {"type": "object", "maxProperties": 16, "additionalProperties": {"type": "string", "maxLength": 4096}}}}}}});
    let spec = json!({"type": "object", "properties": {
        "replicas": {"type": "integer"}, "minReplicas": {"type": "integer"}, "maxReplicas": {"type": "integer"},
        "schedule": {"type": "string"}, "cpu": {"x-kubernetes-int-or-string": true}, "kind": {"type": "string"},
        "listeners": listeners}});
    for (schema, rule) in [
        (
            &listeners,
            "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
        ),
        (
            &listeners,
            "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
        ),
        (
            &listeners,
            "self.all(l1, self.exists_one(l2, l1.name == l2.name))",
        ),
        (
            &listeners,
            "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && \
                      has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))",
        ),
        (
            &listeners,
            "self.all(l, has(l.tls) && l.tls.mode == 'Terminate' ? size(l.tls.certificateRefs) > 0 || \
                      size(l.tls.options) > 0 : true)",
        ),
        (
            &spec,
            "self.minReplicas <= self.replicas && self.replicas <= self.maxReplicas",
        ),
        (&spec, "self == oldSelf"),
        (&spec, "self.kind == oldSelf.kind"),
        (&spec, "self.schedule.matches('^(@every|[0-9*])')"),
        (
            &spec,
            "type(self.cpu) == string ? quantity(self.cpu).isGreaterThan(quantity('0')) : self.cpu > 0",
        ),
        (&spec, "!has(oldSelf.kind) || has(self.kind)"),
        (
            &spec,
            "has(self.kind) ? self.kind.startsWith('x') || self.kind.endsWith('y') : true",
        ),
    ] {
        let schema = cel::Schema::structural(schema, false).unwrap();
        let env = Env::kubernetes()
            .variable("self", schema.cel_type())
            .variable("oldSelf", schema.cel_type());
        let program = env.compile(rule).unwrap_or_else(|e| panic!("{e}"));
        let cost = program.max_cost(&[("self", &schema), ("oldSelf", &schema)]);
        assert!(cost < 10_000_000, "{rule}: {cost}");
    }
}
