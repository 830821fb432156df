//! What a function sees while it runs, and what it leaves behind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sui_sdk_types::{Address, Event, Identifier, MovePackage, StructTag, TypeTag};

use super::TxContext;
use crate::layout::framework::{Coin, Field, Table, field_tag};
use crate::layout::{MoveEvent, MoveObject};
use crate::types::{Abilities, Ty, encode};
use crate::world::World;

/// The BCS bytes of what a function returns, or why it stops.
pub(crate) type Returns = Result<Vec<Vec<u8>>, Failure>;

/// Why a function stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `abort`, in a module of the package at `address`.
    Abort {
        address: Address,
        module: &'static str,
        function: &'static str,
        code: u64,
    },
    /// Overflow or underflow.
    Arithmetic,
    /// The type argument has not the abilities that it needs.
    TypeArgument,
    /// The object's type can't be transferred by anyone.
    NotTransferable,
    /// A state that the package's own rules exclude.
    Invariant,
}

/// `a + b`, or the arithmetic error.
pub(crate) fn add(a: u64, b: u64) -> Result<u64, Failure> {
    a.checked_add(b).ok_or(Failure::Arithmetic)
}

/// `a - b`, or the arithmetic error.
pub(crate) fn sub(a: u64, b: u64) -> Result<u64, Failure> {
    a.checked_sub(b).ok_or(Failure::Arithmetic)
}

/// Where an object goes at the end of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Address(Address),
    Shared,
}

/// An object on its way.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) destination: Destination,
    pub(crate) tag: StructTag,
    pub(crate) contents: Vec<u8>,
}

/// A dynamic field that was changed: its object's type, parent and contents, or `None` when removed.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) parent: Address,
    pub(crate) tag: StructTag,
    pub(crate) contents: Option<Vec<u8>>,
}

/// What the functions of one transaction leave behind.
#[derive(Debug)]
pub(crate) struct State<'w> {
    pub(crate) world: &'w World,
    /// The package's id: the world's, or that of the package that this transaction publishes.
    pub(crate) package: Address,
    pub(crate) published: Option<MovePackage>,
    pub(crate) context: TxContext,
    pub(crate) ids_created: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) placed: BTreeMap<Address, Placed>,
    pub(crate) deleted: BTreeSet<Address>,
    pub(crate) children: BTreeMap<Address, Child>,
}

impl<'w> State<'w> {
    pub(crate) fn new(world: &'w World, context: TxContext) -> Self {
        Self {
            world,
            package: world.package(),
            published: None,
            context,
            ids_created: 0,
            events: Vec::new(),
            placed: BTreeMap::new(),
            deleted: BTreeSet::new(),
            children: BTreeMap::new(),
        }
    }

    pub(crate) fn fresh_id(&mut self) -> Address {
        let id = Address::derive_id(self.context.digest, self.ids_created);
        self.ids_created += 1;
        id
    }

    fn child(&self, id: Address) -> Option<&[u8]> {
        match self.children.get(&id) {
            Some(child) => child.contents.as_deref(),
            None => Some(self.world.get(id)?.as_struct()?.contents()),
        }
    }
}

/// An argument's type and BCS bytes.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) tag: TypeTag,
    pub(crate) contents: Vec<u8>,
}

/// One call of a function.
pub(crate) struct Call<'a> {
    /// The module of the function that the transaction called: events name it.
    module: &'static str,
    /// The module whose code runs.
    aborts_in: &'static str,
    function: &'static str,
    arguments: &'a mut [Argument],
    state: &'a mut dyn Effects,
}

/// [`State`] without its lifetime.
pub(crate) trait Effects {
    fn package(&self) -> Address;
    fn context(&self) -> &TxContext;
    fn fresh_id(&mut self) -> Address;
    fn emit(&mut self, event: Event);
    fn place(&mut self, id: Address, placed: Placed);
    fn delete(&mut self, id: Address);
    fn child(&self, id: Address) -> Option<&[u8]>;
    fn set_child(&mut self, id: Address, child: Child);
}

