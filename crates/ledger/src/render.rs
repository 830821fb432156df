//! The ledger's state as protocol messages, with exactly the fields that a read mask asks for.

use std::collections::{BTreeMap, BTreeSet};

use sui_rpc::field::{FieldMask, FieldMaskTree, FieldMaskUtil as _};
use sui_rpc::merge::Merge as _;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::timestamp_ms_to_proto;
use sui_sdk_types::{
    Address, BalanceChange, Event, Object, ObjectIn, ObjectType, StructTag, TransactionEffects,
    TypeTag,
};
use tonic::Status;

use crate::gas;
use crate::record::contents;
use crate::state::{Checkpoint, State, Transaction};

/// The read mask of a request, or the service's default.
pub(crate) fn mask(given: Option<&FieldMask>, default: &str) -> FieldMaskTree {
    match given {
        Some(mask) => FieldMaskTree::from_field_mask(mask),
        None => FieldMaskTree::from_field_mask(&FieldMask::from_str(default)),
    }
}

/// The read mask of a request, refused where it names a field that there is not.
pub(crate) fn checked_mask<M: sui_rpc::field::MessageFields>(
    given: Option<&FieldMask>,
    default: &str,
) -> Result<FieldMaskTree, Status> {
    if let Some(given) = given
        && let Err(path) = given.validate::<M>()
    {
        return Err(Status::invalid_argument(format!(
            "the read mask names `{path}`, which is not a field"
        )));
    }
    Ok(mask(given, default))
}

/// An object.
pub(crate) fn object(object: &Object, mask: &FieldMaskTree) -> proto::Object {
    let mut message = proto::Object::merge_from(object.clone(), mask);
    if mask.contains("balance") {
        message.balance = gas::coin_balance(object);
    }
    message
}

/// An executed transaction.
pub(crate) fn transaction(
    state: &State,
    transaction: &Transaction,
    mask: &FieldMaskTree,
) -> proto::ExecutedTransaction {
    let record = &transaction.record;
    let mut message = proto::ExecutedTransaction::default();
    if mask.contains("digest") {
        message.digest = Some(transaction.digest.to_string());
    }
    if let Some(submask) = mask.subtree("transaction") {
        message.transaction = Some(proto::Transaction::merge_from(
            record.signed.transaction.clone(),
            &submask,
        ));
    }
    if let Some(submask) = mask.subtree("signatures") {
        message.signatures = record
            .signed
            .signatures
            .iter()
            .map(|signature| proto::UserSignature::merge_from(signature.clone(), &submask))
            .collect();
    }
    if let Some(submask) = mask.subtree("effects") {
        message.effects = Some(effects(
            &record.effects,
            &|id, version| {
                state
                    .object_at(id, version)
                    .map(|object| object_type(object))
            },
            &record.written,
            &submask,
        ));
    }
    if let Some(submask) = mask.subtree("events") {
        message.events = record
            .events
            .clone()
            .map(|events| proto::TransactionEvents::merge_from(events, &submask));
    }
    if mask.contains("checkpoint") {
        message.checkpoint = Some(transaction.checkpoint);
    }
    if mask.contains("timestamp") {
        message.timestamp = Some(timestamp_ms_to_proto(transaction.timestamp_ms));
    }
    if mask.contains("transaction_index") {
        message.transaction_index = Some(transaction.index);
    }
    let before = inputs(state, &record.effects);
    if mask.contains("balance_changes") {
        message.balance_changes = balance_changes(&before, &record.written);
    }
    if let Some(submask) = mask.subtree("objects")
        && let Some(submask) = submask.subtree("objects")
    {
        message.objects = Some(object_set(before.iter().chain(&record.written), &submask));
    }
    message
}

/// Objects sorted by id and version, each once.
fn object_set<'a>(
    objects: impl Iterator<Item = &'a Object>,
    mask: &FieldMaskTree,
) -> proto::ObjectSet {
    let sorted: BTreeMap<_, _> = objects
        .map(|object| ((object.object_id(), object.version()), object))
        .collect();
    let mut set = proto::ObjectSet::default();
    set.objects = sorted
        .into_values()
        .map(|each| object(each, mask))
        .collect();
    set
}

