//! TPM quotes by keys made here.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding,
};
use rcgen::PublicKeyData as _;
use sha2::{Digest as _, Sha256};
use tee_verify::{
    Binding, Claims, Collateral, Evidence, Kind, Policy, TpmQuote, VerifyError,
    offline::{At, OfflinePolicy, Verdict, judge},
    verify,
};

use crate::authority::{Entity, Use, now, too_late};

const BINDING: Binding = Binding([5; 32]);

fn sized(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes()[..], content].concat()
}

/// `TPMS_ATTEST` of a quote over PCRs 0, 7 and 10.
fn attest(extra: &[u8], digest: &[u8]) -> Vec<u8> {
    [
        &[0xff, 0x54, 0x43, 0x47, 0x80, 0x18][..],
        &sized(&[0xaa; 34]),
        &sized(extra),
        &1000u64.to_be_bytes(),
        &[0, 0, 0, 2, 0, 0, 0, 3, 1],
        &4u64.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0x04, 0],
        &sized(digest),
    ]
    .concat()
}

fn pcrs() -> BTreeMap<u8, [u8; 32]> {
    BTreeMap::from([(0, [1; 32]), (7, [2; 32]), (10, [3; 32])])
}

fn digest(pcrs: &BTreeMap<u8, [u8; 32]>) -> Vec<u8> {
    Sha256::digest(pcrs.values().flatten().copied().collect::<Vec<u8>>()).to_vec()
}

struct Key {
    key: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl Key {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spki = key.public_key().as_der().unwrap().as_ref().to_vec();
        Self { key, spki }
    }

    fn quote(&self, attest: Vec<u8>, pcrs: BTreeMap<u8, [u8; 32]>) -> TpmQuote {
        let signed = self.key.sign(&SystemRandom::new(), &attest).unwrap();
        let (r, s) = signed.as_ref().split_at(32);
        TpmQuote {
            attest,
            signature: [&[0, 0x18, 0, 0x0b][..], &sized(r), &sized(s)].concat(),
            pcrs,
        }
    }

    fn good(&self) -> TpmQuote {
        self.quote(attest(&BINDING.0, &digest(&pcrs())), pcrs())
    }

    fn collateral(&self) -> Collateral {
        let mut collateral = Collateral::default();
        collateral.add(&self.spki).unwrap();
        collateral
    }

    fn policy(&self) -> Policy {
        Policy::new().trust_root(Kind::Tpm, Sha256::digest(&self.spki).into())
    }
}

fn evidence(quote: &TpmQuote) -> Evidence {
    Evidence::new(Kind::Tpm, quote.encode().unwrap()).unwrap()
}

/// The claims under a policy that allows whatever the quote's measurement is.
fn check(
    quote: &TpmQuote,
    collateral: &Collateral,
    policy: &Policy,
) -> Result<Claims, VerifyError> {
    let evidence = evidence(quote);
    let offline = OfflinePolicy::default();
    let root = Sha256::digest(collateral.public_keys.first().map_or(&[][..], |key| key)).into();
    let at = At::Time(now());
    let policy = match judge(&evidence, collateral, &offline, &[root], at) {
        Verdict::Holds { claims, .. } => policy.clone().allow(Kind::Tpm, claims.measurement),
        _ => policy.clone().allow(
            Kind::Tpm,
            tee_verify::Measurement::from_bytes(&[1; 32]).unwrap(),
        ),
    };
    verify(&evidence, collateral, &policy, now(), &BINDING)
}

#[test]
fn a_good_quote_gives_claims() {
    let key = Key::new();
    let claims = check(&key.good(), &key.collateral(), &key.policy()).unwrap();
    assert_eq!(claims.binding(), Some(BINDING));
    assert!(!claims.hardware_rooted);
    let production = key.policy().production();
    assert!(check(&key.good(), &key.collateral(), &production).is_ok());
}

#[test]
fn keys_that_nobody_vouches_for() {
    let (key, other) = (Key::new(), Key::new());
    let quote = key.good();
    let root = Err(VerifyError::Root(Kind::Tpm));
    assert_eq!(check(&quote, &key.collateral(), &Policy::new()), root);
    assert_eq!(check(&quote, &key.collateral(), &other.policy()), root);
    assert_eq!(
        check(&quote, &other.collateral(), &other.policy()),
        Err(VerifyError::Signature(Kind::Tpm))
    );
    let none = check(&quote, &Collateral::default(), &key.policy());
    assert!(none.unwrap_err().is_unjudged());
}

