//! `/livez`, `/readyz`, `/healthz` and the checks behind them.
// upstream: staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go

use std::sync::Arc;

/// Why a check fails; the text is shown to authorised readers of the server's log only, clients see
/// `reason withheld`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CheckFailure(pub String);

/// One named check.
pub trait HealthCheck: Send + Sync + 'static {
    /// The name, as in `/readyz/<name>`.
    fn name(&self) -> &str;

    /// Whether it holds now. Must not block.
    fn check(&self) -> Result<(), CheckFailure>;

    /// What follows `ok` in the verbose answer, to be read by people: a notice that is true although
    /// the check passes (`tee-simulated`).
    fn notice(&self) -> Option<String> {
        None
    }

    /// Whether it counts for `/livez` as well as for `/readyz`.
    fn live(&self) -> bool {
        false
    }
}

/// A check from a closure.
pub struct FnCheck<F> {
    name: String,
    check: F,
    notice: Option<String>,
}

impl<F: Fn() -> Result<(), CheckFailure> + Send + Sync + 'static> FnCheck<F> {
    /// A readiness check with this name.
    pub fn new(name: impl Into<String>, check: F) -> Arc<Self> {
        Arc::new(Self { name: name.into(), check, notice: None })
    }

    /// A readiness check that says something besides.
    pub fn with_notice(name: impl Into<String>, notice: impl Into<String>, check: F) -> Arc<Self> {
        Arc::new(Self { name: name.into(), check, notice: Some(notice.into()) })
    }
}

impl<F: Fn() -> Result<(), CheckFailure> + Send + Sync + 'static> HealthCheck for FnCheck<F> {
    fn name(&self) -> &str {
        &self.name
    }
    fn check(&self) -> Result<(), CheckFailure> {
        (self.check)()
    }
    fn notice(&self) -> Option<String> {
        self.notice.clone()
    }
}
