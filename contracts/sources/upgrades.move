// SPDX-License-Identifier: Apache-2.0

/// Upgrades of the package behind a timelock.
///
/// Whoever published the package hands its `UpgradeCap` in here, for good. From then on an upgrade
/// is proposed by the digest of its modules, seen by everybody for the timelock of `params`, and only
/// then authorised: one transaction takes the ticket, upgrades, and gives the receipt back.
module k3s_daas::upgrades;

use k3s_daas::params::Params;
use k3s_daas::staking::AdminCap;
use sui::clock::Clock;
use sui::event;
use sui::package::{UpgradeCap, UpgradeReceipt, UpgradeTicket};

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// A capability is held already.
const EHeld: u64 = 1;
/// No capability is held.
const ENotHeld: u64 = 2;
/// An upgrade is proposed already.
const EPending: u64 = 3;
/// No upgrade is proposed.
const ENotPending: u64 = 4;
/// The digest is not 32 bytes.
const EInvalidDigest: u64 = 5;
/// The upgrade's time has not come.
const ETimelocked: u64 = 6;
/// The upgrade's time is over.
const EExpired: u64 = 7;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 8;

const DIGEST_LENGTH: u64 = 32;
/// How long an upgrade can be authorised once its time has come.
const GRACE_MS: u64 = 14 * 86_400_000;

// === Objects ===

/// Holds the capability. Shared.
public struct Upgrades has key {
    id: UID,
    version: u64,
    cap: Option<UpgradeCap>,
    pending: Option<Proposal>,
}

/// A proposed upgrade.
public struct Proposal has copy, drop, store {
    /// Of the modules and dependencies, as Sui computes it.
    digest: vector<u8>,
    ready_at_ms: u64,
}

// === Events ===

public struct UpgradesCreated has copy, drop {
    upgrades_id: ID,
}

public struct UpgradeCapHeld has copy, drop {
    upgrades_id: ID,
    cap_id: ID,
    package_id: ID,
    version: u64,
    policy: u8,
}

public struct UpgradeProposed has copy, drop {
    upgrades_id: ID,
    digest: vector<u8>,
    ready_at_ms: u64,
}

public struct UpgradeCancelled has copy, drop {
    upgrades_id: ID,
    digest: vector<u8>,
}

public struct UpgradeAuthorized has copy, drop {
    upgrades_id: ID,
    digest: vector<u8>,
}

public struct UpgradeCommitted has copy, drop {
    upgrades_id: ID,
    package_id: ID,
    version: u64,
}

public struct UpgradesMigrated has copy, drop {
    upgrades_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let upgrades = Upgrades {
        id: object::new(ctx),
        version: VERSION,
        cap: option::none(),
        pending: option::none(),
    };
    event::emit(UpgradesCreated { upgrades_id: object::id(&upgrades) });
    transfer::share_object(upgrades);
}

/// Takes the package's capability in. There is no way out for it.
public fun hold(_: &AdminCap, upgrades: &mut Upgrades, cap: UpgradeCap) {
    assert!(upgrades.version == VERSION, EWrongVersion);
    assert!(upgrades.cap.is_none(), EHeld);
    event::emit(UpgradeCapHeld {
        upgrades_id: object::id(upgrades),
        cap_id: object::id(&cap),
        package_id: cap.package(),
        version: cap.version(),
        policy: cap.policy(),
    });
    upgrades.cap.fill(cap);
}

/// Proposes an upgrade. It can be authorised after the present timelock.
public fun propose(
    _: &AdminCap,
    upgrades: &mut Upgrades,
    params: &Params,
    digest: vector<u8>,
    clock: &Clock,
) {
    assert!(upgrades.version == VERSION, EWrongVersion);
    assert!(upgrades.cap.is_some(), ENotHeld);
    assert!(upgrades.pending.is_none(), EPending);
    assert!(digest.length() == DIGEST_LENGTH, EInvalidDigest);
    let ready_at_ms = clock.timestamp_ms() + params.delay_ms();
    upgrades.pending.fill(Proposal { digest, ready_at_ms });
    event::emit(UpgradeProposed { upgrades_id: object::id(upgrades), digest, ready_at_ms });
}

/// Takes the proposal back.
public fun cancel(_: &AdminCap, upgrades: &mut Upgrades) {
    assert!(upgrades.version == VERSION, EWrongVersion);
    assert!(upgrades.pending.is_some(), ENotPending);
    let Proposal { digest, .. } = upgrades.pending.extract();
    event::emit(UpgradeCancelled { upgrades_id: object::id(upgrades), digest });
}

/// Authorises the proposed upgrade, whose time has come. The ticket must be used in the same
/// transaction.
public fun authorize(_: &AdminCap, upgrades: &mut Upgrades, clock: &Clock): UpgradeTicket {
    assert!(upgrades.version == VERSION, EWrongVersion);
    assert!(upgrades.pending.is_some(), ENotPending);
    let Proposal { digest, ready_at_ms } = upgrades.pending.extract();
    let now = clock.timestamp_ms();
    assert!(now >= ready_at_ms, ETimelocked);
    assert!(now - ready_at_ms <= GRACE_MS, EExpired);
    event::emit(UpgradeAuthorized { upgrades_id: object::id(upgrades), digest });
    let cap = upgrades.cap.borrow_mut();
    let policy = cap.policy();
    cap.authorize(policy, digest)
}

/// Takes the receipt of the upgrade.
public fun commit(upgrades: &mut Upgrades, receipt: UpgradeReceipt) {
    assert!(upgrades.version == VERSION, EWrongVersion);
    assert!(upgrades.cap.is_some(), ENotHeld);
    let cap = upgrades.cap.borrow_mut();
    cap.commit(receipt);
    let (package_id, version) = (cap.package(), cap.version());
    event::emit(UpgradeCommitted { upgrades_id: object::id(upgrades), package_id, version });
}

/// Hands the object to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, upgrades: &mut Upgrades) {
    assert!(upgrades.version < VERSION, ENotAnUpgrade);
    upgrades.version = VERSION;
    event::emit(UpgradesMigrated { upgrades_id: object::id(upgrades), version: VERSION });
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(upgrades: &mut Upgrades, version: u64) {
    upgrades.version = version;
}
