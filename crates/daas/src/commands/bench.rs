//! `daas bench`: a load generator for any kubeconfig.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench::{Encoding, Kind, Measurement, Observer, Operation, Options, Target};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

use crate::cli::Output;
use crate::render;

/// Arguments of `daas bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// The kubeconfig of the server [default: the usual places]
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,

    /// The kubeconfig's context [default: its current one]
    #[arg(long)]
    context: Option<String>,

    /// What is measured, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_values_t =
        [OperationArg::Get, OperationArg::List, OperationArg::Create, OperationArg::Patch, OperationArg::Watch, OperationArg::Mixed])]
    operations: Vec<OperationArg>,

    /// Clients at once; each number is a measurement of its own
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    clients: Vec<usize>,

    /// What objects are made: pods that no scheduler places, or config maps
    #[arg(long, value_enum, default_value_t = KindArg::Pod)]
    kind: KindArg,

    /// How answers are encoded
    #[arg(long, value_enum, default_value_t = EncodingArg::Json)]
    encoding: EncodingArg,

    /// How many objects there are to read and patch
    #[arg(long, default_value_t = 1000)]
    objects: usize,

    /// Seconds after which a measurement ends
    #[arg(long, default_value_t = 10)]
    duration: u64,

    /// Requests after which a measurement ends, if that is sooner
    #[arg(long, default_value_t = 20_000)]
    count: u64,

    /// Seconds of load before each measurement
    #[arg(long, default_value_t = 1)]
    warm_up: u64,

    /// Watchers that each change is delivered to
    #[arg(long, default_value_t = 1000)]
    watchers: usize,

    /// Changes that are delivered to the watchers
    #[arg(long, default_value_t = 200)]
    changes: u32,

    /// Measure a server that is not on this machine
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OperationArg {
    Create,
    Get,
    List,
    Patch,
    Watch,
    Mixed,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum KindArg {
    Pod,
    Configmap,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum EncodingArg {
    Json,
    Protobuf,
}

impl BenchArgs {
    fn options(&self) -> Options {
        let operation = |arg: &OperationArg| match arg {
            OperationArg::Create => Operation::Create,
            OperationArg::Get => Operation::Get,
            OperationArg::List => Operation::List,
            OperationArg::Patch => Operation::Patch,
            OperationArg::Watch => Operation::Watch,
            OperationArg::Mixed => Operation::Mixed,
        };
        Options {
            operations: self.operations.iter().map(operation).collect(),
            clients: self.clients.clone(),
            kind: match self.kind {
                KindArg::Pod => Kind::Pod,
                KindArg::Configmap => Kind::ConfigMap,
            },
            encoding: match self.encoding {
                EncodingArg::Json => Encoding::Json,
                EncodingArg::Protobuf => Encoding::Protobuf,
            },
            objects: self.objects,
            duration: Duration::from_secs(self.duration),
            count: self.count,
            warm_up: Duration::from_secs(self.warm_up),
            watchers: self.watchers,
            changes: self.changes,
        }
    }
}

/// Measures, prints, and fails when a request failed.
pub(crate) async fn run(args: BenchArgs, output: Output) -> anyhow::Result<ExitCode> {
    let options = args.options();
    options.validate()?;
    let target = Target::open(
        args.kubeconfig.as_deref(),
        args.context.as_deref(),
        args.yes,
    )
    .await?;
    let mut outcome = None;
    let bar = Bar::new();
    super::until_signal(async |stop| {
        outcome = Some(bench::run(&target, &options, &bar, &stop).await?);
        Ok::<_, bench::BenchError>(())
    })
    .await?;
    bar.end();
    let Some(outcome) = outcome else {
        return Ok(ExitCode::FAILURE);
    };
    match output {
        Output::Json => render::one(output, &outcome)?,
        Output::Text => {
            println!(
                "{} ({}), {} objects, {} answers\n",
                outcome.server,
                outcome.version,
                outcome.objects,
                format!("{:?}", outcome.encoding).to_lowercase(),
            );
            let head = [
                "OPERATION",
                "CLIENTS",
                "PER SECOND",
                "P50 MS",
                "P90 MS",
                "P99 MS",
                "MAX MS",
                "DONE",
                "FAILED",
            ];
            render::rows(output, &outcome.measurements, head, row)?;
        }
    }
    let failures = outcome
        .measurements
        .iter()
        .filter_map(|m| m.failure.as_ref());
    let mut code = ExitCode::SUCCESS;
    for failure in failures {
        eprintln!("failed: {failure}");
        code = ExitCode::FAILURE;
    }
    Ok(code)
}

fn row(m: &Measurement) -> [String; 9] {
    let ms = |v: f64| format!("{v:.2}");
    [
        m.operation.clone(),
        m.clients.to_string(),
        format!("{:.0}", m.per_second),
        ms(m.latency.p50),
        ms(m.latency.p90),
        ms(m.latency.p99),
        ms(m.latency.max),
        m.succeeded.to_string(),
        m.failed.to_string(),
    ]
}

/// A progress bar on a terminal, nothing elsewhere.
struct Bar {
    bar: ProgressBar,
    moving: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Bar {
    fn new() -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {msg} {bar:30} {pos} {elapsed:.dim}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            moving: Mutex::new(None),
        }
    }

    fn end(&self) {
        self.follow(None);
        self.bar.finish_and_clear();
    }

    fn follow(&self, task: Option<AbortOnDropHandle<()>>) {
        if let Ok(mut moving) = self.moving.lock() {
            *moving = task;
        }
    }
}

impl Observer for Bar {
    fn begins(&self, phase: &str, of: u64, done: Arc<AtomicU64>) {
        self.bar.set_length(of);
        self.bar.set_position(0);
        self.bar.reset_elapsed();
        self.bar.set_message(phase.to_owned());
        let bar = self.bar.clone();
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let task = tokio::spawn(async move {
            loop {
                tick.tick().await;
                bar.set_position(done.load(Ordering::Relaxed));
            }
        });
        self.follow(Some(AbortOnDropHandle::new(task)));
    }

    fn measured(&self, m: &Measurement) {
        let text = format!(
            "{}, {} clients: {:.0} per s, p99 {:.2} ms",
            m.operation, m.clients, m.per_second, m.latency.p99
        );
        self.bar.suspend(|| eprintln!("{text}"));
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}
