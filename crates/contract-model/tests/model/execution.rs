//! The programmable transaction runtime.

use contract_model::layout::MoveType;
use contract_model::layout::staking::{Stake, Staked};
use contract_model::{Gas, InputError, Parameters, execute};
use sui_sdk_types::{
    Address, Argument, CommandArgumentError as Kind, ExecutionError, Input, ObjectReference, Owner,
    SharedInput, StructTag, TypeTag,
};

use crate::support::{Chain, Ptb, SUI, abort, address, created, error, mint};

fn argument_error(argument: u16, kind: Kind) -> ExecutionError {
    ExecutionError::CommandArgumentError { argument, kind }
}

#[test]
fn one_transaction_stakes_and_mints_a_token() {
    let mut chain = Chain::new(2, Parameters::development());
    let (cluster, _) = chain.cluster(address(0), "home");
    let worker = address(1);
    let (pool, gateway) = (chain.genesis.pool, chain.genesis.gateway);
    let coin = chain.coins(worker)[0];
    let outcome = chain.run(worker, |ptb| {
        let coin = ptb.split(Argument::Gas, SUI);
        let tier = ptb.pure(&0u8);
        let (pool, clock) = (ptb.object(pool), ptb.clock());
        let stake = ptb.call("staking", "stake", vec![pool, coin, tier, clock]);
        let arguments = vec![
            ptb.object(gateway),
            pool,
            stake,
            ptb.object_as(cluster, false),
            ptb.pure(&"worker-0"),
            ptb.pure(&vec![1u8; 32]),
            ptb.pure(&vec![2u8; 32]),
            ptb.pure(&""),
            ptb.pure(&3_600_000u64),
            clock,
        ];
        let token = ptb.call("k8s_gateway", "create_seal_token", arguments);
        ptb.call("k8s_gateway", "share_token", vec![token]);
        ptb.call("staking", "share", vec![stake]);
    });
    let stake_id = created(&outcome, &chain.world, "Stake");
    let token_id = created(&outcome, &chain.world, "SealToken");
    let stake = chain.world.stake(stake_id).unwrap();
    let token = chain.world.token(token_id).unwrap();
    assert_eq!((stake.owner, stake.balance, stake.tier), (worker, SUI, 0));
    assert_eq!((token.stake_id, token.cluster_id), (stake_id, cluster));
    assert_eq!(token.expires_at_ms, chain.now + 3_600_000);
    assert_eq!(chain.world.coin(coin), Some(999 * SUI));
    assert_eq!(chain.world.pool().unwrap().total_active, SUI);

    assert_eq!(outcome.events.len(), 3);
    let staked: Staked = bcs::from_bytes(&outcome.events[0].contents).unwrap();
    assert_eq!((staked.stake_id, staked.amount), (stake_id, SUI));
    assert_eq!(outcome.events[0].type_, Staked::tag(chain.genesis.package));
    assert_eq!(outcome.events[0].sender, worker);

    let object = chain.world.get(stake_id).unwrap();
    assert_eq!(*object.owner(), Owner::Shared(outcome.version));
    assert_eq!(object.version(), outcome.version);
    assert_eq!(
        object.as_struct().unwrap().object_type(),
        &Stake::tag(chain.genesis.package)
    );
    // The clock and the cluster were only read; both tables got an entry.
    assert_eq!(outcome.unchanged.len(), 2);
    let children = outcome.written.values().filter(|written| {
        matches!(written.new_owner(), Owner::Object(_)) && written.previous.is_none()
    });
    assert_eq!(children.count(), 2);
}

#[test]
fn a_key_only_value_must_be_consumed() {
    let mut chain = Chain::new(1, Parameters::development());
    let pool = chain.genesis.pool;
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, SUI);
        let arguments = vec![ptb.object(pool), coin, ptb.pure(&0u8), ptb.clock()];
        ptb.call("staking", "stake", arguments);
    });
    let expected = ExecutionError::UnusedValueWithoutDrop {
        result: 1,
        subresult: 0,
    };
    assert_eq!(*error(&outcome), expected);
    assert!(outcome.events.is_empty());
    assert_eq!(chain.world.pool().unwrap().total_active, 0);
    // The mutable inputs and the gas coin have a new version all the same.
    assert_eq!(outcome.written.len(), 2);
}

