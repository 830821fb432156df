//! What a long command shows: steps with timings on a terminal, JSON lines for machines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};

/// One line of progress, as `--output json` prints it and as a detached supervisor reports it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub(crate) enum Event {
    /// A step begins.
    Started {
        /// What is being done.
        step: String,
    },
    /// What the step is at.
    Doing {
        /// In the part's own words.
        text: String,
    },
    /// The step is done.
    Done {
        /// What was done.
        step: String,
        /// What came of it.
        result: String,
        /// How long it took.
        millis: u64,
    },
    /// The step failed; nothing follows.
    Failed {
        /// What was being done.
        step: String,
        /// Why, and what to do.
        error: String,
    },
    /// Something worth knowing.
    Note {
        /// For people.
        text: String,
    },
    /// Everything is up.
    Ready {
        /// What to try next.
        text: String,
        /// Since the beginning.
        millis: u64,
    },
}

/// Where events go.
pub(crate) trait Sink: Send {
    /// Shows or forwards one event.
    fn event(&mut self, event: &Event);
}

/// Reports the steps of a command to a [`Sink`].
pub(crate) struct Progress {
    sink: Box<dyn Sink>,
    since: Instant,
}

impl Progress {
    /// Reports to `sink`; the clock starts now.
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        Self {
            sink,
            since: Instant::now(),
        }
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, name: impl Into<String>) -> Step<'_> {
        let name = name.into();
        self.sink.event(&Event::Started { step: name.clone() });
        Step {
            progress: self,
            name,
            since: Instant::now(),
        }
    }

    /// Says something between steps.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.sink.event(&Event::Note { text: text.into() });
    }

    /// Says that all is up.
    pub(crate) fn ready(&mut self, text: impl Into<String>) {
        self.sink.event(&Event::Ready {
            text: text.into(),
            millis: millis(self.since.elapsed()),
        });
    }
}

/// A step under way; it ends with [`Step::end`].
pub(crate) struct Step<'a> {
    progress: &'a mut Progress,
    name: String,
    since: Instant,
}

impl Step<'_> {
    /// Says what the step is at.
    pub(crate) fn doing(&mut self, text: &str) {
        self.progress.sink.event(&Event::Doing {
            text: text.to_owned(),
        });
    }

    /// Ends the step with its outcome and hands the outcome's value on.
    pub(crate) fn end<T>(self, outcome: anyhow::Result<(T, String)>) -> anyhow::Result<T> {
        match outcome {
            Ok((value, result)) => {
                self.progress.sink.event(&Event::Done {
                    step: self.name,
                    result,
                    millis: millis(self.since.elapsed()),
                });
                Ok(value)
            }
            Err(error) => {
                self.progress.sink.event(&Event::Failed {
                    step: self.name,
                    error: format!("{error:#}"),
                });
                Err(error)
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For people: a spinner on a terminal, one line a step elsewhere.
pub(crate) struct Human {
    bar: ProgressBar,
    step: String,
}

impl Human {
    /// Draws on standard error, so that standard output stays free for results.
    pub(crate) fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        Self {
            bar,
            step: String::new(),
        }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}

impl Sink for Human {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { step } => {
                self.step.clone_from(step);
                self.bar.reset_elapsed();
                self.bar.enable_steady_tick(Duration::from_millis(100));
                self.bar.set_message(step.clone());
            }
            Event::Doing { text } => self.bar.set_message(format!("{}: {text}", self.step)),
            Event::Done {
                step,
                result,
                millis,
            } => {
                self.bar.disable_steady_tick();
                self.line(&format!("✔ {step}: {result} ({})", seconds(*millis)));
            }
            Event::Failed { step, error } => {
                self.bar.finish_and_clear();
                self.line(&format!("✘ {step}: {error}"));
            }
            Event::Note { text } => self.line(text),
            Event::Ready { text, millis } => {
                self.bar.finish_and_clear();
                eprintln!("Everything is up after {}.\n", seconds(*millis));
                println!("{text}");
            }
        }
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

/// For machines: a JSON object a line.
pub(crate) struct JsonLines<W>(pub W);

impl<W: Write + Send> Sink for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // A reader that has gone away (a detached command that returned) is no failure.
            let _ = self.0.write_all(&line).and_then(|()| self.0.flush());
        }
    }
}
