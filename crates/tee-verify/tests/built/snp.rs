//! SNP reports under a private root: what is set in a report can be chosen here.

use rcgen::CustomExtension;
use tee_verify::{
    Binding, Claims, Collateral, Evidence, Kind, Measurement, Policy, SnpTcb, VerifyError, verify,
};

use crate::authority::{Entity, Use, now, too_late};

const BINDING: Binding = Binding([5; 32]);
const CHIP: [u8; 64] = [0xc1; 64];
const TCB: [u8; 8] = [3, 1, 0, 0, 0, 0, 20, 200];

struct Platform {
    ark: Entity,
    ask: Entity,
    key: Entity,
}

fn extensions(chip: Option<&[u8]>, tcb: [u8; 8]) -> Vec<CustomExtension> {
    let amd = |tail: &[u64]| [&[1, 3, 6, 1, 4, 1, 3704, 1][..], tail].concat();
    let number = |value: u8| match value {
        0x80.. => vec![2, 2, 0, value],
        _ => vec![2, 1, value],
    };
    let parts = [(1, tcb[0]), (2, tcb[1]), (3, tcb[6]), (8, tcb[7])];
    let mut extensions: Vec<_> = parts
        .into_iter()
        .map(|(part, value)| CustomExtension::from_oid_content(&amd(&[3, part]), number(value)))
        .collect();
    if let Some(chip) = chip {
        extensions.push(CustomExtension::from_oid_content(&amd(&[4]), chip.to_vec()));
    }
    extensions
}

impl Platform {
    fn new(name: &str, chip: Option<&[u8]>) -> Self {
        let ark = Entity::root("ARK-Private");
        let ask = ark.issue("SEV-Private", Use::Authority, Vec::new());
        let key = ask.issue(name, Use::Leaf, extensions(chip, TCB));
        Self { ark, ask, key }
    }

    fn vcek() -> Self {
        Self::new("SEV-VCEK", Some(&CHIP))
    }

    fn collateral(&self) -> Collateral {
        let mut collateral = Collateral::default();
        for entity in [&self.key, &self.ask, &self.ark] {
            collateral.add(&entity.der).unwrap();
        }
        collateral
    }

    fn attest(&self, report: &[u8]) -> Evidence {
        let signature = self.key.sign(report);
        let mut body = report.to_vec();
        for number in signature.chunks(48) {
            body.extend(number.iter().rev());
            body.extend([0; 24]);
        }
        body.resize(0x4a0, 0);
        Evidence::new(Kind::Snp, body).unwrap()
    }

    fn policy(&self) -> Policy {
        Policy::new()
            .allow(Kind::Snp, Measurement::from_bytes(&[7; 48]).unwrap())
            .trust_root(Kind::Snp, self.ark.fingerprint())
    }

    fn check(&self, report: &[u8]) -> Result<Claims, VerifyError> {
        let (evidence, policy) = (self.attest(report), self.policy());
        verify(&evidence, &self.collateral(), &policy, now(), &BINDING)
    }
}

fn report() -> Vec<u8> {
    let mut report = vec![0; 0x2a0];
    set(&mut report, 0, &2u32.to_le_bytes());
    set(&mut report, 8, &0x3_0000u64.to_le_bytes());
    set(&mut report, 0x34, &1u32.to_le_bytes());
    set(&mut report, 0x50, &BINDING.0);
    set(&mut report, 0x90, &[7; 48]);
    set(&mut report, 0x180, &TCB);
    set(&mut report, 0x1a0, &CHIP);
    report
}

fn set(report: &mut [u8], offset: usize, value: &[u8]) {
    report[offset..offset + value.len()].copy_from_slice(value);
}

fn with(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut report = report();
    set(&mut report, offset, value);
    report
}

#[test]
fn a_good_report_gives_claims() {
    let claims = Platform::vcek().check(&report()).unwrap();
    assert_eq!(claims.binding(), Some(BINDING));
    assert_eq!(claims.device, CHIP);
    assert!(!claims.hardware_rooted);
}

#[test]
fn launch_policy_level_and_binding() {
    let platform = Platform::vcek();
    let debug = with(8, &(0x3_0000u64 | 1 << 19).to_le_bytes());
    assert_eq!(platform.check(&debug), Err(VerifyError::Debug));
    let migration = with(8, &(0x3_0000u64 | 1 << 18).to_le_bytes());
    assert!(matches!(
        platform.check(&migration),
        Err(VerifyError::Attributes { .. })
    ));
    for level in [1u32, u32::MAX] {
        assert_eq!(
            platform.check(&with(0x30, &level.to_le_bytes())),
            Err(VerifyError::Vmpl {
                found: level,
                most: 0
            })
        );
    }
    // After the binding there are only zeros.
    assert_eq!(platform.check(&with(0x8f, &[1])), Err(VerifyError::Binding));
    assert_eq!(platform.check(&with(0x50, &[6])), Err(VerifyError::Binding));
    assert!(matches!(
        platform.check(&with(0x90, &[8])),
        Err(VerifyError::MeasurementNotAllowed { .. })
    ));
    let zero = platform.check(&with(0x90, &[0; 48]));
    assert_eq!(zero, Err(VerifyError::Malformed(Kind::Snp)));
}

