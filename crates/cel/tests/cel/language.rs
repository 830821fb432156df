//! Literals, operators, comprehensions, conversions, errors.

use crate::{all_fail, all_true};

#[test]
fn literals_and_operators() {
    all_true(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "7 / 2 == 3",
        "-7 / 2 == -3",
        "-7 % 3 == -1",
        "7u / 2u == 3u",
        "1.0 / 0.0 > 1e300",
        "0x10 == 16",
        "0xFFu == 255u",
        "-9223372036854775808 < 0",
        "1e3 == 1000.0",
        ".5 == 0.5",
        "'a' + 'b' == \"ab\"",
        "'''a'b''' == 'a\\'b'",
        "\"\"\"a\n\"b\"\"\" == 'a\\n\"b'",
        "r'\\n' == '\\\\n'",
        "'\\u00e9' == 'é'",
        "'\\U0001F600'.size() == 1",
        "'\\x41\\101' == 'AA'",
        "b'\\xff'.size() == 1",
        "b'é'.size() == 2",
        "b'a' + b'b' == b'ab'",
        "!false && true",
        "!!true",
        "--1 == 1",
        "-(-1) == 1",
        "true ? 1 == 1 : false",
        "false ? false : true ? true : false",
        "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 != 2",
        "'a' < 'b' && b'a' < b'b' && false < true",
        "1 in [1, 2]",
        "!(3 in [1, 2])",
        "'a' in {'a': 1}",
        "[1, 2] + [3] == [1, 2, 3]",
        "[1, 2][1] == 2",
        "{'a': 1}['a'] == 1 && {'a': 1}.a == 1",
        "{1: 'a', 2: 'b'}[2] == 'b'",
        "{true: 1}[true] == 1",
        "{1u: 'a'}[1u] == 'a'",
        "[] == []",
        "{} == {}",
        "{'a': 1, 'b': 2} == {'b': 2, 'a': 1}",
        "[[1], [2]] == [[1], [2]]",
        "null == null",
        "size('añb') == 3",
        "size([1, 2]) == 2 && {'a': 1}.size() == 1",
        "[1, 2,].size() == 2 && {'a': 1,}.size() == 1",
        "1 == 1 // a comment",
        "o.nested.`a`.b.c == 42",
    ]);
}

#[test]
fn numbers_across_types() {
    all_true(&[
        "dyn(1) == 1.0",
        "dyn(1) == 1u",
        "dyn(1u) == 1.0",
        "dyn(1) != 1.5",
        "1 < 1.5",
        "1u < 2",
        "-1 < 0u",
        "1.5 > 1u",
        "9223372036854775807 < 9223372036854777856.0",
        "18446744073709551615u > -1",
        "18446744073709551615u > 9223372036854775807",
        "dyn(9007199254740993) == 9007199254740992.0",
        "o.d == 1.5 && o.i == 7",
        "1.0 in dyn([1, 2])",
        "{1: 'a'}[dyn(1.0)] == 'a'",
        "{1: 'a'}[dyn(1u)] == 'a'",
        "dyn('1') != 1",
        "dyn([1]) != dyn({})",
        "dyn(0.0 / 0.0) != dyn(0.0 / 0.0)",
        "o.n == null",
        "o.s != null",
    ]);
}

#[test]
fn errors_are_absorbed() {
    all_true(&[
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(false && 1 / 0 == 1)",
        "!(1 / 0 == 1 && false)",
        "[0, 1].exists(x, 1 / x == 1)",
        "![0, 1].all(x, 1 / x == 2)",
        "o.missing == 1 || o.i == 7",
        "has(o.i) && !has(o.missing)",
        "!has(o.empty.x)",
    ]);
    all_fail(&[
        ("false || 1 / 0 == 1", "division by zero"),
        ("true && 1 / 0 == 1", "division by zero"),
        ("[0, 1].all(x, 1 / x == 1)", "division by zero"),
        ("[0, 1].map(x, 1 / x) == []", "division by zero"),
        ("[0].exists_one(x, 1 / x == 1)", "division by zero"),
    ]);
}

