//! Recovery from a total outage: the root sealed to a key that exists only in shares, of which `k` of `n` are needed.
//!
//! A plan is made inside an instance: it makes an HPKE key, splits its private half by Shamir's scheme, gives each
//! custodian one share, encrypted to the custodian's own key, and forgets the private half. From then on every epoch's
//! root is sealed to the plan's public half, so a rotation needs no new shares. Custodians open their shares only for
//! an instance whose evidence they verified.
//!
//! Fewer than `k` shares say nothing about the key, whatever computing power there is.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, rand};
use blahaj::{Share as Point, Sharks};
use rustls::crypto::hpke::{EncapsulatedSecret, HpkePrivateKey, HpkePublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::encoding::Base64;
use crate::handover::{PUBLIC, suite};
use crate::ring::{KeyRing, PublicRing};
use crate::{KeyError, Scope};

const MADE: KeyError = KeyError::System("making a recovery plan");

/// Who can recover: `threshold` of the holders of `shares`. Public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    id: Base64,
    /// How many shares are needed.
    pub threshold: u8,
    public: Base64,
    /// SHA-256 of each share, by its number from 1.
    shares: Vec<Base64>,
}

/// A custodian: holds the key that its share is encrypted to.
pub struct Custodian {
    public: Vec<u8>,
    private: HpkePrivateKey,
}

/// A share as it is handed out: only its custodian can open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedShare {
    plan: Base64,
    /// Counted from 1.
    pub number: u8,
    /// How many are needed.
    pub threshold: u8,
    /// The custodian's public key.
    custodian: Base64,
    encapsulated: Base64,
    sealed: Base64,
}

/// An open share. Wiped when dropped; no `Debug`.
#[derive(Clone)]
pub struct Share {
    plan: Vec<u8>,
    point: Zeroizing<Vec<u8>>,
}

impl Custodian {
    /// Makes a custodian's key.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn new() -> Result<Self, KeyError> {
        let (public, private) = suite()
            .generate_key_pair()
            .map_err(|_| KeyError::System("making an HPKE key"))?;
        Ok(Self {
            public: public.0,
            private,
        })
    }

    /// The public key, which an administrator names when shares are issued.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Both keys, to be kept in private: private, then public.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.private.secret_bytes(), &self.public].concat())
    }

    /// From [`Custodian::to_bytes`].
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let split = bytes
            .len()
            .checked_sub(PUBLIC)
            .filter(|private| *private == 32);
        let (private, public) = split
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(KeyError::Malformed("the custodian's key"))?;
        Ok(Self {
            public: public.to_vec(),
            private: HpkePrivateKey::from(private.to_vec()),
        })
    }

    /// Opens this custodian's share.
    ///
    /// # Errors
    /// [`KeyError::WrongShare`] when it is another custodian's or was altered.
    pub fn open(&self, share: &SealedShare) -> Result<Share, KeyError> {
        let wrong = || KeyError::WrongShare(share.number);
        if share.custodian.0 != self.public {
            return Err(wrong());
        }
        let point = suite()
            .open(
                &EncapsulatedSecret(share.encapsulated.0.clone()),
                &share_info(&share.plan.0, share.number),
                &self.public,
                &share.sealed.0,
                &self.private,
            )
            .map(Zeroizing::new)
            .map_err(|_| wrong())?;
        Ok(Share {
            plan: share.plan.0.clone(),
            point,
        })
    }
}

impl Share {
    /// For the way to the instance that recovers, inside attested TLS: the plan's id (16 bytes), then the point.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(self.plan.clone());
        bytes.extend(self.point.iter());
        bytes
    }

    /// From [`Share::to_bytes`].
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (plan, point) = bytes
            .split_first_chunk::<16>()
            .filter(|(_, point)| point.len() == 33)
            .ok_or(KeyError::Malformed("the share"))?;
        Ok(Self {
            plan: plan.to_vec(),
            point: Zeroizing::new(point.to_vec()),
        })
    }

    /// Its number, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.point.first().copied().unwrap_or_default()
    }
}

