//! The functions of the module `params`, statement by statement as in `params.move`.

use super::Parameter::{Mut, Ref, Value};
use super::anchors::set_oldest_statement;
use super::k8s_gateway::set_rules as set_gateway_rules;
use super::rewards::set_emission;
use super::slashing::{set_rules, windows};
use super::staking::{function, set_delegation, set_paused as pause, set_tier, set_unbonding};
use super::{Function, PACKAGE_VERSION};
use crate::abort::params as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::anchors::Anchors;
use crate::layout::framework::Clock;
use crate::layout::k8s_gateway::{Gateway, GatewayRules};
use crate::layout::params::{
    CHANGE_ANCHORS, CHANGE_DELEGATION, CHANGE_EMISSION, CHANGE_GATEWAY, CHANGE_RULES, CHANGE_TIER,
    CHANGE_UNBONDING, Change, ChangeCancelled, ChangeExecuted, ChangeProposed, DelayChanged,
    Params, ParamsCreated, ParamsMigrated,
};
use crate::layout::rewards::Rewards;
use crate::layout::slashing::{Docket, Rules};
use crate::layout::staking::{DelegationRules, StakingPool};
use crate::types::{Ty, encode};

const KINDS: u8 = 8;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
const SHORTEST_DELAY_MS: u64 = MINUTE_MS;
const LONGEST_DELAY_MS: u64 = 30 * DAY_MS;
const GRACE_MS: u64 = 14 * DAY_MS;
const MOST_PENDING: usize = 16;

const PARAMS: Ty = Ty::Package("params", "Params");
const POOL: Ty = Ty::Package("staking", "StakingPool");
const REWARDS: Ty = Ty::Package("rewards", "Rewards");
const DOCKET: Ty = Ty::Package("slashing", "Docket");
const GATEWAY: Ty = Ty::Package("k8s_gateway", "Gateway");
const ANCHORS: Ty = Ty::Package("anchors", "Anchors");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(propose(
        Ref(ADMIN_CAP), Mut(PARAMS), Value(Ty::U8), Value(Ty::U64s), Ref(Ty::Clock)
    ) -> [Ty::U64]),
    function!(cancel(Ref(ADMIN_CAP), Mut(PARAMS), Value(Ty::U64), Ref(Ty::Clock)) -> []),
    function!(execute(
        Mut(PARAMS), Mut(POOL), Mut(DOCKET), Mut(REWARDS), Value(Ty::U64), Ref(Ty::Clock)
    ) -> []),
    function!(execute_gateway(
        Mut(PARAMS), Mut(GATEWAY), Value(Ty::U64), Ref(Ty::Clock)
    ) -> []),
    function!(execute_anchors(
        Mut(PARAMS), Mut(ANCHORS), Value(Ty::U64), Ref(Ty::Clock)
    ) -> []),
    function!(delay_ms(Ref(PARAMS)) -> [Ty::U64]),
    function!(set_paused(Ref(ADMIN_CAP), Ref(PARAMS), Mut(POOL), Value(Ty::Bool)) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(PARAMS)) -> []),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let params = Params {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        delay_ms: 2 * DAY_MS,
        proposed: 0,
        pending: Vec::new(),
    };
    call.emit(&ParamsCreated {
        params_id: params.id,
        delay_ms: params.delay_ms,
    });
    call.share(&params)
}

