// SPDX-License-Identifier: Apache-2.0

/// Everything that the tests act on, and one short function for each act.
#[test_only]
module k3s_daas::fixture;

use k3s_daas::anchors::{Self, Anchors};
use k3s_daas::delegation::{Self, Delegation};
use k3s_daas::enclave_registry::{Self, Cluster, ClusterCap, Enclave};
use k3s_daas::k8s_gateway::{Self, Gateway, SealToken};
use k3s_daas::node_keys;
use k3s_daas::params::{Self, Params};
use k3s_daas::rewards::{Self, Escrow, Rewards};
use k3s_daas::slashing::{Self, Case, Docket};
use k3s_daas::staking::{Self, AdminCap, SlashCap, Stake, StakingPool};
use k3s_daas::unbonding::{Self, Unbonding};
use std::string::String;
use std::unit_test::destroy;
use sui::clock::{Self, Clock};
use sui::balance;
use sui::coin::{Self, Coin};
use sui::sui::SUI;
use sui::test_scenario;

const PUBLISHER: address = @0xAD;

public struct World {
    clock: Clock,
    pool: StakingPool,
    gateway: Gateway,
    docket: Docket,
    anchors: Anchors,
    params: Params,
    rewards: Rewards,
    admin: AdminCap,
    slash: SlashCap,
    transactions: u64,
}

/// As published.
public fun begin(): World {
    let mut scenario = test_scenario::begin(PUBLISHER);
    staking::init_for_testing(scenario.ctx());
    k8s_gateway::init_for_testing(scenario.ctx());
    slashing::init_for_testing(scenario.ctx());
    anchors::init_for_testing(scenario.ctx());
    params::init_for_testing(scenario.ctx());
    rewards::init_for_testing(scenario.ctx());
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(1_000_000);
    scenario.next_tx(PUBLISHER);
    let world = World {
        clock,
        pool: scenario.take_shared(),
        gateway: scenario.take_shared(),
        docket: scenario.take_shared(),
        anchors: scenario.take_shared(),
        params: scenario.take_shared(),
        rewards: scenario.take_shared(),
        admin: scenario.take_from_sender(),
        slash: scenario.take_from_sender(),
        transactions: 1000,
    };
    destroy(scenario);
    world
}

public fun end(world: World) {
    destroy(world);
}

/// The context of a transaction of `sender`. An epoch is a day.
public fun ctx(world: &mut World, sender: address): TxContext {
    world.transactions = world.transactions + 1;
    let epoch = world.now() / day();
    tx_context::new_from_hint(sender, world.transactions, epoch, 0, 0)
}

public fun advance(world: &mut World, ms: u64) { world.clock.increment_for_testing(ms); }

public fun now(world: &World): u64 { world.clock.timestamp_ms() }

public fun pool(world: &World): &StakingPool { &world.pool }

public fun pool_mut(world: &mut World): &mut StakingPool { &mut world.pool }

public fun gateway(world: &World): &Gateway { &world.gateway }

public fun admin(world: &World): &AdminCap { &world.admin }

public fun params(world: &World): &Params { &world.params }

public fun gateway_mut(world: &mut World): &mut Gateway { &mut world.gateway }

public fun docket_mut(world: &mut World): &mut Docket { &mut world.docket }

public fun params_mut(world: &mut World): &mut Params { &mut world.params }

public fun anchors_mut(world: &mut World): &mut Anchors { &mut world.anchors }

public fun clock(world: &World): &Clock { &world.clock }

// === Staking ===

public fun stake(world: &mut World, sender: address, amount: u64, tier: u8): Stake {
    let mut ctx = world.ctx(sender);
    let coin = coin::mint_for_testing<SUI>(amount, &mut ctx);
    staking::stake(&mut world.pool, coin, tier, &world.clock, &mut ctx)
}

public fun top_up(world: &mut World, sender: address, stake: &mut Stake, amount: u64) {
    let mut ctx = world.ctx(sender);
    let coin = coin::mint_for_testing<SUI>(amount, &mut ctx);
    staking::top_up(&mut world.pool, stake, coin, &ctx);
}

public fun unstake(world: &mut World, sender: address, stake: &mut Stake) {
    let ctx = world.ctx(sender);
    unbonding::request_unstake(
        &mut world.pool,
        &mut world.rewards,
        stake,
        &world.clock,
        &ctx,
    );
}

