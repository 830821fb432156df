//! SGX and TDX quotes under a private root: what is in a quote, a platform and Intel's documents can be chosen here.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tee_verify::{
    Binding, Claims, Collateral, Details, Evidence, Kind, Measurement, Policy, TcbStatus,
    VerifyError, verify,
};

use crate::authority::{Entity, Use, now, too_late};

const BINDING: Binding = Binding([5; 32]);
const FMSPC: [u8; 6] = [0, 0x90, 0x6e, 0xd5, 0, 0];
const SIGNER: [u8; 32] = [0x8c; 32];
const VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];

/// A value of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let head = match length {
        0..0x80 => vec![tag, content.len() as u8],
        0x80..0x100 => vec![tag, 0x81, content.len() as u8],
        _ => [&[tag, 0x82][..], &length.to_be_bytes()].concat(),
    };
    [head, content.to_vec()].concat()
}

fn entry(tail: &[u8], value: Vec<u8>) -> Vec<u8> {
    let prefix = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];
    der(
        0x30,
        &[der(6, &[&prefix[..], tail].concat()), value].concat(),
    )
}

fn sgx_extension(cpu_svn: u8) -> CustomExtension {
    let tcb = [
        entry(&[2, 17], der(2, &[13])),
        entry(&[2, 18], der(4, &[cpu_svn; 16])),
    ]
    .concat();
    let content = [
        entry(&[1], der(4, &[0xaa; 16])),
        entry(&[2], der(0x30, &tcb)),
        entry(&[3], der(4, &[0, 0])),
        entry(&[4], der(4, &FMSPC)),
    ]
    .concat();
    CustomExtension::from_oid_content(&[1, 2, 840, 113741, 1, 13, 1], der(0x30, &content))
}

fn p256(key: &KeyPair) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap()
}

fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let signature = p256(key).sign(&SystemRandom::new(), message).unwrap();
    signature.as_ref().to_vec()
}

fn pem(ders: &[&[u8]]) -> String {
    ders.iter()
        .map(|der| {
            let body = STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        })
        .collect()
}

/// A platform with all of its authorities, and what Intel would say of it.
struct Platform {
    root: Entity,
    authority: Entity,
    pck: Entity,
    signer: Entity,
    attestation: KeyPair,
    info: Value,
    identity: Value,
    /// The certification data: its type, and what is in it.
    certification: (u16, Vec<u8>),
    separate_chain: Option<String>,
    revoked: Vec<&'static str>,
}

fn components(svn: u8) -> Value {
    Value::Array((0..16).map(|_| json!({ "svn": svn })).collect())
}

fn level(svn: u8, status: &str) -> Value {
    json!({
        "tcb": { "sgxtcbcomponents": components(svn), "pcesvn": 13, "tdxtcbcomponents": components(svn) },
        "tcbDate": "2026-01-01T00:00:00Z",
        "tcbStatus": status,
        "advisoryIDs": [format!("INTEL-SA-{svn}")],
    })
}

