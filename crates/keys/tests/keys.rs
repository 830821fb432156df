//! The hierarchy, its rotation, and the ways out of an instance.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::HashSet;

use keys::handover::{Recipient, grant};
use keys::recovery::{Custodian, Plan, SealedShare, Share, recover};
use keys::{KeyError, KeyRing, PublicRing, Purpose, Realm, Scope, cache};
use proptest::prelude::*;

const DEVICE: [u8; 32] = [9; 32];

fn scope() -> Scope {
    Scope {
        cluster: [1; 32],
        realm: Realm::Production,
    }
}

fn simulated() -> Scope {
    Scope {
        realm: Realm::Simulated,
        ..scope()
    }
}

fn ring() -> KeyRing {
    KeyRing::born(scope()).unwrap()
}

fn key(ring: &KeyRing, purpose: Purpose, epoch: u32) -> [u8; 32] {
    *ring.key(purpose, epoch).unwrap().expose()
}

#[test]
fn no_two_purposes_or_epochs_share_a_key() {
    let first = ring();
    let second = first.rotate().unwrap();
    let mut seen = HashSet::new();
    for ring in [
        &first,
        &second,
        &ring(),
        &KeyRing::born(simulated()).unwrap(),
    ] {
        for purpose in Purpose::ALL {
            assert!(seen.insert(key(ring, purpose, ring.epoch())), "{purpose:?}");
        }
    }
    assert_eq!(seen.len(), 4 * Purpose::ALL.len());
    // And the same each time.
    assert_eq!(key(&second, Purpose::Log, 1), key(&first, Purpose::Log, 1));
}

#[test]
fn older_epochs_are_readable_until_they_are_forgotten() {
    let first = ring();
    let third = first.rotate().unwrap().rotate().unwrap();
    assert_eq!(third.epochs().collect::<Vec<_>>(), [1, 2, 3]);
    for epoch in [1, 2, 3] {
        third.key(Purpose::Log, epoch).unwrap();
    }
    let kept = third.forget_before(3);
    assert_eq!(kept.epochs().collect::<Vec<_>>(), [3]);
    for epoch in [1, 2, 4] {
        let error = kept.key(Purpose::Log, epoch).err();
        assert_eq!(error, Some(KeyError::UnknownEpoch(epoch)));
    }
    // Nor does the file remember.
    let sealed = cache::seal(&kept, &DEVICE).unwrap();
    let opened = cache::open(&scope(), &kept.public().unwrap(), &sealed, &DEVICE).unwrap();
    assert_eq!(
        opened.key(Purpose::Log, 1).err(),
        Some(KeyError::UnknownEpoch(1))
    );
}

#[test]
fn who_has_an_older_root_cannot_get_to_a_newer_one() {
    let old = ring();
    let sealed = cache::seal(&old, &DEVICE).unwrap();
    let new = old.rotate().unwrap();
    let error = cache::open(&scope(), &new.public().unwrap(), &sealed, &DEVICE).err();
    assert_eq!(
        error,
        Some(KeyError::OtherEpoch {
            found: 1,
            expected: 2
        })
    );
}

#[test]
fn a_sealed_copy_opens_on_its_device_only() {
    let ring = ring().rotate().unwrap();
    let public = ring.public().unwrap();
    let sealed = cache::seal(&ring, &DEVICE).unwrap();
    let opened = cache::open(&scope(), &public, &sealed, &DEVICE).unwrap();
    for epoch in [1, 2] {
        assert_eq!(
            key(&opened, Purpose::Log, epoch),
            key(&ring, Purpose::Log, epoch)
        );
    }
    let other = cache::open(&scope(), &public, &sealed, &[8; 32]).err();
    assert_eq!(other, Some(KeyError::NotThisDevice));
    let another = KeyRing::born(scope()).unwrap().rotate().unwrap();
    let wrong = cache::open(&scope(), &another.public().unwrap(), &sealed, &DEVICE).err();
    assert_eq!(wrong, Some(KeyError::WrongRoot));
}

