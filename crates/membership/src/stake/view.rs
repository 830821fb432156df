//! The view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::Address;
use chain::events::Event;
use chain::objects::{SealToken, Stake, StakeStatus, StakingPool, Tier};
use parking_lot::RwLock;
use pki::Backing;
use tokio::sync::{broadcast, watch};

use super::judge::{self, NotLive, role_of};
use super::state::advance;
use super::{StakeState, TokenState};
use crate::{Clock, unix_ms};

/// How a view behaves.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions {
    /// For how long the view is believed after it was last known to be current. Whoever cuts the control plane
    /// off the chain gains no more than this.
    pub stale_after: Duration,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            stale_after: Duration::from_secs(60),
        }
    }
}

/// Whose right was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node {
        /// Its name.
        node: String,
        /// Its token.
        token: Address,
    },
    /// A user.
    User {
        /// The address.
        address: Address,
        /// The stake.
        stake: Address,
    },
}

/// An identity that was live and is not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Whose.
    pub subject: Subject,
    /// Why.
    pub reason: NotLive,
}

/// Tokens and stakes, live. A cheap clone of the same view.
#[derive(Clone)]
pub struct LiveView {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Address,
    options: ViewOptions,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    fresh_at: RwLock<Option<Instant>>,
    changes: watch::Sender<u64>,
    revoked: broadcast::Sender<Revoked>,
}

#[derive(Default)]
struct State {
    tokens: BTreeMap<Address, TokenState>,
    stakes: BTreeMap<Address, StakeState>,
    by_stake: BTreeMap<Address, BTreeSet<Address>>,
    minimums: BTreeMap<Tier, u64>,
    /// What was live when last looked at, so that the end is announced once.
    live_tokens: BTreeSet<Address>,
    live_stakes: BTreeSet<Address>,
}

/// Announcements that a slow receiver may be behind before it has to look at everything again.
const BACKLOG: usize = 1024;

