//! Runs the commands of a programmable transaction.
//!
//! upstream: sui-execution/latest/sui-adapter/src/programmable_transactions (the rules of argument
//! usage and the errors).

use sui_sdk_types::{
    Address, Argument, Command, CommandArgumentError as Kind, ExecutionError, MakeMoveVector,
    MergeCoins, MoveCall, MoveLocation, ProgrammableTransaction, Publish, SplitCoins, StructTag,
    TransferObjects, TypeArgumentError, TypeTag,
};

use super::call::{self, Call, Destination, Failure, Placed, State, object_id};
use super::inputs::{Access, Loaded};
use crate::bytecode;
use crate::framework::accepts_parameter;
use crate::layout::framework::{CLOCK, Clock, Coin, UpgradeCap, upgrade_cap_tag};
use crate::outcome::ReturnValue;
use crate::package::{self, Parameter};
use crate::types::{Abilities, Ty, encode};

/// A Move value: its type and BCS bytes.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) tag: TypeTag,
    pub(super) contents: Vec<u8>,
}

/// Where a value is held.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// The bytes of a pure input: of whatever type they are used as.
    Pure(Vec<u8>),
    /// An object input or the gas coin; `None` once it was taken.
    Object {
        value: Option<Value>,
        access: Access,
    },
    /// A command's result; `None` once it was taken.
    Result(Option<Value>),
}

/// An [`Argument`] resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Gas,
    Input(usize),
    Result(usize, usize),
}

pub(super) struct Machine<'w> {
    pub(super) state: State<'w>,
    pub(super) gas: Option<Slot>,
    pub(super) inputs: Vec<Slot>,
    pub(super) results: Vec<Vec<Slot>>,
}

/// An error with the index of the command that it arose in, where it has one.
pub(super) type Located = (ExecutionError, Option<u64>);

type Fallible<T> = Result<T, ExecutionError>;

impl<'w> Machine<'w> {
    pub(super) fn new(state: State<'w>, gas: Option<Value>, inputs: &[Loaded]) -> Self {
        let inputs = inputs
            .iter()
            .map(|input| match input {
                Loaded::Pure(bytes) => Slot::Pure(bytes.clone()),
                Loaded::Object { object, access } => Slot::Object {
                    value: object.as_struct().map(|data| Value {
                        tag: data.object_type().clone().into(),
                        contents: if object.object_id() == CLOCK {
                            encode(&Clock {
                                id: CLOCK,
                                timestamp_ms: state.context.timestamp_ms,
                            })
                        } else {
                            data.contents().to_vec()
                        },
                    }),
                    access: *access,
                },
            })
            .collect();
        Self {
            state,
            gas: gas.map(|value| Slot::Object {
                value: Some(value),
                access: Access::Owned,
            }),
            inputs,
            results: Vec::new(),
        }
    }

    /// Runs all commands. The error comes with the command's index where it has one.
    pub(super) fn run(
        &mut self,
        transaction: &ProgrammableTransaction,
    ) -> Result<Vec<Vec<ReturnValue>>, Box<Located>> {
        let mut returned = Vec::with_capacity(transaction.commands.len());
        for (index, command) in (0u64..).zip(&transaction.commands) {
            let values = self
                .command(command)
                .map_err(|error| Box::new((error, Some(index))))?;
            returned.push(
                values
                    .iter()
                    .map(|value| ReturnValue {
                        type_: value.tag.clone(),
                        contents: value.contents.clone(),
                    })
                    .collect(),
            );
            self.results
                .push(values.into_iter().map(|v| Slot::Result(Some(v))).collect());
        }
        self.check_consumed()
            .map_err(|error| Box::new((error, None)))?;
        Ok(returned)
    }

    fn check_consumed(&self) -> Fallible<()> {
        for (result, values) in (0u16..).zip(&self.results) {
            for (subresult, slot) in (0u16..).zip(values) {
                let Slot::Result(Some(value)) = slot else {
                    continue;
                };
                if !self.abilities(&value.tag).drop {
                    return Err(ExecutionError::UnusedValueWithoutDrop { result, subresult });
                }
            }
        }
        Ok(())
    }

    fn command(&mut self, command: &Command) -> Fallible<Vec<Value>> {
        match command {
            Command::MoveCall(call) => self.move_call(call),
            Command::TransferObjects(transfer) => self.transfer_objects(transfer),
            Command::SplitCoins(split) => self.split_coins(split),
            Command::MergeCoins(merge) => self.merge_coins(merge),
            Command::MakeMoveVector(vector) => self.make_vector(vector),
            Command::Publish(publish) => self.publish(publish),
            _ => Err(ExecutionError::FeatureNotYetSupported),
        }
    }

