//! Logs: for people on a terminal, JSON lines elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that says what is logged, in `tracing`'s filter syntax.
const FILTER_VARIABLE: &str = "DAAS_LOG";

/// Starts logging to standard error.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE)
        .unwrap_or_else(|_| EnvFilter::new(default_filter()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}

/// Supervised roles log what they do; commands of a person only what is wrong.
fn default_filter() -> &'static str {
    if std::env::var_os(crate::notify::SOCKET_VARIABLE).is_some() {
        "info"
    } else {
        "warn"
    }
}
