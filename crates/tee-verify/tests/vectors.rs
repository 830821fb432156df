//! Evidence of real hardware, kept beside the workspace: the verdicts, and what flipped, cut and added bytes do to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tee_verify::offline::{At, OfflinePolicy, Verdict, claimed_time, judge};
use tee_verify::{
    Binding, Claims, Collateral, Details, Evidence, Kind, Policy, TcbStatus, VerifyError,
    read_evidence, read_root, verify,
};

/// The folder of a kind's vectors; says so when it isn't there.
fn vectors(kind: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors")
        .join(kind);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: ../shared absent");
    None
}

fn at(rfc3339: &str) -> SystemTime {
    let time: jiff::Timestamp = rfc3339.parse().unwrap();
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.as_second()).unwrap())
}

/// A vector with what belongs to it.
struct Case {
    kind: Kind,
    body: Vec<u8>,
    collateral: Collateral,
    roots: Vec<[u8; 32]>,
    now: SystemTime,
}

impl Case {
    fn evidence(&self) -> Evidence {
        Evidence::new(self.kind, self.body.clone()).unwrap()
    }

    fn judge_body(&self, body: Vec<u8>) -> Verdict {
        let evidence = Evidence::new(self.kind, body).unwrap();
        let policy = OfflinePolicy::default();
        judge(
            &evidence,
            &self.collateral,
            &policy,
            &self.roots,
            At::Time(self.now),
        )
    }

    fn judge(&self) -> Verdict {
        self.judge_body(self.body.clone())
    }

    fn claims(&self) -> Claims {
        match self.judge() {
            Verdict::Holds { claims, .. } => *claims,
            other => panic!("{other:?}"),
        }
    }

