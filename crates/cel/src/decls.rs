//! The functions' declarations: what the checker resolves calls against.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::opaque;
use crate::types::Type;

/// One overload of a function.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    /// Called on its first argument: `a.f(b)`.
    pub(crate) member: bool,
    /// Parameters, the receiver first.
    pub(crate) params: Vec<Type>,
    pub(crate) result: Type,
}

/// Overloads by function.
pub(crate) type Functions = HashMap<String, Vec<Overload>>;

/// One declaration a line: `name(params) -> result`, or `receiver::name(params) -> result` for methods. `A` and `B` are
/// type parameters.
///
/// upstream: github.com/google/cel-go/common/stdlib/standard.go
const STANDARD: &str = "
_?_:_(bool, A, A) -> A
_&&_(bool, bool) -> bool
_||_(bool, bool) -> bool
!_(bool) -> bool
@not_strictly_false(bool) -> bool
@optionalValues(optional(A)) -> list(A)
_==_(A, A) -> bool
_!=_(A, A) -> bool
_<_(bool, bool) -> bool
_<_(int, int) -> bool
_<_(int, double) -> bool
_<_(int, uint) -> bool
_<_(uint, uint) -> bool
_<_(uint, double) -> bool
_<_(uint, int) -> bool
_<_(double, double) -> bool
_<_(double, int) -> bool
_<_(double, uint) -> bool
_<_(string, string) -> bool
_<_(bytes, bytes) -> bool
_<_(timestamp, timestamp) -> bool
_<_(duration, duration) -> bool
_+_(int, int) -> int
_+_(uint, uint) -> uint
_+_(double, double) -> double
_+_(string, string) -> string
_+_(bytes, bytes) -> bytes
_+_(list(A), list(A)) -> list(A)
_+_(timestamp, duration) -> timestamp
_+_(duration, timestamp) -> timestamp
_+_(duration, duration) -> duration
_-_(int, int) -> int
_-_(uint, uint) -> uint
_-_(double, double) -> double
_-_(timestamp, timestamp) -> duration
_-_(timestamp, duration) -> timestamp
_-_(duration, duration) -> duration
_*_(int, int) -> int
_*_(uint, uint) -> uint
_*_(double, double) -> double
_/_(int, int) -> int
_/_(uint, uint) -> uint
_/_(double, double) -> double
_%_(int, int) -> int
_%_(uint, uint) -> uint
-_(int) -> int
-_(double) -> double
_[_](list(A), int) -> A
_[_](map(A, B), A) -> B
_[_](optional(list(A)), int) -> optional(A)
_[_](optional(map(A, B)), A) -> optional(B)
_[?_](list(A), int) -> optional(A)
_[?_](map(A, B), A) -> optional(B)
_[?_](optional(list(A)), int) -> optional(A)
_[?_](optional(map(A, B)), A) -> optional(B)
@in(A, list(A)) -> bool
@in(A, map(A, B)) -> bool
cel.@mapInsert(map(A, B), A, B) -> map(A, B)
cel.@mapInsert(map(A, B), map(A, B)) -> map(A, B)
size(string) -> int
size(bytes) -> int
size(list(A)) -> int
size(map(A, B)) -> int
string::size() -> int
bytes::size() -> int
list(A)::size() -> int
map(A, B)::size() -> int
string::contains(string) -> bool
string::endsWith(string) -> bool
string::startsWith(string) -> bool
matches(string, string) -> bool
string::matches(string) -> bool
dyn(A) -> dyn
type(A) -> type(A)
bool(bool) -> bool
bool(string) -> bool
bytes(bytes) -> bytes
bytes(string) -> bytes
double(double) -> double
double(int) -> double
double(string) -> double
double(uint) -> double
duration(duration) -> duration
duration(int) -> duration
duration(string) -> duration
int(int) -> int
int(double) -> int
int(duration) -> int
int(string) -> int
int(timestamp) -> int
int(uint) -> int
string(string) -> string
string(bool) -> string
string(bytes) -> string
string(double) -> string
string(duration) -> string
string(int) -> string
string(timestamp) -> string
string(uint) -> string
timestamp(timestamp) -> timestamp
timestamp(int) -> timestamp
timestamp(string) -> timestamp
uint(uint) -> uint
uint(double) -> uint
uint(int) -> uint
uint(string) -> uint
timestamp::getFullYear() -> int
timestamp::getFullYear(string) -> int
timestamp::getMonth() -> int
timestamp::getMonth(string) -> int
timestamp::getDayOfYear() -> int
timestamp::getDayOfYear(string) -> int
timestamp::getDayOfMonth() -> int
timestamp::getDayOfMonth(string) -> int
timestamp::getDate() -> int
timestamp::getDate(string) -> int
timestamp::getDayOfWeek() -> int
timestamp::getDayOfWeek(string) -> int
timestamp::getHours() -> int
timestamp::getHours(string) -> int
duration::getHours() -> int
timestamp::getMinutes() -> int
timestamp::getMinutes(string) -> int
duration::getMinutes() -> int
timestamp::getSeconds() -> int
timestamp::getSeconds(string) -> int
duration::getSeconds() -> int
timestamp::getMilliseconds() -> int
timestamp::getMilliseconds(string) -> int
duration::getMilliseconds() -> int
optional.of(A) -> optional(A)
optional.ofNonZeroValue(A) -> optional(A)
optional.none() -> optional(A)
optional.unwrap(list(optional(A))) -> list(A)
list(optional(A))::unwrapOpt() -> list(A)
optional(A)::hasValue() -> bool
optional(A)::value() -> A
optional(A)::or(optional(A)) -> optional(A)
optional(A)::orValue(A) -> A
";

