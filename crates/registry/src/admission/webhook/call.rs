//! One call of one webhook.
//!
//! upstream: plugin/webhook/mutating/dispatcher.go#callAttrMutatingHook, validating/dispatcher.go#callHook

use machinery::go::quote;
use machinery::{Reason, Status, Uid};
use serde_json::Value;
use webhook::{CallError, MAX_ANSWER};

use super::review::{self, Unusable};
use super::{Invocation, versioned};
use crate::admission::{Attributes, Operation};
use crate::registry::Registry;
use crate::value::{Read, to_bytes};

/// How long one warning, and all of a webhook's together, may be.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go#truncateItemRunes, #truncateAtTotalRunes
const WARNING: usize = 256;
const WARNINGS: usize = 4 * 1024;

/// How a call failed.
pub(super) enum Failure {
    /// No decision was had; the failure policy says what that means. The text is upstream's ErrCallingWebhook.
    Calling(String),
    /// The request is refused, whatever the failure policy.
    Refused(Status),
}

/// Calls a webhook with the objects as they are; gives the operations of its patch when it has one.
pub(super) async fn call(
    registry: &Registry,
    attributes: &Attributes<'_>,
    invocation: &Invocation<'_>,
    mutating: bool,
    object: Option<&Value>,
) -> Result<Option<Value>, Failure> {
    let hook = invocation.hook;
    let failed = |why: String| {
        Failure::Calling(format!(
            "failed calling webhook {}: {why}",
            quote(&hook.name)
        ))
    };
    if attributes.dry_run && !["None", "NoneOnDryRun"].contains(&hook.side_effects.as_str()) {
        return Err(Failure::Refused(Status::bad_request(format!(
            "admission webhook {} does not support dry run",
            quote(&hook.name)
        ))));
    }
    let uid = Uid::random();
    let resource = &invocation.resource;
    let show = async |o: Option<&Value>| match o {
        Some(o) => versioned(registry, attributes, resource, o)
            .await
            .map_err(|status| {
                failed(format!(
                    "could not create admission objects: {}",
                    status.message
                ))
            }),
        None => Ok(Value::Null),
    };
    // The options of a deletion are in `options` alone.
    let object = if attributes.operation == Operation::Delete {
        Value::Null
    } else {
        show(object).await?
    };
    let request = review::request(
        attributes,
        resource,
        object,
        show(attributes.old).await?,
        uid.as_str(),
    );
    let review = review::review(hook.review, request)
        .map_err(|why| failed(format!("could not create admission objects: {why}")))?;
    let client = hook
        .client
        .as_ref()
        .map_err(|why| failed(format!("could not get REST client: {why}")))?;
    let answer = registry
        .backends()
        .post(
            registry,
            client,
            to_bytes(&review),
            hook.timeout,
            MAX_ANSWER,
        )
        .await
        .map_err(|error: CallError| failed(format!("failed to call webhook: {error}")))?;
    let verdict = match review::verdict(hook.review, mutating, uid.as_str(), &answer.body) {
        Ok(verdict) => verdict,
        Err(Unusable::Response(why)) => {
            return Err(failed(format!("received invalid webhook response: {why}")));
        }
        Err(Unusable::PatchType(why)) => return Err(failed(why)),
        Err(Unusable::Patch(why)) => return Err(Failure::Refused(Status::internal(why))),
    };
    for (key, value) in verdict.annotations {
        attributes
            .context
            .annotate(format!("{}/{key}", hook.name), value);
    }
    warn(attributes, verdict.warnings);
    if !verdict.allowed {
        return Err(Failure::Refused(denial(&hook.name, verdict.result)));
    }
    Ok(verdict.patch)
}

fn warn(attributes: &Attributes<'_>, warnings: Vec<String>) {
    let whole: usize = warnings.iter().map(|w| w.chars().count()).sum();
    let mut left = WARNINGS;
    for warning in warnings {
        let text = if whole > WARNINGS {
            warning.chars().take(WARNING).collect()
        } else {
            warning
        };
        match left.checked_sub(text.chars().count()) {
            Some(rest) => left = rest,
            None => return,
        }
        attributes.context.warn(text);
    }
}

/// What the client is answered when a webhook says no.
///
/// upstream: plugin/webhook/errors/statuserror.go#ToStatusErr
fn denial(name: &str, result: Option<Value>) -> Status {
    let result = result.unwrap_or(Value::Null);
    let denied = format!("admission webhook {} denied the request", quote(name));
    let (message, reason) = (result.text("message"), result.text("reason"));
    let text = if !message.is_empty() {
        format!("{denied}: {message}")
    } else if !reason.is_empty() {
        format!("{denied}: {reason}")
    } else {
        format!("{denied} without explanation")
    };
    // Never a success.
    let code = result
        .int("code")
        .and_then(|c| u16::try_from(c).ok())
        .filter(|c| (400..=599).contains(c))
        .unwrap_or(400);
    let mut status = Status::failure(code, Reason::from_wire(reason), text);
    status.details = result
        .member("details")
        .and_then(|d| serde_json::from_value(d.clone()).ok())
        .map(Box::new);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn denials_say_who_and_why() {
        let status = denial(
            "a.b.c",
            Some(json!({"message": "no", "code": 422, "reason": "Invalid"})),
        );
        assert_eq!(
            (status.code, status.reason, status.message.as_str()),
            (
                422,
                Reason::Invalid,
                "admission webhook \"a.b.c\" denied the request: no"
            )
        );
        let status = denial("a.b.c", Some(json!({"code": 200, "status": "Success"})));
        assert_eq!(
            (status.code, status.message.as_str()),
            (
                400,
                "admission webhook \"a.b.c\" denied the request without explanation"
            )
        );
        assert_eq!(denial("a", None).code, 400);
    }
}
