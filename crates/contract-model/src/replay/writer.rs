//! Writes one transaction as Move statements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sui_sdk_types::{
    Address, Argument, Command, Input, ObjectData, ProgrammableTransaction, StructTag, TypeTag,
};

use crate::layout::framework::{CLOCK, clock_tag, upgrade_cap_tag};
use crate::log::LogEntry;
use crate::outcome::Outcome;
use crate::package::{self, Parameter};
use crate::types::{Abilities, Ty, coin_balance};
use crate::world::World;

/// How the transaction ends in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Success,
    /// The command aborts.
    FailureAt(u64),
}

/// A Move local.
#[derive(Clone, Debug)]
struct Local {
    name: String,
    tag: TypeTag,
    /// The id, where it is an object input.
    id: Option<Address>,
    live: bool,
}

#[derive(Clone, Debug)]
enum Binding {
    Pure(Vec<u8>),
    Local(Local),
}

pub(super) struct Writer<'a> {
    world: &'a World,
    /// The package's id, also while it is being published.
    package: Address,
    entry: &'a LogEntry,
    outcome: &'a Outcome,
    gas: Option<Binding>,
    inputs: Vec<Binding>,
    results: Vec<Vec<Binding>>,
    code: String,
}

/// What has no form in a Move test.
type Written<T> = Result<T, &'static str>;

impl<'a> Writer<'a> {
    pub(super) fn new(world: &'a World, entry: &'a LogEntry, outcome: &'a Outcome) -> Self {
        let published = outcome.written.values().find_map(|written| {
            let is_package = matches!(written.object.data(), ObjectData::Package(_));
            is_package.then(|| written.object.object_id())
        });
        Self {
            world,
            package: published.unwrap_or(world.package()),
            entry,
            outcome,
            gas: None,
            inputs: Vec::new(),
            results: Vec::new(),
            code: String::new(),
        }
    }

    /// The body of a function with a `s: &mut Scenario`.
    pub(super) fn transaction(
        &mut self,
        transaction: &ProgrammableTransaction,
        expected: Expected,
    ) -> Written<String> {
        self.prologue(transaction)?;
        for (number, command) in (0u64..).zip(&transaction.commands) {
            self.command(command)?;
            if expected == Expected::FailureAt(number) {
                self.line("abort 0xdead");
                return Ok(std::mem::take(&mut self.code));
            }
        }
        self.epilogue()?;
        Ok(std::mem::take(&mut self.code))
    }

