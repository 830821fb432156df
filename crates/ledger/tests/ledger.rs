//! The ledger, driven by the typed client and by the unmodified `sui-rpc` client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "ledger/publishing.rs"]
mod publishing;

use std::path::Path;
use std::time::Duration;

use chain::calls::{self, Approval, TokenRequest};
use chain::events::Event;
use chain::keystore::Key;
use chain::objects::{NewParameters, StakeStatus, TeeKind, Tier};
use chain::stream::Cursor;
use chain::{Address, ChainError, Client, Outcome, Settlement};
use ledger::{GenesisOptions, Handle, LedgerConfig, LedgerError};
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use tokio_util::sync::CancellationToken;

const SUI: u64 = 1_000_000_000;

struct World {
    handle: Handle,
    shutdown: CancellationToken,
    client: Client,
    deployment: chain::Deployment,
    publisher: Key,
}

fn config(directory: &Path, publisher: &Key, funds: Vec<(Address, u64)>) -> LedgerConfig {
    let mut config = LedgerConfig::new(
        directory.to_owned(),
        GenesisOptions::development(publisher.address(), funds),
    );
    config.listen = "127.0.0.1:0".parse().unwrap();
    config
}

async fn start(directory: &Path, publisher: &Key, funds: Vec<(Address, u64)>) -> World {
    let shutdown = CancellationToken::new();
    let handle = ledger::serve(config(directory, publisher, funds), shutdown.clone())
        .await
        .unwrap();
    let client = Client::connect(&handle.url()).await.unwrap();
    let deployment = chain::Deployment::load(&directory.join("deployment.json")).unwrap();
    client.verify(&deployment).await.unwrap();
    World {
        handle,
        shutdown,
        client,
        deployment,
        publisher: publisher.clone(),
    }
}

impl World {
    async fn stop(self) {
        self.shutdown.cancel();
        drop(self.client);
        self.handle.stopped().await.unwrap();
    }

    /// Creates a cluster with one allowed measurement.
    async fn cluster(&mut self) -> Address {
        let approval = Approval {
            kind: TeeKind::Simulated,
            measurement: vec![7; 48],
            source: "test".to_owned(),
            active_at_ms: 0,
        };
        let call = calls::create_cluster(&self.deployment, "main", vec![approval]);
        let executed = self.client.submit(&self.publisher, &call).await.unwrap();
        let cluster = executed.created("enclave_registry::Cluster").unwrap();
        self.deployment.cluster = Some(cluster);
        self.deployment.cluster_cap =
            Some(executed.created("enclave_registry::ClusterCap").unwrap());
        cluster
    }

    /// Proposes new parameters, waits for the timelock, and has somebody execute the change.
    async fn change(&self, new: &NewParameters) {
        let on = &self.deployment;
        let propose = calls::propose_change(on, on.admin_cap.unwrap(), new).unwrap();
        self.client.submit(&self.publisher, &propose).await.unwrap();
        let params: chain::objects::Params = self
            .client
            .object(on, on.params().unwrap())
            .await
            .unwrap()
            .value;
        tokio::time::sleep(Duration::from_millis(params.delay_ms + 100)).await;
        let execute = calls::execute_change(on, params.proposed - 1).unwrap();
        let somebody = self.rich(SUI).await;
        self.client.submit(&somebody, &execute).await.unwrap();
    }

    async fn rich(&self, amount: u64) -> Key {
        let key = Key::generate().unwrap();
        self.handle.fund(key.address(), amount).await.unwrap();
        key
    }
}

fn token(cluster: Address, node: &str) -> TokenRequest {
    TokenRequest {
        cluster,
        node_id: node.to_owned(),
        node_key: [1; 32],
        commitment: [2; 32],
        endpoint: String::new(),
        ttl_ms: 3_600_000,
    }
}

