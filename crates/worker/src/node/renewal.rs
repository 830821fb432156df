//! Renews the Seal token on the chain, then the certificates; verifies the control plane anew each time.

use std::sync::Arc;
use std::time::Duration;

use seal::wire::RefusalCode;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::WorkerError;
use crate::control_plane::{Terms, read_trust, verify};
use crate::credentials::Credentials;
use crate::error::line;
use crate::retry::Backoff;
use crate::stake::now_ms;

/// However often it is asked for, not more often than this.
const AT_MOST_EACH: Duration = Duration::from_secs(5);

pub(super) async fn run(node: Arc<Node>, running: CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let expires = node.credentials.load().expires_at_ms();
        // Two thirds of what is left; a third remains for trying again.
        let left = Duration::from_millis(expires.saturating_sub(now_ms())) / 3 * 2;
        tokio::select! {
            () = running.cancelled() => return,
            () = tokio::time::sleep(left) => {}
            () = node.renew_now.notified() => {}
        }
        loop {
            let outcome = tokio::select! {
                () = running.cancelled() => return,
                outcome = renew(&node) => outcome,
            };
            match outcome {
                Ok(()) => {
                    backoff.reset();
                    break;
                }
                Err(error) => {
                    tracing::warn!(error = line(&error), class = ?error.class(), "certificates not renewed; pods go on");
                    if is_loss(&error) {
                        node.check_standing().await;
                    }
                    if !backoff.wait(&running).await {
                        return;
                    }
                }
            }
        }
        tokio::select! {
            () = running.cancelled() => return,
            () = tokio::time::sleep(AT_MOST_EACH) => {}
        }
    }
}

async fn renew(node: &Node) -> Result<(), WorkerError> {
    {
        let mut state = node.state.lock().await;
        node.staking.renew_if_due(&mut state).await?;
    }
    let credentials = certify(node).await?;
    let expires_at_ms = credentials.expires_at_ms();
    node.use_credentials(credentials)?;
    tracing::info!(expires_at_ms, "certificates renewed");
    Ok(())
}

async fn certify(node: &Node) -> Result<Credentials, WorkerError> {
    let staking = &node.staking;
    let terms = Terms::of(&node.config);
    let trust = read_trust(&staking.client, &staking.deployment, terms).await?;
    let renewed = verify(&trust)
        .await?
        .renew(&trust, &node.applicant(), &node.staked)
        .await;
    match renewed {
        // The control plane doesn't remember: join again.
        Err(error)
            if error
                .refusal()
                .is_some_and(|refusal| refusal.code == RefusalCode::NotJoined) =>
        {
            let verified = verify(&trust).await?;
            let now = read_trust(&staking.client, &staking.deployment, terms).await?;
            verified.confirm(&now)?;
            verified.join(&trust, &node.applicant(), &node.staked).await
        }
        other => other,
    }
}

fn is_loss(error: &WorkerError) -> bool {
    matches!(error, WorkerError::StakeGone(_) | WorkerError::Chain(_))
        || error
            .refusal()
            .is_some_and(|refusal| refusal.code.is_loss_of_right())
}
