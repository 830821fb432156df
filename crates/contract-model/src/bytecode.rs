//! The package's compiled modules, as `contracts/build.mjs` writes them to `contracts/bytecode.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sui_sdk_types::{Address, Identifier, MovePackage, TypeOrigin, UpgradeInfo};

const JSON: &str = include_str!("../../../contracts/bytecode.json");

/// Structs that each module defines.
const TYPES: &[(&str, &[&str])] = &[
    (
        "anchors",
        &[
            "Anchor",
            "AnchorStatement",
            "Anchors",
            "AnchorsCreated",
            "AnchorsMigrated",
            "StateAnchored",
        ],
    ),
    (
        "enclave_registry",
        &[
            "Cluster",
            "ClusterCap",
            "ClusterCreated",
            "ClusterMigrated",
            "Enclave",
            "EnclaveRegistered",
            "EnclaveRevoked",
            "Endpoint",
            "EndpointRegistered",
            "EndpointRemoved",
            "Measurement",
            "MeasurementApproved",
            "MeasurementRetired",
        ],
    ),
    (
        "k8s_gateway",
        &[
            "Claim",
            "Gateway",
            "GatewayCreated",
            "GatewayMigrated",
            "NodeName",
            "SealToken",
            "SealTokenCreated",
            "SealTokenRenewed",
            "SealTokenRevoked",
        ],
    ),
    (
        "params",
        &[
            "Change",
            "ChangeCancelled",
            "ChangeExecuted",
            "ChangeProposed",
            "DelayChanged",
            "Params",
            "ParamsCreated",
            "ParamsMigrated",
        ],
    ),
    (
        "rewards",
        &[
            "BudgetFunded",
            "ClusterAdmitted",
            "Earner",
            "EarnerSettled",
            "EmissionChanged",
            "Escrow",
            "EscrowClosed",
            "EscrowOpened",
            "PerformanceStatement",
            "RewardClaimed",
            "Rewards",
            "RewardsCreated",
            "RewardsMigrated",
            "RewardsUpdated",
        ],
    ),
    (
        "slashing",
        &[
            "AcquittalStatement",
            "Case",
            "CaseExecuted",
            "CaseOpened",
            "CaseRejected",
            "Docket",
            "DocketCreated",
            "DocketMigrated",
            "EvidenceStatement",
            "Rules",
            "RulesChanged",
            "StakePeriod",
        ],
    ),
    (
        "staking",
        &[
            "AdminCap",
            "PauseChanged",
            "PoolCreated",
            "PoolMigrated",
            "SlashCap",
            "Slashed",
            "Stake",
            "Staked",
            "StakingPool",
            "TierChanged",
            "TierParams",
            "ToppedUp",
            "TreasuryFunded",
            "TreasuryWithdrawn",
            "UnbondingChanged",
            "UnstakeRequested",
            "Withdrawn",
        ],
    ),
];

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

/// The modules, those that others depend on first. What the build carries is well-formed (a test
/// says so), so none is left out.
pub fn modules() -> Vec<Module> {
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
}

/// The package as it is stored once published at `id`.
pub(crate) fn package(id: Address, version: u64) -> MovePackage {
    let modules: BTreeMap<Identifier, Vec<u8>> = modules()
        .into_iter()
        .filter_map(|module| {
            let bytes = readdressed(&module.bytes, id).unwrap_or(module.bytes);
            Some((Identifier::new(module.name).ok()?, bytes))
        })
        .collect();
    let type_origin_table = TYPES
        .iter()
        .flat_map(|(module, names)| {
            names.iter().map(move |name| TypeOrigin {
                module_name: Identifier::from_static(module),
                struct_name: Identifier::from_static(name),
                package: id,
            })
        })
        .collect();
    let linkage_table = [Address::from_static("0x1"), Address::TWO]
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

/// The module with `0x0` in its table of addresses replaced by `id`, as publishing does.
fn readdressed(module: &[u8], id: Address) -> Option<Vec<u8>> {
    const ADDRESS_IDENTIFIERS: u8 = 8;
    let mut reader = Reader {
        bytes: module,
        at: 8,
    };
    let tables = reader.uleb128()?;
    let mut found = None;
    for _ in 0..tables {
        let kind = reader.byte()?;
        let (offset, length) = (reader.uleb128()?, reader.uleb128()?);
        if kind == ADDRESS_IDENTIFIERS {
            found = Some((offset, length));
        }
    }
    let (offset, length) = found?;
    let start = reader.at.checked_add(offset)?;
    let mut bytes = module.to_vec();
    let table = bytes.get_mut(start..start.checked_add(length)?)?;
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
        let names: Vec<&str> = package.modules.keys().map(|name| name.as_str()).collect();
        let expected: Vec<&str> = TYPES.iter().map(|(module, _)| *module).collect();
        assert_eq!(names, expected);
        for (name, bytes) in &package.modules {
            assert_eq!(bytes[..4], [0xa1, 0x1c, 0xeb, 0x0b], "{name:?}");
            let found = bytes.windows(32).filter(|w| *w == id.inner()).count();
            assert_eq!(found, 1, "{name:?}");
        }
    }

    /// Every struct of the bytecode's identifiers that the layouts know is in the table.
    #[test]
    fn the_type_origins_are_the_modules_structs() {
        for (module, names) in TYPES {
            let modules = modules();
            let compiled = modules.iter().find(|m| m.name == *module).unwrap();
            for name in *names {
                let mut identifier = vec![u8::try_from(name.len()).unwrap()];
                identifier.extend(name.as_bytes());
                let found = compiled.bytes.windows(identifier.len());
                assert!(found.clone().any(|w| w == identifier), "{module}::{name}");
            }
        }
    }
}
