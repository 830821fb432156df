//! Keeps a view current.

use std::time::{Duration, Instant};

use chain::stream::Cursor;
use chain::{Client, Deployment};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::LiveView;
use crate::{Clock as _, SystemClock, unix_ms};

/// How often the chain is asked how far it is. Silence of an event stream proves nothing: a node that withholds
/// events looks like a chain without any.
const PROBE: Duration = Duration::from_secs(2);

/// Feeds `view` with the package's events from the first one on, and tells it how current it is, until
/// `shutdown`. Failures are the chain client's to retry; meanwhile the view ages.
pub async fn follow(
    client: Client,
    deployment: Deployment,
    view: LiveView,
    shutdown: CancellationToken,
) {
    let (tip, mut tips) = watch::channel(None);
    let probes = probe(client.clone(), tip, shutdown.clone());
    let events = async {
        let mut stream = client.events(&deployment, Cursor::GENESIS);
        let mut synced = false;
        loop {
            let next_expiry = if synced { view.expire() } else { None };
            let expiry = sleep_until(next_expiry);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = expiry => {}
                delivery = stream.next() => match delivery {
                    Ok(delivery) => {
                        if let Some(emitted) = delivery.emitted {
                            view.apply(&emitted.event);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the chain's events cannot be followed"),
                },
                changed = tips.changed() => if changed.is_err() { return },
            }
            // Everything of the tip that was asked for at `at` has been taken in: current as of then.
            if let Some((checkpoint, at)) = *tips.borrow()
                && stream.cursor() >= Cursor::end_of(checkpoint)
            {
                view.mark_fresh(at);
                if !synced {
                    synced = true;
                    let (live, known) = view.counts();
                    tracing::info!(
                        checkpoint,
                        live,
                        known,
                        "the stake view has caught up with the chain"
                    );
                }
            }
        }
    };
    tokio::join!(probes, events);
}

async fn probe(
    client: Client,
    tip: watch::Sender<Option<(u64, Instant)>>,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(PROBE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asked = Instant::now();
        tokio::select! {
            () = shutdown.cancelled() => return,
            answer = client.latest_checkpoint() => match answer {
                Ok(checkpoint) => {
                    tip.send_replace(Some((checkpoint, asked)));
                }
                Err(error) => tracing::debug!(%error, "the chain does not say how far it is"),
            },
        }
    }
}

/// Sleeps until a time of the wall clock, at most a minute (it may be set); for ever without one.
async fn sleep_until(at_ms: Option<u64>) {
    match at_ms {
        None => std::future::pending().await,
        Some(at_ms) => {
            let wait = at_ms
                .saturating_sub(unix_ms(SystemClock.now()))
                .clamp(1, 60_000);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}