impl LiveView {
    /// An empty view of `cluster`; it vouches for nobody until [`super::follow`] has caught up.
    pub fn new(cluster: Address, clock: Arc<dyn Clock>, options: ViewOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                cluster,
                options,
                clock,
                state: RwLock::default(),
                fresh_at: RwLock::default(),
                changes: watch::Sender::new(0),
                revoked: broadcast::Sender::new(BACKLOG),
            }),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> Address {
        self.shared.cluster
    }

    /// Announces what is withdrawn from now on. A receiver that lags has missed some and must look at all.
    pub fn revocations(&self) -> broadcast::Receiver<Revoked> {
        self.shared.revoked.subscribe()
    }

    /// Changes whenever somebody's right was withdrawn or the view became current or stale.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Whether the view is current: caught up with the chain, and known to be within the bound.
    pub fn current(&self) -> Result<(), NotLive> {
        match *self.shared.fresh_at.read() {
            None => Err(NotLive::NotSynced),
            Some(at) if at.elapsed() > self.shared.options.stale_after => Err(NotLive::Stale),
            Some(_) => Ok(()),
        }
    }

    /// How long ago the view was known to be current; `None` before the first time.
    pub fn age(&self) -> Option<Duration> {
        self.shared.fresh_at.read().map(|at| at.elapsed())
    }

    /// A token, if it is known.
    pub fn token(&self, id: Address) -> Option<TokenState> {
        self.shared.state.read().tokens.get(&id).cloned()
    }

    /// A stake, if it is known.
    pub fn stake(&self, id: Address) -> Option<StakeState> {
        self.shared.state.read().stakes.get(&id).cloned()
    }

    /// How many tokens are live, of how many known.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.shared.state.read();
        (state.live_tokens.len(), state.tokens.len())
    }

    /// Whether the node of this token is backed now.
    pub fn check_token(&self, id: Address) -> Result<(), NotLive> {
        self.current()?;
        let now = unix_ms(self.shared.clock.now());
        self.shared
            .state
            .read()
            .judge_token(id, self.shared.cluster, now)
    }

    /// Whether a certificate's identity is backed now: by the object in its `daas://` URI, with its common
    /// name and organisations those that this object gives. Identities that nothing on the chain backs pass,
    /// unless they claim names or groups that need backing.
    pub fn check(
        &self,
        common_name: &str,
        organisations: &[String],
        uris: &[String],
    ) -> Result<(), NotLive> {
        let mut ours = uris.iter().filter(|uri| uri.starts_with("daas:"));
        let Some(uri) = ours.next() else {
            return unbacked(common_name, organisations);
        };
        if ours.next().is_some() {
            return Err(NotLive::Certificate("it names two objects"));
        }
        let backing: Backing = uri
            .parse()
            .map_err(|()| NotLive::Certificate("its URI is malformed"))?;
        match backing {
            Backing::Token(id) => self.check_node(common_name, organisations, Address::new(id)),
            Backing::Stake(id) => self.check_user(common_name, organisations, Address::new(id)),
        }
    }

    fn check_node(&self, name: &str, groups: &[String], token: Address) -> Result<(), NotLive> {
        self.check_token(token)?;
        if groups != ["system:nodes"] {
            return Err(NotLive::Certificate("its group is not system:nodes"));
        }
        let state = self.shared.state.read();
        let node = state.tokens.get(&token).ok_or(NotLive::UnknownToken)?;
        if name.strip_prefix("system:node:") == Some(node.node.as_str()) {
            Ok(())
        } else {
            Err(NotLive::Certificate("the Seal token is another node's"))
        }
    }

    fn check_user(&self, name: &str, groups: &[String], id: Address) -> Result<(), NotLive> {
        self.current()?;
        let state = self.shared.state.read();
        state.judge_stake(id, None)?;
        let stake = state.stakes.get(&id).ok_or(NotLive::UnknownStake)?;
        if name != stake.owner.to_string() {
            return Err(NotLive::OtherOwner);
        }
        if groups != [role_of(stake.tier).group()] {
            return Err(NotLive::OtherTier(stake.tier));
        }
        Ok(())
    }

    /// Takes in what was just read from the chain, before its events have arrived. What the view knows already
    /// stays.
    pub fn observe(&self, pool: &StakingPool, stake: &Stake, token: Option<&SealToken>) {
        let mut state = self.shared.state.write();
        for tier in [Tier::Node, Tier::User, Tier::Admin] {
            if let Some(params) = pool.tier(tier) {
                state.minimums.entry(tier).or_insert(params.minimum);
            }
        }
        state.stakes.entry(stake.id).or_insert_with(|| stake.into());
        if let Some(token) = token {
            state
                .by_stake
                .entry(token.stake_id)
                .or_default()
                .insert(token.id);
            let known = state.tokens.entry(token.id).or_insert_with(|| token.into());
            if token.generation > known.generation {
                *known = token.into();
            }
        }
        self.reassess(&mut state, stake.id);
    }

    /// Takes in an event.
    pub fn apply(&self, event: &Event) {
        let mut state = self.shared.state.write();
        match event {
            Event::TierChanged(changed) => {
                state.minimums.insert(changed.tier, changed.minimum);
                let all: Vec<Address> = state.stakes.keys().copied().collect();
                for stake in all {
                    self.reassess(&mut state, stake);
                }
            }
            other => {
                if let Some(stake) = state.apply(other) {
                    self.reassess(&mut state, stake);
                }
            }
        }
    }

    /// Announces what has expired. Returns when the next token will, milliseconds since 1970.
    pub fn expire(&self) -> Option<u64> {
        let now = unix_ms(self.shared.clock.now());
        let mut state = self.shared.state.write();
        let expired: Vec<Address> = state
            .live_tokens
            .iter()
            .filter_map(|id| state.tokens.get(id))
            .filter(|token| token.expires_at_ms <= now)
            .map(|token| token.stake)
            .collect();
        for stake in expired {
            self.reassess(&mut state, stake);
        }
        let live = state
            .live_tokens
            .iter()
            .filter_map(|id| state.tokens.get(id));
        live.map(|token| token.expires_at_ms).min()
    }

    /// The view was known to hold everything that the chain had at `at`.
    pub fn mark_fresh(&self, at: Instant) {
        let was = self.current().is_ok();
        *self.shared.fresh_at.write() = Some(at);
        if !was {
            self.shared
                .changes
                .send_modify(|change| *change = change.wrapping_add(1));
        }
    }

    /// Looks again at a stake and its tokens, and announces what stopped being live.
    fn reassess(&self, state: &mut State, stake: Address) {
        let now = unix_ms(self.shared.clock.now());
        let mut revoked = Vec::new();
        match state.judge_stake(stake, None) {
            Ok(()) => {
                state.live_stakes.insert(stake);
            }
            Err(reason) => {
                if state.live_stakes.remove(&stake)
                    && let Some(known) = state.stakes.get(&stake)
                {
                    let address = known.owner;
                    let subject = Subject::User { address, stake };
                    revoked.push(Revoked { subject, reason });
                }
            }
        }
        let tokens = state.by_stake.get(&stake).cloned().unwrap_or_default();
        for id in tokens {
            match state.judge_token(id, self.shared.cluster, now) {
                Ok(()) => {
                    state.live_tokens.insert(id);
                }
                Err(reason) => {
                    if state.live_tokens.remove(&id)
                        && let Some(token) = state.tokens.get(&id)
                    {
                        let node = token.node.clone();
                        let subject = Subject::Node { node, token: id };
                        revoked.push(Revoked { subject, reason });
                    }
                }
            }
        }
        if revoked.is_empty() {
            return;
        }
        for item in revoked {
            tracing::info!(subject = ?item.subject, reason = %item.reason, "an identity is no longer backed");
            // Without a receiver there is nobody to tell.
            let _ = self.shared.revoked.send(item);
        }
        self.shared
            .changes
            .send_modify(|change| *change = change.wrapping_add(1));
    }
}

