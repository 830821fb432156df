//! The function of the module `node_keys`, statement by statement as in `node_keys.move`.

use super::Function;
use super::Parameter::{Mut, Ref, Value};
use super::k8s_gateway::rekey;
use super::slashing::verify;
use super::staking::{function, had_key, retire_key};
use crate::abort::node_keys as code;
use crate::execute::call::{Call, Returns};
use crate::layout::framework::Clock;
use crate::layout::k8s_gateway::{Gateway, SealToken};
use crate::layout::node_keys::{INTENT_ROTATION, RotationStatement};
use crate::layout::staking::{Stake, StakingPool};
use crate::types::{Ty, encode};

const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const GATEWAY: Ty = Ty::Package("k8s_gateway", "Gateway");
const TOKEN: Ty = Ty::Package("k8s_gateway", "SealToken");

pub(super) const FUNCTIONS: &[Function] = &[function!(rotate(
    Ref(POOL), Mut(GATEWAY), Mut(STAKE), Mut(TOKEN), Value(Ty::Bytes), Value(Ty::Bytes),
    Value(Ty::Bytes), Ref(Ty::Clock)
) ctx -> [])];

fn rotate(call: &mut Call<'_>) -> Returns {
    let pool: StakingPool = call.get(0)?;
    let gateway: Gateway = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let mut token: SealToken = call.get(3)?;
    let new_key: Vec<u8> = call.get(4)?;
    let proof: Vec<u8> = call.get(5)?;
    let commitment: Vec<u8> = call.get(6)?;
    let now = call.get::<Clock>(7)?.timestamp_ms;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(token.stake_id == stake.id, code::WRONG_STAKE)?;
    let old_key = token.node_key.clone();
    let unused = new_key != old_key && !had_key(&stake, &new_key);
    call.assert(unused, code::KEY_USED)?;
    let statement = encode(&RotationStatement {
        intent: INTENT_ROTATION,
        token_id: token.id,
        generation: token.generation,
        old_key: old_key.clone(),
        new_key: new_key.clone(),
    });
    let proved = verify(&proof, &new_key, &statement);
    call.assert(proved, code::INVALID_PROOF)?;
    retire_key(call, &pool, &mut stake, old_key, now)?;
    rekey(call, &gateway, &mut token, new_key, commitment)?;
    call.set(2, &stake)?;
    call.set(3, &token)?;
    Ok(vec![])
}
