//! Stake and Seal token on the chain: each paid for once, whenever the worker is killed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chain::calls::{self, Call, TokenRequest};
use chain::keystore::Key;
use chain::objects::{SealToken, Stake, StakeStatus, StakingPool, Tier};
use chain::{Address, ChainError, Client, Deployment, Executed, Outcome, Settlement};
use seal::{Commitment, NodeId, NodeKey, Secret};

use crate::keys::SecretFile;
use crate::state::{Purpose, State, StateFile};
use crate::{Phase, WorkerError};

/// How long the chain may take to revoke the token of a stake that is gone.
const RETIRE_WITHIN: Duration = Duration::from_secs(10);

/// The chain's side of a worker.
pub(crate) struct Staking {
    pub(crate) client: Client,
    pub(crate) deployment: Deployment,
    pub(crate) key: Key,
    pub(crate) node: NodeId,
    pub(crate) node_key: NodeKey,
    pub(crate) secret: SecretFile,
    pub(crate) amount: Option<u64>,
    pub(crate) token_ttl: Duration,
}

/// A live stake and token.
#[derive(Clone)]
pub(crate) struct Staked {
    pub(crate) stake: Address,
    pub(crate) token: Address,
    pub(crate) secret: Secret,
    pub(crate) token_expires_at_ms: u64,
}

/// What the chain says of a worker's right to be in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has it until then (milliseconds since 1970).
    Good { token_expires_at_ms: u64 },
    /// It is gone, for this reason.
    Gone(String),
}

impl Staking {
    /// Sees to it that there are an active stake and a live token. Safe to repeat; what was sent before is looked up
    /// first.
    pub(crate) async fn ensure(&self, file: &mut StateFile) -> Result<Staked, WorkerError> {
        self.settle(file).await?;
        if file.get().stake.is_none() {
            self.stake_and_mint(file).await?;
        }
        let stake = file.get().stake.ok_or_else(|| gone("it was never made"))?;
        self.check_stake(stake).await?;
        let token = self.ensure_token(file, stake).await?;
        if matches!(
            file.get().phase,
            Phase::Initialised | Phase::Draining | Phase::Unstaked
        ) {
            file.phase(Phase::Staked)?;
        }
        let secret = self
            .secret
            .read()?
            .ok_or_else(|| gone("the Seal secret's file is lost: revoke the token"))?;
        Ok(Staked {
            stake,
            token: token.id,
            secret,
            token_expires_at_ms: token.expires_at_ms,
        })
    }

