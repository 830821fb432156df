//! Joining control planes that attest as hardware does, with roots that the configuration names; and all those that
//! are refused.

use std::path::PathBuf;
use std::sync::Arc;

use attested::{AttestedError, Connection, TeeRoot};
use bytes::Bytes;
use chain::calls;
use chain::objects::TeeKind;
use parking_lot::Mutex;
use seal::wire::{ATTESTATION, AttestationResponse};
use tee::Provider;
use tee::nitro::Nitro;
use tee::testing::{FakeNsm, FakeSnp};
use tee_verify::{Collateral, Evidence, Kind, VerifyError};

use super::join::{Starting, attested_error, evidence_error};
use super::server::{Lie, Server, chain_kind, measurement, register_in, tee};
use super::world::{World, approval};
use crate::WorkerError;
use crate::control_plane::{Terms, Trust, verify};

const IMAGE: [u8; 48] = [9; 48];

/// A Nitro enclave with this image, and its root.
fn nitro(image: [u8; 48]) -> (Arc<dyn Provider>, Vec<u8>) {
    let module = FakeNsm::new(image);
    let root = module.root().to_vec();
    (Arc::new(Nitro::open(module).unwrap()), root)
}

/// A worker of a cluster that allows what `tee` runs, and trusts `root`.
struct Case {
    start: Starting,
    tee: Arc<dyn Provider>,
    roots: Vec<TeeRoot>,
}

impl Case {
    async fn new((tee, root): (Arc<dyn Provider>, Vec<u8>)) -> Self {
        let world = World::with(chain_kind(&*tee), tee.measurement().as_bytes()).await;
        let file: PathBuf = world.path().join("root.der");
        std::fs::write(&file, root).unwrap();
        let roots = vec![
            format!("{}={}", tee.kind(), file.display())
                .parse()
                .unwrap(),
        ];
        Self {
            start: Starting::on(world).await,
            tee,
            roots,
        }
    }

    async fn serve(&self, lie: Option<Lie>, claimed: Option<[u8; 32]>) -> Server {
        self.serve_in(self.tee.clone(), lie, claimed).await
    }

    async fn serve_in(
        &self,
        tee: Arc<dyn Provider>,
        lie: Option<Lie>,
        claimed: Option<[u8; 32]>,
    ) -> Server {
        let server = Server::start_in(tee, &self.start.world, lie, claimed).await;
        register_in(
            &self.start.world,
            &*self.tee,
            server.address,
            server.tls_key,
        )
        .await;
        server
    }

    async fn trust(&self) -> Trust {
        let terms = Terms {
            roots: &self.roots,
            ..Terms::default()
        };
        self.start.trust_on(terms).await.unwrap()
    }

    /// Why neither a worker nor a user trusts the server. Neither said anything to it.
    async fn refused(&self, server: &Server) -> VerifyError {
        let trust = self.trust().await;
        let worker = evidence_error(self.start.join_with(&trust).await);
        let address = server.address.to_string();
        let user = Connection::open(&address, &trust.expectation).await;
        match user.err().unwrap() {
            AttestedError::Evidence { source, .. } => assert_eq!(source, worker),
            other => panic!("{other:?}"),
        }
        self.start.assert_nothing_secret(&server.received);
        assert!(!server.received.lock().is_empty());
        worker
    }
}

