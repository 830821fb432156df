//! Rules must be well formed, compile, and be affordable.

use machinery::field::{Error, ErrorList, Path};

use super::Place;
use crate::field_path;
use crate::rules::{CompileError, Engine};
use crate::schema::Schema;
use crate::structural;

/// What one rule may cost at most, as estimated.
// upstream: #StaticEstimatedCostLimit
const LIMIT: u64 = 10_000_000;
/// What all rules of a schema may cost.
// upstream: #StaticEstimatedCRDCostLimit
const TOTAL_LIMIT: u64 = 100_000_000;
/// How many rules are named when the total is exceeded.
// upstream: cel_validation.go#TotalCost.ObserveExpressionCost
const NAMED: usize = 4;

const REASONS: &[&str] = &[
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// Estimated costs so far.
#[derive(Default)]
pub(super) struct Costs {
    total: u64,
    most: Vec<(u64, Path)>,
}

impl Costs {
    fn observe(&mut self, path: &Path, cost: u64) {
        self.total = self.total.saturating_add(cost);
        self.most.push((cost, path.clone()));
        self.most.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        self.most.truncate(NAMED);
    }

    pub(super) fn total(&self, path: &Path) -> ErrorList {
        let mut errors = ErrorList::new();
        if self.total <= TOTAL_LIMIT {
            return errors;
        }
        for (_, at) in &self.most {
            errors.push(Error::forbidden(
                at,
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
            ));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(Error::forbidden(
            path,
            exceeded(what, self.total, TOTAL_LIMIT),
        ));
        errors
    }
}

// upstream: #getCostErrorMessage
fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // A factor for people.
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

fn breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// The texts of the rules.
pub(super) fn texts(s: &Schema, path: &Path, errors: &mut ErrorList) {
    for (i, rule) in s.validations.iter().enumerate() {
        let at = path.child("x-kubernetes-validations").index(i);
        let text = rule.rule.trim();
        let message = rule.message.trim();
        if text.is_empty() {
            errors.push(Error::required(&at.child("rule"), "rule is not specified"));
        } else if !rule.message.is_empty() && message.is_empty() {
            errors.push(Error::invalid(
                &at.child("message"),
                rule.message.as_str(),
                "must be non-empty if specified",
            ));
        } else if breaks(message) {
            errors.push(Error::invalid(
                &at.child("message"),
                rule.message.as_str(),
                "must not contain line breaks",
            ));
        } else if breaks(text) && message.is_empty() {
            errors.push(Error::required(
                &at.child("message"),
                "message must be specified if rule contains line breaks",
            ));
        }
        if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
            errors.push(Error::required(
                &at.child("messageExpression"),
                "messageExpression must be non-empty if specified",
            ));
        }
        if let Some(reason) = rule.reason.as_deref().filter(|r| !REASONS.contains(r)) {
            errors.push(Error::not_supported(&at.child("reason"), reason, REASONS));
        }
        let field = rule.field_path.as_str();
        if field.is_empty() {
            continue;
        }
        let at = at.child("fieldPath");
        if field.trim().is_empty() {
            errors.push(Error::invalid(&at, field, "must be non-empty if specified"));
        }
        if breaks(field) {
            errors.push(Error::invalid(&at, field, "must not contain line breaks"));
        }
        if structural::convert(s).is_ok() && field_path::resolve(field, s, true).is_err() {
            errors.push(Error::invalid(&at, field, "must be a valid path"));
        }
    }
}

/// Compiles the rules of one schema; their errors.
pub(super) fn compile(
    engine: &dyn Engine,
    s: &Schema,
    is_root: bool,
    path: &Path,
    place: &Place,
    unchanged: bool,
    costs: &mut Costs,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let programs = engine.compile(s, is_root, &s.validations);
    for ((i, rule), program) in s.validations.iter().enumerate().zip(programs) {
        let at = path.child("x-kubernetes-validations").index(i);
        let (rule_at, message_at) = (at.child("rule"), at.child("messageExpression"));
        let program = match program {
            Ok(program) => program,
            Err(CompileError::Rule(text)) => {
                errors.push(Error::invalid(&rule_at, rule.shown(), text));
                continue;
            }
            Err(CompileError::Message(text)) => {
                errors.push(Error::invalid(&message_at, rule.shown(), text));
                continue;
            }
        };
        let (cost, message) = program.max_costs();
        let times = place
            .cardinality
            .unwrap_or_else(|| program.max_cardinality());
        let cost = cost.saturating_mul(times);
        if !unchanged && cost > LIMIT {
            let text = exceeded("estimated rule cost", cost, LIMIT);
            errors.push(Error::forbidden(&rule_at, text));
        }
        costs.observe(&rule_at, cost);
        if !rule.message_expression.is_empty() {
            if !unchanged && message > LIMIT {
                let text = exceeded("estimated messageExpression cost", message, LIMIT);
                errors.push(Error::forbidden(&message_at, text));
            }
            costs.observe(&message_at, message);
        }
        if program.uses_old_self() {
            if let Some(within) = &place.uncorrelated {
                let text = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
                );
                errors.push(Error::invalid(&rule_at, rule.rule.as_str(), text));
            }
        } else if let Some(optional) = rule.optional_old_self {
            errors.push(Error::invalid(
                &at.child("optionalOldSelf"),
                optional,
                "may not be set if oldSelf is not used in rule",
            ));
        }
    }
    errors
}