impl State {
    fn judge_token(&self, id: Address, cluster: Address, now_ms: u64) -> Result<(), NotLive> {
        let token = self.tokens.get(&id).ok_or(NotLive::UnknownToken)?;
        judge::token(token, cluster, now_ms)?;
        self.judge_stake(token.stake, Some(Tier::Node))
    }

    fn judge_stake(&self, id: Address, tier: Option<Tier>) -> Result<(), NotLive> {
        let stake = self.stakes.get(&id).ok_or(NotLive::UnknownStake)?;
        let tier = tier.unwrap_or(stake.tier);
        // An unknown minimum is no reason to let anybody in.
        let minimum = self.minimums.get(&tier).copied().unwrap_or(u64::MAX);
        judge::stake(stake, tier, minimum)
    }

    /// Applies an event about one stake; returns which.
    fn apply(&mut self, event: &Event) -> Option<Address> {
        match event {
            Event::PoolCreated(pool) => {
                for (tier, params) in [Tier::Node, Tier::User, Tier::Admin]
                    .iter()
                    .zip(&pool.tiers)
                {
                    self.minimums.insert(*tier, params.minimum);
                }
            }
            Event::Staked(event) => {
                self.stakes.entry(event.stake_id).or_insert(StakeState {
                    owner: event.owner,
                    tier: event.tier,
                    status: StakeStatus::Active,
                    balance: event.amount,
                    slashed: 0,
                    jailed_until_ms: 0,
                    tombstoned: false,
                });
            }
            Event::ToppedUp(event) => {
                self.stakes.get_mut(&event.stake_id)?.balance = event.balance;
            }
            Event::PartUnstaked(event) => {
                self.stakes.get_mut(&event.stake_id)?.balance = event.balance;
            }
            Event::Jailed(event) => {
                self.stakes.get_mut(&event.stake_id)?.jailed_until_ms = event.until_ms;
            }
            Event::Unjailed(event) => {
                self.stakes.get_mut(&event.stake_id)?.jailed_until_ms = 0;
            }
            Event::Tombstoned(event) => {
                self.stakes.get_mut(&event.stake_id)?.tombstoned = true;
            }
            Event::UnstakeRequested(event) => {
                let stake = self.stakes.get_mut(&event.stake_id)?;
                advance(&mut stake.status, StakeStatus::Unbonding);
            }
            Event::Withdrawn(event) => {
                let stake = self.stakes.get_mut(&event.stake_id)?;
                advance(&mut stake.status, StakeStatus::Withdrawn);
                stake.balance = 0;
            }
            Event::Slashed(event) => {
                let stake = self.stakes.get_mut(&event.stake_id)?;
                advance(&mut stake.status, event.status);
                stake.balance = event.remaining;
                stake.slashed = stake.slashed.saturating_add(event.amount);
            }
            Event::SealTokenCreated(event) => {
                self.by_stake
                    .entry(event.stake_id)
                    .or_default()
                    .insert(event.token_id);
                self.tokens.entry(event.token_id).or_insert(TokenState {
                    stake: event.stake_id,
                    owner: event.owner,
                    cluster: event.cluster_id,
                    node: event.node_id.clone(),
                    node_key: event.node_key.clone(),
                    commitment: event.commitment.clone(),
                    permissions: event.permissions,
                    expires_at_ms: event.expires_at_ms,
                    revoked: false,
                    generation: 0,
                });
            }
            Event::SealTokenRenewed(event) => {
                let token = self.tokens.get_mut(&event.token_id)?;
                if event.generation > token.generation {
                    token.commitment.clone_from(&event.commitment);
                    token.permissions = event.permissions;
                    token.expires_at_ms = event.expires_at_ms;
                    token.generation = event.generation;
                }
            }
            Event::SealTokenRekeyed(event) => {
                let token = self.tokens.get_mut(&event.token_id)?;
                if event.generation > token.generation {
                    token.node_key.clone_from(&event.node_key);
                    token.commitment.clone_from(&event.commitment);
                    token.generation = event.generation;
                }
            }
            Event::SealTokenRevoked(event) => self.tokens.get_mut(&event.token_id)?.revoked = true,
            _ => {}
        }
        event.stake()
    }
}

/// An identity without anything on the chain behind it: our own parts and the local administrator.
fn unbacked(common_name: &str, organisations: &[String]) -> Result<(), NotLive> {
    let needs_backing = common_name.starts_with("system:node:")
        || common_name.starts_with("0x")
        || organisations.iter().any(|group| {
            group == "system:nodes" || group == "daas:user" || group == "daas:operator"
        });
    if needs_backing {
        Err(NotLive::Certificate("nothing on the chain backs it"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
