//! The functions of the module `upgrades`, statement by statement as in `upgrades.move`.

use super::Parameter::{Mut, Ref, Value};
use super::staking::function;
use super::{Function, PACKAGE_VERSION};
use crate::abort::upgrades as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::framework::{Clock, UpgradeCap, UpgradeReceipt, UpgradeTicket};
use crate::layout::params::Params;
use crate::layout::upgrades::{
    Proposal, UpgradeAuthorized, UpgradeCancelled, UpgradeCapHeld, UpgradeCommitted,
    UpgradeProposed, Upgrades, UpgradesCreated, UpgradesMigrated,
};
use crate::types::{Ty, encode};
use sui_sdk_types::Address;

const DIGEST_LENGTH: usize = 32;
const GRACE_MS: u64 = 14 * 86_400_000;

const UPGRADES: Ty = Ty::Package("upgrades", "Upgrades");
const PARAMS: Ty = Ty::Package("params", "Params");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const UPGRADE_CAP: Ty = Ty::Sui("package", "UpgradeCap");
const TICKET: Ty = Ty::Sui("package", "UpgradeTicket");
const RECEIPT: Ty = Ty::Sui("package", "UpgradeReceipt");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(hold(Ref(ADMIN_CAP), Mut(UPGRADES), Value(UPGRADE_CAP)) -> []),
    function!(propose(
        Ref(ADMIN_CAP), Mut(UPGRADES), Ref(PARAMS), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(cancel(Ref(ADMIN_CAP), Mut(UPGRADES)) -> []),
    function!(authorize(Ref(ADMIN_CAP), Mut(UPGRADES), Ref(Ty::Clock)) -> [TICKET]),
    function!(commit(Mut(UPGRADES), Value(RECEIPT)) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(UPGRADES)) -> []),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let upgrades = Upgrades {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        cap: None,
        pending: None,
    };
    call.emit(&UpgradesCreated {
        upgrades_id: upgrades.id,
    });
    call.share(&upgrades)
}

fn hold(call: &mut Call<'_>) -> Returns {
    let mut upgrades: Upgrades = call.get(1)?;
    let cap: UpgradeCap = call.get(2)?;
    call.assert(upgrades.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(upgrades.cap.is_none(), code::HELD)?;
    call.emit(&UpgradeCapHeld {
        upgrades_id: upgrades.id,
        cap_id: cap.id,
        package_id: cap.package,
        version: cap.version,
        policy: cap.policy,
    });
    call.delete(cap.id);
    upgrades.cap = Some(cap);
    call.set(1, &upgrades)?;
    Ok(vec![])
}

fn propose(call: &mut Call<'_>) -> Returns {
    let mut upgrades: Upgrades = call.get(1)?;
    let params: Params = call.get(2)?;
    let digest: Vec<u8> = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    call.assert(upgrades.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(upgrades.cap.is_some(), code::NOT_HELD)?;
    call.assert(upgrades.pending.is_none(), code::PENDING)?;
    call.assert(digest.len() == DIGEST_LENGTH, code::INVALID_DIGEST)?;
    let ready_at_ms = add(now, params.delay_ms)?;
    upgrades.pending = Some(Proposal {
        digest: digest.clone(),
        ready_at_ms,
    });
    call.emit(&UpgradeProposed {
        upgrades_id: upgrades.id,
        digest,
        ready_at_ms,
    });
    call.set(1, &upgrades)?;
    Ok(vec![])
}

fn cancel(call: &mut Call<'_>) -> Returns {
    let mut upgrades: Upgrades = call.get(1)?;
    call.assert(upgrades.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let proposal = upgrades.pending.take();
    let proposal = proposal.ok_or(call.abort(code::NOT_PENDING))?;
    call.emit(&UpgradeCancelled {
        upgrades_id: upgrades.id,
        digest: proposal.digest,
    });
    call.set(1, &upgrades)?;
    Ok(vec![])
}

fn authorize(call: &mut Call<'_>) -> Returns {
    /// `sui::package::EAlreadyAuthorized`
    const ALREADY_AUTHORIZED: u64 = 2;
    let mut upgrades: Upgrades = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(upgrades.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let proposal = upgrades.pending.take();
    let proposal = proposal.ok_or(call.abort(code::NOT_PENDING))?;
    call.assert(now >= proposal.ready_at_ms, code::TIMELOCKED)?;
    call.assert(now - proposal.ready_at_ms <= GRACE_MS, code::EXPIRED)?;
    call.emit(&UpgradeAuthorized {
        upgrades_id: upgrades.id,
        digest: proposal.digest.clone(),
    });
    let cap = upgrades.cap.as_mut().ok_or(Failure::Invariant)?;
    if cap.package == Address::ZERO {
        return Err(call.abort_at(
            Address::TWO,
            "package",
            "authorize_upgrade",
            ALREADY_AUTHORIZED,
        ));
    }
    let ticket = UpgradeTicket {
        cap: cap.id,
        package: cap.package,
        policy: cap.policy,
        digest: proposal.digest,
    };
    cap.package = Address::ZERO;
    call.set(1, &upgrades)?;
    Ok(vec![encode(&ticket)])
}

fn commit(call: &mut Call<'_>) -> Returns {
    /// `sui::package::EWrongUpgradeCap`, `ENotAuthorized`
    const WRONG_CAP: u64 = 4;
    const NOT_AUTHORIZED: u64 = 3;
    let mut upgrades: Upgrades = call.get(0)?;
    let receipt: UpgradeReceipt = call.get(1)?;
    call.assert(upgrades.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(upgrades.cap.is_some(), code::NOT_HELD)?;
    let refuse =
        |call: &Call<'_>, code| call.abort_at(Address::TWO, "package", "commit_upgrade", code);
    let cap = upgrades.cap.as_mut().ok_or(Failure::Invariant)?;
    if cap.id != receipt.cap {
        return Err(refuse(call, WRONG_CAP));
    }
    if cap.package != Address::ZERO {
        return Err(refuse(call, NOT_AUTHORIZED));
    }
    cap.package = receipt.package;
    cap.version = add(cap.version, 1)?;
    let version = cap.version;
    call.emit(&UpgradeCommitted {
        upgrades_id: upgrades.id,
        package_id: receipt.package,
        version,
    });
    call.set(0, &upgrades)?;
    Ok(vec![])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut upgrades: Upgrades = call.get(1)?;
    call.assert(upgrades.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    upgrades.version = PACKAGE_VERSION;
    call.emit(&UpgradesMigrated {
        upgrades_id: upgrades.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &upgrades)?;
    Ok(vec![])
}
