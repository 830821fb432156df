//! Compiling a policy's expressions: what they may name and what they must evaluate to.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/{compile,composition}.go

use cel::{Env, Program, Schema, Type};

/// A compiled expression, or why it is none.
pub(crate) type Compiled = Result<Program, String>;

/// Compiles the expressions of one policy, or of one webhook's match conditions.
#[derive(Clone)]
pub(crate) struct Compiler {
    env: Env,
    variables: Vec<(String, Schema)>,
}

impl Compiler {
    /// Of match conditions: no namespace, no parameters, no variables.
    pub(crate) fn conditions() -> Self {
        Self {
            env: Env::admission(),
            variables: Vec::new(),
        }
    }

    /// Of a policy; with `params` when it has a paramKind.
    pub(crate) fn policy(params: bool) -> Self {
        let mut env =
            Env::admission().variable("namespaceObject", Type::Object(cel::namespace_schema()));
        if params {
            env = env.variable("params", Type::Dyn);
        }
        let mut compiler = Self {
            env,
            variables: Vec::new(),
        };
        compiler.declare();
        compiler
    }

    /// Of a policy, with the types of what it is about.
    pub(crate) fn typed(object: &Schema, params: Option<&Schema>) -> Self {
        let mut compiler = Self::policy(params.is_some());
        compiler.env = compiler
            .env
            .variable("object", object.cel_type())
            .variable("oldObject", object.cel_type());
        if let Some(params) = params {
            compiler.env = compiler.env.variable("params", params.cel_type());
        }
        compiler
    }

    /// Why an expression does not compile, as the compiler says it.
    pub(crate) fn fault(&self, expression: &str) -> Option<String> {
        self.env.compile(expression).err().map(|e| e.to_string())
    }

    /// The same of a messageExpression.
    pub(crate) fn message_fault(&self, expression: &str) -> Option<String> {
        let env = self.without_authorizer();
        env.compile(expression).err().map(|e| e.to_string())
    }

    fn without_authorizer(&self) -> Env {
        self.env
            .clone()
            .without("authorizer")
            .without("authorizer.requestResource")
    }

    /// With the objects that mutations make.
    #[must_use]
    pub(crate) fn mutating(mut self) -> Self {
        self.env = self.env.mutation();
        self
    }

    fn declare(&mut self) {
        let schema = Schema::object("kubernetes.variables", self.variables.iter().cloned());
        self.env = self.env.clone().variable("variables", Type::Object(schema));
    }

    /// A variable, which expressions after it may name as `variables.name`.
    pub(crate) fn variable(&mut self, name: &str, expression: &str) -> Compiled {
        let compiled = self.any(expression);
        if let Ok(program) = &compiled {
            let of = Schema::of_type(program.output_type().clone());
            self.variables.push((name.to_owned(), of));
            self.declare();
        }
        compiled
    }

    /// An expression of any type.
    fn any(&self, expression: &str) -> Compiled {
        self.env
            .compile(expression)
            .map_err(|e| format!("compilation failed: {e}"))
    }

    fn one_of(&self, expression: &str, allowed: &[Type]) -> Compiled {
        let program = self.any(expression)?;
        if allowed.contains(program.output_type()) {
            return Ok(program);
        }
        let shown = |t: &Type| match t {
            Type::Null => "null_type".to_owned(),
            other => other.to_string(),
        };
        let types: Vec<String> = allowed.iter().map(shown).collect();
        Err(match types.as_slice() {
            [one] => format!("must evaluate to {one}"),
            many => format!("must evaluate to one of [{}]", many.join(" ")),
        })
    }

    /// A condition: `bool`.
    pub(crate) fn condition(&self, expression: &str) -> Compiled {
        self.one_of(expression, &[Type::Bool])
    }

    /// A messageExpression: `string`, without the authoriser.
    pub(crate) fn message(&self, expression: &str) -> Compiled {
        let without = Self {
            env: self.without_authorizer(),
            variables: Vec::new(),
        };
        without.one_of(expression, &[Type::String])
    }

    /// The value of an audit annotation: `string` or `null_type`.
    pub(crate) fn annotation(&self, expression: &str) -> Compiled {
        self.one_of(expression, &[Type::String, Type::Null])
    }

    /// An applied configuration: `Object`.
    pub(crate) fn configuration(&self, expression: &str) -> Compiled {
        self.one_of(expression, &[Type::Struct("Object".into())])
    }

    /// A JSON patch: `list(JSONPatch)`.
    pub(crate) fn json_patch(&self, expression: &str) -> Compiled {
        self.one_of(expression, &[Type::list(Type::Struct("JSONPatch".into()))])
    }
}
