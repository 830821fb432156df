//! The package's compiled modules, as `contracts/build.mjs` writes them to `contracts/bytecode.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sui_sdk_types::{Address, Identifier, MovePackage, TypeOrigin, UpgradeInfo};

use crate::types::Abilities;

const JSON: &str = include_str!("../../../contracts/bytecode.json");

/// A compiled module, with `0x0` as the package's own address: what a publish transaction carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its bytecode.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Compiled {
    modules: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    name: String,
    bytecode: String,
}

/// What the package depends on: the standard library and the framework, at these ids on every Sui
/// network.
pub const DEPENDENCIES: [Address; 2] = [Address::from_static("0x1"), Address::TWO];

static MODULES: LazyLock<Vec<Module>> = LazyLock::new(|| {
    let Ok(compiled) = serde_json::from_str::<Compiled>(JSON) else {
        return Vec::new();
    };
    let modules = compiled.modules.into_iter();
    modules
        .filter_map(|module| {
            Some(Module {
                name: module.name,
                bytes: STANDARD.decode(module.bytecode).ok()?,
            })
        })
        .collect()
});

/// The structs that each module defines, in the modules' order.
static TYPES: LazyLock<Vec<(String, Vec<Struct>)>> = LazyLock::new(|| {
    let modules = MODULES.iter();
    modules
        .filter_map(|module| Some((module.name.clone(), structs(&module.bytes)?)))
        .collect()
});

/// The modules, those that others depend on first: the order in which a publish transaction carries
/// them and in which their `init` functions run. What the build carries is well-formed (a test says
/// so), so none is left out.
pub fn modules() -> &'static [Module] {
    &MODULES
}

/// The abilities of the package's struct `module::name`; `None` when it defines none of that name.
pub(crate) fn abilities(module: &str, name: &str) -> Option<Abilities> {
    let (_, structs) = TYPES.iter().find(|(known, _)| known == module)?;
    let found = structs.iter().find(|known| known.name == name)?;
    Some(found.abilities)
}

/// The package as it is stored once published at `id`.
pub(crate) fn package(id: Address, version: u64) -> MovePackage {
    let modules: BTreeMap<Identifier, Vec<u8>> = modules()
        .iter()
        .filter_map(|module| {
            let bytes = readdressed(&module.bytes, id).unwrap_or_else(|| module.bytes.clone());
            Some((Identifier::new(&module.name).ok()?, bytes))
        })
        .collect();
    let type_origin_table = TYPES
        .iter()
        .flat_map(|(module, structs)| {
            structs.iter().filter_map(move |known| {
                Some(TypeOrigin {
                    module_name: Identifier::new(module).ok()?,
                    struct_name: Identifier::new(&known.name).ok()?,
                    package: id,
                })
            })
        })
        .collect();
    let linkage_table = DEPENDENCIES
        .map(|id| {
            let upgraded_version = 1;
            let info = UpgradeInfo {
                upgraded_id: id,
                upgraded_version,
            };
            (id, info)
        })
        .into();
    MovePackage {
        id,
        version,
        modules,
        type_origin_table,
        linkage_table,
    }
}

/// A struct that a module defines.
#[derive(Debug)]
struct Struct {
    name: String,
    abilities: Abilities,
}

#[cfg(test)]
const MODULE_HANDLES: u8 = 1;
const DATATYPE_HANDLES: u8 = 2;
const IDENTIFIERS: u8 = 7;
const ADDRESS_IDENTIFIERS: u8 = 8;

/// The tables of a module by kind, where its content begins, and its own module handle.
struct Tables<'a> {
    bytes: &'a [u8],
    content: usize,
    tables: BTreeMap<u8, (usize, usize)>,
    own: usize,
}

impl<'a> Tables<'a> {
    /// upstream: move-binary-format/src/file_format_common.rs
    fn of(module: &'a [u8]) -> Option<Self> {
        // Magic and version come first.
        let mut reader = Reader {
            bytes: module,
            at: 8,
        };
        let mut tables = BTreeMap::new();
        let mut length_of_all = 0;
        for _ in 0..reader.uleb128()? {
            let kind = reader.byte()?;
            let (offset, length) = (reader.uleb128()?, reader.uleb128()?);
            length_of_all = length_of_all.max(offset.checked_add(length)?);
            tables.insert(kind, (offset, length));
        }
        let content = reader.at;
        reader.at = content.checked_add(length_of_all)?;
        let own = reader.uleb128()?;
        Some(Self {
            bytes: module,
            content,
            tables,
            own,
        })
    }

