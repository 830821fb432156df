//! Constructors with upstream's reasons, codes, details and texts.
// upstream: apimachinery/pkg/api/errors/errors.go

use std::fmt::Display;

use super::{Cause, Details, Reason, Status, cause};
use crate::field::ErrorList;
use crate::go::quote;
use crate::{GroupKind, GroupResource};

fn about(resource: &GroupResource, name: &str) -> Details {
    Details {
        group: resource.group.clone(),
        kind: resource.resource.clone(),
        name: name.to_owned(),
        ..Details::default()
    }
}

fn make(reason: Reason, message: String) -> Status {
    Status::failure(reason.code(), reason, message)
}

impl Status {
    /// 404: `pods "a" not found`.
    // upstream: #NewNotFound
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        make(
            Reason::NotFound,
            format!("{resource} {} not found", quote(name)),
        )
        .with_details(about(resource, name))
    }

    /// 404 for a path that names no resource served.
    // upstream: #NewGenericServerResponse
    pub fn unknown_resource() -> Self {
        make(
            Reason::NotFound,
            "the server could not find the requested resource".to_owned(),
        )
        .with_details(Details::default())
    }

    /// 409: `pods "a" already exists`.
    // upstream: #NewAlreadyExists
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        make(
            Reason::AlreadyExists,
            format!("{resource} {} already exists", quote(name)),
        )
        .with_details(about(resource, name))
    }

    /// 409 when no free generated name was found.
    // upstream: #NewGenerateNameConflict
    pub fn generate_name_conflict(resource: &GroupResource, name: &str, retry_after: u32) -> Self {
        let text = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quote(name)
        );
        make(Reason::AlreadyExists, text)
            .with_details(about(resource, name))
            .with_retry_after(retry_after)
    }

    /// 401. An empty text becomes `not authorized`; the HTTP layer's own answer is `Unauthorized`.
    // upstream: #NewUnauthorized
    pub fn unauthorized(message: &str) -> Self {
        make(
            Reason::Unauthorized,
            if message.is_empty() {
                "not authorized"
            } else {
                message
            }
            .to_owned(),
        )
    }

    /// 403: `pods "a" is forbidden: <err>`.
    // upstream: #NewForbidden
    pub fn forbidden(resource: &GroupResource, name: &str, err: impl Display) -> Self {
        let text = match (
            resource.group.is_empty() && resource.resource.is_empty(),
            name.is_empty(),
        ) {
            (true, _) => format!("forbidden: {err}"),
            (false, true) => format!("{resource} is forbidden: {err}"),
            (false, false) => format!("{resource} {} is forbidden: {err}", quote(name)),
        };
        make(Reason::Forbidden, text).with_details(about(resource, name))
    }

    /// 409: `Operation cannot be fulfilled on pods "a": <err>`.
    // upstream: #NewConflict
    pub fn conflict(resource: &GroupResource, name: &str, err: impl Display) -> Self {
        make(
            Reason::Conflict,
            format!(
                "Operation cannot be fulfilled on {resource} {}: {err}",
                quote(name)
            ),
        )
        .with_details(about(resource, name))
    }

    /// 409 when an update's resource version isn't the stored one.
    // upstream: apiserver/pkg/registry/generic/registry/store.go#OptimisticLockErrorMsg
    pub fn optimistic_lock(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 of a precondition on the UID.
    // upstream: apiserver/pkg/storage/interfaces.go#Preconditions.Check
    pub fn uid_precondition(
        resource: &GroupResource,
        name: &str,
        wanted: &str,
        stored: &str,
    ) -> Self {
        Self::conflict(
            resource,
            name,
            format_args!(
                "Precondition failed: UID in precondition: {wanted}, UID in object meta: {stored}"
            ),
        )
    }

    /// 409 of a precondition on the resource version.
    // upstream: apiserver/pkg/storage/interfaces.go#Preconditions.Check
    pub fn resource_version_precondition(
        resource: &GroupResource,
        name: &str,
        wanted: &str,
        stored: &str,
    ) -> Self {
        Self::conflict(
            resource,
            name,
            format_args!(
                "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {stored}"
            ),
        )
    }

    /// 409 of server-side apply.
    // upstream: #NewApplyConflict
    pub fn apply_conflict(causes: Vec<Cause>, message: impl Into<String>) -> Self {
        make(Reason::Conflict, message.into()).with_details(Details {
            causes,
            ..Details::default()
        })
    }

    /// 410 for good.
    // upstream: #NewGone
    pub fn gone(message: impl Into<String>) -> Self {
        make(Reason::Gone, message.into())
    }

    /// 410 with reason Expired.
    // upstream: #NewResourceExpired
    pub fn expired(message: impl Into<String>) -> Self {
        make(Reason::Expired, message.into())
    }

    /// 410 of a watch or list whose revision is compacted: `too old resource version: 5 (10)`.
    // upstream: apiserver/pkg/storage/cacher/watch_cache.go#getAllEventsSinceLocked
    pub fn too_old_resource_version(asked: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {asked} ({oldest})"))
    }

    /// 422 with one cause per field.
    // upstream: #NewInvalid
    pub fn invalid(kind: &GroupKind, name: &str, errors: &ErrorList) -> Self {
        let head = format!("{kind} {} is invalid", quote(name));
        let text = if errors.is_empty() {
            head
        } else {
            format!("{head}: {}", errors.aggregate())
        };
        let details = Details {
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            name: name.to_owned(),
            causes: errors
                .iter()
                .map(|e| Cause::new(e.kind.cause(), e.body(), e.field.clone()))
                .collect(),
            ..Details::default()
        };
        make(Reason::Invalid, text).with_details(details)
    }

    /// 400.
    // upstream: #NewBadRequest
    pub fn bad_request(message: impl Into<String>) -> Self {
        make(Reason::BadRequest, message.into())
    }

    /// 429 with a time after which to try again.
    // upstream: #NewTooManyRequests
    pub fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        make(Reason::TooManyRequests, message.into()).with_details(Details {
            retry_after_seconds: retry_after,
            ..Details::default()
        })
    }

    /// 503.
    // upstream: #NewServiceUnavailable
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        make(Reason::ServiceUnavailable, message.into())
    }

    /// 405: `create is not supported on resources of kind "pods"`.
    // upstream: #NewMethodNotSupported
    pub fn method_not_supported(resource: &GroupResource, action: &str) -> Self {
        let text = format!(
            "{action} is not supported on resources of kind {}",
            quote(&resource.to_string())
        );
        make(Reason::MethodNotAllowed, text).with_details(about(resource, ""))
    }

    /// 405 of a request that names no known verb.
    // upstream: apiserver/pkg/endpoints/handlers/responsewriters/errors.go
    pub fn method_not_allowed() -> Self {
        make(
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource".to_owned(),
        )
        .with_details(Details::default())
    }

    /// 500, may be retried.
    // upstream: #NewServerTimeout
    pub fn server_timeout(resource: &GroupResource, operation: &str, retry_after: u32) -> Self {
        let text = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        make(Reason::ServerTimeout, text)
            .with_details(about(resource, operation))
            .with_retry_after(retry_after)
    }

    /// 500: `Internal error occurred: <err>`.
    // upstream: #NewInternalError
    pub fn internal(err: impl Display) -> Self {
        let err = err.to_string();
        make(
            Reason::InternalError,
            format!("Internal error occurred: {err}"),
        )
        .with_cause(Cause::new("", err, ""))
    }

    /// 504: `Timeout: <message>`.
    // upstream: #NewTimeoutError
    pub fn timeout(message: impl Display, retry_after: u32) -> Self {
        make(Reason::Timeout, format!("Timeout: {message}")).with_details(Details {
            retry_after_seconds: retry_after,
            ..Details::default()
        })
    }

    /// 504 for a resource version that isn't there yet.
    // upstream: apiserver/pkg/storage/errors.go#NewTooLargeResourceVersionError
    pub fn too_large_resource_version(asked: u64, current: u64, retry_after: u32) -> Self {
        Self::timeout(
            format_args!("Too large resource version: {asked}, current: {current}"),
            retry_after,
        )
        .with_cause(Cause::new(
            cause::RESOURCE_VERSION_TOO_LARGE,
            "Too large resource version",
            "",
        ))
    }

    /// 413: `Request entity too large: <message>`.
    // upstream: #NewRequestEntityTooLargeError
    pub fn request_entity_too_large(message: impl Display) -> Self {
        make(
            Reason::RequestEntityTooLarge,
            format!("Request entity too large: {message}"),
        )
    }

    /// 415 with what would be accepted.
    // upstream: apiserver/pkg/endpoints/handlers/negotiation/errors.go#errUnsupportedMediaType
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        make(
            Reason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            ),
        )
    }

    /// 406 with what is offered.
    // upstream: apiserver/pkg/endpoints/handlers/negotiation/errors.go#errNotAcceptable
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        make(
            Reason::NotAcceptable,
            format!(
                "only the following media types are accepted: {}",
                accepted.join(", ")
            ),
        )
    }

    /// 403 of a create in a namespace that is being deleted.
    // upstream: apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go
    pub fn namespace_terminating(resource: &GroupResource, name: &str, namespace: &str) -> Self {
        Self::forbidden(
            resource,
            name,
            format_args!("unable to create new content in namespace {namespace} because it is being terminated"),
        )
        .with_cause(Cause::new(
            cause::NAMESPACE_TERMINATING,
            format!("namespace {namespace} is being terminated"),
            "metadata.namespace",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Error, Path};

    fn pods() -> GroupResource {
        GroupResource::new("", "pods")
    }

    #[test]
    fn texts() {
        assert_eq!(
            Status::not_found(&pods(), "a").to_string(),
            "pods \"a\" not found"
        );
        assert_eq!(
            Status::forbidden(&GroupResource::new("apps", "deployments"), "", "no").to_string(),
            "deployments.apps is forbidden: no"
        );
        let too_large = Status::too_large_resource_version(9, 5, 1);
        assert_eq!(
            too_large.to_string(),
            "Timeout: Too large resource version: 9, current: 5"
        );
        assert!(too_large.has_cause("ResourceVersionTooLarge"));
        assert_eq!(too_large.retry_after(), Some(1));
    }

    #[test]
    fn invalid_lists_every_field() {
        let spec = Path::new("spec");
        let errors = ErrorList::from(vec![
            Error::required(&spec.child("a"), ""),
            Error::invalid(&spec.child("b"), "x", "must be y"),
        ]);
        let status = Status::invalid(&GroupKind::new("apps", "Deployment"), "d", &errors);
        assert_eq!(
            status.message,
            "Deployment.apps \"d\" is invalid: [spec.a: Required value, spec.b: Invalid value: \"x\": must be y]"
        );
        let causes = &status
            .details
            .as_ref()
            .map(|d| d.causes.clone())
            .unwrap_or_default();
        assert_eq!(causes.len(), 2);
        assert_eq!(
            causes.first().map(|c| c.reason.as_str()),
            Some("FieldValueRequired")
        );
        assert_eq!(status.code, 422);
    }

    #[test]
    fn wire_form() {
        let v = serde_json::to_value(Status::not_found(&pods(), "a")).unwrap_or_default();
        assert_eq!(
            v,
            serde_json::json!({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
              "message":"pods \"a\" not found","reason":"NotFound","details":{"name":"a","kind":"pods"},"code":404})
        );
    }
}