#[test]
fn other_values_other_binding_other_registers() {
    let key = Key::new();
    let check = |quote: &TpmQuote| check(quote, &key.collateral(), &key.policy());
    let good = key.good();
    let mut values = good.clone();
    values.pcrs.insert(7, [9; 32]);
    assert_eq!(check(&values), Err(VerifyError::PcrDigest));
    let mut fewer = good.clone();
    fewer.pcrs.remove(&10);
    assert_eq!(check(&fewer), Err(VerifyError::PcrDigest));
    // The values of the selected ones under other numbers.
    let mut moved = good.clone();
    let value = moved.pcrs.remove(&10).unwrap();
    moved.pcrs.insert(11, value);
    assert_eq!(check(&moved), Err(VerifyError::PcrDigest));
    let relayed = key.quote(attest(&[6; 32], &digest(&pcrs())), pcrs());
    assert_eq!(check(&relayed), Err(VerifyError::Binding));
}

#[test]
fn the_selection_is_part_of_the_measurement() {
    let key = Key::new();
    let mut elsewhere = attest(&BINDING.0, &digest(&pcrs()));
    // PCR 16, which anyone can reset, in place of PCR 10.
    let selection = elsewhere
        .windows(3)
        .rposition(|w| w == [0x81, 0x04, 0])
        .unwrap();
    elsewhere[selection..selection + 3].copy_from_slice(&[0x81, 0, 1]);
    let mut values = pcrs();
    let value = values.remove(&10).unwrap();
    values.insert(16, value);
    let moved = check(
        &key.quote(elsewhere, values),
        &key.collateral(),
        &key.policy(),
    )
    .unwrap();
    let usual = check(&key.good(), &key.collateral(), &key.policy()).unwrap();
    assert_ne!(moved.measurement, usual.measurement);
}

#[test]
fn what_is_no_quote() {
    let key = Key::new();
    let good = attest(&BINDING.0, &digest(&pcrs()));
    let refused = |attest: Vec<u8>| {
        let quote = key.quote(attest, pcrs());
        check(&quote, &key.collateral(), &key.policy()).unwrap_err()
    };
    let malformed = VerifyError::Malformed(Kind::Tpm);
    // Signed by the key, but not made by the TPM; a certification of a key; with something after it.
    assert_eq!(refused([&[0], &good[1..]].concat()), malformed);
    assert_eq!(
        refused([&good[..5], &[0x17], &good[6..]].concat()),
        malformed
    );
    assert_eq!(refused([&good[..], &[0]].concat()), malformed);
    assert_eq!(refused(good[..good.len() - 1].to_vec()), malformed);
    let bank = good.windows(3).rposition(|w| w == [0, 0x0b, 3]).unwrap();
    let mut sha1 = good;
    sha1[bank + 1] = 4;
    assert!(refused(sha1).is_unjudged());
}

