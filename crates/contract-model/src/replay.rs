//! Turns a transaction log into a Move test that replays it.
//!
//! The test begins as [`crate::genesis`] does, runs every transaction that succeeds in the model
//! with the same sender, digest (hence the same new ids), time and arguments, and asserts the events
//! of each and the BCS bytes of every object of the package at the end. Each transaction that aborts
//! in the model becomes a test of its own, which expects the same code from the same module after
//! the transactions before it. Where contracts and model differ, a test fails.
//!
//! A transaction that fails in the transaction runtime itself (types, ownership, balances of coins)
//! never reaches the contracts and is left out.

mod writer;

use std::fmt::Write as _;

use sui_sdk_types::{
    Address, Command, ExecutionError, ExecutionStatus, Input, ObjectReference, Owner,
    ProgrammableTransaction, SharedInput, TypeTag,
};

use crate::bytecode;
use crate::execute::{Gas, InputError, execute};
use crate::genesis::{GenesisConfig, Parameters, genesis, unpublished};
use crate::layout::framework::{Field, field_tag, id_tag};
use crate::layout::k8s_gateway::{Claim, NodeName};
use crate::layout::k8s_interface::{Permission, Subject};
use crate::layout::rewards::StakeEpoch;
use crate::layout::slashing::{ClusterPeriod, StakePeriod};
use crate::layout::{
    MoveType, anchors, delegation, enclave_registry, k8s_gateway, k8s_interface, params, rewards,
    slashing, staking, unbonding, upgrades,
};
use crate::log::{LogEntry, LogError};
use crate::package;
use crate::types::coin_object;
use crate::world::World;
use writer::{Expected, Writer, bytes, id};

/// The Move test of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTest {
    /// The Move source: module `k3s_daas::replay_tests`.
    pub source: String,
    /// How many transactions it replays to success.
    pub succeeding: usize,
    /// How many it expects to abort.
    pub aborting: usize,
    /// How many failed in the transaction runtime and are left out.
    pub skipped: usize,
}

/// Why a log can't be turned into a test.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An entry can't be read.
    #[error("entry {index} can't be read")]
    Entry {
        /// Its position in the log.
        index: usize,
        /// Why.
        #[source]
        source: LogError,
    },
    /// An entry's inputs don't fit the state that the entries before it lead to.
    #[error("entry {index} does not fit the log before it")]
    Input {
        /// Its position in the log.
        index: usize,
        /// Why.
        #[source]
        source: InputError,
    },
    /// An entry uses something that has no form in a Move test.
    #[error("entry {index} can't be written in Move: {what}")]
    Unsupported {
        /// Its position in the log.
        index: usize,
        /// What it uses.
        what: &'static str,
    },
}

/// How many transactions one Move function runs.
const BLOCK: usize = 32;

/// The Move test that replays `log` from `config`'s genesis. The final state that it expects is
/// `expected`'s, such as a ledger's, or the model's own.
pub fn move_test(
    config: &GenesisConfig,
    log: &[LogEntry],
    expected: Option<&World>,
) -> Result<MoveTest, ReplayError> {
    let transactions = log
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            entry
                .decode()
                .map_err(|source| ReplayError::Entry { index, source })
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Either genesis publishes the package, or a transaction of the log does.
    let publishes = transactions.iter().any(|transaction| {
        let mut commands = transaction.commands.iter();
        commands.any(|command| matches!(command, Command::Publish(_)))
    });
    let mut world = if publishes {
        unpublished(config).0
    } else {
        genesis(config).world
    };
    let mut test = MoveTest {
        source: String::new(),
        succeeding: 0,
        aborting: 0,
        skipped: 0,
    };
    let mut body = String::new();
    for (index, (entry, transaction)) in log.iter().zip(transactions).enumerate() {
        let transaction = relink(&mut world, entry, transaction);
        let gas = Gas {
            coins: entry.gas_coin.into_iter().collect(),
            budget: 0,
        };
        let outcome = execute(&world, &entry.context(), &gas, &transaction)
            .map_err(|source| ReplayError::Input { index, source })?;
        let unsupported = |what| ReplayError::Unsupported { index, what };
        match &outcome.status {
            ExecutionStatus::Success => {
                let mut writer = Writer::new(&world, entry, &outcome);
                let code = writer
                    .transaction(&transaction, Expected::Success)
                    .map_err(unsupported)?;
                let name = test.succeeding;
                // Writing to a String can't fail.
                let _ = writeln!(body, "fun tx_{name}(s: &mut Scenario) {{\n{code}}}\n");
                test.succeeding += 1;
            }
            ExecutionStatus::Failure {
                error,
                command: Some(command),
            } => {
                let Some(expectation) = expectation(error, world.package()) else {
                    test.skipped += 1;
                    world.apply(&outcome);
                    continue;
                };
                let mut writer = Writer::new(&world, entry, &outcome);
                let code = writer
                    .transaction(&transaction, Expected::FailureAt(*command))
                    .map_err(unsupported)?;
                let _ = writeln!(
                    body,
                    "#[test, expected_failure({expectation})]\nfun abort_{number}_of_entry_{index}() \
                     {{\n    let s = &mut begin();\n    prefix(s, {prefix});\n{code}}}\n",
                    number = test.aborting,
                    prefix = test.succeeding,
                );
                test.aborting += 1;
            }
            ExecutionStatus::Failure { .. } => test.skipped += 1,
        }
        world.apply(&outcome);
    }
    test.source = module(
        config,
        (!publishes).then(|| world.package()),
        test.succeeding,
        &body,
        &final_state(expected.unwrap_or(&world)),
    );
    Ok(test)
}