#[test]
fn errors() {
    all_fail(&[
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("1u / 0u", "division by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("-9223372036854775808 - 1", "integer overflow"),
        ("-(-9223372036854775808)", "integer overflow"),
        ("-9223372036854775808 / -1", "integer overflow"),
        ("9223372036854775807 * 2", "integer overflow"),
        ("18446744073709551615u + 1u", "unsigned integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("o.missing", "no such key: missing"),
        ("o['missing']", "no such key: missing"),
        ("o.nested.x.y", "no such key: x"),
        ("[1][1]", "index out of bounds: 1"),
        ("[1][-1]", "index out of bounds: -1"),
        ("o.s + 1", "no such overload"),
        ("o.i && true", "no such overload"),
        ("o.i ? 1 : 2", "no such overload"),
        ("!o.s", "no such overload"),
        ("o.s.field", "no such overload"),
        ("o.n.field", "no such overload"),
        (
            "o.i.startsWith('a')",
            "no such overload: startsWith(int, string)",
        ),
        ("{'a': 1, 'a': 2}", "Failed with repeated key a"),
        (
            "int('x')",
            "strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        ("int(1e30)", "integer overflow"),
        ("uint(-1)", "unsigned integer overflow"),
        ("optional.none().value()", "optional.none() dereference"),
        (
            "'a'.matches('(' + '')",
            "error parsing regexp: invalid pattern: `(`",
        ),
    ]);
}

#[test]
fn comprehensions() {
    all_true(&[
        "[1, 2, 3].all(x, x > 0)",
        "[].all(x, false)",
        "![].exists(x, true)",
        "[1, 2, 3].exists(x, x == 2)",
        "[1, 2, 3].exists_one(x, x > 2)",
        "![1, 2, 3].exists_one(x, x > 1)",
        "[1, 2, 3].map(x, x * 2) == [2, 4, 6]",
        "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
        "[1, 2, 3].filter(x, x != 2) == [1, 3]",
        "{'a': 1, 'b': 2}.all(k, k in ['a', 'b'])",
        "{'a': 1, 'b': 2}.exists(k, k == 'b')",
        "{'a': 1}.map(k, k) == ['a']",
        "o.map.all(k, o.map[k] > 0)",
        "o.nested.items.exists(i, i.name == 'y' && i.v == 2)",
        "[[1, 2], [3]].map(l, l.map(x, x + 1)) == [[2, 3], [4]]",
        "[1, 2].map(x, [3, 4].map(y, x * y)) == [[3, 4], [6, 8]]",
        "[1, 2, 3].all(i, v, i + 1 == v)",
        "{'a': 1}.exists(k, v, k == 'a' && v == 1)",
        "{'a': 1, 'b': 2}.existsOne(k, v, v == 2)",
        "[5, 6].transformList(i, v, i * v) == [0, 6]",
        "[5, 6].transformList(i, v, i > 0, i * v) == [6]",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v) == {'b': 2}",
        "{'a': 'x'}.transformMapEntry(k, v, {v: k}) == {'x': 'a'}",
        "[1].exists(x, [2].exists(x, x == 2) && x == 1)",
    ]);
}

#[test]
fn optionals() {
    all_true(&[
        "o.?i.hasValue() && o.?i.value() == 7",
        "!o.?missing.hasValue()",
        "o.?missing.orValue(3) == 3",
        "o.?nested.a.b.c.orValue(0) == 42",
        "!o.?missing.a.b.hasValue()",
        "o[?'i'].orValue(0) == 7",
        "[1, 2][?5].orValue(9) == 9",
        "optional.of(1).or(optional.of(2)).value() == 1",
        "optional.none().or(optional.of(2)).value() == 2",
        "optional.ofNonZeroValue('') == optional.none()",
        "optional.ofNonZeroValue('a') == optional.of('a')",
        "[?o.?missing, ?o.?i] == [7]",
        "{?'a': o.?missing, ?'b': o.?i} == {'b': 7}",
        "optional.of(2).optMap(x, x * 2).value() == 4",
        "optional.none().optMap(x, x * 2) == optional.none()",
        "optional.of([1])[?0].optFlatMap(x, optional.of(x + 1)).value() == 2",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
    ]);
}

#[test]
fn conversions_and_times() {
    all_true(&[
        "int('42') == 42 && int(1.9) == 1 && int(-1.9) == -1 && int(7u) == 7",
        "uint('3') == 3u && double('1.5') == 1.5 && double(2) == 2.0",
        "string(1.0) == '1' && string(1.5) == '1.5' && string(1e30) == '1e+30' && string(0.00001) == '1e-05'",
        "string(true) == 'true' && bool('true') && !bool('F')",
        "string(b'ab') == 'ab' && bytes('ab') == b'ab'",
        "type(1) == int && type(1u) == uint && type('') == string && type([]) == list && type({}) == map",
        "type(type(1)) == type && type(null) == null_type && type(1.0) == double",
        "type(timestamp('2024-01-01T00:00:00Z')) == google.protobuf.Timestamp",
        "timestamp('2024-01-01T00:00:00Z') + duration('24h') == timestamp('2024-01-02T00:00:00Z')",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('86400s')",
        "timestamp('2024-01-01T00:00:00+02:00') < timestamp('2024-01-01T00:00:00Z')",
        "duration('1h') - duration('30m') == duration('30m')",
        "duration('1.5h') > duration('1h')",
        "string(duration('1h30m')) == '5400s' && string(duration('1ms')) == '0.001s'",
        "string(timestamp('2024-01-01T00:00:00.5Z')) == '2024-01-01T00:00:00.5Z'",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "timestamp(60) == timestamp('1970-01-01T00:01:00Z')",
        "timestamp('2024-02-29T13:14:15.016Z').getFullYear() == 2024",
        "timestamp('9999-12-31T23:59:59.999999999Z').getFullYear() == 9999",
        "string(timestamp('9999-12-31T23:59:59.999999999Z')) == '9999-12-31T23:59:59.999999999Z'",
        "timestamp('9999-12-31T23:59:59Z') - timestamp('9899-12-31T23:59:59Z') > duration('0s')",
        "string(timestamp('0001-01-01T00:00:00Z')) == '0001-01-01T00:00:00Z'",
        "timestamp('1969-12-31T23:59:59.5Z').getMilliseconds() == 500 && int(timestamp('1969-12-31T23:59:59.5Z')) == -1",
        "timestamp('2024-02-29T13:14:15.016Z').getMonth() == 1",
        "timestamp('2024-02-29T13:14:15.016Z').getDate() == 29",
        "timestamp('2024-02-29T13:14:15.016Z').getDayOfMonth() == 28",
        "timestamp('2024-02-29T13:14:15.016Z').getDayOfYear() == 59",
        "timestamp('2024-02-29T13:14:15.016Z').getDayOfWeek() == 4",
        "timestamp('2024-02-29T13:14:15.016Z').getHours() == 13",
        "timestamp('2024-02-29T13:14:15.016Z').getHours('+02:00') == 15",
        "timestamp('2024-02-29T13:14:15.016Z').getHours('-02:30') == 10",
        "timestamp('2024-02-29T13:14:15.016Z').getMilliseconds() == 16",
        "duration('3730s').getHours() == 1 && duration('3730s').getMinutes() == 62",
    ]);
    all_fail(&[
        (
            "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
            "timestamp overflow",
        ),
        ("timestamp(300000000000)", "timestamp overflow"),
        (
            "duration('100000000s') * 2",
            "compile: ERROR: <input>:1:24: found no matching overload for '_*_' applied to '(duration, int)'\n | duration('100000000s') * 2\n | .......................^",
        ),
        (
            "timestamp(0).getHours('Nowhere/City')",
            "unknown time zone Nowhere/City",
        ),
    ]);
}