    fn line(&mut self, line: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.code, "    {line}");
    }

    fn prologue(&mut self, transaction: &ProgrammableTransaction) -> Written<()> {
        let sender = self.entry.sender;
        self.line(&format!("s.next_tx(@{sender});"));
        self.line("let mut clock = clock::create_for_testing(s.ctx());");
        let now = self.entry.timestamp_ms;
        self.line(&format!("clock.set_for_testing({now});"));
        if let Some(id) = self.entry.gas_coin {
            self.gas = Some(self.coin("gas", id));
        }
        for (index, input) in transaction.inputs.iter().enumerate() {
            let name = format!("i{index}");
            let binding = match input {
                Input::Pure(bytes) => Binding::Pure(bytes.clone()),
                Input::ImmutableOrOwned(reference) => self.owned(name, *reference.object_id())?,
                Input::Shared(shared) => self.shared(name, shared.object_id())?,
                _ => return Err("this kind of input"),
            };
            self.inputs.push(binding);
        }
        let (epoch, began) = (self.entry.epoch, self.entry.epoch_timestamp_ms);
        let digest = bytes(self.entry.digest.inner());
        self.line(&format!(
            "let ctx = &mut tx_context::new(@{sender}, {digest}, {epoch}, {began}, 0);"
        ));
        Ok(())
    }

    fn coin(&mut self, name: &str, id: Address) -> Binding {
        let known = self.entry.coins.get(&id).copied();
        let value = known.or_else(|| self.world.coin(id)).unwrap_or_default();
        self.line(&format!(
            "let mut {name} = coin::mint_for_testing<SUI>({value}, s.ctx());"
        ));
        Binding::Local(Local {
            name: name.to_owned(),
            tag: StructTag::gas_coin().into(),
            id: Some(id),
            live: true,
        })
    }

    fn owned(&mut self, name: String, id: Address) -> Written<Binding> {
        let tag = self.tag_of(id)?;
        if tag == StructTag::gas_coin() {
            return Ok(self.coin(&name, id));
        }
        let (sender, type_) = (self.entry.sender, self.type_name(&tag)?);
        self.line(&format!(
            "let mut {name} = s.take_from_address_by_id<{type_}>(@{sender}, {});",
            self::id(id)
        ));
        Ok(local(name, tag, Some(id)))
    }

    fn shared(&mut self, name: String, id: Address) -> Written<Binding> {
        if id == CLOCK {
            return Ok(local("clock".to_owned(), clock_tag(), Some(id)));
        }
        let tag = self.tag_of(id)?;
        let type_ = self.type_name(&tag)?;
        self.line(&format!(
            "let mut {name} = s.take_shared_by_id<{type_}>({});",
            self::id(id)
        ));
        Ok(local(name, tag, Some(id)))
    }

    fn tag_of(&self, id: Address) -> Written<StructTag> {
        let object = self.world.get(id).ok_or("an object that is not there")?;
        let data = object.as_struct().ok_or("a package as an object")?;
        Ok(data.object_type().clone())
    }

    fn type_name(&self, tag: &StructTag) -> Written<String> {
        let (module, name) = (tag.module().as_str(), tag.name().as_str());
        if *tag.address() == self.package {
            return Ok(format!("{module}::{name}"));
        }
        if *tag.address() == Address::TWO && tag.type_params().is_empty() {
            return Ok(format!("sui::{module}::{name}"));
        }
        Err("an object of another package")
    }

    fn command(&mut self, command: &Command) -> Written<()> {
        let number = self.results.len();
        let values = match command {
            Command::MoveCall(call) => {
                let package = self.package;
                let (module, function) = package::find(
                    package,
                    call.package,
                    call.module.as_str(),
                    call.function.as_str(),
                )
                .ok_or("an unknown function")?;
                let mut arguments = Vec::new();
                for (argument, parameter) in call.arguments.iter().zip(function.parameters) {
                    arguments.push(self.argument(*argument, *parameter)?);
                }
                if function.context {
                    arguments.push("ctx".to_owned());
                }
                let address = if call.package == package {
                    "k3s_daas"
                } else {
                    "sui"
                };
                let type_arguments = if function.generic { "<SUI>" } else { "" };
                let call = format!(
                    "{address}::{module}::{}{type_arguments}({})",
                    function.name,
                    arguments.join(", ")
                );
                let tags = function
                    .returns
                    .iter()
                    .map(|ty| ty.tag(package, None).ok_or("a generic result"))
                    .collect::<Written<Vec<_>>>()?;
                self.bind(number, &tags, &call)
            }
            Command::SplitCoins(split) => {
                let coin = self.argument(split.coin, Parameter::Mut(Ty::Coin))?;
                let mut values = Vec::new();
                for (index, amount) in split.amounts.iter().enumerate() {
                    let amount = self.argument(*amount, Parameter::Value(Ty::U64))?;
                    let name = format!("r{number}_{index}");
                    self.line(&format!(
                        "let mut {name} = coin::split({coin}, {amount}, ctx);"
                    ));
                    values.push(local(name, StructTag::gas_coin(), None));
                }
                values
            }
            Command::MergeCoins(merge) => {
                let coin = self.argument(merge.coin, Parameter::Mut(Ty::Coin))?;
                for other in &merge.coins_to_merge {
                    let other = self.argument(*other, Parameter::Value(Ty::Coin))?;
                    self.line(&format!("coin::join({coin}, {other});"));
                }
                Vec::new()
            }
            Command::TransferObjects(transfer) => {
                let address = self.argument(transfer.address, Parameter::Value(Ty::Address))?;
                for object in &transfer.objects {
                    self.transfer(*object, &address)?;
                }
                Vec::new()
            }
            Command::Publish(_) => self.publish(number),
            _ => return Err("this kind of command"),
        };
        self.results.push(values);
        Ok(())
    }

    /// What `init` shared and the parameters are set on is there from the next transaction on, so
    /// that the events of publishing are not compared.
    fn publish(&mut self, number: usize) -> Vec<Binding> {
        self.line("ctx.fresh_object_address();");
        for line in super::publishing(self.package) {
            self.line(&line);
        }
        let (sender, name) = (self.entry.sender, format!("r{number}_0"));
        self.line(&format!("let {name} = cap;"));
        self.line(&format!("s.next_tx(@{sender});"));
        self.line("let mut pool = s.take_shared<staking::StakingPool>();");
        self.line("let mut params = s.take_shared<params::Params>();");
        for line in super::set_parameters(self.world.parameters()) {
            self.line(&line);
        }
        self.line("test_scenario::return_shared(pool);");
        self.line("test_scenario::return_shared(params);");
        vec![local(name, upgrade_cap_tag(), None)]
    }

    fn bind(&mut self, number: usize, tags: &[TypeTag], call: &str) -> Vec<Binding> {
        let values: Vec<Local> = tags
            .iter()
            .enumerate()
            .map(|(index, tag)| Local {
                name: format!("r{number}_{index}"),
                tag: tag.clone(),
                id: None,
                live: true,
            })
            .collect();
        let names: Vec<String> = values.iter().map(|v| format!("mut {}", v.name)).collect();
        match names.as_slice() {
            [] => self.line(&format!("{call};")),
            [name] => self.line(&format!("let {name} = {call};")),
            names => self.line(&format!("let ({}) = {call};", names.join(", "))),
        }
        values.into_iter().map(Binding::Local).collect()
    }

    /// A coin's id and value are compared with the model's before it goes; other objects go to the
    /// recipient's inventory, where the final state is compared.
    fn transfer(&mut self, argument: Argument, address: &str) -> Written<()> {
        let binding = self.binding(argument)?;
        let Binding::Local(local) = binding else {
            return Err("a pure value as an object");
        };
        local.live = false;
        let local = local.clone();
        if local.tag == StructTag::gas_coin().into() {
            self.check_coin(&local, argument)?;
            self.line(&format!("destroy({});", local.name));
        } else {
            self.line(&format!(
                "transfer::public_transfer({}, {address});",
                local.name
            ));
        }
        Ok(())
    }

    /// Compares the coin with the model's final one, if the model has it at the end.
    fn check_coin(&mut self, local: &Local, argument: Argument) -> Written<()> {
        let id = match (local.id, argument) {
            (Some(id), _) => id,
            (None, Argument::Result(command)) => self.returned_id(command, 0)?,
            (None, Argument::NestedResult(command, value)) => self.returned_id(command, value)?,
            (None, _) => return Err("a coin from nowhere"),
        };
        let Some(value) = self
            .outcome
            .written
            .get(&id)
            .and_then(|written| coin_balance(&written.object))
        else {
            return Ok(());
        };
        let name = &local.name;
        // Input coins are minted for the test and have ids of their own.
        let line = if local.id.is_some() {
            format!("assert!({name}.value() == {value}, 1_000_003);")
        } else {
            format!("same_coin(&{name}, {}, {value});", self::id(id))
        };
        self.line(&line);
        Ok(())
    }

    /// The id of an object that a command returned in the model.
    fn returned_id(&self, command: u16, value: u16) -> Written<Address> {
        self.outcome
            .results
            .get(usize::from(command))
            .and_then(|values| values.get(usize::from(value)))
            .and_then(|value| crate::execute::call::object_id(&value.contents))
            .ok_or("a result that is not there")
    }

    fn binding(&mut self, argument: Argument) -> Written<&mut Binding> {
        match argument {
            Argument::Gas => self.gas.as_mut(),
            Argument::Input(index) => self.inputs.get_mut(usize::from(index)),
            Argument::Result(command) => self
                .results
                .get_mut(usize::from(command))
                .and_then(|values| values.first_mut()),
            Argument::NestedResult(command, value) => self
                .results
                .get_mut(usize::from(command))
                .and_then(|values| values.get_mut(usize::from(value))),
        }
        .ok_or("an argument that is not there")
    }

    fn argument(&mut self, argument: Argument, parameter: Parameter) -> Written<String> {
        let package = self.package;
        match (self.binding(argument)?, parameter) {
            (Binding::Pure(bytes), Parameter::Value(ty)) => literal(ty, bytes),
            (Binding::Pure(_), _) => Err("a reference to a pure value"),
            (Binding::Local(local), Parameter::Value(_)) => {
                if !Abilities::of(&local.tag, package).copy {
                    local.live = false;
                }
                Ok(local.name.clone())
            }
            (Binding::Local(local), Parameter::Ref(_)) => Ok(format!("&{}", local.name)),
            (Binding::Local(local), Parameter::Mut(_)) => Ok(format!("&mut {}", local.name)),
        }
    }

    /// Compares events and coins, and gives back what was taken.
    fn epilogue(&mut self) -> Written<()> {
        if self.package != self.world.package() {
            return self.give_back();
        }
        let mut by_type: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
        for event in &self.outcome.events {
            let type_ = self.type_name(&event.type_)?;
            by_type.entry(type_).or_default().push(&event.contents);
        }
        let count = self.outcome.events.len();
        self.line(&format!(
            "assert!(event::num_events() == {count}, 1_000_004);"
        ));
        for (type_, contents) in by_type {
            // Few events: the length is one byte.
            let mut expected = vec![u8::try_from(contents.len()).map_err(|_| "many events")?];
            expected.extend(contents.concat());
            self.line(&format!("same_events<{type_}>({});", bytes(&expected)));
        }
        self.give_back()
    }

    fn give_back(&mut self) -> Written<()> {
        self.line("destroy(clock);");
        let bindings: Vec<Binding> = self.gas.iter().chain(&self.inputs).cloned().collect();
        for binding in bindings {
            let Binding::Local(local) = binding else {
                continue;
            };
            let Some(id) = local.id.filter(|id| *id != CLOCK && local.live) else {
                continue;
            };
            let name = &local.name;
            if local.tag == StructTag::gas_coin().into() {
                self.check_coin(&local, Argument::Gas)?;
                self.line(&format!("destroy({name});"));
                continue;
            }
            let owned = self
                .world
                .get(id)
                .is_some_and(|object| matches!(object.owner(), sui_sdk_types::Owner::Address(_)));
            if owned {
                let sender = self.entry.sender;
                self.line(&format!(
                    "test_scenario::return_to_address(@{sender}, {name});"
                ));
            } else {
                self.line(&format!("test_scenario::return_shared({name});"));
            }
        }
        Ok(())
    }
}