/// upstream: github.com/google/cel-go/ext/{strings,sets,math,lists,encoders}.go
const EXTENSIONS: &str = "
string::charAt(int) -> string
string::indexOf(string) -> int
string::indexOf(string, int) -> int
string::lastIndexOf(string) -> int
string::lastIndexOf(string, int) -> int
string::lowerAscii() -> string
string::upperAscii() -> string
string::replace(string, string) -> string
string::replace(string, string, int) -> string
string::split(string) -> list(string)
string::split(string, int) -> list(string)
string::substring(int) -> string
string::substring(int, int) -> string
string::trim() -> string
string::reverse() -> string
string::format(list(dyn)) -> string
strings.quote(string) -> string
list(string)::join() -> string
list(string)::join(string) -> string
sets.contains(list(A), list(A)) -> bool
sets.equivalent(list(A), list(A)) -> bool
sets.intersects(list(A), list(A)) -> bool
base64.encode(bytes) -> string
base64.decode(string) -> bytes
math.ceil(double) -> double
math.floor(double) -> double
math.round(double) -> double
math.trunc(double) -> double
math.isInf(double) -> bool
math.isNaN(double) -> bool
math.isFinite(double) -> bool
math.abs(int) -> int
math.abs(uint) -> uint
math.abs(double) -> double
math.sign(int) -> int
math.sign(uint) -> uint
math.sign(double) -> double
math.sqrt(int) -> double
math.sqrt(uint) -> double
math.sqrt(double) -> double
math.bitAnd(int, int) -> int
math.bitAnd(uint, uint) -> uint
math.bitOr(int, int) -> int
math.bitOr(uint, uint) -> uint
math.bitXor(int, int) -> int
math.bitXor(uint, uint) -> uint
math.bitNot(int) -> int
math.bitNot(uint) -> uint
math.bitShiftLeft(int, int) -> int
math.bitShiftLeft(uint, int) -> uint
math.bitShiftRight(int, int) -> int
math.bitShiftRight(uint, int) -> uint
lists.range(int) -> list(int)
list(A)::slice(int, int) -> list(A)
list(A)::distinct() -> list(A)
list(A)::reverse() -> list(A)
list(A)::sort() -> list(A)
list(A)::first() -> optional(A)
list(A)::last() -> optional(A)
list(dyn)::flatten() -> list(dyn)
list(dyn)::flatten(int) -> list(dyn)
";

