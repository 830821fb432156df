//! The BCS layouts of the package's objects and events, and of the few Sui framework types that
//! they contain.
//!
//! A struct here has exactly the fields of the Move struct of the same name, in the same order, so
//! that `bcs::to_bytes` of it equals the Move value's bytes. `tests/vectors/layouts.json` holds one
//! encoded example of each; every decoder of these types is tested against that file.

pub mod anchors;
pub mod delegation;
pub mod enclave_registry;
pub mod framework;
pub mod k8s_gateway;
pub mod k8s_interface;
pub mod node_keys;
pub mod params;
pub mod rewards;
pub mod slashing;
pub mod staking;
pub mod unbonding;
pub mod upgrades;

use serde::{Serialize, de::DeserializeOwned};
use sui_sdk_types::{Address, Identifier, StructTag};

/// A Move struct of the package: where it is defined and what it is called.
pub trait MoveType: Serialize + DeserializeOwned {
    /// The module that defines the struct.
    const MODULE: &'static str;
    /// The struct's name.
    const NAME: &'static str;

    /// The struct's type tag in the package published at `package`.
    fn tag(package: Address) -> StructTag {
        struct_tag(package, Self::MODULE, Self::NAME)
    }

    /// Whether `tag` names this struct in the package at `package`.
    fn is(tag: &StructTag, package: Address) -> bool {
        *tag.address() == package
            && tag.module().as_str() == Self::MODULE
            && tag.name().as_str() == Self::NAME
            && tag.type_params().is_empty()
    }
}

/// A Move object (a struct with `key`) of the package.
pub trait MoveObject: MoveType {
    /// The object's id.
    fn id(&self) -> Address;
}

/// A Move event of the package.
pub trait MoveEvent: MoveType {}

/// The tag of a struct without type parameters.
pub(crate) fn struct_tag(package: Address, module: &'static str, name: &'static str) -> StructTag {
    StructTag::new(
        package,
        Identifier::from_static(module),
        Identifier::from_static(name),
        Vec::new(),
    )
}

macro_rules! move_types {
    ($module:literal: objects { $($object:ident),* $(,)? } events { $($event:ident),* $(,)? } values { $($value:ident),* $(,)? }) => {
        $(
            impl $crate::layout::MoveType for $object {
                const MODULE: &'static str = $module;
                const NAME: &'static str = stringify!($object);
            }
            impl $crate::layout::MoveObject for $object {
                fn id(&self) -> sui_sdk_types::Address {
                    self.id
                }
            }
        )*
        $(
            impl $crate::layout::MoveType for $event {
                const MODULE: &'static str = $module;
                const NAME: &'static str = stringify!($event);
            }
            impl $crate::layout::MoveEvent for $event {}
        )*
        $(
            impl $crate::layout::MoveType for $value {
                const MODULE: &'static str = $module;
                const NAME: &'static str = stringify!($value);
            }
        )*
    };
}
pub(crate) use move_types;
