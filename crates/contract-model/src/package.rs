//! The functions that a transaction can call: the package's own and the framework's.

mod anchors;
mod delegation;
mod enclave_registry;
mod k8s_gateway;
mod k8s_interface;
mod nitro;
mod node_keys;
mod params;
mod rewards;
mod shares;
mod slashing;
mod staking;
mod unbonding;
mod upgrades;

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

/// A module's `init` function.
pub(crate) type Init = fn(&mut Call<'_>) -> Result<(), Failure>;

/// A module and its public functions.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    /// What runs once, when the package is published.
    pub(crate) init: Option<Init>,
    pub(crate) functions: &'static [Function],
}

/// The package's modules.
pub(crate) const MODULES: &[Module] = &[
    Module {
        name: "anchors",
        init: Some(anchors::init),
        functions: anchors::FUNCTIONS,
    },
    Module {
        name: "delegation",
        functions: delegation::FUNCTIONS,
        init: None,
    },
    Module {
        name: "enclave_registry",
        init: None,
        functions: enclave_registry::FUNCTIONS,
    },
    Module {
        name: "k8s_gateway",
        init: Some(k8s_gateway::init),
        functions: k8s_gateway::FUNCTIONS,
    },
    Module {
        name: "node_keys",
        functions: node_keys::FUNCTIONS,
        init: None,
    },
    Module {
        name: "k8s_interface",
        init: None,
        functions: k8s_interface::FUNCTIONS,
    },
    Module {
        name: "nitro",
        init: None,
        functions: nitro::FUNCTIONS,
    },
    Module {
        name: "params",
        init: Some(params::init),
        functions: params::FUNCTIONS,
    },
    Module {
        name: "rewards",
        init: Some(rewards::init),
        functions: rewards::FUNCTIONS,
    },
    Module {
        name: "slashing",
        init: Some(slashing::init),
        functions: slashing::FUNCTIONS,
    },
    Module {
        name: "staking",
        init: Some(staking::init),
        functions: staking::FUNCTIONS,
    },
    Module {
        name: "upgrades",
        init: Some(upgrades::init),
        functions: upgrades::FUNCTIONS,
    },
    Module {
        name: "unbonding",
        init: None,
        functions: unbonding::FUNCTIONS,
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

/// Whether a text is of lower-case letters, digits and `-` alone.
pub(crate) fn is_label(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