/// upstream: staging/src/k8s.io/apiserver/pkg/cel/library
const KUBERNETES: &str = "
list(int)::sum() -> int
list(uint)::sum() -> uint
list(double)::sum() -> double
list(duration)::sum() -> duration
list(A)::indexOf(A) -> int
list(A)::lastIndexOf(A) -> int
string::find(string) -> string
string::findAll(string) -> list(string)
string::findAll(string, int) -> list(string)
url(string) -> kubernetes.URL
isURL(string) -> bool
kubernetes.URL::getScheme() -> string
kubernetes.URL::getHost() -> string
kubernetes.URL::getHostname() -> string
kubernetes.URL::getPort() -> string
kubernetes.URL::getEscapedPath() -> string
kubernetes.URL::getQuery() -> map(string, list(string))
quantity(string) -> kubernetes.Quantity
isQuantity(string) -> bool
kubernetes.Quantity::sign() -> int
kubernetes.Quantity::isInteger() -> bool
kubernetes.Quantity::asInteger() -> int
kubernetes.Quantity::asApproximateFloat() -> double
kubernetes.Quantity::add(kubernetes.Quantity) -> kubernetes.Quantity
kubernetes.Quantity::add(int) -> kubernetes.Quantity
kubernetes.Quantity::sub(kubernetes.Quantity) -> kubernetes.Quantity
kubernetes.Quantity::sub(int) -> kubernetes.Quantity
kubernetes.Quantity::isLessThan(kubernetes.Quantity) -> bool
kubernetes.Quantity::isGreaterThan(kubernetes.Quantity) -> bool
kubernetes.Quantity::compareTo(kubernetes.Quantity) -> int
isIP(string) -> bool
ip(string) -> net.IP
ip.isCanonical(string) -> bool
net.IP::family() -> int
net.IP::isUnspecified() -> bool
net.IP::isLoopback() -> bool
net.IP::isLinkLocalMulticast() -> bool
net.IP::isLinkLocalUnicast() -> bool
net.IP::isGlobalUnicast() -> bool
string(net.IP) -> string
isCIDR(string) -> bool
cidr(string) -> net.CIDR
net.CIDR::containsIP(net.IP) -> bool
net.CIDR::containsIP(string) -> bool
net.CIDR::containsCIDR(net.CIDR) -> bool
net.CIDR::containsCIDR(string) -> bool
net.CIDR::ip() -> net.IP
net.CIDR::masked() -> net.CIDR
net.CIDR::prefixLength() -> int
string(net.CIDR) -> string
semver(string) -> kubernetes.Semver
semver(string, bool) -> kubernetes.Semver
isSemver(string) -> bool
isSemver(string, bool) -> bool
kubernetes.Semver::major() -> int
kubernetes.Semver::minor() -> int
kubernetes.Semver::patch() -> int
kubernetes.Semver::isLessThan(kubernetes.Semver) -> bool
kubernetes.Semver::isGreaterThan(kubernetes.Semver) -> bool
kubernetes.Semver::compareTo(kubernetes.Semver) -> int
format.named(string) -> optional(kubernetes.NamedFormat)
format.dns1123Label() -> kubernetes.NamedFormat
format.dns1123Subdomain() -> kubernetes.NamedFormat
format.dns1035Label() -> kubernetes.NamedFormat
format.qualifiedName() -> kubernetes.NamedFormat
format.dns1123LabelPrefix() -> kubernetes.NamedFormat
format.dns1123SubdomainPrefix() -> kubernetes.NamedFormat
format.dns1035LabelPrefix() -> kubernetes.NamedFormat
format.labelValue() -> kubernetes.NamedFormat
format.uri() -> kubernetes.NamedFormat
format.uuid() -> kubernetes.NamedFormat
format.byte() -> kubernetes.NamedFormat
format.date() -> kubernetes.NamedFormat
format.datetime() -> kubernetes.NamedFormat
kubernetes.NamedFormat::validate(string) -> optional(list(string))
jsonpatch.escapeKey(string) -> string
";

/// Functions that compare the elements of a list.
const ORDERED: &[&str] = &[
    "int",
    "uint",
    "double",
    "bool",
    "duration",
    "timestamp",
    "string",
    "bytes",
];