    fn move_call(&mut self, command: &MoveCall) -> Fallible<Vec<Value>> {
        let package = self.state.package;
        let (module, function) = package::find(
            package,
            command.package,
            command.module.as_str(),
            command.function.as_str(),
        )
        .ok_or(ExecutionError::FunctionNotFound)?;
        if command.type_arguments.len() != usize::from(function.generic) {
            return Err(ExecutionError::TypeArityMismatch);
        }
        let parameter = command.type_arguments.first();
        if let Some(parameter) = parameter {
            accepts_parameter(module, parameter, package).map_err(|_| {
                ExecutionError::TypeArgumentError {
                    type_argument: 0,
                    kind: TypeArgumentError::ConstraintNotSatisfied,
                }
            })?;
        }
        if command.arguments.len() != function.parameters.len() {
            return Err(ExecutionError::ArityMismatch);
        }

        let mut places = Vec::with_capacity(command.arguments.len());
        let mut arguments = Vec::with_capacity(command.arguments.len());
        // What this call has borrowed so far, and whether mutably.
        let mut borrowed: Vec<(Place, bool)> = Vec::new();
        for (index, (argument, kind)) in
            (0u16..).zip(command.arguments.iter().zip(function.parameters))
        {
            let fail = |kind| ExecutionError::CommandArgumentError {
                argument: index,
                kind,
            };
            let place = self.resolve(*argument).map_err(fail)?;
            let ty = match kind {
                Parameter::Value(ty) | Parameter::Ref(ty) | Parameter::Mut(ty) => *ty,
            };
            let tag = ty
                .tag(package, parameter)
                .ok_or(ExecutionError::VmInvariantViolation)?;
            let is_borrowed = borrowed.iter().any(|(other, _)| *other == place);
            let is_borrowed_mutably = borrowed.contains(&(place, true));
            let value = match kind {
                Parameter::Value(_) => {
                    if is_borrowed && !self.is_copied(place) {
                        return Err(fail(Kind::InvalidValueUsage));
                    }
                    if place == Place::Gas {
                        return Err(fail(Kind::InvalidGasCoinUsage));
                    }
                    self.take(place, ty, &tag).map_err(fail)?
                }
                Parameter::Ref(_) => {
                    if is_borrowed_mutably {
                        return Err(fail(Kind::InvalidValueUsage));
                    }
                    borrowed.push((place, false));
                    self.borrow(place, ty, &tag).map_err(fail)?
                }
                Parameter::Mut(_) => {
                    if is_borrowed {
                        return Err(fail(Kind::InvalidValueUsage));
                    }
                    borrowed.push((place, true));
                    self.check_mutable(place).map_err(fail)?;
                    self.borrow(place, ty, &tag).map_err(fail)?
                }
            };
            places.push(place);
            arguments.push(call::Argument {
                tag: value.tag,
                contents: value.contents,
            });
        }

        let mut frame = Call::new(module, function.name, &mut arguments, &mut self.state);
        let returned = (function.body)(&mut frame).map_err(execution_error)?;

        for ((place, kind), argument) in places.iter().zip(function.parameters).zip(arguments) {
            if matches!(kind, Parameter::Mut(_)) {
                self.write_back(*place, argument.contents);
            }
        }
        let mut values = Vec::with_capacity(returned.len());
        for (ty, contents) in function.returns.iter().zip(returned) {
            let tag = ty
                .tag(package, parameter)
                .ok_or(ExecutionError::VmInvariantViolation)?;
            values.push(Value { tag, contents });
        }
        Ok(values)
    }

    /// Publishes the package: which modules these are was checked before. Runs their `init`s.
    ///
    /// upstream: sui-execution/latest/sui-adapter/src/programmable_transactions/execution.rs
    /// (`execute_move_publish`: the package's id, then what `init` makes, then the capability)
    fn publish(&mut self, command: &Publish) -> Fallible<Vec<Value>> {
        let missing = bytecode::DEPENDENCIES
            .iter()
            .any(|id| !command.dependencies.contains(id));
        if missing {
            return Err(ExecutionError::PublishUpgradeMissingDependency);
        }
        let id = self.state.fresh_id();
        self.state.package = id;
        self.state.published = Some(bytecode::package(id, 1));
        for module in bytecode::modules() {
            let known = package::MODULES.iter().find(|m| m.name == module.name);
            if let Some((name, init)) = known.and_then(|m| Some((m.name, m.init?))) {
                let mut call = Call::new(name, "init", &mut [], &mut self.state);
                init(&mut call).map_err(execution_error)?;
            }
        }
        let parameters = self.state.world.parameters().clone();
        crate::genesis::launch(&mut self.state, &parameters).map_err(execution_error)?;
        let cap = UpgradeCap {
            id: self.state.fresh_id(),
            package: id,
            version: 1,
            policy: 0,
        };
        Ok(vec![Value {
            tag: upgrade_cap_tag().into(),
            contents: encode(&cap),
        }])
    }