#[test]
fn chip_and_firmware_are_the_certificates() {
    let platform = Platform::vcek();
    assert_eq!(
        platform.check(&with(0x1a0, &[0; 64])),
        Err(VerifyError::Chip)
    );
    assert_eq!(
        platform.check(&with(0x1df, &[0xc2])),
        Err(VerifyError::Chip)
    );
    for part in [0x180, 0x181, 0x186, 0x187] {
        let other = platform.check(&with(part, &[99]));
        assert!(matches!(other, Err(VerifyError::Tcb(_))), "{part:#x}");
    }
    let unnamed = Platform::new("SEV-VCEK", None);
    assert_eq!(unnamed.check(&report()), Err(VerifyError::Chip));
}

#[test]
fn least_firmware() {
    let platform = Platform::vcek();
    let evidence = platform.attest(&report());
    let check = |minimum| {
        let mut policy = platform.policy();
        policy.snp_minimum = minimum;
        verify(&evidence, &platform.collateral(), &policy, now(), &BINDING)
    };
    let same = SnpTcb {
        fmc: None,
        bootloader: 3,
        tee: 1,
        snp: 20,
        microcode: 200,
    };
    assert!(check(same).is_ok());
    for above in [
        SnpTcb {
            bootloader: 4,
            ..same
        },
        SnpTcb { tee: 2, ..same },
        SnpTcb { snp: 21, ..same },
        SnpTcb {
            microcode: 201,
            ..same
        },
    ] {
        assert!(matches!(check(above), Err(VerifyError::Tcb(_))));
    }
}

#[test]
fn a_providers_key_belongs_to_no_chip() {
    let platform = Platform::new("SEV-VLEK", None);
    let vlek = with(0x48, &(1u32 << 2).to_le_bytes());
    assert!(platform.check(&vlek).is_ok());
    // Each kind of key only with its own certificate.
    assert!(platform.check(&report()).unwrap_err().is_unjudged());
    assert!(Platform::vcek().check(&vlek).unwrap_err().is_unjudged());
    let none = with(0x48, &(7u32 << 2).to_le_bytes());
    assert_eq!(
        platform.check(&none),
        Err(VerifyError::Malformed(Kind::Snp))
    );
}

#[test]
fn revoked_and_expired() {
    let platform = Platform::vcek();
    let evidence = platform.attest(&report());
    let check = |lists: &[Vec<u8>], now| {
        let mut collateral = platform.collateral();
        for list in lists {
            collateral.add(list).unwrap();
        }
        verify(&evidence, &collateral, &platform.policy(), now, &BINDING)
    };
    let revoked = Err(VerifyError::Revoked(Kind::Snp));
    assert!(check(&[platform.ark.revoke(&["another"])], now()).is_ok());
    assert_eq!(
        check(&[platform.ark.revoke(&["SEV-Private"])], now()),
        revoked
    );
    assert_eq!(check(&[platform.ask.revoke(&["SEV-VCEK"])], now()), revoked);
    // Not the issuer's, though it has its name.
    let forged = Platform::vcek().ark.revoke(&[]);
    assert!(matches!(
        check(&[forged], now()),
        Err(VerifyError::Collateral { .. })
    ));
    let mut spoiled = platform.ark.revoke(&["SEV-Private"]);
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    let mut collateral = platform.collateral();
    collateral.revocation_lists.push(spoiled);
    assert!(verify(&evidence, &collateral, &platform.policy(), now(), &BINDING).is_err());
    let january = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_768_000_000);
    assert!(check(&[], january).is_ok());
    let early = check(&[platform.ark.revoke(&[])], january);
    assert!(matches!(early, Err(VerifyError::CollateralExpired { .. })));
    assert_eq!(check(&[], too_late()), Err(VerifyError::Expired(Kind::Snp)));
}

#[test]
fn collateral_is_not_trusted_and_bounded() {
    let platform = Platform::vcek();
    let evidence = platform.attest(&report());
    let named = Platform::vcek().policy();
    let got = verify(&evidence, &platform.collateral(), &named, now(), &BINDING);
    assert_eq!(got, Err(VerifyError::Root(Kind::Snp)));
    let mut twice = platform.collateral();
    twice.add(&platform.key.der).unwrap();
    let got = verify(&evidence, &twice, &platform.policy(), now(), &BINDING);
    assert!(matches!(got, Err(VerifyError::Collateral { .. })));
    let mut many = platform.collateral();
    many.certificates.extend(vec![platform.ask.der.clone(); 40]);
    let got = verify(&evidence, &many, &platform.policy(), now(), &BINDING);
    assert!(matches!(got, Err(VerifyError::Collateral { .. })));
    let mut large = platform.collateral();
    large.revocation_lists = vec![vec![0x30; 600_000]; 2];
    let got = verify(&evidence, &large, &platform.policy(), now(), &BINDING);
    assert!(matches!(got, Err(VerifyError::Collateral { .. })));
    assert!(many.add(&platform.ask.der).is_err() && many.add(b"nothing").is_err());
}

