//! Device classes and claims: what selects devices must be expressions.
//!
//! upstream: pkg/apis/resource/validation/validation.go#validateSelector,
//! staging/src/k8s.io/dynamic-resource-allocation/cel/compile.go

use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::{Strategy, StrategyContext};
use crate::value::Read;

/// Longest expression, in bytes.
///
/// upstream: staging/src/k8s.io/api/resource/v1/types.go#CELSelectorExpressionMaxLength
const MAX_EXPRESSION: usize = 10 * 1024;

/// What an expression may cost.
///
/// upstream: types.go#CELSelectorExpressionMaxCost
const MAX_COST: u64 = 1_000_000;

/// Kinds with selectors of devices.
#[derive(Debug)]
pub(crate) struct Devices {
    pub(crate) status: bool,
    pub(crate) at: At,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// `spec.selectors`.
    Class,
    /// `spec.devices.requests`.
    Claim,
    /// `spec.spec.devices.requests`.
    Template,
}

impl Strategy for Devices {
    fn has_status(&self) -> bool {
        self.status
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.member("spec").unwrap_or(&Value::Null);
        match self.at {
            At::Class => selectors(spec, &path, &mut errors),
            At::Claim => requests(spec, &path, &mut errors),
            At::Template => requests(
                spec.member("spec").unwrap_or(&Value::Null),
                &path.child("spec"),
                &mut errors,
            ),
        }
        errors
    }
}

fn requests(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("devices").child("requests");
    let devices = spec.member("devices").unwrap_or(&Value::Null);
    for (i, request) in devices.list("requests").iter().enumerate() {
        let path = path.index(i);
        if let Some(exactly) = request.member("exactly") {
            selectors(exactly, &path.child("exactly"), errors);
        }
        for (i, sub) in request.list("firstAvailable").iter().enumerate() {
            selectors(sub, &path.child("firstAvailable").index(i), errors);
        }
    }
}

fn selectors(of: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, selector) in of.list("selectors").iter().enumerate() {
        let path = path.child("selectors").index(i).child("cel");
        let Some(cel) = selector.member("cel").filter(|c| c.is_object()) else {
            errors.push(Error::required(&path, ""));
            continue;
        };
        let expression = cel.text("expression");
        let at = path.child("expression");
        if expression.len() > MAX_EXPRESSION {
            errors.push(Error::too_long(&at, MAX_EXPRESSION));
            continue;
        }
        match compile(expression) {
            Ok(cost) if cost > MAX_COST => {
                errors.push(Error::forbidden(&at, "too complex, exceeds cost limit"));
            }
            Ok(_) => {}
            Err(why) => errors.push(Error::invalid(&at, expression, why)),
        }
    }
}

/// What an expression may cost at most, or why it is none.
fn compile(expression: &str) -> Result<u64, String> {
    use cel::{Env, Schema, Type};
    let scalar = |kind| Schema::scalar(kind, "").unwrap_or_else(Schema::dynamic);
    let by_domain =
        |of: Type| Schema::of_type(Type::map(Type::String, Type::map(Type::String, of)));
    let device = Schema::object(
        "kubernetes.DRADevice",
        [
            ("driver".to_owned(), scalar("string")),
            ("allowMultipleAllocations".to_owned(), scalar("boolean")),
            ("attributes".to_owned(), by_domain(Type::Dyn)),
            ("capacity".to_owned(), by_domain(Type::quantity())),
        ],
    );
    let program = Env::kubernetes()
        .variable("device", device.cel_type())
        .compile(expression)
        .map_err(|e| format!("compilation failed: {e}"))?;
    match program.output_type() {
        Type::Bool | Type::Dyn => Ok(program.max_cost(&[("device", &device)])),
        other => Err(format!(
            "must evaluate to bool or the unknown type, not {other}"
        )),
    }
}
