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

/// `0x2::package::UpgradeTicket`: must be used in the transaction that authorised it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeTicket {
    /// The capability.
    pub cap: Address,
    /// The package.
    pub package: Address,
    /// What the upgrade may change.
    pub policy: u8,
    /// Of the modules and dependencies.
    pub digest: Vec<u8>,
}

/// `0x2::package::UpgradeReceipt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeReceipt {
    /// The capability.
    pub cap: Address,
    /// The new version of the package.
    pub package: Address,
}

/// `0x2::nitro_attestation::PCREntry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PcrEntry {
    /// The register's index.
    pub index: u8,
    /// Its value.
    pub value: Vec<u8>,
}

/// `0x2::nitro_attestation::NitroAttestationDocument`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NitroAttestationDocument {
    /// Of the hypervisor.
    pub module_id: Vec<u8>,
    /// In Unix milliseconds.
    pub timestamp: u64,
    /// The digest function of the registers.
    pub digest: Vec<u8>,
    /// The registers.
    pub pcrs: Vec<PcrEntry>,
    /// Any key.
    pub public_key: Option<Vec<u8>>,
    /// What the enclave had signed.
    pub user_data: Option<Vec<u8>>,
    /// What the verifier gave.
    pub nonce: Option<Vec<u8>>,
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
