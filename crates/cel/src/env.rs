//! Environments: which variables and functions expressions may use.

use std::collections::HashMap;
use std::sync::Arc;

use crate::checker;
use crate::decls::{self, Functions};
use crate::opaque;
use crate::parser;
use crate::program::Program;
use crate::source::CompileError;
use crate::types::Type;

/// What expressions may name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    pub(crate) functions: Arc<Functions>,
    pub(crate) variables: Arc<HashMap<String, Type>>,
    /// `Object{…}` and `JSONPatch{…}` may be made.
    pub(crate) mutation: bool,
}

impl Env {
    /// CEL with optionals, two-variable comprehensions and all libraries that Kubernetes 1.36 has.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/cel/environment/base.go
    pub fn kubernetes() -> Self {
        Self {
            functions: decls::kubernetes(),
            variables: Arc::default(),
            mutation: false,
        }
    }

    /// The environment of admission: `object`, `oldObject`, `request`, `authorizer`, `authorizer.requestResource`.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/compile.go#mustBuildEnvs
    pub fn admission() -> Self {
        Self::kubernetes()
            .variable("object", Type::Dyn)
            .variable("oldObject", Type::Dyn)
            .variable("request", Type::Object(crate::request::schema()))
            .variable("authorizer", Type::Opaque(opaque::AUTHORIZER))
            .variable(
                "authorizer.requestResource",
                Type::Opaque(opaque::RESOURCE_CHECK),
            )
    }

    /// With a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, of: Type) -> Self {
        Arc::make_mut(&mut self.variables).insert(name.into(), of);
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.variables).remove(name);
        self
    }

    /// With `Object{…}` and `JSONPatch{…}`, which mutations make.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/cel/mutation
    #[must_use]
    pub fn mutation(mut self) -> Self {
        self.mutation = true;
        self
    }

    /// Parses and checks an expression.
    ///
    /// # Errors
    /// The expression does not parse, or its types do not fit.
    pub fn compile(&self, expression: &str) -> Result<Program, CompileError> {
        let parsed = parser::parse(expression)?;
        checker::check(self, expression, parsed)
    }
}

/// Parses and checks an expression.
///
/// # Errors
/// The expression does not parse, or its types do not fit.
pub fn compile(expression: &str, env: &Env) -> Result<Program, CompileError> {
    env.compile(expression)
}