/// upstream: staging/src/k8s.io/apiserver/pkg/cel/library/authz.go
const AUTHORIZER: &str = "
kubernetes.authorization.Authorizer::path(string) -> kubernetes.authorization.PathCheck
kubernetes.authorization.Authorizer::group(string) -> kubernetes.authorization.GroupCheck
kubernetes.authorization.Authorizer::serviceAccount(string, string) -> kubernetes.authorization.Authorizer
kubernetes.authorization.PathCheck::check(string) -> kubernetes.authorization.Decision
kubernetes.authorization.GroupCheck::resource(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::subresource(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::namespace(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::name(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::fieldSelector(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::labelSelector(string) -> kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck::check(string) -> kubernetes.authorization.Decision
kubernetes.authorization.Decision::allowed() -> bool
kubernetes.authorization.Decision::reason() -> string
kubernetes.authorization.Decision::error() -> string
kubernetes.authorization.Decision::errored() -> bool
";

/// The standard functions and all libraries of Kubernetes.
pub(crate) fn kubernetes() -> Arc<Functions> {
    static TABLE: OnceLock<Arc<Functions>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            let mut functions = Functions::new();
            for text in [STANDARD, EXTENSIONS, KUBERNETES, AUTHORIZER] {
                for line in text.lines().filter(|l| !l.is_empty()) {
                    declare(&mut functions, line);
                }
            }
            let comparisons = functions.get("_<_").cloned().unwrap_or_default();
            for operator in ["_<=_", "_>_", "_>=_"] {
                functions.insert(operator.into(), comparisons.clone());
            }
            for element in ORDERED {
                declare(
                    &mut functions,
                    &format!("list({element})::isSorted() -> bool"),
                );
                declare(
                    &mut functions,
                    &format!("list({element})::min() -> {element}"),
                );
                declare(
                    &mut functions,
                    &format!("list({element})::max() -> {element}"),
                );
            }
            for function in ["math.greatest", "math.least"] {
                declare(&mut functions, &format!("{function}(list(dyn)) -> dyn"));
                for count in 1..=8 {
                    for kind in ["int", "uint", "double", "dyn"] {
                        let params = vec![kind; count].join(", ");
                        declare(&mut functions, &format!("{function}({params}) -> {kind}"));
                    }
                }
            }
            Arc::new(functions)
        })
        .clone()
}

/// Adds one line of a table; a line that is not a declaration is left out (a test finds those).
fn declare(functions: &mut Functions, line: &str) {
    if let Some((name, overload)) = declaration(line) {
        functions.entry(name).or_default().push(overload);
    }
}

fn declaration(line: &str) -> Option<(String, Overload)> {
    let (head, result) = line.split_once(" -> ")?;
    let (receiver, call) = match head.split_once("::") {
        Some((receiver, call)) => (Some(type_of(receiver)?), call),
        None => (None, head),
    };
    let (name, params) = call.strip_suffix(')')?.split_once('(')?;
    let member = receiver.is_some();
    let mut all: Vec<Type> = receiver.into_iter().collect();
    for param in split(params) {
        all.push(type_of(param)?);
    }
    let overload = Overload {
        member,
        params: all,
        result: type_of(result)?,
    };
    Some((name.to_owned(), overload))
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(text.get(start..at).map(str::trim));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).map(str::trim).filter(|p| !p.is_empty()));
    parts
}

fn type_of(text: &str) -> Option<Type> {
    if let Some((name, params)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        let mut params = split(params).into_iter().map(type_of);
        let first = Arc::new(params.next()??);
        return Some(match name {
            "list" => Type::List(first),
            "map" => Type::Map(first, Arc::new(params.next()??)),
            "optional" => Type::Optional(first),
            "type" => Type::TypeOf(first),
            _ => return None,
        });
    }
    Some(match text {
        "A" => Type::Param(0),
        "B" => Type::Param(1),
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        name => Type::Opaque(opaque::NAMES.iter().copied().find(|n| *n == name)?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_declaration() {
        for text in [STANDARD, EXTENSIONS, KUBERNETES, AUTHORIZER] {
            for line in text.lines().filter(|l| !l.is_empty()) {
                assert!(declaration(line).is_some(), "{line}");
            }
        }
    }
}