public fun unstake_part(
    world: &mut World,
    sender: address,
    stake: &mut Stake,
    amount: u64,
): Unbonding {
    let mut ctx = world.ctx(sender);
    unbonding::unstake(
        &mut world.pool,
        &mut world.rewards,
        stake,
        amount,
        &world.clock,
        &mut ctx,
    )
}

public fun withdraw(world: &mut World, sender: address, stake: &mut Stake): u64 {
    let mut ctx = world.ctx(sender);
    let coin = unbonding::withdraw(&mut world.pool, stake, &world.clock, &mut ctx);
    burn(coin)
}

public fun redeem(world: &mut World, stake: &mut Stake, part: Unbonding): u64 {
    let mut ctx = world.ctx(@0xCC);
    burn(unbonding::redeem(&mut world.pool, stake, part, &world.clock, &mut ctx))
}

public fun unjail(world: &mut World, sender: address, stake: &mut Stake) {
    let ctx = world.ctx(sender);
    staking::unjail(&world.pool, stake, &world.clock, &ctx);
}

public fun slash(world: &mut World, stake: &mut Stake, amount: u64) {
    world.slash_for(stake, amount, b"down".to_string());
}

public fun slash_for(world: &mut World, stake: &mut Stake, amount: u64, reason: String) {
    let ctx = world.ctx(PUBLISHER);
    slashing::slash(
        &world.slash,
        &mut world.pool,
        &mut world.rewards,
        stake,
        amount,
        reason,
        &world.clock,
        &ctx,
    );
}

// === Delegation ===

public fun delegate(
    world: &mut World,
    sender: address,
    stake: &mut Stake,
    amount: u64,
): Delegation {
    let mut ctx = world.ctx(sender);
    let coin = coin::mint_for_testing<SUI>(amount, &mut ctx);
    delegation::delegate(
        &mut world.pool,
        &mut world.rewards,
        stake,
        coin,
        &world.clock,
        &mut ctx,
    )
}

public fun undelegate(
    world: &mut World,
    stake: &mut Stake,
    delegation: &mut Delegation,
    amount: u64,
): Unbonding {
    let mut ctx = world.ctx(@0xCC);
    delegation::undelegate(
        &mut world.pool,
        &mut world.rewards,
        stake,
        delegation,
        amount,
        &world.clock,
        &mut ctx,
    )
}

public fun claim_delegated(
    world: &mut World,
    stake: &Stake,
    delegation: &mut Delegation,
): u64 {
    let mut ctx = world.ctx(@0xCC);
    burn(delegation::claim(&mut world.rewards, stake, delegation, &world.clock, &mut ctx))
}

public fun set_commission(
    world: &mut World,
    sender: address,
    stake: &mut Stake,
    commission: u64,
) {
    let ctx = world.ctx(sender);
    delegation::set_commission(
        &world.pool,
        &mut world.rewards,
        stake,
        commission,
        &world.clock,
        &ctx,
    );
}

public fun set_delegation(world: &mut World, most: u64, step: u64, minimum: u64) {
    staking::set_delegation(&mut world.pool, most, step, minimum);
}

// === Keys ===

public fun rotate(
    world: &mut World,
    sender: address,
    stake: &mut Stake,
    token: &mut SealToken,
    new_key: vector<u8>,
    proof: vector<u8>,
    commitment: vector<u8>,
) {
    let ctx = world.ctx(sender);
    node_keys::rotate(
        &world.pool,
        &mut world.gateway,
        stake,
        token,
        new_key,
        proof,
        commitment,
        &world.clock,
        &ctx,
    );
}

public fun set_tier(world: &mut World, tier: u8, minimum: u64, lockup_ms: u64) {
    staking::set_tier(&mut world.pool, tier, minimum, lockup_ms);
}

public fun set_unbonding(world: &mut World, unbonding_ms: u64) {
    staking::set_unbonding(&mut world.pool, unbonding_ms);
}

public fun withdraw_treasury(world: &mut World, amount: u64): u64 {
    let mut ctx = world.ctx(PUBLISHER);
    let coin = staking::withdraw_treasury(&world.admin, &mut world.pool, amount, &mut ctx);
    burn(coin)
}

public fun migrate_pool(world: &mut World) { staking::migrate(&world.admin, &mut world.pool); }

public fun sufficient(world: &World, stake: &Stake, tier: u8): bool {
    world.pool.has_sufficient_stake(stake, tier)
}

fun burn(coin: Coin<SUI>): u64 {
    coin.into_balance().destroy_for_testing()
}

// === Clusters ===

public fun cluster(world: &mut World, name: vector<u8>): (Cluster, ClusterCap) {
    let mut ctx = world.ctx(PUBLISHER);
    enclave_registry::create_cluster(name.to_string(), &mut ctx)
}