#[test]
fn simulated_and_production_keys_do_not_open_each_other() {
    let refused = |found, expected| Some(KeyError::OtherRealm { found, expected });
    for (of, by) in [(scope(), simulated()), (simulated(), scope())] {
        let ring = KeyRing::born(of).unwrap();
        let public = ring.public().unwrap();
        let sealed = cache::seal(&ring, &DEVICE).unwrap();
        let expected = refused(of.realm, by.realm);
        assert_eq!(cache::open(&by, &public, &sealed, &DEVICE).err(), expected);

        let recipient = Recipient::new().unwrap();
        let granted = grant(&ring, recipient.public(), &[5; 32]).unwrap();
        assert_eq!(recipient.open(&by, &[5; 32], &granted).err(), expected);

        // Relabelled, it is still the other's.
        let json = serde_json::to_string(&public).unwrap();
        let relabelled = json.replace(&of.realm.to_string(), &by.realm.to_string());
        let relabelled: PublicRing = serde_json::from_str(&relabelled).unwrap();
        assert_eq!(
            cache::open(&by, &relabelled, &sealed, &DEVICE).err(),
            expected
        );
    }
    let elsewhere = Scope {
        cluster: [2; 32],
        ..scope()
    };
    let ring = ring();
    let sealed = cache::seal(&ring, &DEVICE).unwrap();
    assert!(matches!(
        cache::open(&elsewhere, &ring.public().unwrap(), &sealed, &DEVICE).err(),
        Some(KeyError::OtherCluster { .. })
    ));
}

#[test]
fn the_keys_pass_to_the_one_recipient_on_the_one_connection() {
    let ring = ring().rotate().unwrap();
    let recipient = Recipient::new().unwrap();
    let granted = grant(&ring, recipient.public(), &[5; 32]).unwrap();
    let json = serde_json::to_string(&granted).unwrap();
    let received = serde_json::from_str(&json).unwrap();
    let opened = recipient.open(&scope(), &[5; 32], &received).unwrap();
    assert_eq!(key(&opened, Purpose::Log, 1), key(&ring, Purpose::Log, 1));

    let error = Recipient::new().unwrap().open(&scope(), &[5; 32], &granted);
    assert_eq!(error.err(), Some(KeyError::NotForThisInstance));
    let recipient = Recipient::new().unwrap();
    let granted = grant(&ring, recipient.public(), &[5; 32]).unwrap();
    let error = recipient.open(&scope(), &[6; 32], &granted);
    assert_eq!(error.err(), Some(KeyError::NotForThisInstance));
    assert!(grant(&ring, &[0; 31], &[5; 32]).is_err());
}

struct Custody {
    custodians: Vec<Custodian>,
    sealed: Vec<SealedShare>,
    ring: KeyRing,
}

fn custody(threshold: usize, count: usize) -> Custody {
    let custodians: Vec<_> = (0..count).map(|_| Custodian::new().unwrap()).collect();
    let publics: Vec<_> = custodians.iter().map(|c| c.public().to_vec()).collect();
    let (plan, sealed) = Plan::make(threshold, &publics).unwrap();
    Custody {
        ring: ring().with_plan(plan).unwrap(),
        custodians,
        sealed,
    }
}

impl Custody {
    fn share(&self, index: usize) -> Share {
        let kept = self.custodians[index].to_bytes();
        let custodian = Custodian::from_bytes(&kept).unwrap();
        let share = custodian.open(&self.sealed[index]).unwrap();
        Share::from_bytes(&share.to_bytes()).unwrap()
    }
}

#[test]
fn k_of_n_shares_recover_and_fewer_do_not() {
    let custody = custody(3, 5);
    let public = custody.ring.public().unwrap();
    let all: Vec<_> = (0..5).map(|index| custody.share(index)).collect();
    for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let shares = chosen.map(|index| all[index].clone());
        let recovered = recover(&scope(), &public, &shares).unwrap();
        assert_eq!(
            key(&recovered, Purpose::Log, 1),
            key(&custody.ring, Purpose::Log, 1)
        );
    }
    // One twice is one.
    let few = [all[0].clone(), all[1].clone(), all[1].clone()];
    assert_eq!(
        recover(&scope(), &public, &few).err(),
        Some(KeyError::TooFewShares { have: 2, need: 3 })
    );
    assert_eq!(
        recover(&simulated(), &public, &all).err(),
        Some(KeyError::OtherRealm {
            found: Realm::Production,
            expected: Realm::Simulated
        })
    );
    assert_eq!(
        recover(&scope(), &ring().public().unwrap(), &all).err(),
        Some(KeyError::NoPlan)
    );
}

