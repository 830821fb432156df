// SPDX-License-Identifier: Apache-2.0

/// Rotation of a node's key.
///
/// The owner puts a new key, of which possession is proved, in the place of the one in the Seal token. At
/// most once a day, not while a case is pending; the stake remembers the old key, so that what it signed
/// stays evidence.
module k3s_daas::node_keys;

use k3s_daas::k8s_gateway::{Gateway, SealToken};
use k3s_daas::staking::{Stake, StakingPool};
use sui::bcs;
use sui::clock::Clock;
use sui::ed25519;

// === Abort codes ===

/// The sender does not own the stake.
const ENotOwner: u64 = 1;
/// The stake is not the token's.
const EWrongStake: u64 = 2;
/// The key is the present one, or one that the stake had before.
const EKeyUsed: u64 = 3;
/// The proof is not the new key's signature over the rotation.
const EInvalidProof: u64 = 4;

/// Apart from the intents of the enclaves' statements.
const INTENT_ROTATION: u8 = 32;

/// What the new key signs, as BCS.
public struct RotationStatement has copy, drop {
    intent: u8,
    token_id: ID,
    /// The token's, which the rotation ends.
    generation: u64,
    old_key: vector<u8>,
    new_key: vector<u8>,
}

/// Gives the node of the sender's token a new key, and the token a commitment over it.
public fun rotate(
    pool: &StakingPool,
    gateway: &mut Gateway,
    stake: &mut Stake,
    token: &mut SealToken,
    new_key: vector<u8>,
    proof: vector<u8>,
    commitment: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(stake.owner() == ctx.sender(), ENotOwner);
    assert!(token.stake_id() == object::id(stake), EWrongStake);
    let old_key = token.node_key();
    assert!(new_key != old_key && !stake.had_key(&new_key), EKeyUsed);
    let statement = bcs::to_bytes(&RotationStatement {
        intent: INTENT_ROTATION,
        token_id: object::id(token),
        generation: token.generation(),
        old_key,
        new_key,
    });
    assert!(ed25519::ed25519_verify(&proof, &new_key, &statement), EInvalidProof);
    pool.retire_key(stake, old_key, clock);
    gateway.rekey(token, new_key, commitment);
}