impl Platform {
    fn new(kind: Kind) -> Self {
        let root = Entity::root("Private SGX Root CA");
        let authority = root.issue("Private SGX PCK Platform CA", Use::Authority, Vec::new());
        let leaf = |issuer: &Entity, name, extensions| {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
            issuer.certify(key, name, Use::Leaf, extensions)
        };
        let pck = leaf(&authority, "Private PCK", vec![sgx_extension(4)]);
        let signer = leaf(&root, "Private TCB Signing", Vec::new());
        let (info_id, identity_id) = match kind {
            Kind::Tdx => ("TDX", "TD_QE"),
            _ => ("SGX", "QE"),
        };
        let dates = ("2026-02-01T00:00:00Z", "2026-12-01T00:00:00Z");
        let chain = pem(&[&pck.der, &authority.der, &root.der]).into_bytes();
        Self {
            info: json!({
                "id": info_id, "version": 3, "issueDate": dates.0, "nextUpdate": dates.1,
                "fmspc": hex::encode_upper(FMSPC), "pceId": "0000", "tcbType": 0,
                "tcbEvaluationDataNumber": 17,
                "tdxModule": { "mrsigner": "00".repeat(48), "attributes": "00".repeat(8), "attributesMask": "FF".repeat(8) },
                "tcbLevels": [level(4, "UpToDate"), level(3, "SWHardeningNeeded"), level(2, "OutOfDate"), level(1, "Revoked")],
            }),
            identity: json!({
                "id": identity_id, "version": 2, "issueDate": dates.0, "nextUpdate": dates.1,
                "tcbEvaluationDataNumber": 17, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
                "attributes": "11".to_owned() + &"00".repeat(15), "attributesMask": "FB".to_owned() + &"FF".repeat(15),
                "mrsigner": hex::encode(SIGNER), "isvprodid": 1,
                "tcbLevels": [
                    { "tcb": { "isvsvn": 8 }, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": "UpToDate" },
                    { "tcb": { "isvsvn": 6 }, "tcbDate": "2025-01-01T00:00:00Z", "tcbStatus": "OutOfDate" },
                ],
            }),
            certification: (5, [chain, vec![0]].concat()),
            attestation: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            separate_chain: None,
            revoked: Vec::new(),
            root,
            authority,
            pck,
            signer,
        }
    }

    /// The same, certified with older microcode.
    fn with_microcode(kind: Kind, svn: u8) -> Self {
        let mut platform = Self::new(kind);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        platform.pck =
            platform
                .authority
                .certify(key, "Old PCK", Use::Leaf, vec![sgx_extension(svn)]);
        platform.certification.1 = platform.chain(&[0, 1, 2]).into_bytes();
        platform
    }

    fn chain(&self, order: &[usize]) -> String {
        let all: [&[u8]; 3] = [&self.pck.der, &self.authority.der, &self.root.der];
        pem(&order.iter().map(|index| all[*index]).collect::<Vec<_>>())
    }

    fn collateral(&self) -> Collateral {
        let chain = pem(&[&self.signer.der, &self.root.der]);
        let (info, identity) = (self.info.to_string(), self.identity.to_string());
        let json = json!({
            "pck_crl_issuer_chain": "",
            "root_ca_crl": hex::encode(self.root.revoke(&[])),
            "pck_crl": hex::encode(self.authority.revoke(&self.revoked)),
            "tcb_info_issuer_chain": chain, "tcb_info": info,
            "tcb_info_signature": hex::encode(sign(&self.signer.key, info.as_bytes())),
            "qe_identity_issuer_chain": chain, "qe_identity": identity,
            "qe_identity_signature": hex::encode(sign(&self.signer.key, identity.as_bytes())),
            "pck_certificate_chain": self.separate_chain,
        });
        let mut collateral = Collateral::default();
        collateral.add_dcap(json.to_string().as_bytes()).unwrap();
        collateral
    }

    fn qe_report(&self, auth: &[u8]) -> Vec<u8> {
        let point = p256(&self.attestation).public_key().as_ref()[1..].to_vec();
        let mut report = vec![0; 384];
        report[48] = 0x11;
        report[128..160].copy_from_slice(&SIGNER);
        report[256..260].copy_from_slice(&[1, 0, 8, 0]);
        let hash = Sha256::new()
            .chain_update(point)
            .chain_update(auth)
            .finalize();
        report[320..352].copy_from_slice(&hash);
        report
    }

    fn quote(&self, version: u16, body: &Body) -> Vec<u8> {
        let mut signed = version.to_le_bytes().to_vec();
        signed.extend([2, 0]);
        signed.extend(body.tee_type().to_le_bytes());
        signed.extend([0; 4]);
        signed.extend(VENDOR);
        signed.extend([0; 20]);
        if version == 5 {
            signed.extend(body.number().to_le_bytes());
            signed.extend((body.bytes().len() as u32).to_le_bytes());
        }
        signed.extend(body.bytes());
        let auth = b"authentication data".to_vec();
        let report = self.qe_report(&auth);
        let mut certification = report.clone();
        certification.extend(sign(&self.pck.key, &report));
        certification.extend((auth.len() as u16).to_le_bytes());
        certification.extend(auth);
        let (kind, content) = &self.certification;
        certification.extend(kind.to_le_bytes());
        certification.extend((content.len() as u32).to_le_bytes());
        certification.extend(content);
        let mut data = sign(&self.attestation, &signed);
        data.extend(&p256(&self.attestation).public_key().as_ref()[1..]);
        if version > 3 {
            data.extend([6, 0]);
            data.extend((certification.len() as u32).to_le_bytes());
        }
        data.extend(certification);
        signed.extend((data.len() as u32).to_le_bytes());
        signed.extend(data);
        signed
    }

    fn policy(&self) -> Policy {
        let tdx = {
            use sha2::Sha384;
            Sha384::digest([&[7; 48][..], &[8; 192]].concat())
        };
        Policy::new()
            .allow(Kind::Sgx, Measurement::from_bytes(&[6; 32]).unwrap())
            .allow(Kind::Tdx, Measurement::from_bytes(&tdx).unwrap())
            .trust_root(Kind::Sgx, self.root.fingerprint())
            .trust_root(Kind::Tdx, self.root.fingerprint())
    }

    fn check_bytes(&self, kind: Kind, quote: Vec<u8>) -> Result<Claims, VerifyError> {
        let evidence = Evidence::new(kind, quote).unwrap();
        verify(
            &evidence,
            &self.collateral(),
            &self.policy(),
            now(),
            &BINDING,
        )
    }

    fn check(&self, version: u16, body: &Body) -> Result<Claims, VerifyError> {
        self.check_bytes(body.kind(), self.quote(version, body))
    }
}

/// What a quote is about.
#[derive(Clone)]
enum Body {
    Enclave(Vec<u8>),
    Domain(Vec<u8>),
}

impl Body {
    fn enclave() -> Self {
        let mut report = vec![0; 384];
        report[48] = 5;
        report[64..96].fill(6);
        report[320..352].copy_from_slice(&BINDING.0);
        Self::Enclave(report)
    }