public fun approve(
    world: &World,
    cap: &ClusterCap,
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
) {
    let source = b"commit 1234".to_string();
    enclave_registry::approve_measurement(
        cap,
        cluster,
        kind,
        measurement,
        source,
        0,
        &world.clock,
    );
}

public fun retire(
    world: &World,
    cap: &ClusterCap,
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
) {
    enclave_registry::retire_measurement(cap, cluster, kind, measurement, &world.clock);
}

public fun register(
    world: &World,
    cap: &ClusterCap,
    cluster: &mut Cluster,
    url: vector<u8>,
    key_hash: vector<u8>,
    measurement: vector<u8>,
) {
    enclave_registry::register_endpoint(
        cap,
        cluster,
        url.to_string(),
        key_hash,
        measurement,
        0,
        &world.clock,
    );
}

public fun remove(world: &World, cap: &ClusterCap, cluster: &mut Cluster, url: vector<u8>) {
    enclave_registry::remove_endpoint(cap, cluster, url.to_string(), &world.clock);
}

public fun enclave(
    world: &mut World,
    cap: &ClusterCap,
    cluster: &mut Cluster,
    public_key: vector<u8>,
    measurement: vector<u8>,
): Enclave {
    let mut ctx = world.ctx(PUBLISHER);
    enclave_registry::register_enclave(
        cap,
        cluster,
        public_key,
        bytes(32, 5),
        measurement,
        0,
        &world.clock,
        &mut ctx,
    )
}

public fun revoke_enclave(
    world: &World,
    cap: &ClusterCap,
    cluster: &mut Cluster,
    enclave: &mut Enclave,
) {
    enclave_registry::revoke_enclave(cap, cluster, enclave, &world.clock);
}

// === Slashing ===

/// Facts of a single failed node of ten, told now.
public fun report(
    world: &mut World,
    stake: &mut Stake,
    token: &SealToken,
    cluster: &Cluster,
    enclave: &Enclave,
    signature: vector<u8>,
): Case {
    let now = world.now();
    world.report_with(stake, token, cluster, enclave, 0, 0, 1, now, signature, 100_000_000)
}

public fun report_with(
    world: &mut World,
    stake: &mut Stake,
    token: &SealToken,
    cluster: &Cluster,
    enclave: &Enclave,
    kind: u8,
    period: u64,
    failed: u64,
    timestamp_ms: u64,
    signature: vector<u8>,
    bond: u64,
): Case {
    let mut ctx = world.ctx(@0xEE);
    let bond = coin::mint_for_testing<SUI>(bond, &mut ctx);
    slashing::report(
        &mut world.docket,
        stake,
        token,
        cluster,
        enclave,
        kind,
        period,
        6,
        failed,
        10,
        bytes(32, 7),
        timestamp_ms,
        signature,
        bond,
        &world.clock,
        &mut ctx,
    )
}

public fun report_equivocation(
    world: &mut World,
    stake: &mut Stake,
    token: &SealToken,
    key: vector<u8>,
    first: vector<u8>,
    first_signature: vector<u8>,
    second: vector<u8>,
    second_signature: vector<u8>,
): Case {
    let mut ctx = world.ctx(@0xEE);
    let bond = coin::mint_for_testing<SUI>(100_000_000, &mut ctx);
    slashing::report_equivocation(
        &mut world.docket,
        stake,
        token,
        key,
        first,
        first_signature,
        second,
        second_signature,
        bond,
        &world.clock,
        &mut ctx,
    )
}

public fun declare_outage(
    world: &mut World,
    cluster: &Cluster,
    enclave: &Enclave,
    period: u64,
    failed: u64,
    timestamp_ms: u64,
    signature: vector<u8>,
) {
    slashing::declare_outage(
        &mut world.docket,
        cluster,
        enclave,
        period,
        failed,
        10,
        timestamp_ms,
        signature,
        &world.clock,
    );
}

/// A case of the kind and period, reported by 0xEE with the least bond.
public fun case(
    world: &mut World,
    stake: &mut Stake,
    cluster: &Cluster,
    kind: u8,
    period: u64,
): Case {
    let mut ctx = world.ctx(@0xEE);
    let bond = coin::mint_for_testing<SUI>(100_000_000, &mut ctx);
    slashing::case_for_testing(
        &mut world.docket,
        stake,
        cluster,
        kind,
        period,
        bond,
        &world.clock,
        &mut ctx,
    )
}