#[test]
fn a_key_only_value_can_not_be_transferred() {
    let mut chain = Chain::new(1, Parameters::development());
    let pool = chain.genesis.pool;
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, SUI);
        let arguments = vec![ptb.object(pool), coin, ptb.pure(&0u8), ptb.clock()];
        let stake = ptb.call("staking", "stake", arguments);
        ptb.transfer(vec![stake], address(1));
    });
    assert_eq!(*error(&outcome), ExecutionError::InvalidTransferObject);
}

#[test]
fn a_taken_value_can_not_be_used_again() {
    let mut chain = Chain::new(1, Parameters::development());
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, SUI);
        ptb.transfer(vec![coin], address(1));
        ptb.transfer(vec![coin], address(2));
    });
    assert_eq!(*error(&outcome), argument_error(0, Kind::InvalidValueUsage));
}

#[test]
fn a_read_only_shared_object_can_not_be_changed() {
    let mut chain = Chain::new(1, Parameters::development());
    let pool = chain.genesis.pool;
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, SUI);
        let pool = ptb.object_as(pool, false);
        let arguments = vec![pool, coin, ptb.pure(&0u8), ptb.clock()];
        ptb.call("staking", "stake", arguments);
    });
    assert_eq!(
        *error(&outcome),
        argument_error(0, Kind::InvalidObjectByMutRef)
    );
}

#[test]
fn arguments_are_type_checked() {
    let mut chain = Chain::new(1, Parameters::development());
    let (pool, gateway) = (chain.genesis.pool, chain.genesis.gateway);
    let stake = chain.stake(address(0), SUI, 0);
    let wrong_object = chain.run(address(0), |ptb| {
        let arguments = vec![ptb.object(gateway), ptb.object(stake), ptb.clock()];
        ptb.call("unbonding", "withdraw", arguments);
    });
    assert_eq!(*error(&wrong_object), argument_error(0, Kind::TypeMismatch));
    let wrong_pure = chain.run(address(0), |ptb| {
        let tier = ptb.pure(&0u64);
        let arguments = vec![ptb.object(pool), ptb.object(stake), tier];
        ptb.call("staking", "has_sufficient_stake", arguments);
    });
    assert_eq!(
        *error(&wrong_pure),
        argument_error(2, Kind::InvalidBcsBytes)
    );
    let pure_as_object = chain.run(address(0), |ptb| {
        let fake = ptb.pure(&vec![0u8; 40]);
        let arguments = vec![ptb.object(pool), fake, ptb.pure(&0u8)];
        ptb.call("staking", "has_sufficient_stake", arguments);
    });
    let expected = argument_error(1, Kind::InvalidUsageOfPureArgument);
    assert_eq!(*error(&pure_as_object), expected);
    let not_utf8 = chain.run(address(0), |ptb| {
        let name = ptb.input(Input::Pure(vec![2, 0xff, 0xfe]));
        ptb.call("enclave_registry", "create_cluster", vec![name]);
    });
    assert_eq!(*error(&not_utf8), argument_error(0, Kind::InvalidBcsBytes));
}

#[test]
fn calls_must_match_a_function() {
    let mut chain = Chain::new(1, Parameters::development());
    let pool = chain.genesis.pool;
    let unknown = chain.run(address(0), |ptb| {
        ptb.call("staking", "mint_money", vec![]);
    });
    assert_eq!(*error(&unknown), ExecutionError::FunctionNotFound);
    let arity = chain.run(address(0), |ptb| {
        let pool = ptb.object(pool);
        ptb.call("staking", "treasury", vec![pool, pool]);
    });
    assert_eq!(*error(&arity), ExecutionError::ArityMismatch);
    let types = chain.run(address(0), |ptb| {
        let (pool, package) = (ptb.object(pool), ptb.package());
        ptb.call_at(
            package,
            "staking",
            "treasury",
            vec![TypeTag::U8],
            vec![pool],
        );
    });
    assert_eq!(*error(&types), ExecutionError::TypeArityMismatch);
}

