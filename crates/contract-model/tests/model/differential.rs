//! The model and the Move package agree: logs that the model executes are replayed by Sui's compiler
//! and Move VM, and state, events and aborts compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use contract_model::replay::{MoveTest, move_test};
use contract_model::{GenesisConfig, Parameters};
use sui_sdk_types::{Command as Command_, Digest};

use crate::history::{History, PEOPLE};
use crate::support::{SUI, abort, address};

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

/// Runs Move tests with the package's runner, whose packages are installed first if need be.
pub fn run_move(source: &str) -> Output {
    // One run at a time, in whatever process: each takes a core and some hundred megabytes.
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("move-runner.lock");
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    let contracts = contracts();
    if !contracts.join("node_modules").exists() {
        let installed = Command::new("npm")
            .arg("ci")
            .current_dir(&contracts)
            .output()
            .expect("npm can be started");
        assert!(installed.status.success(), "npm ci failed: {installed:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replay_tests.move");
    std::fs::write(&path, source).unwrap();
    Command::new("node")
        .arg(contracts.join("test.mjs"))
        .arg("--only")
        .arg(&path)
        .output()
        .expect("node can be started")
}

fn config() -> GenesisConfig {
    let chain = crate::support::Chain::new(PEOPLE, Parameters::development());
    GenesisConfig {
        publisher: address(0),
        digest: Digest::new([7; 32]),
        timestamp_ms: chain.now,
        funds: (0..PEOPLE).map(|n| (address(n), 1_000 * SUI)).collect(),
        parameters: Parameters::development(),
    }
}

fn replay(history: &History) -> MoveTest {
    move_test(&config(), &history.log, Some(&history.chain.world)).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn random_histories_replay_in_move() {
    let seed = std::env::var("MODEL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("seed: MODEL_SEED={seed}");
    let mut history = History::new(seed);
    for _ in 0..320 {
        history.step();
    }
    let test = replay(&history);
    println!(
        "{} succeed, {} abort, {} fail outside the contracts, {} refused",
        test.succeeding, test.aborting, test.skipped, history.refused
    );
    assert!(test.succeeding > 50 && test.aborting > 50);
    let output = run_move(&test.source);
    if !output.status.success() {
        let kept = std::env::temp_dir().join(format!("replay_{seed}.move"));
        std::fs::write(&kept, &test.source).unwrap();
        panic!("seed {seed}, {}:\n{}", kept.display(), text(&output));
    }
    let expected = format!("Total tests: {}; passed", test.aborting + 1);
    assert!(text(&output).contains(&expected), "{}", text(&output));
}

/// The comparison can fail: a state that differs by one MIST does.
#[test]
fn a_wrong_model_is_found() {
    let mut history = History::new(1);
    while history.stakes.is_empty() {
        history.step();
    }
    let id = history.stakes[0];
    let object = history.chain.world.get(id).unwrap();
    let mut stake = history.chain.world.stake(id).unwrap();
    stake.balance += 1;
    let data = object.as_struct().unwrap();
    let changed = sui_sdk_types::MoveStruct::new(
        data.object_type().clone(),
        false,
        data.version(),
        bcs::to_bytes(&stake).unwrap(),
    );
    let changed = sui_sdk_types::Object::new(
        sui_sdk_types::ObjectData::Struct(changed.unwrap()),
        *object.owner(),
        object.previous_transaction(),
        0,
    );
    history.chain.world.insert(changed);
    let output = run_move(&replay(&history).source);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("aborted with code 1000000"));
}

/// The histories are worth replaying: over some of them every function that changes anything
/// succeeds and every abort code is met, those apart that no history can lead to.
#[test]
fn random_histories_reach_every_function_and_abort() {
    let (mut called, mut aborted) = (BTreeMap::<String, usize>::new(), Aborts::new());
    for seed in 0..120 {
        let mut history = History::new(seed);
        for _ in 0..350 {
            history.step();
            let (Some(act), Some(entry)) = (history.last.take(), history.log.last()) else {
                continue;
            };
            let transaction = entry.decode().unwrap();
            let calls = transaction
                .commands
                .iter()
                .filter_map(|command| match command {
                    Command_::MoveCall(call) => Some(format!(
                        "{}::{}",
                        call.module.as_str(),
                        call.function.as_str()
                    )),
                    _ => None,
                });
            if act.outcome.is_success() {
                calls.for_each(|call| *called.entry(call).or_default() += 1);
            } else if let Some((module, code)) = abort(&act.outcome) {
                *aborted.entry((module, code)).or_insert(0) += 1;
            }
        }
    }
    if std::env::var_os("DEBUG_REACH").is_some() {
        println!("{called:?}\n{aborted:?}");
    }
    let (uncalled, missing) = not_met(&called, &aborted);
    assert!(
        uncalled.is_empty() && missing.is_empty(),
        "never succeeded: {uncalled:?}, never aborted with: {missing:?}"
    );
}

type Aborts = BTreeMap<(String, u64), usize>;

/// The functions that never succeeded, and the codes that were never met.
fn not_met(
    called: &BTreeMap<String, usize>,
    aborted: &Aborts,
) -> (Vec<&'static str>, Vec<(String, u64)>) {
    let uncalled = MUTATING
        .iter()
        .copied()
        .filter(|name| !called.contains_key(*name))
        .collect();
    let missing = CODES
        .iter()
        .flat_map(|(module, count)| (1..*count).map(|code| ((*module).to_owned(), code)))
        // The lists never fill up.
        .filter(|(module, code)| {
            !matches!(
                (module.as_str(), code),
                ("enclave_registry", 7) | ("params", 3) | ("rewards", 15)
                // No document is bound to anything here; a capability that is held can't be given.
                | ("enclave_registry", 20) | ("upgrades", 1)
                // Tokens are of stakes of the node tier only.
                | ("slashing", 6)
            )
        })
        .filter(|key| !aborted.contains_key(key))
        .collect();
    (uncalled, missing)
}

/// The functions that change anything; `migrate` apart, which needs an upgrade.
const MUTATING: &[&str] = &[
    "anchors::anchor",
    "enclave_registry::add_owner",
    "enclave_registry::approve_image",
    "enclave_registry::approve_measurement",
    "enclave_registry::create_cluster",
    "enclave_registry::register_enclave",
    "enclave_registry::register_endpoint",
    "enclave_registry::register_vouched",
    "enclave_registry::remove_endpoint",
    "enclave_registry::remove_owner",
    "enclave_registry::retire_measurement",
    "enclave_registry::revoke_enclave",
    "enclave_registry::set_status",
    "enclave_registry::set_terms",
    "enclave_registry::share_cluster",
    "enclave_registry::share_enclave",
    "k8s_gateway::admin_revoke",
    "k8s_gateway::consume",
    "k8s_gateway::create_seal_token",
    "k8s_gateway::renew_seal_token",
    "k8s_gateway::revoke_seal_token",
    "k8s_gateway::revoke_unbacked",
    "k8s_gateway::share_token",
    "k8s_interface::answer",
    "k8s_interface::configure",
    "k8s_interface::create_interface",
    "k8s_interface::grant",
    "k8s_interface::refund",
    "k8s_interface::revoke",
    "k8s_interface::share_interface",
    "k8s_interface::share_request",
    "k8s_interface::submit",
    "k8s_interface::withdraw_fees",
    "params::cancel",
    "params::execute",
    "params::execute_anchors",
    "params::execute_gateway",
    "params::propose",
    "params::set_paused",
    "rewards::claim",
    "rewards::close_escrow",
    "rewards::enroll",
    "rewards::fund",
    "rewards::open_escrow",
    "rewards::refresh",
    "rewards::report_performance",
    "rewards::set_cluster",
    "slashing::appeal",
    "slashing::execute",
    "slashing::report",
    "slashing::share_case",
    "slashing::veto",
    "slashing::declare_outage",
    "slashing::report_equivocation",
    "slashing::slash",
    "staking::share",
    "staking::stake",
    "staking::top_up",
    "staking::unjail",
    "staking::withdraw_treasury",
    "unbonding::redeem",
    "unbonding::request_unstake",
    "unbonding::unstake",
    "unbonding::withdraw",
    "delegation::claim",
    "delegation::close",
    "delegation::delegate",
    "delegation::set_commission",
    "delegation::undelegate",
    "node_keys::rotate",
    // The ticket of an upgrade can't be used on a ledger that runs a model, so that `authorize` never
    // ends well, and there is no receipt for `commit`.
    "upgrades::cancel",
    "upgrades::hold",
    "upgrades::propose",
];

/// Each module's number of abort codes. Code 0 (a shared object of another version) needs an upgrade.
const CODES: &[(&str, u64)] = &[
    ("anchors", 8),
    ("enclave_registry", 27),
    ("k8s_gateway", 24),
    ("k8s_interface", 23),
    ("params", 11),
    ("upgrades", 9),
    ("rewards", 17),
    ("delegation", 7),
    ("node_keys", 5),
    ("slashing", 22),
    ("staking", 23),
    ("unbonding", 2),
];