/// Changes the answer to who asks for evidence.
fn lie(change: impl Fn(&mut AttestationResponse) + Send + Sync + 'static) -> Option<Lie> {
    Some(Arc::new(move |path, honest| {
        if path != ATTESTATION {
            return honest;
        }
        let mut answer: AttestationResponse = serde_json::from_slice(&honest).unwrap();
        change(&mut answer);
        Bytes::from(serde_json::to_vec(&answer).unwrap())
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_joins_a_control_plane_that_attests_as_nitro() {
    let case = Case::new(nitro(IMAGE)).await;
    let server = case.serve(None, None).await;
    let trust = case.trust().await;
    let credentials = case.start.join_with(&trust).await.unwrap();
    credentials.connector(false).connect().await.unwrap();
    // A user's connection proves the same.
    let address = server.address.to_string();
    let connection = Connection::open(&address, &trust.expectation)
        .await
        .unwrap();
    assert_eq!(connection.claims().kind, Kind::Nitro);
    assert_eq!(connection.claims().measurement, *case.tee.measurement());
    assert_eq!(connection.tls_key(), server.tls_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_joins_a_control_plane_whose_certificates_travel_with_the_evidence() {
    let guest = FakeSnp::new(IMAGE);
    let root = guest.root().to_vec();
    let case = Case::new((Arc::new(guest), root)).await;
    let _server = case.serve(None, None).await;
    case.start.join_with(&case.trust().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_certificates_evidence_is_not_judged() {
    let guest = FakeSnp::new(IMAGE);
    let root = guest.root().to_vec();
    let case = Case::new((Arc::new(guest), root)).await;
    let server = case
        .serve(
            lie(|answer| answer.collateral = Collateral::default()),
            None,
        )
        .await;
    assert!(case.refused(&server).await.is_unjudged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_nobody_named_is_refused() {
    let mut case = Case::new(nitro(IMAGE)).await;
    let server = case.serve(None, None).await;
    case.roots.clear();
    assert_eq!(case.refused(&server).await, VerifyError::Root(Kind::Nitro));
    // Named for another kind, it is no root either.
    let file = case.start.world.path().join("root.der");
    case.roots = vec![format!("snp={}", file.display()).parse().unwrap()];
    assert_eq!(case.refused(&server).await, VerifyError::Root(Kind::Nitro));
    case.roots = vec!["nitro=/nowhere".parse().unwrap()];
    let terms = Terms {
        roots: &case.roots,
        ..Terms::default()
    };
    let refused = case.start.trust_on(terms).await.err().unwrap();
    assert!(matches!(refused, WorkerError::TeeRoot(_)));
    assert_eq!(refused.exit_code(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_measurement_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    let module = FakeNsm::new([8; 48]);
    let file = case.start.world.path().join("root.der");
    std::fs::write(&file, module.root()).unwrap();
    let other = Arc::new(Nitro::open(module).unwrap());
    let server = case.serve_in(other, None, None).await;
    assert!(matches!(
        case.refused(&server).await,
        VerifyError::MeasurementNotAllowed {
            kind: Kind::Nitro,
            ..
        }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debug_enclave_is_refused() {
    let case = Case::new(nitro([0; 48])).await;
    let server = case.serve(None, None).await;
    assert_eq!(case.refused(&server).await, VerifyError::Debug);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_nonce_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    // Every answer but the first has the evidence of the one before.
    let last = Mutex::new(None::<Evidence>);
    let stale = lie(move |answer| {
        let fresh = answer.evidence.clone();
        if let Some(before) = last.lock().replace(fresh) {
            answer.evidence = before;
        }
    });
    let server = case.serve(stale, None).await;
    let trust = case.trust().await;
    let address = server.address.to_string();
    Connection::open(&address, &trust.expectation)
        .await
        .unwrap();
    assert_eq!(case.refused(&server).await, VerifyError::Binding);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_another_tls_key_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    let server = case.serve(None, Some([7; 32])).await;
    assert_eq!(case.refused(&server).await, VerifyError::Binding);
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_evidence_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    let honest = case.serve(None, None).await;
    // The one in the middle has a key that the chain names, and asks the honest one for evidence about that key.
    let (service, runtime) = (honest.service.clone(), tokio::runtime::Handle::current());
    let middle_key = Arc::new(Mutex::new([0; 32]));
    let key = middle_key.clone();
    let relay = lie(move |answer| {
        let channel = membership::join::Channel {
            exporter: seal::Bytes32::random(),
            tls_key: *key.lock(),
        };
        let nonce = seal::Bytes32::random();
        let body = serde_json::to_vec(&seal::wire::AttestationRequest { nonce }).unwrap();
        let request = http::Request::post(ATTESTATION)
            .body(http_body_util::Full::new(Bytes::from(body)))
            .unwrap();
        let relayed = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let relayed = service.handle(channel, request).await;
                let body = http_body_util::BodyExt::collect(relayed.into_body()).await;
                body.unwrap().to_bytes()
            })
        });
        let relayed: AttestationResponse = serde_json::from_slice(&relayed).unwrap();
        answer.evidence = relayed.evidence;
    });
    let middle = case.serve(relay, None).await;
    *middle_key.lock() = middle.tls_key;
    let mut trust = case.trust().await;
    trust.addresses = vec![middle.address.to_string()];
    let refused = evidence_error(case.start.join_with(&trust).await);
    assert_eq!(refused, VerifyError::Binding);
    case.start.assert_nothing_secret(&middle.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_evidence_offered_as_nitro_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    let simulated = tee(&case.start.world);
    let server = case.serve_in(simulated.clone(), None, None).await;
    assert_eq!(
        case.refused(&server).await,
        VerifyError::KindNotAllowed(Kind::Simulated)
    );
    drop(server);
    let renamed = lie(|answer| {
        let body = answer.evidence.body().to_vec();
        answer.evidence = Evidence::new(Kind::Nitro, body).unwrap();
    });
    let server = case.serve_in(simulated, renamed, None).await;
    let mut trust = case.trust().await;
    trust.addresses = vec![server.address.to_string()];
    let refused = evidence_error(case.start.join_with(&trust).await);
    assert_eq!(refused, VerifyError::Malformed(Kind::Nitro));
}

#[tokio::test(flavor = "multi_thread")]
async fn nitro_documents_are_no_simulated_evidence_either() {
    let world = World::new(&measurement()).await;
    let start = Starting::on(world).await;
    let (enclave, _) = nitro(IMAGE);
    let renamed = lie(|answer| {
        let body = answer.evidence.body().to_vec();
        answer.evidence = Evidence::new(Kind::Simulated, body).unwrap();
    });
    let server = Server::start_in(enclave, &start.world, renamed, None).await;
    register_in(
        &start.world,
        &*tee(&start.world),
        server.address,
        server.tls_key,
    )
    .await;
    let terms = Terms {
        allow_simulated: true,
        ..Terms::default()
    };
    let trust = start.trust_on(terms).await.unwrap();
    let refused = evidence_error(start.join_with(&trust).await);
    assert_eq!(refused, VerifyError::Malformed(Kind::Simulated));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_refused() {
    let case = Case::new(nitro(IMAGE)).await;
    let endless: Lie = Arc::new(|_, _| Bytes::from(vec![b' '; seal::wire::MAX_ATTESTATION + 1]));
    let server = case.serve(Some(endless), None).await;
    let refused = case
        .start
        .join_with(&case.trust().await)
        .await
        .err()
        .unwrap();
    assert!(matches!(
        attested_error(refused),
        AttestedError::Connection(_)
    ));
    case.start.assert_nothing_secret(&server.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_list_that_changes_during_a_join_counts() {
    let case = Case::new(nitro(IMAGE)).await;
    let server = case.serve(None, None).await;
    let before = case.trust().await;
    let verified = verify(&before).await.unwrap();
    verified.confirm(&case.trust().await).unwrap();
    let (world, deployment) = (&case.start.world, &case.start.world.deployment);
    let (cap, cluster) = (
        deployment.cluster_cap.unwrap(),
        deployment.cluster().unwrap(),
    );
    let other = approval(TeeKind::Nitro, &[8; 48]);
    let approve = calls::approve_measurement(deployment, cap, cluster, other);
    let retired = case.tee.measurement().as_bytes().to_vec();
    let retire = calls::retire_measurement(deployment, cap, cluster, TeeKind::Nitro, &retired);
    for call in [approve, retire] {
        world.client.submit(&world.publisher, &call).await.unwrap();
    }
    // Between the verdict and the secret the chain withdrew its trust.
    let refused = verified.confirm(&case.trust().await).unwrap_err();
    assert_eq!(refused.exit_code(), 14);
    assert!(matches!(
        attested_error(refused),
        AttestedError::Evidence {
            source: VerifyError::MeasurementNotAllowed { .. },
            ..
        }
    ));
    case.start.assert_nothing_secret(&server.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_below_the_workers_minimum_is_refused() {
    let guest = FakeSnp::new(IMAGE);
    let root = guest.root().to_vec();
    let case = Case::new((Arc::new(guest), root)).await;
    let _server = case.serve(None, None).await;
    let file = case.start.world.path().join("tcb.json");
    for (snp, holds) in [(1, true), (2, false)] {
        std::fs::write(&file, format!(r#"{{"snpMinimum":{{"snp":{snp}}}}}"#)).unwrap();
        let terms = Terms {
            roots: &case.roots,
            tcb: Some(&file),
            ..Terms::default()
        };
        let trust = case.start.trust_on(terms).await.unwrap();
        match case.start.join_with(&trust).await {
            Ok(_) => assert!(holds),
            Err(error) => {
                assert!(!holds);
                assert!(matches!(evidence_error(Err(error)), VerifyError::Tcb(_)));
            }
        }
    }
}