    fn domain(length: usize) -> Self {
        let mut report = vec![0; length];
        report[0..16].fill(4);
        // Before modules had versions.
        report[1] = 0;
        report[0] = 4;
        report[123] = 0x10;
        report[136..184].fill(7);
        report[328..520].fill(8);
        report[520..552].copy_from_slice(&BINDING.0);
        if length > 584 {
            report[584..600].fill(4);
            report[585] = 0;
        }
        Self::Domain(report)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Enclave(bytes) | Self::Domain(bytes) => bytes,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Enclave(_) => Kind::Sgx,
            Self::Domain(_) => Kind::Tdx,
        }
    }

    fn tee_type(&self) -> u32 {
        match self {
            Self::Enclave(_) => 0,
            Self::Domain(_) => 0x81,
        }
    }

    fn number(&self) -> u16 {
        match self {
            Self::Enclave(_) => 1,
            Self::Domain(bytes) if bytes.len() == 584 => 2,
            Self::Domain(bytes) if bytes.len() == 648 => 3,
            Self::Domain(_) => 4,
        }
    }

    fn with(mut self, offset: usize, value: u8) -> Self {
        match &mut self {
            Self::Enclave(bytes) | Self::Domain(bytes) => bytes[offset] = value,
        }
        self
    }
}

/// Levels of which the second component is the module's, which is zero here.
fn domains(platform: &mut Platform) {
    for level in platform.info["tcbLevels"].as_array_mut().unwrap() {
        level["tcb"]["tdxtcbcomponents"][1]["svn"] = json!(0);
    }
}

fn tdx() -> Platform {
    let mut platform = Platform::new(Kind::Tdx);
    domains(&mut platform);
    platform
}

#[test]
fn quotes_of_every_version_hold() {
    let sgx = Platform::new(Kind::Sgx);
    for version in 3..=5 {
        let claims = sgx.check(version, &Body::enclave()).unwrap();
        assert!(!claims.hardware_rooted);
        let Details::Sgx(details) = claims.details else {
            panic!("no enclave");
        };
        assert_eq!(details.tcb.status, TcbStatus::UpToDate);
    }
    let tdx = tdx();
    for (version, length) in [(4, 584), (5, 584), (5, 648), (5, 885)] {
        tdx.check(version, &Body::domain(length)).unwrap();
    }
}

#[test]
fn a_quote_of_another_kind_or_version() {
    let (sgx, tdx) = (Platform::new(Kind::Sgx), tdx());
    for version in [1, 2, 6, 0xffff] {
        let error = sgx.check(version, &Body::enclave()).unwrap_err();
        assert!(error.is_unjudged(), "{error}");
    }
    let quote = sgx.quote(3, &Body::enclave());
    assert_eq!(
        sgx.check_bytes(Kind::Tdx, quote),
        Err(VerifyError::Malformed(Kind::Tdx))
    );
    let quote = tdx.quote(4, &Body::domain(584));
    assert_eq!(
        tdx.check_bytes(Kind::Sgx, quote),
        Err(VerifyError::Malformed(Kind::Sgx))
    );
    // Documents of the other kind don't do.
    assert!(matches!(
        sgx.check(4, &Body::domain(584)),
        Err(VerifyError::Collateral { .. })
    ));
}