#[test]
fn arguments_out_of_range_are_named() {
    let mut chain = Chain::new(1, Parameters::development());
    for (argument, kind) in [
        (Argument::Input(9), Kind::IndexOutOfBounds { index: 9 }),
        (Argument::Result(5), Kind::IndexOutOfBounds { index: 5 }),
        (
            Argument::NestedResult(0, 1),
            Kind::SecondaryIndexOutOfBounds {
                result: 0,
                subresult: 1,
            },
        ),
    ] {
        let outcome = chain.run(address(0), |ptb| {
            let coin = ptb.split(Argument::Gas, 1);
            ptb.transfer(vec![coin], address(0));
            ptb.transfer(vec![argument], address(1));
        });
        assert_eq!(*error(&outcome), argument_error(0, kind));
    }
    let two = chain.run(address(0), |ptb| {
        let name = ptb.pure(&"two");
        let made = ptb.call("enclave_registry", "create_cluster", vec![name]);
        ptb.call("enclave_registry", "share_cluster", vec![made]);
    });
    let expected = argument_error(0, Kind::InvalidResultArity { result: 0 });
    assert_eq!(*error(&two), expected);
}

#[test]
fn a_borrow_excludes_another_use() {
    let mut chain = Chain::new(1, Parameters::development());
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, 5);
        let sui = vec![StructTag::sui().into()];
        ptb.call_at(Address::TWO, "coin", "join", sui, vec![coin, coin]);
    });
    assert_eq!(*error(&outcome), argument_error(1, Kind::InvalidValueUsage));
}

#[test]
fn the_gas_coin_is_only_moved_by_a_transfer() {
    let mut chain = Chain::new(2, Parameters::development());
    let pool = chain.genesis.pool;
    let outcome = chain.run(address(0), |ptb| {
        let arguments = vec![ptb.object(pool), Argument::Gas, ptb.pure(&0u8), ptb.clock()];
        ptb.call("staking", "stake", arguments);
    });
    assert_eq!(
        *error(&outcome),
        argument_error(1, Kind::InvalidGasCoinUsage)
    );
    let coin = chain.coins(address(0))[0];
    let before = chain.world.coin(coin);
    let outcome = chain.run(address(0), |ptb| {
        ptb.transfer(vec![Argument::Gas], address(1));
    });
    assert!(outcome.is_success());
    assert_eq!(chain.world.coin(coin), before);
    assert_eq!(
        *chain.world.get(coin).unwrap().owner(),
        Owner::Address(address(1))
    );
}

#[test]
fn gas_coins_merge_and_are_charged() {
    let mut chain = Chain::new(1, Parameters::development());
    chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, 300 * SUI);
        ptb.transfer(vec![coin], address(0));
    });
    let coins = chain.coins(address(0));
    assert_eq!(coins.len(), 2);
    let world = chain.world.clone();
    let gas = Gas {
        coins: coins.clone(),
        budget: SUI,
    };
    let mut ptb = Ptb::new(&world);
    let coin = ptb.split(Argument::Gas, 999 * SUI);
    ptb.transfer(vec![coin], address(1));
    let context = chain.context(address(0));
    let mut outcome = execute(&world, &context, &gas, &ptb.finish()).unwrap();
    assert!(outcome.is_success(), "{:?}", outcome.status);
    assert!(outcome.deleted.contains_key(&coins[1]));
    outcome.charge(i128::from(SUI) / 4).unwrap();
    chain.world.apply(&outcome);
    assert_eq!(chain.world.coin(coins[0]), Some(SUI / 4 * 3));
    outcome.charge(-5).unwrap();
    assert!(outcome.charge(i128::from(SUI)).is_err());

    // Only what the budget leaves can be spent.
    let mut ptb = Ptb::new(&world);
    let coin = ptb.split(Argument::Gas, 999 * SUI + 1);
    ptb.transfer(vec![coin], address(1));
    let outcome = execute(&world, &context, &gas, &ptb.finish()).unwrap();
    assert_eq!(*error(&outcome), ExecutionError::InsufficientCoinBalance);
    assert!(outcome.deleted.contains_key(&coins[1]));
}

