//! Move types as far as the package's functions use them, and BCS helpers.

use serde::Serialize;
use sui_sdk_types::{Address, Digest, Identifier, Object, Owner, StructTag, TypeTag, Version};

use crate::layout::framework::{self, Coin};
use crate::layout::struct_tag;
use crate::world::new_object;

/// A Move type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    Bool,
    U8,
    U64,
    U128,
    Address,
    Id,
    String,
    Bytes,
    OptionBytes,
    U64s,
    BytesList,
    Ids,
    /// A vector of a struct of the package.
    List(&'static str, &'static str),
    /// A struct of the framework.
    Sui(&'static str, &'static str),
    /// `Coin<SUI>`.
    Coin,
    /// `Clock`.
    Clock,
    /// A struct of the package.
    Package(&'static str, &'static str),
    /// The function's one type parameter.
    Param,
}

/// The abilities of a Move type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) copy: bool,
    pub(crate) drop: bool,
    pub(crate) store: bool,
    pub(crate) key: bool,
}

impl Abilities {
    pub(crate) const PRIMITIVE: Self = Self {
        copy: true,
        drop: true,
        store: true,
        key: false,
    };
    /// `key, store`
    const OBJECT: Self = Self {
        copy: false,
        drop: false,
        store: true,
        key: true,
    };
    /// `key`
    const KEY_ONLY: Self = Self {
        store: false,
        ..Self::OBJECT
    };
    /// No ability: what has it must be consumed.
    const NONE: Self = Self {
        copy: false,
        drop: false,
        store: false,
        key: false,
    };
    /// `drop`
    const DROP: Self = Self {
        drop: true,
        ..Self::NONE
    };
    /// `store`
    const STORE: Self = Self {
        key: false,
        ..Self::OBJECT
    };

    /// Of the type `tag`. `package` is the package `k3s_daas`.
    pub(crate) fn of(tag: &TypeTag, package: Address) -> Self {
        match tag {
            TypeTag::Struct(tag) => Self::of_struct(tag, package),
            TypeTag::Vector(inner) => Self {
                key: false,
                ..Self::of(inner, package)
            },
            TypeTag::Signer => Self {
                copy: false,
                drop: true,
                store: false,
                key: false,
            },
            _ => Self::PRIMITIVE,
        }
    }

    fn of_struct(tag: &StructTag, package: Address) -> Self {
        let (module, name) = (tag.module().as_str(), tag.name().as_str());
        if *tag.address() == package {
            return crate::bytecode::abilities(module, name).unwrap_or(Self::PRIMITIVE);
        }
        if *tag.address() == Address::TWO {
            return match (module, name) {
                ("coin", "Coin") | ("package", "UpgradeCap") => Self::OBJECT,
                ("clock", "Clock") | ("dynamic_field", "Field") => Self::KEY_ONLY,
                ("balance", "Balance") => Self::STORE,
                ("package", "UpgradeTicket" | "UpgradeReceipt") => Self::NONE,
                ("nitro_attestation", "NitroAttestationDocument") => Self::DROP,
                _ => Self::PRIMITIVE,
            };
        }
        Self::PRIMITIVE
    }
}

impl Ty {
    /// The type's tag. `parameter` stands for [`Ty::Param`].
    pub(crate) fn tag(self, package: Address, parameter: Option<&TypeTag>) -> Option<TypeTag> {
        Some(match self {
            Self::Bool => TypeTag::Bool,
            Self::U8 => TypeTag::U8,
            Self::U64 => TypeTag::U64,
            Self::U128 => TypeTag::U128,
            Self::Address => TypeTag::Address,
            Self::Id => framework::id_tag().into(),
            Self::String => framework::string_tag().into(),
            Self::Bytes => TypeTag::Vector(Box::new(TypeTag::U8)),
            Self::OptionBytes => StructTag::new(
                Address::from_static("0x1"),
                Identifier::from_static("option"),
                Identifier::from_static("Option"),
                vec![TypeTag::Vector(Box::new(TypeTag::U8))],
            )
            .into(),
            Self::U64s => TypeTag::Vector(Box::new(TypeTag::U64)),
            Self::BytesList => {
                let bytes = TypeTag::Vector(Box::new(TypeTag::U8));
                TypeTag::Vector(Box::new(bytes))
            }
            Self::Ids => TypeTag::Vector(Box::new(framework::id_tag().into())),
            Self::List(module, name) => {
                TypeTag::Vector(Box::new(struct_tag(package, module, name).into()))
            }
            Self::Sui(module, name) => struct_tag(Address::TWO, module, name).into(),
            Self::Coin => StructTag::gas_coin().into(),
            Self::Clock => framework::clock_tag().into(),
            Self::Package(module, name) => struct_tag(package, module, name).into(),
            Self::Param => return parameter.cloned(),
        })
    }

    /// Whether `bytes` from a pure input are a value of this type; `None` when the type can't be
    /// given as a pure input.
    pub(crate) fn accepts_pure(self, bytes: &[u8]) -> Option<bool> {
        Some(match self {
            Self::Bool => bcs::from_bytes::<bool>(bytes).is_ok(),
            Self::U8 => bcs::from_bytes::<u8>(bytes).is_ok(),
            Self::U64 => bcs::from_bytes::<u64>(bytes).is_ok(),
            Self::U128 => bcs::from_bytes::<u128>(bytes).is_ok(),
            Self::Address | Self::Id => bcs::from_bytes::<Address>(bytes).is_ok(),
            Self::String => bcs::from_bytes::<String>(bytes).is_ok(),
            Self::Bytes => bcs::from_bytes::<Vec<u8>>(bytes).is_ok(),
            Self::OptionBytes => bcs::from_bytes::<Option<Vec<u8>>>(bytes).is_ok(),
            Self::U64s => bcs::from_bytes::<Vec<u64>>(bytes).is_ok(),
            Self::BytesList => bcs::from_bytes::<Vec<Vec<u8>>>(bytes).is_ok(),
            Self::Ids => bcs::from_bytes::<Vec<Address>>(bytes).is_ok(),
            Self::Coin
            | Self::Clock
            | Self::Package(..)
            | Self::List(..)
            | Self::Sui(..)
            | Self::Param => return None,
        })
    }
}

/// The BCS bytes of a value. The layouts of this crate have no value that BCS can't encode
/// (only maps, unions of unknown size and floats), so an error is not possible; it would give no bytes,
/// which no decoder accepts.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).unwrap_or_default()
}

/// A SUI coin as an object.
pub(crate) fn coin_object(
    id: Address,
    balance: u64,
    version: Version,
    owner: Owner,
    previous_transaction: Digest,
) -> Option<Object> {
    new_object(
        StructTag::gas_coin(),
        true,
        version,
        encode(&Coin { id, balance }),
        owner,
        previous_transaction,
    )
}

/// The balance of `object` if it is a SUI coin.
pub(crate) fn coin_balance(object: &Object) -> Option<u64> {
    let data = object.as_struct()?;
    if *data.object_type() != StructTag::gas_coin() {
        return None;
    }
    bcs::from_bytes::<Coin>(data.contents())
        .ok()
        .map(|coin| coin.balance)
}
