//! `/livez`, `/readyz`, `/healthz` and the checks behind them.
// upstream: staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go

use std::sync::Arc;

use http::StatusCode;
use machinery::options::Query;

use crate::chain::Handler;
use crate::respond::{self, Reply};
use crate::server::BuildError;

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
        Arc::new(Self {
            name: name.into(),
            check,
            notice: None,
        })
    }

    /// A readiness check that says something besides.
    pub fn with_notice(name: impl Into<String>, notice: impl Into<String>, check: F) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            check,
            notice: Some(notice.into()),
        })
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

/// The checks of a server, its own included.
pub(crate) struct Health {
    checks: Vec<Arc<dyn HealthCheck>>,
}

struct Ping(&'static str);

impl HealthCheck for Ping {
    fn name(&self) -> &str {
        self.0
    }
    fn check(&self) -> Result<(), CheckFailure> {
        Ok(())
    }
    fn live(&self) -> bool {
        true
    }
}

impl Health {
    pub(crate) fn new(checks: Vec<Arc<dyn HealthCheck>>) -> Result<Self, BuildError> {
        let mut all: Vec<Arc<dyn HealthCheck>> = vec![Arc::new(Ping("ping"))];
        for check in checks {
            if check.name() == SHUTDOWN || all.iter().any(|c| c.name() == check.name()) {
                return Err(BuildError::DuplicateCheck(check.name().to_owned()));
            }
            all.push(check);
        }
        Ok(Self { checks: all })
    }

    /// All paths served.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        for root in ["healthz", "livez", "readyz"] {
            out.push(format!("/{root}"));
            out.extend(self.of(root).map(|c| format!("/{root}/{}", c.name())));
        }
        out.push(format!("/readyz/{SHUTDOWN}"));
        out
    }

    fn of<'a>(&'a self, root: &'a str) -> impl Iterator<Item = &'a Arc<dyn HealthCheck>> {
        self.checks
            .iter()
            .filter(move |c| root != "livez" || c.live())
    }
}

/// The readiness check that fails while the server drains.
const SHUTDOWN: &str = "shutdown";

/// Answers the health paths, `None` for others.
// upstream: healthz.go#handleRootHealth, #adaptCheckToHandler
pub(crate) fn serve(handler: &Handler, path: &str, query: &Query) -> Option<Reply> {
    let rest = path.strip_prefix('/')?;
    let (root, name) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(root, "healthz" | "livez" | "readyz") {
        return None;
    }
    let draining = root == "readyz" && handler.is_draining();
    if !name.is_empty() {
        if root == "readyz" && name == SHUTDOWN {
            return Some(if draining {
                respond::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal server error: process is shutting down\n",
                )
            } else {
                respond::text(StatusCode::OK, "ok")
            });
        }
        let check = handler.health.of(root).find(|c| c.name() == name);
        return Some(match check.map(|c| c.check()) {
            None => respond::page_not_found(),
            Some(Ok(())) => respond::text(StatusCode::OK, "ok"),
            Some(Err(failure)) => {
                tracing::warn!(check = name, %failure, "health check failed");
                respond::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal server error: reason withheld\n",
                )
            }
        });
    }
    let mut excluded: Vec<&str> = query.all("exclude");
    let mut out = String::new();
    let mut failed = Vec::new();
    let mut line = |name: &str, result: Result<Option<String>, String>| {
        if let Some(at) = excluded.iter().position(|e| *e == name) {
            excluded.remove(at);
            out.push_str(&format!("[+]{name} excluded: ok\n"));
            return;
        }
        match result {
            Ok(None) => out.push_str(&format!("[+]{name} ok\n")),
            Ok(Some(notice)) => out.push_str(&format!("[+]{name} ok: {notice}\n")),
            Err(failure) => {
                tracing::warn!(check = name, %failure, "health check failed");
                out.push_str(&format!("[-]{name} failed: reason withheld\n"));
                failed.push(name.to_owned());
            }
        }
    };
    for check in handler.health.of(root) {
        line(
            check.name(),
            check.check().map(|()| check.notice()).map_err(|f| f.0),
        );
    }
    if root == "readyz" {
        line(
            SHUTDOWN,
            if draining {
                Err("the server is shutting down".to_owned())
            } else {
                Ok(None)
            },
        );
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|e| format!("\"{e}\"")).collect();
        out.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            names.join(", ")
        ));
    }
    if !failed.is_empty() {
        out.push_str(&format!("{root} check failed\n"));
        return Some(respond::text(StatusCode::INTERNAL_SERVER_ERROR, out));
    }
    if query.has("verbose") {
        out.push_str(&format!("{root} check passed\n"));
        return Some(respond::text(StatusCode::OK, out));
    }
    Some(respond::text(StatusCode::OK, "ok"))
}
