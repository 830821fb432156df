//! The functions that a transaction can call: the package's own and the framework's.

mod anchors;
mod enclave_registry;
mod k8s_gateway;
mod params;
mod rewards;
mod slashing;
mod staking;

use sui_sdk_types::Address;

use crate::execute::call::{Call, Failure};
use crate::framework;
use crate::types::Ty;

/// What the shared objects' `version` must be: the Move constant `VERSION`.
pub(crate) const PACKAGE_VERSION: u64 = 1;

/// How a function takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    Value(Ty),
    Ref(Ty),
    Mut(Ty),
}

/// A public function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How many type parameters it has: none or one.
    pub(crate) generic: bool,
    /// Without the transaction context.
    pub(crate) parameters: &'static [Parameter],
    /// Whether its last Move parameter is the transaction context.
    pub(crate) context: bool,
    pub(crate) returns: &'static [Ty],
    pub(crate) body: fn(&mut Call<'_>) -> Result<Vec<Vec<u8>>, Failure>,
}

/// A module and its public functions.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) functions: &'static [Function],
}

/// The package's modules.
pub(crate) const MODULES: &[Module] = &[
    Module {
        name: "anchors",
        functions: anchors::FUNCTIONS,
    },
    Module {
        name: "enclave_registry",
        functions: enclave_registry::FUNCTIONS,
    },
    Module {
        name: "k8s_gateway",
        functions: k8s_gateway::FUNCTIONS,
    },
    Module {
        name: "params",
        functions: params::FUNCTIONS,
    },
    Module {
        name: "rewards",
        functions: rewards::FUNCTIONS,
    },
    Module {
        name: "slashing",
        functions: slashing::FUNCTIONS,
    },
    Module {
        name: "staking",
        functions: staking::FUNCTIONS,
    },
];

/// The function, and its module's name.
pub(crate) fn find(
    package: Address,
    address: Address,
    module: &str,
    function: &str,
) -> Option<(&'static str, &'static Function)> {
    let modules = if address == package {
        MODULES
    } else if address == Address::TWO {
        framework::MODULES
    } else {
        return None;
    };
    let module = modules.iter().find(|known| known.name == module)?;
    let function = module.functions.iter().find(|f| f.name == function)?;
    Some((module.name, function))
}
