//! The libraries.

use crate::{all_fail, all_true};

#[test]
fn strings() {
    all_true(&[
        "'tacocat'.charAt(3) == 'o' && 'abc'.charAt(3) == ''",
        "'hello mellow'.indexOf('ello') == 1 && 'hello mellow'.indexOf('ello', 2) == 7",
        "'hello mellow'.indexOf('jello') == -1 && 'abc'.indexOf('') == 0",
        "'hello mellow'.lastIndexOf('ello') == 7 && 'hello mellow'.lastIndexOf('ello', 6) == 1",
        "'TacoCat'.lowerAscii() == 'tacocat' && 'TacoCÆt Xii'.upperAscii() == 'TACOCÆT XII'",
        "'hello hello'.replace('he', 'we') == 'wello wello'",
        "'hello hello'.replace('he', 'we', 1) == 'wello hello' && 'a'.replace('a', 'b', 0) == 'a'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "'abc'.split('') == ['a', 'b', 'c'] && 'a,b'.split(',', 0) == [] && 'a,b'.split(',', 1) == ['a,b']",
        "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco' && 'ta©o'.substring(2, 3) == '©'",
        "'  \\ttrim\\n '.trim() == 'trim' && 'gums'.reverse() == 'smug'",
        "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && [].join('x') == ''",
        "strings.quote('a\"b\\n') == '\"a\\\\\"b\\\\n\"'",
        "'%s is %d years, %.2f, %b, %x, %X, %o, %e, %%'.format([dyn('Ann'), 7, 1.5, 5, 255, 'hi', 8, 1234.5]) == 'Ann is 7 years, 1.50, 101, ff, 6869, 10, 1.234500e+03, %'",
        "'%s %s %s'.format([dyn([dyn(1), 'a']), {'b': dyn(1), 'a': null}, duration('1s')]) == '[1, a] {a: null, b: 1} 1s'",
        "'abc'.contains('b') && 'abc'.startsWith('ab') && 'abc'.endsWith('bc')",
    ]);
    all_fail(&[
        ("'a'.charAt(2)", "index out of range: 2"),
        (
            "'abc'.substring(2, 1)",
            "invalid substring range. start: 2, end: 1",
        ),
        (
            "'abc'.substring(4)",
            "invalid substring range. start: 4, end: 3",
        ),
        ("'abc'.indexOf('a', -1)", "index out of range: -1"),
        ("'%d'.format([])", "index 0 out of range"),
    ]);
}

#[test]
fn patterns() {
    all_true(&[
        "'abc'.matches('^[a-c]+$') && matches('abc', 'b')",
        "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
        "'1 2 3'.findAll('[0-9]') == ['1', '2', '3'] && '1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
        "'x'.findAll('y') == []",
    ]);
}

#[test]
fn lists_and_sets() {
    all_true(&[
        "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
        "[1, 2, 3].sum() == 6 && [1.5, 1.5].sum() == 3.0 && [duration('1m'), duration('1s')].sum() == duration('61s')",
        "[3, 1, 2].min() == 1 && [3, 1, 2].max() == 3 && ['b', 'a'].min() == 'a'",
        "[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && [1].indexOf(5) == -1",
        "sets.contains([1, 2, 3], [1, 3]) && !sets.contains([1], [1, 2]) && sets.contains([], [])",
        "sets.equivalent([1, 1, 2], [2, 1]) && !sets.equivalent([1], [1, 2])",
        "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2])",
        "[3, 1, 2].sort() == [1, 2, 3] && [1, 2, 1].distinct() == [1, 2] && [1, 2].reverse() == [2, 1]",
        "[1, 2, 3].slice(1, 3) == [2, 3] && lists.range(3) == [0, 1, 2]",
        "[1].first().value() == 1 && ![].last().hasValue() && [[dyn(1)], [dyn(2), dyn([3])]].flatten(2) == [1, 2, 3]",
        "math.greatest(1, 5, 3) == 5 && math.least([2, 1]) == 1 && math.greatest(1, 2.5) == 2.5",
        "math.ceil(1.2) == 2.0 && math.floor(-1.2) == -2.0 && math.round(1.5) == 2.0 && math.trunc(-1.7) == -1.0",
        "math.abs(-5) == 5 && math.sign(-5) == -1 && math.isNaN(0.0 / 0.0) && math.sqrt(81) == 9.0",
        "math.bitAnd(6, 3) == 2 && math.bitOr(4u, 1u) == 5u && math.bitXor(5, 1) == 4 && math.bitNot(1) == -2",
        "math.bitShiftLeft(1, 4) == 16 && math.bitShiftRight(16, 2) == 4 && math.bitShiftLeft(1, 64) == 0",
        "base64.encode(b'hi') == 'aGk=' && base64.decode('aGk') == b'hi'",
        "jsonpatch.escapeKey('k8s.io/my~label') == 'k8s.io~1my~0label'",
    ]);
    all_fail(&[
        ("[].min()", "min called on empty list"),
        ("dyn([]).max()", "max called on empty list"),
        ("[1, 2].slice(1, 5)", "cannot slice(1, 5), list is length 2"),
    ]);
}

