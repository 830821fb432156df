//! The first checkpoint.

use contract_model::layout::staking::TierParams;
use contract_model::{GenesisConfig, Parameters, genesis, unpublished};
use serde::{Deserialize, Serialize};
use sui_sdk_types::hash::Hasher;
use sui_sdk_types::{
    Address, ChangedObject, CheckpointSummary, Digest, ExecutionStatus, GasCostSummary, GasPayment,
    GenesisObject, GenesisTransaction, IdOperation, Object, ObjectIn, ObjectOut, SignedTransaction,
    Transaction, TransactionEffects, TransactionEffectsV2, TransactionEvents,
    TransactionExpiration, TransactionKind,
};

use crate::config::GenesisOptions;
use crate::record::{CheckpointRecord, TransactionRecord, contents};
use crate::{Deployment, LedgerError, gas};

/// Owner of the reserve: no key derives to it, so that only the ledger itself can spend from it.
pub(crate) const RESERVE: Address =
    Address::from_static("0x6461617373656564000000000000000000000000000000000000000000000000");

/// What begins a log: the options that decide the ids, and the first checkpoint.
pub(crate) struct Beginning {
    /// Where genesis publishes the package.
    pub(crate) deployment: Option<Deployment>,
    pub(crate) genesis: GenesisRecord,
    pub(crate) record: CheckpointRecord,
}

/// What genesis was made from, as the log keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GenesisRecord {
    pub(crate) publisher: Option<Address>,
    seed: Digest,
    timestamp_ms: u64,
    funds: Vec<(Address, u64)>,
    tiers: [TierParams; 3],
    unbonding_ms: u64,
    delay_ms: u64,
}

impl GenesisRecord {
    /// The same for the model.
    pub(crate) fn config(&self) -> GenesisConfig {
        GenesisConfig {
            publisher: self.publisher.unwrap_or(Address::ZERO),
            digest: self.seed,
            timestamp_ms: self.timestamp_ms,
            funds: self.funds.clone(),
            parameters: self.parameters(),
        }
    }

    /// What publishing sets.
    pub(crate) fn parameters(&self) -> Parameters {
        Parameters {
            tiers: self.tiers.clone(),
            unbonding_ms: self.unbonding_ms,
            delay_ms: self.delay_ms,
        }
    }
}

/// The system's transaction of this kind: nobody signs it, nobody pays for it.
pub(crate) fn system_transaction(kind: TransactionKind) -> SignedTransaction {
    SignedTransaction {
        transaction: Transaction {
            kind,
            sender: Address::ZERO,
            gas_payment: GasPayment {
                objects: Vec::new(),
                owner: Address::ZERO,
                price: 1,
                budget: 0,
            },
            expiration: TransactionExpiration::None,
        },
        signatures: Vec::new(),
    }
}

/// Hands out the funds, and publishes the package for a publisher. The same options and time give the same
/// checkpoint, byte for byte.
pub(crate) fn begin(options: &GenesisOptions, timestamp_ms: u64) -> Result<Beginning, LedgerError> {
    let refused = |reason: String| LedgerError::Genesis { reason };
    let mut funds = options.funds.clone();
    if let Some((owner, _)) = funds.iter().find(|(_, amount)| *amount == 0) {
        return Err(refused(format!("the funds of {owner} are 0 MIST")));
    }
    if options.reserve > 0 {
        funds.push((RESERVE, options.reserve));
    }
    let total: u128 = funds.iter().map(|(_, amount)| u128::from(*amount)).sum();
    if total > u128::from(u64::MAX / 2) {
        return Err(refused(format!(
            "the funds add up to {total} MIST, at most {} are possible",
            u64::MAX / 2
        )));
    }

    let mut seed = Hasher::new();
    seed.update(b"k3s-daas ledger genesis");
    seed.update(bcs::to_bytes(&(
        timestamp_ms,
        options.publisher,
        &funds,
        &options.parameters.tiers,
        options.parameters.unbonding_ms,
        options.parameters.delay_ms,
    ))?);
    let made_from = GenesisRecord {
        publisher: options.publisher,
        seed: seed.finalize(),
        timestamp_ms,
        funds,
        tiers: options.parameters.tiers.clone(),
        unbonding_ms: options.parameters.unbonding_ms,
        delay_ms: options.parameters.delay_ms,
    };
    let config = made_from.config();
    let made = options.publisher.map(|_| genesis(&config));
    let world = made
        .as_ref()
        .map_or_else(|| unpublished(&config).0, |made| made.world.clone());

    // The ids derive from the options; the transaction holds the objects; the objects name it.
    let mut objects: Vec<Object> = world
        .objects()
        .map(|object| Object::clone(object))
        .collect();
    objects.sort_by_key(Object::object_id);
    let signed = system_transaction(TransactionKind::Genesis(GenesisTransaction {
        objects: objects
            .iter()
            .map(|object| GenesisObject::new(object.data().clone(), *object.owner()))
            .collect(),
    }));
    let digest = signed.transaction.digest();
    let written: Vec<Object> = objects
        .iter()
        .map(|object| {
            Object::new(
                object.data().clone(),
                *object.owner(),
                digest,
                gas::storage_charge(object),
            )
        })
        .collect();
    let events = made.as_ref().map(|made| made.events.clone());
    let events = TransactionEvents(events.unwrap_or_default());
    let effects = effects(&written, digest, &events);

    let transactions = vec![TransactionRecord {
        signed,
        effects,
        events: Some(events),
        written,
        deleted: Vec::new(),
    }];
    let summary = CheckpointSummary {
        epoch: 0,
        sequence_number: 0,
        network_total_transactions: 1,
        content_digest: contents(&transactions).digest(),
        previous_digest: None,
        epoch_rolling_gas_cost_summary: GasCostSummary::default(),
        timestamp_ms,
        checkpoint_commitments: Vec::new(),
        end_of_epoch_data: None,
        version_specific_data: Vec::new(),
    };
    let chain = summary.digest().to_string();
    let deployment = made.map(|made| Deployment::of(chain, &made, &world));
    Ok(Beginning {
        deployment,
        genesis: made_from,
        record: CheckpointRecord {
            summary,
            transactions,
        },
    })
}

fn effects(written: &[Object], digest: Digest, events: &TransactionEvents) -> TransactionEffects {
    let changed_objects = written
        .iter()
        .map(|object| ChangedObject {
            object_id: object.object_id(),
            input_state: ObjectIn::NotExist,
            output_state: match object.data() {
                sui_sdk_types::ObjectData::Package(package) => ObjectOut::PackageWrite {
                    version: package.version,
                    digest: object.digest(),
                },
                sui_sdk_types::ObjectData::Struct(_) => ObjectOut::ObjectWrite {
                    digest: object.digest(),
                    owner: *object.owner(),
                },
            },
            id_operation: IdOperation::Created,
        })
        .collect();
    TransactionEffects::V2(Box::new(TransactionEffectsV2 {
        status: ExecutionStatus::Success,
        epoch: 0,
        gas_used: GasCostSummary::default(),
        transaction_digest: digest,
        gas_object_index: None,
        events_digest: Some(events.digest()),
        dependencies: Vec::new(),
        lamport_version: 1,
        changed_objects,
        unchanged_consensus_objects: Vec::new(),
        auxiliary_data_digest: None,
    }))
}