fn local(name: String, tag: StructTag, id: Option<Address>) -> Binding {
    Binding::Local(Local {
        name,
        tag: tag.into(),
        id,
        live: true,
    })
}

/// A Move byte string.
pub(super) fn bytes(bytes: &[u8]) -> String {
    format!("x\"{}\"", hex::encode(bytes))
}

/// A Move `ID`.
pub(super) fn id(id: Address) -> String {
    format!("object::id_from_address(@{id})")
}

/// A pure input as a Move expression.
fn literal(ty: Ty, contents: &[u8]) -> Written<String> {
    const INVALID: &str = "a pure value of another type";
    Ok(match ty {
        Ty::Bool => bcs::from_bytes::<bool>(contents)
            .map_err(|_| INVALID)?
            .to_string(),
        Ty::U8 => format!(
            "{}u8",
            bcs::from_bytes::<u8>(contents).map_err(|_| INVALID)?
        ),
        Ty::U128 => format!(
            "{}u128",
            bcs::from_bytes::<u128>(contents).map_err(|_| INVALID)?
        ),
        Ty::U64 => format!(
            "{}u64",
            bcs::from_bytes::<u64>(contents).map_err(|_| INVALID)?
        ),
        Ty::Address => format!(
            "@{}",
            bcs::from_bytes::<Address>(contents).map_err(|_| INVALID)?
        ),
        Ty::Id => id(bcs::from_bytes(contents).map_err(|_| INVALID)?),
        Ty::String => {
            let text: String = bcs::from_bytes(contents).map_err(|_| INVALID)?;
            format!("{}.to_string()", bytes(text.as_bytes()))
        }
        Ty::Bytes => bytes(&bcs::from_bytes::<Vec<u8>>(contents).map_err(|_| INVALID)?),
        Ty::OptionBytes => {
            match bcs::from_bytes::<Option<Vec<u8>>>(contents).map_err(|_| INVALID)? {
                Some(inner) => format!("option::some({})", bytes(&inner)),
                None => "option::none()".to_owned(),
            }
        }
        Ty::U64s => {
            let numbers: Vec<u64> = bcs::from_bytes(contents).map_err(|_| INVALID)?;
            let numbers: Vec<String> = numbers.iter().map(|n| format!("{n}u64")).collect();
            format!("vector[{}]", numbers.join(", "))
        }
        Ty::BytesList => {
            let list: Vec<Vec<u8>> = bcs::from_bytes(contents).map_err(|_| INVALID)?;
            let list: Vec<String> = list.iter().map(|one| bytes(one)).collect();
            format!("vector<vector<u8>>[{}]", list.join(", "))
        }
        Ty::Ids => {
            let ids: Vec<Address> = bcs::from_bytes(contents).map_err(|_| INVALID)?;
            let ids: Vec<String> = ids.into_iter().map(id).collect();
            format!("vector<ID>[{}]", ids.join(", "))
        }
        Ty::Coin | Ty::Clock | Ty::Package(..) | Ty::List(..) | Ty::Sui(..) | Ty::Param => {
            return Err(INVALID);
        }
    })
}