async fn world() -> (tempfile::TempDir, World) {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let funds = vec![(publisher.address(), 100 * SUI)];
    let world = start(directory.path(), &publisher, funds).await;
    (directory, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stake_lives_from_minting_to_withdrawal() {
    let (_directory, mut world) = world().await;
    let before = world.handle.supply();
    let cluster = world.cluster().await;
    let on = world.deployment.clone();
    let client = world.client.clone();
    let seen = client.cluster(&on, cluster).await.unwrap();
    assert!(seen.allows(TeeKind::Simulated, &[7; 48]));
    assert!(!seen.allows(TeeKind::Nitro, &[7; 48]));

    let worker = world.rich(5 * SUI).await;
    let call = calls::stake_and_mint(&on, SUI, token(cluster, "worker-0"));
    let executed = client.submit(&worker, &call).await.unwrap();
    let stake = executed.created("staking::Stake").unwrap();
    let minted = executed.created("k8s_gateway::SealToken").unwrap();
    assert!(matches!(
        executed.events(&on).as_slice(),
        [
            Event::Staked(_),
            Event::StakeBalances(_),
            Event::SealTokenCreated(_),
            ..
        ]
    ));
    let balance = client.balance(worker.address()).await.unwrap();
    assert_eq!(
        i128::from(balance),
        i128::from(4 * SUI) - executed.gas.net()
    );

    let read = client.stake(&on, stake).await.unwrap();
    assert_eq!(
        (read.tier, read.status, read.balance, read.owner),
        (Tier::Node, StakeStatus::Active, SUI, worker.address())
    );
    let read_token = client.seal_token(&on, minted).await.unwrap();
    assert_eq!(
        (read_token.stake_id, read_token.node_id.as_str()),
        (stake, "worker-0")
    );
    let pool = client.pool(&on).await.unwrap();
    assert!(pool.has_sufficient_stake(&read, Tier::Node));
    assert!(!pool.has_sufficient_stake(&read, Tier::Admin));
    assert_eq!(
        client.stakes_of(&on, worker.address()).await.unwrap(),
        [read]
    );
    assert_eq!(
        client.seal_tokens_of(&on, worker.address()).await.unwrap(),
        [read_token]
    );

    // Renewed, slashed by governance, unstaked, not withdrawn before its time.
    let renew = calls::renew_seal_token(&on, minted, stake, Some([3; 32]), 7_200_000);
    client.submit(&worker, &renew).await.unwrap();
    let renewed = client.seal_token(&on, minted).await.unwrap();
    assert_eq!((renewed.generation, renewed.commitment), (1, vec![3; 32]));

    let slash = calls::slash(&on, on.slash_cap.unwrap(), stake, SUI / 2, "offline").unwrap();
    client.submit(&world.publisher, &slash).await.unwrap();
    let slashed = client.stake(&on, stake).await.unwrap();
    assert_eq!(slashed.balance, SUI / 2);
    let pool = client.pool(&on).await.unwrap();
    assert!(!pool.has_sufficient_stake(&slashed, Tier::Node));
    assert_eq!(pool.treasury, SUI / 2);

    client
        .submit(&worker, &calls::request_unstake(&on, stake).unwrap())
        .await
        .unwrap();
    let error = client
        .submit(&worker, &calls::withdraw(&on, stake))
        .await
        .unwrap_err();
    let abort = error.abort().expect("an abort");
    assert_eq!(
        (abort.module.as_str(), abort.name),
        ("staking", Some("EStillUnbonding"))
    );

    assert_eq!(world.handle.supply().total(), before.total());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_payment_happens_once() {
    let (_directory, world) = world().await;
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let user = world.rich(5 * SUI).await;
    let call = calls::stake(&on, Tier::User, SUI);
    let signed = client.prepare(&user, &call).await.unwrap();
    let stored = signed.to_bytes().unwrap();
    assert!(client.lookup(signed.digest()).await.unwrap().is_none());

    // Sent several times, at once and later, from the stored bytes.
    let again = chain::SignedTransaction::from_bytes(&stored).unwrap();
    let (first, second) = tokio::join!(client.send(&signed), client.send(&again));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!(first.outcome, Outcome::Success);
    let Settlement::Executed(third) = client.settle(&again).await.unwrap() else {
        panic!("it was executed");
    };
    assert_eq!(*third, first);
    assert_eq!(
        client.stakes_of(&on, user.address()).await.unwrap().len(),
        1
    );

    // One that lost its coin to another never happens.
    let loser = client.prepare(&user, &call).await.unwrap();
    let winner = client
        .prepare(&user, &calls::transfer(&on, world.publisher.address(), 5))
        .await
        .unwrap();
    client.send(&winner).await.unwrap();
    assert!(matches!(
        client.send(&loser).await,
        Err(ChainError::Refused { .. })
    ));
    assert!(matches!(
        client.settle(&loser).await.unwrap(),
        Settlement::Void { .. }
    ));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sender_can_sign() {
    use sui_crypto::SuiSigner as _;
    let (_directory, world) = world().await;
    let client = world.client.clone();
    let user = world.rich(5 * SUI).await;
    let thief_private = sui_crypto::ed25519::Ed25519PrivateKey::new([9; 32]);
    let call = calls::stake(&world.deployment, Tier::User, SUI);
    let transaction = client.build(user.address(), &call).await.unwrap();
    let good = user.sign(transaction.clone()).unwrap();

    let mut raw = sui_rpc::Client::new(world.handle.url().as_str()).unwrap();
    let mut send = async |transaction: sui_sdk_types::Transaction, signatures: Vec<_>| {
        let request = proto::ExecuteTransactionRequest::new(transaction.into()).with_signatures(
            signatures
                .into_iter()
                .map(Into::into)
                .collect::<Vec<proto::UserSignature>>(),
        );
        raw.execution_client()
            .execute_transaction(request)
            .await
            .unwrap_err()
    };
    // Another key's signature over the very same bytes: it verifies, and is not the sender's.
    let theft = thief_private.sign_transaction(&transaction).unwrap();
    let status = send(transaction.clone(), vec![theft]).await;
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("the sender is"), "{status}");
    // The sender's signature over other bytes.
    let mut altered = transaction.clone();
    altered.gas_payment.budget += 1;
    let status = send(altered, vec![good.signature().clone()]).await;
    assert!(status.message().contains("does not verify"), "{status}");
    // None, and two.
    let status = send(transaction.clone(), vec![]).await;
    assert!(status.message().contains("exactly one signature"));
    let status = send(
        transaction.clone(),
        vec![good.signature().clone(), good.signature().clone()],
    )
    .await;
    assert!(status.message().contains("exactly one signature"));
    // A coin of somebody else.
    let mut stolen = transaction;
    stolen.sender = thief_private.public_key().derive_address();
    stolen.gas_payment.owner = stolen.sender;
    let signature = thief_private.sign_transaction(&stolen).unwrap();
    let status = send(stolen, vec![signature]).await;
    assert!(
        status.message().contains("not a SUI coin of the sender"),
        "{status}"
    );
    assert!(matches!(
        user.sign_personal_message(b"hello"),
        Ok(signature) if chain::wallet::verify_personal_message(
            &user.address(), b"hello", &signature.to_base64()).is_ok()
    ));
    // The good one still works.
    client.send(&good).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gas_is_charged_to_the_last_mist() {
    let (_directory, world) = world().await;
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let total = world.handle.supply().total();
    let user = world.rich(3 * SUI).await;
    // Several coins, so that they are merged.
    for _ in 0..3 {
        world.handle.fund(user.address(), SUI / 10).await.unwrap();
    }
    let before = client.balance(user.address()).await.unwrap();
    assert_eq!(before, 3 * SUI + 3 * (SUI / 10));

    // An abort found by execution, not by simulation: an unstake of another's stake.
    let owner = world.rich(3 * SUI).await;
    let staked = client
        .submit(&owner, &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap();
    let stake = staked.created("staking::Stake").unwrap();
    let error = client
        .build(user.address(), &calls::request_unstake(&on, stake).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENotOwner"));

    let mut aborting = client
        .build(
            owner.address(),
            &calls::request_unstake(&on, stake).unwrap(),
        )
        .await
        .unwrap();
    client
        .submit(&owner, &calls::transfer(&on, user.address(), 1))
        .await
        .unwrap();
    client
        .submit(&owner, &calls::request_unstake(&on, stake).unwrap())
        .await
        .unwrap();
    let (coin, version, digest) = coin_of(&world, owner.address()).await;
    aborting.gas_payment.objects = vec![sui_sdk_types::ObjectReference::new(coin, version, digest)];
    let held = client.balance(owner.address()).await.unwrap();
    let executed = client.send(&owner.sign(aborting).unwrap()).await.unwrap();
    let Outcome::Aborted(abort) = &executed.outcome else {
        panic!("{:?}", executed.outcome);
    };
    assert_eq!(abort.name, Some("ENotActive"));
    assert!(executed.created.is_empty() && executed.events(&on).is_empty());
    let left = client.balance(owner.address()).await.unwrap();
    assert_eq!(i128::from(held - left), executed.gas.net());
    assert_eq!(world.handle.supply().total(), total);

    // A budget too small for what is stored: charged, and nothing happened.
    let mut poor = client
        .build(user.address(), &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap();
    poor.gas_payment.budget = 1_000_000;
    let executed = client.send(&user.sign(poor).unwrap()).await.unwrap();
    let Outcome::Failed(reason) = &executed.outcome else {
        panic!("{:?}", executed.outcome);
    };
    assert!(reason.contains("budget"), "{reason}");
    let after = client.balance(user.address()).await.unwrap();
    assert_eq!(
        i128::from(before + 1) - executed.gas.net(),
        i128::from(after)
    );
    assert!(
        client
            .stakes_of(&on, user.address())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.handle.supply().total(), total);

    // Too little SUI is said before anything is signed.
    let beggar = world.rich(1000).await;
    let error = client
        .build(beggar.address(), &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::InsufficientFunds {
                available: 1000,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.class(), chain::ErrorClass::Chain);
    // Enough for the stake, too little for its gas.
    let tight = world.rich(SUI + 1_500_000).await;
    let error = client
        .build(tight.address(), &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ChainError::InsufficientFunds { .. }),
        "{error}"
    );
    assert_eq!(world.handle.supply().total(), total);
    world.stop().await;
}

async fn coin_of(world: &World, owner: Address) -> (Address, u64, sui_sdk_types::Digest) {
    let raw = sui_rpc::Client::new(world.handle.url().as_str()).unwrap();
    let coins = raw
        .select_coins(&owner, &sui_sdk_types::StructTag::sui().into(), 1, &[])
        .await
        .unwrap();
    let coin = &coins[0];
    (
        coin.object_id().parse().unwrap(),
        coin.version(),
        coin.digest().parse().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn events_resume_without_gap_or_duplicate_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let users: Vec<Key> = (0..4).map(|_| Key::generate().unwrap()).collect();
    let funds = users
        .iter()
        .chain([&publisher])
        .map(|key| (key.address(), 50 * SUI))
        .collect::<Vec<_>>();
    let mut cursor = Cursor::GENESIS;
    let mut seen = Vec::new();
    let mut expected = Vec::new();
    let mut total = None;
    let mut height = 0;
    for round in 0_u64..3 {
        let world = start(directory.path(), &publisher, funds.clone()).await;
        let (client, on) = (world.client.clone(), world.deployment.clone());
        let supply = world.handle.supply().total();
        assert_eq!(*total.get_or_insert(supply), supply);
        assert!(
            world.handle.height() >= height,
            "nothing acknowledged is lost"
        );
        let mut stream = client.events(&on, cursor);

        // Half of it while the stream is away, half of it while it follows.
        for half in 0..2_u64 {
            let staked =
                futures::future::join_all(users.iter().enumerate().map(|(index, user)| {
                    let amount = SUI + 100 * round + 10 * half + index as u64;
                    let (client, on) = (client.clone(), on.clone());
                    async move {
                        let call = calls::stake(&on, Tier::User, amount);
                        client.submit(user, &call).await.unwrap();
                        amount
                    }
                }))
                .await;
            expected.extend(staked);
            while seen.len() < expected.len() {
                let delivery = tokio::time::timeout(Duration::from_secs(20), stream.next())
                    .await
                    .expect("an event in time")
                    .unwrap();
                assert!(delivery.cursor > cursor);
                cursor = delivery.cursor;
                if let Some(emitted) = delivery.emitted
                    && let Event::Staked(staked) = emitted.event
                {
                    assert_eq!(emitted.timestamp_ms, staked.staked_at_ms);
                    assert_eq!(emitted.sender, staked.owner);
                    seen.push(staked.amount);
                }
            }
        }
        height = world.handle.height();
        drop(stream);
        world.stop().await;
    }
    let mut sorted = (seen.clone(), expected.clone());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1);
    assert_eq!(seen.len(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_client_finds_everything() {
    use futures::StreamExt as _;
    let (_directory, mut world) = world().await;
    let cluster = world.cluster().await;
    let user = world.rich(5 * SUI).await;
    let call = calls::stake_and_mint(&world.deployment, SUI, token(cluster, "node-a"));
    let executed = world.client.submit(&user, &call).await.unwrap();
    let mut raw = sui_rpc::Client::new(world.handle.url().as_str()).unwrap();

    let info = raw
        .ledger_client()
        .get_service_info(proto::GetServiceInfoRequest::default())
        .await
        .unwrap();
    {
        use sui_rpc::client::ResponseExt as _;
        assert_eq!(info.chain_id().unwrap().to_string(), world.deployment.chain);
        assert!(info.checkpoint_height().unwrap() > 0 && info.timestamp_ms().unwrap() > 0);
    }
    let info = info.into_inner();
    assert_eq!(info.chain_id(), world.deployment.chain);

    // The digests of a transaction, its effects, its events and its checkpoint are what their BCS
    // hash to, and the checkpoints are a chain.
    let all = proto::GetTransactionRequest::new(&executed.digest)
        .with_read_mask(FieldMask::from_str("*"));
    let found = raw
        .ledger_client()
        .get_transaction(all)
        .await
        .unwrap()
        .into_inner();
    let found = found.transaction();
    let transaction: sui_sdk_types::Transaction = found.transaction().bcs().deserialize().unwrap();
    assert_eq!(transaction.digest(), executed.digest);
    let effects: sui_sdk_types::TransactionEffects = found.effects().bcs().deserialize().unwrap();
    assert_eq!(effects.digest().to_string(), found.effects().digest());
    let events: sui_sdk_types::TransactionEvents = found.events().bcs().deserialize().unwrap();
    let sui_sdk_types::TransactionEffects::V2(effects) = effects else {
        panic!("effects V2");
    };
    assert_eq!(effects.events_digest, Some(events.digest()));
    for changed in found.effects().changed_objects() {
        if changed.output_state() == proto::changed_object::OutputObjectState::ObjectWrite {
            let request = proto::GetObjectRequest::default()
                .with_object_id(changed.object_id())
                .with_version(changed.output_version())
                .with_read_mask(FieldMask::from_str("bcs,digest"));
            let object = raw
                .ledger_client()
                .get_object(request)
                .await
                .unwrap()
                .into_inner();
            let decoded: sui_sdk_types::Object = object.object().bcs().deserialize().unwrap();
            assert_eq!(decoded.digest().to_string(), changed.output_digest());
            assert_eq!(decoded.previous_transaction(), executed.digest);
        }
    }
    let sum: i128 = found
        .balance_changes()
        .iter()
        .map(|change| change.amount().parse::<i128>().unwrap())
        .sum();
    assert_eq!(sum, -i128::from(SUI) - executed.gas.net());

    let mut previous = None;
    for sequence in 0..=info.checkpoint_height() {
        let request = proto::GetCheckpointRequest::by_sequence_number(sequence)
            .with_read_mask(FieldMask::from_str("digest,summary.bcs,contents.bcs"));
        let response = raw
            .ledger_client()
            .get_checkpoint(request)
            .await
            .unwrap()
            .into_inner();
        let checkpoint = response.checkpoint();
        let summary: sui_sdk_types::CheckpointSummary =
            checkpoint.summary().bcs().deserialize().unwrap();
        let contents: sui_sdk_types::CheckpointContents =
            checkpoint.contents().bcs().deserialize().unwrap();
        assert_eq!(summary.previous_digest, previous);
        assert_eq!(summary.content_digest, contents.digest());
        assert_eq!(summary.digest().to_string(), checkpoint.digest());
        previous = Some(summary.digest());
    }

    // Lists, with small pages and in both orders.
    for limit in [1_u32, 2, 1000] {
        let mut positions = Vec::new();
        for ordering in [proto::Ordering::Ascending, proto::Ordering::Descending] {
            let mut options = proto::QueryOptions::default();
            options.limit = Some(limit);
            options.set_ordering(ordering);
            let request = proto::ListEventsRequest::default()
                .with_options(options)
                .with_read_mask(FieldMask::from_str(
                    "checkpoint,transaction_index,event_index",
                ));
            let mut list = Box::pin(raw.list_events(request));
            let mut found = Vec::new();
            while let Some(frame) = list.next().await {
                if let Some(event) = frame.unwrap().event {
                    found.push((
                        event.checkpoint(),
                        event.transaction_index(),
                        event.event_index(),
                    ));
                }
            }
            positions.push(found);
        }
        let [ascending, mut descending] = <[_; 2]>::try_from(positions).unwrap();
        descending.reverse();
        assert!(ascending.len() >= 5);
        assert!(ascending.is_sorted());
        assert_eq!(ascending, descending);
    }
    let request = proto::ListTransactionsRequest::default().with_filter(
        proto::TransactionFilter::matching(proto::filter::transaction::move_call(
            format!("{}::staking::stake", world.deployment.package).as_str(),
        )),
    );
    let mut list = Box::pin(raw.list_transactions(request));
    let mut count = 0;
    while let Some(frame) = list.next().await {
        count += usize::from(frame.unwrap().transaction.is_some());
    }
    assert_eq!(count, 1);
    let mut list = Box::pin(raw.list_checkpoints(proto::ListCheckpointsRequest::default()));
    let mut count = 0;
    while let Some(frame) = list.next().await {
        count += u64::from(frame.unwrap().checkpoint.is_some());
    }
    assert!(count > info.checkpoint_height());

    // What is not there, and what is not served.
    let status = raw
        .ledger_client()
        .get_object(proto::GetObjectRequest::new(&Address::from_static(
            "0xdead",
        )))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
    let status = raw
        .ledger_client()
        .get_object(
            proto::GetObjectRequest::new(&Address::from_static("0x6"))
                .with_read_mask(FieldMask::from_str("colour")),
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let status = raw
        .package_client()
        .get_package(proto::GetPackageRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);

    // Signatures are verified for clients that have no cryptography.
    let signature = user.sign_personal_message(b"hi").unwrap();
    let mut message = proto::Bcs::serialize(&b"hi".to_vec()).unwrap();
    message.name = Some("PersonalMessage".to_owned());
    for (address, valid) in [(user.address(), true), (world.publisher.address(), false)] {
        let request = proto::VerifySignatureRequest::default()
            .with_message(message.clone())
            .with_signature(proto::UserSignature::from(signature.clone()))
            .with_address(address.to_string());
        let answer = raw
            .signature_verification_client()
            .verify_signature(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.is_valid(), valid);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_stake_at_once() {
    let (_directory, world) = world().await;
    let total = world.handle.supply().total();
    let mut keys = Vec::new();
    for _ in 0..16 {
        keys.push(world.rich(20 * SUI).await);
    }
    let tasks: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let (client, on) = (world.client.clone(), world.deployment.clone());
            tokio::spawn(async move {
                for _ in 0..4 {
                    let call = calls::stake(&on, Tier::User, SUI);
                    client.submit(&key, &call).await.unwrap();
                }
                client.stakes_of(&on, key.address()).await.unwrap().len()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 4);
    }
    let pool = world.client.pool(&world.deployment).await.unwrap();
    assert_eq!(pool.total_active, 64 * SUI);
    assert_eq!(pool.stakes_created, 64);
    assert_eq!(world.handle.supply().total(), total);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_what_to_do() {
    let (directory, world) = world().await;
    let shutdown = CancellationToken::new();
    let attempt = async |config: LedgerConfig| {
        ledger::serve(config, shutdown.clone())
            .await
            .unwrap_err()
            .to_string()
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let mut taken = config(elsewhere.path(), &world.publisher, vec![]);
    taken.listen = world.handle.address();
    let message = attempt(taken).await;
    assert!(message.contains("another process") && message.contains("choose another port"));
    assert_eq!(
        std::fs::read_dir(elsewhere.path()).unwrap().count(),
        0,
        "nothing half-made"
    );

    let mut remote = config(elsewhere.path(), &world.publisher, vec![]);
    remote.listen = "0.0.0.0:0".parse().unwrap();
    assert!(attempt(remote).await.contains("loopback"));

    let same = config(directory.path(), &world.publisher, vec![]);
    assert!(attempt(same).await.contains("another ledger process"));

    let stranger = Key::generate().unwrap();
    let publisher = world.publisher.clone();
    world.stop().await;
    let other = config(directory.path(), &stranger, vec![]);
    assert!(attempt(other).await.contains("published by"));

    // A flipped bit in the middle of the log is found and located.
    let log = directory.path().join("ledger.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let error = ledger::serve(
        config(directory.path(), &publisher, vec![]),
        shutdown.clone(),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_pass_and_time_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = Key::generate().unwrap();
    let mut options = config(
        directory.path(),
        &publisher,
        vec![(publisher.address(), 9 * SUI)],
    );
    options.epoch = Duration::from_millis(200);
    let shutdown = CancellationToken::new();
    let handle = ledger::serve(options, shutdown.clone()).await.unwrap();
    let client = Client::connect(&handle.url()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        let mut last = 0;
        while client.epoch().await.unwrap() < 3 {
            let now = client
                .checkpoint_time(client.latest_checkpoint().await.unwrap())
                .await
                .unwrap();
            assert!(now >= last);
            last = now;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("epochs pass");
    shutdown.cancel();
    drop(client);
    handle.stopped().await.unwrap();
}

/// Every call of the client works on the contracts, and every event and object decodes to what its
/// BCS was.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_and_every_event() {
    let (_directory, mut world) = world().await;
    let cluster = world.cluster().await;
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let cap = on.cluster_cap.unwrap();
    let admin = on.admin_cap.unwrap();
    let governance = &world.publisher;
    let kind = TeeKind::SevSnp;
    let measurement = vec![9; 48];
    let approval = Approval {
        kind,
        measurement: measurement.clone(),
        source: "v2".to_owned(),
        active_at_ms: 0,
    };
    let endpoint = calls::EndpointRegistration {
        url: "https://127.0.0.1:6443".to_owned(),
        tls_key_hash: [4; 32],
        measurement: measurement.clone(),
        kind,
    };
    let url = endpoint.url.clone();
    for call in [
        calls::approve_measurement(&on, cap, cluster, approval),
        calls::register_endpoint(&on, cap, cluster, endpoint),
    ] {
        client.submit(governance, &call).await.unwrap();
    }
    let minimum = NewParameters::Tier {
        tier: Tier::User,
        minimum: SUI / 2,
        lockup_ms: 0,
    };
    world.change(&minimum).await;
    let cancel = calls::propose_change(&on, admin, &NewParameters::Unbonding(60_001)).unwrap();
    client.submit(governance, &cancel).await.unwrap();
    let early = calls::execute_change(&on, 1).unwrap();
    let error = client.submit(governance, &early).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ETimelocked"));
    let cancel = calls::cancel_change(&on, admin, 1).unwrap();
    client.submit(governance, &cancel).await.unwrap();
    let pause = |paused| calls::set_paused(&on, admin, paused).unwrap();
    client.submit(governance, &pause(true)).await.unwrap();
    let stake = calls::stake(&on, Tier::Node, SUI);
    let error = client.submit(governance, &stake).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EPaused"));
    client.submit(governance, &pause(false)).await.unwrap();
    let seen = client.cluster(&on, cluster).await.unwrap();
    assert_eq!(seen.endpoints[0].url, url);
    assert!(seen.allows(kind, &measurement));

    let worker = world.rich(20 * SUI).await;
    let staked = client
        .submit(&worker, &calls::stake(&on, Tier::Node, SUI))
        .await
        .unwrap();
    let stake = staked.created("staking::Stake").unwrap();
    client
        .submit(&worker, &calls::top_up(&on, stake, 5))
        .await
        .unwrap();
    let mint = calls::create_seal_token(&on, stake, token(cluster, "node-b"));
    let minted = client.submit(&worker, &mint).await.unwrap();
    let seal = minted.created("k8s_gateway::SealToken").unwrap();
    client
        .submit(&worker, &calls::revoke_seal_token(&on, seal))
        .await
        .unwrap();
    assert!(!client.seal_token(&on, seal).await.unwrap().is_live(0));

    // One that governance revokes, and one that anybody does once its stake does not back it.
    let second = client
        .submit(
            &worker,
            &calls::stake_and_mint(&on, SUI, token(cluster, "node-c")),
        )
        .await
        .unwrap();
    let (second_stake, second_token) = (
        second.created("staking::Stake").unwrap(),
        second.created("k8s_gateway::SealToken").unwrap(),
    );
    let third = client
        .submit(
            &worker,
            &calls::stake_and_mint(&on, SUI, token(cluster, "node-d")),
        )
        .await
        .unwrap();
    let third_token = third.created("k8s_gateway::SealToken").unwrap();
    let slash = calls::slash(&on, on.slash_cap.unwrap(), second_stake, 1, "late").unwrap();
    client.submit(governance, &slash).await.unwrap();
    let anybody = world.rich(SUI).await;
    let unbacked = calls::revoke_unbacked_seal_token(&on, second_token, second_stake);
    client.submit(&anybody, &unbacked).await.unwrap();
    let renew = calls::renew_seal_token(
        &on,
        third_token,
        third.created("staking::Stake").unwrap(),
        None,
        3_600_000,
    );
    client.submit(&worker, &renew).await.unwrap();
    for call in [
        calls::admin_revoke_seal_token(&on, admin, third_token),
        calls::withdraw_treasury(&on, admin, 1),
        calls::remove_endpoint(&on, cap, cluster, &url),
        calls::retire_measurement(&on, cap, cluster, kind, &measurement),
    ] {
        client.submit(governance, &call).await.unwrap();
    }
    client
        .submit(&worker, &calls::request_unstake(&on, stake).unwrap())
        .await
        .unwrap();
    slashing_by_evidence(&world, cluster).await;

    let mut stream = client.events(&on, Cursor::GENESIS);
    let mut names = std::collections::BTreeSet::new();
    let tip = client.latest_checkpoint().await.unwrap();
    while stream.cursor() < Cursor::end_of(tip) {
        if let Some(emitted) = stream.next().await.unwrap().emitted {
            assert!(
                !matches!(emitted.event, Event::Other { .. }),
                "{:?}",
                emitted.event
            );
            names.insert(emitted.event.name().to_owned());
        }
    }
    let expected = [
        "anchors::AnchorsCreated",
        "anchors::StateAnchored",
        "delegation::Delegated",
        "delegation::DelegationClosed",
        "delegation::DelegationSettled",
        "delegation::Undelegated",
        "enclave_registry::ClusterCreated",
        "enclave_registry::EnclaveRegistered",
        "enclave_registry::EnclaveRevoked",
        "enclave_registry::EndpointRegistered",
        "enclave_registry::EndpointRemoved",
        "enclave_registry::MeasurementApproved",
        "enclave_registry::MeasurementRetired",
        "k8s_gateway::GatewayCreated",
        "k8s_gateway::SealTokenCreated",
        "k8s_gateway::SealTokenRenewed",
        "k8s_gateway::SealTokenRevoked",
        "params::ChangeCancelled",
        "params::ChangeExecuted",
        "params::ChangeProposed",
        "params::DelayChanged",
        "params::ParamsCreated",
        "rewards::BudgetFunded",
        "rewards::ClusterAdmitted",
        "rewards::EarnerSettled",
        "rewards::EmissionChanged",
        "rewards::EscrowClosed",
        "rewards::EscrowOpened",
        "rewards::RewardsCreated",
        "rewards::RewardsUpdated",
        "slashing::CaseOpened",
        "slashing::CaseRejected",
        "slashing::DocketCreated",
        "slashing::RulesChanged",
        "staking::Accused",
        "staking::CommissionChanged",
        "staking::PauseChanged",
        "staking::PoolCreated",
        "staking::Slashed",
        "staking::StakeBalances",
        "staking::Staked",
        "staking::TierChanged",
        "staking::ToppedUp",
        "staking::TreasuryFunded",
        "staking::TreasuryWithdrawn",
        "staking::UnbondingChanged",
        "staking::UnstakeRequested",
        "unbonding::UnbondingBegun",
        "upgrades::UpgradesCreated",
    ];
    assert_eq!(names.iter().collect::<Vec<_>>(), expected);
    replay_in_move(&world.handle);
    world.stop().await;
}

/// Somebody delegates to the stake, and leaves through its queue like a part of the owner's own.
async fn delegation(world: &World, stake: Address, node: &Key) {
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let commission = calls::set_commission(&on, stake, 500).unwrap();
    client.submit(node, &commission).await.unwrap();
    let delegator = world.rich(3 * SUI).await;
    let delegate = calls::delegate(&on, stake, SUI).unwrap();
    let delegated = client.submit(&delegator, &delegate).await.unwrap();
    let delegation = delegated.created("delegation::Delegation").unwrap();
    let held: chain::objects::Delegation = client.object(&on, delegation).await.unwrap().value;
    let behind = client.stake(&on, stake).await.unwrap();
    assert_eq!(behind.commission, 500);
    assert_eq!(behind.delegated.worth(held.shares), SUI);
    let claim = calls::claim_delegation(&on, stake, delegation).unwrap();
    let error = client.submit(&delegator, &claim).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENothingOwed"));
    let close = calls::close_delegation(&on, delegation);
    let error = client.submit(&delegator, &close).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENotEmpty"));
    let leave = calls::undelegate(&on, stake, delegation, u64::MAX).unwrap();
    let left = client.submit(&delegator, &leave).await.unwrap();
    let part = left.created("unbonding::Unbonding").unwrap();
    client.submit(&delegator, &close).await.unwrap();
    let redeem = calls::redeem(&on, stake, part);
    let error = client.submit(&delegator, &redeem).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EStillUnbonding"));
    let error = client
        .submit(node, &calls::unjail(&on, stake))
        .await
        .unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENotJailed"));
    let much = calls::unstake_part(&on, stake, behind.balance).unwrap();
    let error = client.submit(node, &much).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EBelowMinimum"));
}

/// A budget, a prepaid fee, an earner that is reported too early; every MIST is still there.
async fn rewards(world: &World, cluster: Address, enclave: Address, stake: Address, node: &Key) {
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let before = world.handle.supply().total();
    world.change(&NewParameters::Emission(SUI)).await;
    let admit = calls::set_rewarded_cluster(&on, on.admin_cap.unwrap(), cluster, true).unwrap();
    client.submit(&world.publisher, &admit).await.unwrap();
    let payer = world.rich(3 * SUI).await;
    let fund = calls::fund_rewards(&on, SUI).unwrap();
    client.submit(&payer, &fund).await.unwrap();
    let open = calls::open_escrow(&on, SUI, 7).unwrap();
    let opened = client.submit(&payer, &open).await.unwrap();
    let escrow = opened.created("rewards::Escrow").unwrap();
    let held: chain::objects::Escrow = client.object(&on, escrow).await.unwrap().value;
    assert_eq!(held.amount, SUI);
    // Minting has enrolled it.
    let enroll = calls::enroll(&on, stake).unwrap();
    let error = client.submit(node, &enroll).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EEnrolled"));
    delegation(world, stake, node).await;
    let statement = chain::objects::PerformanceStatement {
        intent: chain::objects::PerformanceStatement::INTENT,
        timestamp_ms: held.begins_at_ms,
        cluster_id: cluster,
        stake_id: stake,
        performance: 10_000,
    };
    let report = calls::report_performance(&on, enclave, &statement, [0; 64]).unwrap();
    let error = client.submit(&payer, &report).await.unwrap_err();
    let name = error.abort().unwrap().name;
    // Enrolled on the day before, if midnight came between.
    assert!(matches!(name, Some("ENotYet" | "EInvalidSignature")));
    let refresh = calls::refresh_rewards(&on, stake).unwrap();
    client.submit(&payer, &refresh).await.unwrap();
    let claim = calls::claim_rewards(&on, stake).unwrap();
    let error = client.submit(node, &claim).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENothingOwed"));
    let close = calls::close_escrow(&on, escrow).unwrap();
    client.submit(&payer, &close).await.unwrap();
    let rewards: chain::objects::Rewards = client
        .object(&on, on.rewards().unwrap())
        .await
        .unwrap()
        .value;
    assert_eq!(
        rewards.budget + rewards.escrowed + rewards.reserved,
        rewards.vault
    );
    assert!(world.handle.supply().rewards == rewards.vault && rewards.vault >= SUI);
    assert_eq!(world.handle.supply().total(), before);
}

/// An enclave's signed accusations: one vetoed, one acquitted by the enclave, one that waits for its
/// appeal window.
async fn slashing_by_evidence(world: &World, cluster: Address) {
    use chain::objects::{AcquittalStatement, CaseStatus, Docket, EvidenceStatement, FaultKind};
    use sui_crypto::Signer as _;
    use sui_sdk_types::Ed25519Signature;
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let governance = &world.publisher;
    let (cap, admin) = (on.cluster_cap.unwrap(), on.admin_cap.unwrap());
    let before = world.handle.supply().total();
    let private = sui_crypto::ed25519::Ed25519PrivateKey::new([5; 32]);
    let sign = |bytes: &[u8]| -> [u8; 64] {
        let signature: Ed25519Signature = private.sign(bytes);
        signature.into()
    };
    let public: [u8; 32] = private.public_key().into();
    let call = calls::register_enclave(&on, cap, cluster, public, TeeKind::Simulated, &[7; 48]);
    let registered = client.submit(governance, &call).await.unwrap();
    let enclave = registered.created("enclave_registry::Enclave").unwrap();

    let docket: Docket = client
        .object(&on, on.docket().unwrap())
        .await
        .unwrap()
        .value;
    let rules = chain::objects::Rules {
        evidence_window_ms: 600_000,
        appeal_window_ms: 600_000,
        bond: 1000,
        ..docket.rules
    };
    let now = client
        .checkpoint_time(client.latest_checkpoint().await.unwrap())
        .await
        .unwrap();
    let node = world.rich(9 * SUI).await;
    let staking = calls::stake_and_mint(&on, 2 * SUI, token(cluster, "accused"));
    let staked = client.submit(&node, &staking).await.unwrap();
    let stake = staked.created("staking::Stake").unwrap();
    let minted = staked.created("k8s_gateway::SealToken").unwrap();
    let reporter = world.rich(9 * SUI).await;
    let accuse = async |nonce: u64, bond: u64| {
        let statement = EvidenceStatement {
            intent: EvidenceStatement::INTENT,
            timestamp_ms: now,
            cluster_id: cluster,
            stake_id: stake,
            kind: FaultKind::Resources,
            period: now / 86_400_000,
            nonce,
            failed: 1,
            total: 10,
            facts: vec![8; 32],
        };
        let signature = sign(&bcs::to_bytes(&statement).unwrap());
        let call = calls::report_fault(&on, enclave, minted, statement, signature, bond).unwrap();
        let executed = client.submit(&reporter, &call).await?;
        executed.created("slashing::Case")
    };
    let vetoed = accuse(1, docket.rules.bond).await.unwrap();
    let acquitted = accuse(2, docket.rules.bond).await.unwrap();
    assert!(world.handle.supply().bonds >= 2 * docket.rules.bond);
    assert_eq!(
        accuse(3, 1).await.unwrap_err().abort().unwrap().name,
        Some("EBondTooSmall")
    );
    let call = calls::veto_case(&on, admin, vetoed, stake).unwrap();
    client.submit(governance, &call).await.unwrap();
    let case: chain::objects::Case = client.object(&on, acquitted).await.unwrap().value;
    let acquittal = AcquittalStatement {
        intent: AcquittalStatement::INTENT,
        timestamp_ms: case.reported_at_ms,
        cluster_id: cluster,
        case_id: acquitted,
        evidence: case.evidence,
    };
    let forged = calls::appeal_case(&on, enclave, stake, &acquittal, [0; 64]).unwrap();
    let error = client.submit(&node, &forged).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EInvalidSignature"));
    let signature = sign(&bcs::to_bytes(&acquittal).unwrap());
    let call = calls::appeal_case(&on, enclave, stake, &acquittal, signature).unwrap();
    client.submit(&node, &call).await.unwrap();

    world.change(&NewParameters::Unbonding(3_600_000)).await;
    world.change(&NewParameters::Rules(rules)).await;
    let pending = accuse(4, 1000).await.unwrap();
    let call = calls::execute_case(&on, pending, stake).unwrap();
    let error = client.submit(&reporter, &call).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("EAppealOpen"));
    let case: chain::objects::Case = client.object(&on, pending).await.unwrap().value;
    assert_eq!(case.status, CaseStatus::Pending);
    // The state is anchored once, and neither the same nor an older one again.
    let anchor = async |revision: u64| {
        let statement = chain::objects::AnchorStatement {
            intent: chain::objects::AnchorStatement::INTENT,
            timestamp_ms: now,
            cluster_id: cluster,
            epoch: 1,
            term: 1,
            revision,
            root: vec![9; 32],
        };
        let signature = sign(&bcs::to_bytes(&statement).unwrap());
        let call = calls::anchor_state(&on, enclave, statement, signature).unwrap();
        client.submit(&reporter, &call).await
    };
    anchor(10).await.unwrap();
    let error = anchor(9).await.unwrap_err();
    assert_eq!(error.abort().unwrap().name, Some("ENotNewer"));
    rewards(world, cluster, enclave, stake, &node).await;
    world.change(&NewParameters::Delay(60_000)).await;
    let call = calls::revoke_enclave(&on, cap, cluster, enclave);
    client.submit(governance, &call).await.unwrap();
    assert_eq!(
        accuse(5, 1000).await.unwrap_err().abort().unwrap().name,
        Some("EUntrustedEnclave")
    );
    assert_eq!(world.handle.supply().total(), before);
}

/// Runs what the ledger executed through Sui's Move compiler and virtual machine, and compares
/// events and final state.
fn replay_in_move(handle: &Handle) {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let test = handle.move_test().unwrap();
    assert!(test.succeeding > 3);
    if !contracts.join("node_modules").exists() {
        let installed = std::process::Command::new("npm")
            .arg("ci")
            .current_dir(&contracts)
            .output()
            .expect("npm can be started");
        assert!(installed.status.success(), "npm ci failed: {installed:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replay_tests.move");
    std::fs::write(&path, &test.source).unwrap();
    let output = std::process::Command::new("node")
        .arg(contracts.join("test.mjs"))
        .arg("--only")
        .arg(&path)
        .output()
        .expect("node can be started");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A copy of the log at any moment is what a killed process leaves behind: it has everything that
/// was acknowledged before.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ledger_has_what_it_acknowledged() {
    use std::sync::{Arc, Mutex};
    let (directory, world) = world().await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let stop = CancellationToken::new();
    let mut writers = Vec::new();
    for _ in 0..3 {
        let key = world.rich(50 * SUI).await;
        let (client, on) = (world.client.clone(), world.deployment.clone());
        let (acknowledged, stop) = (Arc::clone(&acknowledged), stop.clone());
        writers.push(tokio::spawn(async move {
            while !stop.is_cancelled() {
                let call = calls::transfer(&on, Address::from_static("0xbeef"), 7);
                let executed = client.submit(&key, &call).await.unwrap();
                acknowledged.lock().unwrap().push(executed.digest);
            }
        }));
    }
    let mut images = Vec::new();
    for round in 0..6 {
        // The last one is taken after more than ten acknowledgements, however slow the machine is.
        let known = loop {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let known = acknowledged.lock().unwrap().clone();
            if known.len() > 2 * round {
                break known;
            }
        };
        let image = std::fs::read(directory.path().join("ledger.log")).unwrap();
        images.push((known, image));
    }
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let publisher = world.publisher.clone();
    let total = world.handle.supply().total();
    world.stop().await;
    assert!(images.iter().any(|(known, _)| known.len() > 10));
    for (known, image) in images {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ledger.log"), image).unwrap();
        let world = start(directory.path(), &publisher, vec![]).await;
        for digest in known {
            let executed = world.client.lookup(digest).await.unwrap();
            assert_eq!(executed.unwrap().outcome, Outcome::Success);
        }
        assert_eq!(world.handle.supply().total(), total);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stays_connected_does_not_hold_up_stopping() {
    let (_directory, world) = world().await;
    let mut stream = world.client.events(&world.deployment, Cursor::GENESIS);
    stream.next().await.unwrap();
    let following = tokio::spawn(async move { stream.next().await });
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), world.handle.stopped())
        .await
        .expect("it stops")
        .unwrap();
    following.abort();
    // And a client without a ledger says so, as something to try again.
    let error = world.client.epoch().await.unwrap_err();
    assert_eq!(error.class(), chain::ErrorClass::Network);
    assert!(error.to_string().contains(world.client.url()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulation_selects_gas_and_returns_values() {
    use sui_sdk_types::{
        Argument, Command, GasPayment, Identifier, Input, MoveCall, ProgrammableTransaction,
        SharedInput, TransactionExpiration, TransactionKind,
    };
    let (_directory, world) = world().await;
    let (client, on) = (world.client.clone(), world.deployment.clone());
    let user = world.rich(5 * SUI).await;
    let staked = client
        .submit(&user, &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap();
    let stake = &staked.created[staked
        .created
        .iter()
        .position(|created| created.object_type.ends_with("::Stake"))
        .unwrap()];
    let pool = on.staking_pool;
    let transaction = sui_sdk_types::Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs: vec![
                Input::Shared(SharedInput::new(
                    pool.id,
                    pool.initial_shared_version,
                    false,
                )),
                Input::Shared(SharedInput::new(stake.id, stake.version, false)),
                Input::Pure(vec![Tier::User.code()]),
            ],
            commands: vec![Command::MoveCall(MoveCall {
                package: on.package,
                module: Identifier::from_static("staking"),
                function: Identifier::from_static("has_sufficient_stake"),
                type_arguments: vec![],
                arguments: vec![Argument::Input(0), Argument::Input(1), Argument::Input(2)],
            })],
        }),
        sender: user.address(),
        gas_payment: GasPayment {
            objects: vec![],
            owner: user.address(),
            price: 0,
            budget: 0,
        },
        expiration: TransactionExpiration::None,
    };
    let mut raw = sui_rpc::Client::new(world.handle.url().as_str()).unwrap();
    let mut simulate = async |checks, select| {
        let mut request = proto::SimulateTransactionRequest::new(transaction.clone().into())
            .with_read_mask(FieldMask::from_str("*"));
        request.set_checks(checks);
        request.do_gas_selection = Some(select);
        raw.execution_client()
            .simulate_transaction(request)
            .await
            .map(tonic::Response::into_inner)
    };
    use proto::simulate_transaction_request::TransactionChecks::{Disabled, Enabled};
    let height = world.handle.height();
    let seen = simulate(Disabled, false).await.unwrap();
    let values = seen.command_outputs[0].return_values();
    assert_eq!(values[0].value().value(), [1]);
    let selected = simulate(Enabled, true).await.unwrap();
    let filled: sui_sdk_types::Transaction = selected
        .transaction()
        .transaction()
        .bcs()
        .deserialize()
        .unwrap();
    assert_eq!(filled.gas_payment.price, 1000);
    assert!(filled.gas_payment.objects.len() == 1 && filled.gas_payment.budget > 1_000_000);
    let status = simulate(Enabled, false).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(world.handle.height(), height, "nothing was recorded");

    // What it filled in can be signed and sent as it is.
    client.send(&user.sign(filled).unwrap()).await.unwrap();
    // Publishing is built, and refused by this ledger for what it is.
    let error = client
        .build(
            user.address(),
            &calls::publish(vec![vec![1]], vec![Address::TWO]),
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not supported"), "{error}");
    world.stop().await;
}

/// Several nodes of one chain, made from copies of its log: one is behind, one is on a history of
/// its own.
#[tokio::test(flavor = "multi_thread")]
async fn no_single_node_has_to_be_believed() {
    let (directory, world) = world().await;
    let on = world.deployment.clone();
    let user = world.rich(9 * SUI).await;
    let staked = world
        .client
        .submit(&user, &calls::stake(&on, Tier::User, SUI))
        .await
        .unwrap();
    let stake = staked.created("staking::Stake").unwrap();
    let copy = async || {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(
            directory.path().join("ledger.log"),
            folder.path().join("ledger.log"),
        )
        .unwrap();
        let node = start(folder.path(), &world.publisher, vec![]).await;
        (folder, node)
    };
    let (_behind_folder, behind) = copy().await;
    let (_forked_folder, forked) = copy().await;
    world
        .client
        .submit(&user, &calls::top_up(&on, stake, 5))
        .await
        .unwrap();
    let (_fresh_folder, fresh) = copy().await;

    let options = chain::ClientOptions::default();
    let quorum = |nodes: &[&World], needed| {
        let urls: Vec<String> = nodes.iter().map(|node| node.handle.url()).collect();
        chain::Quorum::new(&urls, needed, &options)
    };
    type Read = chain::objects::Stake;
    // One that is behind does not hide what two others confirm.
    let three = quorum(&[&behind, &world, &fresh], 2).unwrap();
    three.verify(&on).await.unwrap();
    let read = three.object::<Read>(&on, stake).await.unwrap();
    assert_eq!(read.value.balance, SUI + 5);
    // One that is ahead of the others is not believed alone, nor are all of them together.
    let two = quorum(&[&behind, &forked, &world], 2).unwrap();
    let read = two.object::<Read>(&on, stake).await.unwrap();
    assert_eq!(read.value.balance, SUI);
    let all = quorum(&[&behind, &world], 2).unwrap();
    assert_eq!(
        all.object::<Read>(&on, stake).await.unwrap().value.balance,
        SUI
    );
    // Another history of the same object is noticed.
    let slash = calls::slash(&on, on.slash_cap.unwrap(), stake, 7, "elsewhere").unwrap();
    forked
        .client
        .submit(&world.publisher, &slash)
        .await
        .unwrap();
    let mut versions = Vec::new();
    for node in [&world, &forked] {
        let found = node.client.object::<Read>(&on, stake).await.unwrap();
        versions.push(found.version);
    }
    if versions[0] == versions[1] {
        let split = quorum(&[&world, &fresh, &forked], 2).unwrap();
        let error = split.object::<Read>(&on, stake).await.unwrap_err();
        assert!(matches!(error, ChainError::Disagreement { .. }), "{error}");
    } else {
        panic!("both histories changed the stake once: {versions:?}");
    }
    // Nobody there, and nothing there.
    let missing = Address::from_static("0xdead");
    assert!(matches!(
        three.object::<Read>(&on, missing).await,
        Err(ChainError::NotFound { .. })
    ));
    for nothing in [0, 4] {
        assert!(matches!(
            quorum(&[&behind, &world, &fresh], nothing),
            Err(ChainError::Quorum { .. })
        ));
    }
    behind.stop().await;
    fresh.stop().await;
    let error = three.object::<Read>(&on, stake).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::TooFew {
                agreeing: 1,
                needed: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_retriable());
    forked.stop().await;
    world.stop().await;
}

/// The client's types have the fields of the model's, in the same order and of the same sizes.
#[test]
fn layouts_are_the_models() {
    /// The fields of a type, and how many bytes its smallest value has: all zeros, in BCS.
    fn shape<T: serde::de::DeserializeOwned + serde::Serialize>() -> (usize, Vec<String>) {
        (0..2000)
            .find_map(|length| {
                let value: T = bcs::from_bytes(&vec![0; length]).ok()?;
                let json = serde_json::to_value(value).ok()?;
                let fields = json.as_object()?.keys().cloned().collect();
                Some((length, fields))
            })
            .expect("a value of zeros")
    }
    macro_rules! same {
        ($model:ident: $client:ident { $($name:ident),+ $(,)? }) => {$(
            assert_eq!(
                shape::<contract_model::layout::$model::$name>(),
                shape::<chain::$client::$name>(),
                stringify!($name)
            );
        )+};
    }
    same!(staking: objects { AdminCap, SlashCap, TierParams, StakingPool, Stake });
    same!(k8s_gateway: objects { Gateway, SealToken });
    same!(enclave_registry: objects { Cluster, ClusterCap, Enclave, Measurement, Endpoint });
    same!(rewards: objects { Rewards, Earner, Escrow, PerformanceStatement });
    same!(rewards: events {
        RewardsCreated, RewardsUpdated, EmissionChanged, ClusterAdmitted, BudgetFunded,
        EscrowOpened, EscrowClosed, EarnerSettled, RewardClaimed, RewardsMigrated,
    });
    same!(params: objects { Params, Change });
    same!(params: events {
        ParamsCreated, ChangeProposed, ChangeExecuted, ChangeCancelled, DelayChanged,
        ParamsMigrated,
    });
    same!(anchors: objects { Anchors, Anchor, AnchorStatement });
    same!(anchors: events { AnchorsCreated, StateAnchored, AnchorsMigrated });
    same!(slashing: objects { Docket, Case, Rules, EvidenceStatement, AcquittalStatement });
    same!(slashing: events {
        DocketCreated, RulesChanged, CaseOpened, CaseExecuted, CaseRejected, DocketMigrated,
    });
    same!(staking: events {
        PoolCreated, TierChanged, UnbondingChanged, Staked, ToppedUp, UnstakeRequested, Withdrawn,
        Slashed, TreasuryWithdrawn, TreasuryFunded, PauseChanged, PoolMigrated,
    });
    same!(k8s_gateway: events {
        GatewayCreated, SealTokenCreated, SealTokenRenewed, SealTokenRevoked, GatewayMigrated,
    });
    same!(enclave_registry: events {
        ClusterCreated, MeasurementApproved, MeasurementRetired, EndpointRegistered,
        EndpointRemoved, ClusterMigrated, EnclaveRegistered, EnclaveRevoked,
    });
}

mod hostile {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever bytes arrive as a transaction, decoding gives a transaction or an error.
        #[test]
        fn bytes_do_not_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(transaction) = bcs::from_bytes::<sui_sdk_types::Transaction>(&bytes) {
                prop_assert_eq!(bcs::to_bytes(&transaction).unwrap(), bytes);
            }
        }
    }
}