    /// A reader of the table, and where the table ends.
    fn reader(&self, kind: u8) -> Option<(Reader<'a>, usize)> {
        let (offset, length) = *self.tables.get(&kind)?;
        let at = self.content.checked_add(offset)?;
        let bytes = self.bytes;
        Some((Reader { bytes, at }, at.checked_add(length)?))
    }

    fn identifiers(&self) -> Option<Vec<String>> {
        let (mut reader, end) = self.reader(IDENTIFIERS)?;
        let mut identifiers = Vec::new();
        while reader.at < end {
            let length = reader.uleb128()?;
            let after = reader.at.checked_add(length)?;
            let text = self.bytes.get(reader.at..after)?;
            identifiers.push(std::str::from_utf8(text).ok()?.to_owned());
            reader.at = after;
        }
        Some(identifiers)
    }
}

/// The structs that a module defines: its datatype handles of its own module.
fn structs(module: &[u8]) -> Option<Vec<Struct>> {
    let tables = Tables::of(module)?;
    let identifiers = tables.identifiers()?;
    let (mut reader, end) = tables.reader(DATATYPE_HANDLES)?;
    let mut structs = Vec::new();
    while reader.at < end {
        let (of, name) = (reader.uleb128()?, reader.uleb128()?);
        let bits = reader.byte()?;
        for _ in 0..reader.uleb128()? {
            reader.byte()?;
            reader.byte()?;
        }
        if of == tables.own {
            let abilities = Abilities {
                copy: bits & 1 != 0,
                drop: bits & 2 != 0,
                store: bits & 4 != 0,
                key: bits & 8 != 0,
            };
            structs.push(Struct {
                name: identifiers.get(name)?.clone(),
                abilities,
            });
        }
    }
    Some(structs)
}

/// The name that a module has in its own bytecode.
#[cfg(test)]
fn own_name(module: &[u8]) -> Option<String> {
    let tables = Tables::of(module)?;
    let (mut reader, _) = tables.reader(MODULE_HANDLES)?;
    for _ in 0..tables.own {
        reader.uleb128()?;
        reader.uleb128()?;
    }
    reader.uleb128()?;
    let name = reader.uleb128()?;
    tables.identifiers()?.get(name).cloned()
}

/// The module with `0x0` in its table of addresses replaced by `id`, as publishing does.
fn readdressed(module: &[u8], id: Address) -> Option<Vec<u8>> {
    let tables = Tables::of(module)?;
    let (reader, end) = tables.reader(ADDRESS_IDENTIFIERS)?;
    let mut bytes = module.to_vec();
    let table = bytes.get_mut(reader.at..end)?;
    for address in table.chunks_exact_mut(Address::LENGTH) {
        if address.iter().all(|byte| *byte == 0) {
            address.copy_from_slice(id.as_ref());
        }
    }
    Some(bytes)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn uleb128(&mut self) -> Option<usize> {
        let mut value = 0usize;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_all_modules_at_its_own_address() {
        let id = Address::new([0xab; 32]);
        let package = package(id, 1);
        assert_eq!(package.modules.len(), modules().len());
        assert!(modules().len() >= 7);
        for module in modules() {
            assert_eq!(own_name(&module.bytes).as_deref(), Some(&*module.name));
        }
        for (name, bytes) in &package.modules {
            assert_eq!(bytes[..4], [0xa1, 0x1c, 0xeb, 0x0b], "{name:?}");
            let found = bytes.windows(32).filter(|w| *w == id.inner()).count();
            assert_eq!(found, 1, "{name:?}");
        }
    }

    /// Sui refuses packages of more than 100 KiB and transactions of more than 128 KiB.
    #[test]
    fn the_package_is_small_enough_to_be_published() {
        let size: usize = modules().iter().map(|module| module.bytes.len()).sum();
        assert!(size < 100 * 1024, "{size} bytes");
    }

    #[test]
    fn the_structs_and_their_abilities_are_read_from_the_bytecode() {
        let stake = abilities("staking", "Stake").unwrap();
        assert!(stake.key && !stake.store && !stake.copy && !stake.drop);
        let cap = abilities("staking", "AdminCap").unwrap();
        assert!(cap.key && cap.store);
        let staked = abilities("staking", "Staked").unwrap();
        assert!(staked.copy && staked.drop && !staked.key);
        assert_eq!(abilities("staking", "Clock"), None);
        assert_eq!(TYPES.len(), modules().len());
    }
}