fn propose(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(1)?;
    let kind: u8 = call.get(2)?;
    let values: Vec<u64> = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    call.assert(params.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(kind < KINDS, code::UNKNOWN_KIND)?;
    call.assert(values.len() == length_of(kind), code::MALFORMED)?;
    let tier = values.first().is_some_and(|tier| *tier <= 255);
    call.assert(kind != CHANGE_TIER || tier, code::MALFORMED)?;
    call.assert(params.pending.len() < MOST_PENDING, code::FULL)?;
    let change = Change {
        number: params.proposed,
        kind,
        values,
        ready_at_ms: add(now, params.delay_ms)?,
    };
    params.proposed = add(params.proposed, 1)?;
    params.pending.push(change.clone());
    call.emit(&ChangeProposed {
        params_id: params.id,
        number: change.number,
        kind,
        values: change.values,
        ready_at_ms: change.ready_at_ms,
    });
    call.set(1, &params)?;
    Ok(vec![encode(&change.number)])
}

fn cancel(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(1)?;
    let number: u64 = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(params.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    take(call, &mut params, number)?;
    call.emit(&ChangeCancelled {
        params_id: params.id,
        number,
        at_ms: now,
    });
    call.set(1, &params)?;
    Ok(vec![])
}

fn execute(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(0)?;
    let mut pool: StakingPool = call.get(1)?;
    let mut docket: Docket = call.get(2)?;
    let mut rewards: Rewards = call.get(3)?;
    let number: u64 = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    let change = due(call, &mut params, number, now)?;
    let general = !matches!(change.kind, CHANGE_GATEWAY | CHANGE_ANCHORS);
    call.assert(general, code::WRONG_TARGET)?;
    match (change.kind, change.values.as_slice()) {
        (CHANGE_TIER, [tier, minimum, lockup_ms]) => {
            let tier = u8::try_from(*tier).map_err(|_| Failure::Arithmetic)?;
            set_tier(call, &mut pool, tier, *minimum, *lockup_ms)?;
        }
        (CHANGE_UNBONDING, [unbonding_ms]) => {
            let enough = *unbonding_ms >= pool.unbonding_ms || *unbonding_ms >= windows(&docket)?;
            call.assert(enough, code::OUT_OF_BOUNDS)?;
            set_unbonding(call, &mut pool, *unbonding_ms)?;
        }
        (
            CHANGE_RULES,
            [
                evidence,
                appeal,
                bond,
                share,
                p0,
                p1,
                p2,
                p3,
                cap,
                correlated,
                sentence,
            ],
        ) => {
            let rules = Rules {
                evidence_window_ms: *evidence,
                appeal_window_ms: *appeal,
                bond: *bond,
                reporter_share: *share,
                penalties: vec![*p0, *p1, *p2, *p3],
                period_cap: *cap,
                correlated: *correlated,
                sentence_ms: *sentence,
            };
            set_rules(call, &mut docket, &pool, rules)?;
        }
        (CHANGE_EMISSION, [emission]) => {
            set_emission(call, &mut rewards, *emission, now)?;
        }
        (CHANGE_DELEGATION, [most_commission, commission_step, minimum]) => {
            let delegation = DelegationRules {
                most_commission: *most_commission,
                commission_step: *commission_step,
                minimum: *minimum,
            };
            set_delegation(call, &mut pool, delegation)?;
        }
        (_, [delay_ms]) => {
            let bounded = (SHORTEST_DELAY_MS..=LONGEST_DELAY_MS).contains(delay_ms);
            call.assert(bounded, code::OUT_OF_BOUNDS)?;
            params.delay_ms = *delay_ms;
            call.emit(&DelayChanged {
                params_id: params.id,
                delay_ms: *delay_ms,
            });
        }
        _ => return Err(Failure::Invariant),
    }
    executed(call, &params, number, now);
    call.set(0, &params)?;
    call.set(1, &pool)?;
    call.set(2, &docket)?;
    call.set(3, &rewards)?;
    Ok(vec![])
}

fn execute_gateway(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(0)?;
    let mut gateway: Gateway = call.get(1)?;
    let number: u64 = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    let change = due(call, &mut params, number, now)?;
    call.assert(change.kind == CHANGE_GATEWAY, code::WRONG_TARGET)?;
    let [shortest, longest, factor, oldest] = change.values.as_slice() else {
        return Err(Failure::Invariant);
    };
    let rules = GatewayRules {
        shortest_ttl_ms: *shortest,
        longest_ttl_ms: *longest,
        system_factor: *factor,
        oldest_statement_ms: *oldest,
    };
    set_gateway_rules(call, &mut gateway, rules)?;
    executed(call, &params, number, now);
    call.set(0, &params)?;
    call.set(1, &gateway)?;
    Ok(vec![])
}

fn execute_anchors(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(0)?;
    let mut anchors: Anchors = call.get(1)?;
    let number: u64 = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    let change = due(call, &mut params, number, now)?;
    call.assert(change.kind == CHANGE_ANCHORS, code::WRONG_TARGET)?;
    let [oldest] = change.values.as_slice() else {
        return Err(Failure::Invariant);
    };
    set_oldest_statement(call, &mut anchors, *oldest)?;
    executed(call, &params, number, now);
    call.set(0, &params)?;
    call.set(1, &anchors)?;
    Ok(vec![])
}

fn delay_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Params>(0)?.delay_ms)])
}

/// Takes a change out whose time has come.
fn due(call: &Call<'_>, params: &mut Params, number: u64, now: u64) -> Result<Change, Failure> {
    call.assert(params.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let change = take(call, params, number)?;
    call.assert(now >= change.ready_at_ms, code::TIMELOCKED)?;
    call.assert(now - change.ready_at_ms <= GRACE_MS, code::EXPIRED)?;
    Ok(change)
}

fn executed(call: &mut Call<'_>, params: &Params, number: u64, now: u64) {
    call.emit(&ChangeExecuted {
        params_id: params.id,
        number,
        at_ms: now,
    });
}

fn set_paused(call: &mut Call<'_>) -> Returns {
    let params: Params = call.get(1)?;
    let mut pool: StakingPool = call.get(2)?;
    let paused: bool = call.get(3)?;
    call.assert(params.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(pool.paused != paused, code::UNCHANGED)?;
    pause(call, &mut pool, paused)?;
    call.set(2, &pool)?;
    Ok(vec![])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut params: Params = call.get(1)?;
    call.assert(params.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    params.version = PACKAGE_VERSION;
    call.emit(&ParamsMigrated {
        params_id: params.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &params)?;
    Ok(vec![])
}

fn length_of(kind: u8) -> usize {
    match kind {
        CHANGE_TIER | CHANGE_DELEGATION => 3,
        CHANGE_RULES => 11,
        CHANGE_GATEWAY => 4,
        _ => 1,
    }
}

fn take(call: &Call<'_>, params: &mut Params, number: u64) -> Result<Change, Failure> {
    let mut changes = params.pending.iter();
    match changes.position(|change| change.number == number) {
        Some(index) => Ok(params.pending.remove(index)),
        None => Err(call.abort(code::UNKNOWN_CHANGE)),
    }
}
