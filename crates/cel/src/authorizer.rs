//! Authorisation that expressions may ask for.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/authz.go

use std::sync::Arc;

use crate::error::EvalError;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The verb.
    pub verb: String,
    /// The path; set for requests that are not about resources.
    pub path: Option<String>,
    /// API group of the resource.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object.
    pub name: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// It may.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// Why the question could not be answered; empty when it was.
    pub error: String,
}

/// Answers for one user.
pub trait Authorizer: Send + Sync {
    /// Whether the user may.
    fn decide(&self, access: &Access) -> Decision;

    /// The same for a service account.
    fn service_account(&self, namespace: &str, name: &str) -> Arc<dyn Authorizer>;
}

/// `authorizer.path(p)`
#[derive(Clone)]
pub struct PathCheck {
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) path: String,
}

/// `authorizer.group(g).resource(r)`, refined.
#[derive(Clone)]
pub struct ResourceCheck {
    /// Who answers.
    pub authorizer: Arc<dyn Authorizer>,
    /// What is asked, but for the verb.
    pub access: Access,
}

impl PathCheck {
    pub(crate) fn check(&self, verb: &str) -> Decision {
        self.authorizer.decide(&Access {
            verb: verb.into(),
            path: Some(self.path.clone()),
            ..Access::default()
        })
    }
}

impl ResourceCheck {
    pub(crate) fn check(&self, verb: &str) -> Decision {
        let mut access = self.access.clone();
        access.verb = verb.into();
        self.authorizer.decide(&access)
    }
}

/// The path of a check must be one.
///
/// upstream: authz.go#authorizerPath
pub(crate) fn check_path(path: &str) -> Result<(), EvalError> {
    if path.trim().is_empty() {
        return Err(EvalError::runtime("path must not be empty"));
    }
    Ok(())
}
