//! Executes programmable transactions.

pub(crate) mod call;
mod inputs;
mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;

use sui_sdk_types::{
    Address, Digest, ExecutionError, ExecutionStatus, Object, ObjectData, Owner,
    ProgrammableTransaction, StructTag, Version,
};

use crate::layout::framework::Coin;
use crate::outcome::{Outcome, Removed, ReturnValue, Unchanged, Written};
use crate::types::{Abilities, coin_object, encode};
use crate::world::{World, new_object};
use call::{Destination, State};
use inputs::{Access, Checked, Loaded};
use machine::{Machine, Slot, Value};

/// Who sends a transaction, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxContext {
    /// The sender.
    pub sender: Address,
    /// The transaction's digest, from which new ids derive.
    pub digest: Digest,
    /// The epoch.
    pub epoch: u64,
    /// When the epoch began, in Unix milliseconds.
    pub epoch_timestamp_ms: u64,
    /// What the clock shows during the transaction, in Unix milliseconds, whatever the world's clock
    /// object says.
    pub timestamp_ms: u64,
}

/// The gas payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gas {
    /// SUI coins of the sender. All are merged into the first. Without any, `Argument::Gas` can't be
    /// used (as in a simulation without gas).
    pub coins: Vec<Address>,
    /// MIST of them that the transaction can't use.
    pub budget: u64,
}

/// Why a transaction is refused before it executes: nothing changes, no gas is charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// There is no such object.
    #[error("object {0} does not exist")]
    NotFound(Address),
    /// The object is there in another version, or with another digest.
    #[error("object {id} is at version {actual}, not as referenced ({given})")]
    Stale {
        /// The object.
        id: Address,
        /// The version referenced.
        given: Version,
        /// The version that there is.
        actual: Version,
    },
    /// The object is neither the sender's nor immutable.
    #[error("object {0} is not owned by the sender")]
    NotOwned(Address),
    /// The object is not shared, or was shared at another version.
    #[error("object {0} is not shared as referenced")]
    NotShared(Address),
    /// The same object is given twice.
    #[error("object {0} is given more than once")]
    Duplicate(Address),
    /// A gas coin is not a SUI coin of the sender.
    #[error("gas object {0} is not a SUI coin of the sender")]
    InvalidGas(Address),
    /// The gas coins hold less than the budget.
    #[error("gas coins hold {balance} MIST, less than the budget of {budget}")]
    GasTooSmall {
        /// What they hold.
        balance: u64,
        /// The budget.
        budget: u64,
    },
    /// The kind of input or command is not supported by this ledger.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

/// Executes `transaction` on `world`, which stays as it is.
pub fn execute(
    world: &World,
    context: &TxContext,
    gas: &Gas,
    transaction: &ProgrammableTransaction,
) -> Result<Outcome, InputError> {
    let checked = inputs::check(world, context, gas, transaction)?;
    let usable = checked.gas_total.saturating_sub(gas.budget);
    let gas_value = checked.gas.first().map(|coin| Value {
        tag: StructTag::gas_coin().into(),
        contents: encode(&Coin {
            id: coin.object_id(),
            balance: usable,
        }),
    });
    let mut machine = Machine::new(State::new(world, *context), gas_value, &checked.inputs);
    let finish = Finish {
        world,
        context,
        checked: &checked,
        budget: gas.budget,
    };
    match machine.run(transaction) {
        Ok(results) => Ok(finish
            .success(machine, results)
            .unwrap_or_else(|| finish.failure(ExecutionError::InvariantViolation, None))),
        Err(error) => Ok(finish.failure(error.0, error.1)),
    }
}

/// Makes the outcome of a run.
struct Finish<'a> {
    world: &'a World,
    context: &'a TxContext,
    checked: &'a Checked,
    budget: u64,
}

