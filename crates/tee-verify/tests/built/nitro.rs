//! A Nitro Secure Module with a root of its own.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use sha2::{Digest as _, Sha384};
use tee_verify::{
    Binding, Claims, Collateral, Evidence, Kind, Measurement, Policy, VerifyError, verify,
};

use crate::authority::{Entity, Use, now, too_late};

fn head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    match value {
        0..24 => vec![major | value as u8],
        24..0x100 => vec![major | 24, value as u8],
        0x100..0x1_0000 => [&[major | 25][..], &(value as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 26][..], &(value as u32).to_be_bytes()].concat(),
        _ => [&[major | 27][..], &value.to_be_bytes()].concat(),
    }
}

fn bytes(content: &[u8]) -> Vec<u8> {
    [head(2, content.len() as u64), content.to_vec()].concat()
}

fn text(content: &str) -> Vec<u8> {
    [head(3, content.len() as u64), content.as_bytes().to_vec()].concat()
}

/// What the module is asked to attest; each field already in CBOR, so that a test can spoil it.
#[derive(Clone)]
struct Document {
    fields: Vec<(&'static str, Vec<u8>)>,
}

impl Document {
    fn set(mut self, name: &str, value: Vec<u8>) -> Self {
        for field in &mut self.fields {
            if field.0 == name {
                field.1.clone_from(&value);
            }
        }
        self
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = head(5, self.fields.len() as u64);
        for (name, value) in &self.fields {
            payload.extend(text(name));
            payload.extend(value);
        }
        payload
    }
}

struct Module {
    root: Entity,
    leaf: Entity,
    bundle: Vec<Vec<u8>>,
}

const BINDING: Binding = Binding([5; 32]);

fn pcrs(image: u8) -> Vec<u8> {
    let mut pcrs = head(5, 16);
    for index in 0..16u8 {
        pcrs.extend(head(0, u64::from(index)));
        let value = match index {
            0 => image,
            1 | 2 => index,
            _ => 0,
        };
        pcrs.extend(bytes(&[value; 48]));
    }
    pcrs
}

impl Module {
    fn new() -> Self {
        let root = Entity::root("private.nitro-enclaves");
        let regional = root.issue("regional", Use::Authority, Vec::new());
        let leaf = regional.issue("enclave", Use::Leaf, Vec::new());
        let bundle = vec![root.der.clone(), regional.der];
        Self { root, leaf, bundle }
    }

    fn document(&self) -> Document {
        let ms = now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let mut bundle = head(4, self.bundle.len() as u64);
        for certificate in &self.bundle {
            bundle.extend(bytes(certificate));
        }
        Document {
            fields: vec![
                ("module_id", text("i-0123456789abcdef0-enc0123456789abcdef")),
                ("digest", text("SHA384")),
                ("timestamp", head(0, ms)),
                ("pcrs", pcrs(9)),
                ("certificate", bytes(&self.leaf.der)),
                ("cabundle", bundle),
                ("public_key", vec![0xf6]),
                ("user_data", bytes(&BINDING.0)),
                ("nonce", vec![0xf6]),
            ],
        }
    }

    fn sign(&self, payload: &[u8]) -> Vec<u8> {
        let protected = [0xa1, 0x01, 0x38, 0x22];
        let mut message = head(4, 4);
        message.extend(text("Signature1"));
        message.extend(bytes(&protected));
        message.extend(bytes(&[]));
        message.extend(bytes(payload));
        let mut cose = head(4, 4);
        cose.extend(bytes(&protected));
        cose.extend(head(5, 0));
        cose.extend(bytes(payload));
        cose.extend(bytes(&self.leaf.sign(&message)));
        cose
    }

    fn attest(&self, document: &Document) -> Evidence {
        Evidence::new(Kind::Nitro, self.sign(&document.payload())).unwrap()
    }

    fn policy(&self) -> Policy {
        Policy::new()
            .allow(Kind::Nitro, measurement(9))
            .trust_root(Kind::Nitro, self.root.fingerprint())
    }