#[test]
fn the_platforms_chain_in_any_order_or_apart() {
    let mut platform = Platform::new(Kind::Sgx);
    for order in [[2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        platform.certification.1 = platform.chain(&order).into_bytes();
        platform.check(3, &Body::enclave()).unwrap();
    }
    platform.certification = (3, vec![9; 404]);
    let missing = platform.check(3, &Body::enclave()).unwrap_err();
    assert!(missing.is_unjudged(), "{missing}");
    platform.separate_chain = Some(platform.chain(&[0, 1, 2]));
    platform.check(3, &Body::enclave()).unwrap();
    // Another platform's certificate.
    let other = Platform::new(Kind::Sgx);
    platform.separate_chain = Some(other.chain(&[0, 1, 2]));
    assert_eq!(
        platform.check(3, &Body::enclave()),
        Err(VerifyError::Signature(Kind::Sgx))
    );
}

#[test]
fn a_root_that_nobody_named() {
    let platform = Platform::new(Kind::Sgx);
    let evidence = Evidence::new(Kind::Sgx, platform.quote(3, &Body::enclave())).unwrap();
    let check =
        |policy: Policy| verify(&evidence, &platform.collateral(), &policy, now(), &BINDING);
    let wrong = Policy::new().allow(Kind::Sgx, Measurement::from_bytes(&[6; 32]).unwrap());
    assert_eq!(check(wrong), Err(VerifyError::Root(Kind::Sgx)));
    assert_eq!(
        check(platform.policy().production()),
        Err(VerifyError::Root(Kind::Sgx))
    );
}

#[test]
fn debug_and_attributes() {
    let sgx = Platform::new(Kind::Sgx);
    let debug = Body::enclave().with(48, 7);
    assert_eq!(sgx.check(3, &debug), Err(VerifyError::Debug));
    let tdx = tdx();
    for bit in 0..8 {
        let debug = Body::domain(584).with(120, 1 << bit);
        assert_eq!(tdx.check(4, &debug), Err(VerifyError::Debug));
    }
    // Exceptions enabled, migration, service domains, and bits without a meaning.
    for (offset, value) in [
        (123, 0),
        (123, 0x30),
        (122, 2),
        (121, 1),
        (122, 0x80),
        (123, 0x14),
        (124, 1),
        (127, 0x20),
    ] {
        assert!(matches!(
            tdx.check(4, &Body::domain(584).with(offset, value)),
            Err(VerifyError::Attributes { .. })
        ));
    }
    // A module that Intel did not sign.
    assert_eq!(
        tdx.check(4, &Body::domain(584).with(64, 1)),
        Err(VerifyError::Module)
    );
    assert_eq!(
        sgx.check(3, &Body::enclave().with(320, 6)),
        Err(VerifyError::Binding)
    );
    assert!(matches!(
        sgx.check(3, &Body::enclave().with(64, 7)),
        Err(VerifyError::MeasurementNotAllowed { .. })
    ));
}

#[test]
fn levels_of_the_platform() {
    for (svn, expected) in [
        (4, None),
        (9, None),
        (3, None),
        (2, Some("OutOfDate")),
        (1, Some("Revoked")),
        (0, Some("below every level that Intel lists")),
    ] {
        let platform = Platform::with_microcode(Kind::Sgx, svn);
        let found = platform.check(3, &Body::enclave());
        match expected {
            None => assert!(found.is_ok(), "{svn}: {found:?}"),
            Some(why) => assert_eq!(found, Err(VerifyError::Tcb(why.to_owned()))),
        }
    }
    // What a policy accepts is its business, but nobody accepts a revoked platform.
    for (svn, holds) in [(2, true), (1, false)] {
        let platform = Platform::with_microcode(Kind::Sgx, svn);
        let evidence = Evidence::new(Kind::Sgx, platform.quote(3, &Body::enclave())).unwrap();
        let mut policy = platform.policy();
        policy
            .tcb_statuses
            .extend([TcbStatus::OutOfDate, TcbStatus::Revoked]);
        let found = verify(&evidence, &platform.collateral(), &policy, now(), &BINDING);
        assert_eq!(found.is_ok(), holds, "{found:?}");
    }
}

#[test]
fn the_quoting_enclave_and_the_documents() {
    let refused = |change: &dyn Fn(&mut Platform)| {
        let mut platform = Platform::new(Kind::Sgx);
        change(&mut platform);
        platform.check(3, &Body::enclave()).unwrap_err().check()
    };
    let set = |path: &'static str, value: Value| {
        move |platform: &mut Platform| {
            let document = match path.split_once('/').unwrap() {
                ("info", key) => &mut platform.info[key],
                (_, key) => &mut platform.identity[key],
            };
            *document = value.clone();
        }
    };
    assert_eq!(
        refused(&set("identity/mrsigner", json!("00".repeat(32)))),
        "quoting-enclave"
    );
    assert_eq!(
        refused(&set("identity/isvprodid", json!(2))),
        "quoting-enclave"
    );
    assert_eq!(
        refused(&set("identity/miscselect", json!("00000001"))),
        "quoting-enclave"
    );
    assert_eq!(
        refused(&set("info/fmspc", json!("000000000000"))),
        "collateral"
    );
    assert_eq!(refused(&set("info/pceId", json!("0001"))), "collateral");
    assert_eq!(refused(&set("info/version", json!(2))), "collateral");
    assert_eq!(refused(&set("info/tcbLevels", json!([]))), "tcb");
    let tomorrow = json!("2026-11-30T00:00:00Z");
    assert_eq!(
        refused(&set("info/issueDate", tomorrow)),
        "collateral-validity"
    );
    let yesterday = json!("2026-02-02T00:00:00Z");
    assert_eq!(
        refused(&set("identity/nextUpdate", yesterday)),
        "collateral-validity"
    );
    assert_eq!(
        refused(&|platform: &mut Platform| platform.revoked = vec!["Private PCK"]),
        "revocation"
    );
    // Signed by a platform's authority instead of the root.
    let wrong_signer = |platform: &mut Platform| {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        platform.signer = platform
            .authority
            .certify(key, "Signer", Use::Leaf, Vec::new());
    };
    assert_eq!(refused(&wrong_signer), "collateral");
    let old = json!([{ "tcb": { "isvsvn": 8 }, "tcbStatus": "OutOfDate" }]);
    assert_eq!(refused(&set("identity/tcbLevels", old)), "tcb");
}