    fn transfer_objects(&mut self, command: &TransferObjects) -> Fallible<Vec<Value>> {
        let mut objects = Vec::with_capacity(command.objects.len());
        for (index, argument) in (0u16..).zip(&command.objects) {
            let fail = |kind| ExecutionError::CommandArgumentError {
                argument: index,
                kind,
            };
            let place = self.resolve(*argument).map_err(fail)?;
            let value = self.take_object(place).map_err(fail)?;
            let abilities = self.abilities(&value.tag);
            if !abilities.key || !abilities.store {
                return Err(ExecutionError::InvalidTransferObject);
            }
            objects.push(value);
        }
        let position = u16::try_from(command.objects.len()).unwrap_or(u16::MAX);
        let recipient: Address = self.pure(command.address, Ty::Address, position)?;
        for value in objects {
            let id = object_id(&value.contents).ok_or(ExecutionError::VmInvariantViolation)?;
            let TypeTag::Struct(tag) = value.tag else {
                return Err(ExecutionError::InvalidTransferObject);
            };
            let placed = Placed {
                destination: Destination::Address(recipient),
                tag: *tag,
                contents: value.contents,
            };
            self.state.placed.insert(id, placed);
        }
        Ok(Vec::new())
    }

    fn split_coins(&mut self, command: &SplitCoins) -> Fallible<Vec<Value>> {
        let place = self.coin_place(command.coin)?;
        let mut amounts = Vec::with_capacity(command.amounts.len());
        for (index, argument) in (1u16..).zip(&command.amounts) {
            let amount: u64 = self.pure(*argument, Ty::U64, index)?;
            amounts.push(amount);
        }
        let mut coin = self.coin_at(place)?;
        let mut values = Vec::with_capacity(amounts.len());
        for amount in amounts {
            coin.balance = coin
                .balance
                .checked_sub(amount)
                .ok_or(ExecutionError::InsufficientCoinBalance)?;
            let id = self.state.fresh_id();
            values.push(Value {
                tag: StructTag::gas_coin().into(),
                contents: encode(&Coin {
                    id,
                    balance: amount,
                }),
            });
        }
        self.write_back(place, encode(&coin));
        Ok(values)
    }

    fn merge_coins(&mut self, command: &MergeCoins) -> Fallible<Vec<Value>> {
        let target = self.coin_place(command.coin)?;
        let mut coin = self.coin_at(target)?;
        let tag: TypeTag = StructTag::gas_coin().into();
        for (index, argument) in (1u16..).zip(&command.coins_to_merge) {
            let fail = |kind| ExecutionError::CommandArgumentError {
                argument: index,
                kind,
            };
            let place = self.resolve(*argument).map_err(fail)?;
            if place == target {
                return Err(fail(Kind::InvalidValueUsage));
            }
            if place == Place::Gas {
                return Err(fail(Kind::InvalidGasCoinUsage));
            }
            let value = self.take(place, Ty::Coin, &tag).map_err(fail)?;
            let other: Coin = bcs::from_bytes(&value.contents)
                .map_err(|_| ExecutionError::VmInvariantViolation)?;
            coin.balance = coin
                .balance
                .checked_add(other.balance)
                .ok_or(ExecutionError::CoinBalanceOverflow)?;
            self.state.deleted.insert(other.id);
        }
        self.write_back(target, encode(&coin));
        Ok(Vec::new())
    }