impl Effects for State<'_> {
    fn package(&self) -> Address {
        self.package
    }

    fn context(&self) -> &TxContext {
        &self.context
    }

    fn fresh_id(&mut self) -> Address {
        State::fresh_id(self)
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    fn place(&mut self, id: Address, placed: Placed) {
        self.placed.insert(id, placed);
    }

    fn delete(&mut self, id: Address) {
        self.deleted.insert(id);
    }

    fn child(&self, id: Address) -> Option<&[u8]> {
        State::child(self, id)
    }

    fn set_child(&mut self, id: Address, child: Child) {
        self.children.insert(id, child);
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        module: &'static str,
        function: &'static str,
        arguments: &'a mut [Argument],
        state: &'a mut dyn Effects,
    ) -> Self {
        Self {
            module,
            aborts_in: module,
            function,
            arguments,
            state,
        }
    }

    /// The same call, running the code of another module of the package.
    pub(crate) fn inside(&mut self, module: &'static str) -> Call<'_> {
        Call {
            module: self.module,
            aborts_in: module,
            function: self.function,
            arguments: self.arguments,
            state: self.state,
        }
    }

    /// The argument at `index`, decoded. The types were checked before the call.
    pub(crate) fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, Failure> {
        let argument = self.arguments.get(index).ok_or(Failure::Invariant)?;
        bcs::from_bytes(&argument.contents).map_err(|_| Failure::Invariant)
    }

    /// Writes through the mutable reference at `index`.
    pub(crate) fn set<T: Serialize>(&mut self, index: usize, value: &T) -> Result<(), Failure> {
        let argument = self.arguments.get_mut(index).ok_or(Failure::Invariant)?;
        argument.contents = encode(value);
        Ok(())
    }

    pub(crate) fn sender(&self) -> Address {
        self.state.context().sender
    }

    /// `tx_context::epoch`
    pub(crate) fn epoch(&self) -> u64 {
        self.state.context().epoch
    }

    pub(crate) fn fresh_id(&mut self) -> Address {
        self.state.fresh_id()
    }

    /// The abort with `code` in the module that runs.
    pub(crate) fn abort(&self, code: u64) -> Failure {
        self.abort_in(self.aborts_in, code)
    }

    /// The abort with `code` in another module of the package.
    pub(crate) fn abort_in(&self, module: &'static str, code: u64) -> Failure {
        self.abort_at(self.state.package(), module, self.function, code)
    }

    /// The abort with `code` in another package.
    pub(crate) fn abort_at(
        &self,
        address: Address,
        module: &'static str,
        function: &'static str,
        code: u64,
    ) -> Failure {
        Failure::Abort {
            address,
            module,
            function,
            code,
        }
    }

    /// `assert!(condition, code)`
    pub(crate) fn assert(&self, condition: bool, code: u64) -> Result<(), Failure> {
        if condition {
            Ok(())
        } else {
            Err(self.abort(code))
        }
    }

    /// `event::emit`
    pub(crate) fn emit<E: MoveEvent>(&mut self, event: &E) {
        let package = self.state.package();
        let sender = self.sender();
        self.state.emit(Event {
            package_id: package,
            module: Identifier::from_static(self.module),
            sender,
            type_: E::tag(package),
            contents: encode(event),
        });
    }

    /// `object::delete` of the id of a value that was taken apart.
    pub(crate) fn delete(&mut self, id: Address) {
        self.state.delete(id);
    }

    /// `transfer::share_object`
    pub(crate) fn share<T: MoveObject>(&mut self, object: &T) -> Result<(), Failure> {
        let placed = Placed {
            destination: Destination::Shared,
            tag: T::tag(self.state.package()),
            contents: encode(object),
        };
        self.state.place(object.id(), placed);
        Ok(())
    }

    /// `transfer::transfer` of an object of the package.
    pub(crate) fn give<T: MoveObject>(&mut self, object: &T, recipient: Address) {
        let placed = Placed {
            destination: Destination::Address(recipient),
            tag: T::tag(self.state.package()),
            contents: encode(object),
        };
        self.state.place(object.id(), placed);
    }

    /// `table::new`
    pub(crate) fn new_table(&mut self) -> Table {
        let id = self.fresh_id();
        Table { id, size: 0 }
    }

    /// `transfer::public_transfer` of the argument at `index`.
    pub(crate) fn transfer(&mut self, index: usize, recipient: Address) -> Result<(), Failure> {
        let argument = self.arguments.get(index).ok_or(Failure::Invariant)?;
        let TypeTag::Struct(tag) = &argument.tag else {
            return Err(Failure::NotTransferable);
        };
        let abilities = Abilities::of(&argument.tag, self.state.package());
        if !abilities.key || !abilities.store {
            return Err(Failure::NotTransferable);
        }
        let id = object_id(&argument.contents).ok_or(Failure::Invariant)?;
        let placed = Placed {
            destination: Destination::Address(recipient),
            tag: (**tag).clone(),
            contents: argument.contents.clone(),
        };
        self.state.place(id, placed);
        Ok(())
    }

    /// `transfer::public_transfer` of a new SUI coin.
    pub(crate) fn send_coin(&mut self, coin: &Coin, recipient: Address) {
        let placed = Placed {
            destination: Destination::Address(recipient),
            tag: StructTag::gas_coin(),
            contents: encode(coin),
        };
        self.state.place(coin.id, placed);
    }

    /// The value of `key` in `table`, if it is there.
    pub(crate) fn table_get<K: Serialize, V: DeserializeOwned>(
        &self,
        table: &Table,
        key_type: Ty,
        key: &K,
    ) -> Result<Option<V>, Failure> {
        let (id, _) = self.child_id(table, key_type, key)?;
        let Some(contents) = self.state.child(id) else {
            return Ok(None);
        };
        // A field is its id, its name and its value, one after the other.
        let value = contents
            .get(Address::LENGTH + encode(key).len()..)
            .ok_or(Failure::Invariant)?;
        bcs::from_bytes(value)
            .map(Some)
            .map_err(|_| Failure::Invariant)
    }

    /// Adds or replaces the value of `key` in `table`. The table's size is the caller's to keep.
    pub(crate) fn table_put<K: Serialize, V: Serialize>(
        &mut self,
        table: &Table,
        key_type: Ty,
        value_type: Ty,
        name: &K,
        value: &V,
    ) -> Result<(), Failure> {
        let (id, key_tag) = self.child_id(table, key_type, name)?;
        let value_tag = value_type
            .tag(self.state.package(), None)
            .ok_or(Failure::Invariant)?;
        let child = Child {
            parent: table.id,
            tag: field_tag(key_tag, value_tag),
            contents: Some(encode(&Field { id, name, value })),
        };
        self.state.set_child(id, child);
        Ok(())
    }

    /// Removes `key` from `table`. The table's size is the caller's to keep.
    pub(crate) fn table_remove<K: Serialize>(
        &mut self,
        table: &Table,
        key_type: Ty,
        key: &K,
    ) -> Result<(), Failure> {
        let (id, key_tag) = self.child_id(table, key_type, key)?;
        let child = Child {
            parent: table.id,
            tag: field_tag(key_tag, TypeTag::Bool),
            contents: None,
        };
        self.state.set_child(id, child);
        Ok(())
    }

    fn child_id<K: Serialize>(
        &self,
        table: &Table,
        key_type: Ty,
        key: &K,
    ) -> Result<(Address, TypeTag), Failure> {
        let tag = key_type
            .tag(self.state.package(), None)
            .ok_or(Failure::Invariant)?;
        let id = table.id.derive_dynamic_child_id(&tag, &encode(key));
        Ok((id, tag))
    }
}

/// The id that an object's contents begin with.
pub(crate) fn object_id(contents: &[u8]) -> Option<Address> {
    Address::from_bytes(contents.get(..Address::LENGTH)?).ok()
}