impl Finish<'_> {
    /// `None` where the machine left a state that it can't leave.
    fn success(&self, machine: Machine<'_>, results: Vec<Vec<ReturnValue>>) -> Option<Outcome> {
        let mut outcome = self.empty(ExecutionStatus::Success);
        outcome.results = results;
        outcome.events = machine.state.events;
        let package = machine.state.package;
        if let Some(published) = machine.state.published {
            let data = ObjectData::Package(published);
            let digest = self.context.digest;
            let object = Arc::new(Object::new(data, Owner::Immutable, digest, 0));
            let previous = None;
            let written = Written { object, previous };
            outcome.written.insert(package, written);
        }

        for (input, slot) in self.checked.inputs.iter().zip(machine.inputs) {
            let (Loaded::Object { object, access }, Slot::Object { value, .. }) = (input, slot)
            else {
                continue;
            };
            if let (true, Some(value)) = (access.is_mutable(), value) {
                self.write(
                    &mut outcome,
                    package,
                    rewritten(object, value.contents)?,
                    *object.owner(),
                );
            }
        }
        if let (
            Some(coin),
            Some(Slot::Object {
                value: Some(value), ..
            }),
        ) = (self.checked.gas.first(), machine.gas)
        {
            let left: Coin = bcs::from_bytes(&value.contents).ok()?;
            self.write_gas(&mut outcome, coin, left.balance, *coin.owner())?;
        }
        for (id, placed) in machine.state.placed {
            let owner = match placed.destination {
                Destination::Address(address) => Owner::Address(address),
                Destination::Shared => match self.world.get(id).map(|object| *object.owner()) {
                    Some(owner @ Owner::Shared(_)) => owner,
                    _ => Owner::Shared(self.checked.version),
                },
            };
            let gas = self
                .checked
                .gas
                .first()
                .filter(|coin| coin.object_id() == id);
            if let Some(coin) = gas {
                let left: Coin = bcs::from_bytes(&placed.contents).ok()?;
                self.write_gas(&mut outcome, coin, left.balance, owner)?;
            } else {
                self.write(&mut outcome, package, (placed.tag, placed.contents), owner);
            }
        }
        for (id, child) in machine.state.children {
            match child.contents {
                Some(contents) => {
                    self.write(
                        &mut outcome,
                        package,
                        (child.tag, contents),
                        Owner::Object(child.parent),
                    );
                }
                None => {
                    remove(&mut outcome, self.world, id);
                }
            }
        }
        for id in machine.state.deleted {
            remove(&mut outcome, self.world, id);
        }
        Some(outcome)
    }

    /// Only versions change, and the gas coins are merged.
    fn failure(&self, error: ExecutionError, command: Option<u64>) -> Outcome {
        let mut outcome = self.empty(ExecutionStatus::Failure { error, command });
        for input in &self.checked.inputs {
            if let Loaded::Object { object, access } = input
                && access.is_mutable()
                && let Some(data) = object.as_struct()
            {
                let same = (data.object_type().clone(), data.contents().to_vec());
                self.write(&mut outcome, self.world.package(), same, *object.owner());
            }
        }
        if let Some(coin) = self.checked.gas.first() {
            let usable = self.checked.gas_total.saturating_sub(self.budget);
            // A SUI coin's contents begin with its id, so this writes it.
            let _ = self.write_gas(&mut outcome, coin, usable, *coin.owner());
        }
        outcome
    }

    /// With the merged gas coins removed and the read-only shared inputs named.
    fn empty(&self, status: ExecutionStatus) -> Outcome {
        let mut outcome = Outcome {
            status,
            version: self.checked.version,
            written: BTreeMap::new(),
            deleted: BTreeMap::new(),
            unchanged: Vec::new(),
            events: Vec::new(),
            gas_coin: self.checked.gas.first().map(|coin| coin.object_id()),
            results: Vec::new(),
        };
        for coin in self.checked.gas.iter().skip(1) {
            let previous = Arc::clone(coin);
            outcome
                .deleted
                .insert(coin.object_id(), Removed { previous });
        }
        for input in &self.checked.inputs {
            if let Loaded::Object { object, access } = input
                && *access == Access::SharedReadOnly
            {
                outcome.unchanged.push(Unchanged {
                    id: object.object_id(),
                    version: object.version(),
                    digest: object.digest(),
                });
            }
        }
        outcome
    }

    fn write(
        &self,
        outcome: &mut Outcome,
        package: Address,
        (tag, contents): (StructTag, Vec<u8>),
        owner: Owner,
    ) {
        let abilities = Abilities::of(&tag.clone().into(), package);
        let object = new_object(
            tag,
            abilities.key && abilities.store,
            self.checked.version,
            contents,
            owner,
            self.context.digest,
        );
        if let Some(object) = object {
            let id = object.object_id();
            let written = Written {
                object: Arc::new(object),
                previous: self.world.get(id).cloned(),
            };
            outcome.written.insert(id, written);
        }
    }

    /// Writes the gas coin with what the transaction left of it and the budget.
    fn write_gas(
        &self,
        outcome: &mut Outcome,
        coin: &Arc<Object>,
        left: u64,
        owner: Owner,
    ) -> Option<()> {
        let id = coin.object_id();
        let balance = left.checked_add(self.budget)?;
        let version = self.checked.version;
        let object = coin_object(id, balance, version, owner, self.context.digest)?;
        let written = Written {
            object: Arc::new(object),
            previous: Some(Arc::clone(coin)),
        };
        outcome.written.insert(id, written);
        Some(())
    }
}

fn rewritten(object: &Object, contents: Vec<u8>) -> Option<(StructTag, Vec<u8>)> {
    Some((object.as_struct()?.object_type().clone(), contents))
}

/// An object made and deleted by the same transaction leaves no trace.
fn remove(outcome: &mut Outcome, world: &World, id: Address) {
    outcome.written.remove(&id);
    if let Some(previous) = world.get(id) {
        let previous = Arc::clone(previous);
        outcome.deleted.insert(id, Removed { previous });
    }
}