    fn make_vector(&mut self, command: &MakeMoveVector) -> Fallible<Vec<Value>> {
        let package = self.state.package;
        let mut element = command.type_.clone();
        let mut contents = uleb128(command.elements.len());
        for (index, argument) in (0u16..).zip(&command.elements) {
            let fail = |kind| ExecutionError::CommandArgumentError {
                argument: index,
                kind,
            };
            let place = self.resolve(*argument).map_err(fail)?;
            if place == Place::Gas {
                return Err(fail(Kind::InvalidGasCoinUsage));
            }
            let value = match &element {
                Some(tag) => {
                    let ty = pure_type(tag, package).unwrap_or(Ty::Param);
                    self.take(place, ty, tag).map_err(fail)?
                }
                // Without a type the elements must be objects, all of the first one's type.
                None => {
                    let value = self.take_object(place).map_err(fail)?;
                    if !self.abilities(&value.tag).key {
                        return Err(fail(Kind::InvalidMakeMoveVecNonObjectArgument));
                    }
                    value
                }
            };
            element.get_or_insert_with(|| value.tag.clone());
            contents.extend(value.contents);
        }
        let element = element.ok_or(ExecutionError::VmInvariantViolation)?;
        Ok(vec![Value {
            tag: TypeTag::Vector(Box::new(element)),
            contents,
        }])
    }

    fn resolve(&self, argument: Argument) -> Result<Place, Kind> {
        match argument {
            Argument::Gas if self.gas.is_some() => Ok(Place::Gas),
            Argument::Gas => Err(Kind::InvalidGasCoinUsage),
            Argument::Input(index) => match self.inputs.get(usize::from(index)) {
                Some(_) => Ok(Place::Input(usize::from(index))),
                None => Err(Kind::IndexOutOfBounds { index }),
            },
            Argument::Result(result) => match self.results.get(usize::from(result)) {
                Some(values) if values.len() == 1 => Ok(Place::Result(usize::from(result), 0)),
                Some(_) => Err(Kind::InvalidResultArity { result }),
                None => Err(Kind::IndexOutOfBounds { index: result }),
            },
            Argument::NestedResult(result, subresult) => {
                let values = self
                    .results
                    .get(usize::from(result))
                    .ok_or(Kind::IndexOutOfBounds { index: result })?;
                if usize::from(subresult) >= values.len() {
                    return Err(Kind::SecondaryIndexOutOfBounds { result, subresult });
                }
                Ok(Place::Result(usize::from(result), usize::from(subresult)))
            }
        }
    }

    fn slot(&self, place: Place) -> Option<&Slot> {
        match place {
            Place::Gas => self.gas.as_ref(),
            Place::Input(index) => self.inputs.get(index),
            Place::Result(result, subresult) => self.results.get(result)?.get(subresult),
        }
    }

    fn slot_mut(&mut self, place: Place) -> Option<&mut Slot> {
        match place {
            Place::Gas => self.gas.as_mut(),
            Place::Input(index) => self.inputs.get_mut(index),
            Place::Result(result, subresult) => self.results.get_mut(result)?.get_mut(subresult),
        }
    }

    /// The value as a `ty`, without taking it.
    fn borrow(&self, place: Place, ty: Ty, tag: &TypeTag) -> Result<Value, Kind> {
        match self.slot(place) {
            Some(Slot::Pure(bytes)) => match ty.accepts_pure(bytes) {
                Some(true) => Ok(Value {
                    tag: tag.clone(),
                    contents: bytes.clone(),
                }),
                Some(false) => Err(Kind::InvalidBcsBytes),
                None => Err(Kind::InvalidUsageOfPureArgument),
            },
            Some(Slot::Object { value, .. } | Slot::Result(value)) => match value {
                Some(value) if value.tag == *tag => Ok(value.clone()),
                Some(_) => Err(Kind::TypeMismatch),
                None => Err(Kind::InvalidValueUsage),
            },
            None => Err(Kind::ArgumentWithoutValue),
        }
    }

    /// The value as a `ty`, taken unless it can be copied.
    fn take(&mut self, place: Place, ty: Ty, tag: &TypeTag) -> Result<Value, Kind> {
        let value = self.borrow(place, ty, tag)?;
        if let Some(Slot::Object {
            access: Access::Immutable | Access::SharedReadOnly,
            ..
        }) = self.slot(place)
        {
            return Err(Kind::InvalidObjectByValue);
        }
        if !self.abilities(&value.tag).copy {
            self.clear(place);
        }
        Ok(value)
    }

    /// Any object, taken.
    fn take_object(&mut self, place: Place) -> Result<Value, Kind> {
        let value = match self.slot(place) {
            Some(Slot::Pure(_)) => return Err(Kind::InvalidUsageOfPureArgument),
            Some(Slot::Object { value, access }) => {
                if matches!(access, Access::Immutable | Access::SharedReadOnly) {
                    return Err(Kind::InvalidObjectByValue);
                }
                value
            }
            Some(Slot::Result(value)) => value,
            None => return Err(Kind::ArgumentWithoutValue),
        };
        let value = value.clone().ok_or(Kind::InvalidValueUsage)?;
        if !self.abilities(&value.tag).key {
            return Err(Kind::TypeMismatch);
        }
        self.clear(place);
        Ok(value)
    }