/// The transaction with its references as in `world`, which need not have the versions and digests
/// that the log's ledger had; and `world` with the coins as the commands found them.
fn relink(
    world: &mut World,
    entry: &LogEntry,
    transaction: ProgrammableTransaction,
) -> ProgrammableTransaction {
    for (id, balance) in &entry.coins {
        let version = world.get(*id).map_or(1, |object| object.version());
        let owner = Owner::Address(entry.sender);
        if let Some(object) = coin_object(*id, *balance, version, owner, entry.digest) {
            world.insert(object);
        }
    }
    let inputs = transaction
        .inputs
        .into_iter()
        .map(|input| match input {
            Input::ImmutableOrOwned(reference) => {
                let id = *reference.object_id();
                Input::ImmutableOrOwned(world.get(id).map_or(reference, |object| {
                    ObjectReference::new(id, object.version(), object.digest())
                }))
            }
            Input::Shared(shared) => {
                let id = shared.object_id();
                match world.get(id).map(|object| *object.owner()) {
                    Some(Owner::Shared(version)) => {
                        Input::Shared(SharedInput::new(id, version, shared.mutability()))
                    }
                    _ => Input::Shared(shared),
                }
            }
            other => other,
        })
        .collect();
    ProgrammableTransaction {
        inputs,
        commands: transaction.commands,
    }
}

/// The attribute's argument for an error that the contracts raise.
fn expectation(error: &ExecutionError, package: Address) -> Option<String> {
    match error {
        ExecutionError::MoveAbort { location, code } => {
            let address = if location.package == package {
                "k3s_daas"
            } else {
                "sui"
            };
            let module = location.module.as_str();
            Some(format!(
                "abort_code = {code}, location = {address}::{module}"
            ))
        }
        _ => None,
    }
}

