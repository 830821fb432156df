//! The ring: the newest root and, wrapped under it, those of the older epochs.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::derive::{self, Key, Purpose};
use crate::encoding::Base64;
use crate::recovery::Plan;
use crate::scope::{Realm, Scope};
use crate::{Guarded, KeyError, wrap};

const FORMAT: u32 = 1;
const ROOT_MAGIC: &[u8; 5] = b"DaRk\x01";
/// The first epoch.
const FIRST: u32 = 1;

/// A cluster's keys in memory. Cheap to clone; no `Debug`.
#[derive(Clone)]
pub struct KeyRing {
    scope: Scope,
    epoch: u32,
    root: Arc<Guarded>,
    older: BTreeMap<u32, Vec<u8>>,
    recovery: Option<Recovery>,
}

/// The root, sealed so that the holders of shares can have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Recovery {
    pub(crate) plan: Plan,
    pub(crate) encapsulated: Base64,
    pub(crate) sealed: Base64,
}

/// An older epoch's root as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WrappedRoot {
    /// Its epoch.
    pub epoch: u32,
    sealed: Base64,
}

/// What of a ring is not secret. Whoever has the root can tell whether it was altered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicRing {
    format: u32,
    /// The cluster, in hexadecimal.
    cluster: String,
    /// Simulated or not.
    pub realm: Realm,
    /// The newest epoch.
    pub epoch: u32,
    check: Base64,
    /// The epochs before it that can still be read.
    pub older: Vec<WrappedRoot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    mac: Base64,
}

impl PublicRing {
    /// Whose ring it says it is.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn scope(&self) -> Result<Scope, KeyError> {
        let mut cluster = [0; 32];
        if self.format != FORMAT || hex::decode_to_slice(&self.cluster, &mut cluster).is_err() {
            return Err(KeyError::Malformed("the key ring"));
        }
        Ok(Scope {
            cluster,
            realm: self.realm,
        })
    }

    /// The recovery plan in force, if there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.recovery.as_ref().map(|recovery| &recovery.plan)
    }

    pub(crate) fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Everything but the authentication, unambiguously.
    fn covered(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut field = |field: &[u8]| {
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field);
        };
        field(&self.format.to_be_bytes());
        field(self.cluster.as_bytes());
        field(&[self.realm.number()]);
        field(&self.epoch.to_be_bytes());
        field(&self.check.0);
        field(&(self.older.len() as u64).to_be_bytes());
        for older in &self.older {
            field(&older.epoch.to_be_bytes());
            field(&older.sealed.0);
        }
        if let Some(recovery) = &self.recovery {
            recovery.plan.cover(&mut field);
            field(&recovery.encapsulated.0);
            field(&recovery.sealed.0);
        }
        bytes
    }
}