    /// Refuses right away to start a worker whose stake is known to be gone: whoever supervises it may start it again and
    /// again.
    pub(crate) async fn refuse_if_unstaked(&self, file: &StateFile) -> Result<(), WorkerError> {
        let state = file.get();
        match (state.phase, state.stake) {
            (Phase::Unstaked, Some(stake)) => match self.check_stake(stake).await {
                Err(error @ WorkerError::StakeGone(_)) => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn check_stake(&self, stake: Address) -> Result<(), WorkerError> {
        match self.stake_gone(stake).await? {
            None => Ok(()),
            Some(reason) => Err(gone(&format!(
                "{reason}; to stake anew remove state.json from the worker's data directory"
            ))),
        }
    }

    /// Whether the right is still there, read from the chain now.
    pub(crate) async fn standing(
        &self,
        stake: Address,
        token: Address,
    ) -> Result<Standing, WorkerError> {
        if let Some(reason) = self.stake_gone(stake).await? {
            return Ok(Standing::Gone(reason));
        }
        let Some(token) = self
            .client
            .find::<SealToken>(&self.deployment, token)
            .await?
        else {
            return Ok(Standing::Gone(
                "the Seal token is not on the chain".to_owned(),
            ));
        };
        let token = token.value;
        if token.revoked {
            return Ok(Standing::Gone(format!(
                "Seal token {} was revoked",
                token.id
            )));
        }
        Ok(Standing::Good {
            token_expires_at_ms: token.expires_at_ms,
        })
    }

    /// Revokes the token of a stake that is gone, which frees the node's name for another one. Nothing depends on its success:
    /// the token is worth nothing any more.
    pub(crate) async fn retire(&self, token: Address) {
        let call = calls::revoke_seal_token(&self.deployment, token);
        let submitted =
            tokio::time::timeout(RETIRE_WITHIN, self.client.submit(&self.key, &call)).await;
        match submitted {
            Ok(Ok(executed)) => {
                tracing::info!(%token, digest = %executed.digest, "Seal token revoked")
            }
            Ok(Err(error)) if is_superseded(&error) => {}
            Ok(Err(error)) => {
                tracing::warn!(%token, error = crate::error::line(&error), "the Seal token could not be revoked")
            }
            Err(_) => tracing::warn!(%token, "the Seal token could not be revoked in time"),
        }
    }

    /// Gives the token another lifetime, if half of its present one is over.
    pub(crate) async fn renew_if_due(&self, file: &mut StateFile) -> Result<u64, WorkerError> {
        self.settle(file).await?;
        let stake = file.get().stake.ok_or_else(|| gone("there is no stake"))?;
        Ok(self.ensure_token(file, stake).await?.expires_at_ms)
    }

    async fn stake_gone(&self, stake: Address) -> Result<Option<String>, WorkerError> {
        let found = self.client.find::<Stake>(&self.deployment, stake).await?;
        let Some(stake) = found.map(|object| object.value) else {
            return Ok(Some(format!("stake {stake} is not on the chain")));
        };
        let pool = self.pool().await?;
        if pool.has_sufficient_stake(&stake, Tier::Node) {
            return Ok(None);
        }
        let minimum = pool.tier(Tier::Node).map_or(0, |tier| tier.minimum);
        if stake.tombstoned {
            return Ok(Some(format!(
                "stake {} is tombstoned for equivocation: it never counts again",
                stake.id
            )));
        }
        if stake.status == StakeStatus::Active && stake.jailed_until_ms > 0 {
            return Ok(Some(format!(
                "stake {} is jailed until {} ms since 1970; free it then with `daas stake --unjail`",
                stake.id, stake.jailed_until_ms
            )));
        }
        Ok(Some(match stake.status {
            StakeStatus::Active => format!(
                "stake {} holds {} MIST, the node tier needs {minimum}{}",
                stake.id,
                stake.balance,
                if stake.slashed > 0 {
                    " (it was slashed)"
                } else {
                    ""
                }
            ),
            status => format!("stake {} is {status}", stake.id),
        }))
    }

    async fn pool(&self) -> Result<StakingPool, WorkerError> {
        let id = self.deployment.staking_pool.id;
        Ok(self
            .client
            .object::<StakingPool>(&self.deployment, id)
            .await?
            .value)
    }

    async fn stake_and_mint(&self, file: &mut StateFile) -> Result<(), WorkerError> {
        let amount = match self.amount {
            Some(amount) => amount,
            None => {
                let pool = self.pool().await?;
                let tier = pool.tier(Tier::Node);
                tier.map(|tier| tier.minimum)
                    .ok_or_else(|| gone("the pool has no node tier"))?
            }
        };
        let request = self.token_request()?;
        let call = calls::stake_and_mint(&self.deployment, amount, request);
        self.transact(file, Purpose::StakeAndMint, &call).await?;
        Ok(())
    }

    /// The token, live for at least half of its lifetime.
    async fn ensure_token(
        &self,
        file: &mut StateFile,
        stake: Address,
    ) -> Result<SealToken, WorkerError> {
        if let Some(id) = file.get().token
            && let Some(object) = self.client.find::<SealToken>(&self.deployment, id).await?
        {
            let token = object.value;
            let opens = self
                .secret
                .read()?
                .is_some_and(|secret| self.commitment(&secret).as_bytes()[..] == token.commitment);
            if !token.revoked {
                let half = u64::try_from(self.token_ttl.as_millis() / 2).unwrap_or(u64::MAX);
                if opens && token.is_live(now_ms().saturating_add(half)) {
                    return Ok(token);
                }
                match self.renew(file, stake, id, opens).await {
                    Err(WorkerError::Chain(error)) if is_superseded(&error) => {}
                    Err(error) => return Err(error),
                    Ok(()) => {
                        let renewed = self
                            .client
                            .object::<SealToken>(&self.deployment, id)
                            .await?;
                        return Ok(renewed.value);
                    }
                }
            }
        }
        let request = self.token_request()?;
        let call = calls::create_seal_token(&self.deployment, stake, request);
        self.transact(file, Purpose::Mint, &call).await?;
        let id = file
            .get()
            .token
            .ok_or_else(|| gone("no Seal token was made"))?;
        Ok(self
            .client
            .object::<SealToken>(&self.deployment, id)
            .await?
            .value)
    }

    async fn renew(
        &self,
        file: &mut StateFile,
        stake: Address,
        token: Address,
        opens: bool,
    ) -> Result<(), WorkerError> {
        // Only a lost secret needs another commitment.
        let commitment = if opens {
            None
        } else {
            Some(*self.commitment(&self.secret.renew()?).as_bytes())
        };
        let call =
            calls::renew_seal_token(&self.deployment, token, stake, commitment, self.ttl_ms());
        self.transact(file, Purpose::Renew, &call).await?;
        Ok(())
    }

    fn commitment(&self, secret: &Secret) -> Commitment {
        Commitment::to(secret, &self.node, &self.node_key.public())
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.token_ttl.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn token_request(&self) -> Result<TokenRequest, WorkerError> {
        // On disk before anything is committed to it. A former token's secret is not used again.
        let secret = self.secret.renew()?;
        Ok(TokenRequest {
            cluster: self.deployment.cluster()?,
            node_id: self.node.to_string(),
            node_key: *self.node_key.public().as_bytes(),
            commitment: *self.commitment(&secret).as_bytes(),
            endpoint: String::new(),
            ttl_ms: self.ttl_ms(),
        })
    }

    /// Builds, signs, stores, sends, records.
    async fn transact(
        &self,
        file: &mut StateFile,
        purpose: Purpose,
        call: &Call,
    ) -> Result<(), WorkerError> {
        let signed = self.client.prepare(&self.key, call).await?;
        file.set_pending(purpose, &signed)?;
        tracing::info!(digest = %signed.digest(), what = call.name(), "transaction signed and stored; sending it");
        self.settle(file).await
    }

    /// Finds out what became of the stored transaction, sending it where it wasn't executed, and records the outcome.
    async fn settle(&self, file: &mut StateFile) -> Result<(), WorkerError> {
        let Some((purpose, signed)) = file.pending()? else {
            return Ok(());
        };
        match self.client.settle(&signed).await? {
            Settlement::Executed(executed) if executed.outcome == Outcome::Success => {
                record(file, purpose, &executed)
            }
            Settlement::Executed(executed) => {
                file.update(|state| state.pending = None)?;
                executed.into_success()?;
                Ok(())
            }
            Settlement::Void { reason } => {
                tracing::warn!(digest = %signed.digest(), reason, "a stored transaction was never executed and never will be");
                file.update(|state| state.pending = None)
            }
        }
    }
}

fn record(file: &mut StateFile, purpose: Purpose, executed: &Executed) -> Result<(), WorkerError> {
    let stake = match purpose {
        Purpose::StakeAndMint => Some(executed.created("staking::Stake")?),
        Purpose::Mint | Purpose::Renew => None,
    };
    let token = match purpose {
        Purpose::StakeAndMint | Purpose::Mint => Some(executed.created("k8s_gateway::SealToken")?),
        Purpose::Renew => None,
    };
    file.update(|state: &mut State| {
        state.pending = None;
        state.stake = stake.or(state.stake);
        state.token = token.or(state.token);
    })?;
    tracing::info!(digest = %executed.digest, checkpoint = executed.checkpoint, ?purpose, "transaction executed");
    Ok(())
}

fn is_superseded(error: &ChainError) -> bool {
    let name = error.abort().and_then(|abort| abort.name);
    name == Some("ESuperseded") || name == Some("ERevoked")
}

fn gone(reason: &str) -> WorkerError {
    WorkerError::StakeGone(reason.to_owned())
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