#[test]
fn urls() {
    all_true(&[
        "url('https://example.com:80/').getHost() == 'example.com:80'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getPort() == '80'",
        "url('https://example.com/a b').getEscapedPath() == '/a%20b'",
        "url('/path').getScheme() == '' && url('/path').getHost() == ''",
        "url('https://a/?k1=a&k2=b&k1=c%20d').getQuery() == {'k1': ['a', 'c d'], 'k2': ['b']}",
        "isURL('https://user:pass@example.com:80/query?val=%F0%9F%A4%A3') && !isURL('../relative') && !isURL('')",
        "!isURL('http://a b/') && !isURL('https://a:port/')",
    ]);
    all_fail(&[(
        "url('relative')",
        "URL parse error during conversion from string: parse \"relative\": invalid URI for request",
    )]);
}

#[test]
fn networks() {
    all_true(&[
        "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.256') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
        "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && ip('::1').isLoopback()",
        "ip('0.0.0.0').isUnspecified() && ip('224.0.0.1').isLinkLocalMulticast() && ip('169.254.1.1').isLinkLocalUnicast()",
        "ip('8.8.8.8').isGlobalUnicast() && ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
        "ip.isCanonical('::1') && !ip.isCanonical('0:0::1') && string(ip('0:0::1')) == '::1'",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1') && !cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))",
        "cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25') && !cidr('192.168.0.0/24').containsCIDR('192.168.0.0/23')",
        "cidr('192.168.1.7/24').ip() == ip('192.168.1.7') && cidr('192.168.1.7/24').masked() == cidr('192.168.1.0/24')",
        "cidr('::1/128').prefixLength() == 128 && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0')",
        "type(ip('::1')) == net.IP",
        "cidr('0.0.0.0/0').containsIP('1.2.3.4')",
    ]);
}

#[test]
fn quantities_versions_formats() {
    all_true(&[
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('500m').isLessThan(quantity('1'))",
        "quantity('50k').add('20k' == '' ? quantity('0') : quantity('20k')) == quantity('70k')",
        "quantity('50k').sub(20000) == quantity('30k') && quantity('1').compareTo(quantity('2')) == -1",
        "quantity('50M').asInteger() == 50000000 && quantity('-1').sign() == -1 && !quantity('0.5').isInteger()",
        "quantity('50k').asApproximateFloat() == 50000.0 && isQuantity('1.3Gi') && !isQuantity('1.3 Gi')",
        "semver('1.2.3').major() == 1 && semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('1.0.0-alpha+1')",
        "!isSemver('v1.0.0') && isSemver('v1.0', true) && semver('v01.1', true).compareTo(semver('1.1.0')) == 0",
        "semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1'))",
        "!format.dns1123Label().validate('my-label').hasValue() && format.dns1123Label().validate('-a').hasValue()",
        "format.named('uuid').value().validate('x').value() == ['does not match the UUID format']",
        "!format.named('nope').hasValue() && !format.date().validate('2024-01-31').hasValue()",
        "!format.uri().validate('https://a').hasValue() && !format.byte().validate('aGk=').hasValue()",
    ]);
}
