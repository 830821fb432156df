//! All live objects.

use std::sync::Arc;

use imbl::OrdMap;
use sui_sdk_types::{Address, Digest, MoveStruct, Object, ObjectData, Owner, StructTag};

use crate::genesis::Parameters;
use crate::layout::framework::{CLOCK, Clock, Coin, clock_tag};
use crate::layout::{MoveType, enclave_registry, k8s_gateway, staking};
use crate::outcome::Outcome;

/// All live objects at one moment, the package and the clock included. A clone is O(1) and
/// independent of the original.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    objects: OrdMap<Address, Arc<Object>>,
    package: Address,
    parameters: Arc<Parameters>,
}

impl World {
    /// A world of `objects`, as one is read back from a ledger's storage. `parameters` are set when
    /// the package is published in it.
    pub fn from_objects(parameters: Parameters, objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self {
            objects: OrdMap::new(),
            package: Address::ZERO,
            parameters: Arc::new(parameters),
        };
        for object in objects {
            world.insert(object);
        }
        world
    }

    /// The id of the published package `k3s_daas`; zero before it is published.
    pub fn package(&self) -> Address {
        self.package
    }

    /// Whether the package that is published in this world is not the one that this build has the
    /// model of.
    pub fn has_other_package(&self) -> bool {
        let Some(object) = self.objects.get(&self.package) else {
            return false;
        };
        let ObjectData::Package(package) = object.data() else {
            return true;
        };
        let own = crate::bytecode::package(self.package, 1);
        package.modules != own.modules
    }

    /// What publishing sets, where it differs from the package's own defaults.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The live object `id`.
    pub fn get(&self, id: Address) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// All live objects, by id.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// The live objects that `owner` owns, by id.
    pub fn owned_by(&self, owner: Address) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values().filter(
            move |object| matches!(object.owner(), Owner::Address(address) if *address == owner),
        )
    }

    /// The live objects of type `tag`, by id.
    pub fn of_type<'a>(&'a self, tag: &'a StructTag) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects.values().filter(move |object| {
            object
                .as_struct()
                .is_some_and(|data| data.object_type() == tag)
        })
    }

    /// The object `id` decoded, if it is live and is a `T` of the package.
    pub fn view<T: MoveType>(&self, id: Address) -> Option<T> {
        let data = self.objects.get(&id)?.as_struct()?;
        if !T::is(data.object_type(), self.package) {
            return None;
        }
        bcs::from_bytes(data.contents()).ok()
    }

    /// All live `T`s of the package, by id.
    pub fn views<T: MoveType>(&self) -> Vec<T> {
        self.objects
            .values()
            .filter_map(|object| object.as_struct())
            .filter(|data| T::is(data.object_type(), self.package))
            .filter_map(|data| bcs::from_bytes(data.contents()).ok())
            .collect()
    }

    /// The staking pool.
    pub fn pool(&self) -> Option<staking::StakingPool> {
        self.views().into_iter().next()
    }

    /// The gateway.
    pub fn gateway(&self) -> Option<k8s_gateway::Gateway> {
        self.views().into_iter().next()
    }

    /// A stake.
    pub fn stake(&self, id: Address) -> Option<staking::Stake> {
        self.view(id)
    }

    /// A Seal token.
    pub fn token(&self, id: Address) -> Option<k8s_gateway::SealToken> {
        self.view(id)
    }

    /// A cluster.
    pub fn cluster(&self, id: Address) -> Option<enclave_registry::Cluster> {
        self.view(id)
    }

    /// The balance of the SUI coin `id` in MIST.
    pub fn coin(&self, id: Address) -> Option<u64> {
        let data = self.objects.get(&id)?.as_struct()?;
        if *data.object_type() != StructTag::gas_coin() {
            return None;
        }
        let coin: Coin = bcs::from_bytes(data.contents()).ok()?;
        Some(coin.balance)
    }

    /// What the on-chain clock shows, in Unix milliseconds.
    pub fn clock_ms(&self) -> Option<u64> {
        let data = self.objects.get(&CLOCK)?.as_struct()?;
        let clock: Clock = bcs::from_bytes(data.contents()).ok()?;
        Some(clock.timestamp_ms)
    }

    /// Sets the on-chain clock, as the system transaction `digest` at the start of a consensus
    /// commit does. Its version grows by one.
    pub fn set_clock(&mut self, timestamp_ms: u64, digest: Digest) {
        let version = self.objects.get(&CLOCK).map_or(1, |o| o.version() + 1);
        let clock = Clock {
            id: CLOCK,
            timestamp_ms,
        };
        if let Some(object) = new_object(
            clock_tag(),
            false,
            version,
            crate::types::encode(&clock),
            Owner::Shared(1),
            digest,
        ) {
            self.objects.insert(CLOCK, Arc::new(object));
        }
    }

    /// Puts an object in, replacing one with its id: for what doesn't come about by a programmable
    /// transaction (genesis, a faucet, gas accounting).
    pub fn insert(&mut self, object: Object) {
        self.put(Arc::new(object));
    }

    fn put(&mut self, object: Arc<Object>) {
        let id = object.object_id();
        // The framework's packages are no objects here: the only package is `k3s_daas`.
        if matches!(object.data(), ObjectData::Package(_)) {
            self.package = id;
        }
        self.objects.insert(id, object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: Address) -> Option<Arc<Object>> {
        self.objects.remove(&id)
    }

    /// Makes the changes of `outcome`, which must be one of [`crate::execute`] on this world.
    pub fn apply(&mut self, outcome: &Outcome) {
        for id in outcome.deleted.keys() {
            self.objects.remove(id);
        }
        for written in outcome.written.values() {
            self.put(Arc::clone(&written.object));
        }
    }
}

/// A struct object with no storage rebate. `None` when `contents` don't start with an id.
pub(crate) fn new_object(
    tag: StructTag,
    has_public_transfer: bool,
    version: u64,
    contents: Vec<u8>,
    owner: Owner,
    previous_transaction: Digest,
) -> Option<Object> {
    let data = MoveStruct::new(tag, has_public_transfer, version, contents)?;
    Some(Object::new(
        ObjectData::Struct(data),
        owner,
        previous_transaction,
        0,
    ))
}