    fn check(&self) -> String {
        match self.judge() {
            Verdict::Refused { check, .. } => check.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Every byte in `range` is flipped in one bit (which one differs from byte to byte): what comes out is refused
    /// where `signed` says so, and elsewhere refused or the same.
    fn flip(&self, signed: impl Fn(usize) -> bool) -> usize {
        let claims = self.claims();
        let mut same = 0;
        for index in 0..self.body.len() {
            let mut body = self.body.clone();
            body[index] ^= 1 << (index % 8);
            match self.judge_body(body) {
                Verdict::Holds { claims: other, .. } => {
                    assert!(!signed(index), "byte {index} is signed");
                    assert_eq!(*other, claims, "byte {index}");
                    same += 1;
                }
                Verdict::Refused { .. } | Verdict::Unjudged { .. } => {}
            }
        }
        same
    }

    /// No shorter body holds, nor any with something after it.
    fn cut_and_add(&self) {
        for length in 0..self.body.len() {
            let verdict = self.judge_body(self.body[..length].to_vec());
            if let Verdict::Holds { claims, .. } = verdict {
                // TDX quotes may have zeros after them.
                assert_eq!(self.kind, Kind::Tdx, "{length}");
                assert!(self.body[length..].iter().all(|byte| *byte == 0));
                assert_eq!(*claims, self.claims());
            }
        }
        for tail in [&[1][..], &[0, 0, 1], &[0xff; 1000], &[0x84; 40_000]] {
            let verdict = self.judge_body([&self.body[..], tail].concat());
            assert_ne!(verdict.exit_code(), 0, "{} bytes added", tail.len());
        }
    }
}

fn nitro(name: &str) -> Option<Case> {
    let body = std::fs::read(vectors("nitro")?.join(name)).unwrap();
    let evidence = Evidence::new(Kind::Nitro, body.clone()).unwrap();
    Some(Case {
        kind: Kind::Nitro,
        body,
        collateral: Collateral::default(),
        roots: Vec::new(),
        now: claimed_time(&evidence).unwrap(),
    })
}

fn snp(report: &str, certificates: &[&str]) -> Option<Case> {
    let folder = vectors("snp")?;
    let file = std::fs::read(folder.join(report)).unwrap();
    let mut collateral = Collateral::default();
    for name in certificates {
        collateral
            .add(&std::fs::read(folder.join(name)).unwrap())
            .unwrap();
    }
    Some(Case {
        kind: Kind::Snp,
        body: read_evidence(&file, Some(Kind::Snp))
            .unwrap()
            .body()
            .to_vec(),
        collateral,
        roots: Vec::new(),
        now: at("2025-01-01T00:00:00Z"),
    })
}

fn dcap(kind: Kind, quote: &str, collateral: &str, now: &str) -> Option<Case> {
    let folder = vectors(kind.name())?;
    let mut given = Collateral::default();
    given
        .add_dcap(&std::fs::read(folder.join(collateral)).unwrap())
        .unwrap();
    Some(Case {
        kind,
        body: std::fs::read(folder.join(quote)).unwrap(),
        collateral: given,
        roots: Vec::new(),
        now: at(now),
    })
}

fn sgx() -> Option<Case> {
    dcap(
        Kind::Sgx,
        "phala_sgx_quote.bin",
        "phala_sgx_collateral.json",
        "2025-06-25T00:00:00Z",
    )
}

fn tdx() -> Option<Case> {
    dcap(
        Kind::Tdx,
        "phala_tdx_quote.bin",
        "phala_tdx_collateral.json",
        "2025-06-25T00:00:00Z",
    )
}

#[test]
fn nitro_documents_are_valid_in_their_time_and_expired_now() {
    for name in ["sui_3_test_nitro_attestation.cose", "evervault_valid.cose"] {
        let Some(mut case) = nitro(name) else { return };
        let claims = case.claims();
        assert!(claims.hardware_rooted && !claims.debug);
        let Details::Nitro(details) = &claims.details else {
            panic!("{claims:?}");
        };
        assert_eq!(details.pcrs.len(), 16);
        case.now = at("2026-01-01T00:00:00Z");
        assert_eq!(case.check(), "certificate-validity");
        case.now = at("2020-01-01T00:00:00Z");
        assert_eq!(case.check(), "certificate-validity");
    }
}

#[test]
fn the_pinned_nitro_root_is_the_one_that_is_published() {
    let Some(folder) = vectors("nitro") else {
        return;
    };
    let root = read_root(&std::fs::read(folder.join("aws_root.der")).unwrap()).unwrap();
    assert!(hex::encode(root).starts_with("641a0321a3e244ef"));
}

#[test]
fn nitro_debug_enclaves_are_refused() {
    for name in ["sui_1_x.cose", "evervault_debug.cose"] {
        let Some(case) = nitro(name) else { return };
        assert_eq!(case.check(), "debug");
    }
}

#[test]
fn nitro_documents_under_another_root_are_refused() {
    let Some(case) = nitro("oyster_custom_root.cose") else {
        return;
    };
    assert_eq!(case.check(), "root");
}

#[test]
fn nitro_documents_of_qemu_are_refused() {
    let Some(folder) = vectors("nitro") else {
        return;
    };
    let body = std::fs::read(folder.join("qemu_nsm_unsigned.cbor")).unwrap();
    let evidence = Evidence::new(Kind::Nitro, body).unwrap();
    for at in [At::Evidence, At::Time(SystemTime::now())] {
        let verdict = judge(
            &evidence,
            &Collateral::default(),
            &OfflinePolicy::default(),
            &[],
            at,
        );
        assert_eq!(verdict.exit_code(), 2, "{verdict:?}");
    }
}

#[test]
fn nitro_every_byte_counts() {
    let Some(case) = nitro("sui_3_test_nitro_attestation.cose") else {
        return;
    };
    // Everything is signed, or its only possible value is.
    assert_eq!(case.flip(|_| true), 0);
    case.cut_and_add();
}

#[test]
fn nitro_needs_a_policy_and_the_binding_on_a_connection() {
    let Some(case) = nitro("sui_3_test_nitro_attestation.cose") else {
        return;
    };
    let claims = case.claims();
    let binding = Binding([1; 32]);
    let none = Collateral::default();
    let verify = |policy: &Policy, now| verify(&case.evidence(), &none, policy, now, &binding);
    assert_eq!(
        verify(&Policy::new(), case.now),
        Err(VerifyError::KindNotAllowed(Kind::Nitro))
    );
    let policy = Policy::new().allow(Kind::Nitro, claims.measurement);
    assert_eq!(verify(&policy, case.now), Err(VerifyError::Binding));
}

#[test]
fn offline_expectations_hold_or_are_refused() {
    let Some(case) = nitro("sui_3_test_nitro_attestation.cose") else {
        return;
    };
    let claims = case.claims();
    let Details::Nitro(details) = &claims.details else {
        panic!("{claims:?}");
    };
    let verdict = |policy: &str| {
        let policy: OfflinePolicy = serde_json::from_str(policy).unwrap();
        judge(
            &case.evidence(),
            &case.collateral,
            &policy,
            &[],
            At::Evidence,
        )
    };
    let key = details.public_key.as_ref().unwrap();
    let good = format!(
        r#"{{"measurements":["{}"],"publicKey":"{key}","maxAgeSeconds":0,"production":true}}"#,
        claims.measurement
    );
    match verdict(&good) {
        Verdict::Holds { unchecked, .. } => assert_eq!(unchecked, ["binding"]),
        other => panic!("{other:?}"),
    }
    let other = format!(r#"{{"measurements":["{}"]}}"#, "11".repeat(48));
    for (policy, check) in [
        (other.as_str(), "measurement"),
        (r#"{"publicKey":"00"}"#, "binding"),
        (r#"{"nonce":"00"}"#, "binding"),
        (r#"{"reportData":"00"}"#, "binding"),
    ] {
        match verdict(policy) {
            Verdict::Refused { check: found, .. } => assert_eq!(found, check),
            other => panic!("{other:?}"),
        }
    }
    assert!(serde_json::from_str::<OfflinePolicy>(r#"{"measurement":[]}"#).is_err());
}

#[test]
fn evidence_of_one_kind_is_not_accepted_as_another() {
    let cases = [
        nitro("sui_3_test_nitro_attestation.cose"),
        snp("coco_test-report.bin", &["coco_test-vcek.der"]),
        sgx(),
        tdx(),
    ];
    for case in cases.into_iter().flatten() {
        assert_eq!(tee_verify::detect(&case.body), Some(case.kind));
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != case.kind) {
            let evidence = Evidence::new(kind, case.body.clone()).unwrap();
            let policy = OfflinePolicy::default();
            let verdict = judge(
                &evidence,
                &case.collateral,
                &policy,
                &[],
                At::Time(case.now),
            );
            assert_ne!(verdict.exit_code(), 0, "{} as {kind}", case.kind);
        }
    }
}

const MILAN: [&str; 2] = ["ask_milan.pem", "ark_milan.pem"];

fn coco() -> Option<Case> {
    snp(
        "coco_test-report.bin",
        &["coco_test-vcek.der", MILAN[0], MILAN[1]],
    )
}

#[test]
fn snp_reports_are_valid_under_milan() {
    let virtee = snp(
        "virtee_milan_report.hex",
        &["virtee_vcek_milan.der", MILAN[0], MILAN[1]],
    );
    for case in [coco(), virtee].into_iter().flatten() {
        let claims = case.claims();
        assert!(claims.hardware_rooted && !claims.debug);
        assert_eq!(claims.report_data.len(), 64);
    }
}

#[test]
fn snp_reports_are_refused_with_another_chips_certificate() {
    let Some(case) = snp(
        "coco_test-report.bin",
        &["coco_test-vcek-invalid-new.der", MILAN[0], MILAN[1]],
    ) else {
        return;
    };
    // AMD's key has not signed this one.
    assert_eq!(case.check(), "certificate");
    let Some(case) = snp(
        "coco_test-report.bin",
        &["virtee_vcek_milan.der", MILAN[0], MILAN[1]],
    ) else {
        return;
    };
    assert_eq!(case.check(), "signature");
}

#[test]
fn snp_reports_of_milan_are_refused_under_genoa() {
    let Some(case) = snp(
        "coco_test-report.bin",
        &["coco_test-vcek.der", "ask_genoa.pem", "ark_genoa.pem"],
    ) else {
        return;
    };
    assert_eq!(case.check(), "root");
}

#[test]
fn amds_own_certificates_complete_a_chain() {
    for certificates in [
        &["coco_test-vcek.der"][..],
        &["coco_test-vcek.der", MILAN[1]],
        &[MILAN[0], "coco_test-vcek.der"],
    ] {
        let Some(case) = snp("coco_test-report.bin", certificates) else {
            return;
        };
        assert!(case.claims().hardware_rooted, "{certificates:?}");
    }
}

#[test]
fn snp_policy() {
    let Some(mut case) = coco() else { return };
    let verdict = |policy: &str| {
        let policy: OfflinePolicy = serde_json::from_str(policy).unwrap();
        judge(
            &case.evidence(),
            &case.collateral,
            &policy,
            &[],
            At::Time(case.now),
        )
    };
    let check = |policy: &str| match verdict(policy) {
        Verdict::Refused { check, .. } => check,
        other => panic!("{other:?}"),
    };
    assert_eq!(check(r#"{"snpMinimum":{"microcode":255}}"#), "tcb");
    assert_eq!(check(r#"{"snpMinimum":{"snp":9}}"#), "tcb");
    assert_eq!(
        verdict(r#"{"snpMinimum":{"snp":8,"bootloader":3}}"#).exit_code(),
        0
    );
    assert_eq!(
        judge(
            &case.evidence(),
            &case.collateral,
            &OfflinePolicy::default(),
            &[],
            At::Evidence
        )
        .exit_code(),
        1
    );
    case.now = at("2032-01-01T00:00:00Z");
    assert_eq!(case.check(), "certificate-validity");
    case.collateral = Collateral::default();
    assert_eq!(case.judge().exit_code(), 1);
}

#[test]
fn snp_every_byte_counts() {
    let Some(case) = coco() else { return };
    assert_eq!(case.flip(|_| true), 0);
    case.cut_and_add();
}

#[test]
fn dcap_quotes_are_valid_in_the_window_of_their_collateral() {
    for mut case in [sgx(), tdx()].into_iter().flatten() {
        let claims = case.claims();
        println!("{:?}", claims.details);
        assert!(claims.hardware_rooted && !claims.debug);
        for (outside, checks) in [
            (
                "2025-06-01T00:00:00Z",
                ["collateral-validity", "certificate-validity"],
            ),
            (
                "2025-08-25T00:00:00Z",
                ["collateral-validity", "certificate-validity"],
            ),
            (
                "2060-01-01T00:00:00Z",
                ["collateral-validity", "certificate-validity"],
            ),
        ] {
            case.now = at(outside);
            assert!(checks.contains(&case.check().as_str()), "{outside}");
        }
        case.collateral = Collateral::default();
        assert_eq!(case.judge().exit_code(), 1);
    }
}

#[test]
fn a_platform_that_intel_does_not_list_is_refused() {
    let Some(case) = dcap(
        Kind::Tdx,
        "phala_tdx_outdated.bin",
        "phala_tdx_outdated_collateral.json",
        "2026-03-01T00:00:00Z",
    ) else {
        return;
    };
    assert_eq!(case.check(), "tcb");
}

#[test]
fn dcap_policy() {
    for case in [sgx(), tdx()].into_iter().flatten() {
        for (policy, check) in [
            (r#"{"minTcbEvaluation":18}"#, "tcb"),
            (r#"{"tcbStatuses":[]}"#, "tcb"),
            (r#"{"tcbStatuses":["Revoked","OutOfDate"]}"#, "tcb"),
        ] {
            let policy: OfflinePolicy = serde_json::from_str(policy).unwrap();
            match judge(
                &case.evidence(),
                &case.collateral,
                &policy,
                &[],
                At::Time(case.now),
            ) {
                Verdict::Refused { check: found, .. } => assert_eq!(found, check),
                other => panic!("{other:?}"),
            }
        }
    }
    let Some(case) = tdx() else { return };
    let Details::Tdx(details) = case.claims().details else {
        panic!("not TDX");
    };
    assert_eq!(details.tcb.status, TcbStatus::UpToDate);
}

#[test]
fn dcap_collateral_of_another_kind_or_forged_is_refused() {
    let (Some(mut sgx), Some(tdx)) = (sgx(), tdx()) else {
        return;
    };
    let own = sgx.collateral.clone();
    sgx.collateral = tdx.collateral.clone();
    assert_ne!(sgx.judge().exit_code(), 0);
    let forgeries: [fn(&mut tee_verify::DcapCollateral); 7] = [
        |c| c.tcb_info = c.tcb_info.replace("OutOfDate", "UpToDate"),
        |c| c.qe_identity = c.qe_identity.replace("\"isvsvn\":8", "\"isvsvn\":1"),
        |c| c.tcb_info_signature[3] ^= 1,
        |c| c.qe_identity_signature.clear(),
        |c| c.root_ca_crl[100] ^= 1,
        |c| c.pck_crl = c.root_ca_crl.clone(),
        |c| c.tcb_info_issuer_chain = c.pck_crl_issuer_chain.clone(),
    ];
    for (index, forge) in forgeries.into_iter().enumerate() {
        sgx.collateral = own.clone();
        forge(sgx.collateral.dcap.as_mut().unwrap());
        assert_ne!(sgx.judge().exit_code(), 0, "forgery {index}");
    }
}

/// What the attestation key, the platform's key and the quoting enclave's report cover: everything up to the
/// certification data's type. After it is PEM, in which only the certificates count.
fn dcap_signed(case: &Case) -> usize {
    let begin = b"-----BEGIN";
    case.body
        .windows(begin.len())
        .position(|window| window == begin)
        .unwrap()
}

#[test]
fn sgx_every_byte_counts() {
    let Some(case) = sgx() else { return };
    let signed = dcap_signed(&case);
    let same = case.flip(|index| index < signed);
    println!("{same} bytes of PEM make no difference");
    case.cut_and_add();
}

#[test]
fn tdx_every_byte_counts() {
    let Some(case) = tdx() else { return };
    let signed = dcap_signed(&case);
    let same = case.flip(|index| index < signed);
    println!("{same} bytes of PEM make no difference");
    case.cut_and_add();
}
