//! How a command ends: one line that says what to do, and an exit code.

use std::process::ExitCode;

use crate::notify;

/// Prints an error as one line, tells the supervisor, and gives the exit code.
pub(crate) fn report(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let text = chain(&error);
            notify::error(&text);
            eprintln!("error: {text}");
            code(&error)
        }
    }
}

/// The error and its causes in one line, without saying the same twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text.replace('\n', " ")
}

/// The worker's errors are sorted; everything else is 1.
fn code(error: &anyhow::Error) -> ExitCode {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<worker::WorkerError>())
        .map_or(ExitCode::FAILURE, |e| ExitCode::from(e.exit_code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_in_one_line_and_nothing_is_said_twice() {
        let error = anyhow::anyhow!("port 1 is in use")
            .context("the ledger: port 1 is in use")
            .context("bringing up\nfailed");
        assert_eq!(
            chain(&error),
            "bringing up failed: the ledger: port 1 is in use"
        );
    }
}