public fun appeal(
    world: &mut World,
    case: &mut Case,
    stake: &mut Stake,
    cluster: &Cluster,
    enclave: &Enclave,
    timestamp_ms: u64,
    signature: vector<u8>,
) {
    slashing::appeal(
        &world.docket,
        &mut world.pool,
        case,
        stake,
        cluster,
        enclave,
        timestamp_ms,
        signature,
        &world.clock,
    );
}

public fun execute(world: &mut World, case: &mut Case, stake: &mut Stake) {
    let mut ctx = world.ctx(@0xCC);
    slashing::execute(
        &mut world.docket,
        &mut world.pool,
        &mut world.rewards,
        case,
        stake,
        &world.clock,
        &mut ctx,
    );
}

public fun veto(world: &mut World, case: &mut Case, stake: &mut Stake) {
    slashing::veto(&world.admin, &world.docket, &mut world.pool, case, stake, &world.clock);
}

public fun set_rules(
    world: &mut World,
    evidence_window_ms: u64,
    appeal_window_ms: u64,
    bond: u64,
    reporter_share: u64,
    penalties: vector<u64>,
    period_cap: u64,
    correlated: u64,
    sentence_ms: u64,
) {
    slashing::set_rules(
        &mut world.docket,
        &world.pool,
        evidence_window_ms,
        appeal_window_ms,
        bond,
        reporter_share,
        penalties,
        period_cap,
        correlated,
        sentence_ms,
    );
}

public fun migrate_docket(world: &mut World) { slashing::migrate(&world.admin, &mut world.docket); }

// === Parameters ===

public fun propose(world: &mut World, kind: u8, values: vector<u64>): u64 {
    params::propose(&world.admin, &mut world.params, kind, values, &world.clock)
}

public fun cancel(world: &mut World, number: u64) {
    params::cancel(&world.admin, &mut world.params, number, &world.clock);
}

public fun execute_change(world: &mut World, number: u64) {
    params::execute(
        &mut world.params,
        &mut world.pool,
        &mut world.docket,
        &mut world.rewards,
        number,
        &world.clock,
    );
}

public fun execute_gateway(world: &mut World, number: u64) {
    params::execute_gateway(&mut world.params, &mut world.gateway, number, &world.clock);
}

public fun execute_anchors(world: &mut World, number: u64) {
    params::execute_anchors(&mut world.params, &mut world.anchors, number, &world.clock);
}

public fun set_paused(world: &mut World, paused: bool) {
    params::set_paused(&world.admin, &world.params, &mut world.pool, paused);
}

public fun migrate_params(world: &mut World) { params::migrate(&world.admin, &mut world.params); }

// === Rewards ===

public fun rewards_mut(world: &mut World): &mut Rewards { &mut world.rewards }

public fun fund_rewards(world: &mut World, amount: u64) {
    let coin = coin::from_balance(balance::create_for_testing(amount), &mut world.ctx(PUBLISHER));
    world.rewards.fund(coin, &world.clock);
}

public fun open_escrow(world: &mut World, sender: address, amount: u64, periods: u64): Escrow {
    let mut ctx = world.ctx(sender);
    let coin = coin::from_balance(balance::create_for_testing(amount), &mut ctx);
    world.rewards.open_escrow(coin, periods, &world.clock, &mut ctx)
}

public fun close_escrow(world: &mut World, sender: address, escrow: Escrow): u64 {
    let mut ctx = world.ctx(sender);
    burn(world.rewards.close_escrow(escrow, &world.clock, &mut ctx))
}

public fun enroll(world: &mut World, sender: address, stake: &Stake) {
    let ctx = world.ctx(sender);
    world.rewards.enroll(stake, &world.clock, &ctx);
}

public fun claim(world: &mut World, sender: address, stake: &Stake): u64 {
    let mut ctx = world.ctx(sender);
    burn(world.rewards.claim(stake, &world.clock, &mut ctx))
}

public fun refresh(world: &mut World, stake: &Stake) {
    let ctx = world.ctx(@0xCC);
    world.rewards.refresh(stake, &world.clock, &ctx);
}

public fun report_performance(
    world: &mut World,
    stake: &Stake,
    cluster: &Cluster,
    enclave: &Enclave,
    performance: u64,
    timestamp_ms: u64,
    signature: vector<u8>,
) {
    let ctx = world.ctx(@0xCC);
    world
        .rewards
        .report_performance(
            stake,
            cluster,
            enclave,
            performance,
            timestamp_ms,
            signature,
            &world.clock,
            &ctx,
        );
}