const TURIN_TCB: [u8; 8] = [4, 3, 1, 20, 0, 0, 0, 200];

fn turin(chip: &[u8], tcb: [u8; 8], fmc: Option<u8>) -> Platform {
    let amd = |tail: &[u64]| [&[1, 3, 6, 1, 4, 1, 3704, 1][..], tail].concat();
    let [_, bootloader, tee, snp, .., microcode] = tcb;
    let mut extensions = extensions(Some(chip), [bootloader, tee, 0, 0, 0, 0, snp, microcode]);
    if let Some(fmc) = fmc {
        let content = vec![2, 1, fmc];
        extensions.push(CustomExtension::from_oid_content(&amd(&[3, 9]), content));
    }
    let ark = Entity::root("ARK-Private");
    let ask = ark.issue("SEV-Private", Use::Authority, Vec::new());
    let key = ask.issue("SEV-VCEK", Use::Leaf, extensions);
    Platform { ark, ask, key }
}

fn turin_report(version: u32) -> Vec<u8> {
    let mut report = report();
    set(&mut report, 0, &version.to_le_bytes());
    set(&mut report, 0x180, &TURIN_TCB);
    set(&mut report, 0x188, &[0x1a, 2, 1]);
    set(
        &mut report,
        0x1a0,
        &[
            [0xc1; 8], [0; 8], [0; 8], [0; 8], [0; 8], [0; 8], [0; 8], [0; 8],
        ]
        .concat(),
    );
    report
}

#[test]
fn turin_has_another_layout() {
    let platform = turin(&[0xc1; 8], TURIN_TCB, Some(4));
    for version in [2, 3, 5] {
        let claims = platform.check(&turin_report(version)).unwrap();
        let tee_verify::Details::Snp(details) = claims.details else {
            panic!("{claims:?}");
        };
        let expected = SnpTcb {
            fmc: Some(4),
            bootloader: 3,
            tee: 1,
            snp: 20,
            microcode: 200,
        };
        assert_eq!(details.reported_tcb, expected);
    }
    // Read as Milan lays it out, nothing fits.
    let mut milan = turin_report(3);
    set(&mut milan, 0x188, &[0x19]);
    assert_eq!(platform.check(&milan), Err(VerifyError::Chip));
    let mut other = turin_report(3);
    set(&mut other, 0x180, &[5]);
    assert!(matches!(platform.check(&other), Err(VerifyError::Tcb(_))));
    let mut chip = turin_report(3);
    set(&mut chip, 0x1a8, &[1]);
    assert_eq!(platform.check(&chip), Err(VerifyError::Chip));
    let without = turin(&[0xc1; 8], TURIN_TCB, None);
    assert!(matches!(
        without.check(&turin_report(3)),
        Err(VerifyError::Tcb(_))
    ));
}

#[test]
fn the_verifiers_own_lists_count_whatever_the_peer_sends() {
    let platform = Platform::vcek();
    let evidence = platform.attest(&report());
    let other = Platform::vcek();
    let check = |lists: Vec<Vec<u8>>, now| {
        let mut policy = platform.policy();
        policy.revocation_lists = lists;
        verify(&evidence, &platform.collateral(), &policy, now, &BINDING)
    };
    let revoked = Err(VerifyError::Revoked(Kind::Snp));
    assert!(check(vec![platform.ask.revoke(&["another"])], now()).is_ok());
    assert_eq!(
        check(vec![platform.ask.revoke(&["SEV-VCEK"])], now()),
        revoked
    );
    let both = vec![platform.ark.revoke(&[]), platform.ask.revoke(&["SEV-VCEK"])];
    assert_eq!(check(both, now()), revoked);
    // Before the list's time: whom it revokes is revoked, whom it doesn't is not refused for the list's sake.
    let january = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_768_000_000);
    assert_eq!(
        check(vec![platform.ask.revoke(&["SEV-VCEK"])], january),
        revoked
    );
    assert!(check(vec![platform.ask.revoke(&[])], january).is_ok());
    // Not the issuer's, though it has its name; and no list at all.
    let forged = check(vec![other.ask.revoke(&["SEV-VCEK"])], now());
    assert!(matches!(forged, Err(VerifyError::Collateral { .. })));
    let garbage = check(vec![vec![0x30, 0]], now());
    assert!(matches!(garbage, Err(VerifyError::Collateral { .. })));
}
