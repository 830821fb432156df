//! Stakes and what stands behind them.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::{StakeStatus, Tier};

/// `staking::TierParams`: parameters of a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierParams {
    /// The least stake that counts, MIST.
    pub minimum: u64,
    /// How long a stake cannot be asked back, milliseconds from staking.
    pub lockup_ms: u64,
}

/// `staking::StakingPool`: parameters, totals and the treasury. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakingPool {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// By tier number.
    pub tiers: Vec<TierParams>,
    /// From the request to the withdrawal, milliseconds.
    pub unbonding_ms: u64,
    /// The bounds of delegation.
    pub delegation: DelegationRules,
    /// MIST in active stakes, and delegated.
    pub total_active: u64,
    /// MIST in unbonding stakes, and in all queues.
    pub total_unbonding: u64,
    /// MIST slashed so far.
    pub total_slashed: u64,
    /// How many stakes were ever made.
    pub stakes_created: u64,
    /// Slashed MIST not yet taken out by governance.
    pub treasury: u64,
    /// Whether new stake and new tokens are stopped.
    pub paused: bool,
}

impl StakingPool {
    /// Parameters of a tier.
    #[must_use]
    pub fn tier(&self, tier: Tier) -> Option<&TierParams> {
        self.tiers.get(usize::from(tier.code()))
    }

    /// Whether a stake counts for a tier now: it is of that tier, in good standing, and of its owner's
    /// own at or above the minimum. The same as `staking::has_sufficient_stake`.
    #[must_use]
    pub fn has_sufficient_stake(&self, stake: &Stake, tier: Tier) -> bool {
        stake.tier == tier
            && stake.is_good()
            && self
                .tier(tier)
                .is_some_and(|params| stake.balance >= params.minimum)
    }
}

/// `staking::Stake`. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stake {
    /// Object id.
    pub id: Address,
    /// Who staked and who alone can withdraw.
    pub owner: Address,
    /// What it is for.
    pub tier: Tier,
    /// Where it is in its life.
    pub status: StakeStatus,
    /// MIST of its owner's own.
    pub balance: u64,
    /// MIST slashed so far, others' included.
    pub slashed: u64,
    /// When it was made, milliseconds since 1970.
    pub staked_at_ms: u64,
    /// Before this it cannot be asked back.
    pub locked_until_ms: u64,
    /// While unbonding: when it can be withdrawn; otherwise 0.
    pub withdrawable_at_ms: u64,
    /// MIST of the balance that came in `fresh_epoch`: they weigh from the next epoch on.
    pub fresh: u64,
    /// See `fresh`.
    pub fresh_epoch: u64,
    /// What others delegated.
    pub delegated: Shared,
    /// Shares of `delegated` that came in `shares_epoch`.
    pub fresh_shares: u128,
    /// See `fresh_shares`.
    pub shares_epoch: u64,
    /// Of what the delegators earn, basis points.
    pub commission: u64,
    /// When the commission was set, milliseconds since 1970.
    pub commission_set_at_ms: u64,
    /// What is being given back, to its owner and to delegators.
    pub queue: Shared,
    /// Cases that are pending. Nothing leaves while there is one.
    pub cases: u64,
    /// While jailed: the end of the sentence; otherwise 0.
    pub jailed_until_ms: u64,
    /// Sentences so far.
    pub jailings: u64,
    /// When the last sentence ended.
    pub released_at_ms: u64,
    /// It never counts again.
    pub tombstoned: bool,
    /// Keys that its node had before, the newest last.
    pub former_keys: Vec<FormerKey>,
}

impl Stake {
    /// Whether it is active, and neither jailed nor tombstoned: it counts, its amount apart.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status == StakeStatus::Active && self.jailed_until_ms == 0 && !self.tombstoned
    }

    /// MIST that a slash reaches.
    #[must_use]
    pub fn at_stake(&self) -> u64 {
        self.balance
            .saturating_add(self.delegated.balance)
            .saturating_add(self.queue.balance)
    }
}

/// `staking::DelegationRules`: the bounds of delegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRules {
    /// The greatest commission, basis points.
    pub most_commission: u64,
    /// How much it may rise in a day, basis points.
    pub commission_step: u64,
    /// The least delegation, MIST.
    pub minimum: u64,
}

/// `shares::Shared`: MIST that several own together, in shares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// MIST.
    pub balance: u64,
    /// All shares, the thousand virtual ones apart.
    pub shares: u128,
    /// How often all shares were void.
    pub generation: u64,
}

impl Shared {
    /// MIST that some of the shares are worth; as `shares::worth`, for amounts that there can be.
    #[must_use]
    pub fn worth(&self, shares: u128) -> u64 {
        let held = u128::from(self.balance).saturating_add(1);
        let all = self.shares.saturating_add(1_000);
        let worth = match shares.checked_mul(held) {
            Some(product) => product.checked_div(all).unwrap_or(0),
            // Wider than 128 bits only beyond all SUI: good to nine digits.
            None => {
                shares
                    .checked_div(all / 1_000_000_000)
                    .unwrap_or(0)
                    .saturating_mul(held)
                    / 1_000_000_000
            }
        };
        u64::try_from(worth).unwrap_or(u64::MAX).min(self.balance)
    }
}

/// `staking::FormerKey`: a key that a stake's node had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    /// The Ed25519 public key.
    pub key: Vec<u8>,
    /// When it was replaced, milliseconds since 1970.
    pub retired_at_ms: u64,
}

/// `unbonding::Unbonding`: a part of a stake's queue. Whoever holds it takes it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbonding {
    /// Object id.
    pub id: Address,
    /// Whose queue.
    pub stake_id: Address,
    /// Of the queue.
    pub shares: u128,
    /// Of the queue's shares.
    pub generation: u64,
    /// From when it can be redeemed, milliseconds since 1970.
    pub withdrawable_at_ms: u64,
}

/// `delegation::Delegation`: shares of what is delegated to one stake. Whoever holds it has all rights to
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Object id.
    pub id: Address,
    /// To which stake.
    pub stake_id: Address,
    /// Of what is delegated to it.
    pub shares: u128,
    /// In which epoch it was made.
    pub epoch: u64,
    /// Whether it earns already.
    pub earns: bool,
    /// Up to where it is settled.
    pub per_share: u128,
    /// Settled and not yet claimed, MIST.
    pub owed: u64,
}

/// `node_keys::RotationStatement`: what a node's new key signs, as BCS with Ed25519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationStatement {
    /// [`RotationStatement::INTENT`].
    pub intent: u8,
    /// The Seal token.
    pub token_id: Address,
    /// The token's, which the rotation ends.
    pub generation: u64,
    /// The key until now.
    pub old_key: Vec<u8>,
    /// The key that signs.
    pub new_key: Vec<u8>,
}

impl RotationStatement {
    /// The intent of a rotation: no other signature of the key can be taken for one.
    pub const INTENT: u8 = 32;
}
