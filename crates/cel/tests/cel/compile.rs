//! What does not compile, with upstream's words.

use cel::{Env, Schema, Type};
use serde_json::json;

fn env() -> Env {
    let schema = Schema::structural(
        &json!({"type": "object", "properties": {
            "replicas": {"type": "integer"},
            "name": {"type": "string"},
            "items": {"type": "array", "items": {"type": "string"}},
            "port": {"x-kubernetes-int-or-string": true},
            "namespace": {"type": "string"},
            "a-b": {"type": "string"},
        }}),
        true,
    )
    .unwrap();
    Env::kubernetes()
        .variable("self", schema.cel_type())
        .variable("oldSelf", schema.cel_type())
}

#[test]
fn faults_have_places() {
    for (expression, text) in [
        (
            "self.nope > 1",
            "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope > 1\n | ....^",
        ),
        (
            "foo",
            "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo\n | ^",
        ),
        (
            "self.replicas == 'a'",
            "ERROR: <input>:1:15: found no matching overload for '_==_' applied to '(int, string)'\n | self.replicas == 'a'\n | ..............^",
        ),
        (
            "self.name.nope()",
            "ERROR: <input>:1:15: undeclared reference to 'nope' (in container '')\n | self.name.nope()\n | ..............^",
        ),
        (
            "self.replicas.startsWith('a')",
            "ERROR: <input>:1:25: found no matching overload for 'startsWith' applied to 'int.(string)'\n | self.replicas.startsWith('a')\n | ........................^",
        ),
        (
            "[1, 'a']",
            "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^",
        ),
        (
            "self.replicas.all(x, true)",
            "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.replicas.all(x, true)\n | ....^",
        ),
        (
            "self.replicas.x",
            "ERROR: <input>:1:14: type 'int' does not support field selection\n | self.replicas.x\n | .............^",
        ),
        (
            "has(self)",
            "ERROR: <input>:1:5: invalid argument to has() macro\n | has(self)\n | ....^",
        ),
        (
            "self.items.map(x.y, x)",
            "ERROR: <input>:1:17: argument must be a simple name\n | self.items.map(x.y, x)\n | ................^",
        ),
        (
            "1 + ",
            "ERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 + \n | ....^",
        ),
        (
            "(self.replicas > 1",
            "ERROR: <input>:1:19: Syntax error: missing ')' at '<EOF>'\n | (self.replicas > 1\n | ..................^",
        ),
        (
            "true ? 1",
            "ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting ':'\n | true ? 1\n | ........^",
        ),
        (
            "1 == 1 )",
            "ERROR: <input>:1:8: Syntax error: extraneous input ')' expecting <EOF>\n | 1 == 1 )\n | .......^",
        ),
        (
            "namespace == 'a'",
            "ERROR: <input>:1:1: reserved identifier: namespace\n | namespace == 'a'\n | ^",
        ),
        (
            "duration('x') == duration('1s')",
            "ERROR: <input>:1:10: invalid duration argument\n | duration('x') == duration('1s')\n | .........^",
        ),
        (
            "self.name.matches('(')",
            "ERROR: <input>:1:19: invalid matches argument\n | self.name.matches('(')\n | ..................^",
        ),
        (
            "99999999999999999999",
            "ERROR: <input>:1:1: invalid int literal\n | 99999999999999999999\n | ^",
        ),
    ] {
        let error = env()
            .compile(expression)
            .map(|p| p.output_type().to_string());
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err(text.to_owned()),
            "{expression}"
        );
    }
}

#[test]
fn types_of_results() {
    for (expression, expected) in [
        ("self.replicas > 1", "bool"),
        ("self.items.map(i, i + 'a')", "list(string)"),
        ("self.items.filter(i, i == 'a')", "list(string)"),
        ("self.port", "dyn"),
        ("self.port == 1 || self.port == 'a'", "bool"),
        (
            "self.namespace + self.__namespace__ + self.a__dash__b",
            "string",
        ),
        ("{'a': 1}", "map(string, int)"),
        ("self.?name", "optional_type(string)"),
        ("self.metadata.name", "string"),
        ("true ? dyn(1) : 'a'", "dyn"),
        ("quantity('1')", "kubernetes.Quantity"),
        ("type(1)", "type(int)"),
        ("self == oldSelf", "bool"),
        ("self.items == null", "x"),
        (
            "{'a': 1}.transformMap(k, v, string(v))",
            "map(string, string)",
        ),
        (
            "optional.of(1).optMap(x, string(x))",
            "optional_type(string)",
        ),
        ("[]", "list(dyn)"),
        (
            "timestamp('2024-01-01T00:00:00Z') - timestamp(0)",
            "duration",
        ),
    ] {
        let compiled = env().compile(expression);
        if expected == "x" {
            assert!(compiled.is_err(), "{expression}");
            continue;
        }
        let program = compiled.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(program.output_type().to_string(), expected, "{expression}");
    }
    let program = env().compile("self.replicas >= oldSelf.replicas").unwrap();
    assert!(program.references("oldSelf"));
    assert!(
        !env()
            .compile("self.items.all(oldSelf, oldSelf != '')")
            .unwrap()
            .references("oldSelf")
    );
    assert_eq!(*program.output_type(), Type::Bool);
}