    fn clear(&mut self, place: Place) {
        if let Some(Slot::Object { value, .. } | Slot::Result(value)) = self.slot_mut(place) {
            *value = None;
        }
    }

    fn write_back(&mut self, place: Place, contents: Vec<u8>) {
        if let Some(Slot::Object { value, .. } | Slot::Result(value)) = self.slot_mut(place)
            && let Some(value) = value
        {
            value.contents = contents;
        }
    }

    fn check_mutable(&self, place: Place) -> Result<(), Kind> {
        match self.slot(place) {
            Some(Slot::Object { access, .. }) if !access.is_mutable() => {
                Err(Kind::InvalidObjectByMutRef)
            }
            _ => Ok(()),
        }
    }

    /// Whether a use by value leaves the value where it is.
    fn is_copied(&self, place: Place) -> bool {
        match self.slot(place) {
            Some(Slot::Pure(_)) => true,
            Some(Slot::Object { value, .. } | Slot::Result(value)) => value
                .as_ref()
                .is_some_and(|value| self.abilities(&value.tag).copy),
            None => false,
        }
    }

    fn abilities(&self, tag: &TypeTag) -> Abilities {
        Abilities::of(tag, self.state.package)
    }

    /// A primitive argument of a built-in command.
    fn pure<T: serde::de::DeserializeOwned>(
        &mut self,
        argument: Argument,
        ty: Ty,
        position: u16,
    ) -> Fallible<T> {
        let fail = |kind| ExecutionError::CommandArgumentError {
            argument: position,
            kind,
        };
        let tag = ty
            .tag(self.state.package, None)
            .ok_or(ExecutionError::VmInvariantViolation)?;
        let place = self.resolve(argument).map_err(fail)?;
        let value = self.take(place, ty, &tag).map_err(fail)?;
        bcs::from_bytes(&value.contents).map_err(|_| fail(Kind::InvalidBcsBytes))
    }

    /// The first argument of SplitCoins and MergeCoins: a coin to write to.
    fn coin_place(&self, argument: Argument) -> Fallible<Place> {
        let fail = |kind| ExecutionError::CommandArgumentError { argument: 0, kind };
        let place = self.resolve(argument).map_err(fail)?;
        self.check_mutable(place).map_err(fail)?;
        self.borrow(place, Ty::Coin, &StructTag::gas_coin().into())
            .map_err(fail)?;
        Ok(place)
    }

    fn coin_at(&self, place: Place) -> Fallible<Coin> {
        let value = self
            .borrow(place, Ty::Coin, &StructTag::gas_coin().into())
            .map_err(|kind| ExecutionError::CommandArgumentError { argument: 0, kind })?;
        bcs::from_bytes(&value.contents).map_err(|_| ExecutionError::VmInvariantViolation)
    }
}

fn execution_error(failure: Failure) -> ExecutionError {
    match failure {
        Failure::Abort {
            address,
            module,
            function,
            code,
        } => ExecutionError::MoveAbort {
            location: MoveLocation {
                package: address,
                module: sui_sdk_types::Identifier::from_static(module),
                function: 0,
                instruction: 0,
                function_name: Some(sui_sdk_types::Identifier::from_static(function)),
            },
            code,
        },
        Failure::Arithmetic => ExecutionError::MovePrimitiveRuntimeError { location: None },
        Failure::TypeArgument => ExecutionError::TypeArgumentError {
            type_argument: 0,
            kind: TypeArgumentError::ConstraintNotSatisfied,
        },
        Failure::NotTransferable => ExecutionError::InvalidTransferObject,
        Failure::Invariant => ExecutionError::VmInvariantViolation,
    }
}

/// The type of pure inputs that has the tag.
fn pure_type(tag: &TypeTag, package: Address) -> Option<Ty> {
    [
        Ty::Bool,
        Ty::U8,
        Ty::U64,
        Ty::Address,
        Ty::Id,
        Ty::String,
        Ty::Bytes,
        Ty::OptionBytes,
        Ty::U64s,
        Ty::BytesList,
        Ty::Ids,
    ]
    .into_iter()
    .find(|ty| ty.tag(package, None).as_ref() == Some(tag))
}

fn uleb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