/// Assertions on every object of the package and every entry of its tables, one line each.
fn final_state(world: &World) -> Vec<String> {
    let package = world.package();
    let name_tag = NodeName::tag(package);
    let claims = field_tag(name_tag.clone().into(), Claim::tag(package).into());
    let permissions = field_tag(
        Subject::tag(package).into(),
        Permission::tag(package).into(),
    );
    let held = field_tag(id_tag().into(), name_tag.into());
    let gateway = world.gateway().map_or(Address::ZERO, |gateway| gateway.id);
    let docket = world
        .views::<slashing::Docket>()
        .first()
        .map_or(Address::ZERO, |docket| docket.id);
    let digest: TypeTag = TypeTag::Vector(Box::new(TypeTag::U8));
    let all_anchors = world
        .views::<anchors::Anchors>()
        .first()
        .map_or(Address::ZERO, |anchors| anchors.id);
    let latest = field_tag(id_tag().into(), anchors::Anchor::tag(package).into());
    let all_rewards = world
        .views::<rewards::Rewards>()
        .first()
        .map_or(Address::ZERO, |rewards| rewards.id);
    let earners = field_tag(id_tag().into(), rewards::Earner::tag(package).into());
    let starts = field_tag(StakeEpoch::tag(package).into(), TypeTag::U128);
    let outages = field_tag(ClusterPeriod::tag(package).into(), TypeTag::U64);
    let seen = field_tag(digest, id_tag().into());
    let taken = field_tag(StakePeriod::tag(package).into(), TypeTag::U64);
    let mut lines = Vec::new();
    for object in world.objects() {
        let Some(data) = object.as_struct() else {
            continue;
        };
        let (tag, contents) = (data.object_type(), data.contents());
        if *tag == claims
            && let Ok(field) = bcs::from_bytes::<Field<NodeName, Claim>>(contents)
        {
            lines.push(format!(
                "same_claim(s, {}, {}, {}, {});",
                id(gateway),
                id(field.name.cluster_id),
                bytes(field.name.node_id.as_bytes()),
                bytes(&crate::types::encode(&field.value)),
            ));
        } else if *tag == held
            && let Ok(field) = bcs::from_bytes::<Field<Address, NodeName>>(contents)
        {
            lines.push(format!(
                "same_name(s, {}, {}, {});",
                id(gateway),
                id(field.name),
                bytes(&crate::types::encode(&field.value)),
            ));
        } else if *tag == seen
            && let Ok(field) = bcs::from_bytes::<Field<Vec<u8>, Address>>(contents)
        {
            lines.push(format!(
                "same_case(s, {}, {}, {});",
                id(docket),
                bytes(&field.name),
                id(field.value),
            ));
        } else if *tag == taken
            && let Ok(field) = bcs::from_bytes::<Field<StakePeriod, u64>>(contents)
        {
            lines.push(format!(
                "same_taken(s, {}, {}, {}, {});",
                id(docket),
                id(field.name.stake_id),
                field.name.period,
                field.value,
            ));
        } else if *tag == permissions
            && let Ok(field) = bcs::from_bytes::<Field<Subject, Permission>>(contents)
            && let Owner::Object(table) = object.owner()
        {
            let interfaces = world.views::<k8s_interface::Interface>();
            let mut interfaces = interfaces.iter();
            let interface = interfaces.find(|known| known.permissions.id == *table);
            lines.push(format!(
                "same_permission(s, {}, @{}, {}, {});",
                id(interface.map_or(Address::ZERO, |known| known.id)),
                field.name.user,
                bytes(field.name.namespace.as_bytes()),
                bytes(&crate::types::encode(&field.value)),
            ));
        } else if *tag == outages
            && let Ok(field) = bcs::from_bytes::<Field<ClusterPeriod, u64>>(contents)
        {
            lines.push(format!(
                "same_outage(s, {}, {}, {}, {});",
                id(docket),
                id(field.name.cluster_id),
                field.name.period,
                field.value,
            ));
        } else if *tag == starts
            && let Ok(field) = bcs::from_bytes::<Field<StakeEpoch, u128>>(contents)
        {
            lines.push(format!(
                "same_start(s, {}, {}, {}, {});",
                id(all_rewards),
                id(field.name.stake_id),
                field.name.epoch,
                field.value,
            ));
        } else if *tag == latest
            && let Ok(field) = bcs::from_bytes::<Field<Address, anchors::Anchor>>(contents)
        {
            lines.push(format!(
                "same_anchor(s, {}, {}, {});",
                id(all_anchors),
                id(field.name),
                bytes(&crate::types::encode(&field.value)),
            ));
        } else if *tag == earners
            && let Ok(field) = bcs::from_bytes::<Field<Address, rewards::Earner>>(contents)
        {
            lines.push(format!(
                "same_earner(s, {}, {}, {});",
                id(all_rewards),
                id(field.name),
                bytes(&crate::types::encode(&field.value)),
            ));
        } else if *tag.address() == package {
            let type_ = format!("{}::{}", tag.module().as_str(), tag.name().as_str());
            let expected = bytes(contents);
            let object_id = id(object.object_id());
            lines.push(match object.owner() {
                Owner::Shared(_) => format!("same_shared<{type_}>(s, {object_id}, {expected});"),
                Owner::Address(owner) => {
                    format!("same_owned<{type_}>(s, @{owner}, {object_id}, {expected});")
                }
                // Wrapped, immutable and party objects are not made by the package.
                _ => format!("abort {};", u64::MAX),
            });
        }
    }
    lines
}