public fun set_cluster(world: &mut World, cluster: &Cluster, admitted: bool) {
    rewards::set_cluster(&world.admin, &mut world.rewards, object::id(cluster), admitted);
}

public fun set_cluster_id(world: &mut World, cluster_id: ID, admitted: bool) {
    rewards::set_cluster(&world.admin, &mut world.rewards, cluster_id, admitted);
}

public fun set_emission(world: &mut World, emission: u64) {
    world.rewards.set_emission(emission, &world.clock);
}

public fun migrate_rewards(world: &mut World) {
    rewards::migrate(&world.admin, &mut world.rewards);
}

// === Anchors ===

/// Signed at 1,000,000 ms.
public fun anchor(
    world: &mut World,
    cluster: &Cluster,
    enclave: &Enclave,
    epoch: u64,
    term: u64,
    revision: u64,
    signature: vector<u8>,
) {
    world.anchor_with(cluster, enclave, epoch, term, revision, bytes(32, 7), signature);
}

public fun anchor_with(
    world: &mut World,
    cluster: &Cluster,
    enclave: &Enclave,
    epoch: u64,
    term: u64,
    revision: u64,
    root: vector<u8>,
    signature: vector<u8>,
) {
    anchors::anchor(
        &mut world.anchors,
        cluster,
        enclave,
        epoch,
        term,
        revision,
        root,
        1_000_000,
        signature,
        &world.clock,
    );
}

public fun migrate_anchors(world: &mut World) { anchors::migrate(&world.admin, &mut world.anchors); }

// === Tokens ===

public fun key(): vector<u8> { bytes(32, 1) }

public fun commitment(): vector<u8> { bytes(32, 2) }

public fun bytes(length: u64, byte: u8): vector<u8> { vector::tabulate!(length, |_| byte) }

public fun day(): u64 { 86_400_000 }

public fun sui(): u64 { 1_000_000_000 }

public fun mint(
    world: &mut World,
    sender: address,
    stake: &Stake,
    cluster: &Cluster,
    node_id: vector<u8>,
): SealToken {
    let endpoint = b"https://control.example:6443";
    world.mint_with(sender, stake, cluster, node_id, key(), commitment(), endpoint, day())
}

public fun mint_with(
    world: &mut World,
    sender: address,
    stake: &Stake,
    cluster: &Cluster,
    node_id: vector<u8>,
    node_key: vector<u8>,
    commitment: vector<u8>,
    endpoint: vector<u8>,
    ttl_ms: u64,
): SealToken {
    let mut ctx = world.ctx(sender);
    k8s_gateway::create_seal_token(
        &mut world.gateway,
        &world.pool,
        stake,
        cluster,
        node_id.to_string(),
        node_key,
        commitment,
        endpoint.to_string(),
        ttl_ms,
        &world.clock,
        &mut ctx,
    )
}

public fun renew(
    world: &mut World,
    sender: address,
    stake: &Stake,
    token: &mut SealToken,
    commitment: Option<vector<u8>>,
    ttl_ms: u64,
) {
    let ctx = world.ctx(sender);
    k8s_gateway::renew_seal_token(
        &mut world.gateway,
        &world.pool,
        stake,
        token,
        commitment,
        ttl_ms,
        &world.clock,
        &ctx,
    );
}

public fun revoke(world: &mut World, sender: address, token: &mut SealToken) {
    let ctx = world.ctx(sender);
    k8s_gateway::revoke_seal_token(&mut world.gateway, token, &world.clock, &ctx);
}

public fun consume(
    world: &World,
    token: &mut SealToken,
    cluster: &Cluster,
    enclave: &Enclave,
    timestamp_ms: u64,
    signature: vector<u8>,
) {
    k8s_gateway::consume(
        &world.gateway,
        token,
        cluster,
        enclave,
        timestamp_ms,
        signature,
        &world.clock,
    );
}

public fun revoke_unbacked(world: &mut World, stake: &Stake, token: &mut SealToken) {
    k8s_gateway::revoke_unbacked(&mut world.gateway, &world.pool, stake, token, &world.clock);
}

public fun admin_revoke(world: &mut World, token: &mut SealToken) {
    k8s_gateway::admin_revoke(&world.admin, &mut world.gateway, token, &world.clock);
}

public fun migrate_gateway(world: &mut World) {
    k8s_gateway::migrate(&world.admin, &mut world.gateway);
}

public fun valid(world: &World, token: &SealToken, stake: &Stake): bool {
    token.is_valid(&world.pool, stake, &world.clock)
}