/// Effects, with the types of the objects that changed, which their BCS does not have.
pub(crate) fn effects(
    source: &TransactionEffects,
    type_before: &dyn Fn(Address, u64) -> Option<String>,
    written: &[Object],
    mask: &FieldMaskTree,
) -> proto::TransactionEffects {
    let mut message = proto::TransactionEffects::merge_from(source, mask);
    let types: BTreeMap<String, String> = written
        .iter()
        .map(|object| (object.object_id().to_string(), object_type(object)))
        .collect();
    for changed in message
        .changed_objects
        .iter_mut()
        .chain(&mut message.gas_object)
    {
        changed.object_type = types.get(changed.object_id()).cloned().or_else(|| {
            let id = changed.object_id().parse().ok()?;
            type_before(id, changed.input_version?)
        });
    }
    message
}

/// Objects before a transaction, as far as it changed them.
pub(crate) fn inputs(state: &State, effects: &TransactionEffects) -> Vec<Object> {
    let TransactionEffects::V2(effects) = effects else {
        return Vec::new();
    };
    effects
        .changed_objects
        .iter()
        .filter_map(|changed| match &changed.input_state {
            ObjectIn::Exist { version, .. } => state.object_at(changed.object_id, *version),
            _ => None,
        })
        .map(|object| Object::clone(object))
        .collect()
}

/// What each address has more or less of SUI in its coins.
pub(crate) fn balance_changes(before: &[Object], after: &[Object]) -> Vec<proto::BalanceChange> {
    let mut changes: BTreeMap<Address, i128> = BTreeMap::new();
    for (objects, sign) in [(before, -1), (after, 1)] {
        for (owner, balance) in objects.iter().filter_map(gas::owned_coin) {
            *changes.entry(owner).or_default() += sign * i128::from(balance);
        }
    }
    changes
        .into_iter()
        .filter(|(_, amount)| *amount != 0)
        .map(|(address, amount)| {
            BalanceChange {
                address,
                coin_type: TypeTag::Struct(Box::new(StructTag::sui())),
                amount,
            }
            .into()
        })
        .collect()
}

/// An object's type, `package` for a package.
pub(crate) fn object_type(object: &Object) -> String {
    match object.object_type() {
        ObjectType::Package => "package".to_owned(),
        ObjectType::Struct(tag) => tag.to_string(),
    }
}

/// An event that is delivered on its own.
pub(crate) fn event(
    transaction: &Transaction,
    index: u32,
    source: &Event,
    mask: &FieldMaskTree,
) -> proto::Event {
    let mut message = proto::Event::merge_from(source.clone(), mask);
    if mask.contains("checkpoint") {
        message.checkpoint = Some(transaction.checkpoint);
    }
    if mask.contains("transaction_digest") {
        message.transaction_digest = Some(transaction.digest.to_string());
    }
    if mask.contains("transaction_index") {
        message.transaction_index = Some(transaction.index);
    }
    if mask.contains("event_index") {
        message.event_index = Some(index);
    }
    message
}

/// A checkpoint. It has no committee's signature, because there is no committee.
pub(crate) fn checkpoint(
    state: &State,
    source: &Checkpoint,
    mask: &FieldMaskTree,
) -> proto::Checkpoint {
    let mut message = proto::Checkpoint::merge_from(&source.summary, mask);
    if mask.subtree("contents").is_some() {
        let records: Vec<_> = source
            .transactions
            .iter()
            .map(|transaction| transaction.record.clone())
            .collect();
        message.merge(contents(&records), mask);
    }
    if let Some(submask) = mask.subtree("transactions") {
        message.transactions = source
            .transactions
            .iter()
            .map(|each| transaction(state, each, &submask))
            .collect();
    }
    if let Some(submask) = mask.subtree("objects")
        && let Some(submask) = submask.subtree("objects")
    {
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        for each in &source.transactions {
            for found in inputs(state, &each.record.effects)
                .into_iter()
                .chain(each.record.written.iter().cloned())
            {
                if seen.insert((found.object_id(), found.version())) {
                    all.push(found);
                }
            }
        }
        message.objects = Some(object_set(all.iter(), &submask));
    }
    message
}

/// The current or a past epoch.
pub(crate) fn epoch(epoch: &crate::state::Epoch, price: u64, mask: &FieldMaskTree) -> proto::Epoch {
    let mut protocol = proto::ProtocolConfig::default();
    protocol.protocol_version = Some(1);
    let mut full = proto::Epoch::default();
    full.epoch = Some(epoch.number);
    full.first_checkpoint = Some(epoch.first_checkpoint);
    full.last_checkpoint = epoch.last_checkpoint;
    full.start = Some(timestamp_ms_to_proto(epoch.start_ms));
    full.end = epoch.end_ms.map(timestamp_ms_to_proto);
    full.reference_gas_price = Some(price);
    full.protocol_config = Some(protocol);
    proto::Epoch::merge_from(&full, mask)
}