impl KeyRing {
    /// A new cluster's ring: its root is born here.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn born(scope: Scope) -> Result<Self, KeyError> {
        Ok(Self {
            scope,
            epoch: FIRST,
            root: Arc::new(derive::generate()?),
            older: BTreeMap::new(),
            recovery: None,
        })
    }

    /// Whose keys.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The epoch that new things are sealed under.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Every epoch that there is a key of, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = u32> + '_ {
        self.older.keys().copied().chain([self.epoch])
    }

    /// The recovery plan in force.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.recovery.as_ref().map(|recovery| &recovery.plan)
    }

    /// The key of an epoch for a purpose.
    ///
    /// # Errors
    /// [`KeyError::UnknownEpoch`], [`KeyError::System`].
    pub fn key(&self, purpose: Purpose, epoch: u32) -> Result<Key, KeyError> {
        if epoch == self.epoch {
            return derive::key(&self.root, &self.scope, epoch, purpose);
        }
        derive::key(&self.older_root(epoch)?, &self.scope, epoch, purpose)
    }

    /// The ring with a new epoch, whose root owes nothing to the ones before it. The recovery plan goes on.
    ///
    /// # Errors
    /// [`KeyError::LastEpoch`], [`KeyError::System`].
    pub fn rotate(&self) -> Result<Self, KeyError> {
        let mut next = Self {
            scope: self.scope,
            epoch: self.epoch.checked_add(1).ok_or(KeyError::LastEpoch)?,
            root: Arc::new(derive::generate()?),
            older: BTreeMap::new(),
            recovery: None,
        };
        for epoch in self.older.keys() {
            let wrapped = next.wrap(*epoch, &self.older_root(*epoch)?)?;
            next.older.insert(*epoch, wrapped);
        }
        let wrapped = next.wrap(self.epoch, &self.root)?;
        next.older.insert(self.epoch, wrapped);
        match &self.recovery {
            Some(recovery) => next.with_plan(recovery.plan.clone()),
            None => Ok(next),
        }
    }

    /// The ring without the epochs before `epoch`: what was sealed under them can't be read any more. The newest
    /// always stays.
    #[must_use]
    pub fn forget_before(&self, epoch: u32) -> Self {
        let mut next = self.clone();
        next.older.retain(|older, _| *older >= epoch);
        next
    }

    /// The ring with a recovery plan in place of a former one.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn with_plan(&self, plan: Plan) -> Result<Self, KeyError> {
        let (encapsulated, sealed) = plan.seal(&self.scope, &self.root_bytes())?;
        let mut next = self.clone();
        next.recovery = Some(Recovery {
            plan,
            encapsulated: Base64(encapsulated),
            sealed: Base64(sealed),
        });
        Ok(next)
    }

    /// What is kept on disk in clear.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn public(&self) -> Result<PublicRing, KeyError> {
        let older = self.older.iter().map(|(epoch, sealed)| WrappedRoot {
            epoch: *epoch,
            sealed: Base64(sealed.clone()),
        });
        let check = derive::check(&self.root, &self.scope, self.epoch)?;
        let mut public = PublicRing {
            format: FORMAT,
            cluster: hex::encode(self.scope.cluster),
            realm: self.scope.realm,
            epoch: self.epoch,
            check: Base64(check.to_vec()),
            older: older.collect(),
            recovery: self.recovery.clone(),
            mac: Base64::default(),
        };
        let key = self.key(Purpose::Ring, self.epoch)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        public.mac = Base64(hmac::sign(&key, &public.covered()).as_ref().to_vec());
        Ok(public)
    }

    /// The ring from its public part and its root, as [`KeyRing::root_bytes`] gave it. `expected` is the scope that
    /// this instance is of.
    ///
    /// # Errors
    /// [`KeyError`], one variant for each way in which they don't belong together.
    pub fn open(
        expected: &Scope,
        public: &PublicRing,
        root: &Zeroizing<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        let scope = public.scope()?;
        expected.expect(&scope)?;
        let (of, epoch, root) = decode_root(root)?;
        expected.expect(&of)?;
        if epoch != public.epoch {
            return Err(KeyError::OtherEpoch {
                found: epoch,
                expected: public.epoch,
            });
        }
        if public.check.0 != derive::check(&root, &scope, epoch)? {
            return Err(KeyError::WrongRoot);
        }
        let mut older = BTreeMap::new();
        for wrapped in &public.older {
            older.insert(wrapped.epoch, wrapped.sealed.0.clone());
        }
        let ring = Self {
            scope,
            epoch,
            root: Arc::new(root),
            older,
            recovery: public.recovery.clone(),
        };
        let key = ring.key(Purpose::Ring, epoch)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        hmac::verify(&key, &public.covered(), &public.mac.0).map_err(|_| KeyError::AlteredRing)?;
        Ok(ring)
    }

    /// The root with its scope and epoch, for the three ways out of the instance: device, peer, recovery.
    pub(crate) fn root_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(74));
        bytes.extend(ROOT_MAGIC);
        bytes.extend(self.scope.encode());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.root.expose());
        bytes
    }

    fn wrap(&self, epoch: u32, root: &Guarded) -> Result<Vec<u8>, KeyError> {
        let key = self.key(Purpose::Wrap, self.epoch)?;
        wrap::seal(key.expose(), &self.wrapping(epoch), root.expose())
    }

    fn older_root(&self, epoch: u32) -> Result<Guarded, KeyError> {
        let sealed = self
            .older
            .get(&epoch)
            .ok_or(KeyError::UnknownEpoch(epoch))?;
        let key = derive::key(&self.root, &self.scope, self.epoch, Purpose::Wrap)?;
        let root =
            wrap::open(key.expose(), &self.wrapping(epoch), sealed).ok_or(KeyError::AlteredRing)?;
        Guarded::of(<&[u8; 32]>::try_from(root.as_slice()).map_err(|_| KeyError::AlteredRing)?)
    }

    /// A wrapped root is of one cluster, realm and epoch, wrapped under one epoch.
    fn wrapping(&self, epoch: u32) -> Vec<u8> {
        [
            b"k3s-daas/keys/wrap/v1".as_slice(),
            &self.scope.encode(),
            &self.epoch.to_be_bytes(),
            &epoch.to_be_bytes(),
        ]
        .concat()
    }
}

pub(crate) fn decode_root(bytes: &[u8]) -> Result<(Scope, u32, Guarded), KeyError> {
    let read = || {
        let rest = bytes.strip_prefix(ROOT_MAGIC)?;
        let (scope, rest) = rest.split_first_chunk::<33>()?;
        let (epoch, root) = rest.split_first_chunk::<4>()?;
        let root = <&[u8; 32]>::try_from(root).ok()?;
        Some((Scope::decode(scope)?, u32::from_be_bytes(*epoch), root))
    };
    let (scope, epoch, root) = read().ok_or(KeyError::Malformed("the root key"))?;
    let mut copy = *root;
    let guarded = Guarded::of(&copy);
    copy.zeroize();
    Ok((scope, epoch, guarded?))
}