/// Statements that set the parameters, on `pool` and `params`.
pub(crate) fn set_parameters(wanted: &Parameters) -> Vec<String> {
    let defaults = Parameters::default();
    let mut lines = Vec::new();
    for (tier, (old, new)) in defaults.tiers.iter().zip(&wanted.tiers).enumerate() {
        if old != new {
            lines.push(format!(
                "staking::set_tier(&mut pool, {tier}, {}, {});",
                new.minimum, new.lockup_ms
            ));
        }
    }
    if defaults.unbonding_ms != wanted.unbonding_ms {
        let unbonding_ms = wanted.unbonding_ms;
        lines.push(format!(
            "staking::set_unbonding(&mut pool, {unbonding_ms});"
        ));
    }
    if defaults.delay_ms != wanted.delay_ms {
        let delay_ms = wanted.delay_ms;
        lines.push(format!("params.set_delay_for_testing({delay_ms});"));
    }
    lines
}

/// The statements of publishing, with a `ctx` whose first id the package took. The capability is
/// `cap` then.
pub(crate) fn publishing(package: Address) -> Vec<String> {
    let inits = bytecode::modules().iter().filter(|module| {
        let mut modelled = package::MODULES.iter();
        modelled.any(|known| known.name == module.name && known.init.is_some())
    });
    let mut lines: Vec<String> = inits
        .map(|module| format!("{}::init_for_testing(ctx);", module.name))
        .collect();
    lines.push(format!(
        "let cap = sui::package::test_publish({}, ctx);",
        id(package)
    ));
    lines
}

fn module(
    config: &GenesisConfig,
    published: Option<Address>,
    succeeding: usize,
    transactions: &str,
    state: &[String],
) -> String {
    let publisher = config.publisher;
    let mut begin = String::new();
    if let Some(package) = published {
        let digest = bytes(config.digest.inner());
        let _ = write!(
            begin,
            "    // The package took the first id.\n    \
             let ctx = &mut tx_context::new(@{publisher}, {digest}, 0, 0, 1);\n"
        );
        for line in publishing(package) {
            let _ = writeln!(begin, "    {line}");
        }
        let _ = write!(
            begin,
            "    transfer::public_transfer(cap, @{publisher});\n    s.next_tx(@{publisher});\n    \
             let mut pool = s.take_shared<staking::StakingPool>();\n    \
             let mut params = s.take_shared<params::Params>();\n"
        );
        for line in set_parameters(&config.parameters) {
            let _ = writeln!(begin, "    {line}");
        }
        let _ = write!(
            begin,
            "    test_scenario::return_shared(pool);\n    test_scenario::return_shared(params);\n"
        );
    }
    let mut blocks = String::new();
    let mut calls = String::new();
    for (block, first) in (0..succeeding).step_by(BLOCK).enumerate() {
        let _ = writeln!(calls, "    block_{block}(s, count);");
        let _ = writeln!(blocks, "fun block_{block}(s: &mut Scenario, count: u64) {{");
        for number in first..succeeding.min(first + BLOCK) {
            let _ = writeln!(blocks, "    if (count > {number}) tx_{number}(s);");
        }
        let _ = writeln!(blocks, "}}\n");
    }
    let mut checks = String::new();
    let mut check_calls = String::new();
    for (chunk, lines) in state.chunks(BLOCK).enumerate() {
        let _ = writeln!(check_calls, "    state_{chunk}(s);");
        let _ = writeln!(checks, "fun state_{chunk}(s: &mut Scenario) {{");
        for line in lines {
            let _ = writeln!(checks, "    {line}");
        }
        let _ = writeln!(checks, "}}\n");
    }
    let types = [
        anchors::Anchors::MODULE,
        delegation::Delegation::MODULE,
        enclave_registry::Cluster::MODULE,
        k8s_gateway::Gateway::MODULE,
        k8s_interface::Interface::MODULE,
        params::Params::MODULE,
        rewards::Rewards::MODULE,
        slashing::Docket::MODULE,
        staking::Stake::MODULE,
        unbonding::Unbonding::MODULE,
        upgrades::Upgrades::MODULE,
    ]
    .map(|module| format!("use k3s_daas::{module};\n"))
    .concat();
    format!(
        r#"#[test_only, allow(unused)]
module k3s_daas::replay_tests;

{types}use std::unit_test::destroy;
use sui::bcs;
use sui::clock;
use sui::coin::{{Self, Coin}};
use sui::event;
use sui::sui::SUI;
use sui::test_scenario::{{Self, Scenario}};

/// As after publishing and setting the parameters.
fun begin(): Scenario {{
    let mut scenario = test_scenario::begin(@{publisher});
    let s = &mut scenario;
{begin}    scenario
}}

/// Runs the first `count` transactions.
fun prefix(s: &mut Scenario, count: u64) {{
{calls}}}

{blocks}{transactions}
#[test]
fun final_state_and_events_are_the_models() {{
    let mut scenario = begin();
    let s = &mut scenario;
    prefix(s, {succeeding});
    s.next_tx(@0x0);
{check_calls}    destroy(scenario);
}}

{checks}fun same_shared<T: key>(s: &mut Scenario, id: ID, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<T>(id);
    same(bcs::to_bytes(&object), expected);
    test_scenario::return_shared(object);
}}

fun same_owned<T: key>(s: &mut Scenario, owner: address, id: ID, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_from_address_by_id<T>(owner, id);
    same(bcs::to_bytes(&object), expected);
    test_scenario::return_to_address(owner, object);
}}

