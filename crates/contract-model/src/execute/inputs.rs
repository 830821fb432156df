//! Checks a transaction's inputs before it executes.

use std::collections::BTreeSet;
use std::sync::Arc;

use sui_sdk_types::{
    Address, Command, Digest, Input, Object, Owner, ProgrammableTransaction, Version,
};

use super::{Gas, InputError, TxContext};
use crate::bytecode;
use crate::layout::framework::CLOCK;
use crate::types::coin_balance;
use crate::world::World;

/// An input as the machine uses it.
#[derive(Clone, Debug)]
pub(super) enum Loaded {
    Pure(Vec<u8>),
    Object { object: Arc<Object>, access: Access },
}

/// What a transaction may do to an object input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Owned by the sender.
    Owned,
    Immutable,
    SharedMutable,
    SharedReadOnly,
}

impl Access {
    pub(super) fn is_mutable(self) -> bool {
        matches!(self, Self::Owned | Self::SharedMutable)
    }
}

/// The inputs and gas coins of a transaction, found fit to execute.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) inputs: Vec<Loaded>,
    pub(super) gas: Vec<Arc<Object>>,
    /// MIST in the gas coins.
    pub(super) gas_total: u64,
    /// One more than the highest version of the inputs.
    pub(super) version: Version,
}

pub(super) fn check(
    world: &World,
    context: &TxContext,
    gas: &Gas,
    transaction: &ProgrammableTransaction,
) -> Result<Checked, InputError> {
    let mut seen = BTreeSet::new();
    let mut highest = 0;
    let mut inputs = Vec::with_capacity(transaction.inputs.len());
    for input in &transaction.inputs {
        let loaded = match input {
            Input::Pure(bytes) => Loaded::Pure(bytes.clone()),
            Input::ImmutableOrOwned(reference) => {
                let object = find(world, *reference.object_id())?;
                let access = owned(&object, context.sender, reference.object_id())?;
                is_current(&object, reference.version(), reference.digest())?;
                Loaded::Object { object, access }
            }
            Input::Shared(shared) => {
                let object = find(world, shared.object_id())?;
                if *object.owner() != Owner::Shared(shared.version()) {
                    return Err(InputError::NotShared(shared.object_id()));
                }
                if shared.object_id() == CLOCK && shared.mutability().is_mutable() {
                    return Err(InputError::Unsupported("the clock as a mutable input"));
                }
                let access = if shared.mutability().is_mutable() {
                    Access::SharedMutable
                } else {
                    Access::SharedReadOnly
                };
                Loaded::Object { object, access }
            }
            Input::Receiving(_) => return Err(InputError::Unsupported("receiving objects")),
            _ => return Err(InputError::Unsupported("this kind of input")),
        };
        if let Loaded::Object { object, .. } = &loaded {
            let id = object.object_id();
            if !seen.insert(id) {
                return Err(InputError::Duplicate(id));
            }
            highest = highest.max(object.version());
        }
        inputs.push(loaded);
    }

    let mut gas_objects = Vec::with_capacity(gas.coins.len());
    let mut gas_total = 0u64;
    for id in &gas.coins {
        let object = find(world, *id)?;
        let balance = coin_balance(&object).ok_or(InputError::InvalidGas(*id))?;
        if *object.owner() != Owner::Address(context.sender) {
            return Err(InputError::InvalidGas(*id));
        }
        if !seen.insert(*id) {
            return Err(InputError::Duplicate(*id));
        }
        gas_total = gas_total
            .checked_add(balance)
            .ok_or(InputError::InvalidGas(*id))?;
        highest = highest.max(object.version());
        gas_objects.push(object);
    }
    if !gas_objects.is_empty() && gas_total < gas.budget {
        return Err(InputError::GasTooSmall {
            balance: gas_total,
            budget: gas.budget,
        });
    }
    check_commands(world, transaction)?;
    Ok(Checked {
        inputs,
        gas: gas_objects,
        gas_total,
        version: highest.saturating_add(1),
    })
}

fn check_commands(world: &World, transaction: &ProgrammableTransaction) -> Result<(), InputError> {
    const EMPTY: InputError = InputError::Unsupported("a command without arguments");
    let mut published = world.package() != Address::ZERO;
    for command in &transaction.commands {
        match command {
            Command::MoveCall(call) => {
                let own = call.package == world.package() && call.package != Address::ZERO;
                let known = own || call.package == Address::TWO;
                if !known {
                    return Err(InputError::NotFound(call.package));
                }
            }
            Command::TransferObjects(transfer) if transfer.objects.is_empty() => return Err(EMPTY),
            Command::SplitCoins(split) if split.amounts.is_empty() => return Err(EMPTY),
            Command::MergeCoins(merge) if merge.coins_to_merge.is_empty() => return Err(EMPTY),
            Command::MakeMoveVector(vector)
                if vector.elements.is_empty() && vector.type_.is_none() =>
            {
                return Err(EMPTY);
            }
            Command::TransferObjects(_)
            | Command::SplitCoins(_)
            | Command::MergeCoins(_)
            | Command::MakeMoveVector(_) => {}
            Command::Publish(publish) => {
                if published {
                    return Err(InputError::Unsupported(
                        "publishing a second package: this ledger has one, and it is published",
                    ));
                }
                let own = bytecode::modules().iter().map(|module| &module.bytes);
                if !publish.modules.iter().eq(own) {
                    return Err(InputError::Unsupported(
                        "publishing another package than this build's k3s_daas: the ledger runs a \
                         model of that package, not bytecode",
                    ));
                }
                let unknown = publish.dependencies.iter();
                let mut unknown = unknown.filter(|id| !bytecode::DEPENDENCIES.contains(id));
                if let Some(id) = unknown.next() {
                    return Err(InputError::NotFound(*id));
                }
                published = true;
            }
            Command::Upgrade(_) => {
                return Err(InputError::Unsupported(
                    "upgrading the package: the ledger runs a model of one version, not bytecode",
                ));
            }
            _ => return Err(InputError::Unsupported("this kind of command")),
        }
    }
    Ok(())
}

fn find(world: &World, id: Address) -> Result<Arc<Object>, InputError> {
    world.get(id).cloned().ok_or(InputError::NotFound(id))
}

fn owned(object: &Object, sender: Address, id: &Address) -> Result<Access, InputError> {
    if object.as_struct().is_none() {
        return Err(InputError::Unsupported("a package as an object"));
    }
    match object.owner() {
        Owner::Address(owner) if *owner == sender => Ok(Access::Owned),
        Owner::Immutable => Ok(Access::Immutable),
        _ => Err(InputError::NotOwned(*id)),
    }
}

fn is_current(object: &Object, version: Version, digest: &Digest) -> Result<(), InputError> {
    if object.version() == version && object.digest() == *digest {
        return Ok(());
    }
    Err(InputError::Stale {
        id: object.object_id(),
        given: version,
        actual: object.version(),
    })
}