#[test]
fn shares_outlive_rotations_and_end_with_a_new_plan() {
    let custody = custody(2, 3);
    let shares = [custody.share(0), custody.share(2)];
    let rotated = custody.ring.rotate().unwrap();
    let recovered = recover(&scope(), &rotated.public().unwrap(), &shares).unwrap();
    assert_eq!(recovered.epoch(), 2);
    assert_eq!(
        key(&recovered, Purpose::Log, 2),
        key(&rotated, Purpose::Log, 2)
    );

    let publics: Vec<_> = (0..2)
        .map(|_| Custodian::new().unwrap().public().to_vec())
        .collect();
    let (plan, _) = Plan::make(2, &publics).unwrap();
    let replaced = rotated.with_plan(plan).unwrap().public().unwrap();
    assert_eq!(
        recover(&scope(), &replaced, &shares).err(),
        Some(KeyError::OtherPlan)
    );
}

#[test]
fn a_share_is_its_custodians_and_a_forged_one_is_named() {
    let custody = custody(2, 2);
    let error = custody.custodians[1].open(&custody.sealed[0]).err();
    assert_eq!(error, Some(KeyError::WrongShare(1)));
    let mut bytes = custody.share(1).to_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Share::from_bytes(&bytes).unwrap();
    let public = custody.ring.public().unwrap();
    assert_eq!(
        recover(&scope(), &public, &[custody.share(0), forged]).err(),
        Some(KeyError::WrongShare(2))
    );
    for (threshold, count) in [(1, 3), (4, 3), (0, 0)] {
        let publics: Vec<_> = (0..count).map(|n| vec![n as u8 + 1; 32]).collect();
        assert!(matches!(
            Plan::make(threshold, &publics).err(),
            Some(KeyError::Threshold { .. })
        ));
    }
}

/// The one statement about k−1 shares that a program can check: every secret is equally possible. For any other
/// private key there is a share that, with the k−1 that are known, gives that key.
#[test]
fn k_minus_1_shares_leave_every_key_possible() {
    use blahaj::{Share as Point, Sharks};
    let secret = [0xa5; 32];
    let known: Vec<Point> = Sharks(3).dealer(&secret).take(2).collect();
    for other in [[0; 32], [0xff; 32], [0x3c; 32]] {
        // The line through the other secret and the two known points has a third point.
        let mut points = vec![Point::try_from([&[3u8][..], &[0; 32]].concat().as_slice()).unwrap()];
        points.extend(known.iter().cloned());
        // Interpolation is linear in the third share, so some value of it gives the other secret, byte by byte.
        let mut third = vec![3u8];
        for index in 0..32 {
            let found = (0..=255u8).find(|candidate| {
                let single: Vec<Point> = [(1u8, &known[0]), (2, &known[1])]
                    .iter()
                    .map(|(x, point)| {
                        let bytes = Vec::from(*point);
                        Point::try_from([*x, bytes[index + 1]].as_slice()).unwrap()
                    })
                    .chain([Point::try_from([3, *candidate].as_slice()).unwrap()])
                    .collect();
                Sharks(3).recover(&single).unwrap() == [other[index]]
            });
            third.push(found.unwrap());
        }
        let mut all = known.clone();
        all.push(Point::try_from(third.as_slice()).unwrap());
        assert_eq!(Sharks(3).recover(&all).unwrap(), other);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a host changes in the ring's file, it is not taken.
    #[test]
    fn an_altered_ring_is_refused(place in any::<prop::sample::Index>(), to in any::<u8>()) {
        let custody = custody(2, 2);
        let ring = custody.ring.rotate().unwrap();
        let sealed = cache::seal(&ring, &DEVICE).unwrap();
        let mut json = serde_json::to_vec(&ring.public().unwrap()).unwrap();
        let place = place.index(json.len());
        prop_assume!(json[place] != to);
        json[place] = to;
        if let Ok(public) = serde_json::from_slice::<PublicRing>(&json)
            && public != ring.public().unwrap()
        {
            prop_assert!(cache::open(&scope(), &public, &sealed, &DEVICE).is_err());
        }
    }

    #[test]
    fn an_altered_sealed_copy_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let ring = ring();
        let mut sealed = cache::seal(&ring, &DEVICE).unwrap();
        let place = place.index(sealed.len());
        sealed[place] ^= 1 << bit;
        prop_assert!(cache::open(&scope(), &ring.public().unwrap(), &sealed, &DEVICE).is_err());
    }
}