#[test]
fn coins_split_merge_and_make_vectors() {
    let mut chain = Chain::new(1, Parameters::development());
    let outcome = chain.run(address(0), |ptb| {
        let a = ptb.split(Argument::Gas, 10);
        let b = ptb.split(a, 4);
        ptb.merge(a, vec![b]);
        let c = ptb.split(Argument::Gas, 90);
        ptb.merge(c, vec![a]);
        ptb.transfer(vec![c], address(3));
    });
    assert!(outcome.is_success(), "{:?}", outcome.status);
    let coins = chain.coins(address(3));
    assert_eq!(coins.len(), 1);
    assert_eq!(chain.world.coin(coins[0]), Some(100));
    let vector = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, 10);
        ptb.vector(None, vec![coin]);
    });
    let expected = ExecutionError::UnusedValueWithoutDrop {
        result: 1,
        subresult: 0,
    };
    assert_eq!(*error(&vector), expected);
    let bytes = chain.run(address(0), |ptb| {
        let elements = vec![ptb.pure(&1u8), ptb.pure(&2u8)];
        ptb.vector(Some(TypeTag::U8), elements);
    });
    assert_eq!(bytes.results[0][0].contents, vec![2, 1, 2]);
}

#[test]
fn inputs_are_checked_before_anything_runs() {
    let mut chain = Chain::new(2, Parameters::development());
    let coin = chain.genesis.coins[1];
    let (admin_cap, pool) = (chain.genesis.admin_cap, chain.genesis.pool);
    let world = chain.world.clone();
    let run = |chain: &mut Chain, sender, build: &dyn Fn(&mut Ptb<'_>)| {
        let mut ptb = Ptb::new(&world);
        build(&mut ptb);
        chain.try_run(sender, &ptb.finish()).unwrap_err()
    };
    let foreign = run(&mut chain, address(1), &|ptb| {
        let arguments = vec![
            ptb.object(admin_cap),
            ptb.object(pool),
            ptb.pure(&60_000u64),
        ];
        ptb.call("staking", "set_unbonding", arguments);
    });
    assert_eq!(foreign, InputError::NotOwned(admin_cap));
    let missing = run(&mut chain, address(0), &|ptb| {
        ptb.input(Input::Shared(SharedInput::new(address(99), 1, true)));
    });
    assert_eq!(missing, InputError::NotFound(address(99)));
    let not_shared = run(&mut chain, address(0), &|ptb| {
        ptb.input(Input::Shared(SharedInput::new(pool, 2, true)));
    });
    assert_eq!(not_shared, InputError::NotShared(pool));
    let stale = run(&mut chain, address(0), &|ptb| {
        let object = ptb.world().get(admin_cap).unwrap().clone();
        let reference = ObjectReference::new(admin_cap, 9, object.digest());
        ptb.input(Input::ImmutableOrOwned(reference));
    });
    assert!(matches!(stale, InputError::Stale { given: 9, .. }));
    let gas_twice = run(&mut chain, address(1), &|ptb| {
        ptb.object(coin);
    });
    assert_eq!(gas_twice, InputError::Duplicate(coin));
}

#[test]
fn execution_is_deterministic_and_leaves_the_world_alone() {
    let mut chain = Chain::new(2, Parameters::development());
    let (cluster, _) = chain.cluster(address(0), "home");
    let stake = chain.stake(address(1), SUI, 0);
    let world = chain.world.clone();
    let mut ptb = Ptb::new(&world);
    let (gateway, pool) = (chain.genesis.gateway, chain.genesis.pool);
    let token = mint(&mut ptb, gateway, pool, stake, cluster, "n", 60_000);
    ptb.call("k8s_gateway", "share_token", vec![token]);
    let transaction = ptb.finish();
    let (context, gas) = (chain.context(address(1)), chain.gas(address(1)));
    let first = execute(&world, &context, &gas, &transaction).unwrap();
    let second = execute(&world, &context, &gas, &transaction).unwrap();
    assert_eq!(first, second);
    assert_eq!(world, chain.world);
}

#[test]
fn aborts_say_where_and_why() {
    let mut chain = Chain::new(1, Parameters::default());
    let pool = chain.genesis.pool;
    let outcome = chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, SUI - 1);
        let arguments = vec![ptb.object(pool), coin, ptb.pure(&0u8), ptb.clock()];
        ptb.call("staking", "stake", arguments);
    });
    let below = contract_model::abort::staking::BELOW_MINIMUM;
    assert_eq!(abort(&outcome), Some(("staking".to_owned(), below)));
    let ExecutionError::MoveAbort { location, .. } = error(&outcome) else {
        panic!("not an abort");
    };
    assert_eq!(location.package, chain.genesis.package);
    assert_eq!(location.function_name.as_ref().unwrap().as_str(), "stake");
}