    fn check(&self, document: &Document) -> Result<Claims, VerifyError> {
        check(&self.policy(), &self.attest(document))
    }
}

fn measurement(image: u8) -> Measurement {
    let digest = Sha384::digest([[image; 48], [1; 48], [2; 48]].concat());
    Measurement::from_bytes(&digest).unwrap()
}

fn check(policy: &Policy, evidence: &Evidence) -> Result<Claims, VerifyError> {
    verify(evidence, &Collateral::default(), policy, now(), &BINDING)
}

const MALFORMED: Result<Claims, VerifyError> = Err(VerifyError::Malformed(Kind::Nitro));

#[test]
fn a_good_document_gives_claims_but_no_hardware() {
    let module = Module::new();
    let claims = module.check(&module.document()).unwrap();
    assert_eq!(claims.binding(), Some(BINDING));
    assert_eq!(claims.measurement, measurement(9));
    assert!(!claims.hardware_rooted);
}

#[test]
fn a_root_that_is_not_named_or_in_production() {
    let module = Module::new();
    let evidence = module.attest(&module.document());
    let root = Err(VerifyError::Root(Kind::Nitro));
    let unnamed = Policy::new().allow(Kind::Nitro, measurement(9));
    assert_eq!(check(&unnamed, &evidence), root);
    let other = unnamed.trust_root(Kind::Nitro, Module::new().root.fingerprint());
    assert_eq!(check(&other, &evidence), root);
    let for_snp = Policy::new()
        .allow(Kind::Nitro, measurement(9))
        .trust_root(Kind::Snp, module.root.fingerprint());
    assert_eq!(check(&for_snp, &evidence), root);
    assert_eq!(check(&module.policy().production(), &evidence), root);
}

#[test]
fn debug_mode() {
    let module = Module::new();
    let debug = module.document().set("pcrs", pcrs(0));
    assert_eq!(module.check(&debug), Err(VerifyError::Debug));
}

#[test]
fn binding_age_and_measurement() {
    let module = Module::new();
    let document = module.document();
    for other in [
        bytes(&[6; 32]),
        bytes(&[5; 33]),
        bytes(&[5; 31]),
        vec![0xf6],
    ] {
        let relayed = document.clone().set("user_data", other);
        assert_eq!(module.check(&relayed), Err(VerifyError::Binding));
    }
    let other = document.clone().set("pcrs", pcrs(8));
    assert_eq!(
        module.check(&other),
        Err(VerifyError::MeasurementNotAllowed {
            kind: Kind::Nitro,
            measurement: measurement(8)
        })
    );
    let evidence = module.attest(&document);
    let at = |now| {
        verify(
            &evidence,
            &Collateral::default(),
            &module.policy(),
            now,
            &BINDING,
        )
    };
    assert_eq!(
        at(now() + Duration::from_secs(301)),
        Err(VerifyError::Stale)
    );
    assert_eq!(
        at(now() - Duration::from_secs(61)),
        Err(VerifyError::FromFuture)
    );
    assert_eq!(at(too_late()), Err(VerifyError::Expired(Kind::Nitro)));
    assert_eq!(at(UNIX_EPOCH), Err(VerifyError::Expired(Kind::Nitro)));
}

#[test]
fn duplicate_unknown_and_missing_fields() {
    let module = Module::new();
    let document = module.document();
    for index in 0..document.fields.len() {
        let mut twice = document.clone();
        twice.fields.push(document.fields[index].clone());
        assert_eq!(module.check(&twice), MALFORMED);
        // In place of another, so that the number of fields is the usual one.
        let mut instead = document.clone();
        let other = (index + 1) % instead.fields.len();
        instead.fields[other] = document.fields[index].clone();
        assert!(module.check(&instead).is_err());
        let mut unknown = document.clone();
        unknown.fields[index].0 = "unknown";
        assert_eq!(module.check(&unknown), MALFORMED);
        let mut without = document.clone();
        let (name, _) = without.fields.remove(index);
        let optional = ["public_key", "nonce"].contains(&name);
        assert_eq!(module.check(&without).is_ok(), optional, "{name}");
    }
    let register = [head(0, 0), bytes(&[9; 48])].concat();
    let twice = [head(5, 2), register.clone(), register].concat();
    assert_eq!(module.check(&document.set("pcrs", twice)), MALFORMED);
}

#[test]
fn what_is_not_deterministic_cbor() {
    let module = Module::new();
    let document = module.document();
    for (field, value) in [
        // A length that is longer than it need be, an indefinite one, a tag, another type.
        ("user_data", [&[0x59, 0, 32][..], &[5; 32]].concat()),
        (
            "user_data",
            [&[0x5f, 0x58, 32][..], &[5; 32], &[0xff]].concat(),
        ),
        ("nonce", vec![0xc0, 0x40]),
        ("nonce", vec![0xf7]),
        ("nonce", vec![0x60]),
        ("timestamp", vec![0x1b, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("timestamp", vec![0x20]),
        ("digest", text("SHA256")),
        ("module_id", text("")),
        ("timestamp", vec![0]),
    ] {
        assert_eq!(module.check(&document.clone().set(field, value)), MALFORMED);
    }
    let mut indefinite = document.payload();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    let evidence = Evidence::new(Kind::Nitro, module.sign(&indefinite)).unwrap();
    assert_eq!(check(&module.policy(), &evidence), MALFORMED);
    let mut trailing = document.payload();
    trailing.push(0);
    let evidence = Evidence::new(Kind::Nitro, module.sign(&trailing)).unwrap();
    assert_eq!(check(&module.policy(), &evidence), MALFORMED);
    // The tag of COSE_Sign1 may be there, and no other.
    for (tags, holds) in [
        (&[0xd2][..], true),
        (&[0xd1], false),
        (&[0xd2, 0xd2], false),
    ] {
        let tagged = [tags, &module.sign(&document.payload())].concat();
        let evidence = Evidence::new(Kind::Nitro, tagged).unwrap();
        assert_eq!(check(&module.policy(), &evidence).is_ok(), holds);
    }
}

#[test]
fn oversized_fields() {
    let module = Module::new();
    let document = module.document();
    let many = [head(4, 8), bytes(&module.root.der).repeat(8)].concat();
    for (field, value) in [
        ("nonce", bytes(&[1; 1025])),
        ("public_key", bytes(&[1; 1025])),
        ("module_id", text(&"i".repeat(257))),
        ("certificate", bytes(&[0x30; 1025])),
        ("cabundle", many),
        ("cabundle", head(4, u64::MAX)),
        ("pcrs", head(5, 33)),
        ("nonce", head(2, u64::MAX)),
    ] {
        assert_eq!(module.check(&document.clone().set(field, value)), MALFORMED);
    }
}

#[test]
fn chains_that_do_not_hold() {
    let mut module = Module::new();
    // The authority between them is missing, or no authority, or another.
    let whole = module.bundle.clone();
    module.bundle = vec![whole[0].clone()];
    let refused = |module: &Module| {
        matches!(
            module.check(&module.document()),
            Err(VerifyError::Certificate { .. })
        )
    };
    assert!(refused(&module));
    let leaf = module.root.issue("regional", Use::Leaf, Vec::new());
    module.leaf = leaf.issue("enclave", Use::Leaf, Vec::new());
    module.bundle = vec![whole[0].clone(), leaf.der];
    assert!(refused(&module));
    let other =
        Entity::root("private.nitro-enclaves").issue("regional", Use::Authority, Vec::new());
    module.leaf = other.issue("enclave", Use::Leaf, Vec::new());
    module.bundle = vec![whole[0].clone(), other.der];
    assert!(refused(&module));
    module.bundle = vec![whole[0].clone(), whole[1].clone()];
    assert!(refused(&module));
    // An authority's own key may not sign documents.
    module.leaf = module.root.issue("enclave", Use::Authority, Vec::new());
    module.bundle = vec![whole[0].clone()];
    assert!(refused(&module));
}

#[test]
fn another_key_than_the_certificates() {
    let mut module = Module::new();
    let document = module.document();
    module.leaf.key = Entity::root("other").key;
    assert_eq!(
        module.check(&document),
        Err(VerifyError::Signature(Kind::Nitro))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn spliced_documents_never_pass_as_something_else(
        at in 0usize..3000, remove in 0usize..40, insert in proptest::collection::vec(any::<u8>(), 0..40)
    ) {
        thread_local! {
            static MODULE: (Policy, Evidence, Claims) = {
                let module = Module::new();
                let evidence = module.attest(&module.document());
                let claims = check(&module.policy(), &evidence).unwrap();
                (module.policy(), evidence, claims)
            };
        }
        MODULE.with(|(policy, evidence, claims)| {
            let mut body = evidence.body().to_vec();
            let from = at.min(body.len());
            let to = (from + remove).min(body.len());
            body.splice(from..to, insert.iter().copied());
            let same = body == evidence.body();
            let spliced = Evidence::new(Kind::Nitro, body).unwrap();
            match check(policy, &spliced) {
                Ok(other) => assert!(same && other == *claims),
                Err(_) => assert!(!same),
            }
        });
    }

    #[test]
    fn garbage_of_any_kind_never_panics(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        start in proptest::sample::select(vec![
            &[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59][..], b"DAASTPM1", b"DAASSIM1",
            &[3, 0, 2, 0], &[4, 0, 2, 0, 0x81], &[],
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..2000)
    ) {
        let evidence = Evidence::new(kind, [start, &rest].concat()).unwrap();
        let policy = Policy::new().allow(kind, measurement(9));
        prop_assert!(check(&policy, &evidence).is_err());
    }
}
