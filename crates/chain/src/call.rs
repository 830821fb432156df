//! One programmable transaction, before it has a sender and gas.

use std::collections::BTreeMap;

use sui_sdk_types::{Address, Identifier};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};

use crate::{ChainError, Deployment};

/// The system clock, `0x6`, shared since genesis.
const CLOCK: Address = Address::from_static("0x6");

type Assemble = Box<dyn Fn(&mut Assembly) -> Result<(), ChainError> + Send + Sync>;

/// Something to be done on the chain in one transaction: what [`crate::calls`] returns and
/// [`crate::Client`] builds, signs and sends.
pub struct Call {
    pub(crate) name: &'static str,
    /// MIST that it takes out of the gas coin.
    pub(crate) spend: u64,
    /// Objects that it uses; `true` when it changes or consumes them.
    pub(crate) objects: BTreeMap<Address, bool>,
    pub(crate) package: Address,
    pub(crate) assemble: Assemble,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name)
            .field("spend", &self.spend)
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(
        deployment: &Deployment,
        name: &'static str,
        assemble: impl Fn(&mut Assembly) -> Result<(), ChainError> + Send + Sync + 'static,
    ) -> Self {
        Self::without_package(deployment.package, name, assemble)
    }

    /// A call that needs no deployment, because it makes one.
    pub(crate) fn without_package(
        package: Address,
        name: &'static str,
        assemble: impl Fn(&mut Assembly) -> Result<(), ChainError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            spend: 0,
            objects: BTreeMap::new(),
            package,
            assemble: Box::new(assemble),
        }
    }

    pub(crate) fn reads(mut self, id: Address) -> Self {
        self.objects.entry(id).or_insert(false);
        self
    }

    pub(crate) fn changes(mut self, id: Address) -> Self {
        self.objects.insert(id, true);
        self
    }

    pub(crate) fn with_clock(self) -> Self {
        self.reads(CLOCK)
    }

    pub(crate) fn spends(mut self, mist: u64) -> Self {
        self.spend = self.spend.saturating_add(mist);
        self
    }

    /// Name of the act, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// A transaction in the making, its objects resolved.
pub(crate) struct Assembly {
    pub(crate) builder: TransactionBuilder,
    package: Address,
    sender: Address,
    objects: BTreeMap<Address, ObjectInput>,
}

impl Assembly {
    pub(crate) fn new(
        package: Address,
        sender: Address,
        objects: BTreeMap<Address, ObjectInput>,
    ) -> Self {
        let mut builder = TransactionBuilder::new();
        builder.set_sender(sender);
        Self {
            builder,
            package,
            sender,
            objects,
        }
    }

    pub(crate) fn object(&mut self, id: Address) -> Result<Argument, ChainError> {
        let input = self
            .objects
            .get(&id)
            .cloned()
            .ok_or_else(|| ChainError::Unexpected {
                what: "object",
                id: id.to_string(),
                reason: "the call uses it without declaring it".to_owned(),
            })?;
        Ok(self.builder.object(input))
    }

    pub(crate) fn clock(&mut self) -> Result<Argument, ChainError> {
        self.object(CLOCK)
    }

    pub(crate) fn pure<T: serde::Serialize>(&mut self, value: &T) -> Argument {
        self.builder.pure(value)
    }

    /// Splits one coin off the gas coin.
    pub(crate) fn split_gas(&mut self, mist: u64) -> Argument {
        let amount = self.builder.pure(&mist);
        let gas = self.builder.gas();
        let mut coins = self.builder.split_coins(gas, vec![amount]);
        // `split_coins` returns one coin per amount.
        coins.pop().unwrap_or(gas)
    }

    /// Calls a function of the package.
    pub(crate) fn call(
        &mut self,
        module: &'static str,
        function: &'static str,
        arguments: Vec<Argument>,
    ) -> Argument {
        let function = Function::new(
            self.package,
            Identifier::from_static(module),
            Identifier::from_static(function),
        );
        self.builder.move_call(function, arguments)
    }

    /// Calls a function of the framework.
    pub(crate) fn framework(
        &mut self,
        module: &'static str,
        function: &'static str,
        arguments: Vec<Argument>,
    ) -> Argument {
        let function = Function::new(
            Address::TWO,
            Identifier::from_static(module),
            Identifier::from_static(function),
        );
        self.builder.move_call(function, arguments)
    }

    /// What a call that returns several values cannot be without.
    pub(crate) fn impossible(&self) -> ChainError {
        ChainError::Unexpected {
            what: "package",
            id: self.package.to_string(),
            reason: "a function returned another number of values".to_owned(),
        }
    }

    /// Gives values to the sender.
    pub(crate) fn keep(&mut self, values: Vec<Argument>) {
        let sender = self.sender;
        self.give(values, sender);
    }

    /// Gives values to somebody.
    pub(crate) fn give(&mut self, values: Vec<Argument>, to: Address) {
        let recipient = self.builder.pure(&to);
        self.builder.transfer_objects(values, recipient);
    }
}