#[test]
fn out_of_its_time_nothing_holds() {
    let platform = Platform::new(Kind::Sgx);
    let evidence = Evidence::new(Kind::Sgx, platform.quote(3, &Body::enclave())).unwrap();
    let late = verify(
        &evidence,
        &platform.collateral(),
        &platform.policy(),
        too_late(),
        &BINDING,
    );
    assert_eq!(late, Err(VerifyError::Expired(Kind::Sgx)));
}

#[test]
fn a_flipped_byte_is_refused_or_says_the_same() {
    for (kind, platform, quote) in [
        {
            let platform = Platform::new(Kind::Sgx);
            let quote = platform.quote(3, &Body::enclave());
            (Kind::Sgx, platform, quote)
        },
        {
            let platform = tdx();
            let quote = platform.quote(5, &Body::domain(648));
            (Kind::Tdx, platform, quote)
        },
    ] {
        let claims = platform.check_bytes(kind, quote.clone()).unwrap();
        let collateral = platform.collateral();
        let policy = platform.policy();
        let check = |quote: Vec<u8>| {
            let evidence = Evidence::new(kind, quote).unwrap();
            verify(&evidence, &collateral, &policy, now(), &BINDING)
        };
        let signed = if kind == Kind::Sgx { 432 } else { 54 + 648 };
        for index in 0..quote.len() {
            let mut flipped = quote.clone();
            flipped[index] ^= 1 << (index % 8);
            if let Ok(found) = check(flipped) {
                assert!(index >= signed, "{kind}: byte {index} is signed");
                assert_eq!(found, claims);
            }
        }
        for length in (0..quote.len()).step_by(7) {
            assert!(check(quote[..length].to_vec()).is_err());
        }
    }
}

#[test]
fn hostile_lengths() {
    let platform = Platform::new(Kind::Sgx);
    let quote = platform.quote(3, &Body::enclave());
    let collateral = platform.collateral();
    let policy = platform.policy();
    // Every field of four bytes becomes the greatest number.
    for index in 0..quote.len() - 4 {
        let mut hostile = quote.clone();
        hostile[index..index + 4].fill(0xff);
        let evidence = Evidence::new(Kind::Sgx, hostile).unwrap();
        let _ = verify(&evidence, &collateral, &policy, now(), &BINDING);
    }
    let padded = [quote, vec![0; 60_000]].concat();
    let evidence = Evidence::new(Kind::Sgx, padded).unwrap();
    assert!(verify(&evidence, &collateral, &policy, now(), &BINDING).is_err());
}