impl Plan {
    /// Makes a plan: `threshold` of these custodians. The private key is gone when this returns.
    ///
    /// # Errors
    /// [`KeyError::Threshold`], [`KeyError::Malformed`] for a custodian's key that is none, [`KeyError::System`].
    pub fn make(
        threshold: usize,
        custodians: &[Vec<u8>],
    ) -> Result<(Self, Vec<SealedShare>), KeyError> {
        let of = KeyError::Threshold {
            threshold,
            shares: custodians.len(),
        };
        let distinct: std::collections::BTreeSet<_> = custodians.iter().collect();
        let needed = u8::try_from(threshold).map_err(|_| of.clone())?;
        if needed < 2
            || threshold > custodians.len()
            || custodians.len() > 255
            || distinct.len() != custodians.len()
        {
            return Err(of);
        }
        let mut id = vec![0; 16];
        rand::fill(&mut id).map_err(|_| MADE)?;
        let (public, private) = suite().generate_key_pair().map_err(|_| MADE)?;
        let mut plan = Self {
            id: Base64(id),
            threshold: needed,
            public: Base64(public.0),
            shares: Vec::new(),
        };
        let mut sealed = Vec::new();
        for (point, custodian) in Sharks(needed)
            .dealer(private.secret_bytes())
            .zip(custodians)
        {
            let point = Zeroizing::new(Vec::from(&point));
            let number = point.first().copied().unwrap_or_default();
            if custodian.len() != PUBLIC {
                return Err(KeyError::Malformed("a custodian's key"));
            }
            let (encapsulated, ciphertext) = suite()
                .seal(
                    &share_info(&plan.id.0, number),
                    custodian,
                    &point,
                    &HpkePublicKey(custodian.clone()),
                )
                .map_err(|_| KeyError::Malformed("a custodian's key"))?;
            plan.shares.push(Base64(image(&point)));
            sealed.push(SealedShare {
                plan: plan.id.clone(),
                number,
                threshold: needed,
                custodian: Base64(custodian.clone()),
                encapsulated: Base64(encapsulated.0),
                sealed: Base64(ciphertext),
            });
        }
        Ok((plan, sealed))
    }

    /// How many shares were issued.
    #[must_use]
    pub fn issued(&self) -> usize {
        self.shares.len()
    }

    /// Whether a share is one of this plan's.
    ///
    /// # Errors
    /// [`KeyError::OtherPlan`], [`KeyError::WrongShare`].
    pub fn accept(&self, share: &Share) -> Result<(), KeyError> {
        if share.plan != self.id.0 {
            return Err(KeyError::OtherPlan);
        }
        let number = share.number();
        let expected = usize::from(number)
            .checked_sub(1)
            .and_then(|index| self.shares.get(index));
        if expected.is_none_or(|expected| expected.0 != image(&share.point)) {
            return Err(KeyError::WrongShare(number));
        }
        Ok(())
    }

    pub(crate) fn seal(&self, scope: &Scope, root: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let (encapsulated, sealed) = suite()
            .seal(
                &root_info(scope),
                &self.id.0,
                root,
                &HpkePublicKey(self.public.0.clone()),
            )
            .map_err(|_| KeyError::System("sealing the root key to the recovery plan"))?;
        Ok((encapsulated.0, sealed))
    }

    pub(crate) fn cover(&self, field: &mut impl FnMut(&[u8])) {
        field(&self.id.0);
        field(&[self.threshold]);
        field(&self.public.0);
        field(&(self.shares.len() as u64).to_be_bytes());
        for share in &self.shares {
            field(&share.0);
        }
    }
}

/// The ring from its public part and enough shares.
///
/// # Errors
/// [`KeyError::NoPlan`], [`KeyError::OtherRealm`], [`KeyError::OtherCluster`], [`KeyError::OtherPlan`],
/// [`KeyError::WrongShare`], [`KeyError::TooFewShares`], those of [`KeyRing::open`].
pub fn recover(
    expected: &Scope,
    public: &PublicRing,
    shares: &[Share],
) -> Result<KeyRing, KeyError> {
    let scope = public.scope()?;
    expected.expect(&scope)?;
    let recovery = public.recovery().ok_or(KeyError::NoPlan)?;
    let plan = &recovery.plan;
    let mut points = BTreeMap::new();
    for share in shares {
        plan.accept(share)?;
        let point = Point::try_from(share.point.as_slice())
            .map_err(|_| KeyError::WrongShare(share.number()))?;
        points.insert(share.number(), point);
    }
    let need = usize::from(plan.threshold);
    if points.len() < need {
        return Err(KeyError::TooFewShares {
            have: points.len(),
            need,
        });
    }
    let private = Sharks(plan.threshold)
        .recover(points.values())
        .map(HpkePrivateKey::from)
        .map_err(|_| KeyError::Malformed("the shares"))?;
    let root = suite()
        .open(
            &EncapsulatedSecret(recovery.encapsulated.0.clone()),
            &root_info(&scope),
            &plan.id.0,
            &recovery.sealed.0,
            &private,
        )
        .map(Zeroizing::new)
        .map_err(|_| KeyError::AlteredRing)?;
    KeyRing::open(expected, public, &root)
}

/// A share's image in the plan. A share has 256 random bits, so this says nothing about it.
fn image(point: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"k3s-daas/keys/share/v1");
    context.update(point);
    context.finish().as_ref().to_vec()
}

fn share_info(plan: &[u8], number: u8) -> Vec<u8> {
    [b"k3s-daas/keys/share/v1".as_slice(), plan, &[number]].concat()
}

fn root_info(scope: &Scope) -> Vec<u8> {
    [b"k3s-daas/keys/recovery/v1".as_slice(), &scope.encode()].concat()
}