fun same_claim(s: &mut Scenario, gateway: ID, cluster: ID, node: vector<u8>, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<k8s_gateway::Gateway>(gateway);
    same(bcs::to_bytes(&object.claim_for_testing(cluster, node.to_string())), expected);
    test_scenario::return_shared(object);
}}

fun same_name(s: &mut Scenario, gateway: ID, stake: ID, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<k8s_gateway::Gateway>(gateway);
    same(bcs::to_bytes(&object.held_for_testing(stake)), expected);
    test_scenario::return_shared(object);
}}

fun same_case(s: &mut Scenario, docket: ID, evidence: vector<u8>, expected: ID) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<slashing::Docket>(docket);
    assert!(object.seen_for_testing(evidence) == expected, 1_000_005);
    test_scenario::return_shared(object);
}}

fun same_taken(s: &mut Scenario, docket: ID, stake: ID, period: u64, expected: u64) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<slashing::Docket>(docket);
    assert!(object.taken_for_testing(stake, period) == expected, 1_000_006);
    test_scenario::return_shared(object);
}}

fun same_permission(
    s: &mut Scenario,
    interface: ID,
    user: address,
    namespace: vector<u8>,
    expected: vector<u8>,
) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<k8s_interface::Interface>(interface);
    same(bcs::to_bytes(&object.permission_for_testing(user, namespace.to_string())), expected);
    test_scenario::return_shared(object);
}}

fun same_outage(s: &mut Scenario, docket: ID, cluster: ID, period: u64, expected: u64) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<slashing::Docket>(docket);
    assert!(object.outage_for_testing(cluster, period) == expected, 1_000_007);
    test_scenario::return_shared(object);
}}

fun same_start(s: &mut Scenario, rewards: ID, stake: ID, epoch: u64, expected: u128) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<rewards::Rewards>(rewards);
    assert!(object.start_for_testing(stake, epoch) == expected, 1_000_008);
    test_scenario::return_shared(object);
}}

fun same_anchor(s: &mut Scenario, anchors: ID, cluster: ID, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<anchors::Anchors>(anchors);
    same(bcs::to_bytes(&object.latest_for_testing(cluster)), expected);
    test_scenario::return_shared(object);
}}

fun same_earner(s: &mut Scenario, rewards: ID, stake: ID, expected: vector<u8>) {{
    s.next_tx(@0x0);
    let object = s.take_shared_by_id<rewards::Rewards>(rewards);
    same(bcs::to_bytes(&object.earner_for_testing(stake)), expected);
    test_scenario::return_shared(object);
}}

fun same_coin(coin: &Coin<SUI>, id: ID, value: u64) {{
    assert!(object::id(coin) == id, 1_000_001);
    assert!(coin.value() == value, 1_000_002);
}}

fun same_events<T: copy + drop>(expected: vector<u8>) {{
    same(bcs::to_bytes(&event::events_by_type<T>()), expected);
}}

fun same(actual: vector<u8>, expected: vector<u8>) {{
    assert!(actual == expected, 1_000_000);
}}
"#,
    )
}
