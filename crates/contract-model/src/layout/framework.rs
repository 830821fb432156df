//! Layouts of Sui framework types.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Identifier, StructTag, TypeTag};

/// The id of the shared `0x2::clock::Clock`.
pub const CLOCK: Address = Address::from_static("0x6");

/// `0x2::coin::Coin<0x2::sui::SUI>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coin {
    /// The object's id.
    pub id: Address,
    /// The balance in MIST.
    pub balance: u64,
}

/// `0x2::clock::Clock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The object's id, always [`CLOCK`].
    pub id: Address,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// `0x2::table::Table<K, V>`: the entries are dynamic fields of `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The parent of the entries.
    pub id: Address,
    /// How many entries there are.
    pub size: u64,
}

/// `0x2::dynamic_field::Field<K, V>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field<K, V> {
    /// Derived from the parent, the key's type and the key.
    pub id: Address,
    /// The key.
    pub name: K,
    /// The value.
    pub value: V,
}

/// `0x2::package::UpgradeCap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeCap {
    /// The object's id.
    pub id: Address,
    /// The package that it upgrades.
    pub package: Address,
    /// The package's version, from 1.
    pub version: u64,
    /// What an upgrade may change (0: anything compatible).
    pub policy: u8,
}

/// The type tag of [`Clock`].
pub fn clock_tag() -> StructTag {
    super::struct_tag(Address::TWO, "clock", "Clock")
}

/// The type tag of [`UpgradeCap`].
pub fn upgrade_cap_tag() -> StructTag {
    super::struct_tag(Address::TWO, "package", "UpgradeCap")
}

/// `0x1::string::String`.
pub fn string_tag() -> StructTag {
    super::struct_tag(Address::from_static("0x1"), "string", "String")
}

/// `0x2::object::ID`.
pub fn id_tag() -> StructTag {
    super::struct_tag(Address::TWO, "object", "ID")
}

/// `0x2::dynamic_field::Field<key, value>`.
pub fn field_tag(key: TypeTag, value: TypeTag) -> StructTag {
    StructTag::new(
        Address::TWO,
        Identifier::from_static("dynamic_field"),
        Identifier::from_static("Field"),
        vec![key, value],
    )
}