#[test]
fn rsa_keys() {
    let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki = key.public_key().as_der().unwrap().as_ref().to_vec();
    // aws-lc gives a SubjectPublicKeyInfo.
    let mut collateral = Collateral::default();
    collateral.add(&spki).unwrap();
    let policy = Policy::new().trust_root(Kind::Tpm, Sha256::digest(&spki).into());
    let schemes: [(u8, &'static dyn RsaEncoding); 2] =
        [(0x14, &RSA_PKCS1_SHA256), (0x16, &RSA_PSS_SHA256)];
    for (scheme, encoding) in schemes {
        let attest = attest(&BINDING.0, &digest(&pcrs()));
        let mut signed = vec![0; key.public_modulus_len()];
        key.sign(encoding, &SystemRandom::new(), &attest, &mut signed)
            .unwrap();
        let quote = |scheme: u8| TpmQuote {
            attest: attest.clone(),
            signature: [&[0, scheme, 0, 0x0b][..], &sized(&signed)].concat(),
            pcrs: pcrs(),
        };
        assert!(check(&quote(scheme), &collateral, &policy).is_ok());
        let other = check(&quote(scheme ^ 2), &collateral, &policy);
        assert_eq!(other, Err(VerifyError::Signature(Kind::Tpm)));
        let unknown = check(&quote(0x1a), &collateral, &policy);
        assert!(unknown.unwrap_err().is_unjudged());
    }
}

#[test]
fn a_key_with_a_certificate() {
    let root = Entity::root("TPM root");
    let maker = root.issue("TPM maker", Use::Authority, Vec::new());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let signer =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
    let spki = key.subject_public_key_info();
    let certified = maker.certify(key, "attestation key", Use::Leaf, Vec::new());
    let quote = Key { key: signer, spki }.good();
    let mut collateral = Collateral::default();
    for entity in [&certified, &maker, &root] {
        collateral.add(&entity.der).unwrap();
    }
    let judge = |collateral: &Collateral, root: &Entity, now| {
        let policy = OfflinePolicy::default();
        judge(
            &evidence(&quote),
            collateral,
            &policy,
            &[root.fingerprint()],
            At::Time(now),
        )
    };
    assert_eq!(judge(&collateral, &root, now()).exit_code(), 0);
    let check = |verdict| match verdict {
        Verdict::Refused { check, .. } => check,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        check(judge(&collateral, &certified_elsewhere(), now())),
        "root"
    );
    assert_eq!(
        check(judge(&collateral, &root, too_late())),
        "certificate-validity"
    );
    collateral.add(&maker.revoke(&["attestation key"])).unwrap();
    assert_eq!(check(judge(&collateral, &root, now())), "revocation");
}

fn certified_elsewhere() -> Entity {
    Entity::root("TPM root")
}

#[test]
fn every_byte_counts() {
    let key = Key::new();
    let good = key.good().encode().unwrap();
    let policy = OfflinePolicy::default();
    let root = Sha256::digest(&key.spki).into();
    let verdict = |body: &[u8]| {
        let evidence = Evidence::new(Kind::Tpm, body.to_vec()).unwrap();
        judge(
            &evidence,
            &key.collateral(),
            &policy,
            &[root],
            At::Time(now()),
        )
        .exit_code()
    };
    assert_eq!(verdict(&good), 0);
    for index in 0..good.len() {
        for bit in 0..8 {
            let mut body = good.clone();
            body[index] ^= 1 << bit;
            assert_ne!(verdict(&body), 0, "bit {bit} of byte {index}");
        }
        assert_ne!(verdict(&good[..index]), 0, "{index}");
    }
    assert_ne!(verdict(&[&good[..], &[0]].concat()), 0);
}

/// Quotes over PCRs 0, 7 and 10 with `[5; 32]` as qualifying data, by restricted keys of libtpms 0.9
/// (`tpm2_createprimary`, `tpm2_quote`).
#[test]
fn quotes_of_a_tpm() {
    let quotes: [(&[u8], &[u8]); 3] = [
        (
            include_bytes!("../data/tpm-ecdsa.bin"),
            include_bytes!("../data/tpm-ecdsa.pem"),
        ),
        (
            include_bytes!("../data/tpm-rsassa.bin"),
            include_bytes!("../data/tpm-rsassa.pem"),
        ),
        (
            include_bytes!("../data/tpm-rsapss.bin"),
            include_bytes!("../data/tpm-rsapss.pem"),
        ),
    ];
    for (body, key) in quotes {
        let mut collateral = Collateral::default();
        collateral.add(key).unwrap();
        let root = tee_verify::read_root(key).unwrap();
        let verdict = |body: Vec<u8>| {
            let evidence = Evidence::new(Kind::Tpm, body).unwrap();
            let policy = OfflinePolicy {
                report_data: Some(hex::encode(BINDING.0)),
                ..OfflinePolicy::default()
            };
            judge(&evidence, &collateral, &policy, &[root], At::Time(now()))
        };
        let Verdict::Holds { claims, .. } = verdict(body.to_vec()) else {
            panic!("refused");
        };
        assert_eq!(claims.binding(), Some(BINDING));
        for index in 0..body.len() {
            let mut flipped = body.to_vec();
            flipped[index] ^= 1 << (index % 8);
            assert_ne!(verdict(flipped).exit_code(), 0, "byte {index}");
        }
    }
}
